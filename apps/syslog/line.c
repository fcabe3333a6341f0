/* SPDX-License-Identifier: MIT */
/*
 * `[    0.123456] node3 ts: text`, in place of the bracket LOG_MARK and the level; or a date as RFC
 * 3339 has it in place of the seconds (log=time).
 */
#include "apps/syslog/line.h"

#include <string.h>

#include "kernel/log.h"
#include "libc/core/numbers.h"

static const enum syslog_severity severities[] = {
    [LOG_ERROR] = SYSLOG_ERROR,
    [LOG_WARNING] = SYSLOG_WARNING,
    [LOG_INFO] = SYSLOG_INFO,
    [LOG_DEBUG] = SYSLOG_DEBUG,
};

struct reading {
    const char *at, *end;
};

static bool take(struct reading *reading, char wanted)
{
    bool is_there = reading->at < reading->end && *reading->at == wanted;

    reading->at += is_there;
    return is_there;
}

static bool take_number(struct reading *reading, uint64_t least, uint64_t most, uint64_t *number)
{
    return number_take(&reading->at, reading->end, 10, most, number) == 0 && *number >= least;
}

/* Exactly six digits are microseconds. */
static bool take_fraction(struct reading *reading, uint64_t *us)
{
    const char *start = reading->at;

    return take_number(reading, 0, 999999, us) && reading->at == start + 6;
}

static bool take_seconds(struct reading *reading, uint64_t *time_ns)
{
    uint64_t seconds, us;

    while (take(reading, ' ')) {
    }
    if (!take_number(reading, 0, UINT64_MAX / NS_PER_S - 1, &seconds) || !take(reading, '.') ||
        !take_fraction(reading, &us)) {
        return false;
    }
    *time_ns = seconds * NS_PER_S + us * NS_PER_US;
    return true;
}

/* Days since 1970 of the Gregorian calendar: years begin in March, so that leap days end them. */
static uint64_t days_of(uint64_t year, uint64_t month, uint64_t day)
{
    year -= month <= 2;
    return year * 365 + year / 4 - year / 100 + year / 400 +
           (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1 - 719468;
}

static bool take_date(struct reading *reading, uint64_t *time_ns)
{
    uint64_t year, month, day, hour, minute, second, us;

    if (!take_number(reading, 1970, 2500, &year) || !take(reading, '-') ||
        !take_number(reading, 1, 12, &month) || !take(reading, '-') ||
        !take_number(reading, 1, 31, &day) || !take(reading, 'T') ||
        !take_number(reading, 0, 23, &hour) || !take(reading, ':') ||
        !take_number(reading, 0, 59, &minute) || !take(reading, ':') ||
        !take_number(reading, 0, 60, &second) || !take(reading, '.') ||
        !take_fraction(reading, &us) || !take(reading, 'Z')) {
        return false;
    }
    *time_ns = ((days_of(year, month, day) * 24 + hour) * 60 + minute) * 60 * NS_PER_S +
               second * NS_PER_S + us * NS_PER_US;
    return true;
}

static bool take_stamp(struct reading *reading, struct syslog_line *message)
{
    struct reading other = *reading;

    if (take_seconds(reading, &message->time_ns) && take(reading, ']')) {
        return take(reading, ' ');
    }
    *reading = other;
    message->has_date = take_date(reading, &message->time_ns) && take(reading, ']');
    return message->has_date && take(reading, ' ');
}

/* `node3 `: which, the ring says. */
static bool take_node(struct reading *reading)
{
    static const char word[] = "node";
    uint64_t node;

    for (const char *letter = word; *letter != '\0'; letter++) {
        if (!take(reading, *letter)) {
            return false;
        }
    }
    return take_number(reading, 0, UINT16_MAX, &node) && take(reading, ' ');
}

static bool take_application(struct reading *reading, char application[SYSLOG_WORD_BYTES])
{
    size_t bytes = 0;

    while (reading->at<reading->end && * reading->at> ' ' && *reading->at <= '~' &&
           *reading->at != ':' && bytes < SYSLOG_WORD_BYTES - 1) {
        application[bytes++] = *reading->at++;
    }
    application[bytes] = '\0';
    return bytes != 0 && take(reading, ':') && take(reading, ' ');
}

void syslog_read_line(struct syslog_line *message, const char *line, size_t bytes)
{
    struct reading reading = {line, line + bytes};
    bool is_marked = bytes != 0 && line[0] >= LOG_MARK && line[0] <= LOG_MARK + LOG_DEBUG;

    *message = (struct syslog_line){.severity = SYSLOG_INFO};
    if (bytes != 0 && line[bytes - 1] == '\n') {
        reading.end--;
    }
    if (is_marked) {
        message->severity = severities[line[0] - LOG_MARK];
        reading.at++;
    }
    if ((!is_marked && !take(&reading, '[')) || !take_stamp(&reading, message) ||
        !take_node(&reading) || !take_application(&reading, message->application)) {
        *message = (struct syslog_line){.severity = message->severity};
        reading.at = line + is_marked;
    }
    message->text = reading.at;
    message->text_bytes = (size_t)(reading.end - reading.at);
}
