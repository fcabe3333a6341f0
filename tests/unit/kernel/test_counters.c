/* SPDX-License-Identifier: MIT */
/* sources: kernel/message/status.c kernel/message/channel.c */
/* sources: tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
/*
 * Tests counters (kernel/message/status.c), and the table of the kernel's own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/message/counters.h"
#include "kernel/message/status.h"
#include "tests/unit/world/fake_platform.h"

static void a_counter_is_read_from_the_page_of_its_node(void **state)
{
    (void)state;
    fake_platform_reset(0, 2);
    counter_add(COUNTER_BLOCK(1) + 1, 7);
    fake_status_page(1)->counters[COUNTER_BLOCK(1) + 1] = 9;
    assert_int_equal(counter_read(0, COUNTER_BLOCK(1)), 0);
    assert_int_equal(counter_read(0, COUNTER_BLOCK(1) + 1), 7);
    assert_int_equal(counter_read(1, COUNTER_BLOCK(1) + 1), 9);
    expect_assert_failure(counter_read(0, COUNTER_MAX));
}

static void the_kernels_own_are_named_in_its_block(void **state)
{
    unsigned table_count = 0;

    (void)state;
    LINKER_SET_EACH(counter_tables, struct counter_table, table)
    {
        table_count++;
        assert_int_equal((*table)->first, COUNTER_BLOCK(0));
        assert_string_equal((*table)->names[COUNTER_SLEEPS].name, "node_sleeps_total");
    }
    assert_int_equal(table_count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_kernels_own_are_named_in_its_block),
        cmocka_unit_test(a_counter_is_read_from_the_page_of_its_node),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
