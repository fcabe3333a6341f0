/* SPDX-License-Identifier: MIT */
/*
 * Before long mode: whether this processor has it, and the execute-disable bit, which firmware may
 * have switched off. Without either the way on would end in a triple fault, that is in a reset
 * without a word. Says so on COM1 (115200 8N1) and at the top of a VGA text screen, and halts.
 */
#include "kernel/x86/layout.h"

#define PHYSICAL(symbol) ((symbol) - IMAGE_OFFSET)

#define CPUID_EXTENDED 0x80000001
#define EDX_NO_EXECUTE 0x00100000
#define EDX_LONG_MODE 0x20000000
#define EFLAGS_ID 0x200000      /* can be flipped where there is CPUID */

#define COM1 0x3F8
#define LINE_CONTROL (COM1 + 3)
#define LINE_STATUS (COM1 + 5)
#define LINE_CONTROL_8N1 0x03
#define LINE_CONTROL_DIVISOR 0x83
#define TRANSMIT_EMPTY 0x20
/* Chosen: far above the 87 us that a character takes. */
#define TRANSMIT_POLL_MAX 10000
#define VGA_TEXT 0xB8000
#define WHITE_ON_RED 0x4F

    .section .text.boot, "ax"
    .code32
/* In 32-bit protected mode, paging off, with a stack. Keeps ebx and ebp. */
    .global check_processor
check_processor:
    pushl %ebx
    pushfl
    movl (%esp), %eax
    xorl $EFLAGS_ID, (%esp)
    popfl
    pushfl
    popl %ecx
    movl $PHYSICAL(no_long_mode_text), %esi
    xorl %eax, %ecx
    testl $EFLAGS_ID, %ecx
    jz refuse

    movl $0x80000000, %eax
    cpuid
    cmpl $CPUID_EXTENDED, %eax
    jb refuse
    movl $CPUID_EXTENDED, %eax
    cpuid
    testl $EDX_LONG_MODE, %edx
    jz refuse
    movl $PHYSICAL(no_execute_disable_text), %esi
    testl $EDX_NO_EXECUTE, %edx
    jz refuse
    popl %ebx
    ret

refuse:
    movw $LINE_CONTROL, %dx
    movb $LINE_CONTROL_DIVISOR, %al
    outb %al, %dx
    movw $COM1, %dx
    movw $1, %ax            /* with its high byte, the register above */
    outw %ax, %dx
    movw $LINE_CONTROL, %dx
    movb $LINE_CONTROL_8N1, %al
    outb %al, %dx

    movl $VGA_TEXT, %edi
1:  lodsb
    testb %al, %al
    jz 4f
    movb $WHITE_ON_RED, %ah
    stosw
    movb %al, %bl
    movl $TRANSMIT_POLL_MAX, %ecx
    movw $LINE_STATUS, %dx
2:  inb %dx, %al
    testb $TRANSMIT_EMPTY, %al
    jnz 3f
    loop 2b
3:  movw $COM1, %dx
    movb %bl, %al
    outb %al, %dx
    jmp 1b

4:  cli
    hlt
    jmp 4b

    .section .rodata
no_long_mode_text:
    .asciz "Talus: this processor has no 64-bit mode, which Talus needs. Halted."
no_execute_disable_text:
    .asciz "Talus: execute-disable (NX, XD) is off: switch it on in the firmware's setup. Halted."

    .section .note.GNU-stack, "", @progbits
