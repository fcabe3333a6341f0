/* SPDX-License-Identifier: MIT */
/*
 * Where exceptions and interrupts enter. 256 stubs of 16 bytes, so that the IDT can be computed;
 * each leaves vector and error code as in struct trap_frame. Exceptions do not return.
 */
    .text

    .balign 16
    .global trap_stubs
trap_stubs:
    .set vector, 0
    .rept 256
    .balign 16
    /* All but those that push an error code themselves (SDM 3A table 6-1, APM 2 table 8-1). */
    .if (vector != 8) && ((vector < 10) || (vector > 14)) && (vector != 17) && (vector != 21) && (vector != 29) && (vector != 30)
    pushq $0
    .endif
    pushq $vector
    .if vector < 32
    jmp exception_entry
    .else
    jmp interrupt_entry
    .endif
    .set vector, vector + 1
    .endr

    .macro PUSH_REGISTERS
    pushq %rax
    pushq %rbx
    pushq %rcx
    pushq %rdx
    pushq %rsi
    pushq %rdi
    pushq %rbp
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    .endm

exception_entry:
    PUSH_REGISTERS
    cld
    movq %rsp, %rdi
    call trap_exception
    ud2

interrupt_entry:
    PUSH_REGISTERS
    cld
    movq %rsp, %rdi
    call trap_interrupt
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rbp
    popq %rdi
    popq %rsi
    popq %rdx
    popq %rcx
    popq %rbx
    popq %rax
    addq $16, %rsp
    iretq

    .section .note.GNU-stack, "", @progbits
