/* SPDX-License-Identifier: MIT */
/*
 * Several connection managers in one process. Nodes 0 to 2 are composite servers, 3 to 5 run
 * applications, whose own CMs are 0 to 2. The test is every node's dispatcher: it carries the
 * messages between managers, and keeps those to a TS for the test to look at.
 */
#pragma once

#include "kernel/message/counters.h"
#include "net/configuration.h"
#include "net/manager/manager.h"
#include "net/messages.h"

#define SERVER_COUNT      3
#define NODE_COUNT        (2 * SERVER_COUNT)
#define APPLICATION_OF(n) ((node_id_t)(SERVER_COUNT + (n)))
#define PORT              80
#define QUEUE_MAX         4096

struct delivery {
    node_id_t from, to;
    union {
        struct message_header header;
        struct assign_connection assign;
        struct reassign_connection reassign;
        struct offer offer;
        uint8_t bytes[256];
    };
};

/* One node with its CM; its address is the context that the manager gives back. */
struct server {
    struct manager manager;
    void *memory; /* of its tables */
    uint64_t counters[COUNTER_MAX];
    uint64_t wake_ns; /* when it wants to be called; UINT64_MAX: never */
};

extern struct configuration configuration;
extern struct server servers[SERVER_COUNT];
extern struct delivery to_ts[QUEUE_MAX];
extern unsigned to_ts_count, seen_count; /* of what is for a TS */
extern uint64_t now_ns;                  /* on all nodes' clocks; goes on with each message */
extern uint64_t service_ns;              /* of connections that close */

/* A test's set-up: balanced by the fewest open connections; and by words of the command line. */
int start_three(void **state);
int start_balanced_by(void **state, const char *line);
/* A test's end, whatever it has left: to a manager that is alone nothing is left of it. */
int all_is_given_back(void **state);

/* Until the managers have nothing more to say to each other. */
void deliver_all(void);
/* The managers whose time has come send their offers. */
void wake_all(void);

/* --- What applications and servers say --- */

void listen_at(node_id_t application, node_id_t cm, uint32_t backlog);
void listen_everywhere(node_id_t application);
void accept_at_own(node_id_t application, uint16_t request_number);
/* A SYN comes to that CM, which answers the TS on its own node. */
struct acceptor syn_at(node_id_t cm);
void claim_times_out(node_id_t ts, struct acceptor acceptor, uint32_t connection_index);
void connection_closes(node_id_t ts, struct acceptor acceptor);

/* --- What a manager has done --- */

const struct delivery *next_to(node_id_t ts, uint16_t type);
void no_more_to_any_ts(void);
struct listener *listener_at(node_id_t cm);
/* What a CM counts as open at the applications on its list, all together. */
unsigned outstanding_at(node_id_t cm);
