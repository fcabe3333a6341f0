/* SPDX-License-Identifier: MIT */
/* sources: apps/picture/units.c */
/*
 * Tests apps/picture/units.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "apps/picture/units.h"
#include "kernel/base.h"

static char text[256];
static struct output output;

static struct output *fresh(void)
{
    output_start(&output, text, sizeof(text));
    return &output;
}

static void rates_have_three_digits_or_so(void **state)
{
    static const struct {
        uint64_t thousandths;
        const char *text;
    } cases[] = {
        {0, "0"},
        {1, "0.0"},
        {99, "0.0"},
        {100, "0.1"},
        {9999, "9.9"},
        {10000, "10"},
        {999999, "999"},
        {1000000, "1,000"},
        {9999999, "9,999"},
        {10000000, "10.0&#160;k"},
        {123456000, "123&#160;k"},
        {999999999, "999&#160;k"},
        {1000000000, "1.00&#160;M"},
        {12345678000, "12.3&#160;M"},
        {UINT64_C(5000000000000), "5.00&#160;G"},
        {UINT64_MAX, "18.4&#160;P"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        units_append(fresh(), cases[i].thousandths);
        assert_string_equal(text, cases[i].text);
    }
}

static void counts_are_whole_numbers(void **state)
{
    (void)state;
    units_append_count(fresh(), 3);
    assert_string_equal(text, "3");
    units_append_count(fresh(), 1234);
    assert_string_equal(text, "1,234");
    units_append_count(fresh(), UINT64_MAX / 1000 - 1);
    assert_string_equal(text, "18.4&#160;P");
    units_append_count(fresh(), UINT64_MAX);
    assert_string_equal(text, "18.4&#160;P");
}

static void durations_have_the_unit_that_fits(void **state)
{
    static const struct {
        uint64_t ns;
        const char *text;
    } cases[] = {
        {0, "0&#160;ns"},
        {999, "999&#160;ns"},
        {1000, "1.00&#160;&#181;s"},
        {12340, "12.3&#160;&#181;s"},
        {999999, "999&#160;&#181;s"},
        {1000000, "1.00&#160;ms"},
        {UINT64_C(1050000000), "1.05&#160;s"},
        {UINT64_C(1234000000000), "1,234&#160;s"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        units_append_duration(fresh(), cases[i].ns);
        assert_string_equal(text, cases[i].text);
    }
}

static void long_durations_are_told_in_two_units_at_most(void **state)
{
    static const struct {
        uint64_t seconds;
        const char *text;
    } cases[] = {
        {0, "0&#160;s"},
        {119, "119&#160;s"},
        {120, "2&#160;min"},
        {3599, "59&#160;min"},
        {3600, "1&#160;h 0&#160;min"},
        {86399, "23&#160;h 59&#160;min"},
        {86400, "1&#160;d 0&#160;h"},
        {12 * 86400 + 3 * 3600, "12&#160;d 3&#160;h"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        units_append_long_duration(fresh(), cases[i].seconds * NS_PER_S);
        assert_string_equal(text, cases[i].text);
    }
}

static void shares_have_two_places(void **state)
{
    (void)state;
    units_append_share(fresh(), 0);
    assert_string_equal(text, "0.00%");
    units_append_share(fresh(), 10000);
    assert_string_equal(text, "100.00%");
    units_append_share(fresh(), 1205);
    assert_string_equal(text, "12.05%");
}

/* What comes from elsewhere ends no element and opens none, and is no longer than its place. */
static void text_is_escaped_and_cut(void **state)
{
    (void)state;
    units_append_escaped(fresh(), "a<b>&\"c", 7);
    assert_string_equal(text, "a&lt;b&gt;&amp;&quot;c");
    units_append_escaped(fresh(), "a\x01\xff\n", 8);
    assert_string_equal(text, "a???");
    units_append_escaped(fresh(), "webserver", 9);
    assert_string_equal(text, "webserver");
    units_append_escaped(fresh(), "webservers", 9);
    assert_string_equal(text, "webserve&#8230;");
    units_append_escaped(fresh(), "", 9);
    assert_string_equal(text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates_have_three_digits_or_so),
        cmocka_unit_test(counts_are_whole_numbers),
        cmocka_unit_test(durations_have_the_unit_that_fits),
        cmocka_unit_test(long_durations_are_told_in_two_units_at_most),
        cmocka_unit_test(shares_have_two_places),
        cmocka_unit_test(text_is_escaped_and_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
