/* SPDX-License-Identifier: MIT */
/*
 * Switching between the dispatcher's stack and a thread's (kernel/thread/thread.c).
 *
 * A context that is not running is its stack pointer; on its stack lie, from low to high, the six
 * registers that a C function may not change (System V ABI, AMD64, 3.2.1) and where to return to.
 * All three ways in leave a context in that form, so any of them can resume what another left.
 */
    .text

    .macro save_context
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    .endm

    .macro restore_context
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    .endm

/*
 * int thread_switch(void **saved, void *resumed, int result)
 * Leave this context in *saved, go on in `resumed`; that one's call returns `result`.
 */
    .globl thread_switch
    .type thread_switch, @function
thread_switch:
    save_context
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    movl %edx, %eax
    restore_context
    /* A return would be predicted to go where the other context was left, and cost that. */
    popq %rcx
    jmpq *%rcx
    .size thread_switch, . - thread_switch

/*
 * int thread_start(void **saved, void *stack_top, void (*function)(void *), void *argument)
 * Leave this context in *saved and call function(argument) on an empty stack. When it returns,
 * whatever context then stands in *saved goes on: if the function never switched away that is
 * this call. The resumed call returns 1.
 */
    .globl thread_start
    .type thread_start, @function
thread_start:
    save_context
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    movq %rdi, %rbx
    /* The backtrace of a thread ends here. */
    xorl %ebp, %ebp
    movq %rcx, %rdi
    callq *%rdx
    movq (%rbx), %rsp
    movl $1, %eax
    restore_context
    ret
    .size thread_start, . - thread_start

    .section .note.GNU-stack, "", @progbits
