/* SPDX-License-Identifier: MIT */
/*
 * One-shot timers of this node, run by the dispatcher. As many as there is memory for, 8 bytes
 * each; starting and stopping cost O(log n) at worst, and nothing ticks when none is set.
 */
#pragma once

#include "libc/core/base.h"
#include "libc/core/heap.h"

struct timer {
    struct heap_entry deadline;           /* its key: ns on platform_now_ns()'s clock */
    void (*expired)(struct timer *timer); /* may start it again */
    bool has_place;                       /* timer.c's own: starting it needs no memory */
};

/* Once for each timer, which must not end: takes memory for it, if there is any. */
void timer_initialise(struct timer *timer, void (*expired)(struct timer *timer));
/* Set, or move if it is set; a deadline in the past expires on the next round. Returns 0, or
 * -ENOMEM (it is not set), but never for a timer that was initialised when there was memory. */
MUST_CHECK int timer_start(struct timer *timer, uint64_t deadline_ns);
void timer_stop(struct timer *timer);
static inline bool timer_is_set(const struct timer *timer)
{
    return heap_has(&timer->deadline);
}

/* For the dispatcher: run what has expired, return how many; next deadline or UINT64_MAX. */
unsigned timer_run_expired(uint64_t now_ns);
uint64_t timer_next_deadline_ns(void);
