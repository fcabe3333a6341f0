/* SPDX-License-Identifier: MIT */
/*
 * Changes of an address space that maps its own tables, read-only: a stray store of who runs in it
 * cannot change what it reaches. The core's write protection is off for a change and nothing else,
 * so interrupts must be off.
 */
#pragma once

#include "libc/core/address_space.h"

/* From here on the space's tables come from pages.h and are made read-only, as those that it has
 * are already. There is one such space. */
void guarded_space_begin(struct address_space *space);

/* As address_space_map_missing(). Also for a space whose tables can be written yet. */
MUST_CHECK int guarded_space_map(struct address_space *space, uintptr_t vaddr, uint64_t paddr,
                                 uint64_t bytes, unsigned flags);
/* Take the right to write from pages that are mapped. Returns 0, or -ENOMEM: nothing is changed. */
MUST_CHECK int guarded_space_make_read_only(struct address_space *space, const void *start,
                                            uint64_t bytes);
/* As address_space_replace(), and out of the TLB. */
void guarded_space_replace(struct address_space *space, uintptr_t vaddr, uint64_t paddr,
                           uint64_t bytes, unsigned flags);
/* As address_space_unmap(), and out of the TLB. */
void guarded_space_unmap(struct address_space *space, uintptr_t vaddr, uint64_t bytes);
