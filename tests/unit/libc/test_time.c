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

#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "kernel/message/dispatch.h"
#include "kernel/platform.h"
#include "kernel/thread/thread.h"
#include "libc/posix/descriptor.h"
#include "net/wall_clock.h"

/* --- What time.c stands on --- */

static uint64_t now_ns;

uint64_t platform_now_ns(void)
{
    return now_ns;
}

uint64_t wall_clock_at(uint64_t at_ns)
{
    return 1000000000 * NS_PER_S + at_ns;
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

static void short_sleeps_last_as_long_as_they_say(void **state)
{
    struct timespec none = {0};

    (void)state;
    now_ns = 7;
    assert_int_equal(usleep(1500), 0);
    assert_int_equal(now_ns, 7 + 1500 * NS_PER_US);
    assert_int_equal(sleep(3), 0);
    assert_int_equal(now_ns, 7 + 1500 * NS_PER_US + 3 * NS_PER_S);
    assert_int_equal(nanosleep(&none, NULL), 0);
    assert_int_equal(now_ns, 7 + 1500 * NS_PER_US + 3 * NS_PER_S);
    none.tv_nsec = -1;
    assert_int_equal(nanosleep(&none, NULL), -1);
    none = (struct timespec){.tv_sec = -1};
    assert_int_equal(nanosleep(&none, NULL), -1);
    none = (struct timespec){.tv_nsec = NS_PER_S - 1};
    assert_int_equal(nanosleep(&none, NULL), 0);
}

static void clocks_tell_the_time_since_1970_or_since_boot(void **state)
{
    static const struct {
        clockid_t clock;
        time_t start_s;
    } clocks[] = {{CLOCK_REALTIME, 1000000000},
                  {CLOCK_REALTIME_COARSE, 1000000000},
                  {CLOCK_MONOTONIC, 0},
                  {CLOCK_MONOTONIC_COARSE, 0}};
    struct timespec now;
    struct timeval day;
    time_t seconds = 0;

    (void)state;
    now_ns = 5 * NS_PER_S + 123456789;
    for (size_t i = 0; i < ARRAY_COUNT(clocks); i++) {
        assert_int_equal(clock_gettime(clocks[i].clock, &now), 0);
        assert_int_equal(now.tv_sec, clocks[i].start_s + 5);
        assert_int_equal(now.tv_nsec, 123456789);
    }
    errno = 0;
    assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(time(NULL), 1000000005);
    assert_int_equal(time(&seconds), 1000000005);
    assert_int_equal(seconds, 1000000005);
    assert_int_equal(gettimeofday(&day, NULL), 0);
    assert_int_equal(day.tv_sec, 1000000005);
    assert_int_equal(day.tv_usec, 123456);
}

/* The host's, whose names the flags have taken. */
#undef gmtime_r
#undef strftime
struct tm *gmtime_r(const time_t *seconds, struct tm *result);
size_t strftime(char *text, size_t size, const char *format, const struct tm *date);

/* Every day of 800 years, each at another time of day: they hold all kinds of leap years. */
static void dates_are_those_of_the_host(void **state)
{
    /* Before 1900 two digits of a year are left open. */
    static const char *const formats[] = {"%a %A %b %B %d %e %F %H %j %m %M%n%S%t%T %Y %%",
                                          "%D %y"};

    (void)state;
    for (long day = -146097; day < 146097; day++) {
        time_t seconds = day * 86400 + (day * 7919 % 86400 + 86400) % 86400;
        struct tm date, expected;

        assert_non_null(gmtime_r(&seconds, &expected));
        assert_ptr_equal(talus_gmtime_r(&seconds, &date), &date);
        if (date.tm_mday != expected.tm_mday || date.tm_mon != expected.tm_mon ||
            date.tm_year != expected.tm_year || date.tm_hour != expected.tm_hour ||
            date.tm_min != expected.tm_min || date.tm_sec != expected.tm_sec ||
            date.tm_wday != expected.tm_wday || date.tm_yday != expected.tm_yday ||
            date.tm_isdst != 0) {
            fail_msg("%ld is another date", (long)seconds);
        }
        assert_true(talus_timegm(&date) == seconds);
        for (size_t i = 0; day % 31 == 0 && i < (date.tm_year >= 0 ? 2 : 1); i++) {
            char text[256], expected_text[256];
            size_t length = strftime(expected_text, sizeof(expected_text), formats[i], &expected);

            assert_int_equal(talus_strftime(text, sizeof(text), formats[i], &date), length);
            assert_string_equal(text, expected_text);
        }
    }
}

/* As mktime() says of fields that are out of range: they come out in range. */
static void fields_out_of_range_carry_over(void **state)
{
    struct tm date = {
        .tm_year = 100, .tm_mon = 14, .tm_mday = 0, .tm_hour = 25, .tm_min = -1, .tm_sec = 61};
    struct tm before = {.tm_year = 100, .tm_mon = -1, .tm_mday = 32};

    (void)state;
    assert_int_equal(talus_timegm(&date), 983408401); /* 2001-03-01 01:00:01 less a day and back */
    assert_int_equal(date.tm_year, 101);
    assert_int_equal(date.tm_mon, 2);
    assert_int_equal(date.tm_mday, 1);
    assert_int_equal(date.tm_hour, 1);
    assert_int_equal(date.tm_min, 0);
    assert_int_equal(date.tm_sec, 1);
    assert_int_equal(talus_timegm(&before), 946684800); /* 2000-01-01 */
    assert_int_equal(before.tm_mon, 0);
    assert_int_equal(before.tm_year, 100);
}

static void text_that_does_not_fit_is_told_and_unknown_fields_are_left_out(void **state)
{
    const struct tm date = {.tm_year = 94, .tm_mon = 10, .tm_mday = 6};
    char text[8];

    (void)state;
    assert_int_equal(talus_strftime(text, 8, "%d %Q%z", &date), 0); /* a zero belongs to it */
    assert_int_equal(talus_strftime(text, 8, "%Q%z", &date), 5);
    assert_string_equal(text, "+0000");
    assert_int_equal(talus_strftime(text, 8, "%Z%", &date), 4);
    assert_string_equal(text, "UTC%");
    assert_int_equal(talus_strftime(text, 5, "abcd", &date), 4);
    assert_int_equal(talus_strftime(text, 4, "abcd", &date), 0);
    text[0] = 'x';
    assert_int_equal(talus_strftime(text, 0, "", &date), 0);
    assert_int_equal(text[0], 'x');
    assert_int_equal(talus_strftime(text, 1, "", &date), 0);
    assert_int_equal(text[0], '\0');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_sleeps_last_as_long_as_they_say),
        cmocka_unit_test(clocks_tell_the_time_since_1970_or_since_boot),
        cmocka_unit_test(dates_are_those_of_the_host),
        cmocka_unit_test(fields_out_of_range_carry_over),
        cmocka_unit_test(text_that_does_not_fit_is_told_and_unknown_fields_are_left_out),
        cmocka_unit_test(a_sleep_lasts_as_long_as_it_says),
        cmocka_unit_test(a_sleep_of_no_time_lets_others_run),
        cmocka_unit_test(a_sleep_longer_than_the_clock_counts_is_for_ever),
        cmocka_unit_test(a_date_becomes_seconds_and_seconds_a_date),
        cmocka_unit_test(a_date_is_printed_as_http_wants_it),
        cmocka_unit_test(fields_of_any_length_are_printed_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
