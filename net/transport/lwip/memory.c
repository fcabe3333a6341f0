/* SPDX-License-Identifier: MIT */
/*
 * lwIP's memory, in the place of its mem.c and memp.c: each of its pools is a kind of its own, and
 * what it takes by length is one more, packets above all.
 */
#include "libc/core/memory.h"

#include "lwip/mem.h"
#include "lwip/memp.h"

/* lwIP lists its pools in a file that is included for each use of the list; it needs these. */
#include "lwip/etharp.h"
#include "lwip/igmp.h"
#include "lwip/ip4_frag.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/udp.h"

MEMORY_KIND(packets_kind, "lwip_packet");

#define LWIP_MEMPOOL(name, count, bytes, description) MEMORY_KIND(kind_of_##name, "lwip_" #name);
#include "lwip/priv/memp_std.h"

static const struct {
    const struct memory_kind *kind;
    size_t bytes;
} pools[] = {
#define LWIP_MEMPOOL(name, count, bytes, description) [MEMP_##name] = {&kind_of_##name, bytes},
#include "lwip/priv/memp_std.h"
};

void mem_init(void)
{
}

void memp_init(void)
{
}

void *memp_malloc(memp_t pool)
{
    return memory_allocate(pools[pool].kind, pools[pool].bytes);
}

void memp_free(memp_t pool, void *block)
{
    memory_release(pools[pool].kind, block);
}

void *mem_malloc(mem_size_t bytes)
{
    return memory_allocate(&packets_kind, bytes);
}

void mem_free(void *block)
{
    memory_release(&packets_kind, block);
}

/* A block does not shrink in place. */
void *mem_trim(void *block, mem_size_t bytes)
{
    (void)bytes;
    return block;
}
