/* SPDX-License-Identifier: MIT */
/* sources: net/current_configuration.c net/configuration.c net/placement.c */
/* sources: libc/core/command_line.c libc/core/format.c */
/*
 * Tests net/current_configuration.c: who may act for all, by what the status pages say.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "net/configuration.h"

#define NODES 6u

static enum node_state states[NODES];
static uint32_t incarnations[NODES];
static uint32_t orders[NODES];
static uint64_t now_ns;
static node_id_t self;
static void (*told)(node_id_t node);
static void (*told_up)(node_id_t node);
static struct configuration configuration;

_Noreturn void platform_panic(const char *file, int line, const char *format, ...)
{
    (void)file;
    (void)line;
    (void)format;
    abort();
}

unsigned platform_node_count(void)
{
    return NODES;
}

enum node_state status_node_state(node_id_t node)
{
    assert_in_range(node, 0, NODES - 1);
    return states[node];
}

uint32_t status_incarnation(node_id_t node)
{
    assert_in_range(node, 0, NODES - 1);
    return incarnations[node];
}

uint32_t status_start_order(node_id_t node)
{
    assert_in_range(node, 0, NODES - 1);
    return orders[node];
}

node_id_t platform_node(void)
{
    return self;
}

/* Whoever waits sees node 3 run at last. */
uint64_t platform_now_ns(void)
{
    now_ns += NS_PER_MS;
    if (now_ns == 30 * NS_PER_MS && states[3] == NODE_STARTING) {
        states[3] = NODE_RUNNING;
    }
    return now_ns;
}

void dispatch_register_node_up(void (*handler)(node_id_t node))
{
    told_up = handler;
}

void dispatch_register_node_down(void (*handler)(node_id_t node))
{
    told = handler;
}

/* Nodes 0 and 1 are CMs, 2 and 3 LSs, 4 and 5 TSs. */
static int start(void **state)
{
    char reason[64];

    (void)state;
    for (unsigned i = 0; i < NODES; i++) {
        states[i] = NODE_RUNNING;
        incarnations[i] = 1;
        orders[i] = 0;
    }
    told = told_up = NULL;
    now_ns = 0;
    self = 0;
    if (configuration_parse(&configuration, "pika=CM2+LS2+TS2 app=none", NODES, reason,
                            sizeof(reason)) != 0) {
        return -1;
    }
    configuration_set_current(&configuration);
    return 0;
}

static void assert_only(bool (*may)(node_id_t node), int allowed)
{
    for (int i = 0; i < (int)NODES; i++) {
        assert_int_equal(may((node_id_t)i), i == allowed);
    }
}

/* A node's own word comes after the status page that shows the death before it. */
static void the_next_may_act_only_when_all_before_it_are_dead(void **state)
{
    (void)state;
    assert_true(configuration_may_speak(4));
    assert_false(configuration_may_speak(5));
    states[4] = NODE_DEAD;
    assert_true(configuration_may_speak(5));
    assert_true(configuration_may_drive_device(2));
    assert_false(configuration_may_drive_device(3));
    states[2] = NODE_DEAD;
    assert_true(configuration_may_drive_device(3));
}

static void nobody_without_the_role_may_act_for_all(void **state)
{
    (void)state;
    assert_only(configuration_may_speak, 4);
    assert_only(configuration_may_drive_device, 2);
    for (unsigned i = 2; i < NODES; i++) {
        states[i] = NODE_DEAD;
    }
    for (node_id_t node = 0; node < 2; node++) {
        assert_false(configuration_may_speak(node));
        assert_false(configuration_may_drive_device(node));
    }
}

static void a_death_changes_who_serves(void **state)
{
    (void)state;
    assert_int_equal(configuration_current()->speaker, 4);
    told(4);
    assert_int_equal(configuration_current()->speaker, 5);
    assert_true(configuration_is_dead(configuration_current(), 4));
}

static void return_as(node_id_t node, uint32_t incarnation, uint32_t order)
{
    states[node] = NODE_RUNNING;
    incarnations[node] = incarnation;
    orders[node] = order;
}

/* What it says may come before we are told that the one before it has died, which lives again. */
static void one_that_returned_unseen_is_dead_until_its_return_is_told(void **state)
{
    (void)state;
    return_as(4, 2, 2);
    assert_true(configuration_may_speak(5));
    told(4);
    told_up(4);
    assert_true(configuration_may_speak(5));
    assert_false(configuration_may_speak(4));
    assert_int_equal(configuration_current()->speaker, 5);
    told(5);
    states[5] = NODE_DEAD;
    assert_true(configuration_may_speak(4));
    assert_int_equal(configuration_current()->speaker, 4);
}

static void start_again(node_id_t node, uint32_t order)
{
    self = node;
    return_as(node, 2, order);
    configuration_set_current(&configuration);
}

static void who_starts_again_leaves_the_work_with_its_successor(void **state)
{
    (void)state;
    start_again(2, 2);
    assert_int_equal(configuration_current()->device_ls, 3);
    assert_true(configuration_may_drive_device(3));
    assert_false(configuration_may_drive_device(2));
}

static void who_starts_again_alone_has_the_work(void **state)
{
    (void)state;
    states[3] = NODE_DEAD;
    start_again(2, 2);
    assert_int_equal(configuration_current()->device_ls, 2);
    assert_true(configuration_is_dead(configuration_current(), 3));
}

static void who_starts_again_does_not_serve_yet(void **state)
{
    (void)state;
    start_again(4, 2);
    assert_int_equal(configuration_current()->flow_owners[0], 5);
    configuration_note_serving(4, ROLE_TS);
    assert_int_equal(configuration_current()->flow_owners[0], 4);
}

static void those_that_start_again_together_agree_who_was_first(void **state)
{
    (void)state;
    states[3] = NODE_STARTING;
    incarnations[3] = 2;
    orders[3] = 1;
    start_again(2, 2);
    assert_int_equal(configuration_current()->device_ls, 3);
}

static void one_that_never_gets_so_far_is_taken_for_dead(void **state)
{
    (void)state;
    now_ns = NS_PER_S;
    states[3] = NODE_STARTING;
    incarnations[3] = 2;
    orders[3] = 1;
    start_again(2, 2);
    assert_true(configuration_is_dead(configuration_current(), 3));
}

/* A word of another node can be any. */
static void one_that_does_not_say_that_it_was_away_was_away_all_the_same(void **state)
{
    (void)state;
    told(4);
    return_as(4, 2, 0);
    told_up(4);
    assert_int_equal(configuration_current()->speaker, 5);
    return_as(4, 1, 0);
    told_up(4);
    assert_int_equal(configuration_current()->speaker, 5);
}

#define TEST(name) cmocka_unit_test_setup(name, start)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_next_may_act_only_when_all_before_it_are_dead),
        TEST(nobody_without_the_role_may_act_for_all),
        TEST(a_death_changes_who_serves),
        TEST(one_that_returned_unseen_is_dead_until_its_return_is_told),
        TEST(who_starts_again_leaves_the_work_with_its_successor),
        TEST(who_starts_again_alone_has_the_work),
        TEST(who_starts_again_does_not_serve_yet),
        TEST(those_that_start_again_together_agree_who_was_first),
        TEST(one_that_never_gets_so_far_is_taken_for_dead),
        TEST(one_that_does_not_say_that_it_was_away_was_away_all_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
