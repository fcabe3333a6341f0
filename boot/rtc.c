/* SPDX-License-Identifier: MIT */
/*
 * The battery-backed clock (MC146818A). It counts while it is read, in decimal or binary, in 12
 * hours or 24.
 */
#include "boot/date.h"
#include "libc/core/bits.h"
#include "libc/core/cpu.h"
#include "libc/core/port.h"

/* Bit 7 of the index holds back NMIs for as long as it stays: firmware may have left it set. */
#define CMOS_INDEX        0x70
#define CMOS_DATA         0x71
#define CMOS_INDEX_MAX    0x7F
#define CMOS_STATUS_A     0x0A
#define STATUS_A_UPDATING BIT(7)
#define CMOS_STATUS_B     0x0B
#define STATUS_B_24_HOURS BIT(1)
#define STATUS_B_BINARY   BIT(2)
#define HOUR_PM           0x80
/* Chosen: an update takes 2 ms, a read a few microseconds; and a clock that never shows the same
 * twice is broken. */
#define CMOS_POLL_MAX     10000u
#define CMOS_TRIES        10u

enum date_field { SECOND, MINUTE, HOUR, DAY, MONTH, YEAR, CENTURY, DATE_FIELD_COUNT };

static uint8_t read_cmos(uint8_t index)
{
    port_write8(CMOS_INDEX, index);
    return port_read8(CMOS_DATA);
}

static void read_fields_once(const uint8_t *registers, uint8_t *fields)
{
    for (unsigned i = 0; i < CMOS_POLL_MAX && (read_cmos(CMOS_STATUS_A) & STATUS_A_UPDATING); i++) {
        cpu_pause();
    }
    for (unsigned i = 0; i < DATE_FIELD_COUNT; i++) {
        fields[i] = read_cmos(registers[i]);
    }
}

/* Until two readings agree: one may have been caught in the middle of an update. */
static bool read_fields(const uint8_t *registers, uint8_t *fields)
{
    uint8_t again[DATE_FIELD_COUNT];

    for (unsigned try = 0; try < CMOS_TRIES; try++) {
        bool is_same = true;

        read_fields_once(registers, fields);
        read_fields_once(registers, again);
        for (unsigned i = 0; i < DATE_FIELD_COUNT; i++) {
            is_same = is_same && fields[i] == again[i];
        }
        if (is_same) {
            return true;
        }
    }
    return false;
}

/* What is no decimal digit makes a number that is no date. */
static uint8_t from_bcd(uint8_t value)
{
    bool is_decimal = (value & 15) <= 9 && value >> 4 <= 9;

    return is_decimal ? (uint8_t)((value >> 4) * 10 + (value & 15)) : UINT8_MAX;
}

uint64_t date_read_rtc_epoch_s(uint8_t century_index)
{
    /* A register that none of ours is: behind the status registers. */
    bool has_century = century_index > CMOS_STATUS_B && century_index <= CMOS_INDEX_MAX;
    const uint8_t registers[DATE_FIELD_COUNT] = {
        0x00, 0x02, 0x04, 0x07, 0x08, 0x09, has_century ? century_index : 0x09};
    uint8_t fields[DATE_FIELD_COUNT];

    if (!read_fields(registers, fields)) {
        return 0;
    }
    uint8_t status_b = read_cmos(CMOS_STATUS_B);
    bool is_pm = (fields[HOUR] & HOUR_PM) != 0;

    if ((status_b & STATUS_B_24_HOURS) == 0) {
        fields[HOUR] &= (uint8_t)~HOUR_PM;
    }
    if ((status_b & STATUS_B_BINARY) == 0) {
        for (unsigned i = 0; i < DATE_FIELD_COUNT; i++) {
            fields[i] = from_bcd(fields[i]);
        }
    }
    if ((status_b & STATUS_B_24_HOURS) == 0) {
        if (fields[HOUR] < 1 || fields[HOUR] > 12) {
            return 0;
        }
        fields[HOUR] = (uint8_t)(fields[HOUR] % 12 + (is_pm ? 12 : 0));
    }
    /* Two digits of a year: this century, unless firmware keeps a sensible other one. */
    bool is_next_century = has_century && fields[CENTURY] == 21;
    const struct date date = {
        .year = (is_next_century ? 2100u : 2000u) + fields[YEAR],
        .month = fields[MONTH],
        .day = fields[DAY],
        .hour = fields[HOUR],
        .minute = fields[MINUTE],
        .second = fields[SECOND],
    };

    return fields[YEAR] <= 99 ? date_epoch_s(&date) : 0;
}
