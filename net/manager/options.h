/* SPDX-License-Identifier: MIT */
/*
 * The command line's words on connection managers:
 *
 *   balance=tournament:2   a scheme and its tariff (balance/balance.h)
 *   offer-period=50us      the least time between two offers of a port; also in ms, and
 * microseconds without a unit
 */
#pragma once

#include "kernel/base.h"

struct manager_options;

#define OFFER_PERIOD_DEFAULT_US 50u
#define OFFER_PERIOD_MAX_US     1000000u

/*
 * What `line` asks for, drawing from `seed` (any).
 *
 * Returns 0. -EINVAL when a word cannot be understood: `reason` then says what is wrong, and the
 * default is used instead of it.
 */
MUST_CHECK int manager_options_parse(struct manager_options *options, const char *line,
                                     uint64_t seed, char *reason, size_t reason_bytes);
