/* SPDX-License-Identifier: MIT */
/*
 * Moving medians: how many samples of the window lie in each bucket, and in which one the middle
 * sample is. A time's bucket is made of its highest bit and the four below it.
 */
#include "net/manager/service.h"

#include "kernel/platform.h"
#include "net/manager/balance/weights.h"

#define BUCKETS_BITS        4u
#define BUCKETS_PER_OCTAVE  (1u << BUCKETS_BITS)
#define BUCKETS_OF_FACTOR_4 (2 * BUCKETS_PER_OCTAVE)
#define SERVICE_AGE_UNIT_NS (1ull << 24) /* 16.8 ms: 2^16 of them are 18 minutes */

/* 2^36 is alone in its octave. */
_Static_assert(SERVICE_MAX_NS == UINT64_C(1) << 36 &&
                   SERVICE_BUCKETS == (36 - BUCKETS_BITS + 1) * BUCKETS_PER_OCTAVE + 1,
               "each time has a bucket");
_Static_assert(SERVICE_WINDOW <= UINT8_MAX, "all samples may lie in one bucket");
_Static_assert(IS_POWER_OF_TWO(SERVICE_WINDOW), "places are masked");

/* The times below 2^5 have a bucket each. */
static unsigned bucket_of(uint64_t service_ns)
{
    unsigned highest_bit = 63u - (unsigned)__builtin_clzll(service_ns | BUCKETS_PER_OCTAVE);
    unsigned shift = highest_bit - BUCKETS_BITS;

    return shift * BUCKETS_PER_OCTAVE + (unsigned)(service_ns >> shift);
}

static unsigned shift_of(unsigned bucket)
{
    return bucket < 2 * BUCKETS_PER_OCTAVE ? 0 : bucket / BUCKETS_PER_OCTAVE - 1;
}

/* The shortest time in it, or that would be in it if there were so many. */
static uint64_t first_of(unsigned bucket)
{
    unsigned shift = shift_of(bucket);

    return (uint64_t)(bucket - shift * BUCKETS_PER_OCTAVE) << shift;
}

static uint64_t middle_of(unsigned bucket)
{
    if (bucket == SERVICE_BUCKETS - 1) {
        return SERVICE_MAX_NS;
    }
    return first_of(bucket) + (UINT64_C(1) << shift_of(bucket)) / 2;
}

static void put(struct service_history *history, unsigned bucket)
{
    history->counts[bucket]++;
    history->count++;
    history->below_median += bucket < history->median;
}

static void forget_oldest(struct service_history *history)
{
    uint32_t place = (history->next - history->count) & (SERVICE_WINDOW - 1);
    unsigned bucket = history->buckets[place];

    ASSERT_SLOW(history->counts[bucket] != 0);
    history->counts[bucket]--;
    history->count--;
    history->below_median -= bucket < history->median;
}

static bool is_oldest_too_old(const struct service_history *history, uint16_t now)
{
    uint32_t place = (history->next - history->count) & (SERVICE_WINDOW - 1);

    return history->count > SERVICE_SAMPLES_KEPT &&
           (uint16_t)(now - history->came[place]) > SERVICE_SAMPLE_AGE_NS / SERVICE_AGE_UNIT_NS;
}

static void move_median(struct service_history *history)
{
    uint32_t middle = (history->count - 1) / 2; /* so many samples are before it */

    while (history->below_median > middle) {
        history->median--;
        history->below_median -= history->counts[history->median];
    }
    while (history->below_median + history->counts[history->median] <= middle) {
        history->below_median += history->counts[history->median];
        history->median++;
        ASSERT_SLOW(history->median < SERVICE_BUCKETS);
    }
    history->median_ns = middle_of(history->median);
    history->much_slower_ns = first_of(history->median + BUCKETS_OF_FACTOR_4);
}

static void take_sample(struct service_history *history, unsigned bucket, uint16_t now)
{
    if (history->count == SERVICE_WINDOW) {
        forget_oldest(history);
    }
    while (is_oldest_too_old(history, now)) {
        forget_oldest(history);
    }
    history->buckets[history->next] = (uint16_t)bucket;
    history->came[history->next] = now;
    put(history, bucket);
    history->next = (history->next + 1) & (SERVICE_WINDOW - 1);
}

/* Whether this one makes up a run of much slower ones. */
static bool completes_run(struct service_history *history, uint64_t service_ns)
{
    if (LIKELY(history->count == 0 || service_ns < history->much_slower_ns)) {
        history->run_count = 0;
        return false;
    }
    history->run[history->run_count++] = (uint16_t)bucket_of(service_ns);
    return history->run_count == SERVICE_RUN;
}

static void begin_anew_with_run(struct service_history *history, uint16_t now)
{
    while (history->count != 0) {
        forget_oldest(history);
    }
    for (unsigned i = 0; i < SERVICE_RUN; i++) {
        take_sample(history, history->run[i], now);
    }
    history->run_count = 0;
}

bool service_history_add(struct service_history *history, uint64_t service_ns, uint64_t now_ns)
{
    uint16_t now = (uint16_t)(now_ns / SERVICE_AGE_UNIT_NS);

    ASSERT_SLOW(service_ns != 0 && service_ns <= SERVICE_MAX_NS);
    if (UNLIKELY(completes_run(history, service_ns))) {
        begin_anew_with_run(history, now);
    } else if (now_ns >= history->next_sample_ns) {
        take_sample(history, bucket_of(service_ns), now);
    } else {
        return false;
    }
    history->next_sample_ns = now_ns + SERVICE_SAMPLE_NS;
    move_median(history);
    return true;
}
