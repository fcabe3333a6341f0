/* SPDX-License-Identifier: MIT */
/*
 * The node's memory, played (libc/core/memory.h): an arena in its image. Blocks are zeroed, so that
 * images do not differ by what has been there before.
 */
#include <string.h>

#include "kernel/platform.h"
#include "libc/core/memory.h"

/* Blocks have a few sizes only: those that are free are kept by size, zeroed. */
#define ARENA_BYTES (320 * KIB)
#define FREE_SIZES  8u

struct block {
    size_t bytes;
    struct block *next;
};

static _Alignas(64) uint8_t arena[ARENA_BYTES];
static size_t arena_used;
static struct {
    size_t bytes;
    struct block *first;
} free_blocks[FREE_SIZES];

bool (*memory_fault)(const struct memory_kind *kind);

static size_t block_bytes(size_t bytes)
{
    return ALIGN_UP(bytes + sizeof(struct block), (size_t)64);
}

void *memory_allocate_zeroed(const struct memory_kind *kind, size_t bytes)
{
    size_t whole = block_bytes(bytes);
    struct block *block = NULL;

    for (unsigned i = 0; i < FREE_SIZES && block == NULL; i++) {
        if (free_blocks[i].bytes == whole && free_blocks[i].first != NULL) {
            block = free_blocks[i].first;
            free_blocks[i].first = block->next;
        }
    }
    if (block == NULL) {
        ASSERT(arena_used + whole <= ARENA_BYTES);
        block = (struct block *)(arena + arena_used);
        arena_used += whole;
    }
    *block = (struct block){.bytes = whole};
    (void)memory_count_taken(kind, block, bytes);
    return block + 1;
}

void *memory_allocate(const struct memory_kind *kind, size_t bytes)
{
    return memory_allocate_zeroed(kind, bytes);
}

void memory_release(const struct memory_kind *kind, void *memory)
{
    struct block *block = (struct block *)memory - 1;
    unsigned i = 0;

    if (memory == NULL) {
        return;
    }
    memory_count_released(kind, block->bytes);
    while (free_blocks[i].bytes != block->bytes && free_blocks[i].bytes != 0) {
        i++;
        ASSERT(i < FREE_SIZES);
    }
    free_blocks[i].bytes = block->bytes;
    memset(memory, 0, block->bytes - sizeof(*block));
    block->next = free_blocks[i].first;
    free_blocks[i].first = block;
}

void *memory_resize(const struct memory_kind *kind, void *memory, size_t bytes)
{
    void *larger = memory_allocate_zeroed(kind, bytes);

    if (memory != NULL) {
        const struct block *block = (struct block *)memory - 1;
        size_t old_bytes = block->bytes - sizeof(*block);

        memcpy(larger, memory, old_bytes < bytes ? old_bytes : bytes);
        memory_release(kind, memory);
    }
    return larger;
}

void *memory_allocate_pages(const struct memory_kind *kind, size_t page_count)
{
    return memory_allocate_zeroed(kind, page_count * MEMORY_PAGE_BYTES);
}
