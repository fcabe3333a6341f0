/* SPDX-License-Identifier: MIT */
/*
 * Two nodes for measurements: two processes, each on a core of its own and with the kernel's
 * variables to itself, over memory that both see. It answers platform.h as far as messages and
 * threads ask. They never sleep, so nothing is rung.
 */
#pragma once

#include "kernel/base.h"
#include "kernel/limits.h"

#define TWO_NODES_RING_BYTES CHANNEL_RING_MIN_BYTES /* of each channel */

/* Before two_nodes_start(): what both will see; zeroed, whole pages. */
void *two_nodes_share(size_t bytes);

/* Become two: node 0 returns from this, node 1 calls `serve` and ends with it. Returns whether they
 * go ahead of all other programs on cores 0 and 1, for which Linux must allow real-time priority.
 * When one of them fails, or after a minute, both end. */
bool two_nodes_start(void (*serve)(void));
