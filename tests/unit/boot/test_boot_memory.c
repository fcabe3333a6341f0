/* SPDX-License-Identifier: MIT */
/* sources: boot/boot_memory.c boot/boot_info.c boot/physical.c tests/unit/world/panic.c */
/* flags: -DCPU_FAKE */
/*
 * boot/boot_memory.c: maps of any size, up to the end of the address space and beyond what the
 * processor can address. Page tables are played: what is mapped is noted, and mapping it again
 * fails as kernel/x86/paging.c does.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "boot/boot_memory.h"
#include "boot/physical.h"
#include "kernel/log.h"
#include "kernel/platform.h"
#include "kernel/x86/paging.h"
#include "libc/core/cpu.h"
#include "libc/core/pages.h"

#define TIB         (1024 * GIB)
#define PIB         (1024 * TIB)
#define LARGE_PAGE  (2 * MIB)
#define MAPPING_MAX 1024

static struct boot_info info;
static struct address_space space;
static unsigned address_bits;
static bool has_1gib_pages;
static struct memory_range mappings[MAPPING_MAX];
static unsigned mapping_count;
static uint64_t boot_page_bytes;
static unsigned warning_count;

struct cpuid cpu_id(uint32_t leaf, uint32_t subleaf)
{
    (void)subleaf;
    return leaf == 0x80000000   ? (struct cpuid){.eax = 0x80000008}
           : leaf == 0x80000008 ? (struct cpuid){.eax = 0x3000 | address_bits}
                                : (struct cpuid){0};
}

bool paging_has_1gib_pages(void)
{
    return has_1gib_pages;
}

struct address_space *paging_own_space(void)
{
    return &space;
}

static bool is_mapped(paddr_t paddr)
{
    for (unsigned i = 0; i < mapping_count; i++) {
        if (paddr - mappings[i].paddr < mappings[i].bytes) {
            return true;
        }
    }
    return false;
}

int address_space_map(struct address_space *to, uintptr_t vaddr, paddr_t paddr, uint64_t bytes,
                      unsigned flags)
{
    assert_ptr_equal(to, &space);
    assert_int_equal(vaddr, DIRECT_MAP_BASE + paddr);
    assert_int_equal(flags, PAGING_WRITE);
    assert_int_equal((paddr | bytes) % LARGE_PAGE, 0);
    assert_true(paddr >= BOOT_MAPPED_BYTES && paddr + bytes <= DIRECT_MAP_MAX_BYTES);
    for (unsigned i = 0; i < mapping_count; i++) {
        if (paddr < mappings[i].paddr + mappings[i].bytes && mappings[i].paddr < paddr + bytes) {
            /* In the middle of a longer run the rest of it would stay unmapped. */
            assert_int_equal(bytes, LARGE_PAGE);
            return -EEXIST;
        }
    }
    assert_true(mapping_count < MAPPING_MAX);
    mappings[mapping_count++] = (struct memory_range){paddr, bytes};
    return 0;
}

paddr_t address_space_translate(const struct address_space *in, uintptr_t vaddr)
{
    (void)in;
    return is_mapped(vaddr - DIRECT_MAP_BASE) ? vaddr - DIRECT_MAP_BASE : ADDRESS_SPACE_NONE;
}

void pages_add_range(void *start, uint64_t bytes)
{
    assert_true((uintptr_t)start >= DIRECT_MAP_BASE);
    assert_true((uintptr_t)start - DIRECT_MAP_BASE + bytes <= BOOT_MAPPED_BYTES);
    boot_page_bytes = bytes;
}

void log_write(enum log_level level, const char *subsystem, const char *format, ...)
{
    (void)subsystem;
    (void)format;
    assert_int_equal(level, LOG_WARNING);
    warning_count++;
}

/* --- */

static int begin(void **state)
{
    (void)state;
    physical_reserve((struct memory_range){0, UINT64_MAX - 0xFFF});
    boot_info_initialise(&info, "test");
    address_bits = 46;
    has_1gib_pages = true;
    mapping_count = 0;
    warning_count = 0;
    boot_page_bytes = 0;
    boot_info_add_range(&info, 0, 0x9F000, true);
    boot_info_add_range(&info, MIB, GIB - MIB, true);
    return 0;
}

static void add(paddr_t paddr, uint64_t bytes)
{
    boot_info_add_range(&info, paddr, bytes, true);
}

/* What boot_main() does; returns the free memory above 4 GiB. */
static uint64_t take_over(void)
{
    boot_memory_collect(&info, (struct memory_range){2 * MIB, 2 * MIB});
    boot_memory_start_pages(&info);
    boot_memory_map(&info);
    boot_memory_log();
    uint64_t all = physical_free_bytes();

    physical_reserve((struct memory_range){0, BOOT_MAPPED_BYTES});
    uint64_t high = physical_free_bytes();

    assert_true(all > high);
    return high;
}

static void terabytes_are_used_and_cost_a_few_tables(void **state)
{
    (void)state;
    add(4 * GIB, 12 * TIB);
    assert_int_equal(take_over(), 12 * TIB);
    assert_true(is_mapped(4 * GIB) && is_mapped(8 * TIB) && is_mapped(12 * TIB));
    assert_true(mapping_count <= 3);
    assert_true(boot_page_bytes < MIB);
    assert_int_equal(warning_count, 0);
}

/* A core without pages of 1 GiB needs a table a gigabyte, and they must be there. */
static void without_gigabyte_pages_there_are_tables_enough(void **state)
{
    (void)state;
    has_1gib_pages = false;
    add(4 * GIB, TIB);
    assert_int_equal(take_over(), TIB);
    assert_true(boot_page_bytes > 1024 * PAGE_BYTES);
    assert_true(boot_page_bytes < 1024 * PAGE_BYTES + MIB);
}

static void what_the_processor_cannot_address_is_ignored_with_a_warning(void **state)
{
    (void)state;
    address_bits = 40;
    add(4 * GIB, 4 * PIB);
    assert_int_equal(take_over(), TIB - 4 * GIB);
    assert_true(is_mapped(TIB - 1));
    assert_false(is_mapped(TIB));
    assert_int_equal(warning_count, 1);
}

static void what_lies_beyond_the_direct_map_is_left_with_a_warning(void **state)
{
    (void)state;
    address_bits = 52;
    add(4 * GIB, 4 * PIB - 4 * GIB);
    assert_int_equal(take_over(), DIRECT_MAP_MAX_BYTES - 4 * GIB);
    assert_int_equal(warning_count, 1);
}

static void a_range_at_the_top_of_the_address_space_is_ignored(void **state)
{
    (void)state;
    add(UINT64_MAX - TIB, TIB);
    add(UINT64_MAX - 0x1FFF, 0x1000);
    add(UINT64_MAX - 0xFFF, 0x1000); /* wraps */
    assert_int_equal(take_over(), 0);
    assert_int_equal(mapping_count, 0);
    assert_true(warning_count > 0);
}

static void a_processor_of_32_address_bits_maps_nothing_more(void **state)
{
    (void)state;
    address_bits = 32;
    add(4 * GIB, GIB);
    assert_int_equal(take_over(), 0);
    assert_int_equal(mapping_count, 0);
}

/* Ends that are not those of large pages, pages that two ranges share, ranges of a few bytes, and
 * overlaps: everything usable is mapped, and nothing is mapped twice. */
static void ranges_of_any_shape_are_mapped_whole(void **state)
{
    (void)state;
    srand(1);
    for (unsigned round = 0; round < 200; round++) {
        struct memory_range added[40];

        begin(NULL);
        for (unsigned i = 0; i < ARRAY_COUNT(added); i++) {
            paddr_t paddr = 4 * GIB - 8 * MIB + (paddr_t)rand() % (64 * MIB);
            uint64_t bytes = 1 + (uint64_t)rand() % (round % 2 == 0 ? 4 * KIB : 6 * MIB);

            added[i] = (struct memory_range){paddr, bytes};
            add(paddr, bytes);
        }
        (void)take_over();
        for (unsigned i = 0; i < ARRAY_COUNT(added); i++) {
            paddr_t end = added[i].paddr + added[i].bytes;

            for (paddr_t at = added[i].paddr; at < end; at += PAGE_BYTES) {
                assert_true(at < BOOT_MAPPED_BYTES || is_mapped(at));
            }
            assert_true(end <= BOOT_MAPPED_BYTES || is_mapped(end - 1));
        }
    }
}

static void what_is_in_use_is_not_free(void **state)
{
    (void)state;
    add(4 * GIB, GIB);
    boot_info_add_range(&info, 4 * GIB + 64 * MIB, MIB, false);
    boot_info_add_module(&info, 4 * GIB + 128 * MIB, MIB, "root.tar", 8);
    assert_int_equal(take_over(), GIB - 2 * MIB);
    assert_true(boot_memory_is_mapped(info.modules[0].paddr, info.modules[0].bytes));
    assert_true(boot_memory_trampoline() >= PAGE_BYTES && boot_memory_trampoline() < 0x9F000);
}

static void a_module_outside_memory_is_told_from_one_inside(void **state)
{
    (void)state;
    add(4 * GIB, GIB);
    (void)take_over();
    assert_true(boot_memory_is_mapped(16 * MIB, MIB));
    assert_true(boot_memory_is_mapped(5 * GIB - MIB, MIB));
    assert_false(boot_memory_is_mapped(5 * GIB - MIB, 4 * MIB));
    assert_false(boot_memory_is_mapped(6 * GIB, 1));
    assert_false(boot_memory_is_mapped(UINT64_MAX - 1, 2));
    assert_false(boot_memory_is_mapped(PIB, 1));
}

static void tables_out_of_reach_are_not_read(void **state)
{
    uint8_t byte;

    (void)state;
    (void)take_over();
    assert_false(boot_memory_read(NULL, UINT64_MAX, &byte, 1));
    assert_false(boot_memory_read(NULL, 1ull << address_bits, &byte, 1));
    assert_false(boot_memory_read(NULL, DIRECT_MAP_MAX_BYTES, &byte, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(terabytes_are_used_and_cost_a_few_tables, begin),
        cmocka_unit_test_setup(without_gigabyte_pages_there_are_tables_enough, begin),
        cmocka_unit_test_setup(what_the_processor_cannot_address_is_ignored_with_a_warning, begin),
        cmocka_unit_test_setup(what_lies_beyond_the_direct_map_is_left_with_a_warning, begin),
        cmocka_unit_test_setup(a_range_at_the_top_of_the_address_space_is_ignored, begin),
        cmocka_unit_test_setup(a_processor_of_32_address_bits_maps_nothing_more, begin),
        cmocka_unit_test_setup(ranges_of_any_shape_are_mapped_whole, begin),
        cmocka_unit_test_setup(what_is_in_use_is_not_free, begin),
        cmocka_unit_test_setup(a_module_outside_memory_is_told_from_one_inside, begin),
        cmocka_unit_test_setup(tables_out_of_reach_are_not_read, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
