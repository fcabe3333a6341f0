/* SPDX-License-Identifier: MIT */
/*
 * Each node's word to a checker on which pages are shared: boot/node_image.c has mapped them.
 */
#include "boot/probe.h"
#include "boot/shared_page.h"
#include "kernel/component.h"
#include "kernel/message/status.h"
#include "kernel/node.h"
#include "kernel/platform.h"
#include "kernel/x86/layout.h"

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
    shared_page_touch();
}

static const struct component mark_component = {.steps = {[NODE_READY] = mark_shared_pages}};
COMPONENT(mark_component);
