/* SPDX-License-Identifier: MIT */
/*
 * The states of connections: which may follow which, and how many handshakes are going on.
 */
#include "net/transport/state.h"

#include "kernel/platform.h"
#include "net/transport/connection.h"

#define TO(state) (1u << CONNECTION_##state)

/* By the state before: a bit for each that may follow. The table of state.h, which says when. */
static const uint8_t successors[CONNECTION_STATE_COUNT] = {
    [CONNECTION_FREE] = TO(HALF_OPEN),
    [CONNECTION_HALF_OPEN] = TO(ASSIGNED) | TO(DETACHED),
    [CONNECTION_ASSIGNED] = TO(ANNOUNCED) | TO(WAITING) | TO(DETACHED),
    [CONNECTION_ANNOUNCED] = TO(ASSIGNED) | TO(WAITING) | TO(CLAIMED) | TO(DETACHED),
    [CONNECTION_WAITING] = TO(WAITING) | TO(ASSIGNED) | TO(DETACHED),
    [CONNECTION_CLAIMED] = TO(DETACHED),
    [CONNECTION_DETACHED] = TO(CLAIMED) | TO(FREE),
};

_Static_assert(CONNECTION_STATE_COUNT <= 8, "a bit for each");

static uint32_t half_open_count;

/* Inline: a short connection changes its state five times, to a state that is known where it is
 * called, and the linker's optimiser leaves little of this there. */
inline void connection_set_state(struct connection *connection, enum connection_state state)
{
    ASSERT((successors[connection->state] >> state & 1) != 0);
    if (connection->state == CONNECTION_HALF_OPEN) {
        ASSERT_SLOW(half_open_count > 0);
        half_open_count--;
    }
    if (state == CONNECTION_HALF_OPEN) {
        half_open_count++;
    }
    connection->state = (uint8_t)state;
}

uint32_t connection_half_open_count(void)
{
    return half_open_count;
}
