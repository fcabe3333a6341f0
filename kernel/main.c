/* SPDX-License-Identifier: MIT */
/*
 * A node's life: the order in which it comes up.
 */
#include "kernel/main.h"

#include <string.h>

#include "apps/monitor/monitor.h"
#include "drivers/console/console.h"
#include "drivers/console/options.h"
#include "kernel/command_line.h"
#include "kernel/log.h"
#include "kernel/memory/pages.h"
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

/* MESSAGE_SET_LOG. */
static void handle_set_log(node_id_t from, const struct message *message)
{
    const struct set_log *set_log = (const struct set_log *)message;

    (void)from;
    /* It logs what it ignores. */
    (void)log_configure(set_log->value, strnlen(set_log->value, sizeof(set_log->value)));
}

/* MESSAGE_CRASH_NODE: read where nothing is mapped. */
static void handle_crash(node_id_t from, const struct message *message)
{
    const uintptr_t unmapped = 0x10;
    uint8_t value;

    (void)message;
    log_warning("monitor", "node %u asks for a page fault", from);
    /* By hand: a compiler may do with a wild pointer what it likes. */
    __asm__ volatile("movb (%1), %0" : "=q"(value) : "r"(unmapped) : "memory");
}

/* MESSAGE_STOP_NODE: the machine is being switched off, so nobody need take this for a failure. */
static void handle_stop(node_id_t from, const struct message *message)
{
    (void)from;
    (void)message;
    cpu_halt_for_ever();
}

static void start_console(void)
{
    (void)console_options_report(platform_command_line()); /* it has logged each */
    console_start();
    monitor_start();
}

/* Another node has died: perhaps the one that had the console, and this one is the next. */
static void inherit_console(node_id_t dead_node)
{
    static bool has_inherited;

    (void)dead_node;
    if (node_info.node != 0 && !has_inherited && log_is_console_owner()) {
        has_inherited = true;
        console_take_over();
        monitor_start();
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
    console_attach();
    configure_log();

    /* Memory, then what needs it: mappings of the screen and the local APIC, stacks for faults. */
    start_memory();
    if (node_info.node == 0) {
        console_map_screen();
    }
    trap_use_own_stacks();
    start_lapic();
    time_initialise();

    /* The event loop, and what the kernel itself does with it. */
    dispatch_initialise();
    dispatch_register_message(MESSAGE_CRASH_NODE, sizeof(struct message_header), handle_crash);
    dispatch_register_message(MESSAGE_STOP_NODE, sizeof(struct message_header), handle_stop);
    dispatch_register_message(MESSAGE_SET_LOG, sizeof(struct set_log), handle_set_log);
    dispatch_register_node_down(inherit_console);
    if (node_info.node == 0) {
        start_console();
    }
    mark_shared_pages();
    shared_page_touch();
    status_set_state(NODE_RUNNING);

    /* What this node is there for. */
    node_start_roles();
    dispatch_run();
}
