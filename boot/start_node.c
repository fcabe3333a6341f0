/* SPDX-License-Identifier: MIT */
/*
 * The calling side of trampoline.S. The table is written by other cores, too: it is read as what
 * others change, by libc/core/mmio.h.
 */
#include "boot/start_node.h"

#include <errno.h>
#include <string.h>

#include "boot/acpi/acpi.h"
#include "boot/image.h"
#include "boot/reference_clock.h"
#include "kernel/limits.h"
#include "kernel/platform.h"
#include "kernel/x86/trap.h"
#include "libc/core/cpu.h"
#include "libc/core/lapic.h"
#include "libc/core/mmio.h"

/* SDM 3A 8.4.4.1: from INIT to the first SIPI, and to a second SIPI 200 us after the first, for
 * cores that missed it. */
#define INIT_WAIT_US      10000u
#define SECOND_CALL_US    200u
/* Chosen: a core answers within microseconds; an emulator whose host is loaded may take long to run
 * one of many vCPUs. Waited only when a core that firmware calls usable does not answer. */
#define ANSWER_TIMEOUT_US 1000000u
/* Chosen: a millisecond of work, which that emulator may take a thousand times as long for. Begins
 * anew with each core that is ready. */
#define BUILD_TIMEOUT_US  10000000u
/* Chosen: the shortest of some exchanges is near the time that a line takes from core to core. On a
 * busy host one exchange may take milliseconds: then that one is all. */
#define EXCHANGE_MAX      16u
#define EXCHANGES_US      2000u
#define CLOCK_LOOK_POLLS  1024u

extern const char trampoline_start[];
extern const char trampoline_end[];
extern const char trampoline_idt[];
extern const char trampoline_idt_pointer[];
extern const char start_node_again[];
extern const char start_node_nmi[];
extern const char start_node_machine_check[];
extern const char start_node_exception[];

_Static_assert(START_BOTH_IDT_BYTES == (VECTOR_NMI + 1) * sizeof(struct trap_gate), "the last one");
_Static_assert(START_CORE_MAX == ACPI_CORE_MAX, "every core that can be listed can be called");

/* What trampoline.S reads: the entries of this file's cores, the core's words in each, and the
 * descriptors of its exceptions. */
CALLED_FROM_OUTSIDE BOOT_DATA uint8_t start_node_table[START_CORE_MAX][START_CORE_BYTES];
CALLED_FROM_OUTSIDE uint32_t start_node_core_count;
CALLED_FROM_OUTSIDE BOOT_DATA struct trap_gate start_node_idt[START_IDT_GATES];

static uint8_t page_number;

static uint32_t read_word(unsigned index, size_t field)
{
    ASSERT(index < start_node_core_count);
    return mmio_read32(start_node_table[index], field);
}

static void write_word(unsigned index, size_t field, uint32_t value)
{
    ASSERT(index < start_node_core_count);
    mmio_write32(start_node_table[index], field, value);
}

static void give_order(unsigned index, uint32_t order)
{
    write_word(index, START_CORE_ORDER, order);
}

static void give_order_awake(unsigned index, uint32_t order)
{
    give_order(index, order);
    lapic_send(read_word(index, START_CORE_APIC_ID), LAPIC_NMI);
}

/* An NMI that meets a core in its first instructions has it begin again: SDM 3A 20.1.4 for real
 * mode. */
static void prepare_for_nmi(uint8_t *page, paddr_t paddr, void *vectors)
{
    const size_t idt_offset = bytes_between(trampoline_start, trampoline_idt);
    const size_t pointer_offset = bytes_between(trampoline_start, trampoline_idt_pointer);
    const uint32_t vector = (uint32_t)paddr / 16 << 16; /* segment, and offset 0 */
    const uint32_t idt_paddr = (uint32_t)(paddr + idt_offset);
    const struct trap_gate gate = trap_gate_to(start_node_again, 0);

    memcpy(page + idt_offset + VECTOR_NMI * sizeof(vector), &vector, sizeof(vector));
    memcpy(page + idt_offset + VECTOR_NMI * sizeof(gate), &gate, sizeof(gate));
    memcpy(page + pointer_offset + sizeof(uint16_t), &idt_paddr, sizeof(idt_paddr));
    mmio_write32(vectors, VECTOR_NMI * sizeof(vector), vector);
}

void start_node_prepare(void *page, paddr_t paddr, void *vectors)
{
    /* A SIPI names the page by 8 bits. */
    ASSERT(paddr != 0 && paddr % PAGE_BYTES == 0 && paddr < MIB);
    page_number = (uint8_t)(paddr / PAGE_BYTES);
    start_node_core_count = 0;
    memcpy(page, trampoline_start, bytes_between(trampoline_start, trampoline_end));
    prepare_for_nmi(page, paddr, vectors);
    for (unsigned vector = 0; vector < START_IDT_GATES; vector++) {
        start_node_idt[vector] = trap_gate_to(start_node_exception, 0);
    }
    start_node_idt[VECTOR_NMI] = trap_gate_to(start_node_nmi, 0);
    start_node_idt[VECTOR_MACHINE_CHECK] = trap_gate_to(start_node_machine_check, 0);
}

uint8_t start_node_page(void)
{
    return page_number;
}

unsigned start_node_add(uint32_t apic_id, bool is_wanted)
{
    ASSERT(start_node_core_count < START_CORE_MAX);
    unsigned index = start_node_core_count++;

    write_word(index, START_CORE_APIC_ID, apic_id);
    give_order(index, is_wanted ? START_ORDER_WAIT : START_ORDER_PARK);
    return index;
}

void start_node_reset(void)
{
    for (unsigned i = 0; i < start_node_core_count; i++) {
        lapic_send(read_word(i, START_CORE_APIC_ID), LAPIC_INIT);
    }
    if (start_node_core_count > 0) {
        reference_clock_wait_until_us(reference_clock_now_us() + INIT_WAIT_US);
    }
}

static void call_those_without_answer(void)
{
    for (unsigned i = 0; i < start_node_core_count; i++) {
        if (read_word(i, START_CORE_ANSWER) == START_ANSWER_NONE) {
            lapic_send(read_word(i, START_CORE_APIC_ID), LAPIC_STARTUP(page_number));
        }
    }
}

bool start_node_is_present(unsigned index)
{
    return read_word(index, START_CORE_ORDER) == START_ORDER_WAIT &&
           read_word(index, START_CORE_ANSWER) == START_ANSWER_PRESENT;
}

static bool is_awaited(unsigned index)
{
    return read_word(index, START_CORE_ORDER) == START_ORDER_WAIT &&
           read_word(index, START_CORE_ANSWER) == START_ANSWER_NONE;
}

static bool is_any_awaited(void)
{
    for (unsigned i = 0; i < start_node_core_count; i++) {
        if (is_awaited(i)) {
            return true;
        }
    }
    return false;
}

static void wait_for_all(uint64_t timeout_us)
{
    uint64_t start_us = reference_clock_now_us();

    while (is_any_awaited() && reference_clock_now_us() - start_us < timeout_us) {
        cpu_pause();
    }
}

void start_node_call(void)
{
    call_those_without_answer();
    wait_for_all(SECOND_CALL_US);
    call_those_without_answer();
    wait_for_all(ANSWER_TIMEOUT_US);
    for (unsigned i = 0; i < start_node_core_count; i++) {
        if (is_awaited(i)) {
            give_order(i, START_ORDER_PARK);
        }
    }
}

/* One ping, and its pong. The clock is slow to read, which would blur the exchange. */
static int exchange(unsigned index, uint32_t number, struct tsc_range *range)
{
    uint64_t start_us = reference_clock_now_us();
    uint64_t sent = cpu_read_tsc();

    write_word(index, START_CORE_PING, number);
    for (uint32_t i = 1; read_word(index, START_CORE_PONG) != number; i++) {
        if (i % CLOCK_LOOK_POLLS == 0 && reference_clock_now_us() - start_us >= ANSWER_TIMEOUT_US) {
            return -ETIMEDOUT;
        }
        cpu_pause();
    }
    /* The TSC not before the pong has been seen. */
    __asm__ volatile("lfence" : : : "memory");
    uint64_t received = cpu_read_tsc();

    tsc_range_add(range, sent, mmio_read64(start_node_table[index], START_CORE_TSC), received);
    return 0;
}

int start_node_measure_tsc(unsigned index, struct tsc_range *range)
{
    ASSERT(start_node_is_present(index));
    *range = TSC_RANGE_ALL;
    give_order_awake(index, START_ORDER_MEASURE);
    int error = exchange(index, 1, range); /* the core wakes in this one */
    uint64_t start_us = reference_clock_now_us();

    for (uint32_t i = 2; i <= EXCHANGE_MAX && error == 0; i++) {
        if (reference_clock_now_us() - start_us >= EXCHANGES_US) {
            break;
        }
        error = exchange(index, i, range);
    }
    give_order(index, START_ORDER_WAIT);
    return error;
}

void start_node_build(unsigned index, uint32_t node, void *stack_top)
{
    ASSERT(start_node_is_present(index));
    write_word(index, START_CORE_NODE, node);
    mmio_write64(start_node_table[index], START_CORE_STACK, (uintptr_t)stack_top);
    give_order_awake(index, START_ORDER_BUILD);
}

static bool is_built_in_time(unsigned index)
{
    uint64_t start_us = reference_clock_now_us();

    for (uint32_t i = 1; read_word(index, START_CORE_ANSWER) != START_ANSWER_BUILT; i++) {
        if (i % CLOCK_LOOK_POLLS == 0 && reference_clock_now_us() - start_us >= BUILD_TIMEOUT_US) {
            return false;
        }
        cpu_pause();
    }
    return mmio_read64(start_node_table[index], START_CORE_ROOT) != 0;
}

bool start_node_wait_built(unsigned index)
{
    bool is_built = is_built_in_time(index);

    if (!is_built) {
        give_order(index, START_ORDER_PARK);
    }
    return is_built;
}

void start_node_enter(unsigned index)
{
    ASSERT(read_word(index, START_CORE_ANSWER) == START_ANSWER_BUILT);
    give_order_awake(index, START_ORDER_GO);
}
