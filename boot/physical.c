/* SPDX-License-Identifier: MIT */
/*
 * The list of free ranges: sorted by address, none empty, none overlapping.
 */
#include "boot/physical.h"

#include <string.h>

#include "boot/boot_info.h"
#include "boot/image.h"
#include "kernel/platform.h"

/* Each reservation may cut one range in two. */
#define FREE_MAX                (2 * BOOT_RANGE_MAX)
/* Shares start on these where they are large enough for it to waste little: with large pages. */
#define SHARE_ALIGNMENT_BYTES   (2 * MIB)
#define SHARE_ALIGNED_MIN_BYTES (16 * MIB)

struct free_range {
    struct memory_range range;
    uint32_t domain;
};

static BOOT_DATA struct free_range free_ranges[FREE_MAX];
static unsigned free_count;

static paddr_t range_end(const struct memory_range *range)
{
    return range->paddr + range->bytes;
}

/* What the list promises, between two changes. */
static bool is_list_sound(void)
{
    for (unsigned i = 0; i < free_count; i++) {
        const struct memory_range *range = &free_ranges[i].range;

        if (range->bytes == 0 || range->paddr % PAGE_BYTES != 0 || range->bytes % PAGE_BYTES != 0 ||
            (i > 0 && range_end(&free_ranges[i - 1].range) > range->paddr)) {
            return false;
        }
    }
    return true;
}

static void remove_at(unsigned index)
{
    ASSERT(index < free_count);
    free_count--;
    memmove(&free_ranges[index], &free_ranges[index + 1],
            (free_count - index) * sizeof(free_ranges[0]));
}

/* With a full list the range is lost: memory that nobody uses. */
static void insert_at(unsigned index, struct memory_range range, uint32_t domain)
{
    ASSERT(index <= free_count && range.paddr % PAGE_BYTES == 0);
    if (range.bytes == 0 || free_count == FREE_MAX) {
        return;
    }
    memmove(&free_ranges[index + 1], &free_ranges[index],
            (free_count - index) * sizeof(free_ranges[0]));
    free_ranges[index] = (struct free_range){.range = range, .domain = domain};
    free_count++;
}

/* Take [start, end) out of the range at `index`, which it overlaps; what is left of it stays.
 * Returns how many entries now stand in its place. */
static unsigned cut(unsigned index, paddr_t start, paddr_t end)
{
    struct free_range old = free_ranges[index];
    unsigned left = 0;

    ASSERT(start <= end && start <= range_end(&old.range) && old.range.paddr <= end);
    remove_at(index);
    if (start > old.range.paddr) {
        insert_at(index, (struct memory_range){old.range.paddr, start - old.range.paddr},
                  old.domain);
        left++;
    }
    if (end < range_end(&old.range)) {
        insert_at(index + left, (struct memory_range){end, range_end(&old.range) - end},
                  old.domain);
        left++;
    }
    return left;
}

void physical_reserve(struct memory_range range)
{
    const paddr_t last_page = ALIGN_DOWN(UINT64_MAX, (paddr_t)PAGE_BYTES); /* none is free there */
    paddr_t start = ALIGN_DOWN(range.paddr, (paddr_t)PAGE_BYTES);
    paddr_t end = range_end(&range) < last_page ? ALIGN_UP(range_end(&range), (paddr_t)PAGE_BYTES)
                                                : last_page;

    for (unsigned i = 0; i < free_count;) {
        const struct memory_range *other = &free_ranges[i].range;

        if (other->paddr < end && start < range_end(other)) {
            i += cut(i, start, end);
        } else {
            i++;
        }
    }
    ASSERT(is_list_sound());
}

void physical_add(struct memory_range range)
{
    paddr_t start = ALIGN_UP(range.paddr, (paddr_t)PAGE_BYTES);
    paddr_t end = ALIGN_DOWN(range_end(&range), (paddr_t)PAGE_BYTES);
    unsigned index = 0;

    if (end <= start || start < range.paddr) { /* no whole page; or in the last, where it wraps */
        return;
    }
    /* A map whose ranges overlap: count that memory once. */
    physical_reserve((struct memory_range){start, end - start});
    while (index < free_count && free_ranges[index].range.paddr < start) {
        index++;
    }
    insert_at(index, (struct memory_range){start, end - start}, 0);
    ASSERT(is_list_sound());
}

void physical_set_domain(struct memory_range range, uint32_t domain)
{
    paddr_t range_start = ALIGN_DOWN(range.paddr, (paddr_t)PAGE_BYTES);
    paddr_t range_stop = ALIGN_DOWN(range_end(&range), (paddr_t)PAGE_BYTES);

    for (unsigned i = 0; i < free_count; i++) {
        struct memory_range other = free_ranges[i].range;
        paddr_t start = other.paddr > range_start ? other.paddr : range_start;
        paddr_t end = range_end(&other) < range_stop ? range_end(&other) : range_stop;

        if (start < end && free_ranges[i].domain != domain) {
            unsigned before = start > other.paddr ? 1 : 0;

            (void)cut(i, start, end);
            insert_at(i + before, (struct memory_range){start, end - start}, domain);
            i += before;
        }
    }
    ASSERT(is_list_sound());
}

paddr_t physical_allocate(uint64_t bytes, paddr_t limit)
{
    bytes = ALIGN_UP(bytes, (uint64_t)PAGE_BYTES);
    for (unsigned i = free_count; i-- > 0;) {
        const struct memory_range *range = &free_ranges[i].range;
        paddr_t end = range_end(range) < limit ? range_end(range) : limit;

        if (end > range->paddr && end - range->paddr >= bytes) {
            (void)cut(i, end - bytes, end);
            return end - bytes;
        }
    }
    return 0;
}

paddr_t physical_allocate_low(uint64_t bytes)
{
    bytes = ALIGN_UP(bytes, (uint64_t)PAGE_BYTES);
    for (unsigned i = 0; i < free_count; i++) {
        paddr_t paddr = free_ranges[i].range.paddr;

        if (free_ranges[i].range.bytes >= bytes) {
            (void)cut(i, paddr, paddr + bytes);
            return paddr;
        }
    }
    return 0;
}

uint64_t physical_free_bytes(void)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < free_count; i++) {
        bytes += free_ranges[i].range.bytes;
    }
    return bytes;
}

void physical_limit(uint64_t bytes)
{
    uint64_t free = physical_free_bytes();

    bytes = ALIGN_UP(bytes < free ? bytes : free, (uint64_t)PAGE_BYTES);
    while (free > bytes) {
        ASSERT(free_count > 0);
        struct memory_range *last = &free_ranges[free_count - 1].range;
        uint64_t excess = free - bytes;

        if (excess >= last->bytes) {
            free -= last->bytes;
            remove_at(free_count - 1);
        } else {
            last->bytes -= excess;
            free = bytes;
        }
    }
    ASSERT(physical_free_bytes() == bytes);
}

/* --- Shares --- */

static uint64_t bytes_of(const struct node_place *place)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < place->range_count; i++) {
        bytes += place->ranges[i].bytes;
    }
    return bytes;
}

/* Fill up a share to `bytes`, from the node's own domain or from any. */
static void take(uint64_t bytes, bool is_any_domain, struct node_place *place)
{
    uint64_t missing = bytes - bytes_of(place);

    for (unsigned i = 0; i < free_count && missing > 0 && place->range_count < NODE_RANGE_MAX;) {
        struct memory_range range = free_ranges[i].range;
        uint64_t part = missing < range.bytes ? missing : range.bytes;

        if (!is_any_domain && free_ranges[i].domain != place->domain) {
            i++;
            continue;
        }
        place->ranges[place->range_count++] = (struct memory_range){range.paddr, part};
        missing -= part;
        i += cut(i, range.paddr, range.paddr + part);
    }
}

/* What is published: pages, each in one share only, and no share larger than the others may be. */
static void check_share(unsigned node, uint64_t share_bytes, const struct node_place *places)
{
    const struct node_place *place = &places[node];

    ASSERT(place->range_count <= NODE_RANGE_MAX && bytes_of(place) <= share_bytes);
    for (unsigned i = 0; i < place->range_count; i++) {
        const struct memory_range *range = &place->ranges[i];

        ASSERT(range->bytes != 0);
        ASSERT(range->paddr % PAGE_BYTES == 0 && range->bytes % PAGE_BYTES == 0);
        for (const struct node_place *other = places; other < place; other++) {
            for (unsigned j = 0; j < other->range_count; j++) {
                ASSERT(range_end(range) <= other->ranges[j].paddr ||
                       range_end(&other->ranges[j]) <= range->paddr);
            }
        }
    }
}

static uint64_t align_share(uint64_t bytes)
{
    return ALIGN_DOWN(bytes, bytes >= SHARE_ALIGNED_MIN_BYTES ? (uint64_t)SHARE_ALIGNMENT_BYTES
                                                              : (uint64_t)PAGE_BYTES);
}

/* What a domain can still give to the first of these nodes, if it gives all of its own as much. */
static uint64_t domain_part(const struct node_place *place, const struct node_place *end)
{
    uint64_t bytes = 0;
    unsigned node_count = 1; /* with itself */

    for (unsigned i = 0; i < free_count; i++) {
        bytes += free_ranges[i].domain == place->domain ? free_ranges[i].range.bytes : 0;
    }
    for (const struct node_place *other = place + 1; other < end; other++) {
        node_count += other->domain == place->domain;
    }
    return align_share(bytes / node_count);
}

void physical_share(unsigned node_count, struct node_place *places)
{
    ASSERT(node_count > 0);
    uint64_t share_bytes = align_share(physical_free_bytes() / node_count);

    /* Everybody's own domain before anybody takes from another's. It comes first in each share, and
     * what a node uses first. */
    for (unsigned i = 0; i < node_count; i++) {
        uint64_t part = domain_part(&places[i], &places[node_count]);

        places[i].range_count = 0;
        take(part < share_bytes ? part : share_bytes, false, &places[i]);
        places[i].local_bytes = bytes_of(&places[i]);
    }
    for (unsigned i = 0; i < node_count; i++) {
        take(share_bytes, true, &places[i]);
    }
    for (unsigned i = 0; i < node_count; i++) {
        check_share(i, share_bytes, places);
    }
    ASSERT(is_list_sound());
}
