/* SPDX-License-Identifier: MIT */
/* sources: libc/core/lapic.c boot/firmware_lapic.c tests/unit/world/panic.c */
/* flags: -DCPU_FAKE -DMMIO_FAKE */
/*
 * libc/core/lapic.c and boot/firmware_lapic.c against a local APIC played here, in both modes, as
 * firmware may leave it: what a real one answers with a fault ends the test (SDM
 * 3A 11.12.1, 11.12.5).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "boot/firmware_lapic.h"
#include "kernel/node.h"
#include "kernel/platform.h"
#include "kernel/x86/interrupt.h"
#include "libc/core/cpu.h"
#include "libc/core/lapic.h"
#include "libc/core/mmio.h"

#define ID            0x020
#define VERSION       0x030
#define TPR           0x080
#define EOI           0x0B0
#define SVR           0x0F0
#define ISR           0x100
#define ESR           0x280
#define LVT_CMCI      0x2F0
#define ICR           0x300
#define ICR_HIGH      0x310
#define LVT_TIMER     0x320
#define LVT_THERMAL   0x330
#define LVT_COUNTER   0x340
#define LVT_LINT0     0x350
#define LVT_LINT1     0x360
#define LVT_ERROR     0x370
#define TIMER_INITIAL 0x380
#define TIMER_CURRENT 0x390
#define TIMER_DIVIDE  0x3E0
#define MASKED        (1u << 16)

static bool has_x2apic;
static uint64_t base;
static uint32_t registers[64];
static uint64_t command; /* the last one sent */
static unsigned command_count;
static unsigned busy_reads; /* of the ICR until the previous interrupt has left */
static unsigned end_count;

struct node_info node_info;

static bool is_x2apic_on(void)
{
    return (base & APIC_BASE_X2APIC) != 0;
}

struct cpuid cpu_id(uint32_t leaf, uint32_t subleaf)
{
    (void)subleaf;
    return (struct cpuid){
        .ecx = leaf == 1 && has_x2apic ? (uint32_t)CPUID_1_ECX_X2APIC : 0,
    };
}

/* The highest vector in service ends. */
static void end_interrupt(void)
{
    end_count++;
    for (unsigned i = 8; i-- > 0;) {
        uint32_t *bits = &registers[ISR / 16 + i];

        if (*bits != 0) {
            *bits &= ~(1u << (31 - __builtin_clz(*bits)));
            return;
        }
    }
}

static void write_register(size_t offset, uint32_t value)
{
    unsigned last_lvt = registers[VERSION / 16] >> 16;

    assert_true(base & APIC_BASE_ENABLE);
    assert_true(offset != ID && offset != VERSION && (offset < ISR || offset >= ESR));
    assert_true(offset != LVT_COUNTER || last_lvt >= 4);
    assert_true(offset != LVT_THERMAL || last_lvt >= 5);
    assert_true(offset != LVT_CMCI || last_lvt >= 6);
    bool is_source = offset == LVT_CMCI || (offset >= LVT_TIMER && offset <= LVT_ERROR);

    /* As INIT leaves it: while it is off, a source stays masked whatever is written (SDM 3A
     * 11.4.7.2). */
    if (is_source && (registers[SVR / 16] & 0x100) == 0) {
        value |= MASKED;
    }
    registers[offset / 16] = value;
    if (offset == EOI) {
        assert_int_equal(value, 0);
        end_interrupt();
    } else if (offset == ESR) {
        assert_int_equal(value, 0);
    } else if (offset == ICR) {
        command = (uint64_t)registers[ICR_HIGH / 16] << 32 | value;
        command_count++;
    }
}

uint64_t cpu_read_msr(uint32_t msr)
{
    if (msr == MSR_APIC_BASE) {
        return base;
    }
    assert_true(is_x2apic_on() && msr >= MSR_X2APIC_FIRST && msr < MSR_X2APIC_FIRST + 64);
    assert_int_not_equal(msr, MSR_X2APIC_FIRST + EOI / 16);
    return registers[msr - MSR_X2APIC_FIRST];
}

void cpu_write_msr(uint32_t msr, uint64_t value)
{
    if (msr == MSR_APIC_BASE) {
        /* Not from off to x2APIC, and not from x2APIC back to xAPIC. */
        assert_true((value & APIC_BASE_X2APIC) == 0 || (base & APIC_BASE_ENABLE) != 0);
        assert_true((value & APIC_BASE_X2APIC) != 0 || !is_x2apic_on());
        assert_int_equal(value & APIC_BASE_ADDRESS, base & APIC_BASE_ADDRESS);
        base = value;
        return;
    }
    assert_true(is_x2apic_on() && msr >= MSR_X2APIC_FIRST && msr < MSR_X2APIC_FIRST + 64);
    if (msr == MSR_X2APIC_FIRST + ICR / 16) {
        command = value;
        command_count++;
        return;
    }
    assert_int_not_equal(msr, MSR_X2APIC_FIRST + ICR_HIGH / 16);
    assert_int_equal(value >> 32, 0);
    write_register((msr - MSR_X2APIC_FIRST) * 16u, (uint32_t)value);
}

static unsigned icr_reads;

uint32_t mmio_read32(const void *page, size_t offset)
{
    icr_reads += offset == ICR;
    assert_ptr_equal(page, registers);
    assert_false(is_x2apic_on());
    if (offset == ICR && busy_reads > 0) {
        busy_reads--;
        return 1u << 12;
    }
    return registers[offset / 16];
}

void mmio_write32(void *page, size_t offset, uint32_t value)
{
    assert_ptr_equal(page, registers);
    assert_false(is_x2apic_on());
    write_register(offset, value);
}

/* --- */

static int begin(void **state)
{
    (void)state;
    memset(registers, 0, sizeof(registers));
    has_x2apic = false;
    base = 0xFEE00000 | APIC_BASE_ENABLE | 1 << 8; /* of the core that booted */
    registers[VERSION / 16] = 6u << 16 | 0x15;
    command_count = 0;
    busy_reads = 0;
    end_count = 0;
    return 0;
}

static int begin_x2apic(void **state)
{
    begin(state);
    has_x2apic = true;
    return 0;
}

static void initialise(void)
{
    assert_int_equal(lapic_has_x2apic(), has_x2apic);
    lapic_initialise(has_x2apic ? NULL : registers, INTERRUPT_VECTOR_TIMER,
                     INTERRUPT_VECTOR_SPURIOUS);
    node_info.has_x2apic = has_x2apic;
    firmware_lapic_take_over();
}

static void assert_is_ready(void)
{
    assert_int_equal(registers[SVR / 16], 0x100 | INTERRUPT_VECTOR_SPURIOUS);
    assert_int_equal(registers[LVT_LINT0 / 16], MASKED);
    assert_int_equal(registers[LVT_LINT1 / 16], MASKED);
    assert_true(registers[LVT_ERROR / 16] & MASKED);
    assert_int_equal(registers[LVT_TIMER / 16], INTERRUPT_VECTOR_TIMER);
    assert_int_equal(is_x2apic_on(), has_x2apic);
}

static void it_is_switched_on_whatever_mode_firmware_left(void **state)
{
    const uint64_t modes[] = {0, APIC_BASE_ENABLE, APIC_BASE_ENABLE | APIC_BASE_X2APIC};

    for (size_t i = 0; i < ARRAY_COUNT(modes); i++) {
        begin_x2apic(state);
        base = 0xFEE00100 | modes[i];
        initialise();
        assert_is_ready();
    }
    for (size_t i = 0; i < 2; i++) {
        begin(state);
        base = 0xFEE00100 | modes[i];
        initialise();
        assert_is_ready();
    }
}

/* As a node does after boot has. */
static void it_can_be_initialised_again(void **state)
{
    (void)state;
    initialise();
    initialise();
    assert_is_ready();
}

static void the_pins_of_the_firmware_are_masked(void **state)
{
    (void)state;
    registers[LVT_LINT1 / 16] = 0x400; /* NMI */
    initialise();
    assert_int_equal(registers[LVT_LINT1 / 16], MASKED);
    assert_int_equal(registers[LVT_LINT0 / 16], MASKED);
}

static void the_register_page_is_where_the_core_says(void **state)
{
    (void)state;
    base = 0xF0FEE00000 | APIC_BASE_ENABLE | 1 << 8;
    assert_int_equal(lapic_page(), 0xF0FEE00000);
}

static void sources_of_the_firmware_are_masked_but_those_it_uses_itself(void **state)
{
    (void)state;
    registers[LVT_COUNTER / 16] = 0x400; /* NMI: the firmware's watchdog */
    registers[LVT_THERMAL / 16] = 0x200; /* SMI */
    registers[LVT_CMCI / 16] = 0x0F2;
    initialise();
    assert_int_equal(registers[LVT_COUNTER / 16], 0x400 | MASKED);
    assert_int_equal(registers[LVT_THERMAL / 16], 0x200);
    assert_int_equal(registers[LVT_CMCI / 16], 0x0F2 | MASKED);
}

/* The fake refuses writes to those that are not there. */
static void sources_that_a_core_does_not_have_are_left_alone(void **state)
{
    for (uint32_t last = 3; last <= 6; last++) {
        begin(state);
        registers[VERSION / 16] = last << 16 | 0x14;
        initialise();
        assert_is_ready();
    }
}

static void interrupts_that_firmware_has_not_ended_are_ended(void **state)
{
    (void)state;
    registers[ISR / 16 + 1] = 1u << 8;
    registers[ISR / 16 + 7] = 0x80000001;
    initialise();
    assert_int_equal(end_count, 3);
    for (unsigned i = 0; i < 8; i++) {
        assert_int_equal(registers[ISR / 16 + i], 0);
    }
    initialise();
    assert_int_equal(end_count, 3);
}

/* A vector of 16 to 31 that is pending from before would be taken for an exception. */
static void no_interrupt_can_pass_for_an_exception(void **state)
{
    (void)state;
    initialise();
    assert_int_equal(registers[TPR / 16] >> 4, INTERRUPT_VECTOR_FIRST / 16 - 1);
}

static void ids_have_eight_bits_or_thirty_two(void **state)
{
    (void)state;
    registers[ID / 16] = 0x05000000;
    initialise();
    assert_int_equal(firmware_lapic_id(), 5);
    begin_x2apic(state);
    registers[ID / 16] = 0x05000001;
    initialise();
    assert_int_equal(firmware_lapic_id(), 0x05000001);
}

static void commands_reach_the_core_by_its_id(void **state)
{
    (void)state;
    initialise();
    lapic_send(3, LAPIC_INIT);
    assert_int_equal(command, 3ull << 56 | 0x4500);
    lapic_send(3, LAPIC_STARTUP(0x9F));
    assert_int_equal(command, 3ull << 56 | 0x469F);
    lapic_send(3, LAPIC_NMI);
    assert_int_equal(command, 3ull << 56 | 0x4400);
    lapic_send(3, LAPIC_INTERRUPT(0xE0));
    assert_int_equal(command, 3ull << 56 | 0x40E0);
    assert_int_equal(command_count, 4);
}

static void commands_in_x2apic_mode_are_one_write(void **state)
{
    (void)state;
    initialise();
    lapic_send(0x12345, LAPIC_INIT);
    assert_int_equal(command, 0x12345ull << 32 | 0x4500);
    lapic_send(0x12345, LAPIC_STARTUP(8));
    assert_int_equal(command, 0x12345ull << 32 | 0x4608);
    assert_int_equal(command_count, 2);
}

static void a_command_waits_for_the_one_before_but_not_for_ever(void **state)
{
    (void)state;
    initialise();
    busy_reads = 10;
    lapic_send(1, LAPIC_INTERRUPT(0xE0));
    assert_int_equal(busy_reads, 0);
    assert_int_equal(command_count, 1);
    icr_reads = 0;
    lapic_send(1, LAPIC_INTERRUPT(0xE0));
    assert_int_equal(icr_reads, 1); /* it is free already */
    assert_int_equal(command_count, 2);
    busy_reads = UINT32_MAX;
    lapic_send(1, LAPIC_INTERRUPT(0xE0));
    assert_int_equal(command_count, 3);
}

/* Its next interrupt would come to a node that has set none. */
static void timer_of_the_firmware_is_stopped(void **state)
{
    (void)state;
    registers[TIMER_INITIAL / 16] = 1000;
    registers[TIMER_DIVIDE / 16] = 0xB;
    initialise();
    assert_int_equal(registers[TIMER_INITIAL / 16], 0);
    assert_int_equal(registers[TIMER_DIVIDE / 16], 3); /* by 16 (SDM 3A figure 11-10) */
}

static void timer_counts_down_or_waits_for_a_deadline(void **state)
{
    (void)state;
    initialise();
    lapic_timer_start(12345);
    assert_int_equal(registers[TIMER_INITIAL / 16], 12345);
    registers[TIMER_CURRENT / 16] = 678;
    assert_int_equal(lapic_read(TIMER_CURRENT), 678);
    lapic_timer_use_deadline();
    assert_int_equal(registers[LVT_TIMER / 16], 2u << 17 | INTERRUPT_VECTOR_TIMER);
}

/* One of the spurious vector that another core has sent is; one of the APIC's own is not. */
static void what_was_taken_and_not_ended_is_in_service(void **state)
{
    (void)state;
    initialise();
    assert_false(lapic_is_in_service(0xFF));
    registers[ISR / 16 + 7] = 1u << 31;
    registers[ISR / 16 + 1] = 1u << 16;
    assert_true(lapic_is_in_service(0xFF) && lapic_is_in_service(0x30));
    assert_false(lapic_is_in_service(0xFE) || lapic_is_in_service(0x10));
    lapic_end_interrupt();
    assert_false(lapic_is_in_service(0xFF));
    assert_true(lapic_is_in_service(0x30));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(it_is_switched_on_whatever_mode_firmware_left, begin),
        cmocka_unit_test_setup(it_can_be_initialised_again, begin),
        {"it_can_be_initialised_again in x2APIC mode", it_can_be_initialised_again, begin_x2apic,
         NULL, NULL},
        cmocka_unit_test_setup(the_pins_of_the_firmware_are_masked, begin),
        cmocka_unit_test_setup(the_register_page_is_where_the_core_says, begin),
        cmocka_unit_test_setup(sources_of_the_firmware_are_masked_but_those_it_uses_itself, begin),
        cmocka_unit_test_setup(sources_that_a_core_does_not_have_are_left_alone, begin),
        cmocka_unit_test_setup(interrupts_that_firmware_has_not_ended_are_ended, begin),
        {"interrupts that firmware has not ended, in x2APIC mode",
         interrupts_that_firmware_has_not_ended_are_ended, begin_x2apic, NULL, NULL},
        cmocka_unit_test_setup(what_was_taken_and_not_ended_is_in_service, begin),
        {"what was taken and not ended, in x2APIC mode", what_was_taken_and_not_ended_is_in_service,
         begin_x2apic, NULL, NULL},
        cmocka_unit_test_setup(no_interrupt_can_pass_for_an_exception, begin),
        cmocka_unit_test_setup(ids_have_eight_bits_or_thirty_two, begin),
        cmocka_unit_test_setup(commands_reach_the_core_by_its_id, begin),
        cmocka_unit_test_setup(commands_in_x2apic_mode_are_one_write, begin_x2apic),
        cmocka_unit_test_setup(a_command_waits_for_the_one_before_but_not_for_ever, begin),
        cmocka_unit_test_setup(timer_of_the_firmware_is_stopped, begin),
        cmocka_unit_test_setup(timer_counts_down_or_waits_for_a_deadline, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
