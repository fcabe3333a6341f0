/* SPDX-License-Identifier: MIT */
/*
 * Faults on purpose: a node is asked to fail in one of several ways, by the console's owner. For
 * the person who wants to see what a fault costs, and for tests.
 */
#pragma once

#include "kernel/base.h"

enum fault_kind {
    FAULT_PAGE,
    FAULT_OPCODE,
    FAULT_STACK,
    FAULT_TABLES,
    FAULT_WILD,
    FAULT_LOOP,
    FAULT_LOOP_OPEN,
    FAULT_DEAF,
    FAULT_MESSAGE,
    FAULT_TRUNCATED,
    FAULT_ORDER,
    FAULT_FULL,
    FAULT_MEMORY,
    FAULT_NMI,
    FAULT_RESET,
    FAULT_KIND_COUNT
};

/* `fault KIND N [SEED]`; without words the kinds are listed. */
void fault_command(const char *argument);
/* Node `node` fails so; the seed says how, where there is a choice. */
void fault_ask(node_id_t node, enum fault_kind kind, uint32_t seed);
