/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/half_open_world.c */
/*
 * Tests connections before the ACK that completes their handshake. What happens when there are
 * many: test_tcp_flood.c.
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

/* --- The way it goes --- */

static void a_syn_is_answered_with_what_both_sides_can_do(void **state)
{
    struct tcp_options options;

    (void)state;
    (void)world_begin();
    assert_int_equal(world.sent_count, 1);
    assert_int_equal(half_open_count(), 1);
    assert_memory_equal(&world.sent.flow, &world.flow, sizeof(world.flow));
    assert_int_equal(world.sent.tcp_flags, TCP_FLAG_SYN | TCP_FLAG_ACK);
    assert_int_equal(world.sent.acknowledgment, (uint32_t)(WORLD_IRS + 1));
    assert_int_equal(world.sent.window, HANDSHAKE_WINDOW_BYTES);
    tcp_options_parse(&options, world.sent.options, world.sent.option_bytes);
    assert_int_equal(options.mss, HANDSHAKE_MSS);
    assert_true(options.has_scale);
    assert_int_equal(options.scale, HANDSHAKE_SCALE);
    assert_true(options.is_sack_permitted);
}

/* RFC 7323 2.2, RFC 2018 2. */
static void what_the_peer_does_not_offer_is_not_used(void **state)
{
    struct tcp_options options;

    (void)state;
    (void)world_syn_with(&world.flow, WORLD_IRS, (const uint8_t *)"", 0);
    tcp_options_parse(&options, world.sent.options, world.sent.option_bytes);
    assert_int_equal(options.mss, HANDSHAKE_MSS);
    assert_false(options.has_scale);
    assert_false(options.is_sack_permitted);
    assert_true(world_acknowledge(&world.flow));
    assert_int_equal(world.opened.mss, TCP_OPTION_MSS_DEFAULT);
    assert_int_equal(world.opened.snd_scale, 0);
    assert_int_equal(handshake_rcv_scale(&world.opened), 0);
    assert_int_equal(world.completion.snd_window_bytes, 1000);
    assert_false(world.opened.has_sack);
}

static void an_acknowledgement_opens_the_connection(void **state)
{
    uint32_t iss = world_begin();
    uint64_t opened_ns = half_open_world_now_ns();

    (void)state;
    half_open_world_pass(3 * NS_PER_MS);
    assert_true(world_acknowledge(&world.flow));
    assert_int_equal(world.opened_count, 1);
    assert_int_equal(half_open_count(), 0);
    assert_memory_equal(&world.opened.flow, &world.flow, sizeof(world.flow));
    assert_int_equal(world.opened.irs, WORLD_IRS);
    assert_int_equal(world.opened.iss, iss);
    assert_int_equal(world.completion.snd_window_bytes, 1000 << 7);
    assert_int_equal(world.opened.mss, 1460);
    assert_int_equal(world.opened.snd_scale, 7);
    assert_int_equal(handshake_rcv_scale(&world.opened), HANDSHAKE_SCALE);
    assert_true(world.opened.has_sack);
    assert_false(world.opened.is_repeated);
    assert_int_equal(world.opened.opened_ns, opened_ns);
    assert_int_equal(world.completion.round_trip_us, 3000);
    assert_memory_equal(&world.opened.acceptor, &world.acceptor, sizeof(world.acceptor));
    assert_int_equal(world.closed_count, 0); /* it is the connection's now */
    assert_int_equal(world.sent_count, 1);
}

static void a_peers_segment_size_is_believed_within_bounds(void **state)
{
    const struct {
        uint16_t said, used;
    } sizes[] = {{0, 216}, {1, 216}, {216, 216}, {1000, 1000}, {1460, 1460}, {9000, 1460}};

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(sizes); i++) {
        uint8_t options[] = {2, 4, (uint8_t)(sizes[i].said >> 8), (uint8_t)sizes[i].said};

        (void)world_syn_with(&world.flow, WORLD_IRS, options, sizeof(options));
        assert_true(world_acknowledge(&world.flow));
        assert_int_equal(world.opened.mss, sizes[i].used);
    }
}

/* In the time of one round. */
static void a_round_trip_of_nothing_counts_as_a_microsecond(void **state)
{
    (void)state;
    (void)world_begin();
    assert_true(world_acknowledge(&world.flow));
    assert_int_equal(world.completion.round_trip_us, 1);
}

static void data_with_the_acknowledgement_opens_it_too(void **state)
{
    (void)state;
    for (uint32_t sequence = 0; sequence < HANDSHAKE_WINDOW_BYTES; sequence += 2921) {
        uint32_t iss = world_begin();

        assert_true(
            world_answer(TCP_FLAG_ACK, sequence, iss + 1)); /* 0: with it; others: it was lost */
    }
    assert_int_equal(world.opened_count, 23);
}

static void a_fin_with_the_acknowledgement_opens_it_too(void **state)
{
    (void)state;
    assert_true(world_answer(TCP_FLAG_ACK | TCP_FLAG_FIN, 0, world_begin() + 1));
}

static void flows_are_kept_apart(void **state)
{
    struct flow others[5];
    uint32_t iss[5];

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        others[i] = world_flow(1);
    }
    others[1].remote_address ^= 1u << 31;
    others[2].local_address ^= 1u << 31;
    others[3].remote_port ^= 1;
    others[4].local_port ^= 1;
    for (unsigned i = 0; i < 5; i++) {
        assert_false(world_syn(&others[i], 100 * i, NULL));
        iss[i] = world.sent.sequence;
    }
    assert_int_equal(half_open_count(), 5);
    for (unsigned i = 0; i < 5; i++) {
        struct packet packet = world_packet(&others[i], TCP_FLAG_ACK, 100 * i + 1, iss[i] + 1);
        bool is_about_handshake;

        assert_true(world_segment(&packet, &is_about_handshake));
        assert_int_equal(world.opened.iss, iss[i]);
        assert_false(world_is_known(&packet));
    }
}

static void a_segment_of_no_handshake_is_a_strangers(void **state)
{
    struct packet packet = world_packet(&world.flow, TCP_FLAG_ACK, 1, 1);

    (void)state;
    assert_false(world_is_known(&packet));
    packet.tcp_flags = TCP_FLAG_RST;
    assert_false(world_is_known(&packet));
    assert_int_equal(world.refused_count + world.sent_count, 0);
}

/* --- Time --- */

static void a_syn_ack_goes_three_times_and_then_the_entry(void **state)
{
    uint32_t iss = world_begin();

    (void)state;
    half_open_world_pass(NS_PER_S - 1);
    assert_int_equal(world.sent_count, 1);
    half_open_world_pass(1);
    assert_int_equal(world.sent_count, 2);
    half_open_world_pass(2 * NS_PER_S - 1);
    assert_int_equal(world.sent_count, 2);
    half_open_world_pass(1);
    assert_int_equal(world.sent_count, 3);
    assert_int_equal(world.sent.sequence, iss);
    assert_int_equal(world.sent.acknowledgment, (uint32_t)(WORLD_IRS + 1));
    assert_int_equal(world.sent.tcp_flags, TCP_FLAG_SYN | TCP_FLAG_ACK);
    half_open_world_pass(4 * NS_PER_S - 1);
    assert_int_equal(half_open_count(), 1);
    assert_int_equal(world.closed_count, 0);
    half_open_world_pass(1);
    assert_int_equal(half_open_count(), 0);
    assert_int_equal(world.sent_count, 3);
    assert_int_equal(world.closed_count, 1);
    assert_memory_equal(&world.closed, &world.acceptor, sizeof(world.acceptor));
    assert_int_equal(world_counted(COUNTER_HANDSHAKES_EXPIRED), 1);
    assert_int_equal(world_counted(COUNTER_TCP_RETRANSMITS), 2);
}

/* Karn's rule (RFC 6298 3): nobody knows which of them is acknowledged. */
static void a_repeated_handshake_measures_no_round_trip(void **state)
{
    (void)state;
    (void)world_begin();
    half_open_world_pass(NS_PER_S + NS_PER_MS);
    assert_true(world_acknowledge(&world.flow));
    assert_true(world.opened.is_repeated);
    assert_int_equal(world.completion.round_trip_us, 0);
}

static void what_is_due_at_once_goes_a_batch_a_round(void **state)
{
    const unsigned count = 1000;

    (void)state;
    for (unsigned i = 0; i < count; i++) {
        struct flow other = world_flow(i);

        assert_false(world_syn(&other, i, NULL));
        flood_end_round();
    }
    assert_int_equal(half_open_count(), count);
    fake_advance_ns(NS_PER_S);
    half_open_world_clear();
    while (world.sent_count < count) {
        unsigned before = world.sent_count;

        half_open_world_pass(1);
        assert_in_range(world.sent_count - before, 1, count);
    }
    half_open_world_pass(NS_PER_S);
    assert_int_equal(world.sent_count, count);
}

/* Entries of all ages leave from the middle of their queues. */
static void handshakes_that_complete_disturb_no_others(void **state)
{
    uint32_t iss[300];
    unsigned completed_count = 0;

    (void)state;
    for (unsigned i = 0; i < 300; i++) {
        struct flow other = world_flow(i);

        assert_false(world_syn(&other, i, NULL));
        iss[i] = world.sent.sequence;
        half_open_world_pass(13 * NS_PER_MS);
    }
    for (unsigned i = 0; i < 300; i += 3) {
        struct flow other = world_flow(i);
        struct packet packet = world_packet(&other, TCP_FLAG_ACK, i + 1, iss[i] + 1);
        bool is_about_handshake;

        completed_count += world_segment(&packet, &is_about_handshake);
    }
    assert_int_equal(completed_count, 100);
    assert_int_equal(half_open_count(), 200);
    half_open_world_pass(8 * NS_PER_S);
    assert_int_equal(half_open_count(), 0);
    assert_int_equal(world_counted(COUNTER_HANDSHAKES_EXPIRED), 200);
}

/* --- SYNs again --- */

static void the_same_syn_is_answered_again_but_not_at_once(void **state)
{
    uint32_t iss = world_begin();

    (void)state;
    assert_false(
        world_syn(&world.flow, WORLD_IRS, &world.acceptor)); /* a second acceptor is the caller's */
    assert_int_equal(world.sent_count, 1);
    half_open_world_pass(ANSWER_NS);
    assert_false(world_syn(&world.flow, WORLD_IRS, NULL));
    assert_int_equal(world.sent_count, 2);
    assert_int_equal(world.sent.sequence, iss);
    for (unsigned i = 0; i < 100; i++) {
        (void)world_syn(&world.flow, WORLD_IRS, NULL);
    }
    assert_int_equal(world.sent_count, 2);
    assert_int_equal(half_open_count(), 1);
    assert_true(world_acknowledge(&world.flow));
    assert_true(world.opened.is_repeated);
    assert_int_equal(world.closed_count, 0);
}

/* Whatever comes again of the flow. */
static void an_acceptor_is_asked_for_once(void **state)
{
    (void)state;
    assert_false(world_syn(&world.flow, WORLD_IRS, NULL));
    assert_int_equal(world.asked_count, 1);
    half_open_world_pass(ANSWER_NS);
    assert_false(world_syn(&world.flow, WORLD_IRS, NULL));
    assert_true(world_syn(&world.flow, WORLD_IRS + 5, &world.acceptor));
    assert_int_equal(world.asked_count, 1);
    assert_false(
        half_open_assign(&world.flow, &world.acceptor, false)); /* a second one is the caller's */
    assert_true(world_acknowledge(&world.flow));
    assert_memory_equal(&world.opened.acceptor, &world.acceptor, sizeof(world.acceptor));
    assert_false(world.opened.is_acceptor_due);
    assert_int_equal(world.closed_count, 0);
}

/* And its connection is to ask, whom the answer names. */
static void the_answer_may_be_that_there_is_nobody(void **state)
{
    const struct acceptor nobody = {.node = NODE_NONE, .cm = WORLD_CM, .assigned_by = WORLD_CM};

    (void)state;
    assert_true(world_syn(&world.flow, WORLD_IRS, &nobody));
    assert_false(half_open_assign(&world.flow, &world.acceptor, false));
    assert_true(world_acknowledge(&world.flow));
    assert_memory_equal(&world.opened.acceptor, &nobody, sizeof(nobody));
    assert_false(world.opened.is_acceptor_due);
}

static void a_handshake_that_is_complete_first_leaves_the_answer_to_its_connection(void **state)
{
    (void)state;
    assert_false(world_syn(&world.flow, WORLD_IRS, NULL));
    assert_true(world_acknowledge(&world.flow));
    assert_true(world.opened.is_acceptor_due);
    assert_int_equal(world.opened.acceptor.node, NODE_NONE);
    assert_int_equal(world.opened.acceptor.assigned_by, WORLD_CM);
    assert_false(half_open_assign(&world.flow, &world.acceptor, false));
}

/* The one before it of the same flow may have ended meanwhile. */
static void an_answer_that_comes_too_late_is_the_callers(void **state)
{
    struct flow other = world_flow(2);

    (void)state;
    assert_false(half_open_assign(&world.flow, &world.acceptor, false));
    assert_false(world_syn(&world.flow, WORLD_IRS, NULL));
    assert_false(half_open_assign(&other, &world.acceptor, false));
    half_open_world_pass(8 * NS_PER_S);
    assert_int_equal(half_open_count(), 0);
    assert_false(half_open_assign(&world.flow, &world.acceptor, false));
    assert_int_equal(world.closed_count, 0); /* it has never had one */
}

/* Nobody serves the port any more: the next segment of the peer is refused. */
static void a_refusal_forgets_the_handshake(void **state)
{
    const struct acceptor nobody = {.node = NODE_NONE, .cm = WORLD_CM, .assigned_by = WORLD_CM};
    struct packet packet;
    bool is_known;

    (void)state;
    assert_false(world_syn(&world.flow, WORLD_IRS, NULL));
    assert_true(half_open_assign(&world.flow, &nobody, true));
    assert_int_equal(half_open_count(), 0);
    assert_int_equal(world.closed_count, 0);
    packet = world_packet(&world.flow, TCP_FLAG_ACK, WORLD_IRS + 1, world.sent.sequence + 1);
    assert_false(world_segment(&packet, &is_known));
    assert_false(is_known);
}

/* Its connection asks then: the peer need not wait for our channels. */
static void a_handshake_goes_on_when_nobody_can_be_asked(void **state)
{
    (void)state;
    world.is_manager_full = true;
    assert_false(world_syn(&world.flow, WORLD_IRS, &world.acceptor));
    assert_int_equal(world.sent_count, 1);
    assert_true(world_acknowledge(&world.flow));
    assert_int_equal(world.opened.acceptor.node, NODE_NONE);
    assert_int_equal(world.opened.acceptor.assigned_by, NODE_NONE);
    assert_false(world.opened.is_acceptor_due);
}

/* RFC 9293 3.10.7.4, fourth: a passive open returns to LISTEN. */
static void another_syn_of_the_flow_takes_the_place_of_the_first(void **state)
{
    const uint8_t plain[] = {2, 4, 2, 0x18};
    uint32_t iss = world_begin();

    (void)state;
    half_open_world_pass(900 * NS_PER_MS);
    world_syn_with(&world.flow, WORLD_IRS + 5, plain, sizeof(plain));
    assert_int_equal(world.sent_count, 2);
    assert_int_equal(half_open_count(), 1);
    assert_int_equal(world.sent.acknowledgment, (uint32_t)(WORLD_IRS + 6));
    assert_true((int32_t)(world.sent.sequence - iss) > 0);
    assert_int_equal(world.sent.option_bytes, 4);
    half_open_world_pass(900 * NS_PER_MS); /* its time begins anew */
    assert_int_equal(world.sent_count, 2);
    assert_true(world_acknowledge(&world.flow));
    assert_int_equal(world.opened.irs, (uint32_t)(WORLD_IRS + 5));
    assert_int_equal(world.opened.mss, 536);
    assert_int_equal(world.opened.snd_scale, 0);
    assert_false(world.opened.is_repeated);
    assert_memory_equal(&world.opened.acceptor, &world.acceptor,
                        sizeof(world.acceptor)); /* it stays */
}

/* RFC 6191 2, RFC 9293 3.10.7.4. */
static void a_flow_from_time_wait_begins_beyond_its_old_numbers(void **state)
{
    struct packet syn = world_packet(&world.flow, TCP_FLAG_SYN, WORLD_IRS, 0);
    struct segment segment = world_segment_of(&syn);
    uint32_t usual, next;

    (void)state;
    syn.bytes = (const uint8_t[PACKET_TCP_OFFSET + TCP_HEADER_MAX_BYTES]){0};
    usual = world_begin();
    assert_true(world_acknowledge(&world.flow));
    world_syn_segment(&segment, usual + 1, true); /* beyond the clock's */
    assert_int_equal(world.sent.sequence, usual + 1 + HALF_OPEN_ISS_DISTANCE);
    next = world.sent.sequence;
    syn.sequence++; /* another SYN of it: not before that, either */
    world_syn_segment(&segment, 0, false);
    assert_true((int32_t)(world.sent.sequence - next) >= 0);
    assert_true(world_acknowledge(&world.flow));
    world_syn_segment(&segment, usual - 1000000, true);
    assert_int_equal(world.sent.sequence, usual); /* the clock's will do */
}

#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(name, half_open_world_set_up, half_open_world_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_syn_is_answered_with_what_both_sides_can_do),
        TEST(what_the_peer_does_not_offer_is_not_used),
        TEST(an_acknowledgement_opens_the_connection),
        TEST(a_peers_segment_size_is_believed_within_bounds),
        TEST(a_round_trip_of_nothing_counts_as_a_microsecond),
        TEST(data_with_the_acknowledgement_opens_it_too),
        TEST(a_fin_with_the_acknowledgement_opens_it_too),
        TEST(flows_are_kept_apart),
        TEST(a_segment_of_no_handshake_is_a_strangers),
        TEST(a_syn_ack_goes_three_times_and_then_the_entry),
        TEST(a_repeated_handshake_measures_no_round_trip),
        TEST(what_is_due_at_once_goes_a_batch_a_round),
        TEST(handshakes_that_complete_disturb_no_others),
        TEST(the_same_syn_is_answered_again_but_not_at_once),
        TEST(an_acceptor_is_asked_for_once),
        TEST(the_answer_may_be_that_there_is_nobody),
        TEST(a_handshake_that_is_complete_first_leaves_the_answer_to_its_connection),
        TEST(an_answer_that_comes_too_late_is_the_callers),
        TEST(a_refusal_forgets_the_handshake),
        TEST(a_handshake_goes_on_when_nobody_can_be_asked),
        TEST(another_syn_of_the_flow_takes_the_place_of_the_first),
        TEST(a_flow_from_time_wait_begins_beyond_its_old_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
