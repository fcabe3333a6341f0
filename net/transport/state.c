/* SPDX-License-Identifier: MIT */
/*
 * The states of connections: which may follow which, and how many are in each.
 */
#include "net/transport/state.h"

#include "kernel/platform.h"
#include "net/transport/connection.h"
#include "net/transport/counters.h"

#define TO(state) (1u << CONNECTION_##state)

/* By the state before: a bit for each that may follow. The table of state.h, which says when. */
static const uint8_t successors[CONNECTION_STATE_COUNT] = {
    [CONNECTION_FREE] = TO(ASSIGNED),
    [CONNECTION_ASSIGNED] = TO(ANNOUNCED) | TO(WAITING) | TO(DETACHED),
    [CONNECTION_ANNOUNCED] = TO(ASSIGNED) | TO(WAITING) | TO(CLAIMED) | TO(DETACHED),
    [CONNECTION_WAITING] = TO(WAITING) | TO(ASSIGNED) | TO(DETACHED),
    [CONNECTION_CLAIMED] = TO(DETACHED),
    [CONNECTION_DETACHED] = TO(CLAIMED) | TO(FREE),
};

_Static_assert(CONNECTION_STATE_COUNT <= 8, "a bit for each");
_Static_assert(COUNTER_CONNECTIONS_DETACHED - COUNTER_CONNECTIONS_ASSIGNED ==
                   CONNECTION_DETACHED - CONNECTION_ASSIGNED,
               "gauges in the order of the states");

/* By state; that of FREE means nothing. */
static uint32_t counts[CONNECTION_STATE_COUNT];

/* Inline: a short connection changes its state four times, to a state that is known where it is
 * called, and the linker's optimiser leaves little of this there. */
inline void connection_set_state(struct connection *connection, enum connection_state state)
{
    ASSERT((successors[connection->state] >> state & 1) != 0);
    ASSERT_SLOW(connection->state == CONNECTION_FREE || counts[connection->state] > 0);
    counts[connection->state]--;
    counts[state]++;
    connection->state = (uint8_t)state;
}

void connection_publish_counts(void)
{
    for (unsigned state = CONNECTION_ASSIGNED; state < CONNECTION_STATE_COUNT; state++) {
        counter_set(COUNTER_CONNECTIONS_ASSIGNED + state - CONNECTION_ASSIGNED, counts[state]);
    }
}
