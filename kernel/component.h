/* SPDX-License-Identifier: MIT */
/*
 * What layers above the kernel add to the start of the machine and of its nodes: structs in the set
 * `components`, whose steps boot/ and kernel/main.c run at these moments, in no order within one.
 */
#pragma once

#include "kernel/base.h"
#include "libc/core/linker_set.h"

enum component_step {
    /* Once, on the core that boots, in the image that the nodes are copied from later. */
    BOOT_FIRST,   /* node_info has a command line and a screen; BOOT_MAPPED_BYTES are mapped */
    BOOT_MEMORY,  /* pages can be allocated and mapped; there is a log */
    BOOT_TABLES,  /* node_info.machine says what firmware's tables say */
    BOOT_DEVICES, /* the clock runs; what is found now, all nodes will know */
    BOOT_SHARED,  /* which node has which memory: node_info.places, machine.node_count */

    /* On each node. */
    NODE_FIRST,  /* the node has its status page and nothing else */
    NODE_MEMORY, /* memory can be allocated and mapped */
    NODE_READY,  /* the event loop takes handlers and sources */
    NODE_RUN,    /* all of that is done: start what the node is there for */

    /* On the core of one that has failed, in the image that the nodes are copied from, if none that
     * lives has a hand on a device (STATUS_WORD_DEVICE). Others may be at it, too. */
    NODE_GONE,
    COMPONENT_STEP_COUNT
};

struct component {
    void (*steps[COMPONENT_STEP_COUNT])(void); /* NULL: nothing to do then */
    /* What node 0, or each, starts with as the core that boots has left it, and not as linked. */
    void *handed_over;
    size_t handed_over_bytes;
    bool is_handed_to_all;
};

LINKER_SET_DECLARE(components, struct component);

#define COMPONENT(entry) LINKER_SET_ADD(components, struct component, entry)

static inline void components_run(enum component_step step)
{
    LINKER_SET_EACH(components, struct component, component)
    {
        if ((*component)->steps[step] != NULL) {
            (*component)->steps[step]();
        }
    }
}
