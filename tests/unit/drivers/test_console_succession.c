/* SPDX-License-Identifier: MIT */
/* sources: drivers/console/succession.c kernel/message/status.c kernel/message/channel.c */
/* sources: tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
/*
 * Tests drivers/console/succession.c: a successor leaves the console to a dead owner as long as
 * that writes, and no longer than it would take if it worked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drivers/console/serial_output.h"
#include "drivers/console/succession.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "tests/unit/world/fake_platform.h"

static void a_dead_owner_holds_the_console_until_it_has_written(void **state)
{
    (void)state;
    fake_platform_reset(2, 3);
    assert_false(succession_is_held());
    fake_set_node_state(0, NODE_DEAD_WITH_CONSOLE);
    assert_int_equal(status_node_state(0), NODE_DEAD);
    assert_true(succession_is_held());
    fake_advance_ns(SERIAL_OUTPUT_WRITE_THROUGH_NS);
    assert_true(succession_is_held()); /* it may take so long */
    fake_set_node_state(0, NODE_DEAD);
    assert_false(succession_is_held());
}

/* One that hangs while it writes, or whose page says anything. */
static void a_dead_owner_that_never_lets_go_is_passed_over(void **state)
{
    (void)state;
    fake_platform_reset(2, 3);
    fake_set_node_state(1, NODE_DEAD_WITH_CONSOLE);
    assert_true(succession_is_held());
    fake_advance_ns(4 * SERIAL_OUTPUT_WRITE_THROUGH_NS);
    assert_false(succession_is_held());
    fake_advance_ns(NS_PER_S);
    assert_false(succession_is_held());
    fake_status_page(1)->state = UINT32_MAX;
    assert_false(succession_is_held());
}

/* All die at once: each writes after those below it, and none waits for one that waits for it. */
static void of_nodes_that_die_together_the_lower_ones_write_first(void **state)
{
    (void)state;
    for (node_id_t node = 0; node < 3; node++) {
        fake_platform_reset(node, 3);
        for (node_id_t other = 0; other < 3; other++) {
            fake_status_page(other)->state = NODE_DEAD_WITH_CONSOLE;
        }
        fake_set_clock_step_ns(NS_PER_MS);
        uint64_t start_ns = platform_now_ns();

        succession_wait_for_lower();
        uint64_t waited_ns = platform_now_ns() - start_ns;

        /* Nobody lets go here: so it is the bound, or nothing. */
        assert_true(node == 0 ? waited_ns < 10 * NS_PER_MS
                              : waited_ns >= SERIAL_OUTPUT_WRITE_THROUGH_NS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dead_owner_holds_the_console_until_it_has_written),
        cmocka_unit_test(a_dead_owner_that_never_lets_go_is_passed_over),
        cmocka_unit_test(of_nodes_that_die_together_the_lower_ones_write_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
