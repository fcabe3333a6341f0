/* SPDX-License-Identifier: MIT */
/*
 * The connection manager (CM, PIKA 3.2 and 3.3): listening ports and acceptors; decides which
 * application gets a new connection. Meets the other roles only in messages.
 *
 * What a CM knows stands in its struct manager, and what it asks of its node goes through its
 * struct manager_environment, so that many can run in one process. A node's own one is server.c's.
 */
#pragma once

#include "kernel/base.h"
#include "kernel/message/message.h"
#include "net/configuration.h"
#include "net/manager/balance/balance.h"
#include "net/manager/listeners.h"
#include "net/manager/waiting.h"

/* What a CM asks of its node; `context` is the manager's own. It comes last, so that passing a call
 * on to the dispatcher moves no argument. */
struct manager_environment {
    /* As message_reserve_posted() and message_publish() in kernel/message/send.h. */
    void *(*reserve_posted)(node_id_t to, uint16_t type, size_t fixed_bytes, void *context);
    void (*publish)(void *context);
    /* One more of what this counter (net/counters.h, net/manager/counters.h) counts; and as
     * counter_add() and counter_set(). */
    void (*count)(unsigned counter, void *context);
    void (*add)(unsigned counter, uint64_t amount, void *context);
    void (*set)(unsigned counter, uint64_t value, void *context);
    /* Time, never less than before and not 0: good to some microseconds, and cheap; and exact, for
     * measuring what a step costs. */
    uint64_t (*now_ns)(void *context);
    uint64_t (*exact_now_ns)(void *context);
    /* Call manager_send_offers() once, at that time or soon after; moves an earlier wish. */
    void (*wake_at)(uint64_t time_ns, void *context);
};

/* How a CM works, as the command line says (options.h). */
struct manager_options {
    struct balance balance;
    uint64_t offer_period_ns; /* the least time between two offers of one port */
};

struct manager {
    /* Constant once it is initialised. */
    node_id_t node; /* its own */
    uint64_t offer_period_ns;
    const struct configuration *configuration;
    const struct manager_environment *environment;
    void *context; /* given back to the environment's functions */
    struct balance balance;
    uint64_t wake_ns; /* when manager_send_offers() is due; UINT64_MAX: not */
    /* Its node has come back, and does not know of all listeners: nobody is told which ports are
     * served, or turned away from one that seems not to be. */
    bool is_learning;
    /* Its tables. */
    struct listener_table listeners;
    struct waiting_pool waiting;
};

/* Make `manager` the CM of `node`, which has that role in the configuration: it knows of no
 * listener. What it is given must outlive it, but for the options; `memory` is of
 * listener_table_bytes(). */
void manager_initialise(struct manager *manager, node_id_t node,
                        const struct configuration *configuration,
                        const struct manager_options *options,
                        const struct manager_environment *environment, void *context, void *memory);

/* The time has come that wake_at() was given. */
void manager_send_offers(struct manager *manager);

/*
 * Messages (net/messages.h), one function for each type that a CM receives: whole, as the
 * dispatcher delivers them, from nodes with the role. What their contents say is checked here; what
 * cannot be right is counted as DROP_BAD_MESSAGE. They never wait.
 */
void manager_handle_listen(struct manager *manager, node_id_t from, const struct message *message);
void manager_handle_unlisten(struct manager *manager, node_id_t from,
                             const struct message *message);
void manager_handle_accept_connection(struct manager *manager, node_id_t from,
                                      const struct message *message);
void manager_handle_give_up_place(struct manager *manager, node_id_t from,
                                  const struct message *message);
/* SYN_ARRIVED: its answer, whose fixed part is zero, is the caller's, who knows where it is built
 * and saves each connection a call for that. */
void manager_answer_syn(struct manager *manager, node_id_t from, const struct message *message,
                        struct assign_connection *answer);
void manager_handle_accept_timeout(struct manager *manager, node_id_t from,
                                   const struct message *message);
void manager_handle_connection_closed(struct manager *manager, node_id_t from,
                                      const struct message *message);
void manager_handle_offer(struct manager *manager, node_id_t from, const struct message *message);

/* Another node has died: forget what it had, and give to others what waited for it. */
void manager_forget_node(struct manager *manager, node_id_t node);
/* It is about to go, and its transport servers are others' now, as the configuration knows. */
void manager_note_draining(struct manager *manager, node_id_t node);
/* It has come back: tell it what it must know of this manager. */
void manager_greet_node(struct manager *manager, node_id_t node);

/* Its own node has come back; and serves as a CM again, as its configuration says. */
void manager_begin_learning(struct manager *manager);
void manager_end_learning(struct manager *manager);
