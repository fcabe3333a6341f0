/* SPDX-License-Identifier: MIT */
/* sources: libc/core/guarded_space.c libc/core/address_space.c */
/* flags: -DCPU_FAKE */
/*
 * Tests libc/core/guarded_space.c. The tables lie in this program's memory, which is protected as
 * they say while CR0.WP, as played here, is on: a table that is written outside a change faults.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "libc/core/assert.h"
#include "libc/core/cpu.h"
#include "libc/core/guarded_space.h"
#include "libc/core/memory.h"
#include "libc/core/pages.h"

#define PAGE_BYTES MEMORY_PAGE_BYTES

#define ENTRY_PRESENT 0x1u
#define ENTRY_WRITE   0x2u
#define ENTRY_LARGE   0x80u
#define ENTRY_ADDRESS 0x000FFFFFFFFFF000ull

#define MEMORY_BYTES (4 * MIB)
#define ELSEWHERE    0xFFFFB00000000000ull
#define CR0_OTHERS   0x80000033ull

static struct address_space space;
static uint8_t *memory; /* aligned as a large page is */
static size_t taken_bytes, memory_bytes;
static uint64_t cr0;
static unsigned change_count, flush_count, page_flush_count;
static uintptr_t flushed_page;

void *pages_allocate(size_t count)
{
    size_t start = ALIGN_UP(taken_bytes, count * PAGE_BYTES);

    assert_true((cr0 & CR0_WRITE_PROTECT) != 0); /* the allocator writes where its lists say */
    if (start + count * PAGE_BYTES > memory_bytes) {
        return NULL;
    }
    taken_bytes = start + count * PAGE_BYTES;
    return memset(memory + start, 0, count * PAGE_BYTES);
}

static uint64_t allocate_first_table(void *context)
{
    (void)context;
    return (uintptr_t)pages_allocate(1);
}

static uint64_t leaf_at(uintptr_t vaddr)
{
    uint64_t entry = space.root | ENTRY_PRESENT;

    for (unsigned shift = 39;; shift -= 9) {
        entry = ((uint64_t *)(entry & ENTRY_ADDRESS))[vaddr >> shift & 511];
        if ((entry & ENTRY_PRESENT) == 0 || shift == 12 || (entry & ENTRY_LARGE) != 0) {
            return entry;
        }
    }
}

uint64_t cpu_read_cr0(void)
{
    return cr0;
}

void cpu_write_cr0(uint64_t value)
{
    assert_int_equal(value & ~CR0_WRITE_PROTECT, CR0_OTHERS);
    cr0 = value;
    change_count += (value & CR0_WRITE_PROTECT) == 0;
    for (size_t i = 0; i < MEMORY_BYTES; i += PAGE_BYTES) {
        bool is_writable =
            (value & CR0_WRITE_PROTECT) == 0 || (leaf_at((uintptr_t)memory + i) & ENTRY_WRITE) != 0;

        assert_int_equal(
            mprotect(memory + i, PAGE_BYTES, is_writable ? PROT_READ | PROT_WRITE : PROT_READ), 0);
    }
}

void cpu_flush_tlb(void)
{
    flush_count++;
}

void cpu_flush_page(uintptr_t vaddr)
{
    flushed_page = vaddr;
    page_flush_count++;
}

static void fail_core(const char *file, int line, const char *condition)
{
    mock_assert(false, condition, file, line);
}

/* As boot leaves it: the memory mapped in large pages, its tables read-only. */
static int begin(void **state)
{
    (void)state;
    core_assertion_failed = fail_core;
    cr0 = CR0_OTHERS | CR0_WRITE_PROTECT;
    assert_int_equal(mprotect(memory, MEMORY_BYTES, PROT_READ | PROT_WRITE), 0);
    taken_bytes = 0;
    memory_bytes = MEMORY_BYTES;
    space = (struct address_space){.allocate_table = allocate_first_table};
    space.root = (uintptr_t)pages_allocate(1);
    assert_int_equal(
        address_space_map(&space, (uintptr_t)memory, (uintptr_t)memory, MEMORY_BYTES, PAGING_WRITE),
        0);
    for (size_t done = 0; done < taken_bytes;) {
        size_t end = taken_bytes;

        assert_int_equal(
            address_space_protect(&space, (uintptr_t)memory + done, end - done, PAGING_READ), 0);
        done = end;
    }
    cr0 = CR0_OTHERS; /* as one leaves it that dies in a change */
    guarded_space_begin(&space);
    assert_int_equal(cr0, CR0_OTHERS | CR0_WRITE_PROTECT);
    change_count = flush_count = 0;
    return 0;
}

/* Of the tables below this one, itself included. */
static unsigned count_guarded(uint64_t table, unsigned level)
{
    const uint64_t *entries = (const uint64_t *)table;
    unsigned count = 1;

    assert_int_equal(leaf_at(table) & ENTRY_WRITE, 0);
    for (unsigned i = 0; i < 512 && level > 0; i++) {
        if ((entries[i] & (ENTRY_PRESENT | ENTRY_LARGE)) == ENTRY_PRESENT) {
            count += count_guarded(entries[i] & ENTRY_ADDRESS, level - 1);
        }
    }
    return count;
}

static unsigned table_count(void)
{
    return count_guarded(space.root, 3);
}

static void tables_that_are_added_are_read_only_too(void **state)
{
    unsigned before = table_count();

    (void)state;
    /* Each needs a table of its own, so that several pieces are taken. */
    for (unsigned i = 0; i < 40; i++) {
        uintptr_t vaddr = ELSEWHERE + i * 2 * MIB;

        assert_int_equal(
            guarded_space_map(&space, vaddr, (uintptr_t)memory, PAGE_BYTES, PAGING_WRITE), 0);
        assert_int_equal(address_space_translate(&space, vaddr), (uintptr_t)memory);
        assert_int_equal(cr0, CR0_OTHERS | CR0_WRITE_PROTECT);
    }
    assert_in_range(table_count(), before + 42, before + 44);
}

static void one_change_may_need_more_tables_than_are_taken_at_a_time(void **state)
{
    (void)state;
    assert_int_equal(guarded_space_map(&space, ELSEWHERE + PAGE_BYTES, 0, 80 * MIB, PAGING_WRITE),
                     0);
    for (uint64_t i = 0; i < 80 * MIB; i += PAGE_BYTES) {
        assert_int_equal(address_space_translate(&space, ELSEWHERE + PAGE_BYTES + i), i);
    }
    (void)table_count();
}

/* Also where the tables for it come from the large page that it cuts up. */
static void pages_that_lose_the_right_to_write_keep_what_surrounds_them(void **state)
{
    uint8_t *ring = memory + MEMORY_BYTES - 16 * KIB;

    (void)state;
    taken_bytes = MEMORY_BYTES - 256 * KIB;
    *ring = 1;
    assert_int_equal(guarded_space_make_read_only(&space, ring, 8 * KIB), 0);
    assert_true(flush_count > 0);
    assert_int_equal(leaf_at((uintptr_t)ring) & ENTRY_WRITE, 0);
    assert_int_equal(leaf_at((uintptr_t)ring + 4 * KIB) & ENTRY_WRITE, 0);
    assert_int_equal(leaf_at((uintptr_t)ring + 8 * KIB) & ENTRY_WRITE, ENTRY_WRITE);
    assert_int_equal(leaf_at((uintptr_t)ring - 4 * KIB) & ENTRY_WRITE, ENTRY_WRITE);
    (void)table_count();
}

static void what_is_unmapped_is_flushed(void **state)
{
    (void)state;
    assert_int_equal(guarded_space_map(&space, ELSEWHERE, 0, 8 * KIB, PAGING_WRITE), 0);
    flush_count = 0;
    guarded_space_unmap(&space, ELSEWHERE, 4 * KIB);
    assert_int_equal(flush_count, 1);
    assert_int_equal(cr0, CR0_OTHERS | CR0_WRITE_PROTECT);
    assert_int_equal(address_space_translate(&space, ELSEWHERE), ADDRESS_SPACE_NONE);
}

static void pages_are_given_other_memory_and_rights_and_flushed_one_by_one(void **state)
{
    uintptr_t vaddr = ELSEWHERE + 4 * KIB;

    (void)state;
    assert_int_equal(guarded_space_map(&space, ELSEWHERE, 0, 16 * KIB, PAGING_WRITE), 0);
    flush_count = page_flush_count = 0;
    guarded_space_replace(&space, vaddr, 64 * KIB, 8 * KIB, PAGING_READ);
    assert_int_equal(flush_count, 0);
    assert_int_equal(page_flush_count, 2);
    assert_int_equal(flushed_page, vaddr + 4 * KIB);
    for (unsigned i = 0; i < 2; i++) {
        uintptr_t at = vaddr + i * PAGE_BYTES;

        assert_int_equal(address_space_translate(&space, at), 64 * KIB + i * PAGE_BYTES);
        assert_int_equal(leaf_at(at) & (ENTRY_PRESENT | ENTRY_WRITE), ENTRY_PRESENT);
    }
    assert_int_equal(address_space_translate(&space, ELSEWHERE), 0);
    assert_int_equal(leaf_at(ELSEWHERE + 12 * KIB) & ENTRY_WRITE, ENTRY_WRITE);
    assert_int_equal(cr0, CR0_OTHERS | CR0_WRITE_PROTECT);
    guarded_space_replace(&space, vaddr, 64 * KIB, 4 * KIB, PAGING_WRITE);
    assert_int_equal(leaf_at(vaddr) & ENTRY_WRITE, ENTRY_WRITE);
    expect_assert_failure(
        guarded_space_replace(&space, ELSEWHERE + 16 * KIB, 0, 4 * KIB, PAGING_READ));
}

static void without_pages_nothing_is_changed(void **state)
{
    (void)state;
    memory_bytes = taken_bytes;
    assert_int_equal(guarded_space_map(&space, ELSEWHERE, 0, PAGE_BYTES, PAGING_WRITE), -ENOMEM);
    assert_int_equal(guarded_space_make_read_only(&space, memory + 2 * MIB, PAGE_BYTES), -ENOMEM);
    assert_int_equal(leaf_at((uintptr_t)memory + 2 * MIB) & ENTRY_WRITE, ENTRY_WRITE);
    assert_int_equal(cr0, CR0_OTHERS | CR0_WRITE_PROTECT);
}

static void tables_that_could_be_written_already_are_a_failure(void **state)
{
    (void)state;
    cr0 = CR0_OTHERS;
    expect_assert_failure(assert_int_equal(
        guarded_space_map(&space, ELSEWHERE, 0, PAGE_BYTES, PAGING_WRITE), -ENOMEM));
    expect_assert_failure(guarded_space_unmap(&space, ELSEWHERE, PAGE_BYTES));
}

#define TEST(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(tables_that_are_added_are_read_only_too),
        TEST(one_change_may_need_more_tables_than_are_taken_at_a_time),
        TEST(pages_that_lose_the_right_to_write_keep_what_surrounds_them),
        TEST(what_is_unmapped_is_flushed),
        TEST(pages_are_given_other_memory_and_rights_and_flushed_one_by_one),
        TEST(without_pages_nothing_is_changed),
        TEST(tables_that_could_be_written_already_are_a_failure),
    };
    uint8_t *area = mmap(NULL, MEMORY_BYTES + 2 * MIB, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    memory = (uint8_t *)ALIGN_UP((uintptr_t)area, (uintptr_t)(2 * MIB));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
