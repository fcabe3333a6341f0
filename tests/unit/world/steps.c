/* SPDX-License-Identifier: MIT */
/*
 * Counts by the trap flag: the processor raises SIGTRAP after each instruction (SDM 1 3.4.3.3).
 */
#define _GNU_SOURCE /* REG_EFL */
#include "tests/unit/world/steps.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <ucontext.h>

#include <cmocka.h>

#define TRAP_FLAG 0x100

static volatile bool is_stepping;
static uint64_t step_count;

/* The first comes from raise(), and begins the steps. */
static void take_step(int number, siginfo_t *info, void *context)
{
    ucontext_t *user = context;

    (void)number;
    (void)info;
    step_count++;
    if (is_stepping) {
        user->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
    } else {
        user->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
    }
}

uint64_t steps_count(void (*function)(void))
{
    struct sigaction on_trap = {.sa_sigaction = take_step, .sa_flags = SA_SIGINFO};
    struct sigaction old;

    assert_int_equal(sigaction(SIGTRAP, &on_trap, &old), 0);
    step_count = 0;
    is_stepping = true;
    (void)raise(SIGTRAP);
    function();
    is_stepping = false;
    __asm__ volatile("nop"); /* the last step, which sees that */
    assert_int_equal(sigaction(SIGTRAP, &old, NULL), 0);
    return step_count;
}
