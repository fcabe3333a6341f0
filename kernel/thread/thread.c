/* SPDX-License-Identifier: MIT */
/*
 * The dispatcher runs on the node's own stack; it switches to a thread, which switches back when it
 * yields, blocks or ends. So the dispatcher's context is the only one to be remembered outside a
 * thread. A thread's struct lies at the top of its stack, and both are kept when it has ended.
 */
#include "kernel/thread/thread.h"

#include <errno.h>

#include "kernel/limits.h"
#include "kernel/platform.h"
#include "libc/core/memory.h"
#include "libc/core/timer.h"

/* switch.S. Both return 1 to the dispatcher when the thread has ended, 0 when it has yielded. */
int thread_switch(void **saved, void *resumed, int result);
int thread_start(void **saved, void *stack_top, void (*function)(void *), void *argument);

#define HAS_YIELDED 0
#define HAS_ENDED   1

/* In the last word of each stack: a thread that has overwritten it has used more than there is. */
#define STACK_END_MARK 0x57ACC0DE57ACC0DEull

/*
 *   FREE    -> READY     thread_create()
 *           -> RUNNING   thread_run_handler()
 *   READY   -> RUNNING   its turn has come
 *   RUNNING -> READY     it yields
 *           -> BLOCKED   it waits to be woken
 *           -> FREE      it ends; the next thread uses its stack
 *   BLOCKED -> READY     it is woken, or its deadline passes
 */
enum thread_state { THREAD_FREE, THREAD_READY, THREAD_RUNNING, THREAD_BLOCKED };

struct thread {
    _Alignas(CHANNEL_LINE_BYTES) void *context; /* NULL until it has run */
    void (*function)(void *argument);
    void *argument;
    const char *name;
    struct thread *next; /* in the ready queue or the free list */
    enum thread_state state;
    bool is_wake_kept; /* woken while it did not block */
    bool is_timed_out;
    struct timer timer; /* of thread_block_until() */
};

_Static_assert(THREAD_STACK_BYTES % _Alignof(struct thread) == 0, "the struct ends the stack");

static struct thread *current;   /* NULL: the dispatcher runs */
static void *dispatcher_context; /* while a thread runs */
static struct thread *free_threads;
static struct thread *ready_first;
static struct thread **ready_end = &ready_first;
static unsigned ready_count;

static void set_state(struct thread *thread, enum thread_state state)
{
    static const uint8_t may_follow[] = {
        [THREAD_FREE] = 1 << THREAD_READY | 1 << THREAD_RUNNING,
        [THREAD_READY] = 1 << THREAD_RUNNING,
        [THREAD_RUNNING] = 1 << THREAD_READY | 1 << THREAD_BLOCKED | 1 << THREAD_FREE,
        [THREAD_BLOCKED] = 1 << THREAD_READY,
    };

    ASSERT_SLOW((may_follow[thread->state] & 1 << state) != 0);
    thread->state = state;
}

/* --- Making and keeping threads --- */

static uint64_t *stack_end_of(struct thread *thread)
{
    return (uint64_t *)((char *)(thread + 1) - THREAD_STACK_BYTES);
}

static void make_ready(struct thread *thread)
{
    ASSERT_SLOW((ready_first == NULL) == (ready_count == 0) && *ready_end == NULL);
    set_state(thread, THREAD_READY);
    thread->next = NULL;
    *ready_end = thread;
    ready_end = &thread->next;
    ready_count++;
}

static void time_out(struct timer *timer)
{
    struct thread *thread = CONTAINER_OF(timer, struct thread, timer);

    /* It may have been woken in the same round, and not have run yet. */
    if (thread->state == THREAD_BLOCKED) {
        thread->is_timed_out = true;
        make_ready(thread);
    }
}

MEMORY_KIND(stacks_kind, "thread_stack"); /* kept for the next thread */

static struct thread *take_thread(void)
{
    struct thread *thread = free_threads;

    if (LIKELY(thread != NULL)) {
        ASSERT(thread->state == THREAD_FREE && !timer_is_set(&thread->timer));
        free_threads = thread->next;
        return thread;
    }
    char *stack = memory_is_refused(&stacks_kind) ? NULL : platform_allocate_stack();

    if (!memory_count_taken(&stacks_kind, stack, THREAD_STACK_BYTES)) {
        return NULL;
    }
    thread = (struct thread *)(stack + THREAD_STACK_BYTES) - 1;
    thread->state = THREAD_FREE;
    *stack_end_of(thread) = STACK_END_MARK;
    timer_initialise(&thread->timer, time_out);
    return thread;
}

static void set_up(struct thread *thread, const char *name, void (*function)(void *argument),
                   void *argument)
{
    ASSERT(function != NULL);
    thread->context = NULL;
    thread->function = function;
    thread->argument = argument;
    thread->name = name;
    thread->is_wake_kept = false;
}

static void keep_for_reuse(struct thread *thread)
{
    ASSERT(!timer_is_set(&thread->timer));
    ASSERT(*stack_end_of(thread) == STACK_END_MARK);
    set_state(thread, THREAD_FREE);
    thread->next = free_threads;
    free_threads = thread;
}

/* --- From the dispatcher into a thread --- */

/* Run it until it yields or ends, and keep what has ended. */
static inline void run(struct thread *thread)
{
    int result;

    ASSERT_SLOW(current == NULL);
    set_state(thread, THREAD_RUNNING);
    current = thread;
    if (thread->context == NULL) {
        result = thread_start(&dispatcher_context, thread, thread->function, thread->argument);
    } else {
        result = thread_switch(&dispatcher_context, thread->context, 0);
    }
    current = NULL;
    if (result == HAS_ENDED) {
        keep_for_reuse(thread);
    }
}

struct thread *thread_create(const char *name, void (*function)(void *argument), void *argument)
{
    struct thread *thread = take_thread();

    if (thread != NULL) {
        set_up(thread, name, function, argument);
        make_ready(thread);
    }
    return thread;
}

int thread_run_handler(const char *name, void (*function)(void *argument), void *argument)
{
    if (UNLIKELY(current != NULL)) {
        return thread_create(name, function, argument) != NULL ? 0 : -ENOMEM;
    }
    struct thread *thread = take_thread();

    if (UNLIKELY(thread == NULL)) {
        return -ENOMEM;
    }
    set_up(thread, name, function, argument);
    run(thread);
    return 0;
}

unsigned thread_run_ready(void)
{
    unsigned turn_count = ready_count;

    ASSERT(current == NULL);
    /* Those that become ready meanwhile have their turn in the next round. */
    for (unsigned i = 0; i < turn_count; i++) {
        struct thread *thread = ready_first;

        ready_first = thread->next;
        if (ready_first == NULL) {
            ready_end = &ready_first;
        }
        ready_count--;
        ASSERT(thread->state == THREAD_READY);
        run(thread);
    }
    return turn_count;
}

bool thread_is_any_ready(void)
{
    return ready_count != 0;
}

/* --- From a thread back to the dispatcher --- */

/* On the stack of `thread`; returns when its next turn comes. */
static void leave(struct thread *thread, int result)
{
    ASSERT(*stack_end_of(thread) == STACK_END_MARK);
    (void)thread_switch(&thread->context, dispatcher_context, result);
    ASSERT(current == thread && thread->state == THREAD_RUNNING);
}

struct thread *thread_self(void)
{
    return current;
}

const char *thread_name(const struct thread *thread)
{
    return thread->name;
}

void thread_yield(void)
{
    ASSERT(current != NULL);
    make_ready(current);
    leave(current, HAS_YIELDED);
}

bool thread_block_until(uint64_t deadline_ns)
{
    ASSERT(current != NULL);
    struct thread *thread = current;

    if (thread->is_wake_kept) {
        thread->is_wake_kept = false;
        return true;
    }
    thread->is_timed_out = false;
    if (deadline_ns != UINT64_MAX && timer_start(&thread->timer, deadline_ns) != 0) {
        return false;
    }
    set_state(thread, THREAD_BLOCKED);
    leave(thread, HAS_YIELDED);
    timer_stop(&thread->timer);
    return !thread->is_timed_out;
}

void thread_exit(void)
{
    ASSERT(current != NULL);
    leave(current, HAS_ENDED);
    __builtin_unreachable();
}

void thread_wake(struct thread *thread)
{
    ASSERT(thread->state != THREAD_FREE);
    if (thread->state == THREAD_BLOCKED) {
        make_ready(thread);
    } else {
        thread->is_wake_kept = true;
    }
}
