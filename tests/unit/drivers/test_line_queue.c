/* SPDX-License-Identifier: MIT */
/* sources: drivers/console/line_queue.c kernel/message/status.c kernel/message/channel.c tests/unit/world/fake_platform.c */
/*
 * Tests drivers/console/line_queue.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/console/line_queue.h"

#define BYTES 32u

static char ring[BYTES];
static struct line_queue queue;

/* The free-running positions start just below their wrap. */
static int set_up(void **state)
{
    (void)state;
    line_queue_initialise(&queue, ring, BYTES);
    queue.written = queue.taken = UINT32_MAX - 40;
    return 0;
}

static bool put(const char *text)
{
    return line_queue_put(&queue, text, strlen(text), 0);
}

/* Everything that waits, taken in pieces of at most `piece`. */
static const char *take_all(size_t piece)
{
    static char text[BYTES + 1];
    size_t length = 0;
    const char *part;
    size_t bytes;

    while ((bytes = line_queue_peek(&queue, &part)) > 0) {
        bytes = bytes < piece ? bytes : piece;
        memcpy(text + length, part, bytes);
        length += bytes;
        line_queue_take(&queue, bytes);
    }
    text[length] = '\0';
    return text;
}

static void nothing_waits_at_first(void **state)
{
    const char *text;

    (void)state;
    assert_true(line_queue_is_empty(&queue));
    assert_int_equal(line_queue_peek(&queue, &text), 0);
    assert_int_equal(line_queue_room(&queue), BYTES);
}

/* Also across the ring's end and the positions' wrap. */
static void lines_come_out_in_order_with_cr_before_lf(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 50; i++) {
        assert_true(put("one\n"));
        assert_true(put("two"));
        assert_true(put("\n\n"));
        assert_string_equal(take_all(1 + i % 7), "one\r\ntwo\r\n\r\n");
    }
}

static void a_line_goes_in_whole_or_not_at_all(void **state)
{
    (void)state;
    assert_true(put("0123456789012345678901234567\n")); /* 30 bytes with CR */
    assert_false(put("a\n"));
    assert_int_equal(line_queue_room(&queue), 2);
    assert_true(put("\n"));
    assert_false(put("b"));
    assert_string_equal(take_all(BYTES), "0123456789012345678901234567\r\n\r\n");
}

static void what_is_kept_free_stays_free(void **state)
{
    (void)state;
    assert_false(line_queue_put(&queue, "123456789", 9, BYTES - 8));
    assert_true(line_queue_put(&queue, "12345678", 8, BYTES - 8));
    assert_false(line_queue_put(&queue, "", 0, BYTES - 7));
    assert_true(line_queue_put(&queue, "more", 4, 0));
}

static void the_oldest_lines_go_first(void **state)
{
    (void)state;
    assert_true(put("one\ntwo\nthree\nfour\n")); /* 5, 5, 7, 6 bytes */
    assert_int_equal(line_queue_keep_last(&queue, 23), 0);
    assert_int_equal(line_queue_keep_last(&queue, 13), 2);
    assert_string_equal(take_all(3), "three\r\nfour\r\n");
    assert_int_equal(line_queue_keep_last(&queue, 0), 0);
}

static void a_line_begun_is_dropped_whole(void **state)
{
    (void)state;
    assert_true(put("first\nsecond"));
    line_queue_take(&queue, 2);
    assert_int_equal(line_queue_keep_last(&queue, 8), 1);
    assert_int_equal(line_queue_keep_last(&queue, 2), 1);
    assert_true(line_queue_is_empty(&queue));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nothing_waits_at_first, set_up),
        cmocka_unit_test_setup(lines_come_out_in_order_with_cr_before_lf, set_up),
        cmocka_unit_test_setup(a_line_goes_in_whole_or_not_at_all, set_up),
        cmocka_unit_test_setup(what_is_kept_free_stays_free, set_up),
        cmocka_unit_test_setup(the_oldest_lines_go_first, set_up),
        cmocka_unit_test_setup(a_line_begun_is_dropped_whole, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
