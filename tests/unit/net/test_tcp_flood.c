/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/half_open_world.c */
/*
 * Tests what many strangers may cost, and that others are served meanwhile.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/message/status.h"
#include "libc/core/bytes.h"
#include "net/counters.h"
#include "net/transport/counters.h"
#include "net/transport/hash.h"
#include "net/transport/tcp/cookie.h"
#include "net/transport/tcp/flood.h"
#include "net/transport/tcp/half_open.h"
#include "net/transport/tcp/half_open_table.h"
#include "net/transport/tcp/segment.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/half_open_world.h"

/* Numbers of clients that nobody else has. */
#define REAL_CLIENT 900000u

/* SYNs of clients `first` on, each in a round of its own, and no time passes. */
static void flood(unsigned first, unsigned count)
{
    for (unsigned i = first; i < first + count; i++) {
        struct flow flow = world_flow(i);

        (void)world_syn(&flow, i, NULL);
        flood_end_round();
    }
}

/* Whether a client that nobody knows yet is served. */
static bool serve(unsigned number)
{
    struct flow flow = world_flow(number);
    unsigned sent_count = world.sent_count;

    (void)world_syn(&flow, number, NULL);
    return world.sent_count == sent_count + 1 && world_acknowledge(&flow);
}

/* --- A hundred thousand SYNs --- */

static void a_flood_takes_three_quarters_of_the_entries_and_the_others_get_cookies(void **state)
{
    (void)state;
    flood(0, FLOOD_COOKIES_FROM);
    assert_int_equal(half_open_count(), FLOOD_COOKIES_FROM);
    assert_int_equal(world_counted(COUNTER_COOKIES_SENT), 0);
    assert_int_equal(world.overload_counts[OVERLOAD_COOKIES], 0);
    flood(FLOOD_COOKIES_FROM, 100000 - FLOOD_COOKIES_FROM);
    assert_int_equal(half_open_count(), FLOOD_COOKIES_FROM);
    assert_int_equal(world.sent_count, 100000);
    assert_int_equal(world_counted(COUNTER_COOKIES_SENT), 100000 - FLOOD_COOKIES_FROM);
    assert_int_equal(world.overload_counts[OVERLOAD_COOKIES], 100000 - FLOOD_COOKIES_FROM);

    /* And a real one. */
    assert_true(serve(REAL_CLIENT));
    assert_int_equal(world.opened.irs, REAL_CLIENT);
    assert_int_equal(world.opened.mss, 1460);
    assert_int_equal(world.opened.snd_scale, 7);
    assert_true(world.opened.has_sack);
    assert_int_equal(world.opened.acceptor.node, NODE_NONE);
    assert_int_equal(world_counted(COUNTER_COOKIES_RETURNED), 1);
}

/* The messages are for those who come back. */
static void an_acceptor_is_asked_for_while_half_of_the_entries_are_free(void **state)
{
    (void)state;
    flood(0, HALF_OPEN_ASKED_MAX);
    assert_int_equal(world.asked_count, HALF_OPEN_ASKED_MAX);
    flood(HALF_OPEN_ASKED_MAX, 10000);
    assert_int_equal(world.asked_count, HALF_OPEN_ASKED_MAX);
    assert_true(serve(REAL_CLIENT));
    assert_false(world.opened.is_acceptor_due);
    half_open_world_pass(10 * NS_PER_S);
    flood(0, 1);
    assert_int_equal(world.asked_count, HALF_OPEN_ASKED_MAX + 1);
}

/* 20,000 SYNs a second for 20 s, and a client each 10 ms. */
static void clients_are_served_throughout_a_flood(void **state)
{
    unsigned served_count = 0;
    unsigned number = 0;

    (void)state;
    for (unsigned i = 0; i < 2000; i++) {
        flood(number, 200);
        number += 200;
        half_open_world_pass(10 * NS_PER_MS);
        served_count += serve(REAL_CLIENT + i);
    }
    assert_int_equal(served_count, 2000);
    assert_true(half_open_count() <= FLOOD_COOKIES_FROM);
    assert_int_equal(world_counted(COUNTER_DROP_SYN_LIMIT), 0);
}

/* What an entry holds while others get cookies is kept. */
static void handshakes_that_began_before_a_flood_complete_in_it(void **state)
{
    struct flow flow = world_flow(REAL_CLIENT);
    struct packet ack;
    bool is_known;

    (void)state;
    (void)world_syn(&flow, 77, NULL);
    ack = world_packet(&flow, TCP_FLAG_ACK, 78, world.sent.sequence + 1);
    flood(0, 10000);
    assert_true(world_segment(&ack, &is_known));
    assert_int_equal(world_counted(COUNTER_COOKIES_RETURNED), 0);
}

/* --- When cookies begin and end --- */

static void cookies_end_when_entries_are_free_and_it_has_been_quiet(void **state)
{
    (void)state;
    flood(0, FLOOD_COOKIES_FROM + 2000);
    assert_int_equal(world_counted(COUNTER_COOKIES_SENT), 2000);
    half_open_world_pass(6 * NS_PER_S); /* quiet, but the entries are there */
    flood(200000, 1);
    assert_int_equal(world_counted(COUNTER_COOKIES_SENT), 2001);
    half_open_world_pass(NS_PER_S + 100 * NS_PER_MS);
    assert_int_equal(half_open_count(), 0);
    flood(200001, 1); /* free, but not for long enough */
    assert_int_equal(world_counted(COUNTER_COOKIES_SENT), 2002);
    half_open_world_pass(NS_PER_S);
    flood(200002, 1);
    assert_int_equal(world_counted(COUNTER_COOKIES_SENT), 2002);
    assert_int_equal(half_open_count(), 1);
}

/* More than entries could have held in that time. */
static void cookies_go_on_while_too_many_are_not_answered(void **state)
{
    unsigned number = 0;

    (void)state;
    flood(0, FLOOD_COOKIES_FROM);
    for (unsigned i = 0; i < 1000; i++) {
        flood(10000 + number, 10);
        number += 10;
        half_open_world_pass(10 * NS_PER_MS);
    }
    assert_int_equal(half_open_count(), 0);
    assert_int_equal(world_counted(COUNTER_COOKIES_SENT), number);
}

/* A busy server is none that is flooded. */
static void cookies_end_while_clients_come_and_answer(void **state)
{
    unsigned served_count = 0;

    (void)state;
    flood(0, FLOOD_COOKIES_FROM);
    for (unsigned i = 0; i < 1000; i++) {
        for (unsigned j = 0; j < 10; j++) {
            served_count += serve(10000 + 10 * i + j);
        }
        half_open_world_pass(10 * NS_PER_MS);
    }
    assert_int_equal(served_count, 10000);
    assert_in_range(world_counted(COUNTER_COOKIES_RETURNED), 6000, 9000);
    assert_int_equal(world_counted(COUNTER_COOKIES_RETURNED), world_counted(COUNTER_COOKIES_SENT));
}

/* A flow that TIME_WAIT knows is no spoofed one, and its number has a floor, which a cookie has
 * not.
 */
static void a_flow_from_time_wait_has_an_entry_while_there_are_any(void **state)
{
    unsigned left_count = HALF_OPEN_MAX - FLOOD_COOKIES_FROM;

    (void)state;
    flood(0, FLOOD_COOKIES_FROM + 1);
    assert_int_equal(world_counted(COUNTER_COOKIES_SENT), 1);
    for (unsigned i = 0; i <= left_count; i++) {
        struct flow flow = world_flow(100000 + i);
        struct packet syn = world_packet(&flow, TCP_FLAG_SYN, 1, 0);
        struct segment segment = world_segment_of(&syn);

        syn.bytes = (const uint8_t[PACKET_TCP_OFFSET + TCP_HEADER_MAX_BYTES]){0};
        world_syn_segment(&segment, 5, true);
        flood_end_round();
    }
    assert_int_equal(half_open_count(), HALF_OPEN_MAX);
    assert_int_equal(world_counted(COUNTER_COOKIES_SENT), 2); /* the last one */
}

/* --- One remote address --- */

static void one_address_has_64_entries_and_then_cookies(void **state)
{
    struct flow flow = world_flow(5);
    struct packet reset;
    bool is_known;

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        flow.remote_port = swap16((uint16_t)(1024 + i));
        (void)world_syn(&flow, i, NULL);
        flood_end_round();
    }
    assert_int_equal(half_open_count(), HALF_OPEN_MAX_PER_PEER);
    assert_int_equal(world_counted(COUNTER_COOKIES_SENT), 1000 - HALF_OPEN_MAX_PER_PEER);
    assert_int_equal(world.overload_counts[OVERLOAD_COOKIES], 0); /* no flood */
    assert_true(world_acknowledge(&flow));                        /* served, nevertheless */

    /* Others have their own. */
    flood(100, 1);
    assert_int_equal(half_open_count(), HALF_OPEN_MAX_PER_PEER + 1);

    /* One that ends makes room for one. */
    flow.remote_port = swap16(1024);
    reset = world_packet(&flow, TCP_FLAG_RST, 1, 0);
    assert_false(world_segment(&reset, &is_known));
    (void)world_syn(&flow, 0, NULL);
    flow.remote_port = swap16(1024 + 999);
    (void)world_syn(&flow, 0, NULL);
    assert_int_equal(half_open_count(), HALF_OPEN_MAX_PER_PEER + 1);
    assert_int_equal(world_counted(COUNTER_COOKIES_SENT), 1001 - HALF_OPEN_MAX_PER_PEER);
}

/* Of addresses that are neighbours, or differ in their upper bits only: each is counted alone. */
static void addresses_are_not_taken_for_one_another(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3000; i++) {
        struct flow flow = world_flow(1);

        flow.remote_address = i < 1500 ? swap32(0x0A000100 + i) : swap32((i << 16) + 5);
        (void)half_open_table_add(&flow, flow_hash(&flow), 0);
    }
    for (unsigned i = 0; i < 3000; i++) {
        uint32_t address = i < 1500 ? swap32(0x0A000100 + i) : swap32((i << 16) + 5);

        assert_in_range(half_open_table_count_of(address), 1, HALF_OPEN_MAX_PER_PEER / 4);
    }
    world_forget();
    assert_int_equal(half_open_table_count_of(swap32(0x0A000100)), 0);
}

/* --- The table --- */

/* Flows that the hash puts in one bucket: found, and removed from any place of its chain. */
static void flows_of_one_bucket_are_kept_apart(void **state)
{
    struct flow flows[4];
    unsigned count = 0;
    uint32_t bucket = 0;

    (void)state;
    for (unsigned i = 0; count < 4; i++) {
        struct flow flow = world_flow(i);
        uint32_t hash = flow_hash(&flow) & (HALF_OPEN_MAX - 1);

        bucket = i == 0 ? hash : bucket;
        if (hash == bucket) {
            flows[count++] = flow;
        }
    }
    for (unsigned removed = 0; removed < 4; removed++) {
        for (unsigned i = 0; i < 4; i++) {
            assert_non_null(half_open_table_add(&flows[i], flow_hash(&flows[i]), i));
        }
        half_open_table_remove(half_open_table_find(&flows[removed]));
        for (unsigned i = 0; i < 4; i++) {
            struct half_open *entry = half_open_table_find(&flows[i]);

            assert_int_equal(entry == NULL, i == removed);
            assert_true(entry == NULL ||
                        memcmp(&entry->handshake.flow, &flows[i], sizeof(flows[i])) == 0);
        }
        for (unsigned i = 0; i < 4; i++) {
            if (i != removed) {
                half_open_table_remove(half_open_table_find(&flows[i]));
            }
        }
        assert_int_equal(half_open_table_count(), 0);
    }
}

static void a_full_table_has_no_place_until_one_is_free(void **state)
{
    struct flow flow;

    (void)state;
    for (unsigned i = 0; i < HALF_OPEN_MAX; i++) {
        flow = world_flow(i);
        assert_non_null(half_open_table_add(&flow, flow_hash(&flow), i));
    }
    flow = world_flow(HALF_OPEN_MAX);
    assert_null(half_open_table_add(&flow, flow_hash(&flow), HALF_OPEN_MAX));
    for (unsigned i = 0; i < HALF_OPEN_MAX; i++) {
        struct half_open *first = half_open_table_first(0);

        assert_int_equal(first->handshake.opened_ns, i); /* in the order in which they came */
        half_open_table_remove(first);
        assert_int_equal(half_open_table_count(), HALF_OPEN_MAX - 1);
        assert_non_null(half_open_table_add(&flow, flow_hash(&flow), HALF_OPEN_MAX + i));
        half_open_table_move(half_open_table_find(&flow), 2);
        flow = world_flow(HALF_OPEN_MAX + 1 + i);
    }
    assert_null(half_open_table_first(0));
    world_forget();
}

/* --- Budgets --- */

static void syns_beyond_a_rounds_budget_are_dropped(void **state)
{
    (void)state;
    for (unsigned i = 0; i < FLOOD_SYNS_A_ROUND + 50; i++) {
        struct flow flow = world_flow(i);

        (void)world_syn(&flow, i, NULL);
    }
    assert_int_equal(world.sent_count, FLOOD_SYNS_A_ROUND);
    assert_int_equal(world_counted(COUNTER_DROP_SYN_LIMIT), 50);
    assert_int_equal(world.overload_counts[OVERLOAD_SYNS], 50);
    flood_end_round();
    assert_true(serve(REAL_CLIENT));
}

/* While cookies are out, an ACK flood is checked for them, so many a round; beyond that nobody is
 * reset, because one of them might be real. */
static void acknowledgements_beyond_a_rounds_budget_are_dropped_unchecked(void **state)
{
    bool is_known;

    (void)state;
    flood(0, FLOOD_COOKIES_FROM + 1);
    for (unsigned i = 0; i < FLOOD_CHECKS_A_ROUND + 50; i++) {
        struct flow flow = world_flow(500000 + i);
        struct packet packet = world_packet(&flow, TCP_FLAG_ACK, i, i);

        assert_false(world_segment(&packet, &is_known));
        assert_int_equal(is_known, i >= FLOOD_CHECKS_A_ROUND);
    }
    assert_int_equal(world_counted(COUNTER_COOKIES_REFUSED), FLOOD_CHECKS_A_ROUND);
    assert_int_equal(world_counted(COUNTER_COOKIES_UNCHECKED), 50);
    flood_end_round();
    assert_true(serve(REAL_CLIENT));
}

/* Nothing is checked for what nobody has got: no hash is spent. */
static void acknowledgements_are_checked_for_64_s_after_the_last_cookie_only(void **state)
{
    struct flow flow = world_flow(500000);
    struct packet packet = world_packet(&flow, TCP_FLAG_ACK, 1, 1);
    bool is_known;

    (void)state;
    assert_false(world_segment(&packet, &is_known));
    assert_int_equal(world_counted(COUNTER_COOKIES_REFUSED), 0);
    flood(0, FLOOD_COOKIES_FROM + 1);
    half_open_world_pass(COOKIE_LIFETIME_NS - 1);
    assert_false(world_segment(&packet, &is_known));
    assert_int_equal(world_counted(COUNTER_COOKIES_REFUSED), 1);
    packet.tcp_flags = TCP_FLAG_RST | TCP_FLAG_ACK;
    assert_false(world_segment(&packet, &is_known));
    packet.tcp_flags = TCP_FLAG_SYN | TCP_FLAG_ACK;
    assert_false(world_segment(&packet, &is_known));
    packet.tcp_flags = TCP_FLAG_FIN;
    assert_false(world_segment(&packet, &is_known));
    half_open_world_pass(1);
    packet.tcp_flags = TCP_FLAG_ACK;
    assert_false(world_segment(&packet, &is_known));
    assert_int_equal(world_counted(COUNTER_COOKIES_REFUSED), 1);
    assert_false(is_known);
}

static void a_cookie_without_room_is_dropped_and_opens_later(void **state)
{
    struct flow flow = world_flow(REAL_CLIENT);

    (void)state;
    flood(0, FLOOD_COOKIES_FROM + 1);
    (void)world_syn(&flow, 7, NULL);
    world.has_no_memory = true;
    assert_false(world_acknowledge(&flow));
    world.has_no_memory = false;
    world.is_table_full = true;
    assert_false(world_acknowledge(&flow));
    world.is_table_full = false;
    assert_int_equal(world.refused_count, 0);
    assert_int_equal(world_counted(COUNTER_COOKIES_RETURNED), 0);
    assert_true(world_acknowledge(&flow));
    assert_int_equal(world_counted(COUNTER_COOKIES_RETURNED), 1);
}

#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(name, half_open_world_set_up, half_open_world_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_flood_takes_three_quarters_of_the_entries_and_the_others_get_cookies),
        TEST(an_acceptor_is_asked_for_while_half_of_the_entries_are_free),
        TEST(clients_are_served_throughout_a_flood),
        TEST(handshakes_that_began_before_a_flood_complete_in_it),
        TEST(cookies_end_when_entries_are_free_and_it_has_been_quiet),
        TEST(cookies_go_on_while_too_many_are_not_answered),
        TEST(cookies_end_while_clients_come_and_answer),
        TEST(a_flow_from_time_wait_has_an_entry_while_there_are_any),
        TEST(one_address_has_64_entries_and_then_cookies),
        TEST(addresses_are_not_taken_for_one_another),
        TEST(flows_of_one_bucket_are_kept_apart),
        TEST(a_full_table_has_no_place_until_one_is_free),
        TEST(syns_beyond_a_rounds_budget_are_dropped),
        TEST(acknowledgements_beyond_a_rounds_budget_are_dropped_unchecked),
        TEST(acknowledgements_are_checked_for_64_s_after_the_last_cookie_only),
        TEST(a_cookie_without_room_is_dropped_and_opens_later),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
