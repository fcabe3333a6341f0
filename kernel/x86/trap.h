/* SPDX-License-Identifier: MIT */
/*
 * Exceptions and interrupts: this node's GDT, TSS and IDT, and the registers that an entry saves.
 */
#pragma once

#include "kernel/base.h"

/* As trap.S pushes it, lowest address first. */
struct trap_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
    uint64_t rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t vector;
    uint64_t error; /* 0 where the exception has none */
    uint64_t rip, cs, rflags, rsp, ss;
};

/* Load tables without stacks of their own for faults: enough to report a failure of boot. */
void trap_initialise(void);
/* Give page faults, double faults and NMIs stacks of their own, so that a stack that has run into
 * its guard page is reported, too. */
void trap_use_own_stacks(void);

/* From trap.S. */
CALLED_FROM_OUTSIDE void trap_exception(struct trap_frame *frame);
CALLED_FROM_OUTSIDE void trap_interrupt(struct trap_frame *frame);
