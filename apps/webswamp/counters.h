/* SPDX-License-Identifier: MIT */
/*
 * What the load generator of a node has come to, for other nodes.
 */
#pragma once

#include "apps/webswamp/errors.h"
#include "apps/webswamp/report.h"
#include "kernel/message/counters.h"

/* clang-format off: a table */
/* X(ENUM, "name", "label or empty", "help"); errors in the order of their enum, and quantiles. */
#define WEBSWAMP_COUNTERS(X)                                                                       \
    X(WEBSWAMP_ENDED, "webswamp_ended", "", "1 when the load has ended.")                          \
    X(WEBSWAMP_RESPONSES, "webswamp_responses_total", "", "Whole answers to the load's requests.") \
    X(WEBSWAMP_BYTES, "webswamp_received_bytes_total", "", "Bytes of answers to the load.")        \
    X(WEBSWAMP_DURATION, "webswamp_duration_seconds", "", "How long the load took.")               \
    X(WEBSWAMP_QUANTILES, "webswamp_latency_seconds", "quantile=\"0.5\"", "Latency under load.")   \
    X(WEBSWAMP_P90, "webswamp_latency_seconds", "quantile=\"0.9\"", "Latency under load.")         \
    X(WEBSWAMP_P99, "webswamp_latency_seconds", "quantile=\"0.99\"", "Latency under load.")        \
    X(WEBSWAMP_P999, "webswamp_latency_seconds", "quantile=\"0.999\"", "Latency under load.")      \
    X(WEBSWAMP_LONGEST, "webswamp_latency_seconds", "quantile=\"1\"", "Latency under load.")       \
    X(WEBSWAMP_ERRORS, "webswamp_errors_total", "kind=\"refused\"", "Requests that failed.")       \
    X(WEBSWAMP_1, "webswamp_errors_total", "kind=\"unreachable\"", "Requests that failed.")        \
    X(WEBSWAMP_2, "webswamp_errors_total", "kind=\"connect_timeout\"", "Requests that failed.")    \
    X(WEBSWAMP_3, "webswamp_errors_total", "kind=\"reset\"", "Requests that failed.")              \
    X(WEBSWAMP_4, "webswamp_errors_total", "kind=\"closed\"", "Requests that failed.")             \
    X(WEBSWAMP_5, "webswamp_errors_total", "kind=\"timeout\"", "Requests that failed.")            \
    X(WEBSWAMP_6, "webswamp_errors_total", "kind=\"bad_answer\"", "Requests that failed.")         \
    X(WEBSWAMP_7, "webswamp_errors_total", "kind=\"status\"", "Requests that failed.")             \
    X(WEBSWAMP_8, "webswamp_errors_total", "kind=\"mismatch\"", "Requests that failed.")           \
    X(WEBSWAMP_9, "webswamp_errors_total", "kind=\"local\"", "Requests that failed.")              \
    X(WEBSWAMP_UNSENT, "webswamp_errors_total", "kind=\"unsent\"", "Requests that failed.")
/* clang-format on */

#define WEBSWAMP_COUNTER_FIRST COUNTER_BLOCK(18)

enum {
    WEBSWAMP_COUNTER_FIRST_BEFORE = WEBSWAMP_COUNTER_FIRST - 1,
    WEBSWAMP_COUNTERS(COUNTER_ENUMERATOR)
};

_Static_assert(COUNTER_WEBSWAMP_UNSENT == COUNTER_WEBSWAMP_ERRORS + LOAD_ERROR_UNSENT &&
                   LOAD_ERROR_UNSENT == LOAD_ERROR_COUNT - 1,
               "each kind of error has its counter");
_Static_assert(COUNTER_WEBSWAMP_LONGEST == COUNTER_WEBSWAMP_QUANTILES + REPORT_QUANTILES - 1,
               "each quantile has its counter");
