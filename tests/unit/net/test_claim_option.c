/* SPDX-License-Identifier: MIT */
/* sources: net/transport/claim_option.c tests/unit/world/kept_log.c */
/*
 * Tests net/transport/claim_option.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/transport/claim_option.h"
#include "tests/unit/world/kept_log.h"

static void the_word_is_taken_in_milliseconds(void **state)
{
    (void)state;
    kept_log_clear();
    assert_int_equal(claim_option_timeout_ns(""), CLAIM_TIMEOUT_DEFAULT_NS);
    assert_int_equal(claim_option_timeout_ns("claim-timeout=1"), NS_PER_MS);
    assert_int_equal(claim_option_timeout_ns("a=b claim-timeout=250 -- claim-timeout=3"),
                     250 * NS_PER_MS);
    assert_int_equal(claim_option_timeout_ns("claim-timeout=10000"), 10 * NS_PER_S);
    assert_string_equal(kept_log(), "");
}

static void what_is_no_such_number_is_logged_and_the_default_used(void **state)
{
    static const char *const lines[] = {
        "claim-timeout=",   "claim-timeout=0",     "claim-timeout=10001",
        "claim-timeout=-1", "claim-timeout=100us", "claim-timeout=99999999999999999999999",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        kept_log_clear();
        assert_int_equal(claim_option_timeout_ns(lines[i]), CLAIM_TIMEOUT_DEFAULT_NS);
        assert_true(is_logged("claim-timeout= is not a number of milliseconds from 1 to 10000"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_word_is_taken_in_milliseconds),
        cmocka_unit_test(what_is_no_such_number_is_logged_and_the_default_used),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
