/* SPDX-License-Identifier: MIT */
/* sources: libc/posix/stdlib.c libc/core/strtol.c */
/* flags: -fno-builtin -fno-inline -include tests/unit/world/rename_stdlib.h */
/*
 * Tests libc/core/strtol.c and libc/posix/stdlib.c: numbers from text against the host's, sorting
 * and searching. Without -fno-inline the host would search: its header has an inline bsearch().
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

/* What ends a program comes back here. */
static jmp_buf program;
enum { PANICKED = 1 };
static char panic_text[64];
static int panic_line;

void platform_panic(const char *file, int line, const char *format, ...)
{
    va_list arguments;

    (void)file;
    va_start(arguments, format);
    vsnprintf(panic_text, sizeof(panic_text), format, arguments);
    va_end(arguments);
    panic_line = line;
    longjmp(program, PANICKED);
}

node_id_t platform_node(void)
{
    return 6;
}

unsigned descriptor_limit(void)
{
    return 12345;
}

ssize_t call_result(ssize_t result)
{
    if (result < 0) {
        errno = (int)-result;
        return -1;
    }
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
    errno = 0;
    assert_int_equal(talus_sysconf(12345), -1);
    assert_int_equal(errno, EINVAL);
}

/* Elements of any size are moved whole: each carries its own number in every byte. */
static int compare_first_bytes(const void *left, const void *right)
{
    return *(const uint8_t *)left - *(const uint8_t *)right;
}

static void elements_of_any_size_are_moved_whole(void **state)
{
    uint8_t elements[20][7];

    (void)state;
    for (size_t i = 0; i < 20; i++) {
        for (size_t j = 0; j < 7; j++) {
            elements[i][j] = (uint8_t)((i * 13 + 5) % 20 * 2 + j);
        }
    }
    talus_qsort(elements, 20, 7, compare_first_bytes);
    for (size_t i = 0; i < 20; i++) {
        for (size_t j = 0; j < 7; j++) {
            assert_int_equal(elements[i][j], i * 2 + j);
        }
    }
}

/* Every number below, between and above those that are there; never a look outside. */
static void nothing_is_found_where_nothing_is(void **state)
{
    (void)state;
    for (size_t count = 0; count < 40; count++) {
        uint16_t *numbers = malloc(count * sizeof(*numbers));

        for (size_t i = 0; i < count; i++) {
            numbers[i] = (uint16_t)(2 * i + 1);
        }
        for (uint16_t key = 0; key <= 2 * count + 1; key++) {
            const uint16_t *found =
                talus_bsearch(&key, numbers, count, sizeof(numbers[0]), compare);

            assert_ptr_equal(found, key % 2 == 1 && key < 2 * count ? &numbers[key / 2] : NULL);
        }
        free(numbers);
    }
}

/* --- The rest --- */

static void absolute_values_lose_their_sign(void **state)
{
    (void)state;
    assert_int_equal(talus_abs(-5), 5);
    assert_int_equal(talus_abs(5), 5);
    assert_int_equal(talus_abs(0), 0);
    assert_true(talus_labs(LONG_MIN + 1) == LONG_MAX);
    assert_true(talus_labs(7) == 7);
    assert_true(talus_llabs(-9223372036854775807) == LLONG_MAX);
    assert_true(talus_llabs(1) == 1);
}

/* Marsaglia's sequence (13, 17, 5) from 1, as the paper has it, without its sign bit. */
static void random_numbers_are_those_of_the_seed(void **state)
{
    static const uint32_t first[] = {270369, 67634689, 2647435461, 307599695};

    (void)state;
    for (unsigned round = 0; round < 2; round++) {
        for (size_t i = 0; i < ARRAY_COUNT(first); i++) {
            assert_int_equal(talus_rand(), first[i] & RAND_MAX);
        }
        talus_srand(round); /* 0 is no state: it means 1 */
    }
    talus_srand(2);
    assert_int_equal(talus_rand(), 540738);
}

static void a_program_has_a_node_and_no_surroundings(void **state)
{
    (void)state;
    assert_null(talus_getenv("PATH"));
    assert_int_equal(talus_getpid(), 7); /* of node 6 */
}

_Noreturn void assertion_failed(const char *condition, const char *file, int line);

static void a_program_that_aborts_ends_in_a_panic(void **state)
{
    volatile int how;

    (void)state;
    how = setjmp(program);
    if (how == 0) {
        talus_abort();
    }
    assert_int_equal(how, PANICKED);
    how = setjmp(program);
    if (how == 0) {
        assertion_failed("a < b", "file.c", 12);
    }
    assert_int_equal(how, PANICKED);
    assert_string_equal(panic_text, "assertion failed: a < b");
    assert_int_equal(panic_line, 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_taken_as_the_host_takes_them),
        cmocka_unit_test(whoever_does_not_ask_is_not_told_the_end),
        cmocka_unit_test(what_is_sorted_is_found_and_nothing_else),
        cmocka_unit_test(the_limit_of_descriptors_can_be_asked),
        cmocka_unit_test(elements_of_any_size_are_moved_whole),
        cmocka_unit_test(nothing_is_found_where_nothing_is),
        cmocka_unit_test(absolute_values_lose_their_sign),
        cmocka_unit_test(random_numbers_are_those_of_the_seed),
        cmocka_unit_test(a_program_has_a_node_and_no_surroundings),
        cmocka_unit_test(a_program_that_aborts_ends_in_a_panic),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
