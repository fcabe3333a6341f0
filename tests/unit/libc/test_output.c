/* SPDX-License-Identifier: MIT */
/*
 * Tests libc/core/output.c, and format_append() which adds to the same text.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "libc/core/format.h"
#include "libc/core/output.h"

/* A buffer of this very size, so that the sanitizer sees a write behind it. */
static void start(struct output *output, size_t size)
{
    char *text = size > 0 ? malloc(size) : NULL;

    if (size > 0) {
        memset(text, 'x', size);
    }
    output_start(output, text, size);
}

static void assert_output(struct output *output, const char *text, size_t length, bool is_cut)
{
    assert_string_equal(output->text, text);
    assert_int_equal(output->length, length);
    assert_int_equal(output_fitting_bytes(output), strlen(text));
    assert_int_equal(output_is_cut(output), is_cut);
}

static void an_output_begins_empty(void **state)
{
    struct output output;

    (void)state;
    start(&output, 1);
    assert_output(&output, "", 0, false);
    output_append(&output, NULL, 0);
    output_append_string(&output, "");
    output_append_repeated(&output, 'x', 0);
    format_append(&output, "%s", "");
    assert_output(&output, "", 0, false);
    free(output.text);
}

static void pieces_stand_behind_each_other(void **state)
{
    struct output output;

    (void)state;
    start(&output, 32);
    output_append(&output, "abXX", 2);
    assert_output(&output, "ab", 2, false);
    output_append_repeated(&output, '-', 3);
    assert_output(&output, "ab---", 5, false);
    output_append_string(&output, "cd");
    assert_output(&output, "ab---cd", 7, false);
    format_append(&output, "%u,%s", 12u, "e");
    assert_output(&output, "ab---cd12,e", 11, false);
    free(output.text);
}

/* Each kind of piece: one byte fewer than there is room for, as many, and one more. */
static void a_text_that_fits_is_whole_and_one_byte_more_is_cut(void **state)
{
    struct output output;

    (void)state;
    for (size_t count = 3; count <= 5; count++) {
        bool is_cut = count == 5;
        const char *expected = count == 3 ? "abc" : "abcd";
        char piece[] = "abcde";

        piece[count] = '\0';
        start(&output, 5);
        output_append(&output, piece, count);
        assert_output(&output, expected, count, is_cut);
        free(output.text);
        start(&output, 5);
        output_append_string(&output, piece);
        assert_output(&output, expected, count, is_cut);
        free(output.text);
        start(&output, 5);
        format_append(&output, "%s", piece);
        assert_output(&output, expected, count, is_cut);
        free(output.text);
        start(&output, 5);
        output_append_repeated(&output, 'z', count);
        assert_output(&output, count == 3 ? "zzz" : "zzzz", count, is_cut);
        free(output.text);
    }
}

/* A short piece behind one that was cut must not stand in the text as if it followed. */
static void what_follows_a_cut_is_counted_only(void **state)
{
    struct output output;

    (void)state;
    start(&output, 4);
    output_append_string(&output, "abcdef");
    assert_output(&output, "abc", 6, true);
    output_append_string(&output, "g");
    output_append_repeated(&output, 'h', 10);
    format_append(&output, "%d", -1);
    assert_output(&output, "abc", 19, true);
    free(output.text);
}

static void a_full_text_stays_whole_until_more_comes(void **state)
{
    struct output output;

    (void)state;
    start(&output, 4);
    output_append_string(&output, "abc");
    assert_output(&output, "abc", 3, false);
    output_append_string(&output, "");
    assert_output(&output, "abc", 3, false);
    output_append_string(&output, "d");
    assert_output(&output, "abc", 4, true);
    free(output.text);
}

static void without_a_buffer_pieces_are_counted(void **state)
{
    struct output output;

    (void)state;
    start(&output, 0);
    assert_int_equal(output_fitting_bytes(&output), 0);
    assert_false(output_is_cut(&output));
    output_append_string(&output, "abc");
    format_append(&output, "%05d", 7);
    assert_int_equal(output.length, 8);
    assert_int_equal(output_fitting_bytes(&output), 0);
    assert_true(output_is_cut(&output));
}

static void room_for_the_zero_alone_holds_nothing(void **state)
{
    struct output output;

    (void)state;
    start(&output, 1);
    output_append_string(&output, "a");
    assert_output(&output, "", 1, true);
    free(output.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_output_begins_empty),
        cmocka_unit_test(pieces_stand_behind_each_other),
        cmocka_unit_test(a_text_that_fits_is_whole_and_one_byte_more_is_cut),
        cmocka_unit_test(what_follows_a_cut_is_counted_only),
        cmocka_unit_test(a_full_text_stays_whole_until_more_comes),
        cmocka_unit_test(without_a_buffer_pieces_are_counted),
        cmocka_unit_test(room_for_the_zero_alone_holds_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
