/* SPDX-License-Identifier: MIT */
/*
 * A result for people, and for programs that read the last lines of wrk. Without floating point:
 * all numbers are cut, not rounded.
 */
#pragma once

#include <stddef.h>

#include "apps/webswamp/options.h"
#include "apps/webswamp/result.h"

#define REPORT_QUANTILES 5u

/* Of 100,000: 50, 90, 99 and 99.9 %, and the longest. */
extern const unsigned report_quantiles[REPORT_QUANTILES];

/* What several nodes have come to, or one. */
struct report {
    uint64_t responses, bytes, duration_ns;
    uint64_t errors[LOAD_ERROR_COUNT];
    uint64_t quantiles_ns[REPORT_QUANTILES];
};

void report_make(struct report *report, const struct result *result);
/* Lines by printf(); `label` stands before the latencies. */
void report_print(const struct report *report, const char *label);
/* What is about to be done. */
void report_print_plan(const struct options *options);

/* "3.21MB", as wrk: 1,024 bytes are a KB. */
void report_format_bytes(char *text, size_t size, uint64_t bytes);
