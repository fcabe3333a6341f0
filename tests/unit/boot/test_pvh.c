/* SPDX-License-Identifier: MIT */
/* sources: boot/pvh.c boot/boot_info.c */
/* flags: -include tests/unit/world/low_direct_map.h */
/*
 * boot/pvh.c: a start info that is sound, and one whose lists lie or count as no loader's do. The
 * machine's memory is this program's, as far as it lies below 4 GiB.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "boot/boot_info.h"
#include "kernel/platform.h"

#define PAGE_COUNT 64u

/* Offsets of the start info (Xen public/arch-x86/hvm/start_info.h). */
#define VERSION      4
#define MODULE_COUNT 12
#define MODULES      16
#define COMMAND_LINE 24
#define MAP          40
#define MAP_COUNT    48

_Noreturn void pvh_start(paddr_t start_info_paddr);

static uint8_t *memory;
static struct boot_info info;
static jmp_buf has_booted;

_Noreturn void boot_main(struct boot_info *made)
{
    info = *made;
    longjmp(has_booted, 1);
}

static void put(size_t offset, uint64_t value, unsigned bytes)
{
    memcpy(memory + offset, &value, bytes);
}

static paddr_t paddr_of(size_t offset)
{
    return (uintptr_t)memory + offset;
}

static int begin(void **state)
{
    (void)state;
    if (memory == NULL) {
        memory = mmap(NULL, PAGE_COUNT * PAGE_BYTES, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
        assert_ptr_not_equal(memory, MAP_FAILED);
    }
    memset(memory, 0, PAGE_COUNT * PAGE_BYTES);
    put(0, 0x336EC578, 4);
    put(VERSION, 1, 4);
    return 0;
}

static void start(void)
{
    if (setjmp(has_booted) == 0) {
        pvh_start(paddr_of(0));
    }
}

/* A module and a range of 1 MiB each, their lists at these places. */
static void add_lists(size_t modules, size_t map)
{
    put(MODULE_COUNT, 1, 4);
    put(MODULES, paddr_of(modules), 8);
    put(modules, 0x4000000, 8);
    put(modules + 8, 4096, 8);
    put(MAP_COUNT, 1, 4);
    put(MAP, paddr_of(map), 8);
    put(map, 0x100000, 8);
    put(map + 8, 0x100000, 8);
    put(map + 16, 1, 4);
}

static void what_the_loader_says_arrives(void **state)
{
    (void)state;
    put(COMMAND_LINE, paddr_of(0x800), 8);
    strcpy((char *)memory + 0x800, "net=dhcp");
    add_lists(0x400, 0x600);
    start();
    assert_string_equal(info.loader, "PVH");
    assert_string_equal(info.command_line, "net=dhcp");
    assert_int_equal(info.module_count, 1);
    assert_int_equal(info.modules[0].paddr, 0x4000000);
    assert_int_equal(info.range_count, 1);
    assert_int_equal(info.ranges[0].range.bytes, 0x100000);
    assert_true(info.ranges[0].is_usable);
}

/* They were read as structs, which C allows at multiples of 8 only. Found by fuzzing. */
static void lists_may_lie_anywhere(void **state)
{
    (void)state;
    add_lists(0x401, 0x603);
    start();
    assert_int_equal(info.module_count, 1);
    assert_int_equal(info.modules[0].bytes, 4096);
    assert_int_equal(info.range_count, 1);
    assert_int_equal(info.ranges[0].range.paddr, 0x100000);
}

/* Four thousand million entries that all lie in memory would be gone through one by one. */
static void a_list_of_absurd_length_is_not_read(void **state)
{
    (void)state;
    add_lists(0x400, 0x600);
    put(MODULE_COUNT, 4097, 4);
    put(MAP_COUNT, 4097, 4);
    start();
    assert_int_equal(info.module_count, 0);
    assert_int_equal(info.dropped_module_count, 0);
    assert_int_equal(info.range_count, 0);
}

#define TEST(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_the_loader_says_arrives),
        TEST(lists_may_lie_anywhere),
        TEST(a_list_of_absurd_length_is_not_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
