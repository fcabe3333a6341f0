/* SPDX-License-Identifier: MIT */
/* sources: kernel/x86/paging.c libc/core/guarded_space.c libc/core/address_space.c tests/unit/world/panic.c */
/* flags: -DCPU_FAKE */
/*
 * Tests which devices kernel/x86/paging.c maps, and libc/core/address_space.c, in tables that lie
 * in this program: the direct map starts at address 0 here.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/limits.h"
#include "kernel/log.h"
#include "kernel/message/status.h"
#include "kernel/node.h"
#include "kernel/platform.h"
#include "kernel/x86/paging.h"
#include "libc/core/assert.h"
#include "libc/core/cpu.h"
#include "libc/core/pages.h"

#define PAGES_MAX    64
#define CARD         0xFEB00000u
#define ECAM         0xB0000000u
#define ECAM_SIZE    0x10000000u
#define DEVICES      0xFFFFC98760000000
#define DEVICE_BYTES (64 * GIB)

struct node_info node_info;
struct status_page *status_own_page;

static struct status_page status;
static unsigned log_count;
static unsigned page_count; /* tables */
static bool has_1gib_pages;
static void *tables[PAGES_MAX];
static uint64_t cr0 = CR0_WRITE_PROTECT; /* what it is for: test_paging_guard.c */

void log_write(enum log_level level, const char *subsystem, const char *format, ...)
{
    (void)subsystem;
    (void)format;
    assert_int_equal(level, LOG_ERROR);
    log_count++;
}

void status_initialise(void)
{
    status_own_page = &status;
}

void *pages_allocate(size_t count)
{
    assert_int_equal(count, 1);
    if (page_count == PAGES_MAX) {
        return NULL;
    }
    tables[page_count] = aligned_alloc(4096, 4096);
    return memset(tables[page_count++], 0, 4096);
}

static void fail_core(const char *file, int line, const char *condition)
{
    mock_assert(false, condition, file, line);
}

struct cpuid cpu_id(uint32_t leaf, uint32_t subleaf)
{
    (void)subleaf;
    assert_int_equal(leaf, 0x80000001);
    return (struct cpuid){.edx = ~CPUID_80000001_EDX_1GIB_PAGES | (has_1gib_pages ? BIT(26) : 0)};
}

uint64_t cpu_read_msr(uint32_t msr)
{
    (void)msr;
    return 0;
}

void cpu_write_msr(uint32_t msr, uint64_t value)
{
    (void)msr;
    (void)value;
}

uint64_t cpu_read_cr0(void)
{
    return cr0;
}

void cpu_write_cr0(uint64_t value)
{
    cr0 = value;
}

void cpu_flush_tlb(void)
{
}

void cpu_flush_page(uintptr_t vaddr)
{
    (void)vaddr;
}

static int reset(void **state)
{
    (void)state;
    core_assertion_failed = fail_core;
    status_initialise();
    while (page_count > 0) {
        free(tables[--page_count]);
    }
    memset(&node_info, 0, sizeof(node_info));
    node_info.map.devices = DEVICES;
    node_info.map.device_bytes = DEVICE_BYTES;
    memset(&status, 0, sizeof(status));
    memset(paging_own_space(), 0, sizeof(struct address_space)); /* looked up at its first use */
    node_info.page_table_root = (uintptr_t)pages_allocate(1);
    log_count = 0;
    has_1gib_pages = true;
    ranges_add(&node_info.machine.devices, CARD, 0x20000, 1);
    return 0;
}

static void assert_mapped(void *vaddr, paddr_t paddr)
{
    assert_non_null(vaddr);
    assert_int_equal(address_space_translate(paging_own_space(), (uintptr_t)vaddr), paddr);
    assert_int_equal(log_count, 0);
}

static void assert_refused(paddr_t paddr, size_t bytes)
{
    uint64_t before = status.counters[COUNTER_DROP_BAD_DEVICE];
    unsigned pages_before = page_count;

    log_count = 0;
    assert_null(paging_map_device(paddr, bytes));
    assert_int_equal(log_count, 1);
    assert_int_equal(status.counters[COUNTER_DROP_BAD_DEVICE], before + 1);
    assert_int_equal(page_count, pages_before);
    assert_int_equal(address_space_translate(paging_own_space(), DEVICES + paddr),
                     ADDRESS_SPACE_NONE);
}

static void a_known_device_is_mapped_and_again_at_the_same_address(void **state)
{
    void *vaddr = paging_map_device(CARD, 0x20000);

    (void)state;
    assert_mapped(vaddr, CARD);
    assert_mapped((uint8_t *)vaddr + 0x1F123, CARD + 0x1F123);
    assert_ptr_equal(paging_map_device(CARD, 0x20000), vaddr);
    assert_ptr_equal(paging_map_device(CARD + 0x10010, 4), (uint8_t *)vaddr + 0x10010);
    assert_int_equal(address_space_translate(paging_own_space(), DEVICES + CARD + 0x20000),
                     ADDRESS_SPACE_NONE);
}

/* Another node's memory above all, which this node knows nothing of. */
static void what_is_not_known_as_a_device_is_refused_and_counted(void **state)
{
    (void)state;
    assert_refused(0x12345000, 4096);
    assert_refused(CARD - 1, 1);
    assert_refused(CARD - 1, 2);
    assert_refused(CARD + 0x1FFFF, 2);
    assert_refused(CARD + 0x20000, 1);
    assert_refused(UINT64_MAX - 10, 100);
    assert_refused(CARD, SIZE_MAX);
}

static void memory_of_this_node_is_refused_even_where_a_device_says_it_is(void **state)
{
    (void)state;
    node_info.range_count = 1;
    node_info.ranges[0] = (struct memory_range){CARD + 0x10000, 4096};
    assert_refused(CARD, 0x20000);
    assert_refused(CARD + 0x10800, 1);
    node_info.range_count = 0;
    ranges_add(&node_info.machine.devices, DEVICE_BYTES - 4096, 8192, 0);
    assert_refused(DEVICE_BYTES - 4096, 8192); /* the map has no room for it */
}

/* By the page, its tables would take half a megabyte. */
static void large_devices_take_few_tables(void **state)
{
    unsigned before = page_count;

    (void)state;
    ranges_add(&node_info.machine.devices, ECAM, ECAM_SIZE, 0);
    assert_mapped(paging_map_device(ECAM, ECAM_SIZE), ECAM);
    assert_in_range(page_count - before, 1, 3);
    assert_mapped((uint8_t *)DEVICES + ECAM + ECAM_SIZE - 1, ECAM + ECAM_SIZE - 1);
    assert_mapped(paging_map_device(ECAM + 0x1234000, 4096), ECAM + 0x1234000);
}

static void a_large_device_of_which_a_page_is_mapped_is_mapped_too(void **state)
{
    (void)state;
    ranges_add(&node_info.machine.devices, ECAM, ECAM_SIZE, 0);
    assert_mapped(paging_map_device(ECAM + 0x201000, 4096), ECAM + 0x201000);
    assert_mapped(paging_map_device(ECAM, ECAM_SIZE), ECAM);
    for (paddr_t offset = 0; offset < ECAM_SIZE; offset += PAGE_BYTES) {
        assert_mapped((uint8_t *)DEVICES + ECAM + offset, ECAM + offset);
    }
}

static void without_room_for_a_table_nothing_is_returned(void **state)
{
    unsigned used = page_count;

    (void)state;
    while (pages_allocate(1) != NULL) {
    }
    assert_null(paging_map_device(CARD, 4096));
    assert_int_equal(log_count, 1);
    assert_int_equal(status.counters[COUNTER_DROP_BAD_DEVICE], 0);
    assert_true(page_count > used);
}

/* As many as there may be, and one more: what does not fit cannot be mapped. */
static void a_range_too_many_is_not_known(void **state)
{
    struct machine *machine = &node_info.machine;

    (void)state;
    for (unsigned i = 0; i < 2 * RANGES_MAX; i++) {
        ranges_add(&machine->devices, 0x10000000 + i * 0x2000ull, 0x1000, 0);
        ranges_add(&machine->devices, CARD, 0x20000, 1); /* is known */
    }
    assert_int_equal(machine->devices.count, RANGES_MAX);
    assert_non_null(paging_map_device(0x10000000, 4096));
    assert_refused(0x10000000 + (2 * RANGES_MAX - 1) * 0x2000ull, 4096);
}

/* --- Rights --- */

/* The words of SDM 3A 4.5, read here by hand. */
#define ENTRY_PRESENT       0x1u
#define ENTRY_WRITE         0x2u
#define ENTRY_WRITE_THROUGH 0x8u /* entry 1 of the page attribute table */
#define ENTRY_UNCACHED      0x10u
#define ENTRY_LARGE         0x80u
#define ENTRY_NO_EXECUTE    (1ull << 63)
#define ENTRY_ADDRESS       0x000FFFFFFFFFF000ull

#define MEMORY 0xFFFF800040000000ull /* 1 GiB in */

static uint64_t leaf_at(uintptr_t vaddr, unsigned *shift)
{
    uint64_t entry = paging_own_space()->root | ENTRY_PRESENT;

    for (*shift = 39;; *shift -= 9) {
        entry = ((uint64_t *)(entry & ENTRY_ADDRESS))[vaddr >> *shift & 511];
        if ((entry & ENTRY_PRESENT) == 0 || *shift == 12 ||
            (*shift < 39 && (entry & ENTRY_LARGE) != 0)) {
            return entry;
        }
    }
}

static void assert_page(uintptr_t vaddr, paddr_t paddr, bool is_writable, unsigned wanted_shift)
{
    unsigned shift;
    uint64_t entry = leaf_at(vaddr, &shift);

    assert_int_equal(shift, wanted_shift);
    assert_int_equal(entry & ENTRY_ADDRESS, paddr & ~((1ull << shift) - 1));
    assert_int_equal((entry & ENTRY_WRITE) != 0, is_writable);
    assert_true((entry & ENTRY_NO_EXECUTE) != 0);
    assert_int_equal(address_space_translate(paging_own_space(), vaddr + 5), paddr + 5);
}

static void pages_of_a_large_page_lose_the_right_to_write_and_the_rest_keeps_it(void **state)
{
    (void)state;
    assert_int_equal(address_space_map(paging_own_space(), MEMORY, 8 * MIB, 4 * MIB, PAGING_WRITE),
                     0);
    assert_page(MEMORY + 64 * KIB, 8 * MIB + 64 * KIB, true, 21);
    assert_int_equal(
        address_space_protect(paging_own_space(), MEMORY + 64 * KIB, 16 * KIB, PAGING_READ), 0);
    for (uint64_t i = 0; i < 2 * MIB; i += PAGE_BYTES) {
        bool is_taken = i >= 64 * KIB && i < 80 * KIB;

        assert_page(MEMORY + i, 8 * MIB + i, !is_taken, 12);
    }
    assert_page(MEMORY + 2 * MIB, 10 * MIB, true, 21);
    assert_page(MEMORY + 4 * MIB - PAGE_BYTES, 12 * MIB - PAGE_BYTES, true, 21);
}

static void pages_of_a_gigabyte_that_is_one_page_do_so_too(void **state)
{
    (void)state;
    assert_int_equal(address_space_map(paging_own_space(), MEMORY, GIB, GIB, PAGING_WRITE), 0);
    assert_page(MEMORY, GIB, true, 30);
    assert_int_equal(
        address_space_protect(paging_own_space(), MEMORY + 512 * MIB, 16 * KIB, PAGING_READ), 0);
    assert_page(MEMORY + 512 * MIB - 1 * MIB, GIB + 511 * MIB, true, 21);
    assert_page(MEMORY + 512 * MIB, GIB + 512 * MIB, false, 12);
    assert_page(MEMORY + 512 * MIB + 16 * KIB, GIB + 512 * MIB + 16 * KIB, true, 12);
    assert_page(MEMORY + 1023 * MIB, 2ull * GIB - MIB, true, 21);
}

static void rights_come_back(void **state)
{
    unsigned before;

    (void)state;
    assert_int_equal(address_space_map(paging_own_space(), MEMORY, 8 * MIB, 2 * MIB, PAGING_WRITE),
                     0);
    assert_int_equal(address_space_protect(paging_own_space(), MEMORY, 16 * KIB, PAGING_READ), 0);
    before = page_count;
    assert_int_equal(address_space_protect(paging_own_space(), MEMORY, 16 * KIB, PAGING_WRITE), 0);
    assert_page(MEMORY, 8 * MIB, true, 12);
    assert_int_equal(page_count, before); /* it is split already */
}

/* Rights that change half would leave a page that two may write. */
static void without_room_for_a_table_no_right_changes(void **state)
{
    (void)state;
    assert_int_equal(address_space_map(paging_own_space(), MEMORY, 8 * MIB, 4 * MIB, PAGING_WRITE),
                     0);
    while (page_count < PAGES_MAX - 1) {
        (void)pages_allocate(1);
    }
    /* Two large pages, memory to split one. */
    assert_int_equal(address_space_protect(paging_own_space(), MEMORY + 2 * MIB - 8 * KIB, 16 * KIB,
                                           PAGING_READ),
                     -ENOMEM);
    assert_page(MEMORY + 2 * MIB - PAGE_BYTES, 10 * MIB - PAGE_BYTES, true, 12);
    assert_page(MEMORY + 2 * MIB, 10 * MIB, true, 21);
}

static void what_is_not_mapped_has_no_rights_to_change(void **state)
{
    (void)state;
    expect_assert_failure(assert_int_equal(
        address_space_protect(paging_own_space(), MEMORY, PAGE_BYTES, PAGING_READ), -ENOMEM));
}

static void with_its_tables_made_a_range_can_be_mapped_without_memory(void **state)
{
    (void)state;
    assert_int_equal(address_space_make_tables(paging_own_space(), MEMORY, 6 * MIB), 0);
    while (pages_allocate(1) != NULL) {
    }
    assert_int_equal(address_space_translate(paging_own_space(), MEMORY), ADDRESS_SPACE_NONE);
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(address_space_map(paging_own_space(), MEMORY + i * MIB + 16 * KIB, 8 * MIB,
                                           16 * KIB, PAGING_WRITE),
                         0);
    }
    assert_int_equal(
        address_space_map(paging_own_space(), MEMORY + 6 * MIB, 8 * MIB, PAGE_BYTES, PAGING_WRITE),
        -ENOMEM);
    assert_int_equal(address_space_make_tables(paging_own_space(), MEMORY + 6 * MIB, 2 * MIB),
                     -ENOMEM);
}

static void pages_that_are_unmapped_can_be_mapped_to_others(void **state)
{
    (void)state;
    assert_int_equal(address_space_map(paging_own_space(), MEMORY, 8 * MIB, 16 * KIB, PAGING_WRITE),
                     0);
    address_space_unmap(paging_own_space(), MEMORY, 8 * KIB);
    assert_int_equal(address_space_translate(paging_own_space(), MEMORY), ADDRESS_SPACE_NONE);
    assert_int_equal(address_space_translate(paging_own_space(), MEMORY + 8 * KIB),
                     8 * MIB + 8 * KIB);
    assert_int_equal(address_space_map(paging_own_space(), MEMORY, 4 * MIB, 8 * KIB, PAGING_WRITE),
                     0);
    assert_int_equal(address_space_translate(paging_own_space(), MEMORY), 4 * MIB);
    expect_assert_failure(address_space_unmap(paging_own_space(), MEMORY + 16 * KIB, PAGE_BYTES));
}

/* --- How devices and the screen are seen --- */

static void assert_kind(uintptr_t vaddr, uint64_t kind)
{
    unsigned shift;
    uint64_t entry = leaf_at(vaddr, &shift);

    assert_int_equal(entry & (ENTRY_WRITE | ENTRY_WRITE_THROUGH | ENTRY_UNCACHED),
                     ENTRY_WRITE | kind);
    assert_true((entry & ENTRY_NO_EXECUTE) != 0);
}

static void registers_are_written_past_the_caches_and_a_screen_in_bursts(void **state)
{
    void *screen = paging_map_screen(0xE0000010, 8 * KIB);

    (void)state;
    assert_kind((uintptr_t)paging_map_device(CARD, 4096), ENTRY_UNCACHED | ENTRY_WRITE_THROUGH);
    assert_mapped(screen, 0xE0000010);
    assert_kind((uintptr_t)screen, ENTRY_WRITE_THROUGH);
    assert_mapped((uint8_t *)screen + 8 * KIB, 0xE0000010 + 8 * KIB); /* its last bytes */
}

/* Without a word: a node goes on without a screen. */
static void a_screen_that_cannot_be_is_not_mapped(void **state)
{
    (void)state;
    node_info.range_count = 1;
    node_info.ranges[0] = (struct memory_range){0xE0000000, 4096};
    assert_null(paging_map_screen(0xE0000000, 4096));
    assert_null(paging_map_screen(0xD0000010, 0));
    assert_null(paging_map_screen(UINT64_MAX - 10, 100));
    assert_null(paging_map_screen(0xD0000001, SIZE_MAX)); /* up to its own begin, round the end */
    assert_null(paging_map_screen(DEVICE_BYTES - 4096, 4097));
    assert_int_equal(log_count, 0);
    assert_mapped(paging_map_screen(DEVICE_BYTES - 4096, 4096), DEVICE_BYTES - 4096);
}

static void a_core_without_pages_of_a_gigabyte_gets_smaller_ones(void **state)
{
    (void)state;
    assert_true(paging_has_1gib_pages());
    assert_int_equal(address_space_map(paging_own_space(), MEMORY, GIB, GIB, PAGING_WRITE), 0);
    assert_page(MEMORY, GIB, true, 30);
    reset(state);
    has_1gib_pages = false;
    assert_false(paging_has_1gib_pages());
    assert_int_equal(address_space_map(paging_own_space(), MEMORY, GIB, GIB, PAGING_WRITE), 0);
    assert_page(MEMORY, GIB, true, 21);
}

#define TEST(name) cmocka_unit_test_setup(name, reset)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_known_device_is_mapped_and_again_at_the_same_address),
        TEST(what_is_not_known_as_a_device_is_refused_and_counted),
        TEST(memory_of_this_node_is_refused_even_where_a_device_says_it_is),
        TEST(large_devices_take_few_tables),
        TEST(a_large_device_of_which_a_page_is_mapped_is_mapped_too),
        TEST(without_room_for_a_table_nothing_is_returned),
        TEST(a_range_too_many_is_not_known),
        TEST(pages_of_a_large_page_lose_the_right_to_write_and_the_rest_keeps_it),
        TEST(pages_of_a_gigabyte_that_is_one_page_do_so_too),
        TEST(rights_come_back),
        TEST(without_room_for_a_table_no_right_changes),
        TEST(what_is_not_mapped_has_no_rights_to_change),
        TEST(with_its_tables_made_a_range_can_be_mapped_without_memory),
        TEST(pages_that_are_unmapped_can_be_mapped_to_others),
        TEST(registers_are_written_past_the_caches_and_a_screen_in_bursts),
        TEST(a_screen_that_cannot_be_is_not_mapped),
        TEST(a_core_without_pages_of_a_gigabyte_gets_smaller_ones),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
