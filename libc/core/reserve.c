/* SPDX-License-Identifier: MIT */
/*
 * Blocks of one size, of which some are kept for when there is no memory.
 */
#include "libc/core/reserve.h"

#include "libc/core/assert.h"

static void put(struct reserve *reserve, void *block)
{
    *(void **)block = reserve->free;
    reserve->free = block;
}

void reserve_initialise(struct reserve *reserve, const struct memory_kind *kind, void *blocks,
                        size_t block_bytes, unsigned count)
{
    CORE_ASSERT(block_bytes >= sizeof(void *) && block_bytes % sizeof(void *) == 0);
    *reserve = (struct reserve){
        .kind = kind,
        .first = blocks,
        .end = (char *)blocks + count * block_bytes,
        .block_bytes = block_bytes,
    };
    for (unsigned i = 0; i < count; i++) {
        put(reserve, reserve->first + i * block_bytes);
    }
}

void *reserve_take(struct reserve *reserve)
{
    void *block = memory_allocate(reserve->kind, reserve->block_bytes);

    if (UNLIKELY(block == NULL) && reserve->free != NULL) {
        block = reserve->free;
        reserve->free = *(void **)block;
    }
    return block;
}

void reserve_release(struct reserve *reserve, void *block)
{
    if ((char *)block >= reserve->first && (char *)block < reserve->end) {
        put(reserve, block);
    } else {
        memory_release(reserve->kind, block);
    }
}
