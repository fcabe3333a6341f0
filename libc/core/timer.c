/* SPDX-License-Identifier: MIT */
/*
 * One-shot timers in a heap by their deadlines.
 */
#include "libc/core/timer.h"

#include <errno.h>

#include "libc/core/assert.h"

static struct heap timers;

/* While timer_run_expired() runs: behind its time; else 0. A timer that a handler starts for
 * earlier waits for the next round, or one that restarts itself would keep the others out. */
static uint64_t earliest_ns;

void timer_initialise(struct timer *timer, void (*expired)(struct timer *timer))
{
    CORE_ASSERT(expired != NULL);
    *timer = (struct timer){.expired = expired, .has_place = heap_reserve(&timers) == 0};
}

int timer_start(struct timer *timer, uint64_t deadline_ns)
{
    CORE_ASSERT_SLOW(timer->expired != NULL); /* it has been initialised */
    if (UNLIKELY(!timer->has_place)) {
        if (heap_reserve(&timers) != 0) {
            return -ENOMEM;
        }
        timer->has_place = true;
    }
    heap_put(&timers, &timer->deadline, deadline_ns < earliest_ns ? earliest_ns : deadline_ns);
    return 0;
}

void timer_stop(struct timer *timer)
{
    if (timer_is_set(timer)) {
        heap_remove(&timers, &timer->deadline);
    }
}

unsigned timer_run_expired(uint64_t now_ns)
{
    unsigned expired = 0;
    struct heap_entry *first;

    CORE_ASSERT(earliest_ns == 0); /* handlers must not */
    earliest_ns = now_ns + 1;
    while ((first = heap_first(&timers)) != NULL && first->key <= now_ns) {
        struct timer *timer = CONTAINER_OF(first, struct timer, deadline);

        timer_stop(timer);
        timer->expired(timer);
        expired++;
    }
    earliest_ns = 0;
    return expired;
}

uint64_t timer_next_deadline_ns(void)
{
    const struct heap_entry *first = heap_first(&timers);

    return first != NULL ? first->key : UINT64_MAX;
}
