/* SPDX-License-Identifier: MIT */
/*
 * What can become of a request but a good answer.
 */
#pragma once

#include <stdbool.h>

/* clang-format off: a table */
/* X(ENUM, "for people", without a comma), in the order of counters.h */
#define LOAD_ERRORS(X)                                                                             \
    X(REFUSED, "connection refused")                                                               \
    X(UNREACHABLE, "unreachable")                                                                  \
    X(CONNECT_TIMEOUT, "no connection in time")                                                    \
    X(RESET, "connection reset")                                                                   \
    X(CLOSED, "closed before the end")                                                             \
    X(TIMEOUT, "no answer in time")                                                                \
    X(BAD_ANSWER, "no HTTP")                                                                       \
    X(STATUS, "status 400 or more")                                                                \
    X(MISMATCH, "another body than the first")                                                     \
    X(LOCAL, "no port or memory here")                                                             \
    X(UNSENT, "due but never sent")
/* clang-format on */

#define LOAD_ERROR_ENUMERATOR(enumerator, text) LOAD_ERROR_##enumerator,

enum load_error { LOAD_ERRORS(LOAD_ERROR_ENUMERATOR) LOAD_ERROR_COUNT };

/* Of an errno: what has ended a connection, or an attempt to have one (`is_opening`). */
enum load_error load_error_of(int error_number, bool is_opening);
const char *load_error_text(enum load_error error);
