/* SPDX-License-Identifier: MIT */
/*
 * The transport server's part in the speculative three-way handshake (PIKA 3.2): assignment by a
 * CM, the availability told to an application, its claim or the time-out, reassignment, and the
 * report of the end.
 */
#pragma once

#include "kernel/base.h"
#include "net/configuration.h"
#include "net/messages.h"

struct connection;

/* So long a connection waits for data whose acceptor wants some first. Chosen: longer than a
 * request that is sent at once takes, short for one that is not. */
#define DATA_WAIT_NS NS_PER_S

/* So long a connection waits for an application that listens but does not accept; then it is reset.
 * Chosen: longer than clients wait. From its SYN to its end it is twice as much at most. */
#define UNACCEPTED_MAX_NS (60 * NS_PER_S)

void availability_initialise(void);

/* It is open: who shall have it. An acceptor without node is nobody yet: with `is_due`, its CM has
 * been asked and will say; else it is asked now, or this node's own if none is named. */
void availability_assign(struct connection *connection, const struct acceptor *acceptor,
                         bool is_due);
/* Then, and before any bytes of it have come: whether its acceptor wants some first. It waits for
 * them now, and nothing is to be settled. */
MUST_CHECK bool availability_begins_without_data(struct connection *connection);
/* The CM that was asked has answered: nobody yet, if the acceptor has no node. Refused: nobody
 * serves the port any more. */
void availability_take_assignment(struct connection *connection, const struct acceptor *acceptor,
                                  bool is_refused);
/* Whether a CM, which alone sends them, may hand over this acceptor. */
static inline bool availability_is_acceptor_possible(const struct acceptor *acceptor)
{
    const struct configuration *configuration = configuration_current();

    return acceptor->node == NODE_NONE ||
           (configuration_has_role(configuration, acceptor->node, ROLE_APPLICATION) &&
            configuration_has_role(configuration, acceptor->cm, ROLE_CM));
}
/* Its first bytes have come in the midst of a round, and it has an acceptor, who is told if there
 * is room. Otherwise at the end of the round. True: it was, and availability_settle_announced()
 * is due then, unless it has been claimed. */
MUST_CHECK bool availability_announce_at_once(struct connection *connection);
/* One that its acceptor has been told of in this round: the time in which it is to be claimed. */
void availability_settle_announced(struct connection *connection);
/* Send what is due for a connection that is not claimed. False: no room in a channel. */
MUST_CHECK bool availability_settle(struct connection *connection);
/* A message about it has come from `application`, whose name for it is stream_index: that claims it
 * if it was granted. Returns whether it was, and is CLAIMED now. */
MUST_CHECK bool availability_claim_granted(struct connection *connection, node_id_t application,
                                           uint32_t stream_index);
/* TCP is done with a connection that nobody has claimed: nobody shall. False: its application may
 * have taken it already, and must be told when it says so. */
MUST_CHECK bool availability_withdraw(struct connection *connection);
/* The node of its acceptor has died: somebody else gets it, or it is reset if it was claimed. */
void availability_lose_application(struct connection *connection);
/* The CM at which it may be waiting has died: another one is asked. */
void availability_lose_manager(struct connection *connection);
/* Tell the CM, once, that the acceptor's connection has ended. */
void availability_report_closed(struct connection *connection);
