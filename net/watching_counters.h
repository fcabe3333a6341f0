/* SPDX-License-Identifier: MIT */
/*
 * What is counted of what people see from outside: captures of frames, and the log on its way to a
 * collector.
 */
#pragma once

#include "kernel/message/counters.h"
#include "kernel/message/status.h"

/* clang-format off: a table */
/* X(ENUM, "name", "label or empty", "help") */
#define WATCHING_COUNTERS(X)                                                                       \
    X(CAPTURE_IN, "capture_frames_total", "direction=\"in\"", "Frames recorded.")                  \
    X(CAPTURE_OUT, "capture_frames_total", "direction=\"out\"", "Frames recorded.")                \
    X(CAPTURE_FILTERED, "capture_frames_filtered_total", "",                                       \
      "Frames not recorded, by the words of capture=.")                                            \
    X(CAPTURE_LOST, "capture_frames_lost_total", "",                                               \
      "Frames overwritten before a capture that had begun could read them.")                       \
    X(CAPTURE_STREAMS, "capture_streams_total", "result=\"begun\"", "Requests for /capture.")      \
    X(CAPTURE_STREAMS_REFUSED, "capture_streams_total", "result=\"refused\"",                      \
      "Requests for /capture.")                                                                    \
    X(CAPTURE_STREAMS_LEFT, "capture_streams_total", "result=\"broken_off\"",                      \
      "Requests for /capture.")                                                                    \
    X(SYSLOG_SENT, "syslog_lines_total", "", "Lines of the log sent to the collector.")            \
    X(SYSLOG_LOST, "syslog_lines_lost_total", "",                                                  \
      "Lines of the log that found no room to wait for the collector.")                            \
    X(SYSLOG_PASSED_OVER, "syslog_bytes_passed_over_total", "",                                    \
      "Bytes of the log overwritten before they could be read for the collector.")                 \
    X(SYSLOG_WAITING, "syslog_lines_waiting", "", "Lines of the log that wait for the collector.")
/* clang-format on */

#define WATCHING_COUNTER_FIRST COUNTER_BLOCK(28)

enum {
    WATCHING_COUNTER_FIRST_BEFORE = WATCHING_COUNTER_FIRST - 1,
    WATCHING_COUNTERS(COUNTER_ENUMERATOR)
};
