/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/half_open_world.c */
/*
 * Tests what connections before the ACK that completes their handshake refuse, lack and lose.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/message/status.h"
#include "net/counters.h"
#include "net/transport/counters.h"
#include "net/transport/hash.h"
#include "net/transport/tcp/flood.h"
#include "net/transport/tcp/half_open.h"
#include "net/transport/tcp/segment.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/half_open_world.h"

/* An answer to what comes again is due after this. */
#define ANSWER_NS (110 * NS_PER_MS)

/* --- What is refused --- */

static void an_exact_reset_ends_it(void **state)
{
    (void)state;
    (void)world_begin();
    assert_false(world_answer(TCP_FLAG_RST, 0, 0));
    assert_int_equal(half_open_count(), 0);
    assert_int_equal(world.closed_count, 1);
    assert_int_equal(world.sent_count, 1);
    assert_int_equal(world.refused_count, 0);
}

/* RFC 5961 3.2. */
static void a_reset_in_the_window_is_challenged_and_another_one_ignored(void **state)
{
    uint32_t iss = world_begin();

    (void)state;
    half_open_world_pass(ANSWER_NS);
    assert_false(world_answer(TCP_FLAG_RST, 1, 0));
    assert_int_equal(world.sent_count, 2);
    assert_int_equal(world.sent.tcp_flags, TCP_FLAG_ACK);
    assert_int_equal(world.sent.sequence, iss + 1);
    assert_int_equal(world.sent.acknowledgment, (uint32_t)(WORLD_IRS + 1));
    assert_int_equal(world.sent.window, HANDSHAKE_WINDOW_BYTES >> HANDSHAKE_SCALE);
    assert_int_equal(world.sent.option_bytes, 0);
    assert_false(world_answer(TCP_FLAG_RST, 1, 0)); /* not more often */
    assert_false(world_answer(TCP_FLAG_RST | TCP_FLAG_ACK, HANDSHAKE_WINDOW_BYTES - 1, 0));
    assert_int_equal(world.sent_count, 2);
    half_open_world_pass(ANSWER_NS);
    assert_false(world_answer(TCP_FLAG_RST, (uint32_t)-1, 0));
    assert_false(world_answer(TCP_FLAG_RST, HANDSHAKE_WINDOW_BYTES, 0));
    assert_int_equal(world.sent_count, 2);
    assert_int_equal(half_open_count(), 1);
    assert_int_equal(world_counted(COUNTER_TCP_CHALLENGES_SENT), 1);
    assert_int_equal(world_counted(COUNTER_TCP_CHALLENGES_WITHHELD), 2);
    assert_int_equal(world_counted(COUNTER_DROP_PROTOCOL), 5);
}

static void a_wrong_acknowledgement_is_refused_and_the_entry_stays(void **state)
{
    uint32_t iss = world_begin();

    (void)state;
    assert_false(world_answer(TCP_FLAG_ACK, 0, iss));
    assert_false(world_answer(TCP_FLAG_ACK, 0, iss + 2));
    assert_false(world_answer(TCP_FLAG_ACK, 0, iss + 0x80000001));
    assert_int_equal(world.refused_count, 3);
    assert_int_equal(half_open_count(), 1);
    assert_true(world_acknowledge(&world.flow));
}

static void a_segment_outside_the_window_is_told_where_we_are(void **state)
{
    uint32_t iss = world_begin();

    (void)state;
    half_open_world_pass(ANSWER_NS);
    assert_false(world_answer(TCP_FLAG_ACK, (uint32_t)-1, iss + 1));
    assert_int_equal(world.sent_count, 2);
    assert_int_equal(world.sent.tcp_flags, TCP_FLAG_ACK);
    assert_int_equal(world.sent.acknowledgment, (uint32_t)(WORLD_IRS + 1));
    half_open_world_pass(ANSWER_NS);
    assert_false(world_answer(TCP_FLAG_ACK, HANDSHAKE_WINDOW_BYTES, iss + 1));
    assert_int_equal(world.sent_count, 3);
    assert_int_equal(world.opened_count, 0);
    assert_int_equal(half_open_count(), 1);
}

static void a_segment_that_no_peer_sends_is_dropped(void **state)
{
    const uint8_t impossible[] = {
        0,
        TCP_FLAG_FIN,
        TCP_FLAG_SYN | TCP_FLAG_ACK,
        TCP_FLAG_SYN | TCP_FLAG_FIN,
        TCP_FLAG_SYN | TCP_FLAG_RST,
        TCP_FLAG_SYN | TCP_FLAG_RST | TCP_FLAG_ACK | TCP_FLAG_FIN,
    };
    uint32_t iss = world_begin();

    (void)state;
    half_open_world_pass(ANSWER_NS);
    for (unsigned i = 0; i < sizeof(impossible); i++) {
        assert_false(world_answer(impossible[i], 0, iss + 1));
        assert_int_equal(world_counted(COUNTER_DROP_PROTOCOL), i + 1);
    }
    assert_int_equal(world.sent_count, 1);
    assert_int_equal(world.refused_count, 0);
    assert_int_equal(half_open_count(), 1);
}

static void a_syn_from_nobody_is_dropped(void **state)
{
    static const uint32_t addresses[] = {
        WORLD_ADDRESS, /* land */
        0,
        0x0100007F, /* 127.0.0.1 */
        0x010000E0, /* 224.0.0.1 */
        UINT32_MAX,
        0x00000100, /* 0.1.0.0 */
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(addresses); i++) {
        world.flow.remote_address = addresses[i];
        assert_false(world_syn(&world.flow, WORLD_IRS, &world.acceptor));
        assert_int_equal(world_counted(COUNTER_DROP_PROTOCOL), i + 1);
    }
    assert_int_equal(world.sent_count, 0);
    assert_int_equal(half_open_count(), 0);
}

/* --- Without room --- */

static void a_syn_is_dropped_while_the_node_has_no_room_for_connections(void **state)
{
    (void)state;
    world.is_table_full = true;
    assert_false(world_syn(&world.flow, WORLD_IRS, &world.acceptor));
    assert_int_equal(world.sent_count, 0);
    assert_int_equal(half_open_count(), 0);
    assert_int_equal(world.asked_admission_of, world.flow.remote_address);
    world.is_table_full = false;
    (void)world_begin();
}

/* Its peer believes itself connected, and asks again with its data. */
static void an_acknowledgement_without_room_is_dropped_and_the_next_one_opens(void **state)
{
    uint32_t iss = world_begin();

    (void)state;
    world.is_table_full = true;
    assert_false(world_answer(TCP_FLAG_ACK, 0, iss + 1));
    world.is_table_full = false;
    world.has_no_memory = true;
    assert_false(world_answer(TCP_FLAG_ACK, 0, iss + 1));
    assert_int_equal(world.refused_count, 0);
    assert_int_equal(world.sent_count, 1);
    assert_int_equal(world.closed_count, 0);
    assert_int_equal(half_open_count(), 1);
    world.has_no_memory = false;
    assert_true(world_answer(TCP_FLAG_ACK, 0, iss + 1));
    assert_memory_equal(&world.opened.acceptor, &world.acceptor, sizeof(world.acceptor));
}

/* --- Nodes that die --- */

static void a_dead_applications_connections_are_nobodys(void **state)
{
    (void)state;
    (void)world_begin();
    half_open_lose_node(WORLD_NODE + 1);
    assert_int_equal(world.closed_count, 0);
    half_open_lose_node(WORLD_NODE);
    assert_int_equal(world.closed_count, 1); /* its CM has counted it */
    half_open_lose_node(WORLD_NODE);
    assert_int_equal(world.closed_count, 1);
    assert_true(world_acknowledge(&world.flow));
    assert_int_equal(world.opened.acceptor.node, NODE_NONE);
    assert_int_equal(world.opened.acceptor.assigned_by, NODE_NONE);
}

static void a_dead_managers_acceptors_are_forgotten(void **state)
{
    const struct acceptor nobody = {.node = NODE_NONE, .cm = WORLD_CM, .assigned_by = WORLD_CM};
    struct flow other = world_flow(2);

    (void)state;
    (void)world_begin();
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
    assert_false(world_syn(&world.flow, WORLD_IRS, NULL));
    half_open_lose_node(WORLD_CM);
    assert_false(half_open_assign(&world.flow, &world.acceptor, false));
    assert_true(world_acknowledge(&world.flow));
    assert_false(world.opened.is_acceptor_due);
    assert_int_equal(world.opened.acceptor.assigned_by, NODE_NONE);
}

/* It chose an acceptor of another CM's, which lives and has counted it. */
static void an_acceptor_outlives_the_manager_that_chose_it(void **state)
{
    (void)state;
    world.acceptor.assigned_by = WORLD_CM + 4;
    (void)world_begin();
    half_open_lose_node(WORLD_CM + 4);
    assert_true(world_acknowledge(&world.flow));
    assert_memory_equal(&world.opened.acceptor, &world.acceptor, sizeof(world.acceptor));
}

#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(name, half_open_world_set_up, half_open_world_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_exact_reset_ends_it),
        TEST(a_reset_in_the_window_is_challenged_and_another_one_ignored),
        TEST(a_wrong_acknowledgement_is_refused_and_the_entry_stays),
        TEST(a_segment_outside_the_window_is_told_where_we_are),
        TEST(a_segment_that_no_peer_sends_is_dropped),
        TEST(a_syn_from_nobody_is_dropped),
        TEST(a_syn_is_dropped_while_the_node_has_no_room_for_connections),
        TEST(an_acknowledgement_without_room_is_dropped_and_the_next_one_opens),
        TEST(a_dead_applications_connections_are_nobodys),
        TEST(a_dead_managers_acceptors_are_forgotten),
        TEST(a_dead_managers_answer_is_not_waited_for),
        TEST(an_acceptor_outlives_the_manager_that_chose_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
