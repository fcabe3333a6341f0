/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_client.c */
/* library: lwip */
/*
 * Tests net/transport/tcp/segment_remote.c under the whole server: responses that leave through a
 * link server on another node, which the test plays. The channel to it is as short as any.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/nic/frame.h"
#include "kernel/platform.h"
#include "net/counters.h"
#include "tests/unit/world/fake_client.h"
#include "tests/unit/world/fake_platform.h"

#define RESPONSE_MAX_BYTES (256 * KIB)

/* What the client has to get, and what has come of it. */
static struct {
    struct client client;
    uint8_t wanted[RESPONSE_MAX_BYTES];
    uint32_t wanted_bytes;
    uint32_t start;
    uint32_t end; /* of what came in order */
    bool has_fin;
    unsigned messages, cuts; /* at the start */
} response;

static void open_response(void)
{
    (void)wire_accept(&response.client, wire_new_port());
    response.wanted_bytes = 0;
    response.start = response.end = response.client.receive_next;
    response.has_fin = false;
    response.messages = wire_relayed_count();
    response.cuts = wire_cut_count();
}

static void add_copied(uint32_t length)
{
    uint8_t bytes[2048];

    assert_true(length <= sizeof(bytes));
    for (uint32_t i = 0; i < length; i++) {
        bytes[i] = (uint8_t)rand();
    }
    memcpy(response.wanted + response.wanted_bytes, bytes, length);
    response.wanted_bytes += length;
    wire_application_send(&response.client, bytes, length);
}

static void add_archive(uint32_t offset, uint32_t length)
{
    for (uint32_t i = 0; i < length; i++) {
        response.wanted[response.wanted_bytes++] = wire_archive_byte(offset + i);
    }
    wire_application_send_archive(&response.client, offset, length);
}

/* Take what is on the wire, of which some is lost, and acknowledge what is in order. */
static void take_flight(unsigned loss_percent)
{
    struct segment segment;

    while (wire_take(&segment)) {
        uint32_t at = segment.sequence - response.start;

        if ((unsigned)rand() % 100 < loss_percent) {
            continue;
        }
        assert_true(segment.length <= WIRE_MSS && at + segment.length <= response.wanted_bytes);
        assert_memory_equal(segment.payload, response.wanted + at, segment.length);
        if ((int32_t)(segment.sequence - response.end) <= 0 &&
            (int32_t)(segment.sequence + segment.length - response.end) >= 0) {
            response.end = segment.sequence + segment.length;
            response.has_fin |= (segment.flags & WIRE_FIN) != 0;
        }
        assert_true((segment.flags & WIRE_FIN) == 0 ||
                    at + segment.length == response.wanted_bytes);
        response.client.receive_next = response.end + response.has_fin;
        wire_send(&response.client, WIRE_ACK, NULL, 0);
    }
    wire_run();
}

static void finish_response(unsigned loss_percent)
{
    wire_application_close(&response.client, 0, CLOSE_BOTH);
    wire_run();
    for (unsigned i = 0; i < 10000 && !response.has_fin; i++) {
        take_flight(loss_percent);
        if (loss_percent != 0) {
            wire_advance_ns(100 * NS_PER_MS);
        }
    }
    assert_true(response.has_fin);
    assert_int_equal(response.end - response.start, response.wanted_bytes);
    wire_send(&response.client, WIRE_ACK | WIRE_FIN, NULL, 0);
    response.client.send_next++;
    wire_run();
    wire_clear();
    assert_int_equal(wire_connection_count(), 0);
}

/* 71 frames on the wire; before there were segments, 71 messages with all their bytes. */
static void a_page_of_the_archive_takes_few_messages_and_no_copies(void **state)
{
    (void)state;
    uint64_t retransmissions = wire_counted(COUNTER_TCP_RETRANSMITS);

    open_response();
    add_copied(200);
    add_archive(4096, 102400);
    finish_response(0);
    assert_true(wire_cut_count() > response.cuts);
    assert_in_range(wire_relayed_count() - response.messages, 1, 20);
    assert_int_equal(wire_counted(COUNTER_TCP_RETRANSMITS), retransmissions);
}

static void what_is_lost_is_sent_again(void **state)
{
    (void)state;
    srand(1);
    for (unsigned i = 0; i < 5; i++) {
        open_response();
        add_copied(200);
        add_archive(i * 1000, 150000);
        finish_response(5);
    }
}

/* A message names three runs. What is more than that in one piece is copied, and the rest follows
 * in other messages: its sequence numbers, checksums and FIN are right (the wire looks). */
static void segments_of_many_runs_are_cut_into_parts(void **state)
{
    (void)state;
    for (unsigned run_count = 1; run_count < 6; run_count++) {
        for (uint32_t run_bytes = 255; run_bytes < 300; run_bytes += 22) {
            open_response();
            for (unsigned i = 0; i < run_count; i++) {
                add_copied(10);
                add_archive(i * 5000, run_bytes); /* of the least length that is not copied, too */
            }
            add_archive(100000, 20000);
            finish_response(0);
        }
    }
}

/* Sixty in one long segment: lwIP's pieces are put together in one buffer, which is none of the
 * archive, so it goes in many messages with one piece each; they do not fit the channel. */
static void the_rest_of_a_segment_follows_when_the_channel_has_room_again(void **state)
{
    (void)state;
    open_response();
    for (unsigned i = 0; i < 60; i++) {
        add_archive((i * 7001) % 200000, 1000);
    }
    finish_response(0);
    open_response();
    for (unsigned i = 0; i < 60; i++) {
        add_archive((i * 7001) % 200000, 1000);
    }
    finish_response(3);
    assert_int_equal(wire_counted(COUNTER_DROP_TX_FULL), 0);
}

static void bytes_of_the_application_go_as_the_wire_takes_them(void **state)
{
    (void)state;
    open_response();
    for (unsigned i = 0; i < 40; i++) {
        add_copied(1999);
        wire_run();
        take_flight(0);
    }
    finish_response(0);
    assert_int_equal(wire_cut_count(), response.cuts);
}

/* Without a NIC that cuts, the archive is still referred to. */
static void plain_nic_gets_pieces_and_references(void **state)
{
    (void)state;
    wire_nic.lacks_segmentation = true;
    wire_bring_up_nic();
    open_response();
    add_copied(200);
    add_archive(0, 102400);
    finish_response(0);
    assert_int_equal(wire_cut_count(), response.cuts);
    wire_nic.lacks_segmentation = false;
    wire_bring_up_nic();
}

static int set_up(void **state)
{
    wire_nic.lacks_own_queue = true;
    wire_nic.is_relayed = true;
    return wire_set_up(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_page_of_the_archive_takes_few_messages_and_no_copies,
                                  wire_tear_down),
        cmocka_unit_test_teardown(what_is_lost_is_sent_again, wire_tear_down),
        cmocka_unit_test_teardown(segments_of_many_runs_are_cut_into_parts, wire_tear_down),
        cmocka_unit_test_teardown(the_rest_of_a_segment_follows_when_the_channel_has_room_again,
                                  wire_tear_down),
        cmocka_unit_test_teardown(bytes_of_the_application_go_as_the_wire_takes_them,
                                  wire_tear_down),
        cmocka_unit_test_teardown(plain_nic_gets_pieces_and_references, wire_tear_down),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
