/* SPDX-License-Identifier: MIT */
/*
 * Clock and one-shot timer. The timer is moved only to an earlier time: one that fires too early
 * costs a spurious turn of the idle loop, which is cheaper than a register write each sleep.
 *
 * The clock leaves out time in which the node stood still, as in a paused virtual machine: every
 * time-out would be over, for things that nobody could have done.
 */
#include "kernel/x86/clock.h"

#include "kernel/node.h"
#include "kernel/platform.h"
#include "libc/core/cpu.h"
#include "libc/core/lapic.h"
#include "libc/core/multiply_divide.h"

#define NOT_ARMED  (UINT64_MAX - CLOCK_STANDSTILL_NS)
/* Chosen: a farther deadline wakes the node once a minute, which it can bear. Keeps products of
 * nanoseconds and rates within 64 bits, and counts within the timer's 32. */
#define ARM_MAX_NS (60 * NS_PER_S)

static uint64_t armed_ns = NOT_ARMED;
uint64_t clock_next_look_ns = UINT64_MAX;
uint64_t clock_left_out_ns;
int64_t clock_offset_ns;
static uint64_t boot_ns_per_tick;

uint64_t clock_leave_out(uint64_t now_ns, uint64_t resumed_ns)
{
    ASSERT_SLOW(now_ns > resumed_ns);
    clock_left_out_ns += now_ns - resumed_ns;
    clock_offset_ns -= (int64_t)(now_ns - resumed_ns);
    return resumed_ns;
}

static uint64_t sleep_begin_ns, sleep_left_out_ns; /* of the last sleep */
static bool is_after_standstill;                   /* it, or what was before it, was one */

static void note_sleep(uint64_t now_ns)
{
    clock_next_look_ns = armed_ns + CLOCK_STANDSTILL_NS;
    is_after_standstill = clock_left_out_ns != sleep_left_out_ns;
    sleep_begin_ns = now_ns;
    sleep_left_out_ns = clock_left_out_ns;
}

uint64_t clock_woken(void)
{
    uint64_t now_ns = clock_line_ns();

    if (UNLIKELY(now_ns > clock_next_look_ns)) {
        now_ns = clock_leave_out(now_ns, is_after_standstill ? clock_next_look_ns : sleep_begin_ns);
    }
    clock_next_look_ns = now_ns + CLOCK_STANDSTILL_NS;
    return now_ns;
}

void clock_follow(struct clock_line line, uint64_t step_max_ns)
{
    uint64_t before_ns = clock_advance_ns();

    node_info.clock.ns_per_tick = boot_ns_per_tick + (uint64_t)line.rate_change;
    clock_offset_ns = line.offset_ns - (int64_t)clock_left_out_ns;
    int64_t step_ns = (int64_t)(clock_line_ns() - before_ns);

    if (step_ns < 0) {
        clock_offset_ns -= step_ns;
    } else if ((uint64_t)step_ns > step_max_ns) {
        clock_offset_ns -= step_ns - (int64_t)step_max_ns;
    }
    clock_next_look_ns = clock_line_ns() + CLOCK_STANDSTILL_NS;
}

void clock_initialise(void)
{
    boot_ns_per_tick = node_info.clock.ns_per_tick;
    if (node_info.clock.has_tsc_deadline) {
        lapic_timer_use_deadline();
    }
}

void clock_arm(uint64_t deadline_ns, uint64_t now_ns)
{
    const struct clock *clock = &node_info.clock;
    uint64_t wait_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;

    ASSERT_SLOW(clock->has_tsc_deadline ? clock->tsc_hz != 0 : clock->lapic_timer_hz != 0);
    if (deadline_ns >= armed_ns) {
        note_sleep(now_ns);
        return;
    }
    wait_ns = wait_ns < ARM_MAX_NS ? wait_ns : ARM_MAX_NS;
    /* Plus one: a deadline of now, or a count of zero, would stop the timer instead. */
    if (clock->has_tsc_deadline) {
        cpu_write_msr(MSR_TSC_DEADLINE,
                      cpu_read_tsc() + 1 + multiply_divide(wait_ns, clock->tsc_hz, NS_PER_S));
    } else {
        uint64_t counts = multiply_divide(wait_ns, clock->lapic_timer_hz, NS_PER_S) + 1;

        lapic_timer_start(counts < UINT32_MAX ? (uint32_t)counts : UINT32_MAX);
    }
    armed_ns = now_ns + wait_ns;
    note_sleep(now_ns);
}

void clock_fired(void)
{
    armed_ns = NOT_ARMED;
}
