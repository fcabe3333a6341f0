/* SPDX-License-Identifier: MIT */
/*
 * Access to mailbox pages: words that one node writes and others read. The orderings that nodes
 * rely on are these calls (tests/check/architecture: no other atomics), and so is every place where
 * a machine without coherent caches would write a line back or throw one away: there the bodies of
 * mailbox_flush() and mailbox_invalidate() are filled in, and nothing else changes. x86 keeps
 * caches coherent, so both are empty here. For the files of this folder.
 */
#pragma once

#include "kernel/base.h"
#include "kernel/limits.h"

/* The writer is done with these bytes: make them visible to other nodes. */
static inline void mailbox_flush(const void *start, size_t bytes)
{
    (void)start;
    (void)bytes;
}

/* The reader is about to look at these bytes: forget what was read of them earlier. */
static inline void mailbox_invalidate(const void *start, size_t bytes)
{
    (void)start;
    (void)bytes;
}

/* What the other node stored before its release is seen after this. */
static inline uint32_t mailbox_load_acquire(const uint32_t *word)
{
    mailbox_invalidate(word, sizeof(*word));
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static inline uint32_t mailbox_load(const uint32_t *word)
{
    mailbox_invalidate(word, sizeof(*word));
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}

/* What this node stored before is seen by whoever acquires the word. */
static inline void mailbox_store_release(uint32_t *word, uint32_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
    mailbox_flush(word, sizeof(*word));
}

/* The same for words of 64 bits. */
static inline uint64_t mailbox_load64_acquire(const uint64_t *word)
{
    mailbox_invalidate(word, sizeof(*word));
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static inline void mailbox_store64_release(uint64_t *word, uint64_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
    mailbox_flush(word, sizeof(*word));
}

/* A line of another node's, once: what is checked of the copy stays true of it. */
static inline void mailbox_copy_line(uint64_t to[CHANNEL_LINE_BYTES / 8], const uint64_t *from)
{
    mailbox_invalidate(from, CHANNEL_LINE_BYTES);
#pragma GCC unroll 8 /* each message pays for it */
    for (unsigned i = 0; i < CHANNEL_LINE_BYTES / 8; i++) {
        to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
    }
}

static inline void mailbox_store(uint32_t *word, uint32_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELAXED);
    mailbox_flush(word, sizeof(*word));
}

/* Keeps this node's earlier stores before its later loads, which x86 would otherwise reorder. */
static inline void mailbox_fence(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* Keeps this node's earlier loads before its later ones: on x86 an order for the compiler alone. */
static inline void mailbox_fence_loads(void)
{
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
}
