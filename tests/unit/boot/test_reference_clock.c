/* SPDX-License-Identifier: MIT */
/* sources: boot/reference_clock.c tests/unit/world/panic.c */
/* flags: -DCPU_FAKE -DMMIO_FAKE */
/*
 * boot/reference_clock.c on a PC played here: time goes on by each access to one of its clocks,
 * each of which can stop at any moment.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "boot/acpi/acpi.h"
#include "boot/entropy.h"
#include "boot/reference_clock.h"
#include "kernel/log.h"
#include "kernel/node.h"
#include "kernel/platform.h"
#include "kernel/x86/paging.h"
#include "libc/core/cpu.h"
#include "libc/core/lapic.h"
#include "libc/core/mmio.h"
#include "libc/core/port.h"

#define TSC_HZ      2000000000ull
#define HPET_PADDR  0xFED00000u
#define HPET_HZ     10000000u
#define PM_PORT     0x608
#define PM_HZ       3579545u
#define PIT_HZ      1193182u
#define STEP_TICKS  2000u /* of the TSC: one microsecond an access */
#define NEVER_STOPS UINT64_MAX

static uint64_t tsc;
static uint64_t lapic_start;
static uint64_t hpet_stops, pm_stops, pit_stops; /* values of the TSC */
static bool knows_tsc_rate;
static bool is_timer_broken;
static uint64_t pit_latch;
static bool is_high_byte_next;
static unsigned warning_count;

void log_write(enum log_level level, const char *subsystem, const char *format, ...)
{
    (void)subsystem;
    (void)format;
    warning_count += level == LOG_WARNING;
}

static uint64_t ticks(uint64_t hz, uint64_t stops)
{
    tsc += STEP_TICKS;
    return (uint64_t)((unsigned __int128)(tsc < stops ? tsc : stops) * hz / TSC_HZ);
}

/* Each look at a clock is worth something for secrets. */
static unsigned entropy_count;

void entropy_add(const void *bytes, size_t length)
{
    assert_non_null(bytes);
    assert_true(length > 0);
    entropy_count++;
}

uint64_t cpu_read_tsc(void)
{
    return ++tsc;
}

struct cpuid cpu_id(uint32_t leaf, uint32_t subleaf)
{
    (void)subleaf;
    if (leaf == 0) {
        return (struct cpuid){.eax = 0x15};
    }
    if (leaf == 0x15 && knows_tsc_rate) {
        return (struct cpuid){1, 80, TSC_HZ / 80, 0};
    }
    return (struct cpuid){0};
}

void *paging_map_device(paddr_t paddr, size_t bytes)
{
    assert_int_equal(paddr, HPET_PADDR);
    (void)bytes;
    return &hpet_stops;
}

uint32_t mmio_read32(const void *page, size_t offset)
{
    (void)page;
    return offset == 0x004   ? 1000000000000000ull / HPET_HZ
           : offset == 0x0F0 ? (uint32_t)ticks(HPET_HZ, hpet_stops)
                             : 0;
}

void mmio_write32(void *page, size_t offset, uint32_t value)
{
    (void)page;
    assert_int_equal(offset, 0x010);
    assert_int_equal(value, 1);
}

uint32_t port_read32(uint16_t port)
{
    assert_int_equal(port, PM_PORT);
    return (uint32_t)ticks(PM_HZ, pm_stops) & 0xFFFFFF;
}

void port_write8(uint16_t port, uint8_t value)
{
    if (port == 0x43 && value == 0) {
        pit_latch = 0xFFFF - ticks(PIT_HZ, pit_stops) % 0x10000;
        is_high_byte_next = false;
    }
}

uint8_t port_read8(uint16_t port)
{
    assert_int_equal(port, 0x40);
    uint8_t value = (uint8_t)(is_high_byte_next ? pit_latch >> 8 : pit_latch);

    is_high_byte_next = !is_high_byte_next;
    return value;
}

void lapic_timer_start(uint32_t counts)
{
    (void)counts;
    lapic_start = tsc;
}

uint32_t lapic_read(unsigned offset)
{
    assert_int_equal(offset, 0x390); /* what is left to count */
    return is_timer_broken ? UINT32_MAX : UINT32_MAX - (uint32_t)((tsc - lapic_start) / 32);
}

/* --- */

static const struct acpi tables = {.hpet_paddr = HPET_PADDR, .pm_timer_port = PM_PORT};

static int begin(void **state)
{
    (void)state;
    tsc = 1000;
    hpet_stops = pm_stops = pit_stops = NEVER_STOPS;
    knows_tsc_rate = false;
    is_timer_broken = false;
    warning_count = 0;
    return 0;
}

static struct reference reference;

static void assert_is_measured(void)
{
    struct clock clock = {0};

    reference_clock_finish(&clock, &reference);
    assert_in_range(clock.tsc_hz, TSC_HZ - TSC_HZ / 1000, TSC_HZ + TSC_HZ / 1000);
    assert_in_range(clock.lapic_timer_hz, TSC_HZ / 32 - TSC_HZ / 32000,
                    TSC_HZ / 32 + TSC_HZ / 32000);
}

static void wait_us(uint64_t us)
{
    unsigned before = entropy_count;

    reference_clock_wait_until_us(reference_clock_now_us() + us);
    assert_true(entropy_count > before);
}

static void the_first_counter_that_counts_is_used(void **state)
{
    static const char *const names[] = {"HPET", "ACPI PM timer", "PIT", "its own word"};

    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        begin(state);
        hpet_stops = i > 0 ? 0 : NEVER_STOPS;
        pm_stops = i > 1 ? 0 : NEVER_STOPS;
        pit_stops = i > 2 ? 0 : NEVER_STOPS;
        knows_tsc_rate = true;
        reference_clock_start(&tables);
        assert_string_equal(reference_clock_name(), names[i]);
        wait_us(10000);
        assert_is_measured();
        assert_int_equal(warning_count, 0);
    }
}

/* drivers/clock/ goes on with it. */
static void the_counter_is_described_with_what_it_showed_at_first(void **state)
{
    static const enum reference_kind kinds[] = {REFERENCE_HPET, REFERENCE_PM_TIMER, REFERENCE_PIT,
                                                REFERENCE_NONE};
    static const uint64_t addresses[] = {HPET_PADDR + 0xF0, PM_PORT, 0x40, 0};

    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
        begin(state);
        hpet_stops = i > 0 ? 0 : NEVER_STOPS;
        pm_stops = i > 1 ? 0 : NEVER_STOPS;
        pit_stops = i > 2 ? 0 : NEVER_STOPS;
        knows_tsc_rate = true;
        tsc = 123456789012; /* some turns of each */
        reference_clock_start(&tables);
        wait_us(2000);
        assert_is_measured();
        assert_int_equal(reference.kind, kinds[i]);
        assert_true(reference.doubt_ppb > 0 && reference.doubt_ppb < 1000000);
        if (kinds[i] != REFERENCE_NONE) {
            uint64_t count =
                (uint64_t)((unsigned __int128)reference.first.tsc * reference.hz / TSC_HZ);

            assert_int_equal(reference.address, addresses[i]);
            assert_in_range((reference.first.count - count + 30) & reference.mask, 0, 60);
            assert_in_range(reference.first.tsc_width, 1, 10 * STEP_TICKS);
        }
    }
}

/* A wait for it would last for ever. */
static void a_counter_that_stops_later_is_left_for_the_next(void **state)
{
    (void)state;
    hpet_stops = tsc + TSC_HZ / 200;
    pm_stops = tsc + TSC_HZ;
    reference_clock_start(&tables);
    wait_us(10000);
    assert_string_equal(reference_clock_name(), "ACPI PM timer");
    assert_int_equal(warning_count, 1);
    assert_is_measured();
    wait_us(2000000);
    assert_string_equal(reference_clock_name(), "PIT");
    assert_int_equal(warning_count, 2);
}

static void the_time_does_not_go_back_when_a_counter_stops(void **state)
{
    uint64_t last_us = 0;

    (void)state;
    hpet_stops = tsc + TSC_HZ / 200;
    reference_clock_start(&tables);
    while (warning_count == 0 || last_us < 20000) {
        uint64_t now_us = reference_clock_now_us();

        assert_true(now_us >= last_us);
        last_us = now_us;
    }
}

/* Also in the middle of the measurement, which then has no ticks to divide by. */
static void a_measurement_begins_anew_when_its_counter_stops(void **state)
{
    (void)state;
    hpet_stops = tsc + 20 * STEP_TICKS;
    reference_clock_start(&tables);
    assert_is_measured();
    assert_string_equal(reference_clock_name(), "ACPI PM timer");
}

static void without_any_counter_boot_ends_with_a_clear_word(void **state)
{
    (void)state;
    hpet_stops = pm_stops = pit_stops = 0;
    expect_assert_failure(reference_clock_start(&tables));
    begin(state);
    hpet_stops = pm_stops = pit_stops = tsc + TSC_HZ / 200;
    reference_clock_start(&tables);
    expect_assert_failure(wait_us(1000000));
}

/* No node would wake from its first sleep. */
static void a_timer_that_does_not_count_ends_the_boot_with_a_clear_word(void **state)
{
    struct clock clock;

    (void)state;
    is_timer_broken = true;
    reference_clock_start(&tables);
    expect_assert_failure(reference_clock_finish(&clock, &reference));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_first_counter_that_counts_is_used, begin),
        cmocka_unit_test_setup(the_counter_is_described_with_what_it_showed_at_first, begin),
        cmocka_unit_test_setup(a_counter_that_stops_later_is_left_for_the_next, begin),
        cmocka_unit_test_setup(the_time_does_not_go_back_when_a_counter_stops, begin),
        cmocka_unit_test_setup(a_measurement_begins_anew_when_its_counter_stops, begin),
        cmocka_unit_test_setup(without_any_counter_boot_ends_with_a_clear_word, begin),
        cmocka_unit_test_setup(a_timer_that_does_not_count_ends_the_boot_with_a_clear_word, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
