/* SPDX-License-Identifier: MIT */
/* sources: boot/relocate.c */
/*
 * boot/relocate.c: which tables fit an image, and what becomes of the words that they list.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "boot/relocate.h"
#include "libc/core/bits.h"
#include "libc/core/bytes.h"

#define WIDE(place) ((uint32_t)((place) | RELOCATION_IS_64_BITS))
#define IMAGE_BYTES 64u
#define SLIDE       0x12345000u

/* As linked: words of 32 bits at 9 and 30, one of 64 at 14. */
static const uint32_t entries[] = {9, WIDE(14), 30};
static const struct relocations relocations = {entries, 3};
static uint8_t image[IMAGE_BYTES];
static uint8_t moved[IMAGE_BYTES]; /* as it shall be */

static int begin(void **state)
{
    (void)state;
    for (unsigned i = 0; i < IMAGE_BYTES; i++) {
        image[i] = (uint8_t)(0x80 + i);
    }
    store_le32(image + 9, 0x80200123);
    store_le64(image + 14, 0xFFFFFFFF80245678);
    store_le32(image + 30, 0x802FFFFF);
    memcpy(moved, image, sizeof(moved));
    store_le32(moved + 9, 0x80200123 + SLIDE);
    store_le64(moved + 14, 0xFFFFFFFF80245678 + SLIDE);
    store_le32(moved + 30, 0x802FFFFF + SLIDE);
    return 0;
}

static bool fits(const uint32_t *list, size_t count, size_t start, size_t end)
{
    return relocations_are_within(&(struct relocations){list, count}, start, end);
}

static void words_of_the_image_fit_up_to_its_last_byte(void **state)
{
    (void)state;
    assert_true(fits(entries, 3, 0, IMAGE_BYTES));
    assert_true(fits(entries, 3, 9, 34));
    assert_true(fits((const uint32_t[]){WIDE(0), 8, WIDE(12)}, 3, 0, 20));
    assert_true(fits(NULL, 0, 0, 0));
}

static void a_table_that_points_outside_is_refused(void **state)
{
    (void)state;
    assert_false(fits(entries, 3, 10, IMAGE_BYTES));
    assert_false(fits(entries, 3, 0, 33));
    assert_false(fits((const uint32_t[]){WIDE(56), WIDE(0x7FFFFFFF)}, 2, 0, IMAGE_BYTES));
    assert_false(fits((const uint32_t[]){0x7FFFFFFF}, 1, 0, IMAGE_BYTES));
    assert_false(fits((const uint32_t[]){WIDE(57)}, 1, 0, IMAGE_BYTES));
}

static void a_table_out_of_order_or_with_words_that_overlap_is_refused(void **state)
{
    (void)state;
    assert_false(fits((const uint32_t[]){20, 10}, 2, 0, IMAGE_BYTES));
    assert_false(fits((const uint32_t[]){20, 20}, 2, 0, IMAGE_BYTES));
    assert_false(fits((const uint32_t[]){20, 23}, 2, 0, IMAGE_BYTES));
    assert_false(fits((const uint32_t[]){WIDE(20), 27}, 2, 0, IMAGE_BYTES));
}

static void listed_words_move_and_nothing_else_changes(void **state)
{
    uint8_t copy[IMAGE_BYTES];

    (void)state;
    relocations_copy(&relocations, copy, image, 0, IMAGE_BYTES, SLIDE);
    assert_memory_equal(copy, moved, IMAGE_BYTES);
    relocations_copy(&relocations, copy, image, 0, IMAGE_BYTES, 0);
    assert_memory_equal(copy, image, IMAGE_BYTES);
}

static void the_image_moves_down_too(void **state)
{
    uint8_t back[IMAGE_BYTES];

    (void)state;
    relocations_copy(&relocations, back, moved, 0, IMAGE_BYTES, -(uint64_t)SLIDE);
    assert_memory_equal(back, image, IMAGE_BYTES);
}

/* Whatever the parts: none but the wanted bytes are written, and words over an end come out whole.
 */
static void parts_are_copied_as_the_whole_is(void **state)
{
    (void)state;
    for (size_t start = 0; start < IMAGE_BYTES; start++) {
        for (size_t bytes = 0; start + bytes <= IMAGE_BYTES; bytes++) {
            uint8_t part[IMAGE_BYTES + 1];

            memset(part, 0x5A, sizeof(part));
            relocations_copy(&relocations, part, image, start, bytes, SLIDE);
            assert_memory_equal(part, moved + start, bytes);
            assert_int_equal(part[bytes], 0x5A);
            assert_true(relocations_match(&relocations, part, image, start, bytes, SLIDE));
        }
    }
}

static void a_copy_in_which_one_byte_differs_is_none(void **state)
{
    (void)state;
    for (size_t start = 0; start < IMAGE_BYTES; start++) {
        for (size_t at = start; at < IMAGE_BYTES; at++) {
            uint8_t *copy = moved + start;

            moved[at] ^= 1;
            assert_false(
                relocations_match(&relocations, copy, image, start, at + 1 - start, SLIDE));
            assert_false(
                relocations_match(&relocations, copy, image, start, IMAGE_BYTES - start, SLIDE));
            assert_true(relocations_match(&relocations, copy, image, start, at - start, SLIDE));
            moved[at] ^= 1;
        }
    }
    assert_false(relocations_match(&relocations, moved, image, 0, IMAGE_BYTES, SLIDE + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(words_of_the_image_fit_up_to_its_last_byte, begin),
        cmocka_unit_test_setup(a_table_that_points_outside_is_refused, begin),
        cmocka_unit_test_setup(a_table_out_of_order_or_with_words_that_overlap_is_refused, begin),
        cmocka_unit_test_setup(listed_words_move_and_nothing_else_changes, begin),
        cmocka_unit_test_setup(the_image_moves_down_too, begin),
        cmocka_unit_test_setup(parts_are_copied_as_the_whole_is, begin),
        cmocka_unit_test_setup(a_copy_in_which_one_byte_differs_is_none, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
