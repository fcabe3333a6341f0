/* SPDX-License-Identifier: MIT */
/*
 * A node's life: the order in which it comes up.
 */
#include "kernel/component.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "kernel/node.h"
#include "kernel/platform.h"
#include "kernel/x86/clock.h"
#include "kernel/x86/interrupt.h"
#include "kernel/x86/paging.h"
#include "kernel/x86/trap.h"
#include "libc/core/guarded_space.h"
#include "libc/core/memory.h"
#include "libc/core/pages.h"

_Static_assert(NODE_RANGE_MAX <= PAGES_RANGE_MAX && PAGE_BYTES == MEMORY_PAGE_BYTES,
               "a node's memory fits the allocator");

static void start_memory(void)
{
    static const struct memory_source pages = {
        .allocate = pages_allocate_raw,
        .release = pages_release,
    };

    for (unsigned i = 0; i < node_info.range_count; i++) {
        pages_add_range((void *)(node_info.map.direct_map + node_info.ranges[i].paddr),
                        node_info.ranges[i].bytes);
    }
    memory_set_source(&pages);
}

_Noreturn void node_main(void)
{
    /* First what reports a failure of the rest. */
    ASSERT(node_info.node < node_info.node_count && node_info.node_count <= NODE_MAX);
    panic_initialise();
    trap_initialise();
    status_initialise();
    status_count_memory();
    components_run(NODE_FIRST);

    /* Memory, then what needs it: mappings of devices and the local APIC, stacks for faults. */
    start_memory();
    guarded_space_begin(paging_own_space());
    components_run(NODE_MEMORY);
    trap_use_own_stacks();
    interrupt_initialise();
    clock_initialise();

    /* The event loop, and what is done with it. */
    dispatch_initialise();
    components_run(NODE_READY);
    status_set_state(NODE_RUNNING);

    /* What this node is there for. */
    components_run(NODE_RUN);
    dispatch_run();
}
