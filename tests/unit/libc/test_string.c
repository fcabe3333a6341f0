/* SPDX-License-Identifier: MIT */
/* sources: libc/core/string.c */
/* flags: -D_GNU_SOURCE -fno-builtin -fno-tree-loop-distribute-patterns -include tests/unit/world/rename_string.h */
/*
 * Tests libc/core/string.c: every length around the limits of its loops, at every alignment,
 * against what plain loops over bytes say. Buffers end where their allocation does, so that the
 * address sanitizer sees a byte too many.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LENGTH_MAX 600
#define ALIGNMENTS 8

static uint8_t pattern(size_t i)
{
    return (uint8_t)(i * 131 + (i >> 8) + 7);
}

static uint8_t *new_buffer(size_t bytes)
{
    uint8_t *buffer = malloc(bytes > 0 ? bytes : 1);

    assert_non_null(buffer);
    for (size_t i = 0; i < bytes; i++) {
        buffer[i] = pattern(i);
    }
    return buffer;
}

static void memcpy_copies_every_length_and_nothing_more(void **state)
{
    (void)state;
    for (size_t length = 0; length <= LENGTH_MAX; length++) {
        for (size_t shift = 0; shift < ALIGNMENTS; shift += 3) {
            uint8_t *from = new_buffer(length + shift);
            uint8_t *to = malloc(length + shift + 1);
            to[length + shift] = 0xEE;
            assert_ptr_equal(memcpy(to + shift, from + shift, length), to + shift);
            for (size_t i = 0; i < length; i++) {
                assert_int_equal(to[shift + i], pattern(shift + i));
            }
            assert_int_equal(to[length + shift], 0xEE);
            free(from);
            free(to);
        }
    }
}

static void memmove_keeps_what_overlaps(void **state)
{
    static const int distances[] = {-300, -17, -16, -9, -8, -7, -1, 0, 1, 7, 8, 9, 16, 17, 300};

    (void)state;
    for (size_t length = 0; length <= LENGTH_MAX; length += length < 40 ? 1 : 13) {
        for (size_t d = 0; d < sizeof(distances) / sizeof(distances[0]); d++) {
            size_t from = 320, to = (size_t)(320 + distances[d]);
            uint8_t *buffer = new_buffer(LENGTH_MAX + 640);
            assert_ptr_equal(memmove(buffer + to, buffer + from, length), buffer + to);
            for (size_t i = 0; i < LENGTH_MAX + 640; i++) {
                bool is_moved = i >= to && i < to + length;
                assert_int_equal(buffer[i], pattern(is_moved ? i - to + from : i));
            }
            free(buffer);
        }
    }
}

static void memset_fills_every_length_and_nothing_more(void **state)
{
    (void)state;
    for (size_t length = 0; length <= LENGTH_MAX; length++) {
        uint8_t *buffer = new_buffer(length + 1);
        assert_ptr_equal(memset(buffer, 0x1A5, length), buffer);
        for (size_t i = 0; i < length; i++) {
            assert_int_equal(buffer[i], 0xA5);
        }
        assert_int_equal(buffer[length], pattern(length));
        free(buffer);
    }
}

static void memcmp_orders_by_the_first_byte_that_differs(void **state)
{
    (void)state;
    for (size_t length = 1; length <= 140; length++) {
        for (size_t at = 0; at < length; at++) {
            uint8_t *left = new_buffer(length);
            uint8_t *right = new_buffer(length);
            assert_int_equal(memcmp(left, right, length), 0);
            left[at] = 0x7F;
            right[at] = 0x80; /* larger as an unsigned byte */
            if (at + 1 < length) {
                left[at + 1] = 0xFF;
                right[at + 1] = 0;
            }
            assert_true(memcmp(left, right, length) < 0);
            assert_true(memcmp(right, left, length) > 0);
            assert_int_equal(memcmp(left, right, at), 0);
            free(left);
            free(right);
        }
    }
}

static void memchr_finds_the_first_byte_within_its_range(void **state)
{
    (void)state;
    for (size_t length = 0; length <= 40; length++) {
        for (size_t at = 0; at <= length; at++) {
            uint8_t *buffer = malloc(length + 1);
            memset(buffer, 0x81, length + 1);
            buffer[at] = 0x80;
            void *expected = at < length ? buffer + at : NULL;
            assert_ptr_equal(memchr(buffer, 0x80, length), expected);
            assert_ptr_equal(memrchr(buffer, 0x80, length), expected);
            free(buffer);
        }
    }
    /* A borrow from a byte that matches must not make its neighbour match. */
    uint8_t neighbours[8] = {1, 0, 1, 1, 1, 1, 1, 1};
    assert_ptr_equal(memchr(neighbours, 0, sizeof(neighbours)), neighbours + 1);
    assert_null(memchr(neighbours + 2, 0, 6));
}

static void strings_are_measured_compared_and_searched(void **state)
{
    char text[] = "a,bc,,d";
    char *rest;
    char buffer[8];

    (void)state;
    assert_int_equal(strlen(""), 0);
    assert_int_equal(strlen("abc"), 3);
    assert_int_equal(strnlen("abc", 2), 2);
    assert_int_equal(strcmp("a", "a"), 0);
    assert_true(strcmp("a", "b") < 0);
    assert_true(strcmp("ab", "a") > 0);
    assert_true(strcmp("\x80", "a") > 0);
    assert_int_equal(strncmp("abc", "abd", 2), 0);
    assert_int_equal(strncmp("a", "b", 0), 0);
    assert_ptr_equal(strchr(text, ','), text + 1);
    assert_ptr_equal(strchr(text, '\0'), text + 7);
    assert_null(strchr(text, 'x'));
    assert_ptr_equal(strrchr(text, ','), text + 5);
    assert_ptr_equal(strstr(text, "c,,"), text + 3);
    assert_ptr_equal(strstr(text, ""), text);
    assert_null(strstr(text, "c,d"));
    assert_int_equal(strspn(text, "ab,"), 3);
    assert_int_equal(strcspn(text, "cd"), 3);
    assert_ptr_equal(strpbrk(text, "dc"), text + 3);
    assert_string_equal(strncpy(buffer, "ab", sizeof(buffer)), "ab");
    assert_int_equal(buffer[7], 0);
    assert_string_equal(strcat(strcpy(buffer, "x"), "yz"), "xyz");
    assert_string_equal(strtok_r(text, ",", &rest), "a");
    assert_string_equal(strtok_r(NULL, ",", &rest), "bc");
    assert_string_equal(strtok_r(NULL, ",", &rest), "d");
    assert_null(strtok_r(NULL, ",", &rest));
}

static void memmem_finds_also_at_the_very_end(void **state)
{
    (void)state;
    assert_non_null(memmem("aab", 3, "ab", 2));
    assert_null(memmem("aab", 2, "ab", 2));
    assert_null(memmem("", 0, "a", 1));
    assert_null(memmem("ab", 2, "abc", 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memcpy_copies_every_length_and_nothing_more),
        cmocka_unit_test(memmove_keeps_what_overlaps),
        cmocka_unit_test(memset_fills_every_length_and_nothing_more),
        cmocka_unit_test(memcmp_orders_by_the_first_byte_that_differs),
        cmocka_unit_test(memchr_finds_the_first_byte_within_its_range),
        cmocka_unit_test(strings_are_measured_compared_and_searched),
        cmocka_unit_test(memmem_finds_also_at_the_very_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
