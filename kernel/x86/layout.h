/* SPDX-License-Identifier: MIT */
/*
 * Virtual addresses, the same on every node; behind them lie its own image and memory, and the few
 * pages it may share (design, The node). Read by assembly and by the linker script, too.
 *
 *   direct map      this node's memory, at DIRECT_MAP_BASE + physical address; rings of channels to
 *                   it read-only
 *   status pages    of all nodes; own writable
 *   channel rings   of channels from this node, in their receivers' memory, writable
 *   places          which core and memory each node has, read-only
 *   archive         boot modules and built-in web root, read-only
 *   stacks          each with an unmapped page below
 *   devices         registers that a driver asked for
 *   image           text, read-only data, data, bss: this node's copy
 *
 * Nothing is mapped in the lower half, so a null pointer plus any offset below 2^47 faults.
 */
#pragma once

#define DIRECT_MAP_BASE      0xFFFF800000000000
#define DIRECT_MAP_MAX_BYTES 0x100000000000 /* 16 TiB, to the status pages; more is not used */
#define STATUS_BASE          0xFFFF900000000000
#define STATUS_SLOT_BYTES    0x10000 /* from the start of a node's to the next node's */
#define CHANNELS_BASE        0xFFFF980000000000
#define PLACES_BASE          0xFFFF9C0000000000
#define ARCHIVE_BASE         0xFFFFA00000000000
#define STACKS_BASE          0xFFFFB00000000000
#define FIRST_STACK_TOP      (STACKS_BASE + 0x9000) /* THREAD_STACK_BYTES, above a guard page */
#define DEVICES_BASE         0xFFFFC00000000000
#define DEVICES_MAX_BYTES    0x3F0000000000

/* Physical address of the loaded image + IMAGE_OFFSET is where it was linked. */
#define IMAGE_OFFSET 0xFFFFFFFF80000000
#define IMAGE_PADDR  0x200000

/* Physical memory that boot code and starting cores find in the direct map of the first tables. */
#define BOOT_MAPPED_BYTES 0x100000000
