/* SPDX-License-Identifier: MIT */
/*
 * All that channels, threads, dispatcher, net/, libc/ and apps/ ask of the machine. The bare one
 * answers in kernel/x86/platform.c, Linux in kernel/hosted/, a unit test with a fake.
 */
#pragma once

#include "kernel/base.h"

struct status_page;

/* --- Who and how many. Constant after boot. --- */
node_id_t platform_node(void);
unsigned platform_node_count(void);
const char *platform_command_line(void); /* zero-terminated, shorter than COMMAND_LINE_MAX_BYTES */

/* --- Clock --- */
/* Nanoseconds since boot without those in which the node stood still: nearly the same on all nodes,
 * never going back on one. Costs a counter read, a multiplication and a shift. */
uint64_t platform_now_ns(void);
/* What it has left out, which nodes have not in common: with it, they agree. */
uint64_t platform_standstill_ns(void);
/* Seconds since 1970 (UTC) when both were 0; 0 when no clock could be read. */
uint64_t platform_boot_epoch_s(void);

/* --- Mailbox pages: one writer each, enforced by page tables. --- */
/* This node's own is writable, all others read-only. */
struct status_page *platform_status_page(node_id_t node);
/* The ring of a channel, in its receiver's memory where there is a choice. As the receiver: make
 * one that only this sender can write, zeroed, channel_is_ring_size() long. NULL without memory. */
const void *platform_ring_create(node_id_t from, size_t bytes);
/* By what its sender finds it: a multiple of PAGE_BYTES. */
uint64_t platform_ring_place(const void *ring);
/* As the sender: map, writable, the one that `to` says it has for this node. NULL unless it lies in
 * that node's memory: the place is input. At most one at a time for each node. */
void *platform_ring_attach(node_id_t to, uint64_t place, size_t bytes);
void platform_ring_detach(node_id_t to, size_t bytes);

/* --- Sleeping and waking. --- */
/* Wake `node` out of platform_sleep(); one that is awake has a spurious turn. */
void platform_ring_doorbell(node_id_t node);
/* The attention interrupt: as a doorbell, and before its next sleep `node` looks at all status
 * pages: a node has died, written log lines, or wants a channel. */
void platform_send_attention(node_id_t node);
/* Stop another node that hangs: by an NMI, of which it dies and says where it was, unless it sees
 * that it works; for one that is deaf to that, `by_reset`: by INIT (node 0: another NMI). */
void platform_stop_node(node_id_t node, bool by_reset);
/* How many of those this node has taken. Several at once may count as one. */
uint64_t platform_attention_count(void);
/* Halt until a doorbell, a device's interrupt or `deadline_ns` (UINT64_MAX: no limit). One that
 * came after the caller last looked for work is not lost: this returns at once. `*now_ns` is the
 * time before and becomes that behind it. Returns whether nothing but time has ended it. */
bool platform_sleep(uint64_t deadline_ns, uint64_t *now_ns);

/* --- Memory of this node alone (libc/core/memory.h). --- */
uint64_t platform_free_memory_bytes(void);
/* THREAD_STACK_BYTES with an unmapped guard page below; returns the lowest usable byte. */
void *platform_allocate_stack(void);
/* Where a device finds this byte; the address must lie in this node's memory or in the archive. */
bus_addr_t platform_bus_addr(const void *vaddr);
/* The same without a search, or BUS_ADDR_NONE if it takes one. */
bus_addr_t platform_bus_addr_at_once(const void *vaddr);
#define BUS_ADDR_NONE UINT64_MAX

/* --- The boot archive: modules, read-only. --- */
struct platform_module {
    const char *name; /* "root.tar": the user's; "builtin.tar": part of the image */
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
    /* On its owner (kernel/log.h): print what all nodes have logged; returns how many lines. */
    unsigned (*print)(void);
    /* Whole lines, past the log: for who has none. */
    void (*write)(const char *text, size_t length_bytes);
    /* For a node that ends: show what is written at once; and wait for what was written before. */
    void (*write_through)(void);
    void (*flush)(void);
};
extern const struct platform_console *platform_console;

/* --- Randomness for sequence numbers, ids and hash secrets: unlike other nodes'. --- */
uint64_t platform_random(void);

/* --- Ends. --- */
/* Log the failure, mark this node as dead, halt it; the others go on. */
_Noreturn void platform_panic(const char *file, int line, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* Have failed assertions of libc/core end there, too, and give stack frames this node's own mark.
 * First of all, by a function that never returns. */
void panic_initialise(void);
/* What the layer above has to do before a node that has failed says that it is dead: until then the
 * console's owner prints its lines, or it does itself. NULL: nothing. */
extern void (*panic_before_death)(void);
/* Where it can be done: have the core sleep until this node is wanted, and is built again. */
bool platform_can_park(void);
_Noreturn void platform_park(void);
/* Halt this node without a word. */
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
