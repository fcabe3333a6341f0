/* SPDX-License-Identifier: MIT */
/*
 * A transport server that drains waits for its connections and for handshakes. Flows that are over
 * for TCP, in TIME-WAIT or before the peer's FIN, it does not wait for: the peer has all there was.
 */
#include "net/transport/draining.h"

#include <errno.h>

#include "net/draining.h"
#include "net/transport/active.h"
#include "net/transport/admission.h"
#include "net/transport/card.h"
#include "net/transport/connection.h"
#include "net/transport/forward/flow.h"
#include "net/transport/forward/rules.h"
#include "net/transport/table.h"
#include "net/transport/tcp/half_open.h"

/* Of a node that goes the flows are others', and so their SYNs. Where all go, they are refused by a
 * reset: who waits for an answer to a SYN learns at once that it has to go elsewhere, which without
 * one it would after a second or more. */
static void begin(enum draining draining)
{
    if (draining == DRAINING_MACHINE) {
        admission_close();
        forward_rules_close();
    }
}

static uint32_t count_left(void)
{
    return connection_table_count() + half_open_count() + active_count() +
           forward_flow_count_live();
}

static void cut_one(struct connection *connection, void *context)
{
    (void)context;
    if (connection_has_tcp(connection)) {
        connection_abort(connection, ECONNRESET);
    }
}

static void cut(void)
{
    connection_for_each(cut_one, NULL);
    forward_flow_end_all(); /* both ends are reset when they say something more */
}

static void note_change(node_id_t node)
{
    (void)node; /* it may be the one through whose LS this TS has sent, or did once */
    card_choose_link_server();
}

void transport_draining_start(void)
{
    static const struct draining_part part = {begin, count_left, cut};
    static const struct draining_observer observer = {.goes = note_change, .stays = note_change};

    draining_add_part(&part);
    draining_observe(&observer);
}
