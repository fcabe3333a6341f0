/* SPDX-License-Identifier: MIT */
/*
 * The image as it was loaded: the linker script's addresses (kernel.ld), each the end or the start
 * of a part.
 */
#pragma once

#include "kernel/base.h"
#include "kernel/x86/layout.h"

/* Data of boot alone: no node's copy has room for it, and a node that reads it faults. Zero at
 * first. For all of more than a few bytes, which an assertion in kernel.ld and a test watch over.
 */
#define BOOT_DATA __attribute__((section(".bss.boot")))

extern const char image_start[];
extern const char text_end[];
extern const char rodata_start[];
extern const char data_start[];
extern const char data_end[];
extern const char image_end[];
extern const char pristine_data_start[]; /* .data before anything was written to it */
extern const char archive_start[];
extern const char archive_end[];
extern const uint32_t relocations_start[]; /* boot/relocate.h */
extern const uint32_t relocations_end[];
extern const char gate_start[]; /* the image's first page */
extern const char gate_stack[];
extern const char loaded_end[];
extern const char boot_pml4[]; /* the first page tables */
extern const char boot_fault_stack_top[];

/* Into a node that has these page tables, to its first function, there (gate.S). */
_Noreturn void gate_enter(paddr_t root, uintptr_t main, uintptr_t stack_top);

static inline uint64_t bytes_between(const char *start, const char *end)
{
    return (uintptr_t)end - (uintptr_t)start;
}

/* Where a byte of the loaded image lies. */
static inline paddr_t image_paddr(const void *vaddr)
{
    return (uintptr_t)vaddr - IMAGE_OFFSET;
}
