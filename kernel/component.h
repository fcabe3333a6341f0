/* SPDX-License-Identifier: MIT */
/*
 * What layers above the kernel add to the start of the machine and of a node: a device of the
 * console, interrupt lines, the roles. Each adds one struct to the set `components`; the kernel and
 * boot/ run the steps at the moments named here. Any function may be NULL. Components have no order
 * within a step, so a step must not need another component's same step.
 */
#pragma once

#include "kernel/base.h"
#include "kernel/linker_set.h"

struct component {
    /* Once, on the core that boots, in the pristine image; nodes are copied from it later. */
    void (*boot_first)(paddr_t mapped_bytes); /* only that much memory is mapped, and node_info has
                                                 no more than command line and screen */
    void (*boot_memory)(void);                /* pages can be allocated and mapped */
    void (*boot_tables)(void);                /* node_info.machine is filled in */

    /* On every node, in this order (kernel/main.c). */
    void (*node_first)(void);  /* nothing works yet but the status page */
    void (*node_memory)(void); /* memory and mappings */
    void (*node_ready)(void);  /* the event loop: register handlers and sources */
    void (*node_run)(void); /* all other components are ready: start what the node is there for */
};

LINKER_SET_DECLARE(components, struct component);

#define COMPONENT(component) LINKER_SET_ADD(components, struct component, component)

#define COMPONENTS_RUN(step, ...)                                                                  \
    LINKER_SET_EACH(components, struct component, each_component)                                  \
    {                                                                                              \
        if ((*each_component)->step != NULL) {                                                     \
            (*each_component)->step(__VA_ARGS__);                                                  \
        }                                                                                          \
    }                                                                                              \
    _Static_assert(true, "ends with a semicolon")
