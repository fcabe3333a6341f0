/* SPDX-License-Identifier: MIT */
/*
 * Clocks, sleeping, and dates in UTC.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "kernel/message/dispatch.h"
#include "kernel/platform.h"
#include "kernel/thread/thread.h"
#include "libc/posix/descriptor.h"
#include "net/wall_clock.h"

#define DAY_S    86400
#define HOUR_S   3600
#define MINUTE_S 60

/* --- Clocks --- */

int clock_gettime(clockid_t clock, struct timespec *result)
{
    uint64_t now_ns;
    bool is_coarse = clock == CLOCK_REALTIME_COARSE || clock == CLOCK_MONOTONIC_COARSE;

    if (!is_coarse && clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC) {
        return (int)call_result(-EINVAL);
    }
    now_ns = is_coarse ? dispatch_now_ns() : platform_now_ns();
    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) {
        now_ns = wall_clock_at(now_ns);
    }
    result->tv_sec = (time_t)(now_ns / NS_PER_S);
    result->tv_nsec = (long)(now_ns % NS_PER_S);
    return 0;
}

time_t time(time_t *result)
{
    time_t now = (time_t)(wall_clock_at(platform_now_ns()) / NS_PER_S);

    if (result != NULL) {
        *result = now;
    }
    return now;
}

int gettimeofday(struct timeval *restrict result, void *restrict zone)
{
    struct timespec now;

    (void)zone;
    (void)clock_gettime(CLOCK_REALTIME, &now); /* this clock exists */
    result->tv_sec = now.tv_sec;
    result->tv_usec = now.tv_nsec / 1000;
    return 0;
}

/* --- Sleeping --- */

static void sleep_until(uint64_t deadline_ns)
{
    if (platform_now_ns() >= deadline_ns) {
        descriptor_yield(); /* no time at all is still a chance for others */
    }
    while (platform_now_ns() < deadline_ns) {
        (void)thread_block_until(deadline_ns); /* a wake that was meant for an earlier wait */
    }
}

int nanosleep(const struct timespec *duration, struct timespec *remaining)
{
    (void)remaining; /* nothing interrupts */
    if (duration->tv_sec < 0 || duration->tv_nsec < 0 || duration->tv_nsec >= (long)NS_PER_S) {
        return (int)call_result(-EINVAL);
    }
    uint64_t now_ns = platform_now_ns();
    uint64_t seconds = (uint64_t)duration->tv_sec;
    /* Beyond what the clock can count is for ever. */
    sleep_until(seconds < (UINT64_MAX - now_ns) / NS_PER_S
                    ? now_ns + seconds * NS_PER_S + (uint64_t)duration->tv_nsec
                    : UINT64_MAX);
    return 0;
}

unsigned sleep(unsigned seconds)
{
    sleep_until(platform_now_ns() + seconds * NS_PER_S);
    return 0;
}

int usleep(unsigned microseconds)
{
    sleep_until(platform_now_ns() + microseconds * NS_PER_US);
    return 0;
}

/* --- Dates --- */

/* Days from 1 March of year 0 (proleptic Gregorian) to 1 January 1970. Years that start in March
 * have the leap day last, and 400 of them are a fixed number of days. */
#define EPOCH_DAYS 719468
#define ERA_DAYS   146097 /* 400 years */
#define ERA_YEARS  400

static long divide_down(long value, long divisor)
{
    return value / divisor - (value % divisor < 0 ? 1 : 0);
}

static int is_leap_year(long year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

struct tm *gmtime_r(const time_t *restrict seconds, struct tm *restrict result)
{
    long days = divide_down(*seconds, DAY_S);
    long second = *seconds - days * DAY_S;
    long march_days = days + EPOCH_DAYS;
    long era = divide_down(march_days, ERA_DAYS);
    long day_of_era = march_days - era * ERA_DAYS;
    /* Take the leap days out: one in 4 years, none in 100, one in 400. */
    long year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    long day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    /* Five months from March are 153 days, whichever five. */
    long month = (5 * day_of_year + 2) / 153;
    long year = era * ERA_YEARS + year_of_era + (month >= 10 ? 1 : 0);

    result->tm_mday = (int)(day_of_year - (153 * month + 2) / 5) + 1;
    result->tm_mon = (int)(month < 10 ? month + 2 : month - 10);
    result->tm_year = (int)(year - 1900);
    result->tm_hour = (int)(second / HOUR_S);
    result->tm_min = (int)(second % HOUR_S / MINUTE_S);
    result->tm_sec = (int)(second % MINUTE_S);
    result->tm_wday = (int)(days + 4 - divide_down(days + 4, 7) * 7); /* day 0 was a Thursday */
    result->tm_yday =
        (int)(month >= 10 ? day_of_year - 306 : day_of_year + 59 + is_leap_year(year));
    result->tm_isdst = 0;
    return result;
}

time_t timegm(struct tm *date)
{
    /* Fields out of range carry over, as mktime() says. */
    long months = date->tm_year * 12l + date->tm_mon;
    long year = 1900 + divide_down(months, 12);
    long month = months - divide_down(months, 12) * 12; /* from January */
    long march_month = month >= 2 ? month - 2 : month + 10;
    long march_year = month >= 2 ? year : year - 1;
    long era = divide_down(march_year, ERA_YEARS);
    long year_of_era = march_year - era * ERA_YEARS;
    long days = era * ERA_DAYS + 365 * year_of_era + year_of_era / 4 - year_of_era / 100 +
                (153 * march_month + 2) / 5 + date->tm_mday - 1 - EPOCH_DAYS;
    time_t seconds =
        days * DAY_S + date->tm_hour * (long)HOUR_S + date->tm_min * (long)MINUTE_S + date->tm_sec;

    gmtime_r(&seconds, date);
    return seconds;
}

static const char *const day_names[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                        "Thursday", "Friday", "Saturday"};
static const char *const month_names[] = {"January",   "February", "March",    "April",
                                          "May",       "June",     "July",     "August",
                                          "September", "October",  "November", "December"};

/* The longest conversions are %F and %T of fields that have all digits of an int. */
#define FIELD_BYTES 40

/* One conversion as text, shorter than FIELD_BYTES; returns its length, 0 for an unknown one. */
static int print_field(char *text, size_t size, char conversion, const struct tm *date)
{
    switch (conversion) {
    case 'a':
        return snprintf(text, size, "%.3s", day_names[date->tm_wday]);
    case 'A':
        return snprintf(text, size, "%s", day_names[date->tm_wday]);
    case 'b':
        return snprintf(text, size, "%.3s", month_names[date->tm_mon]);
    case 'B':
        return snprintf(text, size, "%s", month_names[date->tm_mon]);
    case 'd':
        return snprintf(text, size, "%02d", date->tm_mday);
    case 'D':
        return snprintf(text, size, "%02d/%02d/%02d", date->tm_mon + 1, date->tm_mday,
                        date->tm_year % 100);
    case 'e':
        return snprintf(text, size, "%2d", date->tm_mday);
    case 'F':
        return snprintf(text, size, "%d-%02d-%02d", date->tm_year + 1900, date->tm_mon + 1,
                        date->tm_mday);
    case 'H':
        return snprintf(text, size, "%02d", date->tm_hour);
    case 'j':
        return snprintf(text, size, "%03d", date->tm_yday + 1);
    case 'm':
        return snprintf(text, size, "%02d", date->tm_mon + 1);
    case 'M':
        return snprintf(text, size, "%02d", date->tm_min);
    case 'n':
        return snprintf(text, size, "\n");
    case 'S':
        return snprintf(text, size, "%02d", date->tm_sec);
    case 't':
        return snprintf(text, size, "\t");
    case 'T':
        return snprintf(text, size, "%02d:%02d:%02d", date->tm_hour, date->tm_min, date->tm_sec);
    case 'y':
        return snprintf(text, size, "%02d", date->tm_year % 100);
    case 'Y':
        return snprintf(text, size, "%d", date->tm_year + 1900);
    case 'z':
        return snprintf(text, size, "+0000");
    case 'Z':
        return snprintf(text, size, "UTC");
    case '%':
        return snprintf(text, size, "%%");
    default:
        return 0;
    }
}

size_t strftime(char *restrict text, size_t size, const char *restrict format,
                const struct tm *restrict date)
{
    size_t length = 0;

    for (; *format != '\0'; format++) {
        char field[FIELD_BYTES] = {*format};
        int field_length = 1;
        if (*format == '%' && format[1] != '\0') {
            format++;
            field_length = print_field(field, sizeof(field), *format, date);
        }
        ASSERT(field_length < FIELD_BYTES);
        if (length + (size_t)field_length >= size) {
            return 0;
        }
        memcpy(text + length, field, (size_t)field_length);
        length += (size_t)field_length;
    }
    if (size > 0) {
        text[length] = '\0';
    }
    return length;
}
