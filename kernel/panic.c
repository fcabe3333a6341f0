/* SPDX-License-Identifier: MIT */
/*
 * What a failing node does, each step of which may itself fail: say it in its log; mark itself dead
 * and wake the others; let the console go; leave. A failure inside says only where it was.
 */
#include <stdarg.h>

#include "kernel/log.h"
#include "kernel/message/status.h"
#include "kernel/node.h"
#include "kernel/platform.h"
#include "kernel/thread/thread.h"
#include "kernel/x86/trap.h"
#include "libc/core/assert.h"
#include "libc/core/cpu.h"
#include "libc/core/format.h"

void (*panic_before_death)(void);

/* 0: working; then how deep in failing. To one that is dead an NMI is but a third failure. */
#define IS_DEAD 2u
static unsigned failure_depth;

/* The first words of a failure inside a failure: nothing but the console is trusted any more. */
static void report_nested(uintptr_t where)
{
    char text[96];
    int length = format_text(text, sizeof(text), "node%u panic: failed again at %#018lx\n",
                             platform_node(), where - node_info.map.image_slide);

    platform_console->write_through();
    platform_console->write(text, (size_t)length);
    platform_console->flush();
}

_Noreturn static void leave(void)
{
    if (trap_leave != NULL) {
        trap_leave();
    }
    cpu_halt_for_ever();
}

_Noreturn static void die(void)
{
    log_error("panic", "node %u halted", platform_node());
    if (panic_before_death != NULL) {
        panic_before_death();
    }
    log_end();
    failure_depth = IS_DEAD;
    leave();
}

bool platform_can_park(void)
{
    return trap_leave != NULL;
}

_Noreturn void platform_park(void)
{
    status_set_state(NODE_PARKED);
    status_send_attention();
    leave();
}

/* True the first time. The second says no more than where it was, and a third nothing at all. */
static bool begin_failure(uintptr_t where)
{
    failure_depth++;
    if (failure_depth == 2) {
        report_nested(where);
    } else if (failure_depth > 2) {
        leave();
    }
    return failure_depth == 1;
}

static void report(const struct trap_frame *frame, uintptr_t frame_pointer)
{
    if (trap_errors != NULL) {
        trap_errors->log(frame, frame_pointer);
    }
}

_Noreturn void panic_exception(const struct trap_frame *frame)
{
    const struct thread *thread = thread_self();

    if (begin_failure(frame->rip)) {
        log_error("panic", "node %u: exception %lu, error code %#lx%s%s", platform_node(),
                  frame->vector, frame->error, thread != NULL ? ", thread " : "",
                  thread != NULL ? thread_name(thread) : "");
        report(frame, frame->rbp);
    }
    die();
}

_Noreturn void platform_panic(const char *file, int line, const char *format, ...)
{
    char text[LOG_LINE_MAX_BYTES];
    va_list arguments;

    __asm__ volatile("cli");
    if (begin_failure((uintptr_t)__builtin_return_address(0))) {
        va_start(arguments, format);
        (void)format_text_v(text, sizeof(text), format, arguments);
        va_end(arguments);
        log_error("panic", "node %u: %s:%d: %s", platform_node(), file, line, text);
        report(NULL, (uintptr_t)__builtin_frame_address(0));
    }
    die();
}

static void panic_core(const char *file, int line, const char *condition)
{
    platform_panic(file, line, "assertion failed: %s", condition);
}

/* The compiler's names (gcc's documentation, -fstack-protector): what functions put before their
 * return address and compare before they return; and where they go when it has changed. */
CALLED_FROM_OUTSIDE uintptr_t __stack_chk_guard;
CALLED_FROM_OUTSIDE _Noreturn void __stack_chk_fail(void);
_Noreturn void __stack_chk_fail(void)
{
    PANIC("a stack frame was written over");
}

__attribute__((no_stack_protector)) void panic_initialise(void)
{
    __stack_chk_guard = platform_random() << 8; /* a 0 first: strings end there */
    core_assertion_failed = panic_core;
}
