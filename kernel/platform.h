/* SPDX-License-Identifier: MIT */
/*
 * The platform seam: all that channels, threads, dispatcher, net/, libc/ and apps/ ask of the
 * machine. Bare metal answers in kernel/x86/platform.c; a unit test answers with a fake, so that
 * the same sources run on a host and under its sanitizers.
 */
#pragma once

#include "kernel/base.h"

struct status_page;

/* --- Who and how many. Constant after boot. --- */
node_id_t platform_node(void);
unsigned platform_node_count(void);
const char *platform_command_line(void); /* zero-terminated, shorter than COMMAND_LINE_MAX_BYTES */

/* --- Clock: nanoseconds since boot without those in which the node stood still, so nearly the same
 * on all nodes; never going back on one. Costs a counter read, a multiplication and a shift. --- */
uint64_t platform_now_ns(void);
/* Seconds since 1970 (UTC) less those of platform_now_ns(); 0 when no clock could be read. */
uint64_t platform_boot_epoch_s(void);

/* --- Mailbox pages: one writer each, enforced by page tables. --- */
/* This node's own is writable, all others read-only. */
struct status_page *platform_status_page(node_id_t node);
/* --- The ring of a channel: pages of its receiver's memory that only its sender can write. --- */
/* As the receiver: make one for this sender, out of this node's memory where the machine has a
 * choice. It is zeroed, `bytes` long (a power of two, CHANNEL_RING_MIN_BYTES ..
 * CHANNEL_RING_MAX_BYTES), and read-only here from now on. Returns NULL without memory. */
const void *platform_ring_create(node_id_t from, size_t bytes);
/* By what its sender finds it: a multiple of PAGE_BYTES. */
uint64_t platform_ring_place(const void *ring);
/* As the sender: map the one that `to` says it has for this node, writable. NULL unless it lies in
 * that node's memory and nowhere else: the place is input. At most one at a time for each node. */
void *platform_ring_attach(node_id_t to, uint64_t place, size_t bytes);
/* Unmap it: this node writes there no more. */
void platform_ring_detach(node_id_t to, size_t bytes);

/* --- Sleeping and waking. --- */
/* Wake `node` out of platform_sleep(). Safe to call when it is awake: it then costs it one
 * spurious turn. */
void platform_ring_doorbell(node_id_t node);
/* The attention interrupt: as a doorbell, and `node` learns that a node has died or written log
 * lines, so that it need not look at every status page whenever it wakes. One that is awake learns
 * of it at its next sleep. */
void platform_send_attention(node_id_t node);
/* Stop another node that hangs: by an NMI, of which it dies and says where it was; `by_reset`: by
 * INIT, for one that is deaf to that. Its core then waits to be started again. Node 0 is never
 * reset: another NMI then. */
void platform_stop_node(node_id_t node, bool by_reset);
/* How many this node has taken. Several at once may count as one. */
uint64_t platform_attention_count(void);
/* Halt this core until a doorbell, a device interrupt or `deadline_ns` (UINT64_MAX: no limit).
 * A wake-up that came after the caller last looked for work is not lost: it returns at once. */
void platform_sleep(uint64_t deadline_ns);

/* --- Memory of this node alone, all of it able to take DMA. Zeroed. NULL when there is none. ---
 */
void *platform_allocate_pages(size_t page_count);
void platform_release_pages(void *pages, size_t page_count);
uint64_t platform_free_memory_bytes(void);
/* A stack of THREAD_STACK_BYTES with an unmapped guard page below; returns its lowest usable byte.
 */
void *platform_allocate_stack(void);
/* Where a device finds this byte; the address must lie in this node's memory or in the archive. */
bus_addr_t platform_bus_addr(const void *vaddr);

/* --- The boot archive: read-only, the same virtual address on every node (boot modules and the
 * built-in web root, as tar files). --- */
struct platform_module {
    const char *name; /* "root.tar": given by the user; "builtin.tar": part of the image */
    const void *start;
    size_t bytes;
};
/* Module `index`, or NULL past the last. */
const struct platform_module *platform_module(unsigned index);
/* The one range of addresses in which all modules lie. */
const void *platform_archive_start(void);
size_t platform_archive_bytes(void);

/* --- Console: what the layer that drives it does for the node. Until it is set, nothing. --- */
struct platform_console {
    /* On the node that owns it (kernel/log.h): print what all nodes have logged since; returns how
     * many lines. What its devices have no room for is dropped and counted. */
    unsigned (*print)(void);
    /* Whole lines, past the log: for who has none. */
    void (*write)(const char *text, size_t length_bytes);
    /* For a node that is about to end: what is written from now on is seen at once; then have all
     * seen that was written before. */
    void (*write_through)(void);
    void (*flush)(void);
};
extern const struct platform_console *platform_console;

/* --- Randomness for sequence numbers, ids and hash secrets: unlike other nodes'. --- */
uint64_t platform_random(void);

/* --- Ends. --- */
/* Print the failure, mark this node as dead on its status page, halt it. Others go on. */
_Noreturn void platform_panic(const char *file, int line, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* Halt this node for good; the others go on. */
_Noreturn void platform_halt(void);

/* Our own mistake inside this node. Stays on in every build. */
#define ASSERT(condition)                                                                          \
    do {                                                                                           \
        if (UNLIKELY(!(condition))) {                                                              \
            platform_panic(__FILE__, __LINE__, "assertion failed: %s", #condition);                \
        }                                                                                          \
    } while (0)
#define PANIC(...) platform_panic(__FILE__, __LINE__, __VA_ARGS__)

/* For checks that cost on the packet path. */
#define ASSERT_SLOW(condition)                                                                     \
    do {                                                                                           \
        if (HAS_SLOW_CHECKS) {                                                                     \
            ASSERT(condition);                                                                     \
        }                                                                                          \
    } while (0)
