/* SPDX-License-Identifier: MIT */
/* sources: net/streams/grant_option.c tests/unit/world/kept_log.c */
/*
 * Tests net/streams/grant_option.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/messages.h"
#include "net/streams/grant_option.h"
#include "tests/unit/world/kept_log.h"

static void the_word_says_how_many(void **state)
{
    (void)state;
    kept_log_clear();
    assert_int_equal(grant_option_most(""), GRANT_MAX);
    assert_int_equal(grant_option_most("grants=0"), 0);
    assert_int_equal(grant_option_most("a=b grants=3 -- grants=4"), 3);
    assert_int_equal(grant_option_most("grants=16"), 16);
    assert_string_equal(kept_log(), "");
}

static void what_is_no_such_number_is_logged_and_the_most_used(void **state)
{
    static const char *const lines[] = {"grants=", "grants=17", "grants=-1", "grants=all"};

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        kept_log_clear();
        assert_int_equal(grant_option_most(lines[i]), GRANT_MAX);
        assert_true(is_logged("grants= is not a number from 0 to 16; it is 16"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_word_says_how_many),
        cmocka_unit_test(what_is_no_such_number_is_logged_and_the_most_used),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
