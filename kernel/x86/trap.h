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

/* Of the exceptions (SDM 3A table 6-1). */
#define VECTOR_NMI           2
#define VECTOR_DOUBLE_FAULT  8
#define VECTOR_PAGE_FAULT    14
#define VECTOR_MACHINE_CHECK 18

#define TRAP_SELECTOR_CODE  0x08
#define TRAP_GATE_INTERRUPT 0x8E00 /* present, ring 0, interrupts stay off */

/* A descriptor of an IDT (SDM 3A figure 6-8). */
struct trap_gate {
    uint16_t offset_low;
    uint16_t selector;
    uint16_t ist_and_type;
    uint16_t offset_middle;
    uint32_t offset_high;
    uint32_t reserved;
};

_Static_assert(sizeof(struct trap_gate) == 16, "SDM 3A figure 6-8");

/* An interrupt gate to this code, on the stack of that number; 0: on the one in use. */
static inline struct trap_gate trap_gate_to(const char *code, unsigned ist)
{
    uintptr_t offset = (uintptr_t)code;

    return (struct trap_gate){
        .offset_low = (uint16_t)offset,
        .selector = TRAP_SELECTOR_CODE,
        .ist_and_type = (uint16_t)(TRAP_GATE_INTERRUPT | ist),
        .offset_middle = (uint16_t)(offset >> 16),
        .offset_high = (uint32_t)(offset >> 32),
    };
}

/* Load tables without stacks of their own for faults: enough to report a failure of boot. */
void trap_initialise(void);
/* Page faults of boot have one that ends there: of an overflow, too. */
void trap_use_fault_stack(uintptr_t top);
/* Give page faults, double faults, NMIs and machine checks stacks that nothing else uses. */
void trap_use_own_stacks(void);

/* What the layer that knows the machine's errors does for the node. Set before memory is; until
 * then nothing is known of a failure but its first line. */
struct trap_errors {
    /* Whether this node goes on: after a machine check for which another core has to answer, or an
     * NMI that asks whether it works, if it does. */
    bool (*goes_on)(struct trap_frame *frame);
    /* For the report of this node's end: all else that is known of the cause. `frame`: NULL if it
     * was no exception; `frame_pointer`: of the function that failed. */
    void (*log)(const struct trap_frame *frame, uintptr_t frame_pointer);
};
extern const struct trap_errors *trap_errors;
/* node_info.leave, where the node cannot write to it; NULL: it halts. */
extern void (*trap_leave)(void);

/* The node's end by an exception (kernel/panic.c). */
_Noreturn void panic_exception(const struct trap_frame *frame);

/* From trap.S. */
CALLED_FROM_OUTSIDE void trap_exception(struct trap_frame *frame);
CALLED_FROM_OUTSIDE void trap_interrupt(uint64_t vector);
