/* SPDX-License-Identifier: MIT */
/*
 * Blocks of one size that must be had when memory has run out, too: from memory as long as there is
 * some, else from a reserve of fixed size.
 */
#pragma once

#include <stddef.h>

#include "libc/core/base.h"
#include "libc/core/memory.h"

struct reserve {
    const struct memory_kind *kind;
    void *free;  /* a list: each block begins with a pointer to the next */
    char *first; /* the reserve's blocks */
    char *end;
    size_t block_bytes;
};

/* Of memory of that kind. All of `blocks`, `count` of `block_bytes` each, are free. */
void reserve_initialise(struct reserve *reserve, const struct memory_kind *kind, void *blocks,
                        size_t block_bytes, unsigned count);
/* One block; NULL when the reserve is used up as well. */
MUST_CHECK void *reserve_take(struct reserve *reserve);
void reserve_release(struct reserve *reserve, void *block);
