/* SPDX-License-Identifier: MIT */
/* sources: kernel/x86/clock.c */
/* flags: -DCPU_FAKE */
/*
 * kernel/x86/clock.c with a TSC and a timer played here: time in which the machine stood still is
 * none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kernel/node.h"
#include "kernel/platform.h"
#include "kernel/x86/clock.h"
#include "libc/core/cpu.h"
#include "libc/core/lapic.h"

#define TSC_HZ      UINT64_C(2000000000) /* two ticks a nanosecond */
#define TSC_AT_ZERO UINT64_C(123456789)

struct node_info node_info;

static uint64_t tsc;
static uint64_t tsc_deadline; /* 0: none was written since the last look */

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
    tsc_deadline = value;
}

void lapic_timer_start(uint32_t counts)
{
    (void)counts;
    fail();
}

void lapic_timer_use_deadline(void)
{
}

static void pass_ns(uint64_t time_ns)
{
    tsc += time_ns * (TSC_HZ / NS_PER_S);
}

static void wake(void)
{
    clock_fired();
    clock_woken();
}

/* The clock goes on where the last test has left it: each begins with a look. */
static uint64_t begin(void)
{
    static bool is_started;

    if (!is_started) {
        node_info.clock = (struct clock){
            .tsc_hz = TSC_HZ,
            .tsc_at_zero = TSC_AT_ZERO,
            .ns_per_tick = UINT64_C(1) << (CLOCK_FRACTION_BITS - 1),
            .has_tsc_deadline = true,
        };
        tsc = TSC_AT_ZERO;
        clock_initialise();
        is_started = true;
    }
    clock_fired();
    clock_arm(clock_advance_ns() + 1, clock_advance_ns()); /* a sleep without standstill */
    pass_ns(1);
    wake();
    tsc_deadline = 0;
    return clock_advance_ns();
}

static void time_goes_by_as_the_counter_counts(void **state)
{
    uint64_t start_ns = begin();
    uint64_t left_out_ns = clock_left_out_ns;

    (void)state;
    for (unsigned i = 1; i <= 100; i++) {
        pass_ns(900 * NS_PER_MS);
        assert_int_equal(clock_advance_ns(), start_ns + i * 900 * NS_PER_MS);
    }
    assert_int_equal(clock_left_out_ns, left_out_ns);
}

/* Between two looks of a node that works there is never as much. */
static void an_hour_in_which_the_machine_is_paused_is_a_second(void **state)
{
    uint64_t start_ns = begin();
    uint64_t left_out_ns = clock_left_out_ns;

    (void)state;
    pass_ns(3600 * NS_PER_S);
    assert_int_equal(clock_advance_ns(), start_ns + NS_PER_S);
    assert_int_equal(clock_left_out_ns - left_out_ns, 3599 * NS_PER_S);
    pass_ns(5);
    assert_int_equal(clock_advance_ns(), start_ns + NS_PER_S + 5);
    /* A second time. */
    pass_ns(3600 * NS_PER_S);
    assert_int_equal(clock_advance_ns(), start_ns + 2 * NS_PER_S + 5);
    assert_int_equal(clock_left_out_ns - left_out_ns, 2 * 3599 * NS_PER_S);
}

static void a_sleep_takes_its_time(void **state)
{
    uint64_t start_ns = begin();
    uint64_t left_out_ns = clock_left_out_ns;

    (void)state;
    clock_arm(start_ns + 20 * NS_PER_S, clock_advance_ns());
    assert_int_not_equal(tsc_deadline, 0);
    pass_ns(20 * NS_PER_S + NS_PER_MS);
    wake();
    assert_int_equal(clock_advance_ns(), start_ns + 20 * NS_PER_S + NS_PER_MS);
    assert_int_equal(clock_left_out_ns, left_out_ns);
}

static void sleep_too_long(uint64_t deadline_ns)
{
    clock_arm(deadline_ns, clock_advance_ns());
    pass_ns(3600 * NS_PER_S);
    wake();
}

/* It may have begun at once: what was to be over in the sleep has all its time still. */
static void a_pause_in_a_sleep_ends_no_time_out(void **state)
{
    uint64_t start_ns = begin();

    (void)state;
    sleep_too_long(start_ns + 20 * NS_PER_S);
    assert_int_equal(clock_advance_ns(), start_ns);
    pass_ns(5);
    assert_int_equal(clock_advance_ns(), start_ns + 5);
}

/* Or on a machine with too many other things to do no time-out would ever be over. */
static void of_two_sleeps_in_a_row_that_are_too_long_the_second_takes_its_time(void **state)
{
    uint64_t start_ns = begin();

    (void)state;
    sleep_too_long(start_ns + 20 * NS_PER_S);
    sleep_too_long(start_ns + 20 * NS_PER_S);
    assert_int_equal(clock_advance_ns(), start_ns + 21 * NS_PER_S);
    start_ns = clock_advance_ns();
    clock_arm(start_ns + NS_PER_S, clock_advance_ns()); /* one that ends in time */
    pass_ns(NS_PER_S);
    wake();
    sleep_too_long(start_ns + 20 * NS_PER_S);
    assert_int_equal(clock_advance_ns(), start_ns + NS_PER_S);
}

/* The timer stays armed when an interrupt ends the sleep early, and the next one is under it, too.
 */
static void a_sleep_under_an_earlier_timer_is_as_long_as_that(void **state)
{
    uint64_t start_ns = begin();

    (void)state;
    clock_arm(start_ns + 5 * NS_PER_S, clock_advance_ns());
    pass_ns(NS_PER_S);
    assert_int_equal(clock_woken(), start_ns + NS_PER_S);
    assert_int_equal(clock_advance_ns(), start_ns + NS_PER_S);
    tsc_deadline = 0;
    clock_arm(start_ns + 50 * NS_PER_S, clock_advance_ns());
    assert_int_equal(tsc_deadline, 0);
    pass_ns(100 * NS_PER_S);
    assert_int_equal(clock_woken(), start_ns + NS_PER_S);
    assert_int_equal(clock_advance_ns(), start_ns + NS_PER_S);
}

/* Nothing is set that could be over. */
static void a_sleep_without_timer_may_be_as_long_as_it_wants(void **state)
{
    uint64_t start_ns = begin();

    (void)state;
    clock_arm(UINT64_MAX, clock_advance_ns());
    assert_int_equal(tsc_deadline, 0);
    pass_ns(100000 * NS_PER_S);
    assert_int_equal(clock_woken(), start_ns + 100000 * NS_PER_S);
    assert_int_equal(clock_advance_ns(), start_ns + 100000 * NS_PER_S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_goes_by_as_the_counter_counts),
        cmocka_unit_test(an_hour_in_which_the_machine_is_paused_is_a_second),
        cmocka_unit_test(a_sleep_takes_its_time),
        cmocka_unit_test(a_pause_in_a_sleep_ends_no_time_out),
        cmocka_unit_test(of_two_sleeps_in_a_row_that_are_too_long_the_second_takes_its_time),
        cmocka_unit_test(a_sleep_under_an_earlier_timer_is_as_long_as_that),
        cmocka_unit_test(a_sleep_without_timer_may_be_as_long_as_it_wants),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
