/* SPDX-License-Identifier: MIT */
/*
 * The command line's word on claims: `claim-timeout=100`, in milliseconds, how long an application
 * may leave a connection that it was told of unclaimed before it is offered to another one.
 */
#pragma once

#include "kernel/base.h"

/* Chosen long against the few milliseconds that a busy node under TCG may take for one round. */
#define CLAIM_TIMEOUT_DEFAULT_NS (100 * NS_PER_MS)
/* Chosen short against the minute that a connection waits in all (availability.h). */
#define CLAIM_TIMEOUT_MAX_MS     10000u

/* What `line` asks for, in nanoseconds; a word that is wrong is logged, and the default used. */
uint64_t claim_option_timeout_ns(const char *line);
