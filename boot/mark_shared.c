/* SPDX-License-Identifier: MIT */
/*
 * Each node's word to a checker on which pages are shared: boot/node_image.c has mapped them, but
 * for the rings of channels, which kernel/x86/rings.c makes. Only with `check=sharing` on the
 * command line: the marks of many nodes take a while.
 */
#include "boot/mark_shared.h"

#include <string.h>

#include "boot/probe.h"
#include "boot/shared_page.h"
#include "kernel/component.h"
#include "kernel/message/status.h"
#include "kernel/node.h"
#include "kernel/platform.h"
#include "kernel/x86/layout.h"
#include "kernel/x86/paging.h"
#include "libc/core/command_line.h"

static bool is_checked(void)
{
    const char *text;

    return command_line_find(platform_command_line(), "check", &text) == 7 &&
           memcmp(text, "sharing", 7) == 0;
}

static void mark_ring(const void *ring, size_t bytes)
{
    for (const char *page = ring; page < (const char *)ring + bytes; page += PAGE_BYTES) {
        probe_declare_mailbox(page);
    }
}

/* Tell a checker which pages are shared by design, and that from now on all others are private. */
static void mark_shared_pages(void)
{
    const char *places = (const char *)node_info.places;
    const char *archive = platform_archive_start();

    if (!is_checked()) {
        shared_page_touch();
        return;
    }
    rings_mark = mark_ring;
    for (unsigned node = 0; node < node_info.node_count; node++) {
        const char *status = (const char *)platform_status_page((node_id_t)node);

        for (size_t i = 0; i < STATUS_PAGE_BYTES(node_info.node_count); i += PAGE_BYTES) {
            probe_declare_mailbox(status + i);
        }
    }
    for (size_t i = 0; i < node_info.node_count * sizeof(struct node_place); i += PAGE_BYTES) {
        probe_declare_archive(places + i);
    }
    for (size_t i = 0; i < node_info.archive_bytes; i += PAGE_BYTES) {
        probe_declare_archive(archive + i);
    }
    probe_boot_finished();
    shared_page_touch();
}

void mark_rings_private(const struct status_page *status, const struct node_place *place,
                        unsigned node_count)
{
    for (unsigned i = 0; i < node_count && is_checked(); i++) {
        paddr_t ring = ALIGN_DOWN(status->for_nodes[i].channel_ring, (paddr_t)PAGE_BYTES);
        uint64_t bytes = UINT64_C(1) << status->for_nodes[i].channel_ring % 32;

        for (uint64_t done = 0;
             memory_ranges_hold(place->ranges, place->range_count, ring, bytes) && done < bytes;
             done += PAGE_BYTES) {
            probe_declare_private((const void *)(DIRECT_MAP_BASE + ring + done));
        }
    }
}

static const struct component mark_component = {.steps = {[NODE_READY] = mark_shared_pages}};
COMPONENT(mark_component);
