/* SPDX-License-Identifier: MIT */
/* sources: net/link/capture_ring.c tests/unit/world/panic.c */
/*
 * Tests net/link/capture_ring.c against a plain list: which frames are there, and that each is what
 * was added, across all wraps.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/link/capture_ring.h"

#define RING_BYTES  4096u
#define ENTRY_COUNT (RING_BYTES / CAPTURE_BYTES_PER_ENTRY)
#define LONGEST     2048u

static struct capture_ring ring;
static uint8_t *memory;

static int start(void **state)
{
    (void)state;
    memory = malloc(CAPTURE_RING_MEMORY_BYTES(RING_BYTES));
    assert_non_null(memory);
    capture_ring_initialise(&ring, memory, RING_BYTES);
    return 0;
}

static int end(void **state)
{
    (void)state;
    free(memory);
    return 0;
}

/* Frame n: its bytes are those of a pattern, which tells where any piece is from. */
static uint8_t byte_of(uint64_t number, size_t at)
{
    return (uint8_t)(number * 37 + at * 11 + at / 251);
}

static void add(uint64_t number, uint32_t original_bytes, uint16_t captured_bytes)
{
    static uint8_t bytes[LONGEST];
    size_t first = captured_bytes / 3, second = captured_bytes / 2;

    for (size_t i = 0; i < captured_bytes; i++) {
        bytes[i] = byte_of(number, i);
    }
    const struct frame_fragment fragments[] = {
        {bytes, (uint32_t)first},
        {bytes + first, (uint32_t)(second - first)},
        {bytes + second, (uint32_t)(sizeof(bytes) - second)},
    };

    capture_ring_add(&ring, 1000 + number, 1 + number % 2, original_bytes, captured_bytes,
                     fragments, 3);
}

static void assert_there(uint64_t number, uint32_t original_bytes, uint16_t captured_bytes)
{
    const struct capture_entry *entry = capture_ring_find(&ring, number);
    uint8_t bytes[LONGEST];

    assert_non_null(entry);
    assert_int_equal(entry->time_ns, 1000 + number);
    assert_int_equal(entry->direction, 1 + number % 2);
    assert_int_equal(entry->original_bytes, original_bytes);
    assert_int_equal(entry->captured_bytes, captured_bytes);
    capture_ring_copy(&ring, entry, bytes, captured_bytes);
    for (size_t i = 0; i < captured_bytes; i++) {
        assert_int_equal(bytes[i], byte_of(number, i));
    }
}

static void an_empty_ring_has_no_frame(void **state)
{
    (void)state;
    assert_null(capture_ring_find(&ring, 0));
    assert_null(capture_ring_find(&ring, UINT64_MAX));
}

static void frames_are_found_by_their_numbers_alone(void **state)
{
    (void)state;
    add(0, 60, 60);
    add(1, 60000, 2048);
    add(2, 0, 0);
    assert_there(0, 60, 60);
    assert_there(1, 60000, 2048);
    assert_there(2, 0, 0);
    assert_null(capture_ring_find(&ring, 3));
    assert_null(capture_ring_find(&ring, 3 + ENTRY_COUNT));
    assert_null(capture_ring_find(&ring, UINT64_MAX));
}

/* By the table's end before the bytes'. */
static void many_short_frames_push_out_as_many(void **state)
{
    (void)state;
    for (uint64_t number = 0; number < 5 * ENTRY_COUNT; number++) {
        add(number, 10, 10);
        assert_int_equal(ring.next - ring.first,
                         number + 1 < ENTRY_COUNT ? number + 1 : ENTRY_COUNT);
        assert_there(ring.first, 10, 10);
        assert_there(number, 10, 10);
    }
    assert_null(capture_ring_find(&ring, ring.first - 1));
}

/* Whatever their lengths: what is said to be there is whole, it is as much as there is room for,
 * and its order is that of its numbers. */
static void each_frame_is_whole_across_all_wraps(void **state)
{
    uint16_t lengths[2000];

    (void)state;
    srand(7);
    for (uint64_t number = 0; number < ARRAY_COUNT(lengths); number++) {
        uint64_t sum_bytes = 0;

        lengths[number] = (uint16_t)(rand() % (rand() % 3 == 0 ? LONGEST + 1 : 120));
        add(number, lengths[number] + 5u, lengths[number]);
        for (uint64_t held = ring.first; held < ring.next; held++) {
            assert_there(held, lengths[held] + 5u, lengths[held]);
            sum_bytes += lengths[held];
        }
        assert_true(sum_bytes <= RING_BYTES);
        if (ring.first != 0 && ring.next - ring.first < ENTRY_COUNT) {
            assert_true(sum_bytes + lengths[ring.first - 1] > RING_BYTES);
        }
    }
    assert_true(ring.end > 50u * RING_BYTES);
}

static void one_that_is_taken_back_has_never_been(void **state)
{
    (void)state;
    for (uint64_t number = 0; number < 3 * ENTRY_COUNT; number++) {
        add(number, 300, 300);
        add(number + 1, 200, 200);
        capture_ring_take_back(&ring);
        assert_null(capture_ring_find(&ring, number + 1));
        assert_there(number, 300, 300);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_empty_ring_has_no_frame, start, end),
        cmocka_unit_test_setup_teardown(frames_are_found_by_their_numbers_alone, start, end),
        cmocka_unit_test_setup_teardown(many_short_frames_push_out_as_many, start, end),
        cmocka_unit_test_setup_teardown(each_frame_is_whole_across_all_wraps, start, end),
        cmocka_unit_test_setup_teardown(one_that_is_taken_back_has_never_been, start, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
