/* SPDX-License-Identifier: MIT */
/*
 * The date, in UTC: by the machine's battery-backed clock, or as UEFI firmware tells it.
 */
#pragma once

#include "kernel/base.h"

struct date {
    unsigned year, month, day; /* from 1 */
    unsigned hour, minute, second;
};

/* Seconds since 1970; 0 for what is no date from 2000 to 2199. */
uint64_t date_epoch_s(const struct date *date);
/* The same of a date in a zone, which is UTC less so many minutes (UEFI 2.10, 8.3). If that is more
 * than a day, which UEFI's 2047 is that says unknown, the date is taken for UTC. */
uint64_t date_in_zone_epoch_s(const struct date *date, int zone_minutes);
/*
 * The same by the battery-backed clock (MC146818A), whose register `century_index` holds the
 * century (ACPI FADT; 0: none does). 0 when it makes no sense. Waits out an update: 2 ms at most.
 */
uint64_t date_read_rtc_epoch_s(uint8_t century_index);
