/* SPDX-License-Identifier: MIT */
/*
 * The address sanitizer must know which stack is in use: it is told before each switch where we go,
 * and after it that we have come. The linker leads the calls of kernel/thread/thread.c to here
 * (--wrap in tests.mk), and from here to kernel/thread/switch.S.
 *
 * Stacks are those of fake_platform.c, aligned to their size, and the one on which the test runs.
 */
#include "tests/unit/world/thread_sanitizer.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#else
/* make mutate tries tests without it first: then threads are only counted. */
#define __asan_unpoison_memory_region(...)   ((void)0)
#define __sanitizer_start_switch_fiber(...)  ((void)0)
#define __sanitizer_finish_switch_fiber(...) ((void)0)
#endif

#include "kernel/limits.h"
#include "kernel/thread/thread.h"

int __real_thread_switch(void **saved, void *resumed, int result);
int __real_thread_start(void **saved, void *stack_top, void (*function)(void *), void *argument);
int __wrap_thread_switch(void **saved, void *resumed, int result);
int __wrap_thread_start(void **saved, void *stack_top, void (*function)(void *), void *argument);

struct start {
    void (*function)(void *argument);
    void *argument;
};

/* The dispatcher's, once a thread has run. */
static const void *dispatcher_stack;
static size_t dispatcher_stack_bytes;

static unsigned begun_count;

unsigned threads_begun(void)
{
    return begun_count;
}

static void *stack_of(void *address)
{
    return (void *)ALIGN_DOWN((uintptr_t)address, THREAD_STACK_BYTES);
}

static bool is_dispatchers(const void *address)
{
    return (uintptr_t)address - (uintptr_t)dispatcher_stack < dispatcher_stack_bytes;
}

static void run_watched(void *argument)
{
    struct start start = *(struct start *)argument;

    __sanitizer_finish_switch_fiber(NULL, &dispatcher_stack, &dispatcher_stack_bytes);
    start.function(start.argument);
    thread_exit(); /* its switch is watched; the return to thread_start() would not be */
}

int __wrap_thread_start(void **saved, void *stack_top, void (*function)(void *), void *argument)
{
    struct start start = {.function = function, .argument = argument};
    void *stack = stack_of(stack_top);
    void *fake_stack;

    /* A thread that has ended left its frames without a return, and their marks with them. */
    __asan_unpoison_memory_region(stack, (size_t)((char *)stack_top - (char *)stack));
    __sanitizer_start_switch_fiber(&fake_stack, stack, THREAD_STACK_BYTES);
    begun_count++;
    int result = __real_thread_start(saved, stack_top, run_watched, &start);

    __sanitizer_finish_switch_fiber(fake_stack, NULL, NULL);
    return result;
}

int __wrap_thread_switch(void **saved, void *resumed, int result)
{
    void *fake_stack = NULL;

    begun_count -= result != 0; /* a thread ends; whoever is resumed is told 0 */
    if (!is_dispatchers(resumed)) {
        __sanitizer_start_switch_fiber(&fake_stack, stack_of(resumed), THREAD_STACK_BYTES);
        result = __real_thread_switch(saved, resumed, result);
        __sanitizer_finish_switch_fiber(fake_stack, NULL, NULL);
        return result;
    }
    /* A thread that ends does not come back for what it leaves. */
    __sanitizer_start_switch_fiber(result != 0 ? NULL : &fake_stack, dispatcher_stack,
                                   dispatcher_stack_bytes);
    result = __real_thread_switch(saved, resumed, result);
    __sanitizer_finish_switch_fiber(fake_stack, &dispatcher_stack, &dispatcher_stack_bytes);
    return result;
}
