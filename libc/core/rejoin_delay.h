/* SPDX-License-Identifier: MIT */
/*
 * How long a node that has failed stays down: the oftener it has, the longer. For what builds nodes
 * again, boot/ and the launcher of hosted ones.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* A node's lives so far. All zero at first. */
struct rejoin_history {
    uint64_t started_ns;    /* the last one */
    unsigned recent_deaths; /* less one for each so long that it was alive */
};

/* Chosen: some 3 deaths a minute are borne for ever. */
#define REJOIN_FORGIVE_NS   UINT64_C(20000000000)
#define REJOIN_AT_ONCE_MAX  3u
#define REJOIN_DELAY_NS     UINT64_C(1000000000) /* of the next one; then twice that, and so on */
#define REJOIN_DELAY_MAX_NS (64 * REJOIN_DELAY_NS)
/* From one start to the next at least: twice what others leave (dispatch.c). */
#define REJOIN_INTERVAL_NS  UINT64_C(100000000)

/* It has died now: how long to wait before it starts again. */
static inline uint64_t rejoin_delay_ns(struct rejoin_history *history, uint64_t now_ns)
{
    uint64_t alive_ns = now_ns - history->started_ns;
    uint64_t forgiven = alive_ns / REJOIN_FORGIVE_NS;
    uint64_t delay_ns = REJOIN_DELAY_NS;

    history->recent_deaths -=
        forgiven < history->recent_deaths ? (unsigned)forgiven : history->recent_deaths;
    history->recent_deaths++;
    if (history->recent_deaths <= REJOIN_AT_ONCE_MAX) {
        return alive_ns < REJOIN_INTERVAL_NS ? REJOIN_INTERVAL_NS - alive_ns : 0;
    }
    for (unsigned i = REJOIN_AT_ONCE_MAX + 1;
         i < history->recent_deaths && delay_ns < REJOIN_DELAY_MAX_NS; i++) {
        delay_ns *= 2;
    }
    return delay_ns;
}
