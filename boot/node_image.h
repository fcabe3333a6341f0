/* SPDX-License-Identifier: MIT */
/*
 * A node's private copy of the image and its page tables, made from the pristine image.
 */
#pragma once

#include "kernel/base.h"

struct node_info;

/* Memory that nodes share, at most one writer a page. */
struct shared_memory {
    paddr_t status_pages; /* node_count of them */
    paddr_t places;       /* struct node_place, as many; written by none of them */
#ifdef TALUS_TEST_SHARED_PAGE
    paddr_t test_page; /* boot/shared_page.h */
#endif
};

/* Least memory with which a node can be built and start. */
#define NODE_MEMORY_MIN_BYTES (8 * MIB)

/*
 * Build the node that *info describes: copy the image into its memory, make its page tables and its
 * first stack. Completes *info (page_table_root, image_paddr, what is left of the ranges) and
 * writes it into the copy. Returns 0 and the top of the stack, or -ENOMEM.
 */
MUST_CHECK int node_image_build(struct node_info *info, const struct shared_memory *shared,
                                uintptr_t *stack_top);
