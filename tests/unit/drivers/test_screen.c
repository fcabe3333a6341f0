/* SPDX-License-Identifier: MIT */
/* sources: drivers/console/screen.c kernel/message/status.c kernel/message/channel.c tests/unit/world/fake_platform.c */
/*
 * Tests drivers/console/screen.c on a device that remembers what was drawn where.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/console/counters.h"
#include "drivers/console/screen.h"
#include "kernel/message/status.h"
#include "tests/unit/world/fake_platform.h"

#define COLUMNS 10
#define ROWS    5 /* four of the log, one of status */

static char device[SCREEN_ROWS_MAX][SCREEN_COLUMNS_MAX + 1];
static bool is_inverse_there[SCREEN_ROWS_MAX][SCREEN_COLUMNS_MAX];
static unsigned drawn_count;

static void draw(unsigned column, unsigned row, char character, bool is_inverse)
{
    assert_true(column < screen.columns && row < screen.rows);
    device[row][column] = character;
    is_inverse_there[row][column] = is_inverse;
    drawn_count++;
}

static void draw_all(void)
{
    for (unsigned i = 0; screen_draw(1000); i++) {
        assert_true(i < 1000);
    }
    assert_false(screen_is_dirty());
}

static int set_up(void **state)
{
    (void)state;
    fake_platform_reset(0, 1);
    memset(device, 0, sizeof(device));
    screen_initialise(COLUMNS, ROWS, draw);
    draw_all();
    drawn_count = 0;
    return 0;
}

static void write_text(const char *text)
{
    screen_write(text, strlen(text));
}

/* Draws, then compares the log's rows. */
static void expect(const char *first, const char *second, const char *third, const char *fourth)
{
    draw_all();
    assert_string_equal(device[0], first);
    assert_string_equal(device[1], second);
    assert_string_equal(device[2], third);
    assert_string_equal(device[3], fourth);
}

#define BLANK "          "

static void lines_stand_below_each_other(void **state)
{
    (void)state;
    write_text("one\ntwo\n");
    expect("one       ", "two       ", BLANK, BLANK);
}

static void long_lines_go_on_below(void **state)
{
    (void)state;
    write_text("0123456789abc\nx");
    expect("0123456789", "abc       ", "x         ", BLANK);
}

/* Else every full line would be followed by an empty one. */
static void a_line_that_is_exactly_full_takes_one_row(void **state)
{
    (void)state;
    write_text("0123456789\nx");
    expect("0123456789", "x         ", BLANK, BLANK);
}

static void the_log_scrolls_and_status_stays(void **state)
{
    (void)state;
    screen_set_status("status");
    write_text("1\n2\n3\n4\n5\n6");
    expect("3         ", "4         ", "5         ", "6         ");
    assert_string_equal(device[4], "status    ");
    assert_true(is_inverse_there[4][0] && is_inverse_there[4][9]);
    for (unsigned i = 0; i < 100; i++) {
        write_text("\nx");
    }
    write_text("\ny");
    expect("x         ", "x         ", "x         ", "y         ");
    assert_string_equal(device[4], "status    ");
}

static void backspace_and_return_move_the_cursor(void **state)
{
    (void)state;
    write_text("abc\b \b");
    expect("ab        ", BLANK, BLANK, BLANK);
    write_text("\rx\b\b\b\by");
    expect("yb        ", BLANK, BLANK, BLANK);
}

static void the_cursor_is_the_one_inverse_cell(void **state)
{
    (void)state;
    for (const char *text = "ab\nc\b\n\n\nd"; *text != '\0'; text++) {
        unsigned count = 0;

        screen_write(text, 1);
        draw_all();
        for (unsigned row = 0; row < ROWS - 1; row++) {
            for (unsigned column = 0; column < COLUMNS; column++) {
                count += is_inverse_there[row][column];
            }
        }
        assert_int_equal(count, 1);
        assert_true(is_inverse_there[screen.cursor_row][screen.cursor_column]);
    }
}

static void what_is_not_printable_shows_as_a_question_mark(void **state)
{
    (void)state;
    screen_write("a\0\x1b\x80\xff\x7f~", 7);
    screen_set_status("\x01\xe4");
    expect("a?????~   ", BLANK, BLANK, BLANK);
    assert_string_equal(device[4], "??        ");
}

static void only_what_has_changed_is_drawn(void **state)
{
    (void)state;
    write_text("hello");
    draw_all();
    assert_int_equal(drawn_count, 6); /* with the cursor */
    drawn_count = 0;
    write_text("!");
    draw_all();
    assert_int_equal(drawn_count, 2);
    drawn_count = 0;
    screen_set_status("a 1");
    draw_all();
    drawn_count = 0;
    screen_set_status("a 2");
    draw_all();
    assert_int_equal(drawn_count, 1);
    assert_false(screen_draw(1000));
    assert_int_equal(drawn_count, 1);
}

/* Scrolling compares; a row that looks like the one above it costs nothing. */
static void scrolling_draws_differences_only(void **state)
{
    (void)state;
    write_text("aaaa 1\naaaa 2\naaaa 3\naaaa 4");
    draw_all();
    drawn_count = 0;
    write_text("\naaaa 5");
    draw_all();
    /* Four digits, and the cursor where it was and is: the same cell. */
    assert_int_equal(drawn_count, 4);
}

static void a_call_draws_no_more_than_it_may(void **state)
{
    unsigned calls = 0;
    bool is_more;

    (void)state;
    write_text("0123456789\n0123456789\n0123456789\n0123456789");
    do {
        drawn_count = 0;
        is_more = screen_draw(3);
        assert_true(drawn_count >= 1 && drawn_count <= 3);
        calls++;
        assert_true(calls < 100);
    } while (is_more);
    assert_true(calls >= 40 / 3);
    expect("0123456789", "0123456789", "0123456789", "0123456789");
}

static void lines_that_leave_undrawn_are_counted(void **state)
{
    (void)state;
    write_text("1\n2\n3\n4\n");
    assert_int_equal(counter_read(0, COUNTER_CONSOLE_SCREEN_DROPPED), 1);
    write_text("5\n6\n");
    assert_int_equal(counter_read(0, COUNTER_CONSOLE_SCREEN_DROPPED), 3);
    draw_all();
    write_text("7\n8\n9\n");
    assert_int_equal(counter_read(0, COUNTER_CONSOLE_SCREEN_DROPPED), 3);
    write_text("10\n");
    assert_int_equal(counter_read(0, COUNTER_CONSOLE_SCREEN_DROPPED), 4);
    expect("8         ", "9         ", "10        ", BLANK);
}

/* While boot runs, nobody draws later. */
static void text_can_be_drawn_at_once(void **state)
{
    (void)state;
    screen_initialise(COLUMNS, ROWS, draw);
    memset(device, 0, sizeof(device));
    write_text("one\ntwo");
    screen_draw_text();
    assert_string_equal(device[0], "one       ");
    assert_string_equal(device[1], "two       ");
    assert_string_equal(device[2], "");
    assert_true(screen_is_dirty());
    expect("one       ", "two       ", BLANK, BLANK);
}

/* What boot wrote after the hand-over is on the device, but not known here. */
static void a_successor_goes_on_with_the_screen_as_it_stands(void **state)
{
    static struct screen handed_over;

    (void)state;
    write_text("one\ntwo\n");
    draw_all();
    handed_over = screen;
    write_text("unknown\n");
    draw_all();
    screen = handed_over;
    screen_resume(draw);
    expect("one       ", "two       ", BLANK, BLANK);
}

static void any_size_is_cut_to_what_there_is_room_for(void **state)
{
    static const unsigned sizes[][2] = {
        {1, 2}, {1, 1000}, {1000, 2}, {1000, 1000}, {SCREEN_COLUMNS_MAX, SCREEN_ROWS_MAX},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
        screen_initialise(sizes[i][0], sizes[i][1], draw);
        for (unsigned j = 0; j < 300; j++) {
            write_text("some words, ");
            write_text(j % 7 == 0 ? "\n" : "\b");
            screen_set_status("a status that is longer than some of these screens are wide");
        }
        draw_all();
    }
}

static void without_a_screen_nothing_happens(void **state)
{
    (void)state;
    screen_initialise(0, 5, draw);
    drawn_count = 0;
    write_text("text\n");
    screen_set_status("status");
    assert_false(screen_is_dirty());
    assert_false(screen_draw(10));
    screen_draw_text();
    screen_initialise(10, 1, draw);
    write_text("text\n");
    assert_false(screen_draw(10));
    assert_int_equal(drawn_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(lines_stand_below_each_other, set_up),
        cmocka_unit_test_setup(long_lines_go_on_below, set_up),
        cmocka_unit_test_setup(a_line_that_is_exactly_full_takes_one_row, set_up),
        cmocka_unit_test_setup(the_log_scrolls_and_status_stays, set_up),
        cmocka_unit_test_setup(backspace_and_return_move_the_cursor, set_up),
        cmocka_unit_test_setup(the_cursor_is_the_one_inverse_cell, set_up),
        cmocka_unit_test_setup(what_is_not_printable_shows_as_a_question_mark, set_up),
        cmocka_unit_test_setup(only_what_has_changed_is_drawn, set_up),
        cmocka_unit_test_setup(scrolling_draws_differences_only, set_up),
        cmocka_unit_test_setup(a_call_draws_no_more_than_it_may, set_up),
        cmocka_unit_test_setup(lines_that_leave_undrawn_are_counted, set_up),
        cmocka_unit_test_setup(text_can_be_drawn_at_once, set_up),
        cmocka_unit_test_setup(a_successor_goes_on_with_the_screen_as_it_stands, set_up),
        cmocka_unit_test_setup(any_size_is_cut_to_what_there_is_room_for, set_up),
        cmocka_unit_test_setup(without_a_screen_nothing_happens, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
