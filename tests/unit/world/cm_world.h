/* SPDX-License-Identifier: MIT */
/*
 * A connection manager's world for unit tests: the test is the rest of the system. It gives
 * the CM messages and looks at what the CM sends.
 *
 * Nodes 0 and 1 are composite servers, 2 to 5 run applications; the CM under test is node 0's,
 * so 2 and 4 are its own applications, and 3 and 5 those of node 1's CM.
 */
#pragma once

#include "net/configuration.h"
#include "net/counters.h"
#include "net/manager/manager.h"
#include "net/messages.h"

#define NODE_COUNT   6
#define OUR_CM       0
#define OTHER_CM     1
#define TS_A         0
#define TS_B         1
#define APP_A        2 /* own CM: ours */
#define APP_B        4
#define APP_OF_OTHER 3
#define PORT         80

/* A test's set-up: every table is empty again; balanced by the fewest open connections. */
int start_anew(void **state);
/* The same with words of the command line. */
int start_balanced_by(void **state, const char *line);
/* With all defaults, and the clock goes on when the test says so. */
int start_tournament(void **state);
/* A test's end: every entry of the manager's tables has come back. */
int all_is_given_back(void **state);

/* --- What the CM asks of its node --- */

#define SENT_MAX 8192

struct sent_message {
    node_id_t to;
    union {
        struct message_header header;
        struct assign_connection assign;
        struct reassign_connection reassign;
        struct offer offer;
        struct ports_served ports;
        uint8_t bytes[256];
    };
};

extern struct sent_message sent[SENT_MAX];
extern unsigned sent_count;
/* The lists of ports that it has sent; the last so many of them, as a ring. */
#define TOLD_PORTS_MAX 64
extern struct sent_message told_ports[TOLD_PORTS_MAX];
extern unsigned told_ports_count;
extern uint64_t counters[COUNTER_MAX];
extern struct configuration configuration;
extern uint64_t now_ns;              /* the node's clock; begins at 1 */
extern uint64_t message_interval_ns; /* it goes on so much with each message: 1 ms at first */
extern uint64_t clock_step_ns;       /* and so much at each look at the exact time */
extern uint64_t wake_ns;             /* when the manager wants to be called; UINT64_MAX: never */
extern struct manager manager;       /* the one under test */

/* What it knows of a port; NULL for nothing. */
struct listener *listener_at(uint16_t port);

/* --- What the rest of the system tells it --- */

extern const struct acceptor nobody; /* a connection was assigned to */

void deliver(node_id_t from, struct message_header *message, uint16_t type, size_t bytes);

#define DELIVER(from, type, ...)                                                                   \
    do {                                                                                           \
        __typeof__(__VA_ARGS__) message_ = __VA_ARGS__;                                            \
        deliver(from, &message_.header, type, sizeof(message_));                                   \
    } while (0)

void node_dies(node_id_t node);
void app_listens(node_id_t app, uint16_t port, uint32_t backlog);
void app_stops_listening(node_id_t app, uint16_t port);
void app_accepts(node_id_t app, uint16_t port);
void syn_arrives(node_id_t ts, uint16_t port);
void claim_times_out(node_id_t ts, struct acceptor acceptor, uint32_t connection_index);
void connection_closes(node_id_t ts, struct acceptor acceptor);
void other_cm_offers(node_id_t app);

/* --- What it sends, in order --- */

struct sent_message *next_sent(node_id_t to, uint16_t type);
void nothing_more_is_sent(void);
void see_all(void); /* all that has been sent, whatever it was */
void see_only_assignments(void);
struct acceptor assigned_to(node_id_t ts);
void other_cm_is_offered(node_id_t app);
void connection_is_reassigned(node_id_t ts, uint32_t connection_index, node_id_t app);
void connection_is_refused(node_id_t ts, uint32_t connection_index);

/* --- What most tests start from --- */

/* One application of ours on the acceptor list, and the other CM told. */
void one_app_serves(node_id_t app);
/* A, then B. */
void both_apps_serve(void);
/* A SYN comes, and is assigned to whom this returns. */
struct acceptor connection_opens(node_id_t ts);

/* --- Service times --- */

#define USUAL_NS 79872u /* a median that comes out exactly: the middle of a bucket (service.h) */

struct listening_application *application_of(node_id_t node);
/* A connection of the only application opens and closes after so long. */
void serve_one(uint64_t service_ns);
/* A's, until the median says so, whatever it was; what is sent meanwhile is seen. */
void serve_until_median_is(uint64_t service_ns);
void other_cm_offers_in(node_id_t app, uint64_t service_ns);
void app_is_offered_in(node_id_t app, uint64_t service_ns);
/* The node calls the manager, which has asked for that. */
void wake(void);
