/* SPDX-License-Identifier: MIT */
/*
 * A frame is a page's, or was one when a snapshot was taken that still holds it, or is spare. There
 * are at least as many spare ones as pages that are held: each of these may be written to. So a
 * write finds one whatever becomes of the rest of the memory.
 *
 * What nobody holds any more stays read-only until it is written to, as it may be sent again as it
 * is: then there is nothing to be changed.
 */
#include "libc/core/snapshot.h"

#include <string.h>

#include "libc/core/assert.h"
#include "libc/core/poison.h"

#define PAGE_BYTES MEMORY_PAGE_BYTES

/* Spare frames that are kept beside those that have to be there. Chosen: some snapshots' worth. */
#define SPARE_COUNT 128u

/* Pages that are opened at a time: who writes to one that nobody holds writes to the next. Chosen.
 */
#define OPEN_MAX 16u

#define NONE UINT32_MAX

/* Of a page: its frame, and whether the block ends with it. */
#define PAGE_FRAME   0x7FFFFFFFu
#define PAGE_IS_LAST 0x80000000u

struct frame {
    uint8_t *bytes;
    uint32_t hold_count;
    uint32_t next;    /* in the list of spare ones, or of those without memory */
    bool is_mapped;   /* a page's */
    bool is_writable; /* that page */
};

MEMORY_KIND(table_kind, "snapshot_tables");
MEMORY_KIND(frame_kind, "snapshot_frames");
POOL(snapshots, "snapshot", struct snapshot, 0);

uintptr_t snapshot_window_start;
size_t snapshot_window_bytes;

static const struct snapshot_space *space;
static bool is_enabled;

/* Made with the first block. */
static struct frame *frames;
static uint32_t *pages; /* NONE: not a block's */
static uint32_t frame_max, page_max;

static uint32_t without_memory, spare; /* lists */
static uint32_t spare_count;
static uint32_t held_page_count; /* that have a frame which is held */
static uint32_t search_page;     /* where the next search for free ones begins */

void snapshot_begin(const struct snapshot_space *given)
{
    CORE_ASSERT(given->start % PAGE_BYTES == 0);
    CORE_ASSERT(given->page_max <= SNAPSHOT_WINDOW_BYTES / PAGE_BYTES);
    space = given;
}

void snapshot_enable(void)
{
    is_enabled = true;
}

/* --- Frames --- */

static void put(uint32_t *list, uint32_t index)
{
    frames[index].next = *list;
    *list = index;
}

static uint32_t take_from(uint32_t *list)
{
    uint32_t index = *list;

    CORE_ASSERT(index != NONE);
    *list = frames[index].next;
    return index;
}

static void give_back(uint32_t index)
{
    memory_release_pages(&frame_kind, frames[index].bytes, 1);
    frames[index].bytes = NULL;
    put(&without_memory, index);
}

/* One that is nobody's. */
static void retire(uint32_t index)
{
    CORE_ASSERT_SLOW(frames[index].hold_count == 0 && !frames[index].is_mapped);
    put(&spare, index);
    spare_count++;
}

/* All but so many more than are needed now. */
static void trim_spares(uint32_t count)
{
    while (spare_count > held_page_count + count) {
        spare_count--;
        give_back(take_from(&spare));
    }
}

/* So many more than are needed now. */
static bool add_spares(uint32_t count)
{
    while (spare_count < held_page_count + count) {
        void *bytes = without_memory != NONE ? memory_allocate_pages(&frame_kind, 1) : NULL;

        if (bytes == NULL) {
            return false;
        }
        uint32_t index = take_from(&without_memory);

        frames[index] = (struct frame){.bytes = bytes};
        put(&spare, index);
        spare_count++;
    }
    return true;
}

/* --- Blocks --- */

static bool make_tables(void)
{
    page_max = (uint32_t)space->page_max;
    frame_max = 2 * page_max;
    frames = memory_allocate_zeroed(&table_kind, frame_max * sizeof(*frames));
    pages = memory_allocate(&table_kind, page_max * sizeof(*pages));
    if (frames == NULL || pages == NULL) {
        memory_release(&table_kind, frames);
        memory_release(&table_kind, pages);
        frames = NULL;
        return false;
    }
    memset(pages, 0xFF, page_max * sizeof(*pages));
    without_memory = spare = NONE;
    for (uint32_t i = frame_max; i-- > 0;) {
        put(&without_memory, i);
    }
    snapshots.object_max = ALIGN_UP(page_max, POOL_CHUNK);
    snapshot_window_start = space->start;
    snapshot_window_bytes = (size_t)page_max * PAGE_BYTES;
    return true;
}

static uintptr_t vaddr_of(uint32_t page)
{
    return snapshot_window_start + (uintptr_t)page * PAGE_BYTES;
}

static uint32_t page_of(const void *at)
{
    CORE_ASSERT(snapshot_is_block(at));
    return (uint32_t)(((uintptr_t)at - snapshot_window_start) / PAGE_BYTES);
}

/* The first of so many pages side by side that are free, from `page` on; or NONE. */
static uint32_t find_free(uint32_t page, uint32_t count)
{
    uint32_t found = 0;

    for (; page < page_max; page++) {
        found = pages[page] == NONE ? found + 1 : 0;
        if (found == count) {
            return page - count + 1;
        }
    }
    return NONE;
}

static uint32_t find_pages(uint32_t count)
{
    uint32_t page = find_free(search_page, count);

    return page != NONE || search_page == 0 ? page : find_free(0, count);
}

static bool has_records(uint32_t count)
{
    uint32_t index = without_memory;

    for (; count != 0 && index != NONE; count--) {
        index = frames[index].next;
    }
    return count == 0;
}

/* A run of frames, with a record for each, that are nobody's. False: there are not so many. */
static bool take_run(uint32_t count, uint32_t *indices, uint8_t **run)
{
    if (!has_records(count)) {
        trim_spares(0);
    }
    *run = has_records(count) ? memory_allocate_pages(&frame_kind, count) : NULL;
    if (*run == NULL) {
        return false;
    }
    frame_kind.counts->objects += count - 1; /* each frame is one, as it is given back alone */
    for (uint32_t i = 0; i < count; i++) {
        uint32_t index = take_from(&without_memory);

        frames[index] = (struct frame){
            .bytes = *run + (size_t)i * PAGE_BYTES, .is_mapped = true, .is_writable = true};
        indices[i] = index;
    }
    return true;
}

static void release_frame_of_page(uint32_t page)
{
    uint32_t index = pages[page] & PAGE_FRAME;

    pages[page] = NONE;
    frames[index].is_mapped = false;
    if (frames[index].hold_count != 0) {
        held_page_count--;
    } else {
        give_back(index);
    }
}

void *snapshot_allocate(size_t bytes)
{
    if (LIKELY(!is_enabled || space == NULL || bytes < SNAPSHOT_BLOCK_LEAST_BYTES)) {
        return NULL;
    }
    if ((frames == NULL && !make_tables()) || bytes > snapshot_window_bytes) {
        return NULL;
    }
    uint32_t count = (uint32_t)((bytes + PAGE_BYTES - 1) / PAGE_BYTES);
    uint32_t first = find_pages(count);
    uint8_t *run;

    if (first == NONE || !take_run(count, &pages[first], &run)) {
        return NULL;
    }
    pages[first + count - 1] |= PAGE_IS_LAST;
    if (!space->map(vaddr_of(first), run, count)) {
        for (uint32_t i = 0; i < count; i++) {
            release_frame_of_page(first + i);
        }
        return NULL;
    }
    search_page = first + count;
    poison((void *)vaddr_of(first), (size_t)count * PAGE_BYTES, POISON_NEW);
    return (void *)vaddr_of(first);
}

/* Its pages, from the first one on. */
static uint32_t block_pages(const void *block)
{
    uint32_t first = page_of(block);
    uint32_t page = first;

    CORE_ASSERT((uintptr_t)block % PAGE_BYTES == 0 && pages[first] != NONE);
    CORE_ASSERT(first == 0 || pages[first - 1] == NONE || (pages[first - 1] & PAGE_IS_LAST) != 0);
    while ((pages[page] & PAGE_IS_LAST) == 0) {
        page++;
    }
    return page + 1 - first;
}

size_t snapshot_block_bytes(const void *block)
{
    return (size_t)block_pages(block) * PAGE_BYTES;
}

void snapshot_free(void *block)
{
    uint32_t first = page_of(block);
    uint32_t count = block_pages(block);

    space->unmap(vaddr_of(first), count);
    for (uint32_t i = 0; i < count; i++) {
        release_frame_of_page(first + i);
    }
    search_page = first < search_page ? first : search_page;
}

/* --- Snapshots --- */

/* How many of the pages from this one on can be made of one kind at once: those that are writable
 * now, or that nobody holds and that are not, and whose frames lie one behind the other. */
static uint32_t count_alike(uint32_t page, uint32_t most, bool are_writable)
{
    const uint8_t *bytes = frames[pages[page] & PAGE_FRAME].bytes;
    uint32_t count = 0;

    for (; count < most && pages[page + count] != NONE; count++) {
        const struct frame *frame = &frames[pages[page + count] & PAGE_FRAME];

        if (frame->is_writable != are_writable || (!are_writable && frame->hold_count != 0) ||
            frame->bytes != bytes + (size_t)count * PAGE_BYTES) {
            break;
        }
    }
    return count;
}

static void make(uint32_t page, uint32_t count, bool is_writable)
{
    space->replace(vaddr_of(page), frames[pages[page] & PAGE_FRAME].bytes, count, is_writable);
    for (uint32_t i = 0; i < count; i++) {
        frames[pages[page + i] & PAGE_FRAME].is_writable = is_writable;
    }
}

static void make_read_only(uint32_t page, uint32_t count)
{
    while (count != 0) {
        uint32_t alike = count_alike(page, count, true);

        if (alike != 0) {
            make(page, alike, false);
        } else {
            alike = 1; /* it is, already */
        }
        page += alike;
        count -= alike;
    }
}

/* How many of these pages are a block's, and nobody's yet that would need a spare frame. */
static uint32_t count_block_pages(uint32_t first, uint32_t most, uint32_t *unheld_count)
{
    uint32_t count = 0;

    *unheld_count = 0;
    for (; count < most && first + count < page_max && pages[first + count] != NONE; count++) {
        *unheld_count += frames[pages[first + count] & PAGE_FRAME].hold_count == 0;
    }
    return count;
}

struct snapshot *snapshot_take(const void *data, size_t bytes)
{
    if (!snapshot_is_block(data) || bytes == 0) {
        return NULL;
    }
    uint32_t offset = (uint32_t)((uintptr_t)data % PAGE_BYTES);
    size_t most = SNAPSHOT_PAGES_MAX * PAGE_BYTES - offset;
    uint32_t taken = (uint32_t)(bytes < most ? bytes : most);
    uint32_t first = page_of(data);
    uint32_t count = (offset + taken + PAGE_BYTES - 1) / PAGE_BYTES;
    uint32_t unheld_count;

    if (count_block_pages(first, count, &unheld_count) != count || !add_spares(unheld_count)) {
        return NULL;
    }
    struct snapshot *snapshot = pool_take(&snapshots);

    if (snapshot == NULL) {
        return NULL;
    }
    make_read_only(first, count);
    snapshot->offset_bytes = offset;
    snapshot->bytes = taken;
    snapshot->frame_count = count;
    for (uint32_t i = 0; i < count; i++) {
        snapshot->frames[i] = pages[first + i] & PAGE_FRAME;
        frames[snapshot->frames[i]].hold_count++;
    }
    held_page_count += unheld_count;
    return snapshot;
}

void snapshot_release(struct snapshot *snapshot)
{
    CORE_ASSERT(snapshot->bytes != 0);
    for (uint32_t i = 0; i < snapshot->frame_count; i++) {
        struct frame *frame = &frames[snapshot->frames[i]];

        CORE_ASSERT_SLOW(frame->hold_count != 0);
        if (--frame->hold_count == 0) {
            if (frame->is_mapped) {
                held_page_count--;
            } else {
                retire(snapshot->frames[i]);
            }
        }
    }
    trim_spares(SPARE_COUNT);
    snapshot->bytes = 0;
    pool_release(&snapshots, snapshot);
}

struct snapshot *snapshot_find(uint32_t index)
{
    struct snapshot *snapshot = index < pool_size(&snapshots) ? pool_at(&snapshots, index) : NULL;

    return snapshot != NULL && snapshot->bytes != 0 ? snapshot : NULL;
}

const uint8_t *snapshot_run(const struct snapshot *snapshot, uint32_t offset, uint32_t *run_bytes)
{
    uint32_t at = snapshot->offset_bytes + offset;
    uint32_t i = at / PAGE_BYTES;
    uint32_t end = (i + 1) * PAGE_BYTES;
    const uint8_t *bytes = frames[snapshot->frames[i]].bytes + at % PAGE_BYTES;

    CORE_ASSERT_SLOW(offset < snapshot->bytes);
    for (; i + 1 < snapshot->frame_count &&
           frames[snapshot->frames[i + 1]].bytes == frames[snapshot->frames[i]].bytes + PAGE_BYTES;
         i++) {
        end += PAGE_BYTES;
    }
    if (end > snapshot->offset_bytes + snapshot->bytes) {
        end = snapshot->offset_bytes + snapshot->bytes;
    }
    *run_bytes = end - at;
    return bytes;
}

/* --- Writes --- */

enum snapshot_fault snapshot_write(uintptr_t vaddr)
{
    if (!snapshot_is_block((const void *)vaddr) || pages[page_of((const void *)vaddr)] == NONE) {
        return SNAPSHOT_FAULT_NONE;
    }
    uint32_t page = page_of((const void *)vaddr);
    uint32_t old = pages[page] & PAGE_FRAME;

    if (frames[old].is_writable) {
        return SNAPSHOT_FAULT_NONE;
    }
    if (frames[old].hold_count == 0) {
        make(page, count_alike(page, OPEN_MAX, false), true);
        return SNAPSHOT_FAULT_OPENED;
    }
    uint32_t index = take_from(&spare);

    spare_count--;
    held_page_count--;
    memcpy(frames[index].bytes, frames[old].bytes, PAGE_BYTES);
    frames[old].is_mapped = false;
    frames[index].is_mapped = true;
    pages[page] = (pages[page] & PAGE_IS_LAST) | index;
    make(page, 1, true);
    return SNAPSHOT_FAULT_COPIED;
}
