/* SPDX-License-Identifier: MIT */
/* sources: boot/start_node.c boot/tsc_offset.c tests/unit/world/panic.c */
/* flags: -DCPU_FAKE -DMMIO_FAKE */
/*
 * boot/start_node.c with cores played here, as boot/trampoline.S has them act: each looks at its
 * orders when it is called and at each NMI, at once, late, or never.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "boot/image.h"
#include "boot/reference_clock.h"
#include "boot/start_node.h"
#include "kernel/limits.h"
#include "kernel/platform.h"
#include "libc/core/cpu.h"
#include "libc/core/lapic.h"

#include "kernel/x86/trap.h"
#include "libc/core/mmio.h"

#define TRAMPOLINE_PADDR 0x9F000u
#define FIRST_APIC_ID    10u
#define CORE_MAX         8u
#define NEVER            UINT64_MAX

extern uint8_t start_node_table[START_CORE_MAX][START_CORE_BYTES];

/* The trampoline: symbols by which start_node.c finds its way. */
__asm__(".globl trampoline_start, trampoline_end\n"
        ".globl trampoline_idt, trampoline_idt_pointer, start_node_again\n"
        ".globl start_node_nmi, start_node_machine_check, start_node_exception\n"
        ".section .rodata\n"
        "trampoline_start: .ascii \"trampoline\"\n"
        "trampoline_idt: .skip 48\n"
        "trampoline_idt_pointer: .word 47, 0, 0\n"
        "trampoline_end: .skip 6\n"
        ".text\n"
        "start_node_again: nop\n"
        "start_node_nmi: nop\n"
        "start_node_machine_check: nop\n"
        "start_node_exception: nop");
extern const char start_node_nmi[], start_node_machine_check[], start_node_exception[];
extern const char start_node_again[];
extern struct trap_gate start_node_idt[];

struct core {
    bool is_reset;
    unsigned startups;
    uint64_t startup_delay_us, nmi_delay_us; /* how late it acts */
    uint64_t acts_at_us;
    bool has_no_memory;
    bool is_in_node;
    bool is_parked;
    int64_t tsc_offset;
    bool is_deaf_to_pings;
    uint32_t ping_seen;
};

static struct core cores[CORE_MAX];
static uint8_t trampoline_page[PAGE_BYTES];
static uint32_t vectors[16]; /* of real mode */
static uint8_t build_stack[64];
static uint64_t now_us;
static uint64_t tsc;
static unsigned nmi_count;

static uint32_t *word(unsigned index, size_t field)
{
    return (uint32_t *)(void *)&start_node_table[index][field];
}

/* As trampoline_woken. */
static void look_at_orders(unsigned index)
{
    struct core *core = &cores[index];

    core->acts_at_us = NEVER;
    if (core->is_in_node || core->is_parked) {
        return;
    }
    switch (*word(index, START_CORE_ORDER)) {
    case START_ORDER_PARK:
        core->is_parked = true;
        *word(index, START_CORE_ANSWER) = START_ANSWER_PARKED;
        break;
    case START_ORDER_BUILD: {
        uint64_t root =
            core->has_no_memory ? 0 : 0x5000 + *word(index, START_CORE_NODE) * PAGE_BYTES;

        memcpy(word(index, START_CORE_ROOT), &root, sizeof(root));
        *word(index, START_CORE_ANSWER) = START_ANSWER_BUILT;
        break;
    }
    case START_ORDER_GO:
        core->is_in_node = true;
        break;
    case START_ORDER_WAIT:
        if (*word(index, START_CORE_ANSWER) == START_ANSWER_NONE) {
            *word(index, START_CORE_ANSWER) = START_ANSWER_PRESENT;
        }
        break;
    default:
        break;
    }
}

static void answer_ping(unsigned index)
{
    struct core *core = &cores[index];
    uint32_t ping = *word(index, START_CORE_PING);

    if (*word(index, START_CORE_ORDER) == START_ORDER_MEASURE && !core->is_deaf_to_pings &&
        core->acts_at_us == NEVER && ping != *word(index, START_CORE_PONG)) {
        uint64_t theirs = tsc + (uint64_t)core->tsc_offset;

        memcpy(word(index, START_CORE_TSC), &theirs, sizeof(theirs));
        *word(index, START_CORE_PONG) = ping;
    }
}

static void let_time_pass(uint64_t us)
{
    now_us += us;
    for (unsigned i = 0; i < CORE_MAX; i++) {
        if (now_us >= cores[i].acts_at_us) {
            look_at_orders(i);
        }
        answer_ping(i);
    }
}

uint64_t reference_clock_now_us(void)
{
    let_time_pass(1);
    return now_us;
}

void reference_clock_wait_until_us(uint64_t us)
{
    while (now_us < us) {
        let_time_pass(1);
    }
}

uint64_t cpu_read_tsc(void)
{
    return tsc += 20;
}

static unsigned index_of(uint32_t apic_id)
{
    assert_in_range(apic_id, FIRST_APIC_ID, FIRST_APIC_ID + CORE_MAX - 1);
    return apic_id - FIRST_APIC_ID;
}

void lapic_send(uint32_t apic_id, uint32_t command)
{
    struct core *core = &cores[index_of(apic_id)];

    if (command == LAPIC_INIT) {
        core->is_reset = true;
    } else if (command == LAPIC_NMI) {
        nmi_count++;
        if (core->startups > 0) {
            core->acts_at_us = core->nmi_delay_us == NEVER ? NEVER : now_us + core->nmi_delay_us;
        }
    } else {
        assert_int_equal(command, LAPIC_STARTUP(TRAMPOLINE_PADDR / PAGE_BYTES));
        assert_true(core->is_reset);
        if (core->startups++ == 0 && core->startup_delay_us != NEVER) {
            core->acts_at_us = now_us + core->startup_delay_us;
        }
    }
}

/* The caller writes its own words only. */
uint32_t mmio_read32(const void *base, size_t offset)
{
    uint32_t value;

    assert_true(offset + 4 <= START_CORE_BYTES);
    let_time_pass(offset == START_CORE_PONG || *word(0, START_CORE_ORDER) == START_ORDER_BUILD);
    memcpy(&value, (const uint8_t *)base + offset, sizeof(value));
    return value;
}

uint64_t mmio_read64(const void *base, size_t offset)
{
    uint64_t value;

    assert_true(offset == START_CORE_TSC || offset == START_CORE_ROOT);
    memcpy(&value, (const uint8_t *)base + offset, sizeof(value));
    return value;
}

void mmio_write32(void *base, size_t offset, uint32_t value)
{
    assert_true(offset < START_CORE_ANSWER);
    memcpy((uint8_t *)base + offset, &value, sizeof(value));
}

void mmio_write64(void *base, size_t offset, uint64_t value)
{
    assert_int_equal(offset, START_CORE_STACK);
    memcpy((uint8_t *)base + offset, &value, sizeof(value));
}

/* --- */

static int begin(void **state)
{
    (void)state;
    memset(start_node_table, 0, sizeof(start_node_table));
    memset(cores, 0, sizeof(cores));
    for (unsigned i = 0; i < CORE_MAX; i++) {
        cores[i].acts_at_us = NEVER;
    }
    now_us = 0;
    tsc = 1000;
    nmi_count = 0;
    start_node_prepare(trampoline_page, TRAMPOLINE_PADDR, vectors);
    return 0;
}

static void add(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(start_node_add(FIRST_APIC_ID + i, true), i);
    }
}

static void call(void)
{
    start_node_reset();
    start_node_call();
}

static void build(unsigned index)
{
    start_node_build(index, 1 + index, &build_stack[sizeof(build_stack)]);
}

static void cores_that_answer_are_present_build_and_enter(void **state)
{
    (void)state;
    add(3);
    call();
    assert_in_range(now_us, 10000, 11000); /* nobody is waited for longer than it takes */
    for (unsigned i = 0; i < 3; i++) {
        assert_true(start_node_is_present(i));
        build(i);
    }
    for (unsigned i = 0; i < 3; i++) {
        uint64_t stack_top;

        assert_true(start_node_wait_built(i));
        memcpy(&stack_top, word(i, START_CORE_STACK), sizeof(stack_top));
        assert_true(stack_top == (uintptr_t)&build_stack[sizeof(build_stack)]);
        assert_int_equal(*word(i, START_CORE_NODE), 1 + i);
    }
    for (unsigned i = 0; i < 3; i++) {
        start_node_enter(i);
        let_time_pass(1);
        assert_true(cores[i].is_in_node);
    }
}

static void the_page_below_1_mib_gets_the_trampoline(void **state)
{
    (void)state;
    assert_memory_equal(trampoline_page, "trampoline", 10);
    for (size_t i = 64; i < sizeof(trampoline_page); i++) {
        assert_int_equal(trampoline_page[i], 0);
    }
}

/* Each entry of real mode is an offset and a segment (SDM 3A 20.1.4). */
static void an_nmi_in_the_first_instructions_has_a_core_begin_again(void **state)
{
    const uint32_t again = TRAMPOLINE_PADDR / 16 << 16;
    const struct trap_gate gate = trap_gate_to(start_node_again, 0);
    uint32_t base, entry;

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(vectors); i++) {
        assert_int_equal(vectors[i], i == VECTOR_NMI ? again : 0);
    }
    memcpy(&base, trampoline_page + 10 + 48 + 2, sizeof(base));
    assert_int_equal(base, TRAMPOLINE_PADDR + 10);
    memcpy(&entry, trampoline_page + 10 + 4 * VECTOR_NMI, sizeof(entry));
    assert_int_equal(entry, again);
    assert_memory_equal(trampoline_page + 10 + 16 * VECTOR_NMI, &gate, sizeof(gate));
}

/* SDM 3A figure 6-8: to the code, whatever its address, with interrupts off, on the stack in use.
 */
static void every_exception_of_a_core_without_a_node_has_a_gate(void **state)
{
    (void)state;
    for (unsigned vector = 0; vector < START_IDT_GATES; vector++) {
        const struct trap_gate *gate = &start_node_idt[vector];
        const char *code = vector == VECTOR_NMI             ? start_node_nmi
                           : vector == VECTOR_MACHINE_CHECK ? start_node_machine_check
                                                            : start_node_exception;

        assert_true((gate->offset_low | (uint64_t)gate->offset_middle << 16 |
                     (uint64_t)gate->offset_high << 32) == (uintptr_t)code);
        assert_int_equal(gate->selector, 8);
        assert_int_equal(gate->ist_and_type, 0x8E00);
        assert_int_equal(gate->reserved, 0);
    }
}

static void a_core_that_missed_the_first_call_is_called_again(void **state)
{
    (void)state;
    add(2);
    cores[1].startup_delay_us = 300;
    call();
    assert_int_equal(cores[0].startups, 1);
    assert_int_equal(cores[1].startups, 2);
    assert_true(start_node_is_present(1));
}

/* Memory is shared out without it, so it must not run when it comes at last. */
static void a_core_that_comes_after_it_was_given_up_parks(void **state)
{
    (void)state;
    add(2);
    cores[1].startup_delay_us = 2000000;
    call();
    assert_true(start_node_is_present(0));
    assert_false(start_node_is_present(1));
    let_time_pass(2000000);
    assert_true(cores[1].is_parked);
    assert_false(start_node_is_present(1));
}

/* Its answer crosses the caller's decision. */
static void a_core_that_answers_after_it_was_given_up_stays_given_up(void **state)
{
    (void)state;
    add(1);
    cores[0].startup_delay_us = NEVER;
    call();
    *word(0, START_CORE_ANSWER) = START_ANSWER_PRESENT;
    assert_false(start_node_is_present(0));
    expect_assert_failure(build(0));
}

static void a_core_that_wakes_after_its_node_was_given_up_parks(void **state)
{
    (void)state;
    add(1);
    call();
    cores[0].nmi_delay_us = 50000000;
    build(0);
    assert_false(start_node_wait_built(0));
    let_time_pass(50000000);
    assert_true(cores[0].is_parked);
    assert_false(cores[0].is_in_node);
}

static void a_core_that_has_no_memory_to_build_its_node_says_so(void **state)
{
    (void)state;
    add(1);
    call();
    cores[0].has_no_memory = true;
    build(0);
    assert_false(start_node_wait_built(0));
    assert_int_equal(*word(0, START_CORE_ORDER), START_ORDER_PARK);
}

/* It has built its node, and could go on by itself. */
static void a_core_is_in_its_node_only_by_the_callers_word(void **state)
{
    (void)state;
    add(1);
    call();
    expect_assert_failure(start_node_enter(0)); /* it has none */
    build(0);
    let_time_pass(1);
    assert_int_equal(*word(0, START_CORE_ANSWER), START_ANSWER_BUILT);
    lapic_send(FIRST_APIC_ID, LAPIC_NMI); /* somebody else's */
    let_time_pass(1);
    assert_true(start_node_wait_built(0));
    assert_false(cores[0].is_in_node);
    start_node_enter(0);
    let_time_pass(1);
    assert_true(cores[0].is_in_node);
}

static void a_core_that_is_not_wanted_is_called_parks_and_is_not_waited_for(void **state)
{
    (void)state;
    add(1);
    assert_int_equal(start_node_add(FIRST_APIC_ID + 1, false), 1);
    assert_int_equal(start_node_add(FIRST_APIC_ID + 2, false), 2);
    cores[2].startup_delay_us = NEVER;
    call();
    assert_in_range(now_us, 10000, 11000);
    assert_true(cores[1].is_parked);
    assert_false(start_node_is_present(1));
    assert_false(start_node_is_present(2));
}

static void without_other_cores_nothing_is_sent_or_waited_for(void **state)
{
    (void)state;
    call();
    assert_in_range(now_us, 0, 100);
}

static void as_many_cores_as_the_tables_can_list_can_be_called(void **state)
{
    (void)state;
    for (unsigned i = 0; i < START_CORE_MAX; i++) {
        assert_int_equal(start_node_add(i, false), i);
    }
    expect_assert_failure(start_node_add(START_CORE_MAX, false));
}

static void an_offset_of_the_tsc_is_measured(void **state)
{
    static const int64_t offsets[] = {0, 1000000, -1000000};
    struct tsc_range range;

    for (size_t i = 0; i < ARRAY_COUNT(offsets); i++) {
        begin(state);
        add(1);
        call();
        cores[0].tsc_offset = offsets[i];
        assert_int_equal(start_node_measure_tsc(0, &range), 0);
        assert_in_range(tsc_range_offset(&range) + 2000000, offsets[i] + 1999980,
                        offsets[i] + 2000020);
        /* And it enters afterwards. */
        build(0);
        assert_true(start_node_wait_built(0));
    }
}

static void a_core_that_answers_no_ping_holds_nobody(void **state)
{
    struct tsc_range range;

    (void)state;
    add(1);
    call();
    cores[0].is_deaf_to_pings = true;
    assert_int_not_equal(start_node_measure_tsc(0, &range), 0);
    assert_in_range(now_us, 1000000, 1100000);
    assert_int_equal(*word(0, START_CORE_ORDER), START_ORDER_WAIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(cores_that_answer_are_present_build_and_enter, begin),
        cmocka_unit_test_setup(the_page_below_1_mib_gets_the_trampoline, begin),
        cmocka_unit_test_setup(an_nmi_in_the_first_instructions_has_a_core_begin_again, begin),
        cmocka_unit_test_setup(every_exception_of_a_core_without_a_node_has_a_gate, begin),
        cmocka_unit_test_setup(a_core_that_missed_the_first_call_is_called_again, begin),
        cmocka_unit_test_setup(a_core_that_comes_after_it_was_given_up_parks, begin),
        cmocka_unit_test_setup(a_core_that_answers_after_it_was_given_up_stays_given_up, begin),
        cmocka_unit_test_setup(a_core_that_wakes_after_its_node_was_given_up_parks, begin),
        cmocka_unit_test_setup(a_core_that_has_no_memory_to_build_its_node_says_so, begin),
        cmocka_unit_test_setup(a_core_is_in_its_node_only_by_the_callers_word, begin),
        cmocka_unit_test_setup(a_core_that_is_not_wanted_is_called_parks_and_is_not_waited_for,
                               begin),
        cmocka_unit_test_setup(without_other_cores_nothing_is_sent_or_waited_for, begin),
        cmocka_unit_test_setup(as_many_cores_as_the_tables_can_list_can_be_called, begin),
        cmocka_unit_test_setup(an_offset_of_the_tsc_is_measured, begin),
        cmocka_unit_test_setup(a_core_that_answers_no_ping_holds_nobody, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
