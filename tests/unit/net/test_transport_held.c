/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_client.c */
/* library: lwip */
/*
 * Tests the transport server over the real lwIP: received bytes that have to wait keep no frames
 * of the link server, and have a bound.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/message/dispatch.h"
#include "libc/core/pages.h"
#include "net/counters.h"
#include "net/transport/frames.h"
#include "net/transport/held.h"
#include "tests/unit/world/fake_client.h"
#include "tests/unit/world/fake_platform.h"

#define ATTACKERS        64
/* Segments that wait at a connection, before a hole that nobody fills (lwipopts.h). */
#define OUT_OF_ORDER_MAX 64

static struct client attackers[ATTACKERS];

static uint8_t byte_of_stream(uint32_t index)
{
    return (uint8_t)(index * 7 + (index >> 8));
}

/* `length` bytes of the client's stream, `offset` bytes from its next one. */
static void send_ahead(struct client client, uint32_t offset, uint32_t length)
{
    uint8_t bytes[WIRE_MSS];

    for (uint32_t i = 0; i < length; i++) {
        bytes[i] = byte_of_stream(offset + i);
    }
    client.send_next += offset;
    wire_send(&client, WIRE_ACK, bytes, length);
}

static void send_in_order(struct client *client, uint32_t offset, uint32_t length)
{
    struct client from = *client;

    from.send_next -= offset;
    send_ahead(from, offset, length);
    client->send_next += length;
}

/* All that has been said to the application of this stream: its bytes, in order. */
static uint32_t take_stream(const struct client *client, uint32_t taken)
{
    const struct message *message;

    while ((message = fake_take_message(NODE_APPLICATION)) != NULL) {
        const struct data *data = (const struct data *)message;

        if (message->header.type != DATA || data->stream_index != client->port) {
            continue;
        }
        struct message_payload payload = fake_payload(message, sizeof(*data));

        assert_true(payload.length_bytes > 0);
        for (size_t i = 0; i < payload.length_bytes; i++) {
            assert_int_equal(payload.bytes[i], byte_of_stream(taken++));
        }
    }
    return taken;
}

static void assert_others_are_served(void)
{
    struct client client;

    wire_clear();
    (void)wire_accept(&client, wire_new_port());
    send_in_order(&client, 0, 100);
    wire_run();
    assert_int_equal(take_stream(&client, 0), 100);
    wire_application_send(&client, "answer", 6);
    wire_run();
    assert_int_equal(wire_expect(&client).length, 6);
    wire_finish(&client);
}

static void attack_with_holes(uint32_t segment_bytes)
{
    for (unsigned i = 0; i < ATTACKERS; i++) {
        for (unsigned j = 0; j < OUT_OF_ORDER_MAX; j++) {
            send_ahead(attackers[i], 1 + j * (segment_bytes + 1), segment_bytes);
        }
        wire_run();
        wire_clear();
    }
}

static void open_attackers(void)
{
    for (unsigned i = 0; i < ATTACKERS; i++) {
        (void)wire_accept(&attackers[i], wire_new_port());
    }
}

static void finish_attackers(void)
{
    for (unsigned i = 0; i < ATTACKERS; i++) {
        wire_finish(&attackers[i]);
    }
    assert_int_equal(held_bytes(), 0);
    assert_int_equal(wire_frames_held(), 0);
}

/* Each of 4096 segments kept a frame for itself, as many as a queue has. */
static void segments_before_a_hole_keep_no_frames(void **state)
{
    (void)state;
    open_attackers();
    attack_with_holes(1);
    assert_int_equal(wire_frames_held(), 0);
    assert_others_are_served();

    /* They do wait: the holes filled, every byte comes. */
    for (uint32_t i = 0; i < 2 * OUT_OF_ORDER_MAX; i += 2) {
        send_in_order(&attackers[0], i, 1);
        wire_run();
        assert_true(wire_frames_held() <= FRAMES_HELD_MAX);
        attackers[0].send_next++; /* the one that has come before */
    }
    finish_attackers();
}

/* A FIN ahead of its turn waits too, without a byte. */
static void a_fin_before_a_hole_keeps_no_frame(void **state)
{
    (void)state;
    open_attackers();
    for (unsigned i = 0; i < ATTACKERS; i++) {
        struct client ahead = attackers[i];

        ahead.send_next += 10;
        wire_send(&ahead, WIRE_ACK | WIRE_FIN, NULL, 0);
    }
    wire_run();
    assert_int_equal(wire_frames_held(), 0);
    wire_clear();
    finish_attackers();
}

/* The window bounds the bytes; each segment of one byte kept a frame all the same. */
static void bytes_for_an_application_that_hangs_are_packed(void **state)
{
    static const uint32_t count = 20000;
    struct client client;
    uint32_t taken = 0, sent = 0;

    (void)state;
    (void)wire_accept(&client, wire_new_port());
    for (; sent < count; sent++) {
        send_in_order(&client, sent, 1);
        if (sent % 50 == 0) {
            wire_run();
            assert_true(wire_frames_held() <= 1);
        }
    }
    wire_run();
    assert_in_range(held_bytes(), 1000, count + 8 * KIB);

    /* It goes on after all. */
    for (uint32_t before = 1; taken != before;) {
        before = taken;
        taken = take_stream(&client, taken);
        wire_run();
    }
    assert_int_equal(taken, count);
    wire_clear();
    assert_int_equal(held_bytes(), 0);
    wire_finish(&client);
}

/* Long segments, too: they are not worth less. */
static void long_segments_for_an_application_that_hangs_keep_no_frames(void **state)
{
    struct client client;
    uint32_t sent = 0, taken = 0;

    (void)state;
    (void)wire_accept(&client, wire_new_port());
    for (; sent + 1400 <= UINT16_MAX; sent += 1400) {
        send_in_order(&client, sent, 1400);
        wire_run();
        assert_true(wire_frames_held() <= 1);
    }
    for (uint32_t before = 1; taken != before;) {
        before = taken;
        taken = take_stream(&client, taken);
        wire_run();
    }
    assert_int_equal(taken, sent);
    wire_finish(&client);
}

/* A card's queue never runs dry: beyond that many a frame is copied as it comes, and not lost. */
static void a_burst_longer_than_the_frames_that_may_wait_comes_whole(void **state)
{
    struct client client;
    uint32_t sent = 0, taken = 0;

    (void)state;
    (void)wire_accept(&client, wire_new_port());
    for (; sent < 2 * FRAMES_HELD_MAX * 100; sent += 100) {
        send_in_order(&client, sent, 100);
    }
    (void)dispatch_round();
    assert_in_range(wire_frames_held(), 0, FRAMES_HELD_MAX);
    wire_run();
    for (uint32_t before = 1; taken != before;) {
        before = taken;
        taken = take_stream(&client, taken);
        wire_run();
    }
    assert_int_equal(taken, sent);
    wire_finish(&client);
}

/* Each may keep the frame of its first bytes, but only so many together. */
static void connections_that_nobody_claims_keep_few_frames(void **state)
{
    struct client clients[2 * FRAMES_HELD_MAX];

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(clients); i++) {
        wire_open(&clients[i], wire_new_port(), "GET / HTTP/1.1\r\n\r\n");
    }
    assert_in_range(wire_frames_held(), 1, FRAMES_HELD_FREELY + 1);
    for (unsigned i = 0; i < ARRAY_COUNT(clients); i++) {
        wire_send(&clients[i], WIRE_RST, NULL, 0);
        wire_run();
    }
    wire_clear();
    assert_int_equal(held_bytes(), 0);
}

/* What the connection manager assigns again is sent again from its first byte, however often and
 * whatever has come since. */
static void bytes_of_an_unclaimed_connection_are_announced_whole_again(void **state)
{
    const struct connection_available *available;
    const struct claim_confirmed *confirmed;
    struct client client;

    (void)state;
    wire_open(&client, wire_new_port(), "first");
    available = fake_expect_message(NODE_APPLICATION, CONNECTION_AVAILABLE);
    assert_memory_equal(available + 1, "first", 5);
    for (unsigned i = 0; i < 3; i++) {
        wire_send(&client, WIRE_ACK, "later", 5);
        client.send_next += 5;
        wire_run();
    }
    client.connection_index = available->connection_index;
    client.generation = available->generation;
    client.availability_number = available->availability_number;
    wire_claim(&client);
    confirmed = fake_expect_message(NODE_APPLICATION, CLAIM_CONFIRMED);
    assert_int_equal(confirmed->header.length_bytes, sizeof(*confirmed) + 15);
    assert_memory_equal(confirmed + 1, "laterlaterlater", 15);
    wire_finish(&client);
}

/* At the bound the attackers' segments are lost, others' are not. */
static void all_that_waits_has_a_bound(void **state)
{
    uint64_t full = wire_counted(COUNTER_DROP_RECEIVE_FULL);

    (void)state;
    open_attackers();
    attack_with_holes(1400);
    assert_true(held_bytes() <= pages_total_bytes() / HELD_PART_OF_MEMORY + 4 * KIB);
    assert_true(wire_counted(COUNTER_DROP_RECEIVE_FULL) > full);
    assert_others_are_served();

    /* Out-of-order queues are given up where others need the room, a tick later. */
    wire_advance_ns(100 * NS_PER_MS);
    send_ahead(attackers[0], 1, 1400);
    wire_run();
    wire_advance_ns(100 * NS_PER_MS);
    send_ahead(attackers[0], 1, 1400);
    wire_run();
    assert_in_range(held_bytes(), 1400, 8 * KIB);
    finish_attackers();
}

/* Of what has to wait, nothing can: it is lost as on any wire, counted, and comes again. */
static void without_memory_for_copies_segments_are_lost_and_come_again(void **state)
{
    uint64_t no_memory = wire_counted(COUNTER_DROP_NO_MEMORY);
    struct client client;
    uint32_t sent = 0, taken = 0;

    (void)state;
    (void)wire_accept(&client, wire_new_port());
    fake_fail_allocations_after(0);
    for (uint32_t i = 1; i <= 10; i++) {
        send_ahead(client, 1400 * i, 1400); /* before a hole */
    }
    wire_run();
    assert_int_equal(wire_counted(COUNTER_DROP_NO_MEMORY), no_memory + 10);
    assert_int_equal(held_bytes(), 0);
    assert_int_equal(wire_frames_held(), 0);
    fake_fail_allocations_after(-1);

    for (unsigned i = 0; i < 11; i++, sent += 1400) {
        send_in_order(&client, sent, 1400);
    }
    wire_run();
    for (uint32_t before = 1; taken != before;) {
        before = taken;
        taken = take_stream(&client, taken);
        wire_run();
    }
    assert_int_equal(taken, sent);
    wire_finish(&client);
}

/* An application that hangs, without memory for copies: the bytes wait in frames, as many as the
 * window lets in, and all of them come. */
static void without_memory_bytes_for_an_application_that_hangs_wait_in_frames(void **state)
{
    struct client client;
    uint32_t sent = 0, taken = 0;

    (void)state;
    (void)wire_accept(&client, wire_new_port());
    for (; sent + 1400 <= UINT16_MAX; sent += 1400) {
        fake_fail_allocations_after(sent >= 28000 ? 0 : -1);
        send_in_order(&client, sent, 1400);
        wire_run();
    }
    assert_in_range(wire_frames_held(), 1, FRAMES_HELD_MAX);
    fake_fail_allocations_after(-1);
    for (uint32_t before = 1; taken != before;) {
        before = taken;
        taken = take_stream(&client, taken);
        wire_run();
    }
    assert_int_equal(taken, sent);
    wire_finish(&client);
}

#define TEST(name) cmocka_unit_test_teardown(name, wire_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(segments_before_a_hole_keep_no_frames),
        TEST(a_fin_before_a_hole_keeps_no_frame),
        TEST(bytes_for_an_application_that_hangs_are_packed),
        TEST(long_segments_for_an_application_that_hangs_keep_no_frames),
        TEST(a_burst_longer_than_the_frames_that_may_wait_comes_whole),
        TEST(connections_that_nobody_claims_keep_few_frames),
        TEST(bytes_of_an_unclaimed_connection_are_announced_whole_again),
        TEST(all_that_waits_has_a_bound),
        TEST(without_memory_for_copies_segments_are_lost_and_come_again),
        TEST(without_memory_bytes_for_an_application_that_hangs_wait_in_frames),
    };

    return cmocka_run_group_tests(tests, wire_set_up, NULL);
}
