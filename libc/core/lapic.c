/* SPDX-License-Identifier: MIT */
/*
 * The local APIC. Registers are named by their offset in the APIC page (SDM 3A table 11-1); in
 * x2APIC mode the same register is MSR 0x800 + offset / 16 (11.12.1.2).
 */
#include "libc/core/lapic.h"

#include "libc/core/assert.h"
#include "libc/core/bits.h"
#include "libc/core/cpu.h"
#include "libc/core/mmio.h"

#define LAPIC_TPR           0x080
/* Keeps out vectors 16 to 31, which would pass for exceptions. */
#define TPR_NO_EXCEPTIONS   0x10
#define LAPIC_EOI           0x0B0
#define LAPIC_SVR           0x0F0
#define SVR_ENABLE          BIT(8)
#define LAPIC_ISR           0x100 /* 32 vectors in each of eight registers */
#define LAPIC_ICR           0x300
#define ICR_PENDING         BIT(12)
#define LAPIC_ICR_HIGH      0x310
#define LAPIC_LVT_TIMER     0x320
#define LVT_MASKED          BIT(16)
#define LVT_TIMER_DEADLINE  BIT(18)
#define LAPIC_LVT_LINT0     0x350
#define LAPIC_LVT_LINT1     0x360
#define LAPIC_LVT_ERROR     0x370
#define LAPIC_TIMER_INITIAL 0x380
#define LAPIC_TIMER_DIVIDE  0x3E0
#define DIVIDE_BY_16        0x3

_Static_assert(LAPIC_TIMER_DIVISOR == 16, "DIVIDE_BY_16 is what lapic_initialise() writes");

/* Chosen: reads of the ICR until an interrupt must have left; on hardware one or two do. */
#define ICR_POLL_MAX 100000u

static void *registers;
static bool has_x2apic;
static uint8_t timer_vector;

uint32_t lapic_read(unsigned offset)
{
    return has_x2apic ? (uint32_t)cpu_read_msr(MSR_X2APIC_FIRST + offset / 16)
                      : mmio_read32(registers, offset);
}

void lapic_write(unsigned offset, uint32_t value)
{
    if (has_x2apic) {
        cpu_write_msr(MSR_X2APIC_FIRST + offset / 16, value);
    } else {
        mmio_write32(registers, offset, value);
    }
}

bool lapic_has_x2apic(void)
{
    return (cpu_id(1, 0).ecx & CPUID_1_ECX_X2APIC) != 0;
}

uint64_t lapic_page(void)
{
    return cpu_read_msr(MSR_APIC_BASE) & APIC_BASE_ADDRESS;
}

void lapic_initialise(void *page, uint8_t timer, uint8_t spurious)
{
    uint64_t base = cpu_read_msr(MSR_APIC_BASE);

    has_x2apic = page == NULL;
    registers = page;
    timer_vector = timer;
    CORE_ASSERT(has_x2apic == lapic_has_x2apic());
    /* Where firmware has x2APIC on, it stays: the way back is through off, or a fault. Else on in
     * two steps: from off to x2APIC at once is a fault, too (SDM 3A 11.12.5). */
    base |= APIC_BASE_ENABLE;
    cpu_write_msr(MSR_APIC_BASE, base);
    if (has_x2apic) {
        cpu_write_msr(MSR_APIC_BASE, base | APIC_BASE_X2APIC);
    }
    /* On first: as INIT leaves it, its sources, the timer too, stay masked (SDM 3A 11.4.7.2). */
    lapic_write(LAPIC_TPR, TPR_NO_EXCEPTIONS);
    lapic_write(LAPIC_SVR, SVR_ENABLE | spurious);
    lapic_write(LAPIC_LVT_LINT0, LVT_MASKED);
    lapic_write(LAPIC_LVT_LINT1, LVT_MASKED);
    lapic_write(LAPIC_LVT_ERROR, spurious | LVT_MASKED);
    lapic_write(LAPIC_LVT_TIMER, timer);
    lapic_write(LAPIC_TIMER_DIVIDE, DIVIDE_BY_16);
    lapic_timer_start(0);
}

bool lapic_is_in_service(uint8_t vector)
{
    return (lapic_read(LAPIC_ISR + vector / 32 * 0x10) & BIT(vector % 32)) != 0;
}

void lapic_end_interrupt(void)
{
    lapic_write(LAPIC_EOI, 0);
}

void lapic_send(uint32_t apic_id, uint32_t command)
{
    if (has_x2apic) {
        /* Not ordered behind earlier stores, which the other core must see (SDM 3A 11.12.3). */
        __asm__ volatile("mfence; lfence" : : : "memory");
        cpu_write_msr(MSR_X2APIC_FIRST + LAPIC_ICR / 16, (uint64_t)apic_id << 32 | command);
        return;
    }
    for (unsigned i = 0; i < ICR_POLL_MAX && (lapic_read(LAPIC_ICR) & ICR_PENDING); i++) {
        cpu_pause();
    }
    lapic_write(LAPIC_ICR_HIGH, apic_id << 24);
    lapic_write(LAPIC_ICR, command);
}

void lapic_timer_start(uint32_t counts)
{
    lapic_write(LAPIC_TIMER_INITIAL, counts);
}

void lapic_timer_use_deadline(void)
{
    lapic_write(LAPIC_LVT_TIMER, (uint32_t)LVT_TIMER_DEADLINE | timer_vector);
    /* The mode before the first deadline: MSR writes do not wait for it (SDM 3A 11.5.4.1). */
    __asm__ volatile("mfence" : : : "memory");
}
