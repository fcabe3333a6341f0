/* SPDX-License-Identifier: MIT */
/*
 * A hosted node's end by failure: it says what happened, marks itself dead, wakes the others and
 * ends its process by SIGABRT, so that Linux keeps a core file where it is asked to. Who looks for
 * a backtrace finds it there (README.md).
 */
#include <stdarg.h>
#include <string.h>

#include "kernel/hosted/linux.h"
#include "kernel/log.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "kernel/thread/thread.h"
#include "libc/core/assert.h"
#include "libc/core/command_line.h"
#include "libc/core/format.h"

void (*panic_before_death)(void); /* nobody's here */

static bool has_failed;

static void begin_failure(void)
{
    if (has_failed) {
        linux_abort(); /* a failure inside a failure: the first has said what it could */
    }
    has_failed = true;
}

_Noreturn static void die(void)
{
    const char *action;

    log_error("panic", "node %u halted", platform_node());
    if (command_line_find(platform_command_line(), "panic", &action) == 4 &&
        memcmp(action, "exit", 4) == 0) {
        log_flush_all();
        linux_exit(1);
    }
    log_end();
    linux_abort();
}

_Noreturn void hosted_fault(int signal, uintptr_t instruction, uintptr_t address)
{
    const struct thread *thread = thread_self();

    begin_failure();
    log_error("panic", "node %u: signal %d at %#lx, address %#lx%s%s", platform_node(), signal,
              instruction, address, thread != NULL ? ", thread " : "",
              thread != NULL ? thread_name(thread) : "");
    die();
}

_Noreturn void platform_panic(const char *file, int line, const char *format, ...)
{
    char text[LOG_LINE_MAX_BYTES];
    va_list arguments;

    begin_failure();
    va_start(arguments, format);
    (void)format_text_v(text, sizeof(text), format, arguments);
    va_end(arguments);
    log_error("panic", "node %u: %s:%d: %s", platform_node(), file, line, text);
    die();
}

/* The launcher starts it again when it is wanted. */
bool platform_can_park(void)
{
    return true;
}

_Noreturn void platform_park(void)
{
    status_set_state(NODE_PARKED);
    linux_park();
}

static void panic_core(const char *file, int line, const char *condition)
{
    platform_panic(file, line, "assertion failed: %s", condition);
}

/* As on the bare machine (kernel/panic.c). */
CALLED_FROM_OUTSIDE uintptr_t __stack_chk_guard;
CALLED_FROM_OUTSIDE _Noreturn void __stack_chk_fail(void);
_Noreturn void __stack_chk_fail(void)
{
    PANIC("a stack frame was written over");
}

__attribute__((no_stack_protector)) void panic_initialise(void)
{
    __stack_chk_guard = platform_random() << 8;
    core_assertion_failed = panic_core;
}
