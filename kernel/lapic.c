/* SPDX-License-Identifier: MIT */
/*
 * The local APIC. Registers are named by their offset in the APIC page (SDM 3A table 11-1); in
 * x2APIC mode the same register is MSR 0x800 + offset / 16 (11.12.1.2).
 */
#include "kernel/lapic.h"

#include "kernel/cpu.h"
#include "kernel/interrupt.h"
#include "kernel/mmio.h"

#define LAPIC_ID            0x020
#define LAPIC_TPR           0x080
#define LAPIC_EOI           0x0B0
#define LAPIC_SVR           0x0F0
#define SVR_ENABLE          BIT(8)
#define LAPIC_ESR           0x280
#define LAPIC_ICR           0x300
#define ICR_NMI             0x400
#define ICR_INIT            0x500
#define ICR_STARTUP         0x600
#define ICR_PENDING         BIT(12)
#define ICR_ASSERT          BIT(14)
#define LAPIC_ICR_HIGH      0x310
#define LAPIC_LVT_TIMER     0x320
#define LVT_MASKED          BIT(16)
#define LVT_NMI             0x400
#define LVT_TIMER_DEADLINE  BIT(18)
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

paddr_t lapic_paddr(void)
{
    return cpu_read_msr(MSR_APIC_BASE) & APIC_BASE_ADDRESS;
}

void lapic_initialise(void *mapped_registers)
{
    uint64_t base = cpu_read_msr(MSR_APIC_BASE);

    has_x2apic = (cpu_id(1, 0).ecx & CPUID_1_ECX_X2APIC) != 0;
    registers = mapped_registers;
    cpu_write_msr(MSR_APIC_BASE, base | APIC_BASE_ENABLE);
    if (has_x2apic) {
        /* In two steps: from off to x2APIC at once is a fault (SDM 3A 11.12.5). */
        cpu_write_msr(MSR_APIC_BASE, base | APIC_BASE_ENABLE | APIC_BASE_X2APIC);
    }
    write_register(LAPIC_LVT_LINT0, LVT_MASKED);
    write_register(LAPIC_LVT_LINT1, LVT_NMI);
    write_register(LAPIC_LVT_ERROR, INTERRUPT_VECTOR_SPURIOUS | LVT_MASKED);
    write_register(LAPIC_LVT_TIMER, INTERRUPT_VECTOR_TIMER);
    write_register(LAPIC_TIMER_DIVIDE, DIVIDE_BY_16);
    write_register(LAPIC_TPR, 0);
    write_register(LAPIC_SVR, SVR_ENABLE | INTERRUPT_VECTOR_SPURIOUS);
    lapic_timer_start(0);
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

static void send_command(uint32_t apic_id, uint32_t command)
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

void lapic_send_interrupt(uint32_t apic_id, uint8_t vector)
{
    send_command(apic_id, (uint32_t)ICR_ASSERT | vector);
}

void lapic_send_nmi(uint32_t apic_id)
{
    send_command(apic_id, (uint32_t)ICR_ASSERT | ICR_NMI);
}

void lapic_send_init(uint32_t apic_id)
{
    write_register(LAPIC_ESR, 0);
    send_command(apic_id, (uint32_t)ICR_ASSERT | ICR_INIT);
}

void lapic_send_startup(uint32_t apic_id, uint8_t page)
{
    send_command(apic_id, (uint32_t)ICR_ASSERT | ICR_STARTUP | page);
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
