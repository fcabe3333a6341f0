/* SPDX-License-Identifier: MIT */
/*
 * Tables of names for an array of counters. A layer lists its counters once, as X(ENUM, "name",
 * "label", "help"), and makes of that list the enumerators COUNTER_ENUM and the names. Each layer
 * that counts has a block of the array, which no other has (tests/check/architecture).
 *
 * Name and label become talus_<name>{node="N",<label>} (Prometheus text format 0.0.4). What does
 * not end in _total is a gauge: it also falls. What has _seconds in its name counts nanoseconds,
 * and is shown in seconds, Prometheus' base unit.
 */
#pragma once

#include "libc/core/base.h"
#include "libc/core/linker_set.h"

/* The first index of a block; block 0 is the kernel's. */
#define COUNTER_BLOCK_SIZE          40u
#define COUNTER_BLOCK_COUNT         29u
#define COUNTER_BLOCK(block)        ((block)*COUNTER_BLOCK_SIZE)
/* Of several that belong together: `last` is for who reads it. */
#define COUNTER_BLOCKS(block, last) COUNTER_BLOCK(block)

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

#define COUNTER_ENUMERATOR(enumerator, name, label, help) COUNTER_##enumerator,
#define COUNTER_NAME(enumerator, name, label, help)       {name, label, help},

/* In one file of the layer: the table of a list that begins at index `first_index`. */
#define COUNTER_TABLE_DEFINE(table, first_index, LIST)                                             \
    static const struct counter_name table##_names[] = {LIST(COUNTER_NAME)};                       \
    _Static_assert(ARRAY_COUNT(table##_names) <= COUNTER_BLOCK_SIZE, "more than a block");         \
    _Static_assert((first_index) < COUNTER_BLOCK(COUNTER_BLOCK_COUNT), "no such block");           \
    static const struct counter_table table = {                                                    \
        .first = (first_index),                                                                    \
        .count = ARRAY_COUNT(table##_names),                                                       \
        .names = table##_names,                                                                    \
    };                                                                                             \
    LINKER_SET_ADD(counter_tables, struct counter_table, table)
