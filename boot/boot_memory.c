/* SPDX-License-Identifier: MIT */
/*
 * Memory ranges come from outside: their ends are clipped to what can be addressed before anything
 * is done with them, and a huge range costs no more steps than it has large pages.
 */
#include "boot/boot_memory.h"

#include <errno.h>
#include <string.h>

#include "boot/physical.h"
#include "kernel/log.h"
#include "kernel/platform.h"
#include "kernel/x86/paging.h"
#include "libc/core/cpu.h"
#include "libc/core/pages.h"

#define CPUID_80000008_EAX_WIDTH BITS(7, 0) /* of physical addresses */

#define LOW_MEMORY_END        MIB     /* firmware's data, the trampoline */
#define TRAMPOLINE_END        0xA0000 /* video memory begins */
/* Chosen: page tables for devices below 4 GiB and a status page take a tenth of it. */
#define BOOT_PAGES_MIN_BYTES  (512 * KIB)
#define IOMMU_PAGES_MAX_BYTES (4 * MIB)
#define LARGE_PAGE_BYTES      (2 * MIB)
#define TABLE_SPAN_BYTES      GIB         /* of one table of large pages */
#define TABLES_SPAN_BYTES     (512 * GIB) /* of one table of such tables */

static paddr_t trampoline_paddr;
static uint64_t impossible_bytes;  /* of memory, beyond what the processor can address */
static uint64_t unreachable_bytes; /* beyond the direct map */

unsigned boot_memory_address_bits(void)
{
    unsigned bits = 36;

    if (cpu_id(0x80000000, 0).eax >= 0x80000008) {
        bits = (unsigned)FIELD_GET(CPUID_80000008_EAX_WIDTH, cpu_id(0x80000008, 0).eax);
    }
    return bits < 52 ? bits : 52;
}

static paddr_t processor_limit(void)
{
    return 1ull << boot_memory_address_bits();
}

static paddr_t reachable_limit(void)
{
    return processor_limit() < DIRECT_MAP_MAX_BYTES ? processor_limit() : DIRECT_MAP_MAX_BYTES;
}

/* Forget free memory from `limit` on; returns how much that was. */
static uint64_t drop_beyond(paddr_t limit)
{
    uint64_t before = physical_free_bytes();

    physical_reserve((struct memory_range){limit, ALIGN_DOWN(UINT64_MAX, PAGE_BYTES) - limit});
    return before - physical_free_bytes();
}

void boot_memory_collect(const struct boot_info *info, struct memory_range image)
{
    for (unsigned i = 0; i < info->range_count; i++) {
        if (info->ranges[i].is_usable) {
            physical_add(info->ranges[i].range);
        }
    }
    impossible_bytes = drop_beyond(processor_limit());
    unreachable_bytes = drop_beyond(DIRECT_MAP_MAX_BYTES);
    /* What firmware calls reserved is so even where another entry calls it usable. */
    for (unsigned i = 0; i < info->range_count; i++) {
        if (!info->ranges[i].is_usable) {
            physical_reserve(info->ranges[i].range);
        }
    }
    physical_reserve(image);
    for (unsigned i = 0; i < info->module_count; i++) {
        physical_reserve((struct memory_range){info->modules[i].paddr, info->modules[i].bytes});
    }
    /* The first page is the BIOS' own, whatever the map says: address 0 means none. */
    physical_reserve((struct memory_range){0, PAGE_BYTES});
    trampoline_paddr = physical_allocate(PAGE_BYTES, TRAMPOLINE_END);
    physical_reserve((struct memory_range){0, LOW_MEMORY_END});
    ASSERT(trampoline_paddr % PAGE_BYTES == 0 && trampoline_paddr < TRAMPOLINE_END);
}

paddr_t boot_memory_trampoline(void)
{
    return trampoline_paddr;
}

/* The part of a range that the first tables leave to be mapped, in large pages outwards. */
static struct memory_range high_part(const struct boot_range *boot_range)
{
    const struct memory_range *range = &boot_range->range;
    paddr_t start = range->paddr > BOOT_MAPPED_BYTES ? range->paddr : BOOT_MAPPED_BYTES;
    paddr_t end = range->paddr + range->bytes;

    end = end < reachable_limit() ? end : reachable_limit();
    if (!boot_range->is_usable || start >= end) {
        return (struct memory_range){0, 0};
    }
    start = ALIGN_DOWN(start, (paddr_t)LARGE_PAGE_BYTES);
    end = ALIGN_UP(end, (paddr_t)LARGE_PAGE_BYTES);
    return (struct memory_range){start, end - start};
}

/* No more than so many tables map the range: those of large pages, only at its ends where the core
 * has larger ones; those above them; and one for the range's place in the root. */
static uint64_t table_count(const struct memory_range *range)
{
    uint64_t large = paging_has_1gib_pages() ? 2 : range->bytes / TABLE_SPAN_BYTES + 2;

    return range->bytes == 0 ? 0 : large + range->bytes / TABLES_SPAN_BYTES + 2;
}

void boot_memory_start_pages(const struct boot_info *info)
{
    uint64_t bytes = BOOT_PAGES_MIN_BYTES;

    for (unsigned i = 0; i < info->range_count; i++) {
        struct memory_range range = high_part(&info->ranges[i]);

        bytes += table_count(&range) * PAGE_BYTES;
    }
    paddr_t paddr = physical_allocate(bytes, BOOT_MAPPED_BYTES);

    if (paddr != 0) {
        pages_add_range((void *)(DIRECT_MAP_BASE + paddr), bytes);
    }
}

/* A page maps 2 MiB by pages, so all memory can be, up to 2 GiB; where IOMMUs have large pages, so
 * can a thousand times as much. */
void boot_memory_add_pages(void)
{
    uint64_t bytes = ALIGN_UP(physical_free_bytes() / 512, (uint64_t)PAGE_BYTES);

    bytes = bytes < IOMMU_PAGES_MAX_BYTES ? bytes : IOMMU_PAGES_MAX_BYTES;
    paddr_t paddr = physical_allocate(bytes, BOOT_MAPPED_BYTES);

    if (paddr != 0) {
        pages_add_range((void *)(DIRECT_MAP_BASE + paddr), bytes);
    }
}

/* Put memory above what the first tables map into the direct map. What is mapped already stays. */
static int map_high(paddr_t paddr, uint64_t bytes)
{
    int error =
        address_space_map(paging_own_space(), DIRECT_MAP_BASE + paddr, paddr, bytes, PAGING_WRITE);

    return error == -EEXIST ? 0 : error;
}

/* The first and the last large page by themselves: ranges that do not touch may share one. What
 * lies between them is this range's alone (boot_info_add_range()). */
static int map_range(const struct memory_range *range)
{
    ASSERT(range->paddr % LARGE_PAGE_BYTES == 0 && range->bytes % LARGE_PAGE_BYTES == 0);
    ASSERT(range->bytes != 0);
    paddr_t last = range->paddr + range->bytes - LARGE_PAGE_BYTES;
    int error = map_high(range->paddr, LARGE_PAGE_BYTES);

    if (error == 0 && last > range->paddr) {
        error = map_high(last, LARGE_PAGE_BYTES);
    }
    if (error == 0 && last > range->paddr + LARGE_PAGE_BYTES) {
        paddr_t start = range->paddr + LARGE_PAGE_BYTES;

        error = map_high(start, last - start);
    }
    return error;
}

void boot_memory_map(const struct boot_info *info)
{
    for (unsigned i = 0; i < info->range_count; i++) {
        struct memory_range range = high_part(&info->ranges[i]);

        if (range.bytes != 0 && map_range(&range) != 0) {
            PANIC("no memory for the tables of all memory");
        }
    }
}

void boot_memory_log(void)
{
    if (impossible_bytes > 0) {
        log_warning("boot",
                    "%lu MiB of memory ignored: beyond the %u address bits of this processor",
                    impossible_bytes / MIB, boot_memory_address_bits());
    }
    if (unreachable_bytes > 0) {
        log_warning("boot", "%lu MiB of memory beyond %lu GiB are not used",
                    unreachable_bytes / MIB, DIRECT_MAP_MAX_BYTES / GIB);
    }
}

/* Most is below 4 GiB, in memory or beside it. */
bool boot_memory_read(void *context, paddr_t paddr, void *buffer, size_t bytes)
{
    (void)context;
    if (paddr + bytes < paddr || paddr + bytes > reachable_limit()) {
        return false;
    }
    for (paddr_t page = ALIGN_DOWN(paddr, (paddr_t)LARGE_PAGE_BYTES); page < paddr + bytes;
         page += LARGE_PAGE_BYTES) {
        if (page >= BOOT_MAPPED_BYTES && map_high(page, LARGE_PAGE_BYTES) != 0) {
            return false;
        }
    }
    memcpy(buffer, (const void *)(DIRECT_MAP_BASE + paddr), bytes);
    return true;
}

bool boot_memory_is_mapped(paddr_t paddr, uint64_t bytes)
{
    if (paddr + bytes < paddr || paddr + bytes > reachable_limit()) {
        return false;
    }
    for (paddr_t page = ALIGN_DOWN(paddr, (paddr_t)LARGE_PAGE_BYTES); page < paddr + bytes;
         page += LARGE_PAGE_BYTES) {
        if (page >= BOOT_MAPPED_BYTES &&
            address_space_translate(paging_own_space(), DIRECT_MAP_BASE + page) ==
                ADDRESS_SPACE_NONE) {
            return false;
        }
    }
    return true;
}
