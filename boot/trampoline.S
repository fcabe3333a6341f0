/* SPDX-License-Identifier: MIT */
/*
 * Where a started core wakes: copied to a page below 1 MiB, entered in real mode with cs = page
 * address / 16 and ip = 0. Goes straight to long mode on the first page tables, finds its entry in
 * start_node.c's table by its APIC id, and does what the orders there say (start_node.h). After each
 * it halts, and an NMI, the one interrupt that a local APIC takes as INIT leaves it, has it look again.
 * It writes to its own words there, and to this page what all cores write alike.
 *
 * Cores that no node runs on stay here, so the page and the first page tables are never given away.
 */
#include "boot/start_node.h"
#include "kernel/x86/layout.h"

#define CR0_LONG_MODE 0x80010033 /* PG WP NE ET MP PE; caches on: CD and NW clear */
#define CR4_PAE 0x20
#define MSR_EFER 0xC0000080
#define EFER_LONG_MODE_NO_EXECUTE 0x900
#define CPUID_1_EDX_MCE 0x80
#define CR4_MCE 0x40
#define MSR_MCG_STATUS 0x17A
/* Chosen: some ten thousand times what the caller takes between two pings. */
#define PING_POLL_MAX 0x1000000

#define AT(symbol) ((symbol) - trampoline_start)

    .section .rodata
    .balign 16
    .global trampoline_start, trampoline_end
trampoline_start:
    .code16
    cli
    cld
    movw %cs, %ax
    movw %ax, %ds
    movzwl %ax, %ebx
    shll $4, %ebx               /* ebx: physical address of this page */

    /* Addresses that are known only here. All cores write the same. */
    leal AT(trampoline_gdt)(%ebx), %eax
    movl %eax, AT(trampoline_gdt_pointer) + 2
    leal AT(trampoline_long_mode)(%ebx), %eax
    movl %eax, AT(trampoline_far_pointer)
    leal AT(trampoline_idt)(%ebx), %eax
    movl %eax, AT(trampoline_idt_pointer) + 2
    leal AT(trampoline_woken)(%ebx), %eax
    movl %eax, AT(trampoline_return)
    leal AT(trampoline_interrupted)(%ebx), %eax
    movl %eax, AT(trampoline_return_stack)
    leal AT(trampoline_nmi)(%ebx), %eax
    movw %ax, AT(trampoline_nmi_gate)
    shrl $16, %eax
    movw %ax, AT(trampoline_nmi_gate) + 6
    leal AT(trampoline_machine_check)(%ebx), %eax
    movw %ax, AT(trampoline_machine_check_gate)
    shrl $16, %eax
    movw %ax, AT(trampoline_machine_check_gate) + 6

    movl $CR4_PAE, %eax
    movl %eax, %cr4
    movl AT(trampoline_root), %eax
    movl %eax, %cr3
    movl $MSR_EFER, %ecx
    rdmsr
    orl $EFER_LONG_MODE_NO_EXECUTE, %eax
    wrmsr
    lgdtl AT(trampoline_gdt_pointer)
    lidtl AT(trampoline_idt_pointer)
    movl $CR0_LONG_MODE, %eax
    movl %eax, %cr0
    ljmpl *AT(trampoline_far_pointer)

    .code64
trampoline_long_mode:
    movl %ebx, %ebp             /* cpuid takes ebx */
    leaq AT(trampoline_interrupted)(%rbp), %rsp
    xorl %r12d, %r12d           /* no entry yet */

    /* A machine check that is told to all cores resets the machine where one does not take it. */
    movl $1, %eax
    cpuid
    testl $CPUID_1_EDX_MCE, %edx
    jz 1f
    movq %cr4, %rax
    orl $CR4_MCE, %eax
    movq %rax, %cr4

1:  xorl %eax, %eax
    cpuid
    cmpl $0xB, %eax
    jb 2f
    movl $0xB, %eax
    xorl %ecx, %ecx
    cpuid
    testl %ebx, %ebx
    jnz 3f                      /* edx: x2APIC id */
2:  movl $1, %eax
    cpuid
    shrl $24, %ebx
    movl %ebx, %edx

3:  movq $start_node_table, %rax
    movl AT(trampoline_core_count)(%rbp), %ecx
4:  testl %ecx, %ecx
    jz halt                     /* nobody called us */
    cmpl %edx, START_CORE_APIC_ID(%rax)
    je 5f
    addq $START_CORE_BYTES, %rax
    decl %ecx
    jmp 4b

5:  movq %rax, %r12
    cmpl $START_ORDER_PARK, START_CORE_ORDER(%r12)
    je park                     /* too late, or not wanted */
    movl $START_ANSWER_PRESENT, START_CORE_ANSWER(%r12)
halt:
    hlt
    jmp halt

park:
    movl $START_ANSWER_PARKED, START_CORE_ANSWER(%r12)
    jmp halt

    /* A core without a node ignores them. MCIP goes, for the next one would reset the machine. */
trampoline_machine_check:
    xorl %eax, %eax
    xorl %edx, %edx
    movl $MSR_MCG_STATUS, %ecx
    wrmsr
    /* Before or after hlt, the way on is the same: no wake-up is lost. The return from the NMI
     * allows the next one. */
trampoline_nmi:
    leaq AT(trampoline_return)(%rbp), %rsp
    iretq
trampoline_woken:
    testq %r12, %r12
    jz halt
    movl START_CORE_ORDER(%r12), %eax
    cmpl $START_ORDER_MEASURE, %eax
    je measure
    cmpl $START_ORDER_ENTER, %eax
    je ready
    cmpl $START_ORDER_GO, %eax
    je go
    cmpl $START_ORDER_PARK, %eax
    je park
    jmp halt                    /* somebody else's NMI */

ready:
    movl $START_ANSWER_READY, START_CORE_ANSWER(%r12)
    jmp halt

    /* Answer each new ping by the TSC, read after the ping was seen; the pong says it is written. */
measure:
    movl $PING_POLL_MAX, %edi
1:  cmpl $START_ORDER_MEASURE, START_CORE_ORDER(%r12)
    jne trampoline_woken
    movl START_CORE_PING(%r12), %ecx
    cmpl START_CORE_PONG(%r12), %ecx
    je 2f
    lfence
    rdtsc
    movl %eax, START_CORE_TSC(%r12)
    movl %edx, START_CORE_TSC + 4(%r12)
    movl %ecx, START_CORE_PONG(%r12)
    jmp measure
2:  pause
    decl %edi
    jnz 1b
    jmp halt

go:
    movq START_CORE_ROOT(%r12), %rdi
    movq START_CORE_STACK(%r12), %rsi
    movq $node_enter, %rax
    jmp *%rax

    .balign 8
trampoline_gdt:
    .quad 0
    .quad 0x00AF9A000000FFFF    /* 64-bit code */
trampoline_gdt_pointer:
    .word . - trampoline_gdt - 1
    .long 0
trampoline_far_pointer:
    .long 0
    .word 8

    .balign 8
trampoline_idt:
    .skip 2 * 16
trampoline_nmi_gate:
    .word 0, 8, 0x8E00, 0       /* an interrupt gate to 64-bit code; the address comes later */
    .quad 0
    .skip 15 * 16
trampoline_machine_check_gate:
    .word 0, 8, 0x8E00, 0
    .quad 0
trampoline_idt_pointer:
    .word trampoline_idt_pointer - trampoline_idt - 1
    .long 0

    /* What an NMI saves here nobody reads, so all cores have the same place. */
    .balign 16
    .skip 5 * 8
    .balign 16
trampoline_interrupted:
    /* What all return by: rip, cs, rflags, rsp, ss. */
trampoline_return:
    .quad 0, 8, 2
trampoline_return_stack:
    .quad 0, 0

    .balign 8
    .global trampoline_root, trampoline_core_count
trampoline_root:
    .long 0
trampoline_core_count:
    .long 0
trampoline_end:

    .section .note.GNU-stack, "", @progbits
