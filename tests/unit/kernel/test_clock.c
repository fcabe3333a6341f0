/* SPDX-License-Identifier: MIT */
/* sources: kernel/x86/clock.c */
/* flags: -DCPU_FAKE */
/*
 * kernel/x86/clock.c with a TSC and a timer played here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/node.h"
#include "kernel/platform.h"
#include "kernel/x86/clock.h"
#include "libc/core/cpu.h"
#include "libc/core/lapic.h"

#define TSC_HZ   2500000000ull
#define TIMER_HZ 62500000ull

struct node_info node_info;

static uint64_t tsc;
static uint64_t deadline;
static uint32_t counts;
static unsigned armed_count;

void platform_panic(const char *file, int line, const char *format, ...)
{
    mock_assert(false, format, file, line);
    abort();
}

uint64_t cpu_read_tsc(void)
{
    return tsc;
}

void cpu_write_msr(uint32_t msr, uint64_t value)
{
    assert_int_equal(msr, MSR_TSC_DEADLINE);
    deadline = value;
    armed_count++;
}

void lapic_timer_start(uint32_t value)
{
    counts = value;
    armed_count++;
}

static unsigned deadline_uses;

void lapic_timer_use_deadline(void)
{
    deadline_uses++;
}

static int begin(void **state)
{
    (void)state;
    clock_fired();
    tsc = 1000000;
    armed_count = 0;
    node_info.clock = (struct clock){
        .tsc_hz = TSC_HZ,
        .tsc_at_zero = 1000000,
        .ns_per_tick = (NS_PER_S << CLOCK_FRACTION_BITS) / TSC_HZ,
        .lapic_timer_hz = TIMER_HZ,
        .has_tsc_deadline = true,
    };
    clock_left_out_ns = 0;
    clock_offset_ns = 0;
    clock_initialise();
    clock_arm(UINT64_MAX,
              clock_advance_ns()); /* before a sleep without end: what follows is no standstill */
    return 0;
}

static void it_counts_nanoseconds_since_boot(void **state)
{
    (void)state;
    assert_int_equal(clock_advance_ns(), 0);
    tsc += TSC_HZ;
    assert_in_range(clock_advance_ns(), NS_PER_S - 1, NS_PER_S);
    clock_arm(UINT64_MAX, clock_advance_ns());
    tsc += 365 * 24 * 3600 * TSC_HZ; /* the product needs more than 64 bits */
    assert_in_range(clock_advance_ns() / NS_PER_S, 365 * 24 * 3600, 365 * 24 * 3600 + 1);
}

/* A rate of a hundred millionths less, from now on. */
static void another_line_bends_the_clock_without_a_jump(void **state)
{
    int64_t change = -(int64_t)node_info.clock.ns_per_tick / 10000;
    struct clock_line line = {.rate_change = change, .offset_ns = NS_PER_S / 10000};

    (void)state;
    tsc += TSC_HZ;
    assert_in_range(clock_advance_ns(), NS_PER_S - 1, NS_PER_S);
    clock_follow(line, 100);
    assert_in_range(clock_advance_ns(), NS_PER_S - 1, NS_PER_S + 100);
    tsc += TSC_HZ / 2;
    assert_in_range(clock_advance_ns(), NS_PER_S * 3 / 2 - 50100, NS_PER_S * 3 / 2 - 49900);
    /* Boot's own again: the change is of boot's rate, not of the last one. */
    clock_follow((struct clock_line){0}, NS_PER_S);
    assert_in_range(clock_advance_ns(), NS_PER_S * 3 / 2 - 1, NS_PER_S * 3 / 2);
}

/* A node that hears of it late has gone on too fast meanwhile. */
static void the_clock_stands_where_a_line_is_behind(void **state)
{
    (void)state;
    tsc += TSC_HZ;
    uint64_t before_ns = clock_advance_ns();
    clock_follow((struct clock_line){.offset_ns = -5000000}, 0);
    assert_int_equal(clock_advance_ns(), before_ns);
    tsc += TSC_HZ / 2;
    assert_in_range(clock_advance_ns() - before_ns, NS_PER_S / 2 - 1, NS_PER_S / 2);
}

static void one_line_shifts_the_clock_by_no_more_than_it_may(void **state)
{
    (void)state;
    tsc += TSC_HZ;
    uint64_t before_ns = clock_advance_ns();
    clock_follow((struct clock_line){.offset_ns = 100000000000}, 1000);
    assert_int_equal(clock_advance_ns(), before_ns + 1000);
    clock_follow((struct clock_line){.offset_ns = 100000000000}, UINT64_MAX);
    assert_int_equal(clock_advance_ns(), before_ns + 100000000000);
    /* What the line adds is no standstill. */
    assert_int_equal(clock_left_out_ns, 0);
}

static void a_standstill_is_left_out_of_every_line(void **state)
{
    (void)state;
    tsc += TSC_HZ;
    (void)clock_advance_ns();
    tsc += 11 * TSC_HZ;
    assert_in_range(clock_advance_ns(), 2 * NS_PER_S - 2, 2 * NS_PER_S);
    clock_follow((struct clock_line){.offset_ns = 500}, 1000);
    assert_in_range(clock_advance_ns(), 2 * NS_PER_S, 2 * NS_PER_S + 501);
    assert_in_range(clock_left_out_ns, 10 * NS_PER_S - 4, 10 * NS_PER_S);
    tsc += 4 * TSC_HZ;
    (void)clock_advance_ns();
    assert_in_range(clock_left_out_ns, 13 * NS_PER_S - 8, 13 * NS_PER_S); /* both of them */
}

/* boot/ has measured how far each core's TSC is from node 0's, also where it is behind zero. */
static void clocks_of_nodes_agree_whatever_their_tscs_show(void **state)
{
    static const int64_t offsets[] = {0, 123456789, -999000, -5000000000, INT64_MIN};

    (void)state;
    tsc += 7 * TSC_HZ;
    uint64_t node_0_ns = clock_advance_ns();

    for (size_t i = 0; i < ARRAY_COUNT(offsets); i++) {
        begin(state);
        tsc += 7 * TSC_HZ + (uint64_t)offsets[i];
        node_info.clock.tsc_at_zero += (uint64_t)offsets[i];
        assert_int_equal(clock_advance_ns(), node_0_ns);
        /* A deadline is in this core's own ticks. */
        clock_arm(node_0_ns + NS_PER_MS, clock_advance_ns());
        assert_in_range(deadline - tsc, TSC_HZ / 1000, TSC_HZ / 1000 + 1);
    }
}

static void the_timer_is_moved_only_to_an_earlier_time(void **state)
{
    (void)state;
    clock_arm(2000000, clock_advance_ns());
    clock_arm(3000000, clock_advance_ns());
    clock_arm(2000000, clock_advance_ns());
    assert_int_equal(armed_count, 1);
    clock_arm(1000000, clock_advance_ns());
    assert_int_equal(armed_count, 2);
    clock_fired();
    clock_arm(3000000, clock_advance_ns());
    assert_int_equal(armed_count, 3);
}

/* A deadline of now, or a count of 0, would stop the timer. */
static void a_deadline_that_has_passed_fires_soon(void **state)
{
    (void)state;
    tsc += TSC_HZ;
    clock_arm(5, clock_advance_ns());
    assert_int_equal(deadline, tsc + 1);
    clock_fired();
    node_info.clock.has_tsc_deadline = false;
    clock_arm(5, clock_advance_ns());
    assert_int_equal(counts, 1);
}

static void a_deadline_far_away_is_within_what_the_timer_can_count(void **state)
{
    (void)state;
    node_info.clock.has_tsc_deadline = false;
    clock_arm(UINT64_MAX / 2, clock_advance_ns());
    assert_in_range(counts, 60 * TIMER_HZ, 60 * TIMER_HZ + 1);
    begin(state);
    node_info.clock.has_tsc_deadline = false;
    node_info.clock.lapic_timer_hz = 100 * TIMER_HZ;
    clock_arm(UINT64_MAX / 2, clock_advance_ns());
    assert_int_equal(counts, UINT32_MAX);
}

static void the_timer_takes_deadlines_where_the_core_has_them(void **state)
{
    (void)state;
    deadline_uses = 0;
    clock_initialise();
    assert_int_equal(deadline_uses, 1);
    node_info.clock.has_tsc_deadline = false;
    clock_initialise();
    assert_int_equal(deadline_uses, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(it_counts_nanoseconds_since_boot, begin),
        cmocka_unit_test_setup(another_line_bends_the_clock_without_a_jump, begin),
        cmocka_unit_test_setup(the_clock_stands_where_a_line_is_behind, begin),
        cmocka_unit_test_setup(one_line_shifts_the_clock_by_no_more_than_it_may, begin),
        cmocka_unit_test_setup(a_standstill_is_left_out_of_every_line, begin),
        cmocka_unit_test_setup(clocks_of_nodes_agree_whatever_their_tscs_show, begin),
        cmocka_unit_test_setup(the_timer_is_moved_only_to_an_earlier_time, begin),
        cmocka_unit_test_setup(a_deadline_that_has_passed_fires_soon, begin),
        cmocka_unit_test_setup(a_deadline_far_away_is_within_what_the_timer_can_count, begin),
        cmocka_unit_test_setup(the_timer_takes_deadlines_where_the_core_has_them, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
