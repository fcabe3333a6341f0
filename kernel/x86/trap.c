/* SPDX-License-Identifier: MIT */
/*
 * Descriptor tables (SDM 3A 3.5, 6.10, 7.7) and what follows an entry. An exception is fatal to the
 * node, unless the layer that knows errors says that it is none. An interrupt counts and
 * acknowledges: it has ended the idle loop's halt, which is all it is for.
 */
#include "kernel/x86/trap.h"

#include "kernel/limits.h"
#include "kernel/message/status.h"
#include "kernel/node.h"
#include "kernel/platform.h"
#include "kernel/x86/clock.h"
#include "kernel/x86/interrupt.h"
#include "kernel/x86/paging.h"
#include "libc/core/bits.h"
#include "libc/core/cpu.h"
#include "libc/core/guarded_space.h"
#include "libc/core/lapic.h"

#define VECTOR_COUNT 256u
#define STUB_BYTES   16u

#define SELECTOR_DATA   0x10
#define SELECTOR_TSS    0x18
/* Marked as accessed, as the core would (SDM 3A 3.4.5.1): they are read-only then. */
#define DESCRIPTOR_CODE 0x00AF9B000000FFFF /* 64-bit, ring 0 */
#define DESCRIPTOR_DATA 0x00CF93000000FFFF
#define DESCRIPTOR_TSS  (BIT(47) | FIELD_PREP(BITS(43, 40), 9)) /* present, available 64-bit TSS */

struct tss {
    uint32_t reserved_0;
    uint64_t rsp[3];
    uint64_t reserved_1;
    uint64_t ist[7]; /* number 1 stands at index 0 */
    uint64_t reserved_2;
    uint16_t reserved_3;
    uint16_t io_map_base;
} __attribute__((packed));

_Static_assert(sizeof(struct tss) == 104, "SDM 3A figure 7-11");

struct table_pointer {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

extern const char trap_stubs[VECTOR_COUNT][STUB_BYTES];

/* In pages that become read-only (the linker's names): what the way out of a failed node needs. */
#define GUARDED __attribute__((section(".bss.guarded")))
extern char guarded_start[], guarded_end[];

GUARDED const struct trap_errors *trap_errors;
GUARDED void (*trap_leave)(void);
/* The core writes to them once, when it is told of the TSS. */
GUARDED static struct {
    _Alignas(16) struct trap_gate idt[VECTOR_COUNT];
    uint64_t gdt[5];
    struct tss tss;
} tables;
static uint64_t interrupt_counts[VECTOR_COUNT];

void trap_initialise(void)
{
    struct table_pointer gdt_pointer = {sizeof(tables.gdt) - 1, (uintptr_t)tables.gdt};
    struct table_pointer idt_pointer = {sizeof(tables.idt) - 1, (uintptr_t)tables.idt};
    uintptr_t base = (uintptr_t)&tables.tss;

    trap_leave = node_info.leave;
    tables.tss.io_map_base = sizeof(tables.tss);
    tables.gdt[1] = DESCRIPTOR_CODE;
    tables.gdt[2] = DESCRIPTOR_DATA;
    tables.gdt[3] = DESCRIPTOR_TSS | (sizeof(tables.tss) - 1) | FIELD_PREP(BITS(39, 16), base) |
                    FIELD_PREP(BITS(63, 56), base >> 24);
    tables.gdt[4] = base >> 32;
    for (unsigned vector = 0; vector < VECTOR_COUNT; vector++) {
        tables.idt[vector] = trap_gate_to(trap_stubs[vector], 0);
    }
    __asm__ volatile("lgdt %0\n\t"
                     "pushq %[code]\n\t"
                     "leaq 1f(%%rip), %%rax\n\t"
                     "pushq %%rax\n\t"
                     "lretq\n"
                     "1:\n\t"
                     "movw %w[data], %%ds\n\t"
                     "movw %w[data], %%es\n\t"
                     "movw %w[data], %%ss\n\t"
                     "movw %w[none], %%fs\n\t"
                     "movw %w[none], %%gs\n\t"
                     "ltr %w[task]\n\t"
                     "lidt %1"
                     :
                     : "m"(gdt_pointer), "m"(idt_pointer), [code] "i"(TRAP_SELECTOR_CODE),
                       [data] "r"(SELECTOR_DATA), [none] "r"(0), [task] "r"(SELECTOR_TSS)
                     : "rax", "memory");
}

static void use_stack(unsigned vector, unsigned ist, uintptr_t top)
{
    ASSERT(ist >= 1 && ist <= ARRAY_COUNT(tables.tss.ist) && tables.tss.ist[ist - 1] == 0);
    tables.tss.ist[ist - 1] = top;
    tables.idt[vector] = trap_gate_to(trap_stubs[vector], ist);
}

void trap_use_fault_stack(uintptr_t top)
{
    use_stack(VECTOR_PAGE_FAULT, 1, top);
}

static void use_own_stack(unsigned vector, unsigned ist)
{
    uint8_t *stack = platform_allocate_stack();

    if (stack == NULL) {
        PANIC("no memory for the stack of exception %u", vector);
    }
    use_stack(vector, ist, (uintptr_t)stack + THREAD_STACK_BYTES);
}

void trap_use_own_stacks(void)
{
    use_own_stack(VECTOR_PAGE_FAULT, 1);
    use_own_stack(VECTOR_DOUBLE_FAULT, 2);
    use_own_stack(VECTOR_NMI, 3);
    use_own_stack(VECTOR_MACHINE_CHECK, 4);
    int error = guarded_space_make_read_only(paging_own_space(), guarded_start,
                                             (uintptr_t)guarded_end - (uintptr_t)guarded_start);

    ASSERT(error == 0);
}

void trap_exception(struct trap_frame *frame)
{
    if (trap_errors == NULL || !trap_errors->goes_on(frame)) {
        panic_exception(frame);
    }
}

void trap_interrupt(uint64_t vector)
{
    interrupt_counts[vector]++;
    interrupt_counts[INTERRUPT_ANY]++;
    counter_add(COUNTER_UNASKED_INTERRUPTS, !interrupt_is_used(vector));
    if (vector == INTERRUPT_VECTOR_TIMER) {
        clock_fired();
    }
    /* A spurious one is not in service: nothing to end (SDM 3A 11.9). One that another core has
     * sent with its vector is, and would hold back all others for ever. */
    if (vector != INTERRUPT_VECTOR_SPURIOUS || lapic_is_in_service(INTERRUPT_VECTOR_SPURIOUS)) {
        lapic_end_interrupt();
    }
}

uint64_t interrupt_count(uint8_t vector)
{
    return interrupt_counts[vector];
}
