/* SPDX-License-Identifier: MIT */
/*
 * Dates to seconds, without a clock.
 */
#include "boot/date.h"

#define DAYS_TO_2000     10957u /* since 1970 */
#define ZONE_MAX_MINUTES 1440

static bool is_leap_year(unsigned year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static unsigned days_of_month(unsigned year, unsigned month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return days[month - 1] + (month == 2 && is_leap_year(year) ? 1u : 0u);
}

uint64_t date_epoch_s(const struct date *date)
{
    uint64_t days = DAYS_TO_2000;

    if (date->year < 2000 || date->year > 2199 || date->month < 1 || date->month > 12 ||
        date->day < 1 || date->day > days_of_month(date->year, date->month) || date->hour > 23 ||
        date->minute > 59 || date->second > 59) {
        return 0;
    }
    for (unsigned year = 2000; year < date->year; year++) {
        days += is_leap_year(year) ? 366 : 365;
    }
    for (unsigned month = 1; month < date->month; month++) {
        days += days_of_month(date->year, month);
    }
    return ((days + date->day - 1) * 24 + date->hour) * 3600 + date->minute * 60u + date->second;
}

uint64_t date_in_zone_epoch_s(const struct date *date, int zone_minutes)
{
    uint64_t epoch_s = date_epoch_s(date);
    bool is_known = zone_minutes >= -ZONE_MAX_MINUTES && zone_minutes <= ZONE_MAX_MINUTES;

    return epoch_s != 0 && is_known ? epoch_s + (uint64_t)(zone_minutes * 60) : epoch_s;
}
