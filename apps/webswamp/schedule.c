/* SPDX-License-Identifier: MIT */
/*
 * Requests and their times: see schedule.h.
 */
#include "apps/webswamp/schedule.h"

#include "libc/core/base.h"

void schedule_start(struct schedule *schedule, uint64_t now_ns, uint64_t duration_ns,
                    uint64_t count, uint64_t rate)
{
    *schedule = (struct schedule){
        .start_ns = now_ns,
        .end_ns = duration_ns != 0 ? now_ns + duration_ns : SCHEDULE_NEVER,
        .count = count != 0 ? count : UINT64_MAX,
        .rate = rate,
    };
}

/* Of request `index` at a fixed rate. From the start, not from the one before: no error adds up.
 * The count's and the rate's limits keep it far below 2^64. */
static uint64_t due_ns(const struct schedule *schedule, uint64_t index)
{
    return schedule->start_ns + index / schedule->rate * NS_PER_S +
           index % schedule->rate * NS_PER_S / schedule->rate;
}

uint64_t schedule_next_ns(const struct schedule *schedule, uint64_t now_ns)
{
    uint64_t next_ns = now_ns;

    if (schedule->taken >= schedule->count) {
        return SCHEDULE_NEVER;
    }
    if (schedule->rate != 0) {
        next_ns = due_ns(schedule, schedule->taken);
    }
    return next_ns < schedule->end_ns ? next_ns : SCHEDULE_NEVER;
}

bool schedule_take(struct schedule *schedule, uint64_t now_ns, uint64_t *intended_ns)
{
    *intended_ns = schedule_next_ns(schedule, now_ns);
    if (*intended_ns > now_ns) {
        return false;
    }
    schedule->taken++;
    return true;
}

uint64_t schedule_last_ns(const struct schedule *schedule)
{
    uint64_t last_ns = schedule->end_ns;

    if (schedule->rate != 0 && schedule->count != UINT64_MAX) {
        uint64_t counted_ns = due_ns(schedule, schedule->count - 1);

        last_ns = counted_ns < last_ns ? counted_ns : last_ns;
    }
    return last_ns;
}

uint64_t schedule_give_up(struct schedule *schedule, uint64_t now_ns)
{
    uint64_t unsent = 0;

    if (schedule->rate != 0) {
        while (schedule_next_ns(schedule, now_ns) <= now_ns) {
            schedule->taken++;
            unsent++;
        }
    }
    schedule->count = schedule->taken;
    return unsent;
}
