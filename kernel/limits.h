/* SPDX-License-Identifier: MIT */
/*
 * Every compile-time limit of Talus, with assertions on how they relate.
 */
#pragma once

#include "kernel/base.h"
#include "libc/core/node_set.h"

#define PAGE_BYTES 4096u

/* Nodes that a machine may have. How many there are is known at boot: platform_node_count(). Tables
 * of nodes have so many entries; this bounds numbers, sets, and tables of a few bytes a node. */
#ifndef NODE_MAX /* a simulation may have more */
#define NODE_MAX 256
#endif

_Static_assert(NODE_MAX <= NODE_SET_LIMIT, "sets of nodes");

/* A channel line is one cache line: the unit in which cores exchange data (SDM 3A 11.1). */
#define CHANNEL_LINE_BYTES 64u

/* The longest message, header included: one page, so that a ring of a few pages holds several. */
#define MESSAGE_MAX_BYTES 4096u

/* Ring of one channel. Its receiver chooses between these by its memory and the number of nodes. */
#define CHANNEL_RING_MIN_BYTES (16 * KIB)
#define CHANNEL_RING_MAX_BYTES (256 * KIB)

/* Message types are small numbers, so that dispatch is one table look-up. */
#define MESSAGE_TYPE_MAX 128

#define COMMAND_LINE_MAX_BYTES 2048u

/* Stack of a cooperative thread; an unmapped guard page lies below each. */
#define THREAD_STACK_BYTES (32 * KIB)

_Static_assert(MESSAGE_MAX_BYTES % CHANNEL_LINE_BYTES == 0, "a message is whole lines");
_Static_assert(CHANNEL_RING_MIN_BYTES >= 4 * MESSAGE_MAX_BYTES,
               "a ring holds several of the longest messages, wrap padding included");
_Static_assert(IS_POWER_OF_TWO(CHANNEL_RING_MIN_BYTES) && IS_POWER_OF_TWO(CHANNEL_RING_MAX_BYTES),
               "line numbers are masked into the ring");
