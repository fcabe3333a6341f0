/* SPDX-License-Identifier: MIT */
/* sources: libc/posix/time.c */
/* flags: -D_GNU_SOURCE -Dclock_gettime=talus_clock_gettime -Dtime=talus_time -Dsleep=talus_sleep */
/* flags: -Dgettimeofday=talus_gettimeofday -Dnanosleep=talus_nanosleep -Dusleep=talus_usleep */
/* flags: -Dgmtime_r=talus_gmtime_r -Dtimegm=talus_timegm -Dstrftime=talus_strftime */
/*
 * Tests libc/posix/time.c.
 */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <time.h>
#include <unistd.h>

#include "kernel/message/dispatch.h"
#include "kernel/platform.h"
#include "kernel/thread/thread.h"
#include "libc/posix/descriptor.h"

/* --- What time.c stands on --- */

static uint64_t now_ns;

uint64_t platform_now_ns(void)
{
    return now_ns;
}

uint64_t platform_boot_epoch_s(void)
{
    return 1000000000;
}

uint64_t dispatch_now_ns(void)
{
    return now_ns;
}

bool thread_block_until(uint64_t deadline_ns)
{
    now_ns = deadline_ns;
    return false;
}

static unsigned yield_count;

void descriptor_yield(void)
{
    yield_count++;
}

ssize_t call_result(ssize_t result)
{
    if (result < 0) {
        errno = (int)-result;
        return -1;
    }
    return result;
}

void platform_panic(const char *file, int line, const char *format, ...)
{
    (void)format;
    _fail(file, line);
    abort();
}

/* --- Tests --- */

static void a_sleep_lasts_as_long_as_it_says(void **state)
{
    struct timespec duration = {.tv_sec = 2, .tv_nsec = 5};

    (void)state;
    now_ns = 100;
    assert_int_equal(nanosleep(&duration, NULL), 0);
    assert_int_equal(now_ns, 2 * NS_PER_S + 105);
    assert_int_equal(sleep(UINT_MAX), 0);
    assert_int_equal(now_ns, 2 * NS_PER_S + 105 + UINT_MAX * NS_PER_S);
    duration.tv_nsec = NS_PER_S;
    assert_int_equal(nanosleep(&duration, NULL), -1);
    assert_int_equal(errno, EINVAL);
}

/* A loop that sleeps for no time kept its node from doing anything else. */
static void a_sleep_of_no_time_lets_others_run(void **state)
{
    const struct timespec none = {0};

    (void)state;
    now_ns = 100;
    yield_count = 0;
    assert_int_equal(nanosleep(&none, NULL), 0);
    assert_int_equal(usleep(0), 0);
    assert_int_equal(sleep(0), 0);
    assert_int_equal(yield_count, 3);
    assert_int_equal(now_ns, 100);
}

/* The nanoseconds wrapped, and it returned early. */
static void a_sleep_longer_than_the_clock_counts_is_for_ever(void **state)
{
    const long seconds[] = {LONG_MAX, UINT64_MAX / NS_PER_S, UINT64_MAX / NS_PER_S + 1};

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(seconds); i++) {
        struct timespec duration = {.tv_sec = seconds[i], .tv_nsec = NS_PER_S - 1};
        now_ns = 100;
        assert_int_equal(nanosleep(&duration, NULL), 0);
        assert_true(now_ns == UINT64_MAX);
    }
}

static void a_date_becomes_seconds_and_seconds_a_date(void **state)
{
    const time_t seconds[] = {0, -1, 951782400, 951868799, 4102444800, -62135596800};

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(seconds); i++) {
        struct tm date;
        assert_ptr_equal(gmtime_r(&seconds[i], &date), &date);
        assert_true(timegm(&date) == seconds[i]);
    }
}

static void a_date_is_printed_as_http_wants_it(void **state)
{
    const time_t seconds = 784111777;
    struct tm date;
    char text[30];

    (void)state;
    gmtime_r(&seconds, &date);
    assert_int_equal(strftime(text, sizeof(text), "%a, %d %b %Y %T GMT", &date), 29);
    assert_string_equal(text, "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_int_equal(strftime(text, 29, "%a, %d %b %Y %T GMT", &date), 0);
}

/* Bytes behind a field's text were copied. */
static void fields_of_any_length_are_printed_whole(void **state)
{
    const struct tm date = {.tm_year = INT_MIN + 1, .tm_mon = INT_MIN, .tm_mday = INT_MIN};
    const struct tm ones = {.tm_hour = INT_MIN, .tm_min = INT_MIN, .tm_sec = INT_MIN};
    char text[64];

    (void)state;
    assert_int_equal(strftime(text, sizeof(text), "%D", &date), 27);
    assert_string_equal(text, "-2147483647/-2147483648/-47");
    assert_int_equal(strftime(text, sizeof(text), "%T", &ones), 35);
    assert_string_equal(text, "-2147483648:-2147483648:-2147483648");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sleep_lasts_as_long_as_it_says),
        cmocka_unit_test(a_sleep_of_no_time_lets_others_run),
        cmocka_unit_test(a_sleep_longer_than_the_clock_counts_is_for_ever),
        cmocka_unit_test(a_date_becomes_seconds_and_seconds_a_date),
        cmocka_unit_test(a_date_is_printed_as_http_wants_it),
        cmocka_unit_test(fields_of_any_length_are_printed_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
