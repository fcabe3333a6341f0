/* SPDX-License-Identifier: MIT */
/* sources: kernel/message/status.c kernel/message/channel.c tests/unit/world/fake_platform.c */
/* sources: tests/unit/world/fake_memory.c */
/*
 * Tests kernel/message/status.c: texts of other nodes, and their log at the edge of what can still
 * be read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/message/status.h"
#include "tests/unit/world/fake_platform.h"

#define SELF       0
#define OTHER      1
#define LINE_BYTES 64u

static int set_up(void **state)
{
    (void)state;
    fake_platform_reset(SELF, 2);
    status_initialise();
    return 0;
}

/* What ends a text or a line in somebody's page, or in JSON, comes from no other node. */
static void bytes_of_a_text_that_are_none_become_question_marks(void **state)
{
    char text[STATUS_TEXT_BYTES];

    (void)state;
    for (unsigned byte = 1; byte < 256; byte++) {
        bool is_plain = byte >= ' ' && byte <= '~' && byte != '"' && byte != '\\';

        memcpy(fake_status_page(OTHER)->texts[1], (char[]){'a', (char)byte, 'z', '\0'}, 4);
        status_copy_text(OTHER, 1, text);
        assert_string_equal(text, ((char[]){'a', is_plain ? (char)byte : '?', 'z', '\0'}));
    }
}

static void texts_are_cut_to_their_room_on_both_sides(void **state)
{
    static char longer[STATUS_TEXT_BYTES + 10];
    char text[STATUS_TEXT_BYTES];

    (void)state;
    memset(longer, 'x', sizeof(longer) - 1);
    for (unsigned index = 0; index < 2; index++) {
        status_set_text(index, longer);
        status_copy_text(SELF, index, text);
        assert_int_equal(strlen(text), STATUS_TEXT_BYTES - 1);
        longer[STATUS_TEXT_BYTES - 1] = '\0'; /* just as long as fits */
    }
    status_set_text(0, "short");
    status_copy_text(SELF, 0, text);
    assert_string_equal(text, "short");
    status_copy_text(SELF, 1, text);
    assert_int_equal(strlen(text), STATUS_TEXT_BYTES - 1); /* the other one is as it was */
    /* One without an end ends all the same. */
    memset(fake_status_page(OTHER)->texts[0], 'y', STATUS_TEXT_BYTES);
    status_copy_text(OTHER, 0, text);
    assert_int_equal(strlen(text), STATUS_TEXT_BYTES - 1);
}

static void append_line(unsigned number)
{
    char line[LINE_BYTES + 1];

    assert_int_equal(snprintf(line, sizeof(line), "%063u\n", number), LINE_BYTES);
    (void)status_log_append(line, LINE_BYTES, status_log_written(SELF));
}

/* Reads one line from there on; returns its number, or UINT32_MAX when there was none. */
static uint32_t read_line(uint32_t *position)
{
    char line[LINE_BYTES + 1] = {0};
    size_t bytes = status_log_read(SELF, position, line, LINE_BYTES);
    unsigned number;

    if (bytes == 0) {
        return UINT32_MAX;
    }
    assert_int_equal(bytes, LINE_BYTES);
    assert_int_equal(line[LINE_BYTES - 1], '\n');
    assert_int_equal(sscanf(line, "%u", &number), 1);
    return number;
}

/* The last byte that is safe from the next line can be read; the one before it cannot. */
static void lines_are_read_up_to_where_the_next_may_overwrite_them(void **state)
{
    uint32_t readable = 0;

    (void)state;
    for (unsigned number = 0; number < 3 * STATUS_LOG_BYTES / LINE_BYTES; number++) {
        append_line(number);
    }
    uint32_t written = status_log_written(SELF);

    /* As far back as a line comes from where it is asked for. */
    for (uint32_t back = LINE_BYTES; back <= STATUS_LOG_BYTES; back += LINE_BYTES) {
        uint32_t position = written - back;

        if (read_line(&position) == (written - back) / LINE_BYTES) {
            readable = back;
        }
    }
    assert_in_range(readable, STATUS_LOG_BYTES / 2, STATUS_LOG_BYTES - LINE_BYTES);
    /* From further back it goes on with the oldest whole one, however far that is. */
    for (uint32_t back = readable + 1; back < 3 * STATUS_LOG_BYTES; back += 1000) {
        uint32_t position = written - back;

        assert_int_equal(read_line(&position), (written - readable) / LINE_BYTES);
    }
    /* The margin is a whole one: no line that can be read is touched by the longest next one. */
    assert_int_equal((STATUS_LOG_BYTES - readable) % 256, 0);
    uint32_t end = written;

    assert_int_equal(read_line(&end), UINT32_MAX);
    assert_int_equal(end, written);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bytes_of_a_text_that_are_none_become_question_marks),
        TEST(texts_are_cut_to_their_room_on_both_sides),
        TEST(lines_are_read_up_to_where_the_next_may_overwrite_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
