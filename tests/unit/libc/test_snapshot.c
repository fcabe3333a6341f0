/* SPDX-License-Identifier: MIT */
/*
 * Tests libc/core/snapshot.c over a window of this program's own: the frames are pages of a file in
 * memory, which are mapped twice, once where the allocator gives them and once in the window, with
 * the rights that the pages have. Writes to the window fault, as on a node.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "libc/core/assert.h"
#include "libc/core/memory.h"
#include "libc/core/snapshot.h"

#define PAGE         ((size_t)MEMORY_PAGE_BYTES)
#define MEMORY_PAGES 1024u
#define WINDOW_PAGES 64u
#define BLOCK_PAGES  8u

static int file;
static uint8_t *memory, *window;
static bool is_taken[MEMORY_PAGES];
static unsigned taken_count, taken_max, change_count, opened_count, copied_count;
static bool map_fails;

/* --- The machine --- */

static void *take_pages(size_t count, unsigned align_order)
{
    size_t align = (size_t)1 << align_order, first = 0;

    while (first + count <= MEMORY_PAGES) {
        size_t run = 0;

        while (run < count && !is_taken[first + run]) {
            run++;
        }
        if (run == count && taken_count + count <= taken_max) {
            memset(&is_taken[first], true, count);
            taken_count += (unsigned)count;
            return memory + first * PAGE;
        }
        first = (first + run + align) / align * align;
    }
    return NULL;
}

static void release_pages(void *pages, size_t count)
{
    size_t first = (size_t)((uint8_t *)pages - memory) / PAGE;

    for (size_t i = 0; i < count; i++) {
        assert_true(is_taken[first + i]);
        is_taken[first + i] = false;
        memset(memory + (first + i) * PAGE, 0xDB, PAGE); /* who still has it sees it */
    }
    taken_count -= (unsigned)count;
}

static void show(uintptr_t vaddr, void *frames, size_t count, bool is_writable)
{
    void *at = mmap((void *)vaddr, count * PAGE, PROT_READ | (is_writable ? PROT_WRITE : 0),
                    MAP_SHARED | MAP_FIXED, file, (uint8_t *)frames - memory);

    assert_ptr_equal(at, (void *)vaddr);
    change_count++;
}

static bool map(uintptr_t vaddr, void *frames, size_t count)
{
    if (map_fails) {
        return false;
    }
    show(vaddr, frames, count, true);
    return true;
}

static void unmap(uintptr_t vaddr, size_t count)
{
    assert_ptr_not_equal(mmap((void *)vaddr, count * PAGE, PROT_NONE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
                         MAP_FAILED);
}

static void take_fault(int number, siginfo_t *info, void *context)
{
    (void)context;
    switch (snapshot_write((uintptr_t)info->si_addr)) {
    case SNAPSHOT_FAULT_OPENED:
        opened_count++;
        break;
    case SNAPSHOT_FAULT_COPIED:
        copied_count++;
        break;
    case SNAPSHOT_FAULT_NONE:
        signal(number, SIG_DFL); /* the test ends there */
    }
}

static int begin_all(void **state)
{
    static const struct memory_source source = {take_pages, release_pages};
    static struct snapshot_space space = {
        .page_max = WINDOW_PAGES, .map = map, .replace = show, .unmap = unmap};

    (void)state;
    file = memfd_create("memory", 0);
    assert_int_equal(ftruncate(file, MEMORY_PAGES * PAGE), 0);
    /* Chunks are found by their addresses. */
    uint8_t *room =
        mmap(NULL, (MEMORY_PAGES + 16) * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    memory = (uint8_t *)(((uintptr_t)room + 16 * PAGE - 1) / (16 * PAGE) * (16 * PAGE));
    memory =
        mmap(memory, MEMORY_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0);
    window = mmap(NULL, WINDOW_PAGES * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    taken_max = MEMORY_PAGES;
    memory_set_source(&source);
    /* There are none before both have been said. */
    assert_null(snapshot_allocate(BLOCK_PAGES * PAGE));
    snapshot_enable();
    assert_null(snapshot_allocate(BLOCK_PAGES * PAGE));
    assert_false(snapshot_is_block(memory) || snapshot_is_block(NULL) || snapshot_is_block(window));
    space.start = (uintptr_t)window;
    snapshot_begin(&space);
    return 0;
}

static int begin(void **state)
{
    (void)state;
    taken_max = MEMORY_PAGES;
    map_fails = false;
    change_count = opened_count = copied_count = 0;
    return 0;
}

static uint8_t *allocate(unsigned page_count)
{
    struct sigaction action = {.sa_sigaction = take_fault, .sa_flags = SA_SIGINFO};
    uint8_t *block = snapshot_allocate(page_count * PAGE);

    assert_int_equal(sigaction(SIGSEGV, &action, NULL), 0); /* each test begins with cmocka's */
    assert_non_null(block);
    assert_int_equal((uintptr_t)block % PAGE, 0);
    assert_true(snapshot_is_block(block));
    assert_int_equal(snapshot_block_bytes(block), page_count * PAGE);
    for (size_t i = 0; i < page_count * PAGE; i++) {
        block[i] = (uint8_t)(i * 7 + i / PAGE);
    }
    return block;
}

static void check(const struct snapshot *snapshot, const uint8_t *expected)
{
    for (uint32_t offset = 0; offset < snapshot->bytes;) {
        uint32_t run_bytes;
        const uint8_t *run = snapshot_run(snapshot, offset, &run_bytes);

        assert_in_range(run_bytes, 1, snapshot->bytes - offset);
        assert_memory_equal(run, expected + offset, run_bytes);
        offset += run_bytes;
    }
}

/* --- Blocks --- */

static void blocks_are_whole_pages_of_the_window(void **state)
{
    uint8_t *first = allocate(BLOCK_PAGES), *second = snapshot_allocate(BLOCK_PAGES * PAGE + 1);

    (void)state;
    assert_int_equal(snapshot_block_bytes(second), (BLOCK_PAGES + 1) * PAGE);
    assert_null(snapshot_allocate(SNAPSHOT_BLOCK_LEAST_BYTES - 1));
    assert_null(snapshot_allocate(SIZE_MAX));
    assert_null(snapshot_allocate((WINDOW_PAGES - 2 * BLOCK_PAGES) * PAGE));
    snapshot_free(first);
    assert_int_equal(snapshot_block_bytes(second), (BLOCK_PAGES + 1) * PAGE);
    snapshot_free(second);
    first = allocate(WINDOW_PAGES);
    snapshot_free(first);
}

static void a_block_that_cannot_be_mapped_leaves_nothing(void **state)
{
    unsigned before = taken_count;

    (void)state;
    map_fails = true;
    assert_null(snapshot_allocate(BLOCK_PAGES * PAGE));
    assert_int_equal(taken_count, before);
    map_fails = false;
    snapshot_free(allocate(WINDOW_PAGES));
}

static void without_memory_there_is_no_block(void **state)
{
    (void)state;
    taken_max = taken_count + BLOCK_PAGES - 1;
    assert_null(snapshot_allocate(BLOCK_PAGES * PAGE));
}

/* --- Snapshots --- */

static void a_snapshot_stays_what_it_was_when_the_memory_is_written_to(void **state)
{
    uint8_t *block = allocate(BLOCK_PAGES);
    uint8_t *before = malloc(BLOCK_PAGES * PAGE);
    struct snapshot *snapshot = snapshot_take(block + 100, 5 * PAGE);

    (void)state;
    memcpy(before, block, BLOCK_PAGES * PAGE);
    assert_int_equal(snapshot->bytes, 5 * PAGE);
    assert_ptr_equal(snapshot_find(snapshot->place.index), snapshot);
    memset(block, 0xEE, BLOCK_PAGES * PAGE);
    assert_int_equal(copied_count, 6); /* six pages hold them; the others can be written to */
    assert_int_equal(opened_count, 0);
    check(snapshot, before + 100);
    for (size_t i = 0; i < BLOCK_PAGES * PAGE; i++) {
        assert_int_equal(block[i], 0xEE);
    }
    uint32_t index = snapshot->place.index;

    snapshot_release(snapshot);
    assert_null(snapshot_find(index));
    assert_null(snapshot_find(UINT32_MAX));
    snapshot_free(block);
    free(before);
}

static void a_page_keeps_what_is_not_written_to(void **state)
{
    uint8_t *block = allocate(BLOCK_PAGES);
    struct snapshot *snapshot = snapshot_take(block, PAGE);
    uint8_t before[PAGE];

    (void)state;
    memcpy(before, block, PAGE);
    block[17]++;
    assert_int_equal(copied_count, 1);
    block[17]--;
    assert_int_equal(copied_count, 1);
    assert_memory_equal(block, before, PAGE);
    snapshot_release(snapshot);
    snapshot_free(block);
}

static void what_is_taken_again_unchanged_changes_no_page(void **state)
{
    uint8_t *block = allocate(BLOCK_PAGES);

    (void)state;
    struct snapshot *first = snapshot_take(block, BLOCK_PAGES * PAGE);
    unsigned changes = change_count;
    struct snapshot *second = snapshot_take(block, BLOCK_PAGES * PAGE);

    snapshot_release(first);
    struct snapshot *third = snapshot_take(block, BLOCK_PAGES * PAGE);

    assert_int_equal(change_count, changes);
    snapshot_release(second);
    block[0] = 1; /* the third has it still */
    assert_int_equal(copied_count, 1);
    assert_int_not_equal(*snapshot_run(third, 0, &(uint32_t){0}), 1);
    snapshot_release(third);
    snapshot_free(block);
}

static void what_nobody_holds_any_more_is_opened_some_pages_at_a_time(void **state)
{
    uint8_t *block = allocate(BLOCK_PAGES);

    (void)state;
    snapshot_release(snapshot_take(block, BLOCK_PAGES * PAGE));
    memset(block, 1, BLOCK_PAGES * PAGE);
    assert_int_equal(opened_count, 1);
    assert_int_equal(copied_count, 0);
    snapshot_free(block);
}

static void pages_beside_one_that_is_held_are_opened_and_that_one_is_not(void **state)
{
    uint8_t *block = allocate(BLOCK_PAGES);

    (void)state;
    snapshot_release(snapshot_take(block, BLOCK_PAGES * PAGE));
    struct snapshot *held = snapshot_take(block + 2 * PAGE, PAGE);
    uint8_t before = block[2 * PAGE];

    memset(block, 0xEE, BLOCK_PAGES * PAGE);
    assert_int_equal(opened_count, 2);
    assert_int_equal(copied_count, 1);
    assert_int_equal(*snapshot_run(held, 0, &(uint32_t){0}), before);
    snapshot_release(held);
    snapshot_free(block);
}

static void a_snapshot_outlives_its_block(void **state)
{
    uint8_t before[BLOCK_PAGES * PAGE];
    uint8_t *block = allocate(BLOCK_PAGES);
    struct snapshot *snapshot = snapshot_take(block, BLOCK_PAGES * PAGE);

    (void)state;
    memcpy(before, block, sizeof(before));
    snapshot_free(block);
    uint8_t *others = allocate(WINDOW_PAGES);

    memset(others, 0xEE, WINDOW_PAGES * PAGE);
    assert_int_equal(copied_count, 0);
    check(snapshot, before);
    snapshot_release(snapshot);
    snapshot_free(others);
}

static void a_long_one_is_of_the_first_bytes(void **state)
{
    uint8_t *block = allocate(WINDOW_PAGES);
    struct snapshot *snapshot = snapshot_take(block + 4000, WINDOW_PAGES * PAGE - 4000);

    (void)state;
    assert_int_equal(snapshot->bytes, SNAPSHOT_PAGES_MAX * PAGE - 4000);
    check(snapshot, block + 4000);
    snapshot_release(snapshot);
    snapshot_free(block);
}

static void there_is_none_of_other_memory(void **state)
{
    uint8_t *block = allocate(BLOCK_PAGES);

    (void)state;
    assert_null(snapshot_take(memory, PAGE));
    assert_null(snapshot_take(block, 0));
    assert_null(snapshot_take(block, (BLOCK_PAGES + 1) * PAGE)); /* nothing lies behind it */
    assert_int_equal(snapshot_write((uintptr_t)memory), SNAPSHOT_FAULT_NONE);
    assert_int_equal(snapshot_write((uintptr_t)block), SNAPSHOT_FAULT_NONE); /* it is writable */
    assert_int_equal(snapshot_write((uintptr_t)block + BLOCK_PAGES * PAGE), SNAPSHOT_FAULT_NONE);
    snapshot_free(block);
}

/* --- Memory --- */

/* Whatever becomes of the rest of it. */
static void a_page_of_a_snapshot_can_be_written_to_when_memory_has_run_out(void **state)
{
    uint8_t before[BLOCK_PAGES * PAGE];
    uint8_t *block = allocate(BLOCK_PAGES);
    struct snapshot *snapshot = snapshot_take(block, BLOCK_PAGES * PAGE);

    (void)state;
    memcpy(before, block, sizeof(before));
    taken_max = taken_count;
    memset(block, 0xEE, BLOCK_PAGES * PAGE);
    assert_int_equal(copied_count, BLOCK_PAGES);
    check(snapshot, before);
    snapshot_release(snapshot);
    snapshot_free(block);
}

static void without_a_frame_for_each_page_there_is_no_snapshot(void **state)
{
    uint8_t *block = allocate(WINDOW_PAGES);
    struct snapshot *snapshots[WINDOW_PAGES];
    unsigned count = 0;

    (void)state;
    taken_max = taken_count + BLOCK_PAGES;
    while (count < WINDOW_PAGES) {
        snapshots[count] = snapshot_take(block + count * PAGE, PAGE);
        if (snapshots[count] == NULL) {
            break;
        }
        count++;
    }
    assert_in_range(count, 1, WINDOW_PAGES - 1);
    memset(block, 0xEE, WINDOW_PAGES * PAGE);
    assert_int_equal(copied_count, count);
    while (count != 0) {
        snapshot_release(snapshots[--count]);
    }
    snapshot_free(block);
}

static void as_many_frames_may_be_held_as_pages_may_be_used(void **state)
{
    uint8_t *block = allocate(WINDOW_PAGES);
    struct snapshot *held[2 * WINDOW_PAGES];
    unsigned count = 0;

    (void)state;
    while (count < ARRAY_COUNT(held)) {
        uint8_t *page = block + count % WINDOW_PAGES * PAGE;

        held[count] = snapshot_take(page, PAGE);
        if (held[count] == NULL) {
            break;
        }
        *page = (uint8_t) ~*page;
        count++;
    }
    assert_int_equal(count, WINDOW_PAGES);
    while (count != 0) {
        snapshot_release(held[--count]);
    }
    snapshot_free(block);
}

/* Against a copy of each, by chance. */
static void what_is_held_is_right_whatever_is_done_in_whatever_order(void **state)
{
    enum { HELD = 12, BLOCKS = 3, STEPS = 20000 };
    struct {
        struct snapshot *snapshot;
        uint8_t expected[SNAPSHOT_PAGES_MAX * MEMORY_PAGE_BYTES];
    } *held = calloc(HELD, sizeof(*held));
    uint8_t *blocks[BLOCKS];
    unsigned before = taken_count;

    (void)state;
    srandom(1);
    for (unsigned i = 0; i < BLOCKS; i++) {
        blocks[i] = allocate(BLOCK_PAGES);
    }
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned i = (unsigned)random() % HELD;
        unsigned b = (unsigned)random() % BLOCKS;
        size_t from = (size_t)random() % (BLOCK_PAGES * PAGE);
        size_t bytes = 1 + (size_t)random() % (BLOCK_PAGES * PAGE - from);

        if (held[i].snapshot != NULL) {
            check(held[i].snapshot, held[i].expected);
            snapshot_release(held[i].snapshot);
            held[i].snapshot = NULL;
        } else if ((held[i].snapshot = snapshot_take(blocks[b] + from, bytes)) != NULL) {
            memcpy(held[i].expected, blocks[b] + from, held[i].snapshot->bytes);
        }
        b = (unsigned)random() % BLOCKS;
        memset(blocks[b] + (size_t)random() % (BLOCK_PAGES * PAGE - 64), (int)step, 64);
        if (step % 50 == 0) {
            snapshot_free(blocks[b]);
            blocks[b] = allocate(BLOCK_PAGES); /* frames that are spare do not stand in its way */
        }
    }
    for (unsigned i = 0; i < HELD; i++) {
        if (held[i].snapshot != NULL) {
            check(held[i].snapshot, held[i].expected);
            snapshot_release(held[i].snapshot);
        }
    }
    for (unsigned i = 0; i < BLOCKS; i++) {
        snapshot_free(blocks[i]);
    }
    assert_true(copied_count > 100 && opened_count > 10);
    assert_in_range(taken_count, 0, before + 2 * WINDOW_PAGES); /* some frames stay spare */
    free(held);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(blocks_are_whole_pages_of_the_window, begin),
        cmocka_unit_test_setup(a_block_that_cannot_be_mapped_leaves_nothing, begin),
        cmocka_unit_test_setup(without_memory_there_is_no_block, begin),
        cmocka_unit_test_setup(a_snapshot_stays_what_it_was_when_the_memory_is_written_to, begin),
        cmocka_unit_test_setup(a_page_keeps_what_is_not_written_to, begin),
        cmocka_unit_test_setup(what_is_taken_again_unchanged_changes_no_page, begin),
        cmocka_unit_test_setup(what_nobody_holds_any_more_is_opened_some_pages_at_a_time, begin),
        cmocka_unit_test_setup(pages_beside_one_that_is_held_are_opened_and_that_one_is_not, begin),
        cmocka_unit_test_setup(a_snapshot_outlives_its_block, begin),
        cmocka_unit_test_setup(a_long_one_is_of_the_first_bytes, begin),
        cmocka_unit_test_setup(there_is_none_of_other_memory, begin),
        cmocka_unit_test_setup(a_page_of_a_snapshot_can_be_written_to_when_memory_has_run_out,
                               begin),
        cmocka_unit_test_setup(without_a_frame_for_each_page_there_is_no_snapshot, begin),
        cmocka_unit_test_setup(as_many_frames_may_be_held_as_pages_may_be_used, begin),
        cmocka_unit_test_setup(what_is_held_is_right_whatever_is_done_in_whatever_order, begin),
    };

    return cmocka_run_group_tests(tests, begin_all, NULL);
}
