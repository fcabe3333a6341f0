/* SPDX-License-Identifier: MIT */
/*
 * Copied to struct handoff_page (handoff.c), whose address is in rdi, and run there: neither this
 * program nor a stack nor the firmware's tables need to outlive the copying.
 */
    .text
    .global handoff_start
handoff_start:
    cli
    cld
    movq (%rdi), %rax       /* page_table_root */
    movq %rax, %cr3
    movq %rdi, %rbx
    leaq 32(%rdi), %r8      /* moves */
    movq 24(%rdi), %r9      /* move_count */
    xorl %eax, %eax
1:  testq %r9, %r9
    jz 2f
    movq (%r8), %rdi
    movq 8(%r8), %rsi
    movq 16(%r8), %rcx
    rep movsb
    movq 24(%r8), %rcx
    rep stosb
    addq $32, %r8
    decq %r9
    jmp 1b
2:  movq 16(%rbx), %rdi     /* info */
    jmp *8(%rbx)            /* entry */
    .global handoff_end
handoff_end:

    .section .note.GNU-stack, "", @progbits
