/* SPDX-License-Identifier: MIT */
/*
 * Counters: an array on a node's status page, so that reading them disturbs nobody.
 */
#pragma once

#include "libc/core/counter_table.h"

/* Behind the blocks: a `struct memory_counts` of each kind of memory, in their set's order. */
#define COUNTER_MEMORY     COUNTER_BLOCK(COUNTER_BLOCK_COUNT)
#define COUNTER_MEMORY_MAX 96u
#define COUNTER_MAX        (COUNTER_MEMORY + 3 * COUNTER_MEMORY_MAX)

/* clang-format off: a table */
/* X(ENUM, "name", "label or empty", "help") */
#define KERNEL_COUNTERS(X)                                                                         \
    X(IDLE_NS, "node_idle_seconds_total", "", "Time halted in the idle loop.")                     \
    X(SLEEPS, "node_sleeps_total", "", "Times the node halted.")                                   \
    X(DISPATCH_ROUNDS, "dispatch_rounds_total", "", "Rounds of the event loop.")                   \
    X(CHANNEL_SENT, "channel_messages_total", "", "Messages sent to other nodes.")                 \
    X(CHANNEL_FULL, "channel_full_total", "", "Sends that found the channel full.")                \
    X(DOORBELLS, "doorbells_total", "", "Interrupts sent to wake a sleeping node.")                \
    X(CHANNELS_OPEN, "channels_open", "", "Channels from other nodes to this one.")                \
    X(QUESTIONS, "node_questions_total", "", "NMIs that asked whether the node works.")            \
    X(NODES_GIVEN_UP, "nodes_given_up_total", "", "Nodes that this one has declared dead.")        \
    X(LOG_LOST, "log_lines_lost_total", "", "Log lines overwritten before they were printed.")     \
    X(MEMORY_FREE, "node_memory_free_bytes", "", "Memory of the node that is free.")               \
    X(UNASKED_INTERRUPTS, "interrupts_unasked_total", "",                                          \
      "Interrupts of vectors that nothing here has asked for.")                                    \
    X(DROP_BAD_MESSAGE, "drops_total", "reason=\"bad_message\"", "Input refused, by reason.")      \
    X(DROP_BAD_ACKNOWLEDGEMENT, "drops_total", "reason=\"bad_acknowledgement\"",                   \
      "Input refused, by reason.")                                                                 \
    X(DROP_BAD_RING, "drops_total", "reason=\"bad_ring\"", "Input refused, by reason.")            \
    X(DROP_BAD_DEVICE, "drops_total", "reason=\"bad_device\"", "Input refused, by reason.")        \
    X(DROP_FALSE_DEATH, "drops_total", "reason=\"false_death\"", "Input refused, by reason.")
/* clang-format on */

enum { KERNEL_COUNTERS(COUNTER_ENUMERATOR) };
