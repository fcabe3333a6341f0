/* SPDX-License-Identifier: MIT */
/*
 * Service times (PIKA 3.3 and 5.3): the moving median of an application's last 128, from
 * CONNECTION_AVAILABLE to close.
 *
 * Times are told apart to a sixteenth: what is kept of each is its bucket, 16 to an octave, and the
 * median is the middle of one, good to 1/32. So a sample costs some tens of instructions.
 *
 * At most one in SERVICE_SAMPLE_NS is taken, as in the paper: so the window spans 64 ms at least
 * however busy the application is. Samples that are older than SERVICE_SAMPLE_AGE_NS leave with the
 * next one that comes, but for the SERVICE_SAMPLES_KEPT newest: an application that was slow gets
 * few connections, and shall not need 64 of them to be seen fast again. And when SERVICE_RUN in a
 * row, sampled or not, have taken four times as long as the median, the window begins anew with
 * these: connections go to an application that has become slow for as long as that is not seen.
 */
#pragma once

#include "kernel/base.h"

#define SERVICE_WINDOW        128u
#define SERVICE_SAMPLE_NS     (500 * NS_PER_US)
#define SERVICE_SAMPLE_AGE_NS (250 * NS_PER_MS)
#define SERVICE_SAMPLES_KEPT  15u
/* With exponential times one in sixteen takes so long by chance, and 8 in a row once in 4e9. */
#define SERVICE_RUN           8u

/* Of 16 to an octave, those that SERVICE_MAX_NS (balance/weights.h) and less fall into. */
#define SERVICE_BUCKETS 529u

/* Zeroed: no sample. service.c alone writes it. */
struct service_history {
    uint64_t next_sample_ns;          /* none before */
    uint32_t next;                    /* where the next sample goes in the two tables of samples */
    uint32_t count;                   /* how many there are before that place */
    uint64_t median_ns;               /* 0 without a sample */
    uint64_t much_slower_ns;          /* than the median: this, or more */
    uint32_t median;                  /* its bucket; meaningless without a sample */
    uint32_t below_median;            /* samples in all buckets before that one */
    uint16_t buckets[SERVICE_WINDOW]; /* of the samples, in the order in which they came */
    uint32_t run_count;               /* the last so many were much slower than the median */
    uint16_t run[SERVICE_RUN];        /* their buckets */
    uint16_t came[SERVICE_WINDOW];    /* when, modulo 2^16 SERVICE_AGE_UNIT_NS */
    uint8_t counts[SERVICE_BUCKETS];  /* samples in each bucket */
};

/* A connection took so long, 1 .. SERVICE_MAX_NS. Returns whether it was sampled. Costs a step for
 * each bucket between the old median and the new one. */
bool service_history_add(struct service_history *history, uint64_t service_ns, uint64_t now_ns);
/* 1 .. SERVICE_MAX_NS; of an even number the smaller one of the two in the middle. 0 without a
 * sample. */
static inline uint64_t service_history_median_ns(const struct service_history *history)
{
    return history->median_ns;
}
