/* SPDX-License-Identifier: MIT */
/*
 * The virtual addresses of boot, which runs on the first page tables, and what bounds those of a
 * node: it has its own (struct node_map), all of them in the upper half. Nothing is mapped in the
 * lower half, so a null pointer plus any offset below 2^47 faults. Read by assembly and by the
 * linker script, too.
 */
#pragma once

#define UPPER_HALF           0xFFFF800000000000
#define DIRECT_MAP_BASE      UPPER_HALF     /* boot's */
#define DIRECT_MAP_MAX_BYTES 0x100000000000 /* 16 TiB; memory beyond is not used */
#define STATUS_SLOT_BYTES    0x10000        /* from the start of a node's to the next node's */
#define DEVICES_MAX_BYTES    0x3F0000000000

/* Physical address of the loaded image + IMAGE_OFFSET is where it was linked. */
#define IMAGE_OFFSET 0xFFFFFFFF80000000
#define IMAGE_PADDR  0x200000

/* Physical memory that boot code and starting cores find in the direct map of the first tables. */
#define BOOT_MAPPED_BYTES 0x100000000
