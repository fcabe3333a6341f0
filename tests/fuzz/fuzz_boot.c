/* SPDX-License-Identifier: MIT */
/* sources: boot/multiboot2.c boot/pvh.c boot/boot_info.c boot/physical.c libc/core/format.c */
/* flags: -include tests/fuzz/world/boot_direct_map.h */
/*
 * The input is what a loader leaves: multiboot2's tags, in a block that may end anywhere, or a
 * PVH start info with its lists, somewhere in 4 GiB of memory. What is made of it keeps the
 * promises of boot/boot_info.h, and no byte that the loader has reserved becomes a node's.
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "boot/boot_info.h"
#include "boot/multiboot2.h"
#include "boot/physical.h"
#include "kernel/log.h"
#include "kernel/platform.h"
#include "tests/fuzz/fuzzer.h"

#define BLOCK_PADDR 0x5000000u
#define INFO_PADDR  0x10000u
#define LISTS_PADDR 0x20000u
#define LISTS_BYTES 0x2000u
#define NODE_COUNT  4u

_Noreturn void pvh_start(paddr_t start_info_paddr);

FUZZ_KEPT uint8_t *boot_physical_memory = NULL;

static struct boot_info info;
static jmp_buf has_booted;

_Noreturn void platform_panic(const char *file, int line, const char *format, ...)
{
    (void)format;
    fprintf(stderr, "%s:%d: assertion failed\n", file, line);
    abort();
}

_Noreturn void boot_main(struct boot_info *made)
{
    info = *made;
    longjmp(has_booted, 1);
}

/* --- What must be so --- */

static bool is_in(paddr_t paddr, const struct memory_range *range)
{
    return paddr >= range->paddr && paddr - range->paddr < range->bytes;
}

/* In usable memory, and in nothing else. */
static bool is_free(paddr_t paddr)
{
    bool is_usable = false;

    for (unsigned i = 0; i < info.range_count; i++) {
        if (is_in(paddr, &info.ranges[i].range)) {
            is_usable = true;
            if (!info.ranges[i].is_usable) {
                return false;
            }
        }
    }
    return is_usable;
}

static void check_memory(void)
{
    struct node_place places[NODE_COUNT] = {[2] = {.domain = 1}, [3] = {.domain = 1}};

    for (unsigned i = 0; i < info.range_count; i++) {
        if (info.ranges[i].is_usable) {
            physical_add(info.ranges[i].range);
        }
    }
    for (unsigned i = 0; i < info.range_count; i++) {
        if (!info.ranges[i].is_usable) {
            physical_reserve(info.ranges[i].range);
        }
    }
    for (unsigned i = 0; i < info.module_count; i++) {
        physical_reserve((struct memory_range){info.modules[i].paddr, info.modules[i].bytes});
    }
    physical_reserve((struct memory_range){0, PAGE_BYTES});
    if (physical_free_bytes() < NODE_COUNT * MIB) {
        return;
    }
    physical_share(NODE_COUNT, places);
    for (unsigned node = 0; node < NODE_COUNT; node++) {
        FUZZ_CHECK(places[node].range_count <= NODE_RANGE_MAX);
        for (unsigned i = 0; i < places[node].range_count; i++) {
            const struct memory_range *share = &places[node].ranges[i];

            FUZZ_CHECK(share->bytes > 0 && share->paddr % PAGE_BYTES == 0);
            FUZZ_CHECK(is_free(share->paddr) && is_free(share->paddr + share->bytes - 1));
        }
    }
}

static void check_info(void)
{
    FUZZ_CHECK(info.range_count <= BOOT_RANGE_MAX);
    FUZZ_CHECK(info.module_count <= MODULE_MAX - 1);
    FUZZ_CHECK(memchr(info.command_line, '\0', sizeof(info.command_line)) != NULL);
    FUZZ_CHECK(memchr(info.loader, '\0', sizeof(info.loader)) != NULL);
    for (unsigned i = 0; i < info.range_count; i++) {
        FUZZ_CHECK(info.ranges[i].range.bytes > 0);
        FUZZ_CHECK(info.ranges[i].range.paddr + (info.ranges[i].range.bytes - 1) >=
                   info.ranges[i].range.paddr);
    }
    for (unsigned i = 0; i < info.module_count; i++) {
        FUZZ_CHECK(info.modules[i].bytes > 0);
        FUZZ_CHECK(memchr(info.modules[i].name, '\0', MODULE_NAME_BYTES) != NULL);
    }
    check_memory();
    (void)boot_info_check_framebuffer(&info);
}

/* --- Ways in --- */

static void boot_by_multiboot2(const struct fuzz_input *input)
{
    uint8_t *block = malloc(input->left); /* ends where the block does */

    FUZZ_CHECK(block != NULL);
    memcpy(block, input->at, input->left);
    boot_info_initialise(&info, "multiboot2");
    multiboot2_read(&info, block, (uint32_t)input->left, BLOCK_PADDR);
    free(block);
}

/* All that boot has mapped: what is not written reads as zeros. */
static void map_memory(void)
{
    if (boot_physical_memory == NULL) {
        boot_physical_memory = mmap(NULL, BOOT_MAPPED_BYTES, PROT_READ | PROT_WRITE,
                                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        FUZZ_CHECK(boot_physical_memory != MAP_FAILED);
    }
}

static void boot_by_pvh(struct fuzz_input *input)
{
    size_t count;
    const uint8_t *bytes = fuzz_take_bytes(input, 56, &count);

    map_memory();
    memset(boot_physical_memory + INFO_PADDR, 0, 56);
    memcpy(boot_physical_memory + INFO_PADDR, bytes, count);
    memcpy(boot_physical_memory + INFO_PADDR, &(uint32_t){0x336EC578}, 4);
    memset(boot_physical_memory + LISTS_PADDR, 0, LISTS_BYTES);
    bytes = fuzz_take_bytes(input, LISTS_BYTES, &count);
    memcpy(boot_physical_memory + LISTS_PADDR, bytes, count);
    if (setjmp(has_booted) == 0) {
        pvh_start(INFO_PADDR);
    }
}

void fuzz_one(const uint8_t *bytes, size_t count)
{
    struct fuzz_input input = {.at = bytes, .left = count};
    uint8_t how = fuzz_take8(&input);

    if ((how & 1) != 0) {
        boot_by_pvh(&input);
    } else if (input.left >= 8) {
        boot_by_multiboot2(&input);
    } else {
        return;
    }
    check_info();
    boot_info_add_configuration(&info, (const char *)input.at, input.left);
    FUZZ_CHECK(memchr(info.command_line, '\0', sizeof(info.command_line)) != NULL);
    FUZZ_CHECK(fuzz_block_count() == 0);
}
