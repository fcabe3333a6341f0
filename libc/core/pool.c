/* SPDX-License-Identifier: MIT */
/*
 * Pools: see pool.h. A chunk is whole pages where POOL_CHUNK objects fill them, and objects whose
 * size is a multiple of a cache line lie on cache lines then; else it is a block of the allocator.
 * The list of chunks is a block, too.
 */
#include "libc/core/pool.h"

#include <string.h>

#include "libc/core/assert.h"

#define FIRST_ROOM 16u

MEMORY_KIND(lists_kind, "pool_list");

/* Room for one chunk more on the list. */
static bool make_room(struct pool *pool)
{
    uint32_t room = pool->chunk_room == 0 ? FIRST_ROOM : 2 * pool->chunk_room;
    uint8_t **grown;

    if (pool->chunk_count < pool->chunk_room) {
        return true;
    }
    grown = memory_resize(&lists_kind, pool->chunks, room * sizeof(*grown));
    if (grown == NULL) {
        return false;
    }
    pool->chunks = grown;
    pool->chunk_room = room;
    return true;
}

static uint8_t *allocate_chunk(const struct pool *pool)
{
    size_t bytes = POOL_CHUNK * (size_t)pool->object_bytes;
    uint8_t *chunk;

    if (bytes % MEMORY_PAGE_BYTES != 0) {
        return memory_allocate_zeroed(&pool->kind, bytes);
    }
    chunk = memory_allocate_pages(&pool->kind, bytes / MEMORY_PAGE_BYTES);
    if (chunk != NULL) {
        memset(chunk, 0, bytes);
    }
    return chunk;
}

bool pool_grow(struct pool *pool)
{
    uint8_t *chunk;

    CORE_ASSERT(pool->free == NULL && pool->object_max % POOL_CHUNK == 0);
    if (pool_size(pool) == pool->object_max) {
        pool->kind.counts->failures++;
        return false;
    }
    if (!make_room(pool)) {
        return false;
    }
    chunk = allocate_chunk(pool);
    if (chunk == NULL) {
        return false;
    }
    pool->kind.counts->objects--; /* the chunk is none */
    for (uint32_t i = POOL_CHUNK; i-- > 0;) {
        struct pool_object *object = (struct pool_object *)(chunk + (size_t)i * pool->object_bytes);

        object->index = pool_size(pool) + i;
        object->next = pool->free;
        pool->free = object;
    }
    pool->chunks[pool->chunk_count++] = chunk;
    return true;
}
