/* SPDX-License-Identifier: MIT */
/*
 * Where exceptions and interrupts enter. 256 stubs of 16 bytes, so that the IDT can be computed;
 * each leaves vector and error code as in struct trap_frame. Of the exceptions only a machine check
 * that is another core's returns, and an NMI that asks a node that works whether it does.
 */
    .text

    .balign 16
    .global trap_stubs
trap_stubs:
    .set vector, 0
    .rept 256
    .balign 16
    /* All but those that push an error code themselves (SDM 3A table 6-1, APM 2 table 8-1). */
    .if (vector < 32) && (vector != 8) && ((vector < 10) || (vector > 14)) && (vector != 17) && (vector != 21) && (vector != 29) && (vector != 30)
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

    /* Taken in platform_sleep() alone, which has nothing in the registers that a call may change. */
interrupt_entry:
    cld
    movq (%rsp), %rdi
    call trap_interrupt
    addq $8, %rsp
    iretq

    /* Saves the registers as struct trap_frame has them, and what they held. */
exception_entry:
    .irp register, rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
    pushq %\register
    .endr
    cld
    movq %rsp, %rdi
    call trap_exception
    .irp register, r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax
    popq %\register
    .endr
    addq $16, %rsp
    iretq

    .section .note.GNU-stack, "", @progbits
