/* SPDX-License-Identifier: MIT */
/*
 * Counters: numbers that a node keeps on its status page, so that reading them disturbs nobody. To
 * the kernel they are an array. Each layer that counts has a block of it, which no other has
 * (tests/check/architecture), and a table in the set `counter_tables` that names each.
 *
 * Name and label become talus_<name>{node="N",<label>} (Prometheus text format 0.0.4). What does
 * not end in _total is a gauge: it also falls.
 */
#pragma once

#include "kernel/base.h"
#include "libc/core/linker_set.h"

#define COUNTER_MAX 192u

/* The first index of a block; block 0 is the kernel's. */
#define COUNTER_BLOCK_SIZE   32
#define COUNTER_BLOCK(block) ((block)*COUNTER_BLOCK_SIZE)

struct counter_name {
    const char *name;
    const char *label; /* "" or `key="value"` */
    const char *help;
};

struct counter_table {
    unsigned first; /* index of names[0] */
    unsigned count;
    const struct counter_name *names;
};

LINKER_SET_DECLARE(counter_tables, struct counter_table);

/* A layer lists its counters once, as X(ENUM, "name", "label", "help"), and makes of that list the
 * enumerators COUNTER_ENUM and the names. */
#define COUNTER_ENUMERATOR(enumerator, name, label, help) COUNTER_##enumerator,
#define COUNTER_NAME(enumerator, name, label, help)       {name, label, help},

/* In one file of the layer: the table of a list that begins at index `first_index`. */
#define COUNTER_TABLE_DEFINE(table, first_index, LIST)                                             \
    static const struct counter_name table##_names[] = {LIST(COUNTER_NAME)};                       \
    _Static_assert(ARRAY_COUNT(table##_names) <= COUNTER_BLOCK_SIZE, "more than a block");         \
    _Static_assert((first_index) + COUNTER_BLOCK_SIZE <= COUNTER_MAX, "no such block");            \
    static const struct counter_table table = {                                                    \
        .first = (first_index),                                                                    \
        .count = ARRAY_COUNT(table##_names),                                                       \
        .names = table##_names,                                                                    \
    };                                                                                             \
    LINKER_SET_ADD(counter_tables, struct counter_table, table)

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
    X(CHANNEL_BYTES, "channel_memory_bytes", "", "Memory of the node in their rings.")             \
    X(CHANNELS_REFUSED, "channels_refused_total", "",                                              \
      "Looks at a channel wanted, without memory.")                                                \
    X(NODES_GIVEN_UP, "nodes_given_up_total", "", "Nodes that this one has declared dead.")        \
    X(LOG_LOST, "log_lines_lost_total", "", "Log lines overwritten before they were printed.")     \
    X(MEMORY_FREE, "node_memory_free_bytes", "", "Memory of the node that is free.")               \
    X(DROP_BAD_MESSAGE, "drops_total", "reason=\"bad_message\"", "Input refused, by reason.")      \
    X(DROP_BAD_ACKNOWLEDGEMENT, "drops_total", "reason=\"bad_acknowledgement\"",                   \
      "Input refused, by reason.")                                                                 \
    X(DROP_BAD_RING, "drops_total", "reason=\"bad_ring\"", "Input refused, by reason.")            \
    X(DROP_BAD_DEVICE, "drops_total", "reason=\"bad_device\"", "Input refused, by reason.")        \
    X(DROP_FALSE_DEATH, "drops_total", "reason=\"false_death\"", "Input refused, by reason.")
/* clang-format on */

/* IDLE_NS counts nanoseconds and is shown in seconds, Prometheus' base unit. */
enum { KERNEL_COUNTERS(COUNTER_ENUMERATOR) };
