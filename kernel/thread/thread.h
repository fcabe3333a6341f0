/* SPDX-License-Identifier: MIT */
/*
 * Cooperative threads (PIKA 4.2): each has a stack, and owns its node's data until it yields or
 * blocks. A handler that does neither hands its stack on, for a few instructions.
 */
#pragma once

#include "kernel/base.h"

struct thread;

/* Create a thread that is ready at once; NULL without memory. The name is kept, not copied. */
MUST_CHECK struct thread *thread_create(const char *name, void (*function)(void *argument),
                                        void *argument);
/* Run `function` now, from the dispatcher's context; if it yields or blocks it goes on as a thread.
 * Called in a thread, it is thread_create(). Returns 0, or -ENOMEM (nothing was run). */
MUST_CHECK int thread_run_handler(const char *name, void (*function)(void *argument),
                                  void *argument);

/* NULL in the dispatcher's own context (message handlers, polls, timers). */
struct thread *thread_self(void);
const char *thread_name(const struct thread *thread);

/* Only in a thread. */
void thread_yield(void); /* let everybody else run once */
/* Until thread_wake(), of which one that came before is kept, or `deadline_ns` (UINT64_MAX: never).
 * True if it was woken, false on time-out (at once if there is no memory for the timer). */
bool thread_block_until(uint64_t deadline_ns);
static inline void thread_block(void)
{
    (void)thread_block_until(UINT64_MAX);
}
_Noreturn void thread_exit(void);

/* From anywhere on this node. */
void thread_wake(struct thread *thread);

/* For the dispatcher: run each thread that was ready at the call once; returns how many. */
unsigned thread_run_ready(void);
/* Whether the next call of that would run one. */
bool thread_is_any_ready(void);
