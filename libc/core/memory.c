/* SPDX-License-Identifier: MIT */
/*
 * The allocator of blocks, over a source of pages. Small blocks are cut from chunks of 64 KiB, each
 * of one size class; a larger block has a run of pages to itself. Either way the chunk's or run's
 * header lies at the next lower multiple of 64 KiB, so a block needs no header of its own.
 */
#include "libc/core/memory.h"

#include <string.h>

#include "libc/core/assert.h"
#include "libc/core/poison.h"

#define CHUNK_ORDER      4u
#define CHUNK_PAGES      (1u << CHUNK_ORDER)
#define CHUNK_BYTES      (CHUNK_PAGES * (size_t)MEMORY_PAGE_BYTES)
#define HEADER_BYTES     64u
#define CACHE_LINE_BYTES 64u

/* Classes: 16, 32, 48; multiples of 64 up to 512; then four to each doubling, up to 16 KiB, where
 * three fit a chunk. At most a quarter of a block is wasted, and of the largest a tenth of a chunk.
 */
#define TINY_CLASS_COUNT     3u
#define LINE_CLASS_COUNT     8u
#define LINE_CLASS_MAX_BYTES 512u
#define CLASS_COUNT          (TINY_CLASS_COUNT + LINE_CLASS_COUNT + 4 * 5)
#define CLASS_MAX_BYTES      (16 * KIB)

#define CHUNK_MAGIC 0x4B4E4843u /* "CHNK" */
#define RUN_MAGIC   0x534E5552u /* "RUNS" */

struct free_block {
    struct free_block *next;
};

struct chunk {
    uint32_t magic;
    uint32_t class_index; /* of a run: its pages */
    uint32_t block_bytes;
    uint32_t used_count;
    uint32_t carved_bytes; /* from the header on; beyond, blocks have never been used */
    struct free_block *free_blocks;
    /* Among the chunks of its class that have room. */
    struct chunk *next;
    struct chunk **previous_next;
};

_Static_assert(sizeof(struct chunk) <= HEADER_BYTES, "blocks start on a cache line");
_Static_assert(HEADER_BYTES + 3 * CLASS_MAX_BYTES <= CHUNK_BYTES, "three of the largest fit");

static const struct memory_source *source;
static struct chunk *chunks_with_room[CLASS_COUNT];

bool (*memory_fault)(const struct memory_kind *kind);

void memory_set_source(const struct memory_source *pages)
{
    source = pages;
}

unsigned memory_publish_counts(struct memory_counts *counts, unsigned count_max)
{
    unsigned count = 0;

    LINKER_SET_EACH(memory_kinds, struct memory_kind, item)
    {
        /* The set's entries are constants to those that only look. */
        struct memory_kind *kind = (struct memory_kind *)(uintptr_t)*item;

        if (count < count_max) {
            counts[count] = *kind->counts;
            kind->counts = &counts[count];
        }
        count++;
    }
    return count;
}

static unsigned class_index_for(size_t bytes)
{
    if (bytes <= 48) {
        return bytes == 0 ? 0 : (unsigned)(bytes - 1) / 16;
    }
    if (bytes <= LINE_CLASS_MAX_BYTES) {
        return TINY_CLASS_COUNT + (unsigned)(bytes - 1) / CACHE_LINE_BYTES;
    }
    /* bytes - 1 is in [2^n, 2^(n+1)), n from 9: the next two bits say which quarter. */
    unsigned n = 63 - (unsigned)__builtin_clzll(bytes - 1);

    return TINY_CLASS_COUNT + LINE_CLASS_COUNT + (n - 9) * 4 +
           ((unsigned)((bytes - 1) >> (n - 2)) & 3);
}

static uint32_t class_bytes(unsigned class_index)
{
    if (class_index < TINY_CLASS_COUNT) {
        return 16 * (class_index + 1);
    }
    class_index -= TINY_CLASS_COUNT;
    if (class_index < LINE_CLASS_COUNT) {
        return CACHE_LINE_BYTES * (class_index + 1);
    }
    class_index -= LINE_CLASS_COUNT;
    return (5 + class_index % 4) << (7 + class_index / 4);
}

static __attribute__((noinline)) void link_chunk(struct chunk *chunk)
{
    CORE_ASSERT(chunk->magic == CHUNK_MAGIC && chunk->previous_next == NULL);
    struct chunk **list = &chunks_with_room[chunk->class_index];

    chunk->next = *list;
    chunk->previous_next = list;
    if (chunk->next != NULL) {
        chunk->next->previous_next = &chunk->next;
    }
    *list = chunk;
}

static __attribute__((noinline)) void unlink_chunk(struct chunk *chunk)
{
    CORE_ASSERT(chunk->previous_next != NULL && *chunk->previous_next == chunk);
    *chunk->previous_next = chunk->next;
    if (chunk->next != NULL) {
        chunk->next->previous_next = chunk->previous_next;
    }
    chunk->previous_next = NULL;
}

static bool chunk_is_full(const struct chunk *chunk)
{
    return chunk->free_blocks == NULL && chunk->carved_bytes + chunk->block_bytes > CHUNK_BYTES;
}

static struct chunk *new_chunk(unsigned class_index)
{
    struct chunk *chunk = source->allocate(CHUNK_PAGES, CHUNK_ORDER);

    if (chunk != NULL) {
        *chunk = (struct chunk){
            .magic = CHUNK_MAGIC,
            .class_index = class_index,
            .block_bytes = class_bytes(class_index),
            .carved_bytes = HEADER_BYTES,
        };
        link_chunk(chunk);
    }
    return chunk;
}

static struct chunk *chunk_of(void *block)
{
    struct chunk *chunk = (struct chunk *)ALIGN_DOWN((uintptr_t)block, (uintptr_t)CHUNK_BYTES);

    CORE_ASSERT(chunk->magic == CHUNK_MAGIC || chunk->magic == RUN_MAGIC);
    CORE_ASSERT(chunk->magic == CHUNK_MAGIC || (uint8_t *)block == (uint8_t *)chunk + HEADER_BYTES);
    return chunk;
}

static size_t usable_bytes(const struct chunk *chunk)
{
    return chunk->magic == RUN_MAGIC ? chunk->class_index * (size_t)MEMORY_PAGE_BYTES - HEADER_BYTES
                                     : chunk->block_bytes;
}

static __attribute__((noinline)) void *allocate_run(const struct memory_kind *kind, size_t bytes)
{
    bool is_possible = bytes <= SIZE_MAX - HEADER_BYTES - MEMORY_PAGE_BYTES;
    size_t page_count =
        is_possible ? (bytes + HEADER_BYTES + MEMORY_PAGE_BYTES - 1) / MEMORY_PAGE_BYTES : 0;
    struct chunk *run = is_possible ? source->allocate(page_count, CHUNK_ORDER) : NULL;

    if (!memory_count_taken(kind, run, page_count * MEMORY_PAGE_BYTES)) {
        return NULL;
    }
    CORE_ASSERT(page_count <= UINT32_MAX);
    run->magic = RUN_MAGIC;
    run->class_index = (uint32_t)page_count;
    return (uint8_t *)run + HEADER_BYTES;
}

/* For assertions: such a block has been cut from the chunk. */
static bool is_in_chunk(struct chunk *chunk, void *block)
{
    size_t offset = (size_t)((uint8_t *)block - (uint8_t *)chunk);

    return offset >= HEADER_BYTES && offset < chunk->carved_bytes &&
           (offset - HEADER_BYTES) % chunk->block_bytes == 0;
}

/* From one that is not full. */
static inline void *take_block(const struct memory_kind *kind, struct chunk *chunk)
{
    struct free_block *free_block = chunk->free_blocks;
    void *block = free_block;

    CORE_ASSERT_SLOW(!chunk_is_full(chunk));
    if (block != NULL) {
        CORE_ASSERT_SLOW(is_in_chunk(chunk, block));
        /* Else somebody has written to it after its release. */
        CORE_ASSERT_SLOW(is_poisoned(free_block + 1, chunk->block_bytes - sizeof(*free_block)));
        chunk->free_blocks = free_block->next;
    } else {
        block = (uint8_t *)chunk + chunk->carved_bytes;
        chunk->carved_bytes += chunk->block_bytes;
    }
    chunk->used_count++;
    poison(block, chunk->block_bytes, POISON_NEW);
    memory_count_taken(kind, block, chunk->block_bytes);
    if (UNLIKELY(chunk_is_full(chunk))) {
        unlink_chunk(chunk);
    }
    return block;
}

static __attribute__((noinline)) void *take_from_new_chunk(const struct memory_kind *kind,
                                                           unsigned class_index)
{
    struct chunk *chunk = new_chunk(class_index);

    if (chunk == NULL) {
        memory_count_taken(kind, NULL, 0);
        return NULL;
    }
    return take_block(kind, chunk);
}

void *memory_allocate(const struct memory_kind *kind, size_t bytes)
{
    if (memory_is_refused(kind)) {
        memory_count_taken(kind, NULL, 0);
        return NULL;
    }
    if (UNLIKELY(bytes > CLASS_MAX_BYTES)) {
        return allocate_run(kind, bytes);
    }
    unsigned class_index = class_index_for(bytes);
    struct chunk *chunk = chunks_with_room[class_index];

    CORE_ASSERT_SLOW(class_bytes(class_index) >= bytes);
    if (UNLIKELY(chunk == NULL)) {
        return take_from_new_chunk(kind, class_index);
    }
    CORE_ASSERT_SLOW(chunk->class_index == class_index);
    return take_block(kind, chunk);
}

void *memory_allocate_zeroed(const struct memory_kind *kind, size_t bytes)
{
    void *block = memory_allocate(kind, bytes);

    if (block != NULL) {
        memset(block, 0, bytes);
    }
    return block;
}

static __attribute__((noinline)) void release_run(const struct memory_kind *kind, void *block)
{
    struct chunk *run = chunk_of(block);
    size_t page_count = run->class_index;

    CORE_ASSERT(run->magic == RUN_MAGIC);
    run->magic = 0;
    memory_count_released(kind, page_count * MEMORY_PAGE_BYTES);
    source->release(run, page_count);
}

/* A block of it has been released: has it room again, or is it empty? An empty chunk goes back,
 * unless it is the only one with room: a node that allocates and releases one block in turn would
 * otherwise build a chunk each time. */
static __attribute__((noinline)) void list_released(struct chunk *chunk, bool was_full)
{
    if (was_full) {
        link_chunk(chunk);
    }
    if (chunk->used_count == 0 &&
        (chunk->next != NULL || chunk->previous_next != &chunks_with_room[chunk->class_index])) {
        unlink_chunk(chunk);
        chunk->magic = 0;
        source->release(chunk, CHUNK_PAGES);
    }
}

void memory_release(const struct memory_kind *kind, void *block)
{
    struct free_block *free_block = block;

    if (block == NULL) {
        return;
    }
    CORE_ASSERT_SLOW(kind->counts->objects > 0); /* or it was allocated for another kind */
    struct chunk *chunk = (struct chunk *)ALIGN_DOWN((uintptr_t)block, (uintptr_t)CHUNK_BYTES);

    if (UNLIKELY(chunk->magic != CHUNK_MAGIC)) {
        release_run(kind, block);
        return;
    }
    bool was_full = chunk_is_full(chunk);

    CORE_ASSERT_SLOW(chunk->used_count > 0 && is_in_chunk(chunk, block));
    /* Else it has been released before. */
    CORE_ASSERT_SLOW(!is_poisoned(free_block + 1, chunk->block_bytes - sizeof(*free_block)));
    poison(block, chunk->block_bytes, POISON_RELEASED);
    free_block->next = chunk->free_blocks;
    chunk->free_blocks = free_block;
    chunk->used_count--;
    memory_count_released(kind, chunk->block_bytes);
    if (UNLIKELY(was_full || chunk->used_count == 0)) {
        list_released(chunk, was_full);
    }
}

void *memory_resize(const struct memory_kind *kind, void *block, size_t bytes)
{
    if (block == NULL) {
        return memory_allocate(kind, bytes);
    }
    size_t old_bytes = usable_bytes(chunk_of(block));

    /* In place while it fits and at least half stays used. */
    if (bytes <= old_bytes && bytes >= old_bytes / 2) {
        return block;
    }
    void *new_block = memory_allocate(kind, bytes);

    if (new_block != NULL) {
        memcpy(new_block, block, bytes < old_bytes ? bytes : old_bytes);
        memory_release(kind, block);
    }
    return new_block;
}

void *memory_allocate_pages(const struct memory_kind *kind, size_t page_count)
{
    size_t bytes = page_count * MEMORY_PAGE_BYTES;
    void *pages = memory_is_refused(kind) ? NULL : source->allocate(page_count, 0);

    memory_count_taken(kind, pages, bytes);
    return pages;
}

void memory_release_pages(const struct memory_kind *kind, void *pages, size_t page_count)
{
    memory_count_released(kind, page_count * MEMORY_PAGE_BYTES);
    source->release(pages, page_count);
}
