/* SPDX-License-Identifier: MIT */
/* sources: libc/core/assert.c */
/*
 * libc/core/node_set.h, at the ends of its words above all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "libc/core/node_set.h"

static const unsigned edges[] = {0, 1, 62, 63, 64, 65, 127, 128, 191, 192, 254, 255};

static void members_are_those_that_were_added_and_not_removed(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(edges); i++) {
        struct node_set set = {{0}};

        node_set_add(&set, edges[i]);
        node_set_add(&set, edges[i]);
        for (unsigned node = 0; node < NODE_SET_LIMIT; node++) {
            assert_int_equal(node_set_has(&set, node), node == edges[i]);
        }
        assert_int_equal(node_set_count(&set), 1);
        assert_false(node_set_is_empty(&set));
        node_set_remove(&set, edges[i]);
        node_set_remove(&set, edges[i]);
        assert_true(node_set_is_empty(&set));
        memset(&set, 0xFF, sizeof(set));
        node_set_remove(&set, edges[i]);
        assert_int_equal(node_set_count(&set), NODE_SET_LIMIT - 1);
        assert_false(node_set_has(&set, edges[i]));
    }
}

static void a_walk_meets_each_member_once_in_order(void **state)
{
    struct node_set set = {{0}};
    unsigned index = 0;

    (void)state;
    NODE_SET_EACH(&set, node)
    {
        fail_msg("an empty set has the member %u", node);
    }
    for (unsigned i = ARRAY_COUNT(edges); i-- > 0;) {
        node_set_add(&set, edges[i]);
    }
    NODE_SET_EACH(&set, node)
    {
        assert_int_equal(node, edges[index++]);
    }
    assert_int_equal(index, ARRAY_COUNT(edges));
    assert_int_equal(node_set_count(&set), ARRAY_COUNT(edges));
}

/* From any number on, one behind the last included. */
static void the_next_member_is_the_smallest_that_is_not_below(void **state)
{
    struct node_set set = {{0}};
    unsigned expected = NODE_SET_LIMIT;

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(edges); i++) {
        node_set_add(&set, edges[i]);
    }
    assert_int_equal(node_set_next(&set, NODE_SET_LIMIT), NODE_SET_LIMIT);
    for (unsigned node = NODE_SET_LIMIT; node-- > 0;) {
        expected = node_set_has(&set, node) ? node : expected;
        assert_int_equal(node_set_next(&set, node), expected);
    }
    assert_int_equal(expected, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_those_that_were_added_and_not_removed),
        cmocka_unit_test(a_walk_meets_each_member_once_in_order),
        cmocka_unit_test(the_next_member_is_the_smallest_that_is_not_below),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
