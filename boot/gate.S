/* SPDX-License-Identifier: MIT */
/*
 * Between boot's page tables and a node's: the one page of code that both map at one address, the
 * image's first as it was linked. A node has it in its own copy of the image, where it stays as it
 * is wherever the image goes; and behind it, at one address in both, too, it finds a stack of a page,
 * memory of its own in a node, and of the loaded image in boot. Neither holds a secret.
 *
 * The descriptor tables of one side are not mapped in the other, so while CR3 changes those here are
 * in use: an NMI in that moment would else reset the machine. One that comes in a node's tables is
 * dropped, for the node begins or has failed; in boot's, the core begins again with the way out, as
 * the frame on the stack may be another core's by now.
 */
#include "boot/end_machine_check.inc"
#include "kernel/x86/layout.h"

#define PHYSICAL(symbol) ((symbol) - IMAGE_OFFSET)
#define GATE_VADDR (IMAGE_OFFSET + IMAGE_PADDR)
/* Of a place in this page, as a number. */
#define AT(symbol) (GATE_VADDR + ((symbol) - gate_start))

#define CODE_64 8
#define INTERRUPT_GATE 0x8E00   /* present, ring 0, 64 bits */

    .section .text.gate, "ax"
    .balign 4096
    .global gate_start, gate_end
gate_start:

    /* What holds on both sides, for an NMI. */
    .macro STAND_IN_THE_GATE
    cli
    cld
    lgdt gdt_pointer(%rip)
    leaq gate_stack_top(%rip), %rsp
    lidt idt_pointer(%rip)
    .endm

/* _Noreturn void gate_enter(paddr_t root, uintptr_t main, uintptr_t stack_top): into a node that
 * has these page tables. */
    .global gate_enter
gate_enter:
    STAND_IN_THE_GATE
    movq %rdi, %cr3
    movq %rdx, %rsp
    xorl %ebp, %ebp
    pushq $0                    /* ends the backtrace */
    jmp *%rsi

/* _Noreturn void rejoin_leave(void): out of a node that has failed, whatever it was in the middle
 * of. */
    .global rejoin_leave
rejoin_leave:
    STAND_IN_THE_GATE
    movq $PHYSICAL(boot_pml4), %rax
    movq %rax, %cr3
    jmp rejoin_again

machine_check:
    END_MACHINE_CHECK
nmi:
    pushq %rax
    movq %cr3, %rax
    cmpq $PHYSICAL(boot_pml4), %rax
    je rejoin_again
    popq %rax
    iretq

    /* Our own mistake: the node does not start, or stays dead. */
exception:
    cli
    hlt
    jmp exception

    .balign 8
    /* The selectors are those of boot and of a node. Marked as accessed: they are read-only. */
gdt:
    .quad 0
    .quad 0x00AF9B000000FFFF    /* 64-bit code */
    .quad 0x00CF93000000FFFF    /* data */
gdt_end:

    .macro DESCRIPTOR handler
    .word \handler - gate_start /* the page is aligned to 64 KiB */
    .word CODE_64, INTERRUPT_GATE
    .word GATE_VADDR >> 16 & 0xFFFF
    .long GATE_VADDR >> 32
    .long 0
    .endm

    .balign 16
idt:
    .rept 2
    DESCRIPTOR exception
    .endr
    DESCRIPTOR nmi              /* 2 */
    .rept 15
    DESCRIPTOR exception
    .endr
    DESCRIPTOR machine_check    /* 18 */
    .rept 13
    DESCRIPTOR exception
    .endr
idt_end:

gdt_pointer:
    .word gdt_end - gdt - 1
    .quad AT(gdt)
idt_pointer:
    .word idt_end - idt - 1
    .quad AT(idt)
gate_end:

    .section .bss.gate, "aw", @nobits
    .balign 4096
    .global gate_stack
gate_stack:
    .skip 4096
gate_stack_top:

    .section .note.GNU-stack, "", @progbits
