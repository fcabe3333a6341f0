/* SPDX-License-Identifier: MIT */
/*
 * The design broken on purpose: in builds with TALUS_TEST_SHARED_PAGE (talus-shared.elf) nodes 0
 * and 1 map one page of memory writable and both write to it. What checks that nodes share nothing
 * (qemu/plugins/sharing.c) must report that page.
 */
#pragma once

#include "kernel/node.h"
#include "libc/core/mmio.h"

#ifdef TALUS_TEST_SHARED_PAGE

#define SHARED_PAGE_VADDR 0xFFFFFFFFFFE00000 /* above all images (addresses.c) */

static inline bool shared_page_is_mapped(const struct node_info *info)
{
    return info->node < 2 && info->node_count >= 2;
}

static inline void shared_page_touch(void)
{
    if (shared_page_is_mapped(&node_info)) {
        mmio_write32((void *)SHARED_PAGE_VADDR, 0, 1);
    }
}

#else

static inline void shared_page_touch(void)
{
}

#endif
