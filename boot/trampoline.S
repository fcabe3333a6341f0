/* SPDX-License-Identifier: MIT */
/*
 * Where a started core wakes: copied to a page below 1 MiB, entered in real mode with cs = page
 * address / 16 and ip = 0. Goes straight to long mode on the first page tables, finds its entry in
 * the table by its APIC id, and either reports that it is there and halts, or enters its node.
 */
#include "boot/start_node.h"
#include "kernel/layout.h"

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

    /* Both pointers need addresses that are known only here. All cores write the same. */
    leal AT(trampoline_gdt)(%ebx), %eax
    movl %eax, AT(trampoline_gdt_pointer) + 2
    leal AT(trampoline_long_mode)(%ebx), %eax
    movl %eax, AT(trampoline_far_pointer)

    movl $CR4_PAE, %eax
    movl %eax, %cr4
    movl AT(trampoline_root), %eax
    movl %eax, %cr3
    movl $MSR_EFER, %ecx
    rdmsr
    orl $EFER_LONG_MODE_NO_EXECUTE, %eax
    wrmsr
    lgdtl AT(trampoline_gdt_pointer)
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

2:  leaq AT(trampoline_cores)(%rbp), %rax
    movl AT(trampoline_core_count)(%rbp), %ecx
3:  testl %ecx, %ecx
    jz 5f                       /* nobody called us */
    cmpl %edx, START_CORE_APIC_ID(%rax)
    je 4f
    addq $START_CORE_BYTES, %rax
    decl %ecx
    jmp 3b

4:  movq START_CORE_ROOT(%rax), %rdi
    testq %rdi, %rdi
    jnz 6f
    movl $START_CORE_PRESENT, START_CORE_STATE(%rax)
5:  cli
    hlt                         /* until INIT */
    jmp 5b

6:  movq START_CORE_STACK(%rax), %rsi
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
    .global trampoline_root, trampoline_core_count, trampoline_cores
trampoline_root:
    .long 0
trampoline_core_count:
    .long 0
trampoline_cores:
    .skip START_CORE_BYTES * START_CORE_MAX
trampoline_end:

    .section .note.GNU-stack, "", @progbits
