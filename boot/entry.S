/* SPDX-License-Identifier: MIT */
/*
 * The ways in: PVH (Xen's x86/HVM direct boot ABI) and multiboot2, both in 32-bit protected mode
 * with flat segments and paging off, ebx = physical address of the loader's data; and
 * boot_entry_efi (boot_info.h) in long mode, which steps back to the same state. All end in a C
 * function of theirs in long mode, given that address, on a stack of its own, with these first
 * page tables, which boot code and starting cores use until their node's own tables take over:
 *
 *   the first 4 GiB at 0 and at DIRECT_MAP_BASE, and the first GiB at IMAGE_OFFSET,
 *
 * in pages of 2 MiB, which every x86-64 core has, but for the one around the page below the stack,
 * which is not mapped: a stack that overflows would write over the tables.
 */
#include "boot/start_node.h"
#include "kernel/x86/layout.h"

#define PHYSICAL(symbol) ((symbol) - IMAGE_OFFSET)

#define PTE_PRESENT_WRITE 0x3
#define PTE_LARGE 0x80
#define CR0_LONG_MODE 0x80010033 /* PG WP NE ET MP PE; caches on: CD and NW clear */
#define CR0_PROTECTED_MODE 0x33    /* the same without PG and WP */
#define CR4_PAE 0x20
#define CR4_FORCED_OFF_PCIDE_CET 0x820000   /* both forbid to leave paging */
#define CODE_64 8           /* selectors in boot_gdt */
#define DATA 16
#define CODE_32 24
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

/* Multiboot2 specification 3.1.1: the 32-bit sum of the first four words is 0. */
#define MULTIBOOT2_HEADER_MAGIC 0xE85250D6
#define MULTIBOOT2_LOADER_MAGIC 0x36D76289
#define TAG_END 0
#define TAG_INFORMATION_REQUEST 1
#define TAG_ENTRY_ADDRESS 3
#define TAG_FRAMEBUFFER 5
#define TAG_MODULE_ALIGNMENT 6
#define TAG_OPTIONAL 1

    /* In the segment that comes first in the file: it must lie in its first 32 KiB. */
    .section .text.header, "a", @progbits
    .balign 8
    .global multiboot2_header
multiboot2_header:
    .long MULTIBOOT2_HEADER_MAGIC
    .long 0                 /* i386, protected mode */
    .long multiboot2_header_end - multiboot2_header
    .long -(MULTIBOOT2_HEADER_MAGIC + (multiboot2_header_end - multiboot2_header))

    /* Command line, loader's name, modules, memory map, framebuffer, RSDP of either version. A
     * loader that has none of one of them may start us all the same. */
    .balign 8
    .short TAG_INFORMATION_REQUEST, TAG_OPTIONAL
    .long 8 + 7 * 4
    .long 1, 2, 3, 6, 8, 14, 15

    .balign 8
    .short TAG_ENTRY_ADDRESS, 0
    .long 12
    .long PHYSICAL(multiboot2_entry)

    /* Any size, any depth, or text. */
    .balign 8
    .short TAG_FRAMEBUFFER, TAG_OPTIONAL
    .long 20
    .long 0, 0, 0

    .balign 8
    .short TAG_MODULE_ALIGNMENT, TAG_OPTIONAL
    .long 8

    .balign 8
    .short TAG_END, 0
    .long 8
multiboot2_header_end:

    .section .text.boot, "ax"
    .code32
    .global multiboot2_entry
multiboot2_entry:
    movl $PHYSICAL(multiboot2_start), %ebp
    cmpl $MULTIBOOT2_LOADER_MAGIC, %eax
    je start_32bit
    xorl %ebx, %ebx         /* no data then: the C side says what it misses */
    jmp start_32bit

    .global pvh_entry
pvh_entry:
    movl $PHYSICAL(pvh_start), %ebp

    /* ebx: the loader's data; ebp: physical address of the function that reads it. */
start_32bit:
    cld
    cli
    movl $PHYSICAL(boot_stack_top), %esp
    call check_processor

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

    movl $PHYSICAL(boot_stack_guard), %edx
    movl %edx, %eax
    andl $0xFFE00000, %eax
    orl $PTE_PRESENT_WRITE, %eax
    movl $PHYSICAL(boot_guard_pt), %edi
    movl $512, %ecx
2:  movl %eax, (%edi)
    addl $8, %edi
    addl $0x1000, %eax
    loop 2b
    movl %edx, %eax
    shrl $21, %eax
    movl $(PHYSICAL(boot_guard_pt) + PTE_PRESENT_WRITE), PHYSICAL(boot_pd)(, %eax, 8)
    shrl $12, %edx
    andl $511, %edx
    movl $0, PHYSICAL(boot_guard_pt)(, %edx, 8)

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
    ljmp $CODE_64, $PHYSICAL(long_mode)

    .code64
long_mode:
    movw $DATA, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    xorl %eax, %eax
    movw %ax, %fs
    movw %ax, %gs
    movq $boot_stack_top, %rsp
    movl %ebp, %eax
    addq $IMAGE_OFFSET, %rax
    xorl %ebp, %ebp         /* ends the backtrace */
    movl %ebx, %edi
    call *%rax
    ud2

/* On the firmware's page tables and at our physical address. To take over with tables that map
 * the image, of four levels whatever firmware uses, paging has to be left once. */
    .global boot_entry_efi
boot_entry_efi:
    cli
    movl %edi, %ebx
    movl $PHYSICAL(boot_efi_start), %ebp
    lgdt boot_gdt_pointer(%rip)
    movq %cr4, %rax
    andl $~CR4_FORCED_OFF_PCIDE_CET, %eax
    movq %rax, %cr4
    movl $PHYSICAL(boot_stack_top), %esp
    pushq $CODE_32
    pushq $PHYSICAL(compatibility_mode)
    lretq

    .code32
compatibility_mode:
    movl $DATA, %eax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movl $CR0_PROTECTED_MODE, %eax
    movl %eax, %cr0
    movl $CR4_PAE, %eax     /* five levels end here */
    movl %eax, %cr4
    jmp start_32bit
    .code64

    .section .rodata
    .balign 8
    .global boot_gdt
boot_gdt:
    .quad 0
    .quad 0x00AF9A000000FFFF    /* 64-bit code */
    .quad 0x00CF92000000FFFF    /* data */
    .quad 0x00CF9A000000FFFF    /* 32-bit code */
    .if . - boot_gdt != BOOT_GDT_BYTES
    .error "BOOT_GDT_BYTES"
    .endif
    .global boot_gdt_pointer
boot_gdt_pointer:               /* read by lgdt in 32-bit mode, and with more bytes in 64-bit */
    .word BOOT_GDT_BYTES - 1
    .quad PHYSICAL(boot_gdt)

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
boot_guard_pt:
    .skip 4096
boot_stack_guard:
    .skip 4096
    .skip 32768
boot_stack_top:
    .skip 16384
    .global boot_fault_stack_top
boot_fault_stack_top:

    .section .note.GNU-stack, "", @progbits
