/* SPDX-License-Identifier: MIT */
/*
 * Each form is a pattern, so that they are read in one way. What is read is checked against the
 * calendar, all but the day's name, which tells nothing.
 */
#include "apps/httpd/date.h"

#include <string.h>

#include "apps/httpd/check.h"
#include "libc/core/numbers.h"

/* Of two digits: a year that would lie further ahead is one of the last century (RFC 9110 5.6.7).
 */
#define YEARS_AHEAD_MAX 50

/* w, W: a day's short or long name; d: its number; e: perhaps with a blank for the first digit;
 * m: a month's name; y, Y: a year of two or four digits; h, i, s: hour, minute, second; all else is
 * itself. */
static const char *const forms[] = {
    "w, d m Y h:i:s GMT", /* IMF-fixdate */
    "W, d-m-y h:i:s GMT", /* RFC 850 */
    "w m e h:i:s Y",      /* asctime() */
};

static const char *const day_names[] = {
    "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday",
};

#define SHORT_NAME_BYTES 3

struct reader {
    const char *at, *end;
    bool has_failed;
};

void date_print(time_t seconds, char text[DATE_BYTES + 1])
{
    struct tm date;

    gmtime_r(&seconds, &date);
    size_t bytes = strftime(text, DATE_BYTES + 1, "%a, %d %b %Y %H:%M:%S GMT", &date);

    /* Otherwise the text is undefined (C11 7.27.3.5). */
    assert(bytes == DATE_BYTES);
    (void)bytes;
}

static bool take_text(struct reader *reader, const char *text, size_t bytes)
{
    if ((size_t)(reader->end - reader->at) < bytes || memcmp(reader->at, text, bytes) != 0) {
        return false;
    }
    reader->at += bytes;
    return true;
}

static void take_day_name(struct reader *reader, bool is_long)
{
    for (size_t i = 0; i < sizeof(day_names) / sizeof(day_names[0]); i++) {
        if (take_text(reader, day_names[i], is_long ? strlen(day_names[i]) : SHORT_NAME_BYTES)) {
            return;
        }
    }
    reader->has_failed = true;
}

static int take_month(struct reader *reader)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

    for (int month = 0; month < 12; month++) {
        if (take_text(reader, names + SHORT_NAME_BYTES * month, SHORT_NAME_BYTES)) {
            return month;
        }
    }
    reader->has_failed = true;
    return 0;
}

static int take_number(struct reader *reader, size_t digits)
{
    uint64_t number = 0;

    if ((size_t)(reader->end - reader->at) < digits ||
        number_parse(reader->at, digits, 10, 9999, &number) != 0) {
        reader->has_failed = true;
        return 0;
    }
    reader->at += digits;
    return (int)number;
}

static int whole_year(int of_century, time_t now_s)
{
    struct tm now;

    gmtime_r(&now_s, &now);
    int year = now.tm_year + 1900;
    int found = year - year % 100 + of_century;
    return found > year + YEARS_AHEAD_MAX ? found - 100 : found;
}

static void take_part(struct reader *reader, char part, time_t now_s, struct tm *date)
{
    switch (part) {
    case 'w':
    case 'W':
        take_day_name(reader, part == 'W');
        break;
    case 'd':
        date->tm_mday = take_number(reader, 2);
        break;
    case 'e':
        date->tm_mday = take_number(reader, take_text(reader, " ", 1) ? 1 : 2);
        break;
    case 'm':
        date->tm_mon = take_month(reader);
        break;
    case 'y':
        date->tm_year = whole_year(take_number(reader, 2), now_s) - 1900;
        break;
    case 'Y':
        date->tm_year = take_number(reader, 4) - 1900;
        break;
    case 'h':
        date->tm_hour = take_number(reader, 2);
        break;
    case 'i':
        date->tm_min = take_number(reader, 2);
        break;
    case 's':
        date->tm_sec = take_number(reader, 2);
        break;
    default:
        reader->has_failed |= !take_text(reader, &part, 1);
    }
}

/* A second of 60 may be: a leap second, which is the next one here. */
static bool is_in_calendar(const struct tm *date)
{
    struct tm moved = *date;

    if (date->tm_hour > 23 || date->tm_min > 59 || date->tm_sec > 60) {
        return false;
    }
    moved.tm_hour = 0;
    moved.tm_min = 0;
    moved.tm_sec = 0;
    time_t midnight = timegm(&moved);
    gmtime_r(&midnight, &moved);
    return moved.tm_mday == date->tm_mday && moved.tm_mon == date->tm_mon;
}

static bool parse_form(const char *form, struct reader reader, time_t now_s, struct tm *date)
{
    *date = (struct tm){0};
    for (; *form != '\0' && !reader.has_failed; form++) {
        take_part(&reader, *form, now_s, date);
    }
    return !reader.has_failed && reader.at == reader.end && is_in_calendar(date);
}

bool date_parse(const char *text, size_t bytes, time_t now_s, time_t *seconds)
{
    const struct reader reader = {.at = text, .end = text + bytes};
    struct tm date;

    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (parse_form(forms[i], reader, now_s, &date)) {
            *seconds = timegm(&date);
            return true;
        }
    }
    return false;
}
