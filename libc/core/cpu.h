/* SPDX-License-Identifier: MIT */
/*
 * The instructions that C cannot say, and the numbers of the registers they take (SDM 2, 3A, 4).
 * Unit tests that play the processor define CPU_FAKE and supply what is below it themselves.
 */
#pragma once

#include "libc/core/base.h"
#include "libc/core/bits.h"

#define MSR_APIC_BASE     0x1B
#define APIC_BASE_X2APIC  BIT(10)
#define APIC_BASE_ENABLE  BIT(11)
#define APIC_BASE_ADDRESS BITS(51, 12)
#define MSR_TSC_DEADLINE  0x6E0
#define MSR_X2APIC_FIRST  0x800 /* register at offset n of the APIC page is MSR 0x800 + n / 16 */
#define MSR_EFER          0xC0000080

#define CR0_WRITE_PROTECT BIT(16)

#define CPUID_1_ECX_X2APIC            BIT(21)
#define CPUID_1_ECX_TSC_DEADLINE      BIT(24)
#define CPUID_80000001_EDX_1GIB_PAGES BIT(26)

struct cpuid {
    uint32_t eax, ebx, ecx, edx;
};

#ifdef CPU_FAKE
struct cpuid cpu_id(uint32_t leaf, uint32_t subleaf);
uint64_t cpu_read_msr(uint32_t msr);
void cpu_write_msr(uint32_t msr, uint64_t value);
uint64_t cpu_read_tsc(void);
void cpu_flush_tlb(void);
void cpu_flush_page(uintptr_t vaddr);
uint64_t cpu_read_cr0(void);
void cpu_write_cr0(uint64_t value);
#else
static inline struct cpuid cpu_id(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid id;

    __asm__ volatile("cpuid"
                     : "=a"(id.eax), "=b"(id.ebx), "=c"(id.ecx), "=d"(id.edx)
                     : "a"(leaf), "c"(subleaf));
    return id;
}

static inline uint64_t cpu_read_msr(uint32_t msr)
{
    uint32_t low, high;

    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return (uint64_t)high << 32 | low;
}

static inline void cpu_write_msr(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr"
                     :
                     : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
                     : "memory");
}

/* The time-stamp counter. May be read a little early or late by out-of-order execution. */
static inline uint64_t cpu_read_tsc(void)
{
    return __builtin_ia32_rdtsc();
}

/* Forget all translations: none is global (SDM 3A 4.10.4.1). */
static inline void cpu_flush_tlb(void)
{
    uint64_t root;

    __asm__ volatile("movq %%cr3, %0; movq %0, %%cr3" : "=r"(root) : : "memory");
}

/* The same of one page. */
static inline void cpu_flush_page(uintptr_t vaddr)
{
    __asm__ volatile("invlpg (%0)" : : "r"(vaddr) : "memory");
}

static inline uint64_t cpu_read_cr0(void)
{
    uint64_t value;

    __asm__ volatile("movq %%cr0, %0" : "=r"(value));
    return value;
}

static inline void cpu_write_cr0(uint64_t value)
{
    __asm__ volatile("movq %0, %%cr0" : : "r"(value) : "memory");
}
#endif

static inline void cpu_pause(void)
{
    __asm__ volatile("pause" : : : "memory");
}

/* Halt for good: with interrupts off only an NMI or INIT ends it. */
_Noreturn static inline void cpu_halt_for_ever(void)
{
    for (;;) {
        __asm__ volatile("cli; hlt" : : : "memory");
    }
}
