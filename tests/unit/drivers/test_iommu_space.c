/* SPDX-License-Identifier: MIT */
/* sources: drivers/iommu/space.c tests/unit/world/fake_iommu.c tests/unit/world/panic.c */
/* flags: -DMMIO_FAKE */
/*
 * drivers/iommu/space.c against a walk through its tables, and against a list of pages.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/iommu/space.h"
#include "tests/unit/world/fake_iommu.h"

#define PAGE      UINT64_C(0x1000)
#define LARGE     UINT64_C(0x200000)
#define HUGE      UINT64_C(0x40000000)
#define MODEL     4096u /* pages */
#define RUNS      200u
#define RUN_TRIES 12u

static struct iommu_space space;

static int reset(void **state)
{
    (void)state;
    fake_iommu_reset();
    space = (struct iommu_space){.levels = 4, .map_level = 3, .is_coherent = true};
    return 0;
}

static unsigned rights_at(uint64_t address)
{
    return fake_iommu_walk(space.root, space.levels, address);
}

static void a_range_is_mapped_to_its_last_page_and_no_further(void **state)
{
    (void)state;
    assert_int_equal(iommu_space_map(&space, LARGE - PAGE, HUGE + 2 * LARGE, IOMMU_READ), 0);
    assert_int_equal(rights_at(LARGE - PAGE - 1), 0);
    for (uint64_t at = LARGE - PAGE; at < HUGE + 3 * LARGE - PAGE; at += PAGE) {
        assert_int_equal(rights_at(at), IOMMU_READ);
    }
    assert_int_equal(rights_at(HUGE + 3 * LARGE - PAGE), 0);
}

static void rights_are_added_to_those_that_are_there(void **state)
{
    (void)state;
    assert_int_equal(iommu_space_map(&space, 5 * PAGE, PAGE, IOMMU_READ | IOMMU_WRITE), 0);
    assert_int_equal(iommu_space_map(&space, 0, 2 * HUGE, IOMMU_READ), 0);
    assert_int_equal(rights_at(5 * PAGE), IOMMU_READ | IOMMU_WRITE);
    assert_int_equal(rights_at(4 * PAGE), IOMMU_READ);
    assert_int_equal(rights_at(2 * HUGE - 1), IOMMU_READ);
    assert_int_equal(iommu_space_map(&space, HUGE, HUGE, IOMMU_WRITE), 0);
    assert_int_equal(rights_at(HUGE), IOMMU_READ | IOMMU_WRITE);
}

/* Or the rest of it would get them, too. */
static void a_part_of_a_large_page_gets_no_rights_of_its_own(void **state)
{
    (void)state;
    assert_int_equal(iommu_space_map(&space, LARGE, LARGE, IOMMU_READ), 0);
    assert_int_equal(iommu_space_map(&space, LARGE + PAGE, PAGE, IOMMU_WRITE), -EEXIST);
    assert_int_equal(rights_at(LARGE + PAGE), IOMMU_READ);
    assert_int_equal(iommu_space_map(&space, LARGE + PAGE, PAGE, IOMMU_READ), 0);
}

static void what_the_levels_do_not_reach_is_refused(void **state)
{
    (void)state;
    space.levels = 3;
    assert_int_equal(iommu_space_map(&space, 512 * HUGE - PAGE, 2 * PAGE, IOMMU_READ), -ERANGE);
    assert_int_equal(iommu_space_map(&space, UINT64_MAX - PAGE + 1, PAGE, IOMMU_READ), -ERANGE);
    assert_int_equal(iommu_space_map(&space, 512 * HUGE - PAGE, PAGE, IOMMU_READ), 0);
    assert_int_equal(rights_at(512 * HUGE - 1), IOMMU_READ);
}

static void without_memory_for_a_table_it_says_so(void **state)
{
    (void)state;
    for (unsigned count = 0; count < 4; count++) {
        reset(state);
        fake_iommu_limit_tables(count);
        assert_int_equal(iommu_space_map(&space, PAGE, PAGE, IOMMU_READ), -ENOMEM);
    }
    reset(state);
    fake_iommu_limit_tables(4);
    assert_int_equal(iommu_space_map(&space, PAGE, PAGE, IOMMU_READ), 0);
    /* With large pages fewer are needed. */
    reset(state);
    fake_iommu_limit_tables(2);
    assert_int_equal(iommu_space_map(&space, HUGE, HUGE, IOMMU_READ), 0);
}

/* Ranges at random, with and without large pages, in either of two rights. */
static void many_ranges_are_what_a_list_of_pages_says(void **state)
{
    static uint8_t model[MODEL];

    srand(1);
    for (unsigned run = 0; run < RUNS; run++) {
        reset(state);
        memset(model, 0, sizeof(model));
        space.levels = 3 + run % 2;
        space.map_level = 1 + run / 2 % 3;
        space.is_coherent = run % 5 != 0;
        for (unsigned i = 0; i < RUN_TRIES; i++) {
            unsigned first = (unsigned)rand() % MODEL, count = (unsigned)rand() % 1200 + 1;
            unsigned rights = i < RUN_TRIES / 2 ? 3 : 1; /* as callers do: the larger ones first */

            count = count < MODEL - first ? count : MODEL - first;
            assert_int_equal(iommu_space_map(&space, first * PAGE, count * PAGE, rights), 0);
            for (unsigned page = first; page < first + count; page++) {
                model[page] |= (uint8_t)rights;
            }
        }
        for (unsigned page = 0; page < MODEL; page++) {
            assert_int_equal(rights_at(page * PAGE), model[page]);
        }
        assert_int_equal(rights_at(MODEL * PAGE), 0);
    }
}

#define TEST(name) cmocka_unit_test_setup(name, reset)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_range_is_mapped_to_its_last_page_and_no_further),
        TEST(rights_are_added_to_those_that_are_there),
        TEST(a_part_of_a_large_page_gets_no_rights_of_its_own),
        TEST(what_the_levels_do_not_reach_is_refused),
        TEST(without_memory_for_a_table_it_says_so),
        TEST(many_ranges_are_what_a_list_of_pages_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
