/* SPDX-License-Identifier: MIT */
/*
 * Service times (PIKA 3.3 and 5.3): the moving median of an application's last 128, from
 * CONNECTION_AVAILABLE to close.
 *
 * At most one in SERVICE_SAMPLE_NS is taken, as in the paper: so the window spans 64 ms at least
 * however busy the application is, and a sample, which costs some 100 instructions, is rare.
 * Samples that are older than SERVICE_SAMPLE_AGE_NS leave with the next one that comes, but for the
 * SERVICE_SAMPLES_KEPT newest: an application that was slow gets few connections, and shall not
 * need 64 of them to be seen fast again.
 */
#pragma once

#include "kernel/base.h"

#define SERVICE_WINDOW        128u
#define SERVICE_SAMPLE_NS     (500 * NS_PER_US)
#define SERVICE_SAMPLE_AGE_NS (250 * NS_PER_MS)
#define SERVICE_SAMPLES_KEPT  15u

/* Zeroed: no sample. service.c alone writes it. */
struct service_history {
    uint64_t next_sample_ns; /* none before */
    uint32_t next;           /* where the next sample goes in what follows */
    uint32_t count;
    uint32_t times[SERVICE_WINDOW];  /* in the order in which they came; SERVICE_UNIT_NS */
    uint32_t sorted[SERVICE_WINDOW]; /* the same `count` of them */
    uint16_t came[SERVICE_WINDOW];   /* when each came, modulo 2^16 SERVICE_AGE_UNIT_NS */
};

/* A connection took so long, 1 or more. Returns whether it was sampled. O(SERVICE_WINDOW). */
bool service_history_add(struct service_history *history, uint64_t service_ns, uint64_t now_ns);
/* 1 .. SERVICE_MAX_NS, to within 16 ns; of an even number the smaller one of the two in the middle.
 * 0 without a sample. */
uint64_t service_history_median_ns(const struct service_history *history);
