/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/dispatch_world.c tests/unit/world/steps.c */
/*
 * What a round of a node costs that has many peers, in instructions (of this build: with sanitizers
 * unless `make bench-rounds` made it). It follows the peers that say something, not those that have
 * a channel, and not those that there are.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "tests/unit/world/dispatch_world.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/steps.h"

#define ROUNDS 256u /* what comes now and then comes once */

static void run_rounds(void)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        (void)dispatch_round();
    }
}

/* Instructions in a hundred rounds, when nothing has come for long. */
static uint64_t idle_cost(unsigned node_count, unsigned open_count)
{
    fake_platform_reset(NODE, node_count);
    dispatch_initialise();
    dispatch_register_message(TYPE, sizeof(struct number), note_message);
    for (unsigned node = 0; node < node_count && open_count > 0; node++) {
        if (node != NODE) {
            deliver_number((node_id_t)node, node);
            open_count--;
        }
    }
    assert_int_equal(open_count, 0);
    handled_count = 0;
    for (unsigned i = 0; i < 16; i++) {
        run_rounds();
    }
    uint64_t cost = steps_count(run_rounds) * 100 / ROUNDS;

    assert_true(cost > 1000); /* a round does something */
    return cost;
}

static void print(const char *what, uint64_t cost)
{
    print_message("%-40s %3" PRIu64 ".%02" PRIu64 " instructions a round\n", what, cost / 100,
                  cost % 100);
}

static void idle_channels_cost_at_most_a_fifth_of_a_round(void **state)
{
    uint64_t one = idle_cost(NODE_MAX, 1);
    uint64_t all = idle_cost(NODE_MAX, NODE_MAX - 1);

    (void)state;
    print("one open idle channel", one);
    print("open idle channels from all others", all);
    assert_true(all * 10 <= one * 12);
}

static void nodes_without_a_channel_cost_nothing(void **state)
{
    uint64_t two = idle_cost(2, 0);
    uint64_t all = idle_cost(NODE_MAX, 0);

    (void)state;
    print("two nodes, no channel", two);
    print("all nodes, no channel", all);
    assert_true(all * 100 <= two * 105); /* with two, each other look is at itself */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(idle_channels_cost_at_most_a_fifth_of_a_round),
        cmocka_unit_test(nodes_without_a_channel_cost_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
