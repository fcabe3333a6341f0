/* SPDX-License-Identifier: MIT */
/*
 * What a core does that has left a failed node by the gate (gate.S), before it has a stack.
 */
#include "boot/rejoin.h"
#include "boot/end_machine_check.inc"
#include "boot/own_apic_id.inc"
#include "boot/start_node.h"
#include "kernel/x86/layout.h"

#define PHYSICAL(symbol) ((symbol) - IMAGE_OFFSET)
#define CODE_64 8                /* in boot_gdt */

    .text
    /* On boot's page tables, from the gate or the trampoline. The return from what may be an NMI
     * allows the next one. */
    .global rejoin_again
rejoin_again:
    movq $left, %rsp
    movq $PHYSICAL(boot_gdt_pointer), %rax
    lgdt (%rax)
    lidt idt_pointer(%rip)
    xorl %eax, %eax
    movw %ax, %ds
    movw %ax, %es
    movq $return_frame, %rsp
    iretq
returned:
    OWN_APIC_ID
    movq $rejoin_cores, %r12
    xorl %edi, %edi
1:  cmpl rejoin_core_count(%rip), %edi
    je halt                     /* no node was here */
    cmpl %edx, REJOIN_CORE_APIC_ID(%r12)
    je 2f
    addq $REJOIN_CORE_BYTES, %r12
    incl %edi
    jmp 1b
2:  movq REJOIN_CORE_STACK(%r12), %rsp
    xorl %ebp, %ebp             /* ends the backtrace */
    call rejoin_main
    ud2

    /* What nobody else took. */
    .global rejoin_machine_check, rejoin_nmi, rejoin_interrupt, rejoin_exception
rejoin_machine_check:
    END_MACHINE_CHECK
    /* On the place that all cores have before they know their stack another may have written, too:
     * begin again. */
rejoin_nmi:
    pushq %rax
    leaq 8(%rsp), %rax
    cmpq $left_start, %rax
    jb 1f
    cmpq $left, %rax
    jb rejoin_again
1:  popq %rax
    iretq

    /* It has ended a halt, which is all it is for. */
rejoin_interrupt:
    .irp register, rax, rcx, rdx, rsi, rdi, r8, r9, r10, r11
    pushq %\register
    .endr
    call rejoin_end_interrupt
    .irp register, r11, r10, r9, r8, rdi, rsi, rdx, rcx, rax
    popq %\register
    .endr
    iretq

    /* Our own mistake: the node stays dead. */
rejoin_exception:
halt:
    cli
    hlt
    jmp halt

    .section .rodata
    .balign 8
return_frame:
    .quad returned, CODE_64, 2, left, 0 /* rip, cs, rflags, rsp, ss */
idt_pointer:
    .word 256 * 16 - 1
    .quad rejoin_idt

    /* What an NMI saves before a core has its own stack; nobody reads it. */
    .section .boot_bss, "aw", @nobits
    .balign 16
left_start:
    .skip 16 * 8
    .balign 16
left:

    .section .note.GNU-stack, "", @progbits
