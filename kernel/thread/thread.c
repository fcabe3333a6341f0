/* SPDX-License-Identifier: MIT */
/*
 * Cooperative threads. The dispatcher runs on the node's own stack; it switches to a thread, which
 * switches back when it yields, blocks or ends. Threads never switch to each other, so the
 * dispatcher's context is the only one to be remembered outside a thread.
 *
 * A thread's struct lies at the top of its stack: one block for both, kept in a free list when
 * the thread has ended.
 */
#include "kernel/thread/thread.h"

#include <errno.h>

#include "kernel/limits.h"
#include "kernel/platform.h"
#include "kernel/thread/timer.h"

/* switch.S. Both return 1 to the dispatcher when the thread has ended, 0 when it has yielded. */
int thread_switch(void **saved, void *resumed, int result);
int thread_start(void **saved, void *stack_top, void (*function)(void *), void *argument);

#define HAS_YIELDED 0
#define HAS_ENDED   1

enum thread_state { THREAD_READY, THREAD_RUNNING, THREAD_BLOCKED };

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
#if defined(__SANITIZE_ADDRESS__)
    void *fake_stack;
#endif
};

static struct thread *current;   /* NULL: the dispatcher runs */
static void *dispatcher_context; /* while a thread runs */
static struct thread *spare;     /* thread_run_handler()'s; NULL when a handler has kept it */
static struct thread *free_threads;
static struct thread *ready_first;
static struct thread **ready_end = &ready_first;
static unsigned ready_count;

/* --- The address sanitizer must know which stack is in use: it is told before each switch where
 * we go, and after it that we have come. --- */
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>

static const void *dispatcher_stack;
static size_t dispatcher_stack_bytes;
static void *dispatcher_fake_stack;

static void *stack_of(struct thread *thread)
{
    return (char *)(thread + 1) - THREAD_STACK_BYTES;
}

static void leave_dispatcher(struct thread *thread)
{
    __sanitizer_start_switch_fiber(&dispatcher_fake_stack, stack_of(thread), THREAD_STACK_BYTES);
}

static void enter_dispatcher(void)
{
    __sanitizer_finish_switch_fiber(dispatcher_fake_stack, NULL, NULL);
}

static void leave_thread(struct thread *thread, int result)
{
    __sanitizer_start_switch_fiber(result == HAS_ENDED ? NULL : &thread->fake_stack,
                                   dispatcher_stack, dispatcher_stack_bytes);
}

static void enter_thread(struct thread *thread)
{
    __sanitizer_finish_switch_fiber(thread->fake_stack, &dispatcher_stack, &dispatcher_stack_bytes);
}
#else
static inline void leave_dispatcher(struct thread *thread)
{
    (void)thread;
}
static inline void enter_dispatcher(void)
{
}
static inline void leave_thread(struct thread *thread, int result)
{
    (void)thread;
    (void)result;
}
static inline void enter_thread(struct thread *thread)
{
    (void)thread;
}
#endif

/* --- Making and keeping threads --- */

static void make_ready(struct thread *thread)
{
    thread->state = THREAD_READY;
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

static struct thread *take_thread(void)
{
    struct thread *thread = free_threads;

    if (thread != NULL) {
        free_threads = thread->next;
        return thread;
    }
    char *stack = platform_allocate_stack();

    if (stack == NULL) {
        return NULL;
    }
    thread = (struct thread *)(stack + THREAD_STACK_BYTES) - 1;
    timer_initialise(&thread->timer, time_out);
    return thread;
}

static void set_up(struct thread *thread, const char *name, void (*function)(void *argument),
                   void *argument)
{
    thread->context = NULL;
    thread->function = function;
    thread->argument = argument;
    thread->name = name;
    thread->is_wake_kept = false;
}

static void keep_for_reuse(struct thread *thread)
{
    if (spare == NULL) {
        spare = thread;
    } else {
        thread->next = free_threads;
        free_threads = thread;
    }
}

/* --- From the dispatcher into a thread --- */

/* The sanitizer needs a word at the start and at the end of each stack's use; without it a
 * thread's function is called by thread_start() itself. */
#if defined(__SANITIZE_ADDRESS__)
static void run_watched(void *argument)
{
    struct thread *thread = argument;

    thread->fake_stack = NULL;
    enter_thread(thread);
    thread->function(thread->argument);
    thread_exit();
}

static int enter_function(struct thread *thread)
{
    return thread_start(&dispatcher_context, thread, run_watched, thread);
}
#else
static inline int enter_function(struct thread *thread)
{
    return thread_start(&dispatcher_context, thread, thread->function, thread->argument);
}
#endif

/* Run it until it yields or ends; returns which. */
static inline int run(struct thread *thread)
{
    int result;

    thread->state = THREAD_RUNNING;
    current = thread;
    leave_dispatcher(thread);
    if (thread->context == NULL) {
        result = enter_function(thread);
    } else {
        result = thread_switch(&dispatcher_context, thread->context, 0);
    }
    enter_dispatcher();
    current = NULL;
    return result;
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
    struct thread *thread = spare;

    if (UNLIKELY(thread == NULL)) {
        thread = take_thread();
        if (thread == NULL) {
            return -ENOMEM;
        }
    }
    /* Taken before it runs and given back after, so that a handler that yields keeps it. */
    spare = NULL;
    set_up(thread, name, function, argument);
    if (LIKELY(run(thread) == HAS_ENDED)) {
        keep_for_reuse(thread);
    }
    return 0;
}

unsigned thread_run_ready(void)
{
    unsigned turn_count = ready_count;

    /* Those that become ready meanwhile have their turn in the next round. */
    for (unsigned i = 0; i < turn_count; i++) {
        struct thread *thread = ready_first;

        ready_first = thread->next;
        if (ready_first == NULL) {
            ready_end = &ready_first;
        }
        ready_count--;
        if (run(thread) == HAS_ENDED) {
            keep_for_reuse(thread);
        }
    }
    return turn_count;
}

/* --- From a thread back to the dispatcher --- */

static void leave(struct thread *thread, int result)
{
    leave_thread(thread, result);
    (void)thread_switch(&thread->context, dispatcher_context, result);
    enter_thread(thread);
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

void thread_block(void)
{
    ASSERT(current != NULL);
    struct thread *thread = current;

    if (thread->is_wake_kept) {
        thread->is_wake_kept = false;
        return;
    }
    thread->state = THREAD_BLOCKED;
    leave(thread, HAS_YIELDED);
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
    if (timer_start(&thread->timer, deadline_ns) != 0) {
        return false;
    }
    thread->state = THREAD_BLOCKED;
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
    if (thread->state == THREAD_BLOCKED) {
        make_ready(thread);
    } else {
        thread->is_wake_kept = true;
    }
}
