/* SPDX-License-Identifier: MIT */
/*
 * Tests libc/core/numbers.c, where it can be against the host's strtoull.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/base.h"
#include "libc/core/numbers.h"

static int parse(const char *text, unsigned base, uint64_t most, uint64_t *number)
{
    return number_parse(text, strlen(text), base, most, number);
}

static void a_digit_is_worth_what_its_base_says(void **state)
{
    (void)state;
    for (unsigned base = 2; base <= NUMBER_BASE_MAX; base++) {
        for (int character = -128; character < 128; character++) {
            char text[2] = {(char)character, '\0'};
            char *end;
            long expected = strtol(text, &end, (int)base);

            assert_int_equal(number_digit((char)character, base),
                             *text == '\0' || end == text ? -1 : expected);
        }
    }
}

/* Whatever stands there: both stop at the same place with the same number. */
static void digits_are_taken_as_strtoull_takes_them(void **state)
{
    static const char *const texts[] = {
        "0",
        "00",
        "7",
        "8",
        "10",
        "0123456789",
        "ffffffffffffffff",
        "FFFFFFFFFFFFFFFF",
        "10000000000000000",
        "18446744073709551615",
        "18446744073709551616",
        "99999999999999999999",
        "1777777777777777777777",
        "2000000000000000000000",
        "12a",
        "zz",
        "12,34",
        "1 2",
        "1-2",
        "184467440737095516150000000000000000000000000001",
    };
    static const unsigned bases[] = {2, 8, 10, 16, 36};

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(texts); i++) {
        for (unsigned j = 0; j < ARRAY_COUNT(bases); j++) {
            const char *at = texts[i];
            char *end;
            uint64_t number;

            errno = 0;
            uint64_t expected = strtoull(texts[i], &end, (int)bases[j]);
            int expected_error = end == texts[i] ? -EINVAL : -errno;

            assert_int_equal(number_take(&at, NULL, bases[j], UINT64_MAX, &number), expected_error);
            assert_ptr_equal(at, end);
            assert_int_equal(number, expected);
        }
    }
}

static void no_digit_is_no_number(void **state)
{
    static const char *const texts[] = {"",   " ",  " 1",  "+1", "-1", "x", "0x",  "0x1",
                                        "1 ", "1x", "1.0", "a",  "/",  ":", "\xB1"};
    uint64_t number;

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(texts); i++) {
        number = 99;
        assert_int_equal(parse(texts[i], 10, UINT64_MAX, &number), -EINVAL);
        assert_int_equal(number, 0);
    }
}

static void what_stands_in_front_of_no_number_stays(void **state)
{
    const char *text = "x1";
    const char *at = text;
    uint64_t number = 99;

    (void)state;
    assert_int_equal(number_take(&at, NULL, 10, 5, &number), -EINVAL);
    assert_ptr_equal(at, text);
    assert_int_equal(number, 0);
}

static void the_largest_number_is_taken_and_one_more_is_refused(void **state)
{
    static const uint64_t limits[] = {0,   1,     7,          9,         10,
                                      255, 65535, UINT32_MAX, INT64_MAX, UINT64_MAX - 1};

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(limits); i++) {
        char text[32];
        uint64_t number;

        (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)limits[i]);
        assert_int_equal(parse(text, 10, limits[i], &number), 0);
        assert_int_equal(number, limits[i]);
        (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)limits[i] + 1);
        assert_int_equal(parse(text, 10, limits[i], &number), -ERANGE);
        assert_int_equal(number, 0);
    }
}

/* 2^64 wraps to 0 and 2^64 + 5 to 5: neither may pass for them, however many digits follow. */
static void a_number_that_wraps_is_refused(void **state)
{
    const char *text = "184467440737095516210 rest";
    const char *at = text;
    uint64_t number;

    (void)state;
    assert_int_equal(parse("18446744073709551616", 10, UINT64_MAX, &number), -ERANGE);
    assert_int_equal(parse("18446744073709551621", 10, 10, &number), -ERANGE);
    assert_int_equal(parse("10000000000000005", 16, UINT64_MAX, &number), -ERANGE);
    assert_int_equal(number_take(&at, NULL, 10, 100, &number), -ERANGE);
    assert_string_equal(at, " rest");
    assert_int_equal(number, 100);
}

static void nothing_is_read_at_the_end_or_behind_it(void **state)
{
    /* Of its very size, so that the sanitizer sees a read behind it. */
    char *text = memcpy(malloc(3), "123", 3);
    const char *at = text;
    uint64_t number;

    (void)state;

    assert_int_equal(number_take(&at, text + 3, 10, UINT64_MAX, &number), 0);
    assert_ptr_equal(at, text + 3);
    assert_int_equal(number, 123);
    at = text;
    assert_int_equal(number_take(&at, text + 2, 10, UINT64_MAX, &number), 0);
    assert_int_equal(number, 12);
    at = text;
    assert_int_equal(number_take(&at, text, 10, UINT64_MAX, &number), -EINVAL);
    assert_int_equal(number_parse(text, 3, 10, UINT64_MAX, &number), 0);
    assert_int_equal(number, 123);
    assert_int_equal(number_parse(text + 3, 0, 10, UINT64_MAX, &number), -EINVAL);
    assert_int_equal(number_parse_size(text, 3, &number), 0);
    assert_int_equal(number_parse_size(text + 3, 0, &number), -EINVAL);
    free(text);
}

static void leading_zeros_do_not_count(void **state)
{
    uint64_t number;

    (void)state;
    assert_int_equal(parse("0000000000000000000000000000000000000000255", 10, 255, &number), 0);
    assert_int_equal(number, 255);
}

static void a_unit_multiplies(void **state)
{
    static const struct {
        const char *text;
        uint64_t number;
    } sizes[] = {
        {"0", 0},
        {"1", 1},
        {"4096", 4096},
        {"1k", 1ull << 10},
        {"1K", 1 << 10},
        {"3m", 3ull << 20},
        {"3M", 3 << 20},
        {"2g", 2ull << 30},
        {"2G", 2ull << 30},
        {"5t", 5ull << 40},
        {"5T", 5ull << 40},
        {"0T", 0},
        {"16777215T", 16777215ull << 40},
        {"18446744073709551615", UINT64_MAX},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(sizes); i++) {
        uint64_t number;

        assert_int_equal(number_parse_size(sizes[i].text, strlen(sizes[i].text), &number), 0);
        assert_int_equal(number, sizes[i].number);
    }
}

static void a_size_without_digits_or_too_large_is_refused(void **state)
{
    static const struct {
        const char *text;
        int error;
    } sizes[] = {
        {"", -EINVAL},
        {"K", -EINVAL},
        {"KK", -EINVAL},
        {"1KK", -EINVAL},
        {"1KB", -EINVAL},
        {"1P", -EINVAL},
        {"1 K", -EINVAL},
        {"-1K", -EINVAL},
        {"1.5G", -EINVAL},
        {"+", -EINVAL},
        {"\x0B", -EINVAL},
        {"16777216T", -ERANGE},
        {"18446744073709551616", -ERANGE},
        {"18014398509481984K", -ERANGE},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(sizes); i++) {
        uint64_t number = 99;

        assert_int_equal(number_parse_size(sizes[i].text, strlen(sizes[i].text), &number),
                         sizes[i].error);
        assert_int_equal(number, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_digit_is_worth_what_its_base_says),
        cmocka_unit_test(digits_are_taken_as_strtoull_takes_them),
        cmocka_unit_test(no_digit_is_no_number),
        cmocka_unit_test(what_stands_in_front_of_no_number_stays),
        cmocka_unit_test(the_largest_number_is_taken_and_one_more_is_refused),
        cmocka_unit_test(a_number_that_wraps_is_refused),
        cmocka_unit_test(nothing_is_read_at_the_end_or_behind_it),
        cmocka_unit_test(leading_zeros_do_not_count),
        cmocka_unit_test(a_unit_multiplies),
        cmocka_unit_test(a_size_without_digits_or_too_large_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
