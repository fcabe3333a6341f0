/* SPDX-License-Identifier: MIT */
/*
 * Which request is to begin when.
 *
 * At a fixed rate request i is due at start + i / rate, whatever became of earlier ones: an open
 * loop. When no connection is free it begins later, but its latency counts from when it was due;
 * else a server that stops for a second would be asked little in that second, and the few requests
 * it delayed would vanish among all others ("coordinated omission"). Without a rate a request is
 * due as soon as a connection is free: a closed loop.
 *
 * Times are those of CLOCK_MONOTONIC, in nanoseconds.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define SCHEDULE_RATE_MAX       10000000u
#define SCHEDULE_DURATION_MAX_S 86400u
#define SCHEDULE_COUNT_MAX      ((uint64_t)SCHEDULE_RATE_MAX * SCHEDULE_DURATION_MAX_S)

#define SCHEDULE_NEVER UINT64_MAX

struct schedule {
    uint64_t start_ns;
    uint64_t end_ns; /* none is due from here on; SCHEDULE_NEVER: the count is the limit */
    uint64_t count;  /* at most so many; UINT64_MAX: the end is the limit */
    uint64_t rate;   /* a second, up to SCHEDULE_RATE_MAX; 0: a closed loop */
    uint64_t taken;  /* those that have begun, or were given up */
};

/*
 * duration_ns  0: no end, and `count` is the limit; up to SCHEDULE_DURATION_MAX_S seconds
 * count        0: no limit, and there is an end; up to SCHEDULE_COUNT_MAX, and at a rate no more
 * than that brings in SCHEDULE_DURATION_MAX_S
 */
void schedule_start(struct schedule *schedule, uint64_t now_ns, uint64_t duration_ns,
                    uint64_t count, uint64_t rate);

/* A connection is free: whether a request is due by now, and since when. It counts as begun. */
bool schedule_take(struct schedule *schedule, uint64_t now_ns, uint64_t *intended_ns);

/* When the next request is due, which may be past; SCHEDULE_NEVER: none any more. In a closed loop
 * that is `now_ns`. */
uint64_t schedule_next_ns(const struct schedule *schedule, uint64_t now_ns);

/* When the last one is due at the latest; SCHEDULE_NEVER: that is open. */
uint64_t schedule_last_ns(const struct schedule *schedule);

/* No other request begins. Returns how many have been due until `now_ns` and have not begun. */
uint64_t schedule_give_up(struct schedule *schedule, uint64_t now_ns);
