/* SPDX-License-Identifier: MIT */
/*
 * The local APIC. Registers are named by their offset in the APIC page (SDM 3A table 11-1); in
 * x2APIC mode the same register is MSR 0x800 + offset / 16 (11.12.1.2).
 */
#include "kernel/x86/lapic.h"

#include "kernel/node.h"
#include "kernel/platform.h"
#include "kernel/x86/cpu.h"
#include "kernel/x86/interrupt.h"
#include "kernel/x86/mmio.h"
#include "kernel/x86/paging.h"

#define LAPIC_ID            0x020
#define LAPIC_VERSION       0x030
#define VERSION_LAST_LVT    BITS(23, 16)
#define LAPIC_TPR           0x080
/* Vectors 16 to 31, which a local APIC would deliver, stay out: there they would pass for
 * exceptions. */
#define TPR_NO_EXCEPTIONS   0x10
#define LAPIC_EOI           0x0B0
#define LAPIC_SVR           0x0F0
#define SVR_ENABLE          BIT(8)
#define LAPIC_ISR(n)        (0x100 + 0x10 * (n)) /* vectors 32 n to 32 n + 31 */
#define ISR_COUNT           8u
#define LAPIC_LVT_CMCI      0x2F0
#define LAPIC_ICR           0x300
#define ICR_PENDING         BIT(12)
#define LAPIC_ICR_HIGH      0x310
#define LAPIC_LVT_TIMER     0x320
#define LVT_MASKED          BIT(16)
#define LVT_DELIVERY        BITS(10, 8)
#define DELIVERY_SMI        2u
#define LVT_NMI             0x400
#define LVT_ACTIVE_LOW      BIT(13)
#define LVT_TIMER_DEADLINE  BIT(18)
#define LAPIC_LVT_THERMAL   0x330
#define LAPIC_LVT_COUNTER   0x340
#define LAPIC_LVT_LINT0     0x350
#define LAPIC_LVT_LINT1     0x360
#define LAPIC_LVT_ERROR     0x370
#define LAPIC_TIMER_INITIAL 0x380
#define LAPIC_TIMER_CURRENT 0x390
#define LAPIC_TIMER_DIVIDE  0x3E0
#define DIVIDE_BY_16        0x3

_Static_assert(LAPIC_TIMER_DIVISOR == 16, "DIVIDE_BY_16 is what lapic_initialise() writes");

/* Chosen: reads of the ICR until an interrupt must have left; on hardware one or two do. */
#define ICR_POLL_MAX 100000u

static void *registers;
static bool has_x2apic;

static uint32_t read_register(unsigned offset)
{
    return has_x2apic ? (uint32_t)cpu_read_msr(MSR_X2APIC_FIRST + offset / 16)
                      : mmio_read32(registers, offset);
}

static void write_register(unsigned offset, uint32_t value)
{
    if (has_x2apic) {
        cpu_write_msr(MSR_X2APIC_FIRST + offset / 16, value);
    } else {
        mmio_write32(registers, offset, value);
    }
}

/* A core has those up to the number of its last one (SDM 3A 11.5.1). What firmware uses for itself,
 * by system management interrupts, stays. */
static void mask_firmware_sources(void)
{
    static const struct {
        unsigned offset, number;
    } sources[] = {{LAPIC_LVT_COUNTER, 4}, {LAPIC_LVT_THERMAL, 5}, {LAPIC_LVT_CMCI, 6}};
    uint64_t last = FIELD_GET(VERSION_LAST_LVT, read_register(LAPIC_VERSION));

    for (unsigned i = 0; i < ARRAY_COUNT(sources) && sources[i].number <= last; i++) {
        uint32_t entry = read_register(sources[i].offset);

        if (FIELD_GET(LVT_DELIVERY, entry) != DELIVERY_SMI) {
            write_register(sources[i].offset, entry | (uint32_t)LVT_MASKED);
        }
    }
}

/* One that firmware has taken and not ended would hold back all of lower priority for ever. Each
 * end takes the highest (SDM 3A 11.8.5), so count before the first. */
static void end_leftover_interrupts(void)
{
    unsigned count = 0;

    for (unsigned i = 0; i < ISR_COUNT; i++) {
        for (uint32_t left = read_register(LAPIC_ISR(i)); left != 0; left &= left - 1) {
            count++;
        }
    }
    while (count-- > 0) {
        lapic_end_interrupt();
    }
}

bool lapic_initialise(void)
{
    uint64_t base = cpu_read_msr(MSR_APIC_BASE);

    has_x2apic = (cpu_id(1, 0).ecx & CPUID_1_ECX_X2APIC) != 0;
    if (!has_x2apic) {
        ranges_add(&node_info.machine.devices, base & APIC_BASE_ADDRESS, PAGE_BYTES, 0);
        registers = paging_map_device(base & APIC_BASE_ADDRESS, PAGE_BYTES);
        ASSERT(registers != NULL);
    }
    /* Where firmware has x2APIC on, it stays: the way back is through off, or a fault. Else on in
     * two steps: from off to x2APIC at once is a fault, too (SDM 3A 11.12.5). */
    base |= APIC_BASE_ENABLE;
    cpu_write_msr(MSR_APIC_BASE, base);
    if (has_x2apic) {
        cpu_write_msr(MSR_APIC_BASE, base | APIC_BASE_X2APIC);
    }
    /* On first: as INIT leaves it, a local APIC keeps its sources masked (SDM 3A 11.4.7.2), and a
     * node's one-shot timer would never fire. */
    write_register(LAPIC_TPR, TPR_NO_EXCEPTIONS);
    write_register(LAPIC_SVR, SVR_ENABLE | INTERRUPT_VECTOR_SPURIOUS);
    mask_firmware_sources();
    write_register(LAPIC_LVT_LINT0, LVT_MASKED);
    write_register(LAPIC_LVT_LINT1, LVT_MASKED);
    write_register(LAPIC_LVT_ERROR, INTERRUPT_VECTOR_SPURIOUS | LVT_MASKED);
    write_register(LAPIC_LVT_TIMER, INTERRUPT_VECTOR_TIMER);
    write_register(LAPIC_TIMER_DIVIDE, DIVIDE_BY_16);
    end_leftover_interrupts();
    lapic_timer_start(0);
    return has_x2apic;
}

void lapic_open_nmi_line(unsigned lint, bool is_active_low)
{
    ASSERT(lint <= 1);
    write_register(lint == 0 ? LAPIC_LVT_LINT0 : LAPIC_LVT_LINT1,
                   LVT_NMI | (is_active_low ? (uint32_t)LVT_ACTIVE_LOW : 0));
}

uint32_t lapic_id(void)
{
    uint32_t id = read_register(LAPIC_ID);

    return has_x2apic ? id : id >> 24;
}

void lapic_end_interrupt(void)
{
    write_register(LAPIC_EOI, 0);
}

void lapic_send(uint32_t apic_id, uint32_t command)
{
    if (has_x2apic) {
        /* The write is not ordered behind earlier stores, which the other core must see
         * (SDM 3A 11.12.3). */
        __asm__ volatile("mfence; lfence" : : : "memory");
        cpu_write_msr(MSR_X2APIC_FIRST + LAPIC_ICR / 16, (uint64_t)apic_id << 32 | command);
        return;
    }
    for (unsigned i = 0; i < ICR_POLL_MAX && (read_register(LAPIC_ICR) & ICR_PENDING); i++) {
        cpu_pause();
    }
    write_register(LAPIC_ICR_HIGH, apic_id << 24);
    write_register(LAPIC_ICR, command);
}

void lapic_timer_start(uint32_t counts)
{
    write_register(LAPIC_TIMER_INITIAL, counts);
}

uint32_t lapic_timer_remaining(void)
{
    return read_register(LAPIC_TIMER_CURRENT);
}

void lapic_timer_use_deadline(void)
{
    write_register(LAPIC_LVT_TIMER, (uint32_t)LVT_TIMER_DEADLINE | INTERRUPT_VECTOR_TIMER);
    /* The mode before the first deadline: MSR writes do not wait for it (SDM 3A 11.5.4.1). */
    __asm__ volatile("mfence" : : : "memory");
}
