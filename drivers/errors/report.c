/* SPDX-License-Identifier: MIT */
/*
 * What a failing node says beside the failure itself: the exception's name, registers, where it was
 * and who called it. Trusts nothing that the failure may have destroyed.
 */
#include "drivers/errors/hardware.h"
#include "drivers/errors/question.h"
#include "drivers/errors/snapshots.h"
#include "kernel/component.h"
#include "kernel/limits.h"
#include "kernel/log.h"
#include "kernel/node.h"
#include "kernel/x86/clock.h"
#include "kernel/x86/paging.h"
#include "kernel/x86/trap.h"
#include "libc/core/bits.h"
#include "libc/core/symbols.h"

#define BACKTRACE_MAX 32

#define FLAGS_INTERRUPTS BIT(9) /* of rflags: they are on */
#define OPCODE_HLT       0xF4

/* SDM 3A table 6-1 */
/* clang-format off */
static const char *const exception_names[] = {
    "divide error", "debug", "NMI", "breakpoint", "overflow", "bound range", "invalid opcode",
    "no coprocessor", "double fault", NULL, "invalid TSS", "segment not present", "stack fault",
    "general protection", "page fault", NULL, "x87 error", "alignment check", "machine check",
    "SIMD error", "virtualization", "control protection",
};
/* clang-format on */

/* From the linker script, and from boot/symbols.awk. */
extern const char text_start[];
extern const char text_end[];
extern const uint32_t symbol_count;
extern const struct symbol symbol_table[];
extern const char symbol_names[];

/* In text, as it was linked: so it says where it was, and not where this node has it. */
static void log_address(const char *label, uintptr_t vaddr)
{
    uintptr_t offset = vaddr - (uintptr_t)text_start;
    uintptr_t text_bytes = (uintptr_t)text_end - (uintptr_t)text_start;
    const struct symbol *symbol =
        offset < text_bytes ? symbol_find(symbol_table, symbol_count, (uint32_t)offset) : NULL;

    if (symbol != NULL) {
        log_error("panic", "%s %#018lx %s+%#lx", label, vaddr - node_info.map.image_slide,
                  &symbol_names[symbol->name_offset], offset - symbol->offset);
    } else {
        log_error("panic", "%s %#018lx", label, vaddr);
    }
}

/* Else the upper bits, which tables do not go by, are not what the processor wants (SDM 1 3.3.7.1).
 */
static bool is_canonical(uintptr_t vaddr)
{
    return (intptr_t)(vaddr << 16) >> 16 == (intptr_t)vaddr;
}

/* Whether a frame's two words can be read: the chain may be what was destroyed. */
static bool is_readable_frame(uintptr_t frame)
{
    struct address_space *space = paging_own_space();

    return frame % sizeof(uintptr_t) == 0 && is_canonical(frame) &&
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

static void log_registers(const struct trap_frame *frame, uintptr_t cr2)
{
    uintptr_t cr3;

    __asm__ volatile("movq %%cr3, %0" : "=r"(cr3));
    log_error("panic", "rax %016lx rbx %016lx rcx %016lx rdx %016lx", frame->rax, frame->rbx,
              frame->rcx, frame->rdx);
    log_error("panic", "rsi %016lx rdi %016lx rbp %016lx rsp %016lx", frame->rsi, frame->rdi,
              frame->rbp, frame->rsp);
    log_error("panic", "r8  %016lx r9  %016lx r10 %016lx r11 %016lx", frame->r8, frame->r9,
              frame->r10, frame->r11);
    log_error("panic", "r12 %016lx r13 %016lx r14 %016lx r15 %016lx", frame->r12, frame->r13,
              frame->r14, frame->r15);
    log_error("panic", "rip %016lx rflags %08lx cr2 %016lx cr3 %016lx", frame->rip, frame->rflags,
              cr2, cr3);
}

/* So near to the top of the stack only a guard page is not mapped. */
static bool is_near(uintptr_t vaddr, uintptr_t rsp)
{
    return vaddr + PAGE_BYTES - rsp < 2 * PAGE_BYTES;
}

static void log_exception(const struct trap_frame *frame)
{
    const char *name =
        frame->vector < ARRAY_COUNT(exception_names) ? exception_names[frame->vector] : NULL;
    uintptr_t cr2;

    __asm__ volatile("movq %%cr2, %0" : "=r"(cr2));
    if (frame->vector == VECTOR_PAGE_FAULT) {
        const char *state = frame->error & FAULT_IS_OF_RIGHTS ? "mapped without that right"
                            : is_near(cr2, frame->rsp) ? "a guard page: a stack has overflowed"
                                                       : "not mapped";
        const char *access = frame->error & FAULT_IS_EXECUTION ? "execution"
                             : frame->error & FAULT_IS_WRITE   ? "write"
                                                               : "read";

        log_error("panic", "page fault: %s of address %#018lx, which is %s", access, cr2, state);
    } else {
        log_error("panic", "%s", name != NULL ? name : "reserved");
    }
    hardware_error_log(frame->vector);
    log_address("at", frame->rip);
    log_registers(frame, cr2);
}

static void log_failure(const struct trap_frame *frame, uintptr_t frame_pointer)
{
    question_expect_no_rounds();
    if (frame != NULL) {
        log_exception(frame);
    }
    log_backtrace(frame_pointer);
}

/* An NMI between the idle loop's `sti` and its `hlt` steps over that: the return would let in the
 * interrupt that is to end the halt, and then halt. Elsewhere interrupts are off. */
static bool goes_on(struct trap_frame *frame)
{
    if (frame->vector == VECTOR_PAGE_FAULT) {
        return snapshots_resolve(frame);
    }
    bool is_answered =
        hardware_error_is_question(frame->vector) && question_answer(clock_line_ns());

    if (is_answered && (frame->rflags & FLAGS_INTERRUPTS) != 0 &&
        *(const uint8_t *)frame->rip == OPCODE_HLT) {
        frame->rip++;
    }
    return is_answered || hardware_error_is_elsewhere(frame->vector);
}

static void begin_reporting(void)
{
    static const struct trap_errors errors = {goes_on, log_failure};

    trap_errors = &errors;
}

static const struct component report_component = {
    .steps = {[BOOT_FIRST] = begin_reporting, [NODE_FIRST] = begin_reporting},
};
COMPONENT(report_component);
