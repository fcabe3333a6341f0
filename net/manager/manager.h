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
    /* As message_reserve_payload() and the others in kernel/message/send.h. */
    void *(*reserve)(node_id_t to, uint16_t type, size_t fixed_bytes, size_t payload_bytes,
                     void *context);
    void *(*reserve_posted)(node_id_t to, uint16_t type, size_t fixed_bytes, void *context);
    void (*publish)(void *context);
    /* One more of what this counter (net/counters.h) counts. */
    void (*count)(unsigned counter, void *context);
};

struct manager {
    /* Constant once it is initialised. */
    node_id_t node; /* its own */
    const struct configuration *configuration;
    const struct balance_scheme *balance;
    const struct manager_environment *environment;
    void *context; /* given back to the environment's functions */
    /* Its tables. */
    struct listener_table listeners;
    struct waiting_pool waiting;
};

/* Make `manager` the CM of `node`, which has that role in the configuration: it knows of no
 * listener. What it is given must outlive it; `memory` is zeroed, of listener_table_bytes(). */
void manager_initialise(struct manager *manager, node_id_t node,
                        const struct configuration *configuration,
                        const struct manager_environment *environment, void *context, void *memory);

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
void manager_handle_syn_arrived(struct manager *manager, node_id_t from,
                                const struct message *message, struct message_payload frame);
void manager_handle_accept_timeout(struct manager *manager, node_id_t from,
                                   const struct message *message);
void manager_handle_connection_closed(struct manager *manager, node_id_t from,
                                      const struct message *message);
void manager_handle_offer(struct manager *manager, node_id_t from, const struct message *message);

/* Another node has died: forget what it had, and give to others what waited for it. */
void manager_forget_node(struct manager *manager, node_id_t node);
