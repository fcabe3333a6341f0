/* SPDX-License-Identifier: MIT */
/* sources: libc/core/heap.c kernel/message/status.c kernel/message/channel.c */
/* sources: tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
/*
 * Tests libc/core/heap.c.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "libc/core/heap.h"
#include "tests/unit/world/fake_platform.h"

#define ENTRY_COUNT 2000 /* several times the heap's first room */

static struct heap_entry entries[ENTRY_COUNT];
static struct heap heap;

static int set_up(void **state)
{
    (void)state;
    fake_platform_reset(0, 1);
    memset(entries, 0, sizeof(entries));
    for (unsigned i = heap.place_count; i < ENTRY_COUNT; i++) {
        assert_int_equal(heap_reserve(&heap), 0);
    }
    return 0;
}

/* How many come out, each no less than the one before. */
static unsigned take_all(void)
{
    unsigned count = 0;
    uint64_t last_key = 0;

    while (heap_first(&heap) != NULL) {
        struct heap_entry *first = heap_first(&heap);

        assert_true(first->key >= last_key);
        last_key = first->key;
        heap_remove(&heap, first);
        assert_false(heap_has(first));
        count++;
    }
    return count;
}

static void entries_come_out_by_their_keys(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ENTRY_COUNT; i++) {
        heap_put(&heap, &entries[i], i * 7919 % 1009);
    }
    assert_int_equal(take_all(), ENTRY_COUNT);
}

static void entries_move_both_ways_and_leave_from_anywhere(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ENTRY_COUNT; i++) {
        heap_put(&heap, &entries[i], 1000 + i);
    }
    for (unsigned i = 0; i < ENTRY_COUNT; i += 3) {
        heap_put(&heap, &entries[i], i * 7919 % 4001);
    }
    for (unsigned i = 1; i < ENTRY_COUNT; i += 3) {
        heap_remove(&heap, &entries[i]);
        assert_false(heap_has(&entries[i]));
    }
    assert_int_equal(take_all(), ENTRY_COUNT - (ENTRY_COUNT + 1) / 3);
}

static void room_without_memory_is_refused_and_nothing_is_lost(void **state)
{
    static struct heap other;

    (void)state;
    fake_fail_allocations_after(0);
    assert_int_equal(heap_reserve(&other), -ENOMEM);
    assert_int_equal(other.place_count, 0);
    fake_fail_allocations_after(-1);
    assert_int_equal(heap_reserve(&other), 0);
    heap_put(&other, &entries[0], 5);
    assert_ptr_equal(heap_first(&other), &entries[0]);
    heap_remove(&other, &entries[0]);
    assert_null(heap_first(&other));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(entries_come_out_by_their_keys, set_up),
        cmocka_unit_test_setup(entries_move_both_ways_and_leave_from_anywhere, set_up),
        cmocka_unit_test_setup(room_without_memory_is_refused_and_nothing_is_lost, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
