/* SPDX-License-Identifier: MIT */
/*
 * Dates as HTTP writes them (RFC 9110 5.6.7).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#define DATE_BYTES 29

/* The last second whose year has the four digits of a date in HTTP. */
#define DATE_MAX_S 253402300799

/* "Sun, 06 Nov 1994 08:49:37 GMT" and a zero. `seconds` since 1970, 0 to DATE_MAX_S. */
void date_print(time_t seconds, char text[DATE_BYTES + 1]);
/*
 * Read a date in one of the three forms that there are: that of date_print(), RFC 850's and
 * asctime()'s. `now_s` tells which century two digits of a year mean. False if it is none of them,
 * or no day that was.
 */
bool date_parse(const char *text, size_t bytes, time_t now_s, time_t *seconds);
