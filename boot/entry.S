/* SPDX-License-Identifier: MIT */
/*
 * The PVH way in (Xen's x86/HVM direct boot ABI): 32-bit protected mode, flat segments, paging off,
 * ebx = physical address of the start info. Ends in pvh_start() in long mode, on a stack of its
 * own, with these first page tables, which boot code and starting cores use until their node's
 * own tables take over:
 *
 *   the first 4 GiB at 0 and at DIRECT_MAP_BASE, and the first GiB at IMAGE_OFFSET,
 *
 * in pages of 2 MiB, which every x86-64 core has.
 */
#include "kernel/layout.h"

#define PHYSICAL(symbol) ((symbol) - IMAGE_OFFSET)

#define PTE_PRESENT_WRITE 0x3
#define PTE_LARGE 0x80
#define CR0_LONG_MODE 0x80010033 /* PG WP NE ET MP PE; caches on: CD and NW clear */
#define CR4_PAE 0x20
#define MSR_EFER 0xC0000080
#define EFER_LONG_MODE_NO_EXECUTE 0x900

    .section .note.Xen, "a", @note
    .balign 4
    .long 4                 /* length of the name */
    .long 4                 /* length of the address */
    .long 18                /* XEN_ELFNOTE_PHYS32_ENTRY */
    .asciz "Xen"
    .long PHYSICAL(pvh_entry)
    .long 0, 0, 0           /* an empty note: some loaders read eight bytes in ELF64 */

    .section .text.boot, "ax"
    .code32
    .global pvh_entry
pvh_entry:
    cld
    cli

    /* Keep .data as it was linked: nodes are made from it, and from here on it is written to. */
    movl $PHYSICAL(data_start), %esi
    movl $PHYSICAL(pristine_data_start), %edi
    movl $PHYSICAL(data_end), %ecx
    subl %esi, %ecx
    shrl $2, %ecx
    rep movsl

    /* The loader has zeroed bss, the tables among it. */
    movl $PHYSICAL(boot_pd), %edi
    movl $(PTE_PRESENT_WRITE | PTE_LARGE), %eax
    xorl %edx, %edx
1:  movl %eax, (%edi)
    movl %edx, 4(%edi)
    addl $8, %edi
    addl $0x200000, %eax
    jnc 1b                  /* 2048 entries: up to 4 GiB */

    movl $PHYSICAL(boot_pdpt), %edi
    movl $(PHYSICAL(boot_pd) + PTE_PRESENT_WRITE), %eax
    movl %eax, (%edi)
    addl $0x1000, %eax
    movl %eax, 8(%edi)
    addl $0x1000, %eax
    movl %eax, 16(%edi)
    addl $0x1000, %eax
    movl %eax, 24(%edi)
    movl $(PHYSICAL(boot_pd) + PTE_PRESENT_WRITE), PHYSICAL(boot_image_pdpt) + 510 * 8

    movl $(PHYSICAL(boot_pdpt) + PTE_PRESENT_WRITE), %eax
    movl %eax, PHYSICAL(boot_pml4)
    movl %eax, PHYSICAL(boot_pml4) + 256 * 8    /* DIRECT_MAP_BASE */
    movl $(PHYSICAL(boot_image_pdpt) + PTE_PRESENT_WRITE), PHYSICAL(boot_pml4) + 511 * 8

    movl %cr4, %eax
    orl $CR4_PAE, %eax
    movl %eax, %cr4
    movl $PHYSICAL(boot_pml4), %eax
    movl %eax, %cr3
    movl $MSR_EFER, %ecx
    rdmsr
    orl $EFER_LONG_MODE_NO_EXECUTE, %eax
    wrmsr
    movl $CR0_LONG_MODE, %eax
    movl %eax, %cr0

    lgdt PHYSICAL(boot_gdt_pointer)
    ljmp $8, $PHYSICAL(long_mode)

    .code64
long_mode:
    movw $16, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    xorl %eax, %eax
    movw %ax, %fs
    movw %ax, %gs
    movq $boot_stack_top, %rsp
    xorl %ebp, %ebp         /* ends the backtrace */
    movl %ebx, %edi
    movq $pvh_start, %rax
    call *%rax
    ud2

/*
 * _Noreturn void node_enter(paddr_t root, uintptr_t stack_top): leave the pristine image for the
 * node's own copy. The same instruction lies at the same address in both, so the load of CR3
 * goes on in the copy.
 */
    .text
    .global node_enter
node_enter:
    movq %rdi, %cr3
    movq %rsi, %rsp
    xorl %ebp, %ebp
    call node_main
    ud2

    .section .rodata
    .balign 8
boot_gdt:
    .quad 0
    .quad 0x00AF9A000000FFFF    /* 64-bit code */
    .quad 0x00CF92000000FFFF    /* data */
boot_gdt_pointer:
    .word . - boot_gdt - 1
    .long PHYSICAL(boot_gdt)

    .section .boot_bss, "aw", @nobits
    .balign 4096
    .global boot_pml4
boot_pml4:
    .skip 4096
    .global boot_pdpt
boot_pdpt:
    .skip 4096
boot_image_pdpt:
    .skip 4096
boot_pd:
    .skip 4 * 4096
    .skip 32768
boot_stack_top:

    .section .note.GNU-stack, "", @progbits
