/* SPDX-License-Identifier: MIT */
/* sources: apps/picture/layout.c tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
/* sources: kernel/message/channel.c kernel/message/status.c */
/*
 * Tests apps/picture/layout.c, over every number of nodes and many ways to share them among tiers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "apps/picture/layout.h"

static struct layout layout;
static uint8_t tiers[NODE_MAX];

/* The first `first` in tier 0, then `second` in tier 1, all others in tier 2. */
static void place(enum layout_shape shape, unsigned first, unsigned second, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        tiers[i] = i < first ? 0 : i < first + second ? 1 : 2;
    }
    memset(&layout, 0xAA, sizeof(layout));
    layout_place(&layout, shape, tiers, count);
}

static bool do_overlap(unsigned a, unsigned b)
{
    int x = layout.boxes[a].x - layout.boxes[b].x, y = layout.boxes[a].y - layout.boxes[b].y;

    return x < layout.box_width && -x < layout.box_width && y < layout.box_height &&
           -y < layout.box_height;
}

static void assert_in_order(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        assert_true(layout.boxes[i].x >= 0);
        assert_true(layout.boxes[i].x + layout.box_width <= layout.width);
        /* An arrow at its edge has room. */
        assert_true(layout.boxes[i].y >= 7);
        assert_true(layout.boxes[i].y + layout.box_height <= layout.height - 7);
        assert_true(layout.boxes[i].column < layout.column_count);
        for (unsigned j = 0; j < i; j++) {
            assert_false(do_overlap(i, j));
            /* Columns are told apart by where they stand. */
            assert_int_equal(layout.boxes[i].column == layout.boxes[j].column,
                             layout.boxes[i].x == layout.boxes[j].x);
            if (layout.boxes[i].column > layout.boxes[j].column) {
                assert_true(layout.boxes[i].x > layout.boxes[j].x);
            }
        }
    }
}

static void boxes_lie_in_the_picture_and_do_not_overlap(void **state)
{
    (void)state;
    for (enum layout_shape shape = 0; shape < LAYOUT_SHAPE_COUNT; shape++) {
        for (unsigned count = 1; count <= NODE_MAX; count += count < 40 ? 1 : 27) {
            place(shape, count, 0, count);
            assert_in_order(count);
            place(shape, (count + 1) / 2, 0, count);
            assert_in_order(count);
            place(shape, 1, 0, count);
            assert_in_order(count);
            place(shape, count / 4, count / 3, count);
            assert_in_order(count);
            place(shape, count / 2, count - count / 2, count);
            assert_in_order(count);
            place(shape, 0, 1, count);
            assert_in_order(count);
        }
    }
}

/* What stands at a column's sides is what is there. */
static void room_beside_a_column_is_free(void **state)
{
    static const unsigned counts[] = {2, 3, 4, 8, 16, 64, 256};

    (void)state;
    for (enum layout_shape shape = 0; shape < LAYOUT_SHAPE_COUNT; shape++) {
        for (size_t c = 0; c < ARRAY_COUNT(counts); c++) {
            place(shape, counts[c] / 3, counts[c] / 3, counts[c]);
            for (unsigned i = 0; i < counts[c]; i++) {
                int left = layout.boxes[i].x - layout.room_left[layout.boxes[i].column];
                int right = layout.boxes[i].x + layout.box_width +
                            layout.room_right[layout.boxes[i].column];

                assert_true(layout.room_right[layout.boxes[i].column] <= 420);
                assert_true(left >= 0 && right <= layout.width);
                for (unsigned j = 0; j < counts[c]; j++) {
                    assert_true(layout.boxes[j].x + layout.box_width <= left ||
                                layout.boxes[j].x >= layout.boxes[i].x);
                    assert_true(layout.boxes[j].x >= right ||
                                layout.boxes[j].x <= layout.boxes[i].x);
                }
            }
        }
    }
}

static void tiers_stand_from_left_to_right(void **state)
{
    (void)state;
    place(LAYOUT_WIDE, 2, 3, 7);
    assert_int_equal(layout.column_count, 3);
    assert_int_equal(layout.boxes[1].column, 0);
    assert_int_equal(layout.boxes[4].column, 1);
    assert_int_equal(layout.boxes[6].column, 2);
    place(LAYOUT_NARROW, 2, 3, 7);
    assert_int_equal(layout.column_count, 2);
    assert_int_equal(layout.boxes[4].column, 0);
    assert_int_equal(layout.boxes[6].column, 1);
}

/* Else there would be no room for arrows. */
static void nodes_of_one_tier_are_shared_among_two(void **state)
{
    (void)state;
    for (uint8_t tier = 0; tier < LAYOUT_TIERS; tier++) {
        memset(tiers, tier, sizeof(tiers));
        layout_place(&layout, LAYOUT_WIDE, tiers, 5);
        assert_int_equal(layout.column_count, 2);
        assert_int_equal(layout.boxes[2].column, 0);
        assert_int_equal(layout.boxes[3].column, 1);
        layout_place(&layout, LAYOUT_WIDE, tiers, 1);
        assert_int_equal(layout.column_count, 1);
    }
}

/* Chosen by looking: so a picture of 64 nodes is no higher than a window. */
static void many_nodes_get_small_boxes(void **state)
{
    (void)state;
    place(LAYOUT_WIDE, 4, 0, 8);
    assert_int_equal(layout.detail, LAYOUT_LARGE);
    place(LAYOUT_WIDE, 8, 0, 16);
    assert_int_equal(layout.detail, LAYOUT_MEDIUM);
    place(LAYOUT_WIDE, 32, 0, 64);
    assert_int_equal(layout.detail, LAYOUT_SMALL);
    assert_true(layout.height < 700);
    place(LAYOUT_NARROW, 2, 0, 4);
    assert_int_equal(layout.detail, LAYOUT_MEDIUM);
    place(LAYOUT_NARROW, 32, 0, 64);
    assert_int_equal(layout.detail, LAYOUT_SMALL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(boxes_lie_in_the_picture_and_do_not_overlap),
        cmocka_unit_test(room_beside_a_column_is_free),
        cmocka_unit_test(tiers_stand_from_left_to_right),
        cmocka_unit_test(nodes_of_one_tier_are_shared_among_two),
        cmocka_unit_test(many_nodes_get_small_boxes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
