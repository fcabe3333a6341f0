/* SPDX-License-Identifier: MIT */
/*
 * The command line's word on time-outs: `rto-min=200`, in milliseconds, the least after which
 * something counts as lost because nothing was heard of it.
 */
#pragma once

#include "kernel/base.h"

/* RFC 6298 2.4 says a second, and that it may be less where clocks are finer than in 1988; peers
 * delay acknowledgements by 40 to 200 ms. */
#define RTO_MIN_DEFAULT_MS 200u
#define RTO_MIN_LEAST_MS   10u    /* some ticks of the wheel */
#define RTO_MIN_MOST_MS    10000u /* chosen short against the longest, a minute */

/* What `line` asks for, in microseconds; a word that is wrong is logged, and the default used. */
uint32_t rto_option_min_us(const char *line);
