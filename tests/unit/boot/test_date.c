/* SPDX-License-Identifier: MIT */
/* sources: boot/date.c boot/rtc.c */
/* flags: -DCPU_FAKE */
/*
 * boot/date.c, and boot/rtc.c on a battery-backed clock played here, which may update itself at any
 * read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "boot/date.h"
#include "libc/core/cpu.h"

#define CENTURY_INDEX 0x32

static uint8_t cmos[128];
static uint8_t cmos_index;
static unsigned reads_until_update;

void port_write8(uint16_t port, uint8_t value)
{
    assert_int_equal(port, 0x70);
    cmos_index = value;
}

/* An update takes some reads, in which nothing that is read holds, and moves on by a second. */
uint8_t port_read8(uint16_t port)
{
    assert_int_equal(port, 0x71);
    if (reads_until_update > 0 && --reads_until_update < 5) {
        if (reads_until_update == 0) {
            cmos[0]++;
        }
        return cmos_index == 0x0A ? 0x80 : 0x5A;
    }
    return cmos[cmos_index & 0x7F];
}

/* 2026-11-29 12:34:56 in decimal, 24 hours. */
static int begin(void **state)
{
    static const uint8_t date[10] = {0x56, 0, 0x34, 0, 0x12, 0, 0, 0x29, 0x11, 0x26};

    (void)state;
    memset(cmos, 0, sizeof(cmos));
    memcpy(cmos, date, sizeof(date));
    cmos[0x0B] = 2;
    cmos_index = 0x80;
    reads_until_update = 0;
    return 0;
}

#define EXPECTED_S 1795955696

static void each_day_of_two_centuries_is_the_hosts(void **state)
{
    (void)state;
    for (time_t day = 10957; day < 84006; day++) {
        time_t seconds = day * 86400 + 86399;
        struct tm tm;

        gmtime_r(&seconds, &tm);
        assert_int_equal(
            date_epoch_s(&(struct date){(unsigned)tm.tm_year + 1900, (unsigned)tm.tm_mon + 1,
                                        (unsigned)tm.tm_mday, 23, 59, 59}),
            seconds);
    }
}

static void what_is_no_date_is_none(void **state)
{
    static const struct date wrong[] = {
        {1999, 12, 31, 0, 0, 0}, {2200, 1, 1, 0, 0, 0},  {2026, 0, 1, 0, 0, 0},
        {2026, 13, 1, 0, 0, 0},  {2026, 1, 0, 0, 0, 0},  {2026, 4, 31, 0, 0, 0},
        {2026, 2, 29, 0, 0, 0},  {2100, 2, 29, 0, 0, 0}, {2026, 1, 1, 24, 0, 0},
        {2026, 1, 1, 0, 60, 0},  {2026, 1, 1, 0, 0, 60},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(wrong); i++) {
        assert_int_equal(date_epoch_s(&wrong[i]), 0);
    }
}

static void decimal_and_binary_12_hours_and_24_are_read(void **state)
{
    (void)state;
    assert_int_equal(date_read_rtc_epoch_s(0), EXPECTED_S);
    cmos[4] = 0x92; /* 12 p.m. */
    cmos[0x0B] = 0;
    assert_int_equal(date_read_rtc_epoch_s(0), EXPECTED_S);
    cmos[4] = 0x12; /* 12 a.m. */
    assert_int_equal(date_read_rtc_epoch_s(0), EXPECTED_S - 12 * 3600);
    cmos[4] = 0x81; /* 1 p.m. */
    assert_int_equal(date_read_rtc_epoch_s(0), EXPECTED_S + 3600);
    static const uint8_t binary[10] = {56, 0, 34, 0, 12, 0, 0, 29, 11, 26};
    memcpy(cmos, binary, sizeof(binary));
    cmos[0x0B] = 6;
    assert_int_equal(date_read_rtc_epoch_s(0), EXPECTED_S);
}

static void the_century_is_where_acpi_says(void **state)
{
    (void)state;
    cmos[CENTURY_INDEX] = 0x20;
    assert_int_equal(date_read_rtc_epoch_s(CENTURY_INDEX), EXPECTED_S);
    cmos[CENTURY_INDEX] = 0x21;
    assert_int_equal(date_read_rtc_epoch_s(0), EXPECTED_S);
    assert_int_equal(date_read_rtc_epoch_s(CENTURY_INDEX), 4951629296); /* 2126-11-29 */
    /* Nobody keeps it up to date, or it is something else. */
    cmos[CENTURY_INDEX] = 0x19;
    assert_int_equal(date_read_rtc_epoch_s(CENTURY_INDEX), EXPECTED_S);
    cmos[CENTURY_INDEX] = 0xFF;
    assert_int_equal(date_read_rtc_epoch_s(CENTURY_INDEX), EXPECTED_S);
    cmos[8] = 0x21;
    assert_int_equal(date_read_rtc_epoch_s(8), 0); /* no index of a century: no such month */
}

/* Whichever read an update begins at. */
static void a_date_that_is_just_changing_is_read_when_it_has(void **state)
{
    (void)state;
    for (unsigned i = 5; i < 40; i++) {
        begin(state);
        reads_until_update = i;
        uint64_t epoch_s = date_read_rtc_epoch_s(0);

        assert_in_range(epoch_s, EXPECTED_S, EXPECTED_S + 1);
    }
}

/* Bit 7 of port 70H holds back the chipset's NMIs for as long as it is set. */
static void nmis_are_not_held_back_after_the_date_was_read(void **state)
{
    (void)state;
    assert_int_equal(date_read_rtc_epoch_s(0), EXPECTED_S);
    assert_int_equal(cmos_index & 0x80, 0);
}

static void a_clock_that_never_stands_still_or_shows_no_digits_is_none(void **state)
{
    static const uint8_t all_set[10] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 255};

    (void)state;
    cmos[0x0A] = 0x80; /* updating, for ever */
    assert_int_equal(date_read_rtc_epoch_s(0), EXPECTED_S);
    cmos[0] = 0x7A; /* no seconds at all */
    assert_int_equal(date_read_rtc_epoch_s(0), 0);
    cmos[0] = 0x0A; /* no digit */
    assert_int_equal(date_read_rtc_epoch_s(0), 0);
    memcpy(cmos, all_set, sizeof(all_set)); /* nobody answers at these ports */
    cmos[0x0B] = 255;
    assert_int_equal(date_read_rtc_epoch_s(0), 0);
    begin(state);
    cmos[4] = 0; /* no hour of twelve */
    cmos[0x0B] = 0;
    assert_int_equal(date_read_rtc_epoch_s(0), 0);
}

/* Noon in a zone east of Greenwich, for which UEFI's number is negative, was earlier in UTC. */
static void a_date_in_a_zone_is_told_in_utc(void **state)
{
    const struct date noon = {2024, 2, 29, 12, 0, 0};
    const struct date none = {2024, 2, 30, 12, 0, 0};
    uint64_t utc_s = date_epoch_s(&noon);

    (void)state;
    assert_int_equal(date_in_zone_epoch_s(&noon, 0), utc_s);
    assert_int_equal(date_in_zone_epoch_s(&noon, -330), utc_s - 330 * 60); /* India */
    assert_int_equal(date_in_zone_epoch_s(&noon, 300), utc_s + 300 * 60);  /* New York */
    assert_int_equal(date_in_zone_epoch_s(&noon, 1440), utc_s + 86400);
    assert_int_equal(date_in_zone_epoch_s(&noon, -1440), utc_s - 86400);
    assert_int_equal(date_in_zone_epoch_s(&noon, 1441), utc_s);
    assert_int_equal(date_in_zone_epoch_s(&noon, -1441), utc_s);
    assert_int_equal(date_in_zone_epoch_s(&noon, 2047), utc_s); /* it does not know its zone */
    assert_int_equal(date_in_zone_epoch_s(&none, 300), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_day_of_two_centuries_is_the_hosts, begin),
        cmocka_unit_test_setup(what_is_no_date_is_none, begin),
        cmocka_unit_test(a_date_in_a_zone_is_told_in_utc),
        cmocka_unit_test_setup(decimal_and_binary_12_hours_and_24_are_read, begin),
        cmocka_unit_test_setup(the_century_is_where_acpi_says, begin),
        cmocka_unit_test_setup(a_date_that_is_just_changing_is_read_when_it_has, begin),
        cmocka_unit_test_setup(nmis_are_not_held_back_after_the_date_was_read, begin),
        cmocka_unit_test_setup(a_clock_that_never_stands_still_or_shows_no_digits_is_none, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
