/* SPDX-License-Identifier: MIT */
/*
 * All that a hosted node asks of Linux, and what it is told at its start. A hosted program has two
 * halves: Talus, compiled with its own libc and linked into one object whose symbols are hidden;
 * and linux/, an ordinary program over the machine's C library, which makes the system calls. They
 * meet here and nowhere else (drivers/hosted/linux.h likewise for the cards).
 *
 * Errors are negative numbers of errno.h; both C libraries use Linux's.
 */
#pragma once

#include "kernel/base.h"
#include "kernel/limits.h"

#define LINUX_MODULE_MAX 2

/* As kernel/node.h is for the bare machine. Written before hosted_main(), constant afterwards. */
struct linux_node {
    node_id_t node;
    uint16_t node_count;
    const char *command_line; /* shorter than COMMAND_LINE_MAX_BYTES */
    const char *card;         /* what --card says; "" when it is not there */
    void *memory;             /* of this node alone, page-aligned and zeroed */
    uint64_t memory_bytes;
    /* At the same address on all nodes, and read-only. */
    const void *archive;
    size_t archive_bytes;
    struct linux_module {
        const char *name;
        const void *start;
        size_t bytes;
    } modules[LINUX_MODULE_MAX];
    unsigned module_count;
    /* The clock: the time-stamp counter at zero, and nanoseconds for a tick with 32 bits behind the
     * point; 0 where the counter's rate may change: linux_now_ns() then. */
    uint64_t tsc_at_zero;
    uint64_t ns_per_tick;
    uint64_t boot_epoch_s;
    uint64_t random_seed[4];
};
extern struct linux_node linux_node;

/* --- Talus' half, called by the other --- */

/* Bring the node up and run its event loop for ever. */
CALLED_FROM_OUTSIDE _Noreturn void hosted_main(void);
/* The processor or another node has stopped this one, by this signal, at this instruction. */
CALLED_FROM_OUTSIDE _Noreturn void hosted_fault(int signal, uintptr_t instruction,
                                                uintptr_t address);
/* Bytes of the file in which a node's mailbox pages lie. */
CALLED_FROM_OUTSIDE size_t hosted_mailbox_bytes(unsigned node_count);

/* --- Linux's half --- */

/* Nanoseconds since the same moment on all nodes. */
uint64_t linux_now_ns(void);

/* Part of the mailbox pages of `owner`: writable only if that is this node, which Linux enforces.
 * Ends the process when it cannot be mapped. */
void *linux_map_mailbox(node_id_t owner, size_t offset_bytes, size_t bytes);

/* A stack with an unmapped page below, or NULL. */
void *linux_map_stack(size_t bytes);

/* Doorbells: a counter for each node, which keeps what comes while the node is awake. */
#define LINUX_DOORBELL  1ull
#define LINUX_ATTENTION (1ull << 32) /* in units of this */
void linux_ring(node_id_t node, uint64_t what);

#define LINUX_WATCH_MAX 8u
/* Let this file end sleeps while it is readable. Returns its number, below LINUX_WATCH_MAX, or
 * -ENOSPC. */
MUST_CHECK int linux_watch(int file);

struct linux_wake {
    uint64_t rung;     /* what the others have rung with since the last sleep, added up */
    uint32_t readable; /* watched files, a bit each */
    bool is_timeout;   /* nothing else has ended it */
};
/* Sleep until this node is rung, a watched file is readable, or so long; UINT64_MAX: no limit. */
struct linux_wake linux_sleep(uint64_t timeout_ns);

/* End another node's process: so that it says where it was, or at once. */
void linux_stop_node(node_id_t node, bool at_once);

/* Standard output: all of it. Standard input: a byte, or -1 when none has come or ever will. */
void linux_write_console(const char *text, size_t bytes);
int linux_read_console(void);
/* For linux_watch(); -1 when nothing can be typed. */
int linux_console_file(void);

/* The end of this process by SIGABRT: a node that has failed. */
_Noreturn void linux_abort(void);
/* The same by a signal that says that it sleeps until it is wanted. */
_Noreturn void linux_park(void);
/* Do nothing any more: a node that is told to halt. */
_Noreturn void linux_halt(void);
/* The end of the whole program, with this status. */
_Noreturn void linux_exit(int status);

/*
 * A measurement (make bench-native): from the begin to the end, what all nodes' processes cost goes
 * to standard output as a line of a table. `title` names it, `count` is what it is divided by, and
 * `card_ticks` is what of this node's time the card in memory took, in ticks of the TSC.
 */
void linux_measure_begin(void);
void linux_measure_end(const char *title, uint64_t count, uint64_t card_ticks);
