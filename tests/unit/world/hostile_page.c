/* SPDX-License-Identifier: MIT */
/*
 * Pages that change between two reads: see hostile_page.h. A touch raises SIGSEGV; the handler
 * opens the pages and sets the trap flag, so that SIGTRAP follows the one instruction and closes
 * them again (SDM 1 3.4.3.3).
 */
#define _GNU_SOURCE /* REG_EFL */
#include "tests/unit/world/hostile_page.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <cmocka.h>

#define TRAP_FLAG 0x100

static uint8_t *start;
static size_t length;
static void (*change_pages)(void);
static unsigned touch_count;
static struct sigaction old_segv, old_trap;

static void open_for_one_instruction(int number, siginfo_t *info, void *context)
{
    ucontext_t *user = context;
    uint8_t *address = info->si_addr;

    (void)number;
    (void)mprotect(start, length, PROT_READ | PROT_WRITE);
    if (address < start || address >= start + length) {
        (void)sigaction(SIGSEGV, &old_segv, NULL); /* not ours: it comes again */
        return;
    }
    touch_count++;
    change_pages();
    user->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
}

static void close_again(int number, siginfo_t *info, void *context)
{
    ucontext_t *user = context;

    (void)number;
    (void)info;
    user->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
    (void)mprotect(start, length, PROT_NONE);
}

void hostile_page_start(void *pages, size_t bytes, void (*change)(void))
{
    struct sigaction on_segv = {.sa_sigaction = open_for_one_instruction, .sa_flags = SA_SIGINFO};
    struct sigaction on_trap = {.sa_sigaction = close_again, .sa_flags = SA_SIGINFO};

    start = pages;
    length = bytes;
    change_pages = change;
    touch_count = 0;
    assert_int_equal(sigaction(SIGSEGV, &on_segv, &old_segv), 0);
    assert_int_equal(sigaction(SIGTRAP, &on_trap, &old_trap), 0);
    assert_int_equal(mprotect(start, length, PROT_NONE), 0);
}

unsigned hostile_page_stop(void)
{
    assert_int_equal(mprotect(start, length, PROT_READ | PROT_WRITE), 0);
    assert_int_equal(sigaction(SIGSEGV, &old_segv, NULL), 0);
    assert_int_equal(sigaction(SIGTRAP, &old_trap, NULL), 0);
    return touch_count;
}
