/* SPDX-License-Identifier: MIT */
/*
 * A node's life: the order in which it comes up.
 */
#include "kernel/main.h"

#include <string.h>

#include "kernel/command_line.h"
#include "kernel/component.h"
#include "kernel/log.h"
#include "kernel/memory/pages.h"
#include "kernel/message/control.h"
#include "kernel/message/counters.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "kernel/node.h"
#include "kernel/platform.h"
#include "kernel/shared_page.h"
#include "kernel/x86/clock.h"
#include "kernel/x86/cpu.h"
#include "kernel/x86/lapic.h"
#include "kernel/x86/layout.h"
#include "kernel/x86/paging.h"
#include "kernel/x86/probe.h"
#include "kernel/x86/trap.h"

static void start_memory(void)
{
    for (unsigned i = 0; i < node_info.range_count; i++) {
        pages_add_range((void *)(DIRECT_MAP_BASE + node_info.ranges[i].paddr),
                        node_info.ranges[i].bytes);
    }
}

static void start_lapic(void)
{
    void *registers = NULL;

    if (!node_info.has_x2apic) {
        registers = paging_map_device(lapic_paddr(), PAGE_BYTES);
        if (registers == NULL) {
            PANIC("the local APIC cannot be mapped");
        }
    }
    lapic_initialise(registers);
}

static void configure_log(void)
{
    const char *value;
    int length = command_line_find(platform_command_line(), "log", &value);

    if (length > 0) {
        (void)log_configure(value, (size_t)length); /* it has logged what it ignores */
    }
}

/* Tell a checker which pages are shared by design, and that from now on all others are private. */
static void mark_shared_pages(void)
{
    const char *status = (const char *)STATUS_BASE;
    const char *archive = platform_archive_start();

    for (size_t i = 0; i < node_info.node_count * sizeof(struct status_page); i += PAGE_BYTES) {
        probe_declare_mailbox(status + i);
    }
    for (node_id_t node = 0; node < node_info.node_count; node++) {
        for (size_t i = 0; node != node_info.node && i < node_info.channel_ring_bytes;
             i += PAGE_BYTES) {
            probe_declare_mailbox((char *)platform_channel_ring(node_info.node, node) + i);
            probe_declare_mailbox((char *)platform_channel_ring(node, node_info.node) + i);
        }
    }
    for (size_t i = 0; i < node_info.archive_bytes; i += PAGE_BYTES) {
        probe_declare_archive(archive + i);
    }
    probe_boot_finished();
}

_Noreturn void node_main(void)
{
    /* First what reports a failure of the rest. */
    trap_initialise();
    status_initialise();
    counters_check();
    components_run(NODE_FIRST);
    configure_log();

    /* Memory, then what needs it: mappings of devices and the local APIC, stacks for faults. */
    start_memory();
    components_run(NODE_MEMORY);
    trap_use_own_stacks();
    start_lapic();
    time_initialise();

    /* The event loop, and what is done with it. */
    dispatch_initialise();
    control_start();
    components_run(NODE_READY);
    mark_shared_pages();
    shared_page_touch();
    status_set_state(NODE_RUNNING);

    /* What this node is there for. */
    components_run(NODE_RUN);
    dispatch_run();
}
