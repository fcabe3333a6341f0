/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/half_open_world.c */
/*
 * Tests net/transport/tcp/half_open.c: who shall have the connection, which is asked for beside the
 * SYN-ACK, and the answer, which comes before the handshake is complete, or after, or never.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "net/transport/tcp/half_open.h"
#include "net/transport/tcp/segment.h"
#include "tests/unit/world/half_open_world.h"

/* An answer to what comes again is due after this. */
#define ANSWER_NS (110 * NS_PER_MS)

static struct flow flow;
static struct acceptor acceptor;

static int set_up(void **state)
{
    flow = world_flow(1);
    acceptor = world_acceptor(WORLD_NODE);
    return half_open_world_set_up(state);
}

/* A handshake of `flow` begins, with an acceptor. */
static void begin(void)
{
    assert_true(world_syn(&flow, WORLD_IRS, &acceptor));
}

/* --- The answer --- */

/* Whatever comes again of the flow. */
static void an_acceptor_is_asked_for_once(void **state)
{
    (void)state;
    assert_false(world_syn(&flow, WORLD_IRS, NULL));
    assert_int_equal(world.asked_count, 1);
    half_open_world_pass(ANSWER_NS);
    assert_false(world_syn(&flow, WORLD_IRS, NULL));
    assert_true(world_syn(&flow, WORLD_IRS + 5, &acceptor));
    assert_int_equal(world.asked_count, 1);
    assert_false(half_open_assign(&flow, &acceptor, false)); /* a second one is the caller's */
    assert_true(world_acknowledge(&flow));
    assert_memory_equal(&world.opened.acceptor, &acceptor, sizeof(acceptor));
    assert_false(world.opened.is_acceptor_due);
    assert_int_equal(world.closed_count, 0);
}

/* And its connection is to ask, whom the answer names. */
static void the_answer_may_be_that_there_is_nobody(void **state)
{
    const struct acceptor nobody = {.node = NODE_NONE, .cm = WORLD_CM, .assigned_by = WORLD_CM};

    (void)state;
    assert_true(world_syn(&flow, WORLD_IRS, &nobody));
    assert_false(half_open_assign(&flow, &acceptor, false));
    assert_true(world_acknowledge(&flow));
    assert_memory_equal(&world.opened.acceptor, &nobody, sizeof(nobody));
    assert_false(world.opened.is_acceptor_due);
}

static void a_handshake_that_is_complete_first_leaves_the_answer_to_its_connection(void **state)
{
    (void)state;
    assert_false(world_syn(&flow, WORLD_IRS, NULL));
    assert_true(world_acknowledge(&flow));
    assert_true(world.opened.is_acceptor_due);
    assert_int_equal(world.opened.acceptor.node, NODE_NONE);
    assert_int_equal(world.opened.acceptor.assigned_by, WORLD_CM);
    assert_false(half_open_assign(&flow, &acceptor, false));
}

/* The one before it of the same flow may have ended meanwhile. */
static void an_answer_that_comes_too_late_is_the_callers(void **state)
{
    struct flow other = world_flow(2);

    (void)state;
    assert_false(half_open_assign(&flow, &acceptor, false));
    assert_false(world_syn(&flow, WORLD_IRS, NULL));
    assert_false(half_open_assign(&other, &acceptor, false));
    half_open_world_pass(8 * NS_PER_S);
    assert_int_equal(half_open_count(), 0);
    assert_false(half_open_assign(&flow, &acceptor, false));
    assert_int_equal(world.closed_count, 0); /* it has never had one */
}

/* Nobody serves the port any more: the next segment of the peer is refused. */
static void a_refusal_forgets_the_handshake(void **state)
{
    const struct acceptor nobody = {.node = NODE_NONE, .cm = WORLD_CM, .assigned_by = WORLD_CM};
    struct packet packet;
    bool is_known;

    (void)state;
    assert_false(world_syn(&flow, WORLD_IRS, NULL));
    assert_true(half_open_assign(&flow, &nobody, true));
    assert_int_equal(half_open_count(), 0);
    assert_int_equal(world.closed_count, 0);
    packet = world_packet(&flow, TCP_FLAG_ACK, WORLD_IRS + 1, world.sent.sequence + 1);
    assert_false(world_segment(&packet, &is_known));
    assert_false(is_known);
}

/* Its connection asks then: the peer need not wait for our channels. */
static void a_handshake_goes_on_when_nobody_can_be_asked(void **state)
{
    (void)state;
    world.is_manager_full = true;
    assert_false(world_syn(&flow, WORLD_IRS, &acceptor));
    assert_int_equal(world.sent_count, 1);
    assert_true(world_acknowledge(&flow));
    assert_int_equal(world.opened.acceptor.node, NODE_NONE);
    assert_int_equal(world.opened.acceptor.assigned_by, NODE_NONE);
    assert_false(world.opened.is_acceptor_due);
}

/* --- Nodes that die --- */

static void a_dead_applications_connections_are_nobodys(void **state)
{
    (void)state;
    begin();
    half_open_lose_node(WORLD_NODE + 1);
    assert_int_equal(world.closed_count, 0);
    half_open_lose_node(WORLD_NODE);
    assert_int_equal(world.closed_count, 1); /* its CM has counted it */
    half_open_lose_node(WORLD_NODE);
    assert_int_equal(world.closed_count, 1);
    assert_true(world_acknowledge(&flow));
    assert_int_equal(world.opened.acceptor.node, NODE_NONE);
    assert_int_equal(world.opened.acceptor.assigned_by, NODE_NONE);
}

static void a_dead_managers_acceptors_are_forgotten(void **state)
{
    const struct acceptor nobody = {.node = NODE_NONE, .cm = WORLD_CM, .assigned_by = WORLD_CM};
    struct flow other = world_flow(2);

    (void)state;
    begin();
    assert_true(world_syn(&other, WORLD_IRS, &nobody));
    half_open_lose_node(WORLD_CM);
    assert_int_equal(world.closed_count, 0); /* there is nobody to be told */
    assert_true(world_acknowledge(&other));
    assert_int_equal(world.opened.acceptor.assigned_by, NODE_NONE);
    half_open_world_pass(8 * NS_PER_S);
    assert_int_equal(world.closed_count, 0);
}

static void a_dead_managers_answer_is_not_waited_for(void **state)
{
    (void)state;
    assert_false(world_syn(&flow, WORLD_IRS, NULL));
    half_open_lose_node(WORLD_CM);
    assert_false(half_open_assign(&flow, &acceptor, false));
    assert_true(world_acknowledge(&flow));
    assert_false(world.opened.is_acceptor_due);
    assert_int_equal(world.opened.acceptor.assigned_by, NODE_NONE);
}

/* It chose an acceptor of another CM's, which lives and has counted it. */
static void an_acceptor_outlives_the_manager_that_chose_it(void **state)
{
    (void)state;
    acceptor.assigned_by = WORLD_CM + 4;
    begin();
    half_open_lose_node(WORLD_CM + 4);
    assert_true(world_acknowledge(&flow));
    assert_memory_equal(&world.opened.acceptor, &acceptor, sizeof(acceptor));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, half_open_world_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_acceptor_is_asked_for_once),
        TEST(the_answer_may_be_that_there_is_nobody),
        TEST(a_handshake_that_is_complete_first_leaves_the_answer_to_its_connection),
        TEST(an_answer_that_comes_too_late_is_the_callers),
        TEST(a_refusal_forgets_the_handshake),
        TEST(a_handshake_goes_on_when_nobody_can_be_asked),
        TEST(a_dead_applications_connections_are_nobodys),
        TEST(a_dead_managers_acceptors_are_forgotten),
        TEST(a_dead_managers_answer_is_not_waited_for),
        TEST(an_acceptor_outlives_the_manager_that_chose_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
