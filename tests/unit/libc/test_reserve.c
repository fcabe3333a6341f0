/* SPDX-License-Identifier: MIT */
/* sources: libc/core/reserve.c */
/*
 * Tests libc/core/reserve.c with memory that runs out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "libc/core/memory.h"
#include "libc/core/reserve.h"

#define BLOCK_COUNT 3

struct block {
    uint64_t words[5];
};

static struct block blocks[BLOCK_COUNT];
static struct block memory;
static unsigned memory_count; /* blocks that there are, at most one */

MEMORY_KIND(kind, "test");

void *memory_allocate(const struct memory_kind *asked, size_t bytes)
{
    assert_ptr_equal(asked, &kind);
    assert_int_equal(bytes, sizeof(struct block));
    return memory_count > 0 && memory_count-- > 0 ? &memory : NULL;
}

void memory_release(const struct memory_kind *released, void *block)
{
    assert_ptr_equal(released, &kind);
    assert_ptr_equal(block, &memory);
    memory_count++;
}

static struct reserve reserve;

static int begin(void **state)
{
    (void)state;
    memory_count = 0;
    reserve_initialise(&reserve, &kind, blocks, sizeof(blocks[0]), BLOCK_COUNT);
    return 0;
}

static void memory_comes_first_and_goes_back_there(void **state)
{
    (void)state;
    memory_count = 1;
    assert_ptr_equal(reserve_take(&reserve), &memory);
    assert_ptr_not_equal(reserve_take(&reserve), &memory);
    reserve_release(&reserve, &memory);
    assert_int_equal(memory_count, 1);
    assert_ptr_equal(reserve_take(&reserve), &memory);
}

static void without_memory_each_block_of_the_reserve_is_given_once(void **state)
{
    unsigned given[BLOCK_COUNT] = {0};

    (void)state;
    for (unsigned i = 0; i < BLOCK_COUNT; i++) {
        struct block *block = reserve_take(&reserve);

        assert_in_range(block - blocks, 0, BLOCK_COUNT - 1);
        given[block - blocks]++;
        block->words[0] = UINT64_MAX; /* it is the taker's, all of it */
    }
    for (unsigned i = 0; i < BLOCK_COUNT; i++) {
        assert_int_equal(given[i], 1);
    }
    assert_null(reserve_take(&reserve));
    reserve_release(&reserve, &blocks[1]);
    assert_ptr_equal(reserve_take(&reserve), &blocks[1]);
    assert_null(reserve_take(&reserve));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(memory_comes_first_and_goes_back_there, begin),
        cmocka_unit_test_setup(without_memory_each_block_of_the_reserve_is_given_once, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
