/* SPDX-License-Identifier: MIT */
/*
 * Instructions that only a kernel may execute, played for unit tests of what has them in line: a
 * process that executes one gets a signal, whose handler does what the processor would.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

extern struct privileged {
    bool has_interrupts;    /* by `sti`; not by `cli` */
    unsigned sleep_count;   /* a `hlt` with interrupts, which one ends at once */
    void (*in_sleep)(void); /* NULL: nothing happens then */
    uint64_t control[5];    /* CR0 to CR4 */
} privileged;

/* Call it. True if it returns; false if it halts for good, by a `hlt` without interrupts. */
bool privileged_call(void (*function)(void));
