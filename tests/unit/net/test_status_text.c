/* SPDX-License-Identifier: MIT */
/* sources: net/status_text.c kernel/message/status.c kernel/message/channel.c */
/* sources: tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
/*
 * Tests net/status_text.c: texts of other nodes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "net/status_text.h"
#include "tests/unit/world/fake_platform.h"

#define SELF  0
#define OTHER 1

static int set_up(void **state)
{
    (void)state;
    fake_platform_reset(SELF, 2);
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
    memset(longer, 'x', sizeof(longer) - 1);
    status_set_text(1, "another");
    status_set_text(0, longer);
    status_copy_text(SELF, 1, text);
    assert_string_equal(text, "another"); /* it is as it was */
    status_set_text(0, "short");
    status_copy_text(SELF, 0, text);
    assert_string_equal(text, "short");
    /* One without an end ends all the same. */
    memset(fake_status_page(OTHER)->texts[0], 'y', STATUS_TEXT_BYTES);
    status_copy_text(OTHER, 0, text);
    assert_int_equal(strlen(text), STATUS_TEXT_BYTES - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(bytes_of_a_text_that_are_none_become_question_marks, set_up),
        cmocka_unit_test_setup(texts_are_cut_to_their_room_on_both_sides, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
