/* SPDX-License-Identifier: MIT */
/*
 * A hosted node's life: kernel/main.c without the bare machine.
 */
#include "kernel/component.h"
#include "kernel/hosted/linux.h"
#include "kernel/hosted/mailbox.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/memory.h"
#include "libc/core/pages.h"

static void start_memory(void)
{
    static const struct memory_source pages = {
        .allocate = pages_allocate_raw,
        .release = pages_release,
    };

    pages_add_range(linux_node.memory, linux_node.memory_bytes);
    memory_set_source(&pages);
}

_Noreturn void hosted_main(void)
{
    ASSERT(linux_node.node < linux_node.node_count && linux_node.node_count <= NODE_MAX);
    panic_initialise();
    hosted_mailbox_initialise();
    status_initialise();
    status_count_memory();
    components_run(NODE_FIRST);

    start_memory();
    components_run(NODE_MEMORY);

    dispatch_initialise();
    components_run(NODE_READY);
    status_set_state(NODE_RUNNING);

    components_run(NODE_RUN);
    dispatch_run();
}
