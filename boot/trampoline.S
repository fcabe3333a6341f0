/* SPDX-License-Identifier: MIT */
/*
 * Where a started core wakes: copied to a page below 1 MiB, entered in real mode with cs = page
 * address / 16 and ip = 0. Goes straight to long mode on the first page tables, and from the page
 * to the loaded image. There it finds its entry in start_node.c's table by its APIC id, and does what
 * the orders say (start_node.h). After each it halts, and an NMI, the one interrupt that a local APIC
 * takes as INIT leaves it, has it look again.
 *
 * It writes to its own words in the table, and what an NMI saves to a place of all cores. Nothing
 * is ever written near code: an emulator would translate that anew, once for each core.
 *
 * Cores that no node runs on stay here, so the image and its page tables are never given away.
 */
#include "boot/own_apic_id.inc"
#include "boot/start_node.h"
#include "kernel/x86/layout.h"

#define PHYSICAL(symbol) ((symbol) - IMAGE_OFFSET)

#define CR0_LONG_MODE 0x80010033 /* PG WP NE ET MP PE; caches on: CD and NW clear */
#define CR4_PAE 0x20
#define CODE_64 8                /* in boot_gdt */
#define MSR_EFER 0xC0000080
#define EFER_LONG_MODE_NO_EXECUTE 0x900
#define CPUID_1_EDX_MCE 0x80
#define CR4_MCE 0x40
#define MSR_MCG_STATUS 0x17A
/* Chosen: some ten thousand times what the caller takes between two pings. */
#define PING_POLL_MAX 0x1000000

#define STACK_END 4096           /* in the page */
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
    /* An NMI finds this table from here on, in real mode as in long mode, and a stack at the end of
     * this page, at one address in both. Before, it finds what start_node.c has put at address 8,
     * and the stack of a core that was reset, below 64 KiB, which nobody uses. */
    lidtl AT(trampoline_idt_pointer)
    movzwl %ax, %ecx
    shll $4, %ecx
    addl $STACK_END, %ecx
    andw $0xF000, %ax
    movw %ax, %ss
    movl %ecx, %esp
    movl $CR4_PAE, %eax
    movl %eax, %cr4
    movl $PHYSICAL(boot_pml4), %eax
    movl %eax, %cr3
    movl $MSR_EFER, %ecx
    rdmsr
    orl $EFER_LONG_MODE_NO_EXECUTE, %eax
    wrmsr
    lgdtl AT(trampoline_gdt_pointer)
    movl $CR0_LONG_MODE, %eax
    movl %eax, %cr0
    ljmpl $CODE_64, $PHYSICAL(arrived)
trampoline_gdt_pointer:
    .word BOOT_GDT_BYTES - 1
    .long PHYSICAL(boot_gdt)

    /* start_node.c fills in what depends on where the page lies. Vectors of 4 bytes for real mode,
     * and gates of 16 for the moment in which CR0 has changed and the IDT not yet: those of an NMI
     * do not overlap. The core begins again, and the next NMI waits until it is out of here. */
    .balign 16
    .global trampoline_idt, trampoline_idt_pointer
trampoline_idt:
    .skip START_BOTH_IDT_BYTES
trampoline_idt_pointer:
    .word START_BOTH_IDT_BYTES - 1
    .long 0
trampoline_end:

    .section .text.boot, "ax"
    .code64
arrived:
    movq $linked, %rax
    jmp *%rax
    .global start_node_again
start_node_again:
linked:
    movq $interrupted, %rsp
    lidt idt_pointer(%rip)

    /* A machine check that is told to all cores resets the machine where one does not take it. */
    movl $1, %eax
    cpuid
    testl $CPUID_1_EDX_MCE, %edx
    jz start_node_nmi
    movq %cr4, %rax
    orl $CR4_MCE, %eax
    movq %rax, %cr4
    jmp start_node_nmi          /* allows the next NMI */

    /* Also after each NMI, which may have come in the middle of anything: no register is known. */
woken:
    OWN_APIC_ID
    movq $start_node_table, %r12
    movl start_node_core_count(%rip), %ecx
3:  testl %ecx, %ecx
    jz halt                     /* nobody called us */
    cmpl %edx, START_CORE_APIC_ID(%r12)
    je look
    addq $START_CORE_BYTES, %r12
    decl %ecx
    jmp 3b

look:
    cmpl $START_ANSWER_ENTERED, START_CORE_ANSWER(%r12)
    je rejoin_again
    movl START_CORE_ORDER(%r12), %eax
    cmpl $START_ORDER_WAIT, %eax
    je present
    cmpl $START_ORDER_MEASURE, %eax
    je measure
    cmpl $START_ORDER_BUILD, %eax
    je build
    cmpl $START_ORDER_GO, %eax
    je go

    /* Too late, or not wanted. */
    movl $START_ANSWER_PARKED, START_CORE_ANSWER(%r12)
    jmp halt

present:
    movl $START_ANSWER_PRESENT, START_CORE_ANSWER(%r12)
halt:
    hlt
    jmp halt

    /* Answer each new ping by the TSC, read after the ping was seen; the pong says it is written. */
measure:
    movl $PING_POLL_MAX, %edi
1:  cmpl $START_ORDER_MEASURE, START_CORE_ORDER(%r12)
    jne look
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

    /* On the node's first stack. Somebody else's NMI in the middle begins it again, which does no
     * harm: it is made from what does not change. */
build:
    movq START_CORE_STACK(%r12), %rsp
    movl START_CORE_NODE(%r12), %edi
    xorl %ebp, %ebp             /* ends the backtrace */
    call boot_build_node
    movq $interrupted, %rsp
    movq %rax, START_CORE_ROOT(%r12)
    movl $START_ANSWER_BUILT, START_CORE_ANSWER(%r12)
    jmp halt

go:
    movl $START_ANSWER_ENTERED, START_CORE_ANSWER(%r12)
    movq START_CORE_STACK(%r12), %rsp
    movl START_CORE_NODE(%r12), %edi
    xorl %ebp, %ebp
    call boot_enter_node

    /* A core without a node ignores them. MCIP goes, for the next one would reset the machine. */
    .global start_node_machine_check, start_node_nmi, start_node_exception
start_node_machine_check:
    xorl %eax, %eax
    xorl %edx, %edx
    movl $MSR_MCG_STATUS, %ecx
    wrmsr
    /* Before or after hlt, the way on is the same: no wake-up is lost. The return from the NMI
     * allows the next one. */
start_node_nmi:
    movq $return_frame, %rsp
    iretq

    /* Our own mistake. The caller misses an answer, and says so. */
start_node_exception:
    hlt
    jmp start_node_exception

    .section .rodata
    .balign 8
return_frame:
    .quad woken, CODE_64, 2, interrupted, 0 /* rip, cs, rflags, rsp, ss */
idt_pointer:
    .word START_IDT_GATES * 16 - 1
    .quad start_node_idt

    /* What an NMI saves here nobody reads, so all cores have the same place. */
    .section .boot_bss, "aw", @nobits
    .balign 16
    .skip 6 * 8
    .balign 16
interrupted:

    .section .note.GNU-stack, "", @progbits
