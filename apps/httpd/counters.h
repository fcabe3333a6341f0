/* SPDX-License-Identifier: MIT */
/*
 * What the web server counts.
 */
#pragma once

#include "kernel/message/counters.h"
#include "kernel/message/status.h"

/* clang-format off: a table */
/* X(ENUM, "name", "label or empty", "help") */
#define HTTPD_COUNTERS(X)                                                                          \
    X(HTTP_REQUESTS, "http_requests_total", "", "Requests answered by the application.")           \
    X(HTTP_TURNED_AWAY, "http_turned_away_total", "",                                              \
      "Clients for whom the web server had no room.")                                              \
    X(HTTP_CONFIGURATION_ERRORS, "http_configuration_errors_total", "",                            \
      "Lines of httpd.cfg that were found wrong.")                                                 \
    X(HTTP_ACCESS_LINES, "http_access_log_lines_total", "", "Lines of the access log, sent.")      \
    X(HTTP_ACCESS_LINES_LOST, "http_access_log_lost_total", "",                                    \
      "Lines of the access log that could not be sent at once.")
/* clang-format on */

#define HTTPD_COUNTER_FIRST COUNTER_BLOCK(5)

enum { HTTPD_COUNTER_FIRST_BEFORE = HTTPD_COUNTER_FIRST - 1, HTTPD_COUNTERS(COUNTER_ENUMERATOR) };
