/* SPDX-License-Identifier: MIT */
/*
 * Where a started core wakes: copied to a page below 1 MiB, entered in real mode with cs = page
 * address / 16 and ip = 0. Goes straight to long mode on the first page tables, finds its entry in
 * the table by its APIC id, reports that it is there, and halts until it is told by an NMI, the one
 * interrupt that a local APIC takes as INIT leaves it, to enter its node.
 */
#include "boot/start_node.h"
#include "kernel/x86/layout.h"

#define CR0_LONG_MODE 0x80010033 /* PG WP NE ET MP PE; caches on: CD and NW clear */
#define CR4_PAE 0x20
#define MSR_EFER 0xC0000080
#define EFER_LONG_MODE_NO_EXECUTE 0x900

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
    xorl %eax, %eax
    cpuid
    cmpl $0xB, %eax
    jb 1f
    movl $0xB, %eax
    xorl %ecx, %ecx
    cpuid
    testl %ebx, %ebx
    jnz 2f                      /* edx: x2APIC id */
1:  movl $1, %eax
    cpuid
    shrl $24, %ebx
    movl %ebx, %edx

2:  leaq AT(trampoline_interrupted)(%rbp), %rsp
    leaq AT(trampoline_cores)(%rbp), %rax
    movl AT(trampoline_core_count)(%rbp), %ecx
3:  testl %ecx, %ecx
    jz 5f                       /* nobody called us */
    cmpl %edx, START_CORE_APIC_ID(%rax)
    je 4f
    addq $START_CORE_BYTES, %rax
    decl %ecx
    jmp 3b

4:  movl $START_CORE_PRESENT, START_CORE_STATE(%rax)
5:  hlt
    jmp 5b

    /* Before or after hlt, the way on is the same: no wake-up is lost. The return from the NMI
     * allows the next one. */
trampoline_nmi:
    leaq AT(trampoline_return)(%rbp), %rsp
    iretq
trampoline_woken:
    movq START_CORE_ROOT(%rax), %rdi
    testq %rdi, %rdi
    jz 5b                       /* somebody else's NMI */
    movq START_CORE_STACK(%rax), %rsi
    movl $START_CORE_ENTERED, START_CORE_STATE(%rax)
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
    .global trampoline_root, trampoline_core_count, trampoline_cores
trampoline_root:
    .long 0
trampoline_core_count:
    .long 0
trampoline_cores:
    /* The last one is nobody's: who finds no other stays there. */
    .skip START_CORE_BYTES * (START_CORE_MAX + 1)
trampoline_end:

    .section .note.GNU-stack, "", @progbits
