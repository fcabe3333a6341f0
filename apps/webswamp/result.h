/* SPDX-License-Identifier: MIT */
/*
 * What has come of a load.
 */
#pragma once

#include "apps/webswamp/errors.h"
#include "apps/webswamp/histogram.h"

/* Each request that has begun is a whole answer or an error at last; one with a bad status or body
 * is both. Bytes on a connection that nothing was asked on are an error more. */
struct result {
    uint64_t requests;  /* begun, with those that found no connection */
    uint64_t responses; /* whole ones, which are what `latencies` has */
    uint64_t bytes;     /* received */
    uint64_t opened;    /* connections */
    uint64_t errors[LOAD_ERROR_COUNT];
    uint64_t start_ns, end_ns;  /* of CLOCK_MONOTONIC, until the last answer or error */
    struct histogram latencies; /* from when a request was due to its answer's last byte */
};

static inline uint64_t result_error_count(const struct result *result)
{
    uint64_t count = 0;

    for (unsigned i = 0; i < LOAD_ERROR_COUNT; i++) {
        count += result->errors[i];
    }
    return count;
}
