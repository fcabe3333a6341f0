/* SPDX-License-Identifier: MIT */
/*
 * The calling side of trampoline.S. The table lies in the trampoline's page, which the called cores
 * write to: it is read as what others change, by kernel/x86/mmio.h.
 */
#include "boot/start_node.h"

#include <string.h>

#include "boot/image.h"
#include "boot/reference_clock.h"
#include "kernel/limits.h"
#include "kernel/platform.h"
#include "kernel/x86/cpu.h"
#include "kernel/x86/lapic.h"
#include "kernel/x86/layout.h"
#include "kernel/x86/mmio.h"

/* SDM 3A 8.4.4.1: a second SIPI 200 us after the first, for cores that missed it. */
#define SECOND_CALL_US    200u
/* Chosen: a core answers within microseconds; an emulator whose host is loaded may take long to run
 * one of many vCPUs. Waited only when a core that firmware calls usable does not answer. */
#define ANSWER_TIMEOUT_US 1000000u

extern const char trampoline_start[];
extern const char trampoline_end[];
extern const char trampoline_root[];
extern const char trampoline_core_count[];
extern const char trampoline_cores[];

_Static_assert(START_CORE_MAX >= NODE_MAX, "every node can be called");

static uint8_t *page;
static uint8_t page_number;
static unsigned core_count;

static size_t offset_of(const char *symbol)
{
    return bytes_between(trampoline_start, symbol);
}

static size_t core_offset(unsigned index, size_t field)
{
    return offset_of(trampoline_cores) + index * (size_t)START_CORE_BYTES + field;
}

static uint32_t core_apic_id(unsigned index)
{
    return mmio_read32(page, core_offset(index, START_CORE_APIC_ID));
}

static uint32_t core_state(unsigned index)
{
    return mmio_read32(page, core_offset(index, START_CORE_STATE));
}

void start_node_prepare(paddr_t paddr, paddr_t boot_root, const uint32_t *apic_ids, unsigned count)
{
    /* A SIPI names the page by 8 bits; the table takes what the code leaves of it. */
    ASSERT(paddr != 0 && paddr % PAGE_BYTES == 0 && paddr < MIB);
    ASSERT(count <= START_CORE_MAX && boot_root <= UINT32_MAX);
    ASSERT(bytes_between(trampoline_start, trampoline_end) <= PAGE_BYTES);
    page = (uint8_t *)(DIRECT_MAP_BASE + paddr);
    page_number = (uint8_t)(paddr / PAGE_BYTES);
    core_count = count;
    memcpy(page, trampoline_start, bytes_between(trampoline_start, trampoline_end));
    mmio_write32(page, offset_of(trampoline_root), (uint32_t)boot_root);
    mmio_write32(page, offset_of(trampoline_core_count), count);
    for (unsigned i = 0; i < count; i++) {
        mmio_write32(page, core_offset(i, START_CORE_APIC_ID), apic_ids[i]);
    }
}

void start_node_reset(void)
{
    for (unsigned i = 0; i < core_count; i++) {
        lapic_send_init(core_apic_id(i));
    }
}

static void call_those_in_state(uint32_t state)
{
    for (unsigned i = 0; i < core_count; i++) {
        if (core_state(i) == state) {
            lapic_send_startup(core_apic_id(i), page_number);
        }
    }
}

static bool are_all_present(void)
{
    for (unsigned i = 0; i < core_count; i++) {
        if (core_state(i) != START_CORE_PRESENT) {
            return false;
        }
    }
    return true;
}

static void wait_for_all(uint64_t timeout_us)
{
    uint64_t start_us = reference_clock_now_us();

    while (!are_all_present() && reference_clock_now_us() - start_us < timeout_us) {
        cpu_pause();
    }
}

void start_node_call(bool *is_present)
{
    call_those_in_state(START_CORE_CALLED);
    wait_for_all(SECOND_CALL_US);
    call_those_in_state(START_CORE_CALLED);
    wait_for_all(ANSWER_TIMEOUT_US);
    for (unsigned i = 0; i < core_count; i++) {
        is_present[i] = core_state(i) == START_CORE_PRESENT;
    }
}

void start_node_enter(unsigned index, paddr_t root, uintptr_t stack_top)
{
    ASSERT(index < core_count && root % PAGE_BYTES == 0);
    ASSERT(core_state(index) != START_CORE_ENTERED);
    mmio_write64(page, core_offset(index, START_CORE_STACK), stack_top);
    mmio_write64(page, core_offset(index, START_CORE_ROOT), root);
    lapic_send_nmi(core_apic_id(index));
}

bool start_node_wait_entered(unsigned index)
{
    uint64_t start_us = reference_clock_now_us();

    while (core_state(index) != START_CORE_ENTERED) {
        if (reference_clock_now_us() - start_us >= ANSWER_TIMEOUT_US) {
            return false;
        }
        cpu_pause();
    }
    return true;
}
