/* SPDX-License-Identifier: MIT */
/*
 * Buddy allocator. A free block of 2^order pages is aligned to its size and heads a doubly linked
 * list that lives in the free pages themselves. A book of one byte a page says where free blocks
 * begin, and of which order; two free buddies never stand side by side: they are one block.
 *
 * Pages that were never used are not in the lists but behind a frontier that moves up when no list
 * can serve: a node starts without touching its memory, and what it uses stays together.
 */
#include "libc/core/pages.h"

#include <string.h>

#include "libc/core/assert.h"
#include "libc/core/memory.h"
#include "libc/core/poison.h"

/* Blocks up to 1 GiB: the longest run that can be had. */
#define ORDER_COUNT   19u
#define BOOK_NOT_FREE 0xFF /* in use, or inside a free block */

struct free_block {
    struct free_block *next;
    struct free_block **previous_next;
};

struct range {
    uintptr_t start;    /* of the pages behind the book */
    uintptr_t frontier; /* from here on never used */
    uintptr_t end;
    uint8_t *book; /* of the pages below the frontier */
};

static struct range ranges[PAGES_RANGE_MAX];
static unsigned range_count;
static struct free_block *free_lists[ORDER_COUNT];
static uint64_t total_bytes;
static uint64_t free_bytes;

static size_t order_bytes(unsigned order)
{
    return (size_t)MEMORY_PAGE_BYTES << order;
}

static struct range *range_of(uintptr_t page)
{
    for (unsigned i = 0; i < range_count; i++) {
        if (page >= ranges[i].start && page < ranges[i].end) {
            return &ranges[i];
        }
    }
    core_fail(__FILE__, __LINE__, "the page is in one of the ranges");
}

static uint8_t *book_entry(const struct range *range, uintptr_t page)
{
    return &range->book[(page - range->start) / MEMORY_PAGE_BYTES];
}

static void link_block(struct range *range, uintptr_t page, unsigned order)
{
    CORE_ASSERT(order < ORDER_COUNT && page % order_bytes(order) == 0);
    CORE_ASSERT(page >= range->start && page + order_bytes(order) <= range->frontier);
    struct free_block *block = (struct free_block *)page;

    block->next = free_lists[order];
    block->previous_next = &free_lists[order];
    if (block->next != NULL) {
        block->next->previous_next = &block->next;
    }
    free_lists[order] = block;
    *book_entry(range, page) = (uint8_t)order;
}

static void unlink_block(struct range *range, uintptr_t page)
{
    struct free_block *block = (struct free_block *)page;

    CORE_ASSERT(*block->previous_next == block);
    *block->previous_next = block->next;
    if (block->next != NULL) {
        block->next->previous_next = block->previous_next;
    }
    *book_entry(range, page) = BOOK_NOT_FREE;
    poison(block, sizeof(*block), POISON_RELEASED);
}

/* Free one aligned block, and join it with its buddy as long as that is free and whole, too. */
static void release_block(struct range *range, uintptr_t page, unsigned order)
{
    CORE_ASSERT(*book_entry(range, page) == BOOK_NOT_FREE);
    while (order + 1 < ORDER_COUNT) {
        uintptr_t buddy = page ^ order_bytes(order);

        if (buddy < range->start || buddy + order_bytes(order) > range->frontier ||
            *book_entry(range, buddy) != order) {
            break;
        }
        unlink_block(range, buddy);
        page &= ~order_bytes(order);
        order++;
    }
    link_block(range, page, order);
}

/* Free any run: cut into the largest aligned blocks. It is poisoned. */
static void release_run(struct range *range, uintptr_t page, size_t page_count)
{
    while (page_count > 0) {
        unsigned order = 0;

        while (order + 1 < ORDER_COUNT && (page & (order_bytes(order + 1) - 1)) == 0 &&
               page_count >> (order + 1) != 0) {
            order++;
        }
        release_block(range, page, order);
        page += order_bytes(order);
        page_count -= (size_t)1 << order;
    }
}

void pages_add_range(void *start, uint64_t bytes)
{
    size_t page_count = bytes / MEMORY_PAGE_BYTES;
    size_t book_pages = (page_count + MEMORY_PAGE_BYTES - 1) / MEMORY_PAGE_BYTES;
    struct range *range = &ranges[range_count];

    CORE_ASSERT(((uintptr_t)start | bytes) % MEMORY_PAGE_BYTES == 0);
    CORE_ASSERT(range_count < PAGES_RANGE_MAX && (uintptr_t)start + bytes > (uintptr_t)start);
    if (page_count <= book_pages) {
        return;
    }
    range->book = start;
    range->start = (uintptr_t)start + book_pages * MEMORY_PAGE_BYTES;
    range->frontier = range->start;
    range->end = (uintptr_t)start + bytes;
    range_count++;
    total_bytes += range->end - range->start;
    free_bytes += range->end - range->start;
}

/* The smallest order whose block holds so many pages. */
static unsigned order_for(size_t page_count)
{
    unsigned order = 0;

    while ((size_t)1 << order < page_count) {
        order++;
    }
    return order;
}

/* From the lists: the smallest block that is large enough. */
static uintptr_t take_free(size_t page_count, unsigned order)
{
    for (unsigned at = order; at < ORDER_COUNT; at++) {
        if (free_lists[at] != NULL) {
            struct free_block *block = free_lists[at];
            uintptr_t page = (uintptr_t)block;
            struct range *range = range_of(page);

            CORE_ASSERT(*book_entry(range, page) == at);
            /* Else somebody has written to it after its release. */
            CORE_ASSERT_SLOW(
                is_poisoned(block + 1, page_count * MEMORY_PAGE_BYTES - sizeof(*block)));
            unlink_block(range, page);
            /* What is not needed of the block goes back. */
            release_run(range, page + page_count * MEMORY_PAGE_BYTES,
                        ((size_t)1 << at) - page_count);
            return page;
        }
    }
    return 0;
}

/* The book is written as far as pages have been used: all of it would take as long at boot as there
 * is memory. */
static void move_frontier(struct range *range, uintptr_t frontier)
{
    CORE_ASSERT(frontier >= range->frontier && frontier <= range->end);
    memset(book_entry(range, range->frontier), BOOK_NOT_FREE,
           (frontier - range->frontier) / MEMORY_PAGE_BYTES);
    range->frontier = frontier;
}

/* From a frontier; what alignment skips becomes free blocks. */
static uintptr_t take_fresh(size_t page_count, unsigned order)
{
    for (unsigned i = 0; i < range_count; i++) {
        struct range *range = &ranges[i];
        uintptr_t page = ALIGN_UP(range->frontier, (uintptr_t)order_bytes(order));

        if (page >= range->frontier && page <= range->end &&
            range->end - page >= page_count * MEMORY_PAGE_BYTES) {
            uintptr_t skipped = range->frontier;

            move_frontier(range, page + page_count * MEMORY_PAGE_BYTES);
            poison((void *)skipped, page - skipped, POISON_RELEASED);
            release_run(range, skipped, (page - skipped) / MEMORY_PAGE_BYTES);
            return page;
        }
    }
    return 0;
}

void *pages_allocate_raw(size_t page_count, unsigned align_order)
{
    if (page_count == 0 || page_count > (size_t)1 << (ORDER_COUNT - 1)) {
        return NULL;
    }
    unsigned order = order_for(page_count);

    order = order < align_order ? align_order : order;
    uintptr_t page = take_free(page_count, order);

    if (page == 0) {
        page = take_fresh(page_count, order);
    }
    if (page != 0) {
        CORE_ASSERT(free_bytes >= page_count * MEMORY_PAGE_BYTES && page % order_bytes(order) == 0);
        free_bytes -= page_count * MEMORY_PAGE_BYTES;
        poison((void *)page, page_count * MEMORY_PAGE_BYTES, POISON_NEW);
    }
    return (void *)page;
}

void *pages_allocate(size_t page_count)
{
    void *pages = pages_allocate_raw(page_count, 0);

    if (pages != NULL) {
        memset(pages, 0, page_count * MEMORY_PAGE_BYTES);
    }
    return pages;
}

void pages_release(void *pages, size_t page_count)
{
    uintptr_t page = (uintptr_t)pages;
    struct range *range = range_of(page);

    CORE_ASSERT(page % MEMORY_PAGE_BYTES == 0 &&
                page + page_count * MEMORY_PAGE_BYTES <= range->frontier);
    /* Else they have been released before: as the first of a free block, or inside one. */
    CORE_ASSERT(*book_entry(range, page) == BOOK_NOT_FREE);
    CORE_ASSERT_SLOW(!is_poisoned(pages, MEMORY_PAGE_BYTES));
    CORE_ASSERT(free_bytes + page_count * MEMORY_PAGE_BYTES <= total_bytes);
    poison(pages, page_count * MEMORY_PAGE_BYTES, POISON_RELEASED);
    release_run(range, page, page_count);
    free_bytes += page_count * MEMORY_PAGE_BYTES;
}

uint64_t pages_total_bytes(void)
{
    return total_bytes;
}

uint64_t pages_free_bytes(void)
{
    return free_bytes;
}
