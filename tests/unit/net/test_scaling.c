/* SPDX-License-Identifier: MIT */
/* sources: net/scaling.c net/configuration.c net/placement.c libc/core/command_line.c libc/core/format.c tests/unit/world/panic.c */
/*
 * Tests net/scaling.c: which nodes may go, and in which order they do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/configuration.h"
#include "net/scaling.h"

static struct configuration configuration;
static struct node_set staying, going;

static void run(const char *line, unsigned node_count)
{
    char reason[128];

    assert_int_equal(configuration_parse(&configuration, line, node_count, reason, sizeof(reason)),
                     0);
    staying = going = (struct node_set){{0}};
    for (unsigned node = 0; node < node_count; node++) {
        node_set_add(&staying, node);
    }
}

static enum scaling_verdict judge(node_id_t node)
{
    return scaling_judge(&configuration, &staying, 0, node);
}

/* Each time one more, until no other may go. */
static void assert_go(const node_id_t *nodes, unsigned count)
{
    unsigned found;

    for (unsigned i = 0; i < count; i++) {
        assert_true(scaling_choose(&configuration, 0, 1, &staying, &going, &found));
        assert_true(node_set_has(&going, nodes[i]));
        assert_false(node_set_has(&staying, nodes[i]));
    }
    assert_false(scaling_choose(&configuration, 0, 1, &staying, &going, &found));
    assert_int_equal(found, 0);
}

static void the_parts_of_a_configuration_shrink_alike(void **state)
{
    static const node_id_t order[] = {5, 2, 4, 1};

    (void)state;
    run("pika=TS3LS3CM3 app=httpd:3", 6);
    assert_go(order, ARRAY_COUNT(order));
    assert_int_equal(judge(3), SCALING_LAST_APPLICATION);
}

static void of_separate_servers_one_of_each_stays(void **state)
{
    static const node_id_t order[] = {9, 8, 7, 5, 3, 1};

    (void)state;
    run("pika=TS2+LS2+CM2 app=httpd:4", 10);
    /* The first of the LSs drives the card, the first of the TSs speaks. */
    assert_go(order, ARRAY_COUNT(order));
}

static void the_kind_of_which_there_is_most_goes_first(void **state)
{
    static const node_id_t order[] = {5, 4, 7, 3, 1, 2};

    (void)state;
    run("pika=TS6LS6CM2 app=httpd:2", 8);
    /* Those with a CM are another kind than those without. */
    assert_go(order, ARRAY_COUNT(order));
}

static void what_must_stay_says_why(void **state)
{
    (void)state;
    run("pika=TS2+LS2+CM1 app=httpd:1", 7);
    assert_int_equal(judge(0), SCALING_ASKS);
    assert_int_equal(scaling_judge(&configuration, &staying, 5, 0), SCALING_SPEAKS);
    assert_int_equal(judge(1), SCALING_MAY_GO);
    assert_int_equal(judge(2), SCALING_DRIVES_CARD);
    assert_int_equal(judge(4), SCALING_LAST_CM);
    assert_int_equal(judge(5), SCALING_LAST_APPLICATION);
    assert_int_equal(judge(6), SCALING_IDLE);
    node_set_remove(&staying, 3);
    assert_int_equal(judge(3), SCALING_NOT_RUNNING);
    assert_int_equal(judge(2), SCALING_LAST_LS);
    node_set_remove(&staying, 1);
    assert_int_equal(judge(0), SCALING_LAST_TS);
    for (enum scaling_verdict verdict = 0; verdict <= SCALING_LAST_APPLICATION; verdict++) {
        assert_non_null(scaling_reason(verdict));
    }
}

static void the_only_node_stays(void **state)
{
    unsigned found;

    (void)state;
    run("", 1);
    assert_int_equal(judge(0), SCALING_LAST_LS);
    assert_false(scaling_choose(&configuration, 0, 1, &staying, &going, &found));
}

/* All or nothing: nobody shall find out afterwards that it were fewer. */
static void if_there_are_fewer_than_asked_for_none_goes(void **state)
{
    const struct node_set nobody = {{0}};
    struct node_set before;
    unsigned found;

    (void)state;
    run("pika=TS3LS3CM3 app=httpd:3", 6);
    before = staying;
    assert_false(scaling_choose(&configuration, 0, 5, &staying, &going, &found));
    assert_int_equal(found, 4);
    assert_memory_equal(&staying, &before, sizeof(before));
    assert_memory_equal(&going, &nobody, sizeof(nobody));
    assert_true(scaling_choose(&configuration, 0, 4, &staying, &going, &found));
    assert_int_equal(node_set_count(&staying), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_parts_of_a_configuration_shrink_alike),
        cmocka_unit_test(of_separate_servers_one_of_each_stays),
        cmocka_unit_test(the_kind_of_which_there_is_most_goes_first),
        cmocka_unit_test(what_must_stay_says_why),
        cmocka_unit_test(the_only_node_stays),
        cmocka_unit_test(if_there_are_fewer_than_asked_for_none_goes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
