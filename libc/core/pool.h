/* SPDX-License-Identifier: MIT */
/*
 * Objects of one size, of which many come and go. What is released is kept for the next, the last
 * one first, while its lines are still in the cache; memory is taken for POOL_CHUNK of them at a
 * time and never given back. So each has a place that is its own for ever, by which it is found
 * again, and what it keeps there (a count of its uses) outlives it. Taking and releasing cost O(1).
 */
#pragma once

#include "libc/core/ablation.h"
#include "libc/core/base.h"
#include "libc/core/memory.h"

#define POOL_CHUNK 64u

/* First in each object. The pool's own, also while the object is in use. */
struct pool_object {
    struct pool_object *next; /* while it is free */
    uint32_t index;           /* its place */
};

struct pool {
    struct memory_kind kind; /* counts the objects in use, and the bytes of all */
    uint32_t object_bytes;
    uint32_t object_max;
    struct pool_object *free;
    uint8_t **chunks; /* of the objects that exist, POOL_CHUNK each */
    uint32_t chunk_count, chunk_room;
};

/* A pool of this file's, of objects of that type; at most so many. */
#define POOL(variable, text, type, most)                                                           \
    static struct pool variable = {                                                                \
        .kind = {.name = (text), .counts = &(variable).kind.own_counts},                           \
        .object_bytes = sizeof(type),                                                              \
        .object_max = (most)};                                                                     \
    LINKER_SET_ADD_PART(memory_kinds, struct memory_kind, variable, kind)

/* POOL_CHUNK more, zero but for their places. Whether there are any. */
bool pool_grow(struct pool *pool);

/* As the last one left it, or zero, but for the pool's own. NULL, and counted, when there are as
 * many as may be, or no memory. */
static inline void *pool_take(struct pool *pool)
{
    struct pool_object *object;

    if (memory_is_refused(&pool->kind)) {
        memory_count_taken(&pool->kind, NULL, 0);
        return NULL;
    }
    if (UNLIKELY(pool->free == NULL) && !pool_grow(pool)) {
        return NULL;
    }
    if (WITHOUT(POOLS)) { /* the object is the pool's, for its place; the cost is the allocator's */
        memory_release(&pool->kind, memory_allocate(&pool->kind, pool->object_bytes));
    }
    object = pool->free;
    pool->free = object->next;
    pool->kind.counts->objects++;
    return object;
}

static inline void pool_release(struct pool *pool, void *released)
{
    struct pool_object *object = released;

    object->next = pool->free;
    pool->free = object;
    pool->kind.counts->objects--;
}

/* How many objects there are, in use or not. */
static inline uint32_t pool_size(const struct pool *pool)
{
    return pool->chunk_count * POOL_CHUNK;
}

/* The object at that place, in use or not; below pool_size(). */
static inline void *pool_at(const struct pool *pool, uint32_t index)
{
    return pool->chunks[index / POOL_CHUNK] + (size_t)(index % POOL_CHUNK) * pool->object_bytes;
}

/* Whether as many as there may be are in use. */
static inline bool pool_is_exhausted(const struct pool *pool)
{
    return pool->free == NULL && pool_size(pool) == pool->object_max;
}
