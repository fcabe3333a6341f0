/* SPDX-License-Identifier: MIT */
/*
 * Ports that are served, a bit each; and what is asked of a CM for a SYN: see admission.h.
 */
#include "net/transport/admission.h"

#include <string.h>

#include "kernel/message/send.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/bytes.h"
#include "net/configuration.h"
#include "net/handlers.h"
#include "net/messages.h"
#include "net/transport/availability.h"
#include "net/transport/closed.h"
#include "net/transport/connection.h"
#include "net/transport/demux.h"
#include "net/transport/managers.h"
#include "net/transport/readiness.h"
#include "net/transport/tcp/half_open.h"

#define PORT_COUNT    65536u
#define BITS_PER_WORD 64u

static uint64_t served[PORT_COUNT / BITS_PER_WORD];
static bool is_known;  /* the whole list has come */
static bool is_closed; /* none are any more, whatever comes */

enum admission admission_of_port(uint16_t port)
{
    if (UNLIKELY(!is_known)) {
        return ADMISSION_UNKNOWN;
    }
    return (served[port / BITS_PER_WORD] >> port % BITS_PER_WORD & 1) != 0 ? ADMISSION_SERVED
                                                                           : ADMISSION_REFUSED;
}

bool admission_has_ports(void)
{
    return is_known;
}

node_id_t admission_ask(const struct flow *flow)
{
    node_id_t cm = managers_find(NODE_NONE);
    struct syn_arrived *message =
        cm != NODE_NONE ? message_reserve(cm, SYN_ARRIVED, sizeof(*message)) : NULL;

    if (message == NULL) {
        return NODE_NONE;
    }
    message->flow = *flow;
    message_publish();
    return cm;
}

/* A connection of this flow that is complete and has waited for the answer. */
static struct connection *find_waiting(const struct flow *flow)
{
    struct tcb *tcb = demux_find(flow);

    return tcb != NULL && connection_of_tcb(tcb)->is_assignment_due ? connection_of_tcb(tcb) : NULL;
}

static inline void take_assignment(const struct flow *flow, const struct acceptor *acceptor,
                                   bool is_refused)
{
    struct connection *connection;

    if (LIKELY(half_open_assign(flow, acceptor, is_refused))) {
        return;
    }
    connection = find_waiting(flow);
    if (connection != NULL) {
        availability_take_assignment(connection, acceptor, is_refused);
    } else if (acceptor->node != NODE_NONE) {
        closed_report(acceptor, swap16(flow->local_port), 0);
    }
}

static __attribute__((noinline)) void take_no_acceptor(node_id_t from, const struct flow *flow,
                                                       bool is_refused)
{
    const struct acceptor nobody = {.node = NODE_NONE, .cm = from, .assigned_by = from};

    take_assignment(flow, &nobody, is_refused);
}

static void handle_assign_connection(node_id_t from, const struct message *message)
{
    const struct assign_connection *assign = (const struct assign_connection *)message;
    const struct acceptor *acceptor = &assign->acceptor;
    bool is_refused = assign->is_refused != 0;

    if (!availability_is_acceptor_possible(acceptor) ||
        (is_refused && acceptor->node != NODE_NONE)) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
    } else if (UNLIKELY(acceptor->node == NODE_NONE)) {
        take_no_acceptor(from, &assign->flow, is_refused);
    } else {
        take_assignment(&assign->flow, acceptor, is_refused);
    }
}

/* From whichever CM: another one than we know may have become ours by a death that we have not been
 * told of yet. All are told the same by applications. */
static void handle_ports_served(node_id_t from, const struct message *message)
{
    const struct ports_served *list = (const struct ports_served *)message;

    (void)from;
    if (is_closed) {
        return;
    }
    if (list->is_first != 0) {
        memset(served, 0, sizeof(served));
        is_known = false;
    }
    for (unsigned i = 0; i < PORTS_SERVED_MAX; i++) {
        uint16_t port = list->ports[i];

        if (port != 0) {
            served[port / BITS_PER_WORD] |= UINT64_C(1) << port % BITS_PER_WORD;
        }
    }
    is_known |= list->is_last != 0;
    readiness_check();
}

void admission_close(void)
{
    memset(served, 0, sizeof(served));
    is_known = is_closed = true;
}

void admission_initialise(void)
{
    memset(served, 0, sizeof(served));
    is_known = is_closed = false;
    net_register_message(PORTS_SERVED, handle_ports_served);
    net_register_message(ASSIGN_CONNECTION, handle_assign_connection);
}
