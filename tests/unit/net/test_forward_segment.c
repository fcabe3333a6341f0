/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/forward_world.c tests/unit/world/fake_client.c */
/* library: lwip */
/*
 * Tests net/transport/forward/segment.c over a whole transport server: what comes of one side goes
 * to the other as it is, and nothing else does.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/nic/frame.h"
#include "kernel/message/dispatch.h"
#include "net/counters.h"
#include "net/headers.h"
#include "net/transport/counters.h"
#include "net/transport/forward/flow.h"
#include "net/transport/frames.h"
#include "net/transport/neighbor.h"
#include "tests/unit/world/fake_client.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/forward_world.h"

#define HANDSHAKE_MUCH 1000000u

static int start(void **state)
{
    (void)wire_set_up(state);
    forward_tell_usual();
    return 0;
}

/* Nothing of a test reaches the next one. */
static int leave(void **state)
{
    (void)state;
    forward_flow_end_all();
    forward_tell_usual();
    wire_clear();
    assert_int_equal(wire_frames_held(), 0);
    return 0;
}

static void a_connection_goes_through_from_its_first_segment_to_its_last(void **state)
{
    struct forwarded connection = forwarded_open(wire_new_port());
    uint64_t opened = wire_counted(COUNTER_FORWARD_OPENED);

    (void)state;
    assert_int_equal(forward_flow_count_live(), 1);
    forwarded_pass(&connection, true, WIRE_ACK | WIRE_PSH, "GET /", 5);
    forwarded_pass(&connection, false, WIRE_ACK, NULL, 0);
    forwarded_pass(&connection, false, WIRE_ACK | WIRE_PSH, "a page", 6);
    forwarded_pass(&connection, true, WIRE_ACK, NULL, 0);
    forwarded_finish(&connection);
    assert_int_equal(forward_flow_count_live(), 0);
    /* A FIN whose acknowledgement was lost comes again, and so does that. */
    connection.from_backend.sequence--;
    forwarded_pass(&connection, false, WIRE_FIN | WIRE_ACK, NULL, 0);
    forwarded_pass(&connection, true, WIRE_ACK, NULL, 0);
    assert_int_equal(wire_counted(COUNTER_FORWARD_OPENED), opened);
    host_expect_silence();
    assert_null(fake_take_message(NODE_CM)); /* no manager hears of it */
    assert_null(fake_take_message(NODE_APPLICATION));
}

static void all_that_a_segment_says_stays(void **state)
{
    struct forwarded connection = forwarded_open(wire_new_port());
    struct host_segment *client = &connection.from_client, *backend = &connection.from_backend;

    (void)state;
    /* Urgent data (RFC 9293 3.8.5), ECN (RFC 3168), timestamps and SACK blocks, IP's own fields. */
    client->urgent = 3;
    client->tos = 0x12;
    client->identification = 0xABCD;
    client->fragment = 0;
    client->option_bytes = 12;
    memcpy(client->options, "\1\1\x8\xA\0\1\2\3\3\2\1\0", 12);
    forwarded_pass(&connection, true, WIRE_ACK | WIRE_PSH | FLAG_URG | 0xC0, "abcd", 4);
    backend->option_bytes = 20;
    memcpy(backend->options, "\1\1\5\x12\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0", 20);
    forwarded_pass(&connection, false, WIRE_ACK, NULL, 0);
    /* A closed window, a probe, its answer, and an open one. */
    backend->option_bytes = client->option_bytes = 0;
    backend->window = 0;
    forwarded_pass(&connection, false, WIRE_ACK, NULL, 0);
    client->sequence--;
    forwarded_pass(&connection, true, WIRE_ACK, NULL, 0);
    client->sequence++;
    backend->acknowledgment = client->sequence;
    forwarded_pass(&connection, false, WIRE_ACK, NULL, 0);
    backend->window = 0xFFFF;
    forwarded_pass(&connection, false, WIRE_ACK, NULL, 0);
}

static void a_frame_of_any_length_and_content_keeps_its_checksum_right(void **state)
{
    struct forwarded connection = forwarded_open(wire_new_port());
    uint8_t payload[1460];

    (void)state;
    for (unsigned bytes = 1; bytes <= sizeof(payload); bytes += 97) {
        memset(payload, bytes % 3 == 0 ? 0xFF : bytes % 3 == 1 ? 0 : (int)bytes, sizeof(payload));
        connection.from_client.window = (uint16_t)(bytes * 0x9E37);
        forwarded_pass(&connection, true, WIRE_ACK, payload, bytes);
        forwarded_pass(&connection, false, WIRE_ACK, payload, bytes);
    }
}

static void one_that_was_on_no_wire_gets_a_whole_checksum(void **state)
{
    struct forwarded connection = forwarded_open(wire_new_port());

    (void)state;
    connection.from_client.is_checksum_partial = true;
    forwarded_pass(&connection, true, WIRE_ACK | WIRE_PSH, "hello", 5);
    forwarded_pass(&connection, true, WIRE_ACK, NULL, 0);
}

/* So it means that the other end has it. */
static void nothing_is_acknowledged_or_repeated_here(void **state)
{
    struct forwarded connection = forwarded_open(wire_new_port());

    (void)state;
    forwarded_pass(&connection, true, WIRE_ACK | WIRE_PSH, "hello", 5);
    forwarded_pass(&connection, true, WIRE_ACK | WIRE_PSH, "again", 5);
    for (unsigned i = 0; i < 300; i++) {
        wire_advance_ns(NS_PER_S);
    }
    host_expect_silence();
    assert_int_equal(forward_flow_count_live(), 1);
}

/* --- Ends --- */

static void a_reset_goes_on_and_ends_the_flow_if_its_receiver_believes_it(void **state)
{
    struct forwarded connection = forwarded_open(wire_new_port());
    uint32_t right = connection.from_backend.sequence;

    (void)state;
    forwarded_pass(&connection, true, WIRE_ACK | WIRE_PSH, "hello", 5);
    /* Old, or anybody's: its receiver is to judge. */
    connection.from_backend.sequence = right - 1;
    forwarded_pass(&connection, false, WIRE_RST, NULL, 0);
    connection.from_backend.sequence = right + 100;
    forwarded_pass(&connection, false, WIRE_RST | WIRE_ACK, NULL, 0);
    assert_int_equal(forward_flow_count_live(), 1);
    connection.from_backend.sequence = right;
    forwarded_pass(&connection, false, WIRE_RST | WIRE_ACK, NULL, 0);
    assert_int_equal(forward_flow_count_live(), 0);
}

static void a_clients_reset_ends_it_likewise(void **state)
{
    struct forwarded connection = forwarded_open(wire_new_port());

    (void)state;
    forwarded_pass(&connection, true, WIRE_ACK, "x", 1);
    forwarded_pass(&connection, true, WIRE_RST, NULL, 0);
    assert_int_equal(forward_flow_count_live(), 1); /* the x is not acknowledged: in the window */
    wire_advance_ns(FORWARD_TRANSITORY_NS);
    wire_advance_ns(FORWARD_TRANSITORY_NS);
    assert_int_equal(forward_flow_count_live(), 0);
    connection = forwarded_open(wire_new_port());
    forwarded_pass(&connection, false, WIRE_ACK, NULL, 0);
    forwarded_pass(&connection, true, WIRE_RST | WIRE_ACK, NULL, 0);
    assert_int_equal(forward_flow_count_live(), 0);
}

static void a_backend_that_refuses_is_heard(void **state)
{
    struct forwarded connection = forwarded_begin(wire_new_port());

    (void)state;
    connection.from_backend.sequence = 0;
    forwarded_pass(&connection, false, WIRE_RST | WIRE_ACK, NULL, 0);
    assert_int_equal(forward_flow_count_live(), 0);
}

static void a_half_closed_connection_goes_on_as_long_as_something_comes(void **state)
{
    struct forwarded connection = forwarded_open(wire_new_port());

    (void)state;
    forwarded_pass(&connection, true, WIRE_FIN | WIRE_ACK, "bye", 3);
    for (unsigned i = 0; i < 10; i++) {
        forwarded_pass(&connection, false, WIRE_ACK, "more", 4);
        forwarded_pass(&connection, true, WIRE_ACK, NULL, 0);
        wire_advance_ns(3 * 60 * NS_PER_S);
    }
    assert_int_equal(forward_flow_count_live(), 1);
    wire_advance_ns(FORWARD_TRANSITORY_NS);
    wire_advance_ns(FORWARD_TRANSITORY_NS);
    assert_int_equal(forward_flow_count(), 0);
}

/* RFC 5382 REQ-5. */
static void an_idle_connection_is_forgotten_after_two_hours_and_not_before(void **state)
{
    struct forwarded connection = forwarded_open(wire_new_port());
    uint64_t expired = wire_counted(COUNTER_FORWARD_EXPIRED_ESTABLISHED);
    struct host_segment answer;

    (void)state;
    wire_advance_ns(FORWARD_ESTABLISHED_NS - NS_PER_S);
    forwarded_pass(&connection, true, WIRE_ACK, "x", 1);
    wire_advance_ns(FORWARD_ESTABLISHED_NS - NS_PER_S);
    forwarded_pass(&connection, false, WIRE_ACK, NULL, 0);
    wire_advance_ns(FORWARD_ESTABLISHED_NS);
    wire_advance_ns(FORWARD_ESTABLISHED_NS);
    assert_int_equal(forward_flow_count(), 0);
    assert_int_equal(wire_counted(COUNTER_FORWARD_EXPIRED_ESTABLISHED) - expired, 1);
    /* Who still speaks learns that it is gone, on both sides. */
    connection.from_client.flags = connection.from_backend.flags = WIRE_ACK;
    host_send(&connection.from_client);
    answer = host_expect();
    assert_int_equal(answer.flags, WIRE_RST);
    assert_int_equal(answer.destination_port, connection.from_client.source_port);
    host_send(&connection.from_backend);
    answer = host_expect();
    assert_int_equal(answer.flags, WIRE_RST);
    assert_int_equal(answer.destination_port, BACKEND_PORT);
}

static void a_handshake_without_an_answer_is_forgotten_soon(void **state)
{
    uint64_t expired = wire_counted(COUNTER_FORWARD_EXPIRED_HALF_OPEN);
    struct forwarded connection = forwarded_begin(wire_new_port());

    (void)state;
    connection.from_client.sequence--; /* it sends its SYN again */
    forwarded_pass(&connection, true, WIRE_SYN, NULL, 0);
    wire_advance_ns(FORWARD_HALF_OPEN_NS - NS_PER_S);
    assert_int_equal(forward_flow_count(), 1);
    wire_advance_ns(2 * NS_PER_S);
    assert_int_equal(forward_flow_count(), 0);
    assert_int_equal(wire_counted(COUNTER_FORWARD_EXPIRED_HALF_OPEN) - expired, 1);
}

static void a_handshake_that_only_the_backend_has_answered_is_no_connection(void **state)
{
    struct forwarded connection = forwarded_begin(wire_new_port());

    (void)state;
    forwarded_pass(&connection, false, WIRE_SYN | WIRE_ACK, NULL, 0);
    /* What nobody who has seen the answer would acknowledge. */
    connection.from_client.acknowledgment += HANDSHAKE_MUCH;
    forwarded_pass(&connection, true, WIRE_ACK, NULL, 0);
    wire_advance_ns(FORWARD_HALF_OPEN_NS + NS_PER_S);
    assert_int_equal(forward_flow_count(), 0);
}

static void what_is_over_is_forgotten_after_four_minutes(void **state)
{
    struct forwarded connection = forwarded_open(wire_new_port());

    (void)state;
    forwarded_finish(&connection);
    wire_advance_ns(FORWARD_TRANSITORY_NS - NS_PER_S);
    assert_int_equal(forward_flow_count(), 1);
    wire_advance_ns(2 * NS_PER_S);
    assert_int_equal(forward_flow_count(), 0);
}

static void who_has_ended_may_begin_again_from_the_same_port(void **state)
{
    uint16_t port = wire_new_port();
    struct forwarded first = forwarded_open(port), second;

    (void)state;
    forwarded_finish(&first);
    second = forwarded_open(port);
    assert_int_not_equal(first.from_backend.destination_port, second.from_backend.destination_port);
    assert_int_equal(forward_flow_count(), 1);
    forwarded_pass(&second, true, WIRE_ACK, "x", 1);
}

/* --- What is not sent on --- */

static void expect_refusal(uint16_t client_port)
{
    struct host_segment answer = host_expect();

    assert_int_equal(answer.flags, WIRE_RST | WIRE_ACK);
    assert_int_equal(answer.destination_port, client_port);
    host_expect_silence();
}

static struct host_segment a_syn(uint16_t port)
{
    return (struct host_segment){.source = wire_client_address,
                                 .destination = WIRE_OWN_ADDRESS,
                                 .source_port = wire_new_port(),
                                 .destination_port = port,
                                 .flags = WIRE_SYN,
                                 .ttl = 64};
}

static void a_port_without_a_living_backend_is_refused(void **state)
{
    struct forward_backend backend = {BACKEND_ADDRESS, BACKEND_PORT, 0};
    struct host_segment syn = a_syn(FORWARD_PORT);
    struct forwarded connection = forwarded_open(wire_new_port());
    uint64_t refused = wire_counted(COUNTER_FORWARD_REFUSED_BACKEND);

    (void)state;
    forward_tell(FORWARD_PORT, FORWARD_LEAST_CONNECTIONS, &backend, 1);
    host_send(&syn);
    expect_refusal(syn.source_port);
    assert_int_equal(wire_counted(COUNTER_FORWARD_REFUSED_BACKEND) - refused, 1);
    /* The flows that it has go on. */
    forwarded_pass(&connection, true, WIRE_ACK, "x", 1);
    /* This machine is no backend of its own. */
    backend = (struct forward_backend){WIRE_OWN_ADDRESS, BACKEND_PORT, 1};
    forward_tell(FORWARD_PORT, FORWARD_ROUND_ROBIN, &backend, 1);
    host_send(&syn);
    expect_refusal(syn.source_port);
    syn = a_syn(FORWARD_PORT + 1);
    host_send(&syn);
    expect_refusal(syn.source_port);
}

static void a_port_that_is_listened_at_is_not_forwarded(void **state)
{
    const struct forward_backend backend = {BACKEND_ADDRESS, BACKEND_PORT, 1};
    struct host_segment syn = a_syn(WIRE_SERVER_PORT), answer;

    (void)state;
    forward_tell(WIRE_SERVER_PORT, FORWARD_ROUND_ROBIN, &backend, 1);
    host_send(&syn);
    answer = host_expect();
    assert_int_equal(answer.flags, WIRE_SYN | WIRE_ACK);
    assert_int_equal(answer.destination, wire_client_address);
    syn.flags = WIRE_RST;
    syn.sequence++;
    host_send(&syn);
    wire_serve(false);
    syn = a_syn(WIRE_SERVER_PORT);
    host_send(&syn);
    assert_int_equal(host_expect().destination, BACKEND_ADDRESS);
    wire_serve(true);
}

static void what_is_at_its_last_hop_or_damaged_goes_nowhere(void **state)
{
    struct forwarded connection = forwarded_open(wire_new_port());
    struct host_segment segment = connection.from_client;
    uint64_t ttl = wire_counted(COUNTER_FORWARD_DROP_TTL);
    uint64_t damaged = wire_counted(COUNTER_DROP_CHECKSUM);
    uint8_t frame[FRAME_MAX_BYTES];
    size_t length;

    (void)state;
    segment.flags = WIRE_ACK;
    segment.ttl = 1;
    host_send(&segment);
    assert_int_equal(wire_counted(COUNTER_FORWARD_DROP_TTL) - ttl, 1);
    segment.ttl = 2;
    length = host_build(frame, &segment);
    frame[length - 1] ^= 1;
    wire_receive_frame(frame, length, 0);
    wire_run();
    assert_int_equal(wire_counted(COUNTER_DROP_CHECKSUM) - damaged, 1);
    host_expect_silence();
    frame[length - 1] ^= 1;
    wire_receive_frame(frame, length, 0);
    wire_run();
    assert_int_equal(host_expect().ttl, 1);
}

/* The card adds bytes to short frames. */
static void what_fills_a_frame_up_is_left_out(void **state)
{
    struct forwarded connection = forwarded_open(wire_new_port());
    struct host_segment segment = connection.from_client;
    uint8_t frame[60] = {0};

    (void)state;
    segment.flags = WIRE_ACK;
    assert_true(host_build(frame, &segment) < sizeof(frame));
    wire_receive_frame(frame, sizeof(frame), FRAME_IP_CHECKSUM_GOOD | FRAME_L4_CHECKSUM_GOOD);
    wire_run();
    assert_int_equal(host_expect().payload_bytes, 0);
}

/* Options of IP are received and ignored, and fragments put together. */
static void what_comes_in_fragments_goes_on_in_one_piece(void **state)
{
    struct forwarded connection = forwarded_open(wire_new_port());
    struct host_segment segment = connection.from_client, came;
    uint8_t whole[FRAME_MAX_BYTES], piece[FRAME_MAX_BYTES];
    size_t length;

    (void)state;
    segment.flags = WIRE_ACK;
    segment.fragment = 0;
    segment.payload_bytes = 1000;
    memset(segment.payload, 'x', 1000);
    length = host_build(whole, &segment);
    for (unsigned i = 0; i < 2; i++) {
        size_t from = i == 0 ? 0 : 512, bytes = i == 0 ? 512 : length - 34 - 512;

        memcpy(piece, whole, 34);
        memcpy(piece + 34, whole + 34 + from, bytes);
        piece[16] = (uint8_t)((20 + bytes) >> 8);
        piece[17] = (uint8_t)(20 + bytes);
        piece[20] = i == 0 ? 0x20 : 0;
        piece[21] = (uint8_t)(from / 8);
        /* The card has looked at what stands there of checksums. */
        wire_receive_frame(piece, 34 + bytes, FRAME_IP_CHECKSUM_GOOD);
        wire_run();
    }
    came = host_expect();
    assert_int_equal(came.payload_bytes, 1000);
    assert_int_equal(came.destination, BACKEND_ADDRESS);
}

/* --- Neighbours, frames, room --- */

static void a_backend_that_is_not_there_is_reported_to_who_asks_again(void **state)
{
    const struct forward_backend backend = {SILENT_ADDRESS, BACKEND_PORT, 1};
    struct host_segment syn = a_syn(FORWARD_PORT);
    const uint8_t *frame;
    size_t length;

    (void)state;
    forward_tell(FORWARD_PORT, FORWARD_ROUND_ROBIN, &backend, 1);
    host_send(&syn);
    (void)host_expect_other(&length); /* who has that address? */
    wire_advance_ns(NS_PER_S);
    host_send(&syn);
    (void)host_expect_other(&length);
    wire_clear();
    wire_advance_ns(NEIGHBOR_PATIENCE_NS);
    wire_clear();
    host_send(&syn);
    frame = host_expect_other(&length);
    assert_int_equal(frame[ETHERNET_HEADER_BYTES + 9], 1);
    assert_int_equal(frame[34], 3); /* host unreachable */
    assert_int_equal(frame[35], 1);
    assert_memory_equal(frame + 42 + 12, &syn.source, 4);
    assert_memory_equal(frame + 42 + 16, &syn.destination, 4);
    assert_int_equal(frame[42 + 20] << 8 | frame[42 + 21], syn.source_port);
    assert_int_equal(forward_flow_count(), 0);
}

static void frames_are_sent_from_where_they_lie_and_copied_when_too_many_wait(void **state)
{
    struct forwarded connection = forwarded_open(wire_new_port());

    (void)state;
    wire_hold_sent(true);
    for (unsigned i = 0; i < FRAMES_SENT_MAX; i++) {
        forwarded_pass(&connection, true, WIRE_ACK, "0123456789", 10);
    }
    assert_int_equal(wire_frames_held(), FRAMES_SENT_MAX);
    forwarded_pass(&connection, true, WIRE_ACK, "0123456789", 10);
    assert_int_equal(wire_frames_held(), FRAMES_SENT_MAX);
    wire_hold_sent(false);
    assert_int_equal(wire_frames_held(), 0);
}

static void what_the_card_has_no_room_for_is_lost_and_counted(void **state)
{
    struct forwarded connection = forwarded_open(wire_new_port());
    struct host_segment segment = connection.from_client;
    uint64_t full = wire_counted(COUNTER_DROP_TX_FULL);
    uint64_t absent = wire_counted(COUNTER_DROP_NO_DEVICE);

    (void)state;
    segment.flags = WIRE_ACK;
    wire_block_transmit(true);
    host_send(&segment);
    wire_block_transmit(false);
    assert_int_equal(wire_counted(COUNTER_DROP_TX_FULL) - full, 1);
    wire_unplug(true);
    host_send(&segment);
    wire_unplug(false);
    assert_int_equal(wire_counted(COUNTER_DROP_NO_DEVICE) - absent, 1);
    assert_int_equal(wire_frames_held(), 0);
    forwarded_pass(&connection, true, WIRE_ACK, "x", 1);
}

#define TEST(name) cmocka_unit_test_teardown(name, leave)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_connection_goes_through_from_its_first_segment_to_its_last),
        TEST(all_that_a_segment_says_stays),
        TEST(a_frame_of_any_length_and_content_keeps_its_checksum_right),
        TEST(one_that_was_on_no_wire_gets_a_whole_checksum),
        TEST(nothing_is_acknowledged_or_repeated_here),
        TEST(a_reset_goes_on_and_ends_the_flow_if_its_receiver_believes_it),
        TEST(a_clients_reset_ends_it_likewise),
        TEST(a_backend_that_refuses_is_heard),
        TEST(a_half_closed_connection_goes_on_as_long_as_something_comes),
        TEST(an_idle_connection_is_forgotten_after_two_hours_and_not_before),
        TEST(a_handshake_without_an_answer_is_forgotten_soon),
        TEST(a_handshake_that_only_the_backend_has_answered_is_no_connection),
        TEST(what_is_over_is_forgotten_after_four_minutes),
        TEST(who_has_ended_may_begin_again_from_the_same_port),
        TEST(a_port_without_a_living_backend_is_refused),
        TEST(a_port_that_is_listened_at_is_not_forwarded),
        TEST(what_is_at_its_last_hop_or_damaged_goes_nowhere),
        TEST(what_fills_a_frame_up_is_left_out),
        TEST(what_comes_in_fragments_goes_on_in_one_piece),
        TEST(a_backend_that_is_not_there_is_reported_to_who_asks_again),
        TEST(frames_are_sent_from_where_they_lie_and_copied_when_too_many_wait),
        TEST(what_the_card_has_no_room_for_is_lost_and_counted),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
