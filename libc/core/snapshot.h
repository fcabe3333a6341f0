/* SPDX-License-Identifier: MIT */
/*
 * Memory whose content can be sent without a copy, and changed at once: what is sent is what it
 * held when it was taken.
 *
 * Its pages lie in a window of addresses of their own, behind each of them a frame, a page of the
 * node's memory. A snapshot holds frames, and their pages become read-only. Who writes to one gets
 * a page fault, which gives the page another frame with the same content: the old one is the
 * snapshot's, and is used again when nobody holds it. That a page of this window is written to is
 * no reason for a node to wait or to fail: the frame for it is set aside when the snapshot is
 * taken.
 *
 * Blocks have whole pages, so what else shares a page with bytes that are sent is the same
 * program's.
 */
#pragma once

#include "libc/core/base.h"
#include "libc/core/memory.h"
#include "libc/core/pool.h"

/* The addresses for it on each node. Chosen: twice what one connection may have under way. */
#define SNAPSHOT_WINDOW_BYTES      (32 * MIB)
/* Shorter blocks are not worth a page. */
#define SNAPSHOT_BLOCK_LEAST_BYTES (32 * KIB)
/* Of one snapshot: 64 KiB, as much as programs like to send at a time. */
#define SNAPSHOT_PAGES_MAX         16u

/* What changes this core's page tables; where nothing does there is no such memory. Frames lie one
 * behind the other. */
struct snapshot_space {
    uintptr_t start;
    size_t page_max; /* of it, at most SNAPSHOT_WINDOW_BYTES; as many frames again may be held */
    bool (*map)(uintptr_t vaddr, void *frames, size_t page_count); /* false: no memory */
    void (*replace)(uintptr_t vaddr, void *frames, size_t page_count, bool is_writable);
    void (*unmap)(uintptr_t vaddr, size_t page_count);
};

/* There is one. It stays. */
void snapshot_begin(const struct snapshot_space *space);
/* Who sends by reference is on this node: from here on there are blocks. */
void snapshot_enable(void);

/* --- Blocks --- */

/* Page-aligned, not zeroed. NULL: without all of that, for less than SNAPSHOT_BLOCK_LEAST_BYTES,
 * and when there is no room: any other memory will do. */
void *snapshot_allocate(size_t bytes);
/* What is held of it stays for who holds it. */
void snapshot_free(void *block);
size_t snapshot_block_bytes(const void *block);

extern uintptr_t snapshot_window_start;
extern size_t snapshot_window_bytes; /* 0: there is none */

/* Whether it is an address of the window. */
static inline bool snapshot_is_block(const void *at)
{
    return (uintptr_t)at - snapshot_window_start < snapshot_window_bytes;
}

/* --- Snapshots --- */

struct snapshot {
    struct pool_object place; /* its index is its name in messages */
    uint32_t offset_bytes;    /* of its first byte in the first frame */
    uint32_t bytes;           /* 0: nobody has it */
    uint32_t frame_count;
    uint32_t frames[SNAPSHOT_PAGES_MAX];
};

/* Of what these bytes hold now, or of the first of them: its `bytes` says how many. NULL: they are
 * not a block's, or there is no memory. Cost: a change of each page that was writable. */
struct snapshot *snapshot_take(const void *data, size_t bytes);
void snapshot_release(struct snapshot *snapshot);
/* By its index; NULL: there is none. */
struct snapshot *snapshot_find(uint32_t index);
/* Its bytes from `offset` on, so many as lie together: where they stay until it is released. */
const uint8_t *snapshot_run(const struct snapshot *snapshot, uint32_t offset, uint32_t *run_bytes);

/* --- Writes --- */

enum snapshot_fault {
    SNAPSHOT_FAULT_NONE,   /* it is another's */
    SNAPSHOT_FAULT_OPENED, /* nobody holds the page any more */
    SNAPSHOT_FAULT_COPIED,
};

/* A write to this address was refused. Unless it returns NONE it is tried again. */
enum snapshot_fault snapshot_write(uintptr_t vaddr);
