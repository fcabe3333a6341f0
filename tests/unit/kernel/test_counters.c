/* SPDX-License-Identifier: MIT */
/* sources: kernel/message/counters.c kernel/message/status.c kernel/message/channel.c */
/* sources: tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
/*
 * Tests kernel/message/counters.c: ranges of the tables that layers add.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/message/counters.h"
#include "kernel/message/status.h"
#include "tests/unit/world/fake_platform.h"

static const struct counter_name names[] = {{"a_total", "", "a"}, {"b_total", "", "b"}};

static struct counter_table added = {.count = ARRAY_COUNT(names), .names = names};
LINKER_SET_ADD(counter_tables, struct counter_table, added);

static void tables_in_blocks_of_their_own_pass(void **state)
{
    (void)state;
    fake_platform_reset(0, 1);
    added.first = COUNTER_BLOCK(1);
    counters_check();
    added.first = COUNTER_MAX - added.count;
    counters_check();
}

static void tables_that_overlap_or_exceed_the_page_are_refused(void **state)
{
    (void)state;
    fake_platform_reset(0, 1);
    added.first = COUNTER_IDLE_NS;
    expect_assert_failure(counters_check());
    added.first = COUNTER_DROP_BAD_MESSAGE;
    expect_assert_failure(counters_check());
    added.first = COUNTER_MAX - 1;
    expect_assert_failure(counters_check());
}

static const struct counter_table *other_table(void)
{
    const struct counter_table *other = NULL;

    LINKER_SET_EACH(counter_tables, struct counter_table, table)
    {
        other = *table != &added ? *table : other;
    }
    return other;
}

/* The first counter of one is the last of the other. */
static void tables_that_share_one_counter_are_refused(void **state)
{
    (void)state;
    fake_platform_reset(0, 1);
    assert_non_null(other_table());
    added.first = other_table()->first + other_table()->count - 1;
    expect_assert_failure(counters_check());
}

static void a_counter_is_read_from_the_page_of_its_node(void **state)
{
    (void)state;
    fake_platform_reset(0, 2);
    added.first = COUNTER_BLOCK(1);
    counter_add(added.first + 1, 7);
    fake_status_page(1)->counters[added.first + 1] = 9;
    assert_int_equal(counter_read(0, added.first), 0);
    assert_int_equal(counter_read(0, added.first + 1), 7);
    assert_int_equal(counter_read(1, added.first + 1), 9);
    expect_assert_failure(counter_read(0, COUNTER_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_in_blocks_of_their_own_pass),
        cmocka_unit_test(tables_that_overlap_or_exceed_the_page_are_refused),
        cmocka_unit_test(tables_that_share_one_counter_are_refused),
        cmocka_unit_test(a_counter_is_read_from_the_page_of_its_node),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
