/* SPDX-License-Identifier: MIT */
/* sources: drivers/errors/report.c libc/core/symbols.c tests/unit/world/privileged.c */
/*
 * drivers/errors/report.c: what is said of a failure, and that nothing is read which the failure
 * may have destroyed. Stacks lie in this program.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/errors/hardware.h"
#include "drivers/errors/question.h"
#include "drivers/errors/snapshots.h"
#include "kernel/component.h"
#include "kernel/log.h"
#include "kernel/node.h"
#include "kernel/x86/paging.h"
#include "kernel/x86/trap.h"
#include "libc/core/symbols.h"
#include "tests/unit/world/privileged.h"

/* A text of 4 KiB, in which nothing is ever executed. */
__asm__(".pushsection .data\n"
        ".globl text_start, text_end\n"
        "text_start: .skip 4096\n"
        "text_end:\n"
        ".popsection\n");
extern const char text_start[];
const uint32_t symbol_count = 2;
const struct symbol symbol_table[] = {{.offset = 0x100, .name_offset = 0},
                                      {.offset = 0x200, .name_offset = 6}};
const char symbol_names[] = "outer\0inner";

/* The image of this node lies that much above where it was linked. */
#define SLIDE 0x5000

struct node_info node_info = {.map = {.image_slide = SLIDE}};

static char said[8192];

void log_write(enum log_level level, const char *subsystem, const char *format, ...)
{
    size_t used = strlen(said);
    va_list arguments;

    assert_int_equal(level, LOG_ERROR);
    assert_string_equal(subsystem, "panic");
    va_start(arguments, format);
    used += (size_t)vsnprintf(said + used, sizeof(said) - used, format, arguments);
    va_end(arguments);
    assert_true(used + 1 < sizeof(said));
    strcpy(said + used, "\n");
}

static bool is_snapshots;

bool snapshots_resolve(const struct trap_frame *frame)
{
    assert_int_equal(frame->vector, VECTOR_PAGE_FAULT);
    return is_snapshots;
}

bool hardware_error_is_elsewhere(uint64_t vector)
{
    return vector == VECTOR_MACHINE_CHECK;
}

bool hardware_error_is_question(uint64_t vector)
{
    return vector == VECTOR_NMI;
}

static bool works; /* what the node answers */
static unsigned failures;
int64_t clock_offset_ns;
struct node_info node_info;

bool question_answer(uint64_t now_ns)
{
    (void)now_ns;
    return works;
}

void question_expect_no_rounds(void)
{
    failures++;
}

static uint64_t hardware_asked; /* of this vector */

void hardware_error_log(uint64_t vector)
{
    hardware_asked = vector;
}

/* The only memory there is. */
static uintptr_t stack[128];
static size_t mapped_words;

struct address_space *paging_own_space(void)
{
    return NULL;
}

paddr_t address_space_translate(const struct address_space *space, uintptr_t vaddr)
{
    assert_null(space);
    return (vaddr & ~(1ull << 63)) - (uintptr_t)stack < mapped_words * sizeof(uintptr_t)
               ? vaddr
               : ADDRESS_SPACE_NONE;
}

const struct trap_errors *trap_errors;

static int begin(void **state)
{
    (void)state;
    said[0] = '\0';
    memset(stack, 0, sizeof(stack));
    mapped_words = ARRAY_COUNT(stack);
    hardware_asked = 0;
    trap_errors = NULL;
    components_run(NODE_FIRST);
    assert_non_null(trap_errors);
    return 0;
}

/* At this word, of a function that was called from there. */
static void put_frame(size_t word, size_t caller_word, uintptr_t return_offset)
{
    stack[word] = (uintptr_t)&stack[caller_word];
    stack[word + 1] = (uintptr_t)text_start + return_offset;
}

static unsigned callers_said(void)
{
    unsigned count = 0;

    for (const char *at = said; (at = strstr(at, "  from ")) != NULL; at++) {
        count++;
    }
    return count;
}

static void backtrace(size_t word)
{
    said[0] = '\0';
    trap_errors->log(NULL, (uintptr_t)&stack[word]);
}

static void expect_said(const char *format, ...)
{
    char wanted[256];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(wanted, sizeof(wanted), format, arguments);
    va_end(arguments);
    if (strstr(said, wanted) == NULL) {
        print_error("not said: %sbut:\n%s", wanted, said);
        fail();
    }
}

/* The byte before the return address is the call's, though the next may be another function's. */
static void a_backtrace_names_each_caller(void **state)
{
    uintptr_t text = (uintptr_t)text_start - SLIDE; /* as linked: what addr2line knows */

    (void)state;
    put_frame(2, 10, 0x200);
    put_frame(10, 20, 0x234);
    stack[20] = (uintptr_t)&stack[30];
    backtrace(2);
    assert_int_equal(callers_said(), 2);
    expect_said("  from 0x%016lx outer+0xff\n  from 0x%016lx inner+0x33\n", text + 0x1FF,
                text + 0x233);
    assert_int_equal(hardware_asked, 0); /* it was no exception */
}

static void an_address_outside_of_every_function_has_no_name(void **state)
{
    static const uintptr_t offsets[] = {0x100, 0x1001, (uintptr_t)-0x1000, 0x123456789};

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(offsets); i++) {
        put_frame(2, 10, offsets[i]);
        backtrace(2);
        assert_int_equal(callers_said(), 1);
        expect_said("  from 0x%016lx\n", (uintptr_t)text_start + offsets[i] - 1);
    }
}

/* A stack that was written over may say anything. */
static void a_damaged_chain_ends_the_backtrace(void **state)
{
    (void)state;
    put_frame(2, 10, 0x180);
    put_frame(10, 2, 0x180); /* back */
    backtrace(2);
    assert_int_equal(callers_said(), 2);
    put_frame(10, 10, 0x180); /* to itself */
    backtrace(2);
    assert_int_equal(callers_said(), 2);
    stack[2] = (uintptr_t)&stack[10] + 1;
    backtrace(2);
    assert_int_equal(callers_said(), 1);
    stack[2] = UINT64_MAX - 7;
    backtrace(2);
    assert_int_equal(callers_said(), 1);
    put_frame(2, ARRAY_COUNT(stack) - 1, 0x180); /* its second word is not memory */
    backtrace(2);
    assert_int_equal(callers_said(), 1);
    mapped_words = 0;
    backtrace(2);
    assert_int_equal(callers_said(), 0);
    mapped_words = ARRAY_COUNT(stack);
    trap_errors->log(NULL, (uintptr_t)&stack[2] | 1ull << 63); /* no address has these bits */
    assert_int_equal(callers_said(), 0);
}

static void a_backtrace_is_bounded(void **state)
{
    (void)state;
    for (size_t i = 0; i < 40; i++) {
        put_frame(2 * i, 2 * i + 2, 0x180);
    }
    backtrace(0);
    assert_int_equal(callers_said(), 32);
}

/* --- Exceptions --- */

static struct trap_frame frame;

static void report(void)
{
    trap_errors->log(&frame, 0);
}

/* Reading CR2 and CR3 is a kernel's right. */
static void report_exception(uint64_t vector, uint64_t error)
{
    said[0] = '\0';
    frame = (struct trap_frame){.vector = vector, .error = error, .rip = 0x1234};
    assert_true(privileged_call(report));
    assert_int_equal(hardware_asked, vector);
    expect_said("at 0x0000000000001234\n");
}

static void exceptions_have_the_names_of_the_manual(void **state)
{
    (void)state;
    report_exception(0, 0);
    expect_said("divide error\n");
    report_exception(8, 0);
    expect_said("double fault\n");
    report_exception(13, 0);
    expect_said("general protection\n");
    report_exception(21, 0);
    expect_said("control protection\n");
    report_exception(9, 0);
    expect_said("reserved\n");
    report_exception(22, 0);
    expect_said("reserved\n");
    report_exception(UINT64_MAX, 0);
    expect_said("reserved\n");
}

static void a_page_fault_says_what_was_tried_where_and_why_not(void **state)
{
    (void)state;
    privileged.control[2] = 0xABC000;
    report_exception(14, 0);
    expect_said("page fault: read of address 0x0000000000abc000, which is not mapped\n");
    report_exception(14, 3);
    expect_said("page fault: write of address 0x0000000000abc000, which is mapped without that");
    report_exception(14, 0x10);
    expect_said("page fault: execution of address 0x0000000000abc000, which is not mapped\n");
}

static void report_write_to(uintptr_t vaddr, uintptr_t rsp, const char *state)
{
    char expected[128];

    frame = (struct trap_frame){.vector = 14, .error = 2, .rsp = rsp};
    privileged.control[2] = vaddr;
    said[0] = '\0';
    assert_true(privileged_call(report));
    (void)snprintf(expected, sizeof(expected), "write of address %#018lx, which is %s\n", vaddr,
                   state);
    expect_said(expected);
}

static void a_stack_that_has_overflowed_is_told_from_other_faults(void **state)
{
    const char *overflow = "a guard page: a stack has overflowed";

    (void)state;
    report_write_to(0xABCFF8, 0xABD000, overflow); /* by a push */
    report_write_to(0xABCFF8, 0xABC800, overflow); /* by a function with a large frame */
    report_write_to(0xABC000, 0xABD000, overflow);
    report_write_to(0xABBFF8, 0xABD000, "not mapped");
    report_write_to(0xABD000, 0xABC000, "not mapped");
    report_write_to(8, 0xABD000, "not mapped");
}

static void every_register_is_said(void **state)
{
    (void)state;
    privileged.control[2] = 0x22;
    privileged.control[3] = 0x33;
    frame = (struct trap_frame){
        .rax = 1,
        .rbx = 2,
        .rcx = 3,
        .rdx = 4,
        .rsi = 5,
        .rdi = 6,
        .rbp = 7,
        .rsp = 8,
        .r8 = 9,
        .r9 = 10,
        .r10 = 11,
        .r11 = 12,
        .r12 = 13,
        .r13 = 14,
        .r14 = 15,
        .r15 = 16,
        .rip = 17,
        .rflags = 18,
    };
    assert_true(privileged_call(report));
    expect_said("rax %016x rbx %016x rcx %016x rdx %016x\n", 1, 2, 3, 4);
    expect_said("rsi %016x rdi %016x rbp %016x rsp %016x\n", 5, 6, 7, 8);
    expect_said("r8  %016x r9  %016x r10 %016x r11 %016x\n", 9, 10, 11, 12);
    expect_said("r12 %016x r13 %016x r14 %016x r15 %016x\n", 13, 14, 15, 16);
    expect_said("rip %016x rflags %08x cr2 %016x cr3 %016x\n", 17, 18, 0x22, 0x33);
}

/* It is one core's to answer for. */
static void machine_checks_of_others_are_asked_for(void **state)
{
    (void)state;
    frame = (struct trap_frame){.vector = VECTOR_MACHINE_CHECK};
    assert_true(trap_errors->goes_on(&frame));
    frame.vector = VECTOR_PAGE_FAULT;
    assert_false(trap_errors->goes_on(&frame));
}

/* The idle loop's `sti; hlt; cli`, and an NMI before the second and before the third. */
static void an_nmi_that_asks_a_node_that_works_costs_it_no_wake_up(void **state)
{
    static const uint8_t code[] = {0xFB, 0xF4, 0xFA};

    (void)state;
    works = true;
    for (unsigned at = 1; at <= 2; at++) {
        frame =
            (struct trap_frame){.vector = VECTOR_NMI, .rflags = 0x202, .rip = (uintptr_t)&code[at]};
        assert_true(trap_errors->goes_on(&frame));
        assert_int_equal(frame.rip, &code[2]);
    }
    frame.rip = (uintptr_t)&code[1];
    frame.rflags = 2; /* a halt for ever */
    assert_true(trap_errors->goes_on(&frame));
    assert_int_equal(frame.rip, &code[1]);
}

static void an_nmi_that_asks_a_node_that_hangs_ends_it(void **state)
{
    (void)state;
    works = false;
    frame = (struct trap_frame){.vector = VECTOR_NMI};
    assert_false(trap_errors->goes_on(&frame));
}

static void a_page_fault_that_is_a_snapshots_is_no_failure(void **state)
{
    (void)state;
    frame = (struct trap_frame){.vector = VECTOR_PAGE_FAULT};
    is_snapshots = true;
    assert_true(trap_errors->goes_on(&frame));
    is_snapshots = false;
    assert_false(trap_errors->goes_on(&frame));
}

#define TEST(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_backtrace_names_each_caller),
        TEST(an_address_outside_of_every_function_has_no_name),
        TEST(a_damaged_chain_ends_the_backtrace),
        TEST(a_backtrace_is_bounded),
        TEST(exceptions_have_the_names_of_the_manual),
        TEST(a_page_fault_says_what_was_tried_where_and_why_not),
        TEST(a_stack_that_has_overflowed_is_told_from_other_faults),
        TEST(every_register_is_said),
        TEST(machine_checks_of_others_are_asked_for),
        TEST(an_nmi_that_asks_a_node_that_works_costs_it_no_wake_up),
        TEST(an_nmi_that_asks_a_node_that_hangs_ends_it),
        TEST(a_page_fault_that_is_a_snapshots_is_no_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
