/* SPDX-License-Identifier: MIT */
/*
 * Moving medians: the window twice, in order of time and in order of size.
 */
#include "net/manager/service.h"

#include <string.h>

#include "kernel/platform.h"
#include "net/manager/balance/weights.h"

#define SERVICE_UNIT_NS     16u          /* so that SERVICE_MAX_NS fits 32 bits */
#define SERVICE_AGE_UNIT_NS (1ull << 24) /* 16.8 ms: 2^16 of them are 18 minutes */

_Static_assert(SERVICE_MAX_NS / SERVICE_UNIT_NS <= UINT32_MAX + UINT64_C(1), "a time's bits");
_Static_assert(IS_POWER_OF_TWO(SERVICE_WINDOW), "places are masked");

static uint32_t unit_of(uint64_t service_ns)
{
    uint64_t units = (service_ns + SERVICE_UNIT_NS - 1) / SERVICE_UNIT_NS;

    return service_ns >= SERVICE_MAX_NS ? SERVICE_MAX_NS / SERVICE_UNIT_NS - 1 : (uint32_t)units;
}

/* How many of the first `count` are smaller. */
static uint32_t rank_of(const uint32_t *sorted, uint32_t count, uint32_t time)
{
    uint32_t low = 0;

    while (count != 0) {
        uint32_t half = count / 2;

        if (sorted[low + half] < time) {
            low += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    return low;
}

static void move(uint32_t *sorted, uint32_t to, uint32_t from, uint32_t count)
{
    memmove(&sorted[to], &sorted[from], count * sizeof(*sorted));
}

static uint32_t oldest_of(const struct service_history *history)
{
    return (history->next - history->count) & (SERVICE_WINDOW - 1);
}

static void forget_oldest(struct service_history *history)
{
    uint32_t rank = rank_of(history->sorted, history->count, history->times[oldest_of(history)]);

    ASSERT_SLOW(history->sorted[rank] == history->times[oldest_of(history)]);
    history->count--;
    move(history->sorted, rank, rank + 1, history->count - rank);
}

static bool is_oldest_too_old(const struct service_history *history, uint16_t now)
{
    return history->count > SERVICE_SAMPLES_KEPT &&
           (uint16_t)(now - history->came[oldest_of(history)]) >
               SERVICE_SAMPLE_AGE_NS / SERVICE_AGE_UNIT_NS;
}

/* The place of one that leaves, and that of the one that comes: only what is between them moves. */
static void replace(uint32_t *sorted, uint32_t gone, uint32_t time)
{
    uint32_t from = rank_of(sorted, SERVICE_WINDOW, gone);
    uint32_t to = rank_of(sorted, SERVICE_WINDOW, time);

    ASSERT_SLOW(sorted[from] == gone);
    if (to > from) {
        to--;
        move(sorted, from, from + 1, to - from);
    } else {
        move(sorted, to + 1, to, from - to);
    }
    sorted[to] = time;
}

static void insert(struct service_history *history, uint32_t time)
{
    uint32_t rank = rank_of(history->sorted, history->count, time);

    move(history->sorted, rank + 1, rank, history->count - rank);
    history->sorted[rank] = time;
    history->count++;
}

bool service_history_add(struct service_history *history, uint64_t service_ns, uint64_t now_ns)
{
    uint32_t time = unit_of(service_ns);
    uint16_t now = (uint16_t)(now_ns / SERVICE_AGE_UNIT_NS);
    uint32_t place = history->next;

    ASSERT_SLOW(service_ns != 0);
    if (now_ns < history->next_sample_ns) {
        return false;
    }
    history->next_sample_ns = now_ns + SERVICE_SAMPLE_NS;
    while (is_oldest_too_old(history, now)) {
        forget_oldest(history);
    }
    if (history->count == SERVICE_WINDOW) {
        replace(history->sorted, history->times[place], time);
    } else {
        insert(history, time);
    }
    history->times[place] = time;
    history->came[place] = now;
    history->next = (place + 1) & (SERVICE_WINDOW - 1);
    return true;
}

uint64_t service_history_median_ns(const struct service_history *history)
{
    return history->count == 0
               ? 0
               : (uint64_t)history->sorted[(history->count - 1) / 2] * SERVICE_UNIT_NS;
}
