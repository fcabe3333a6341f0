/* SPDX-License-Identifier: MIT */
/*
 * What a connection is to the applications, apart from TCP's own state, and how that changes.
 *
 *   from       to         when
 *   ---------  ---------  --------------------------------------------------------------------
 *   FREE       ASSIGNED   TCP's handshake is complete
 *   ASSIGNED   ANNOUNCED  CONNECTION_AVAILABLE is sent to the acceptor
 *   ASSIGNED   WAITING    there is no acceptor, or its node is dead: ACCEPT_TIMEOUT asks for one
 *   ASSIGNED   DETACHED   TCP has ended
 *   ANNOUNCED  ASSIGNED   taken back: CONNECTION_AVAILABLE found no room in its channel
 *   ANNOUNCED  WAITING    it is declined, or the acceptor's node is dead; not granted, not claimed
 *                         in time
 *   ANNOUNCED  CLAIMED    CLAIM_CONNECTION has come in time; granted, any message about it
 *   ANNOUNCED  DETACHED   TCP has ended; not if it was granted
 *   WAITING    WAITING    the CM that was asked is dead: another one is asked
 *   WAITING    ASSIGNED   REASSIGN_CONNECTION names an acceptor
 *   WAITING    DETACHED   TCP has ended
 *   CLAIMED    DETACHED   the application has closed, has died, or was told that TCP failed
 *   DETACHED   CLAIMED    taken back: CONNECTION_FAILED found no room in its channel
 *   DETACHED   FREE       TCP is done with it as well
 */
#pragma once

#include "kernel/base.h"

struct connection;

enum connection_state {
    CONNECTION_FREE = 0,
    CONNECTION_ASSIGNED,  /* `acceptor` is to be told of it */
    CONNECTION_ANNOUNCED, /* CONNECTION_AVAILABLE is out */
    CONNECTION_WAITING,   /* the CM has been asked for another acceptor */
    CONNECTION_CLAIMED,   /* an application's */
    CONNECTION_DETACHED,  /* nobody's: TCP finishes alone */
    CONNECTION_STATE_COUNT
};

/* The one place where a state changes. Panics on a transition that is not in the table above. */
void connection_set_state(struct connection *connection, enum connection_state state);
/* Write how many are in each state to the status page (gauges tcp_connections); handshakes too. */
void connection_publish_counts(void);
