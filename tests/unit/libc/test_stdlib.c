/* SPDX-License-Identifier: MIT */
/* sources: libc/posix/stdlib.c libc/core/strtol.c */
/* flags: -fno-builtin -include tests/unit/world/rename_stdlib.h */
/*
 * Tests libc/core/strtol.c and libc/posix/stdlib.c: numbers from text against the host's, sorting
 * and searching.
 */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernel/platform.h"
#include "libc/posix/descriptor.h"

/* From here on these names are the host's, and those with talus_ in front are ours. */
#undef abort
#undef strtoll
#undef strtoull
_Noreturn void abort(void);
long long strtoll(const char *text, char **end, int base);
unsigned long long strtoull(const char *text, char **end, int base);

/* --- What stdlib.c calls of a node --- */

void platform_panic(const char *file, int line, const char *format, ...)
{
    (void)file;
    (void)line;
    (void)format;
    abort();
}

node_id_t platform_node(void)
{
    return 0;
}

unsigned descriptor_limit(void)
{
    return 12345;
}

ssize_t call_result(ssize_t result)
{
    return result;
}

/* --- Numbers --- */

static const char *const texts[] = {
    "",
    " ",
    "-",
    "+",
    "0",
    "-0",
    "+7",
    " \t\n\v\f\r42x",
    "- 1",
    "--1",
    "0x",
    "0x1F",
    "0X1f",
    "-0x10",
    "0xg",
    "010",
    "08",
    "09z",
    "zZ",
    "12three",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "18446744073709551615",
    "18446744073709551616",
    "-18446744073709551615",
    "-18446744073709551616",
    "99999999999999999999999999",
    "0xFFFFFFFFFFFFFFFF",
    "0x10000000000000000 rest",
    "0000000000000000000000000000000000017",
};

static const int bases[] = {0, 2, 8, 10, 16, 36, 1, 37, -1};

static void numbers_are_taken_as_the_host_takes_them(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(texts); i++) {
        for (unsigned j = 0; j < ARRAY_COUNT(bases); j++) {
            char *end = NULL, *expected_end = NULL;
            int error;

            errno = 0;
            long long expected = strtoll(texts[i], &expected_end, bases[j]);
            error = errno;
            errno = 0;
            assert_int_equal(talus_strtoll(texts[i], &end, bases[j]), expected);
            assert_int_equal(errno, error);
            /* With a base that is none C leaves the end open. */
            if (error != EINVAL) {
                assert_ptr_equal(end, expected_end);
            }
            errno = 0;
            unsigned long long expected_unsigned = strtoull(texts[i], &expected_end, bases[j]);
            error = errno;
            errno = 0;
            assert_int_equal(talus_strtoull(texts[i], &end, bases[j]), expected_unsigned);
            assert_int_equal(errno, error);
            if (error != EINVAL) {
                assert_ptr_equal(end, expected_end);
            }
        }
    }
}

static void whoever_does_not_ask_is_not_told_the_end(void **state)
{
    (void)state;
    assert_int_equal(talus_strtol("12x", NULL, 10), 12);
    assert_int_equal(talus_strtoul("x", NULL, 10), 0);
    assert_int_equal(talus_atoi(" -12x"), -12);
    assert_int_equal(talus_atoll("9223372036854775807"), LLONG_MAX);
}

/* --- Sorting and searching --- */

static int compare(const void *left, const void *right)
{
    return *(const uint16_t *)left - *(const uint16_t *)right;
}

static void what_is_sorted_is_found_and_nothing_else(void **state)
{
    uint16_t numbers[65];

    (void)state;
    for (size_t count = 0; count <= ARRAY_COUNT(numbers); count++) {
        for (size_t i = 0; i < count; i++) {
            numbers[i] = (uint16_t)((i * 37 + 11) % 64 * 2);
        }
        talus_qsort(numbers, count, sizeof(numbers[0]), compare);
        for (size_t i = 0; i < count; i++) {
            uint16_t beside = numbers[i] + 1;
            const uint16_t *found =
                talus_bsearch(&numbers[i], numbers, count, sizeof(numbers[0]), compare);

            assert_true(i == 0 || numbers[i - 1] <= numbers[i]);
            assert_non_null(found);
            assert_int_equal(*found, numbers[i]);
            assert_null(talus_bsearch(&beside, numbers, count, sizeof(numbers[0]), compare));
        }
    }
}

static void the_limit_of_descriptors_can_be_asked(void **state)
{
    (void)state;
    assert_int_equal(talus_sysconf(_SC_OPEN_MAX), 12345);
    assert_int_equal(talus_sysconf(_SC_PAGESIZE), 4096);
    assert_int_equal(talus_sysconf(12345), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_taken_as_the_host_takes_them),
        cmocka_unit_test(whoever_does_not_ask_is_not_told_the_end),
        cmocka_unit_test(what_is_sorted_is_found_and_nothing_else),
        cmocka_unit_test(the_limit_of_descriptors_can_be_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
