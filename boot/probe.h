/* SPDX-License-Identifier: MIT */
/*
 * Marks that a node leaves for qemu/plugins/sharing.c, which checks that nodes share no memory.
 *
 * A plugin sees instructions and the addresses they load from, but no registers. So a mark is one
 * load of a form that no compiler chooses: `movb magic(%rdi), %al`, where the displacement is the
 * magic number and %rdi makes up for it. Its encoding (8A 87, then the number) says what is
 * marked, its address which page. Off the plugin a mark costs one load of a byte.
 *
 * Order: pages are declared while the node starts, then comes probe_boot_finished(). A page that is
 * declared to be of another kind later begins anew: who touched it before has no more to do with
 * it.
 */
#pragma once

#include <stdint.h>

#define PROBE_MAILBOX       0x54414C01 /* "TAL", 1 */
#define PROBE_ARCHIVE       0x54414C02
#define PROBE_BOOT_FINISHED 0x54414C03
#define PROBE_BOOT_AGAIN    0x54414C04
#define PROBE_PRIVATE       0x54414C05

#define PROBE_LOAD(magic, vaddr)                                                                   \
    __asm__ volatile("movb %c[number](%[base]), %%al"                                              \
                     :                                                                             \
                     : [base] "D"((uintptr_t)(vaddr) - (magic)), [number] "i"(magic)               \
                     : "rax", "memory")

/* The page of this address is a mailbox or status page: many may read it, one may write it. */
static inline void probe_declare_mailbox(const volatile void *page)
{
    PROBE_LOAD(PROBE_MAILBOX, page);
}

/* The page of this address belongs to the boot archive: all may read it, none may write it. */
static inline void probe_declare_archive(const volatile void *page)
{
    PROBE_LOAD(PROBE_ARCHIVE, page);
}

/* The page of this address is no longer either: it is its owner's own again. */
static inline void probe_declare_private(const volatile void *page)
{
    PROBE_LOAD(PROBE_PRIVATE, page);
}

/*
 * From here on this node keeps to its own memory and the declared pages: the plugin records what
 * its core touches. The load reads its own first byte, from which the plugin learns how the
 * addresses of instructions, which QEMU gives as its own, correspond to physical ones.
 */
static inline void probe_boot_finished(void)
{
    __asm__ volatile("leaq 0f(%%rip), %%rdi\n\t"
                     "subq %[number], %%rdi\n"
                     "0:\n\t"
                     "movb %c[number](%%rdi), %%al"
                     :
                     : [number] "i"(PROBE_BOOT_FINISHED)
                     : "rax", "rdi", "memory", "cc");
}

/* The node of this core has failed, and boot's code builds it again, from what all such cores read:
 * nothing is recorded of it until the node says that it has started. `own`: its own memory. */
static inline void probe_boot_again(const volatile void *own)
{
    PROBE_LOAD(PROBE_BOOT_AGAIN, own);
}
