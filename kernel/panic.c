/* SPDX-License-Identifier: MIT */
/*
 * What a failing node does, in this order, each step of which may itself fail: say it in its log;
 * mark itself dead, so that the others go on without it, and wake them; let the console go; halt. A
 * failure inside says only where it was.
 */
#include "kernel/panic.h"

#include <stdarg.h>

#include "kernel/log.h"
#include "kernel/message/status.h"
#include "kernel/node.h"
#include "kernel/platform.h"
#include "kernel/thread/thread.h"
#include "kernel/x86/cpu.h"
#include "kernel/x86/layout.h"
#include "kernel/x86/paging.h"
#include "kernel/x86/trap.h"
#include "libc/core/assert.h"
#include "libc/core/command_line.h"
#include "libc/core/format.h"
#include "libc/core/symbols.h"

#define BACKTRACE_MAX   32
/* Chosen: some thirty lines at 115200 baud take a quarter of it. */
#define PRINT_WAIT_NS   NS_PER_S
#define EXCEPTION_COUNT 32

/* clang-format off */
static const char *const exception_names[EXCEPTION_COUNT] = {
    "divide error", "debug", "NMI", "breakpoint", "overflow", "bound range", "invalid opcode",
    "no coprocessor", "double fault", NULL, "invalid TSS", "segment not present", "stack fault",
    "general protection", "page fault", NULL, "x87 error", "alignment check", "machine check",
    "SIMD error", "virtualization", "control protection",
};
/* clang-format on */

/* 0: working; then how deep in failing. Of one that has said its last word an NMI or a machine
 * check makes no news. */
#define IS_DEAD 3u
static unsigned failure_depth;

/* From the linker script, and from boot/symbols.awk. */
extern const char text_start[];
extern const char text_end[];
extern const uint32_t symbol_count;
extern const struct symbol symbol_table[];
extern const char symbol_names[];

static void log_address(const char *label, uintptr_t vaddr)
{
    uintptr_t offset = vaddr - (uintptr_t)text_start;
    uintptr_t text_bytes = (uintptr_t)text_end - (uintptr_t)text_start;
    const struct symbol *symbol =
        offset < text_bytes ? symbol_find(symbol_table, symbol_count, (uint32_t)offset) : NULL;

    if (symbol != NULL) {
        log_error("panic", "%s %#018lx %s+%#lx", label, vaddr, &symbol_names[symbol->name_offset],
                  offset - symbol->offset);
    } else {
        log_error("panic", "%s %#018lx", label, vaddr);
    }
}

/* Whether a frame's two words can be read: the chain may be what was destroyed. */
static bool is_readable_frame(uintptr_t frame)
{
    struct address_space *space = paging_own_space();

    return frame % sizeof(uintptr_t) == 0 && frame >= DIRECT_MAP_BASE &&
           address_space_translate(space, frame) != ADDRESS_SPACE_NONE &&
           address_space_translate(space, frame + sizeof(uintptr_t)) != ADDRESS_SPACE_NONE;
}

/* Each frame: the caller's frame pointer, then the return address. Frames of one stack lie ever
 * higher; a chain that turns back is damaged. */
static void log_backtrace(uintptr_t frame)
{
    for (unsigned i = 0; i < BACKTRACE_MAX && frame != 0 && is_readable_frame(frame); i++) {
        const uintptr_t *words = (const uintptr_t *)frame;

        if (words[1] == 0) {
            return;
        }
        /* One back: the return address may be the first byte of the next function. */
        log_address("  from", words[1] - 1);
        if (words[0] <= frame) {
            return;
        }
        frame = words[0];
    }
}

static void log_registers(const struct trap_frame *frame)
{
    log_error("panic", "rax %016lx rbx %016lx rcx %016lx rdx %016lx", frame->rax, frame->rbx,
              frame->rcx, frame->rdx);
    log_error("panic", "rsi %016lx rdi %016lx rbp %016lx rsp %016lx", frame->rsi, frame->rdi,
              frame->rbp, frame->rsp);
    log_error("panic", "r8  %016lx r9  %016lx r10 %016lx r11 %016lx", frame->r8, frame->r9,
              frame->r10, frame->r11);
    log_error("panic", "r12 %016lx r13 %016lx r14 %016lx r15 %016lx", frame->r12, frame->r13,
              frame->r14, frame->r15);
    log_error("panic", "rip %016lx rflags %08lx cr2 %016lx cr3 %016lx", frame->rip, frame->rflags,
              cpu_read_cr2(), cpu_read_cr3());
}

static void log_exception(const struct trap_frame *frame)
{
    const char *name = frame->vector < EXCEPTION_COUNT ? exception_names[frame->vector] : NULL;

    log_error("panic", "node %u: exception %lu (%s), error code %#lx%s%s", platform_node(),
              frame->vector, name != NULL ? name : "reserved", frame->error,
              thread_self() != NULL ? ", thread " : "",
              thread_self() != NULL ? thread_name(thread_self()) : "");
    if (frame->vector == VECTOR_PAGE_FAULT) {
        log_error("panic", "%s of address %#018lx, which is %s",
                  frame->error & 16 ? "execution" : (frame->error & 2 ? "write" : "read"),
                  cpu_read_cr2(), frame->error & 1 ? "mapped without that right" : "not mapped");
    }
    if (status_is_declared_dead(platform_node())) {
        log_error("panic", "another node has given this one up: it hung here");
    }
    if (trap_errors != NULL) {
        trap_errors->log(frame->vector);
    }
    log_address("at", frame->rip);
    log_registers(frame);
    log_backtrace(frame->rbp);
}

/* The first words of a failure inside a failure: nothing but the console is trusted any more. */
static void report_nested(uintptr_t where)
{
    char text[96];
    int length = format_text(text, sizeof(text), "node%u panic: failed again at %#018lx\n",
                             platform_node(), where);

    platform_console->write_through();
    platform_console->write(text, (size_t)length);
    platform_console->flush();
}

/* Another node may own the console: wait until it has printed our last line, or seems not to. */
static void wait_until_printed(void)
{
    node_id_t self = platform_node();
    node_id_t owner = log_console_owner();
    uint64_t end_ns = platform_now_ns() + PRINT_WAIT_NS;

    while (owner != NODE_NONE && owner != self && platform_now_ns() < end_ns &&
           status_log_printed(owner, self) != status_log_written(self)) {
        cpu_pause();
    }
}

_Noreturn static void die(void)
{
    const char *action;

    log_error("panic", "node %u halted", platform_node());
    /* As long as this node is alive others print its lines, or it does. */
    if (command_line_find(platform_command_line(), "panic", &action) == 4 &&
        __builtin_memcmp(action, "exit", 4) == 0) {
        platform_console->write_through();
        log_flush_all();
        platform_console->flush();
        wait_until_printed();
        platform_exit(PLATFORM_EXIT_PANIC);
    }
    log_end();
    failure_depth = IS_DEAD;
    cpu_halt_for_ever();
}

/* True the first time. */
static bool begin_failure(uintptr_t where)
{
    if (failure_depth++ == 0) {
        return true;
    }
    if (failure_depth == 2) {
        report_nested(where);
    }
    return false;
}

_Noreturn void panic_exception(const struct trap_frame *frame)
{
    if (begin_failure(frame->rip)) {
        log_exception(frame);
    } else if (failure_depth > 2) {
        cpu_halt_for_ever();
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
        log_backtrace((uintptr_t)__builtin_frame_address(0));
    } else if (failure_depth > 2) {
        cpu_halt_for_ever();
    }
    die();
}

static void panic_core(const char *file, int line, const char *condition)
{
    platform_panic(file, line, "assertion failed: %s", condition);
}

void panic_initialise(void)
{
    core_assertion_failed = panic_core;
}
