/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_client.c */
/* library: lwip */
/*
 * Tests net/transport/active.c over a whole transport server: SYN-SENT (RFC 9293 3.10.7.3). The
 * wire's client is the server here, and the port that others listen on is the one from which is
 * connected, since the application asks for that. The server lives as long as the process: each
 * test goes on where the one before it stopped.
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
#include "net/transport/active.h"
#include "net/transport/connection.h"
#include "net/transport/counters.h"
#include "net/transport/tcp/sequence.h"
#include "net/transport/tcp/timewait.h"
#include "tests/unit/world/fake_client.h"
#include "tests/unit/world/fake_platform.h"

#define PEER_IRS 0xFFFFFFFEu /* its numbers wrap soon */

static uint16_t swap(uint16_t port)
{
    return __builtin_bswap16(port);
}

static void ask_for(uint32_t address, uint16_t port, uint16_t local_port, bool is_withdrawn)
{
    struct open_connection message = {
        .header = {.type = OPEN_CONNECTION, .length_bytes = sizeof(message)},
        .stream_index = port,
        .remote_address = address,
        .remote_port = swap(port),
        .local_port = swap(local_port),
        .is_withdrawn = is_withdrawn,
    };

    fake_deliver(NODE_APPLICATION, &message.header);
    wire_run();
}

/* Returns the initial sequence number. */
static uint32_t expect_syn(struct client *peer, uint8_t flags)
{
    struct segment segment = wire_expect(peer);

    assert_int_equal(segment.flags, flags);
    assert_int_equal(segment.length, 0);
    peer->receive_next = segment.sequence + 1;
    return segment.sequence;
}

/* Connect to a port of the peer's; the SYN has come there. */
static struct client begin(uint16_t port)
{
    struct client peer = {.port = port, .send_next = PEER_IRS};

    ask_for(WIRE_CLIENT_ADDRESS, port, WIRE_SERVER_PORT, false);
    (void)expect_syn(&peer, WIRE_SYN);
    return peer;
}

static const struct connection_opened *expect_opened(struct client *peer)
{
    const struct connection_opened *opened =
        (const struct connection_opened *)fake_expect_message(NODE_APPLICATION, CONNECTION_OPENED);

    assert_int_equal(opened->stream_index, peer->port);
    assert_int_equal(opened->error_number, 0);
    assert_int_not_equal(opened->send_window_bytes, 0);
    peer->connection_index = opened->connection_index;
    peer->generation = opened->generation;
    return opened;
}

static void expect_failure(uint16_t port, unsigned error_number)
{
    const struct connection_opened *opened =
        (const struct connection_opened *)fake_expect_message(NODE_APPLICATION, CONNECTION_OPENED);

    assert_int_equal(opened->stream_index, port);
    assert_int_equal(opened->error_number, error_number);
    assert_int_equal(active_count(), 0);
}

static void expect_ack(const struct client *peer)
{
    struct segment segment = wire_expect(peer);

    assert_int_equal(segment.flags, WIRE_ACK);
    assert_int_equal(segment.sequence, peer->receive_next);
    assert_int_equal(segment.acknowledgement, peer->send_next);
}

/* The peer answers the SYN, and the connection is there. */
static void answer(struct client *peer)
{
    wire_send(peer, WIRE_SYN | WIRE_ACK, NULL, 0);
    wire_run();
    peer->send_next++;
    (void)expect_opened(peer);
    expect_ack(peer);
}

static void send_with_ack(struct client *peer, uint8_t flags, uint32_t acknowledgement)
{
    uint32_t right = peer->receive_next;

    peer->receive_next = acknowledgement;
    wire_send(peer, flags, NULL, 0);
    peer->receive_next = right;
    wire_run();
}

static void a_connection_is_opened_and_used(void **state)
{
    struct client peer = begin(wire_new_port());
    struct segment segment;
    uint64_t opened = wire_counted(COUNTER_OPENS_OPENED);
    uint64_t accepted = wire_counted(COUNTER_TCP_ACCEPTED);

    (void)state;
    answer(&peer);
    assert_int_equal(wire_counted(COUNTER_OPENS_OPENED) - opened, 1);
    assert_int_equal(wire_counted(COUNTER_TCP_ACCEPTED), accepted);
    assert_null(fake_take_message(NODE_CM)); /* no manager hears of it */
    wire_application_send(&peer, "hello", 5);
    wire_run();
    segment = wire_expect(&peer);
    assert_int_equal(segment.sequence, peer.receive_next);
    assert_memory_equal(segment.payload, "hello", 5);
    peer.receive_next += 5;
    wire_send(&peer, WIRE_ACK | WIRE_PSH, "world!", 6);
    peer.send_next += 6;
    wire_run();
    assert_int_equal(
        ((const struct data *)fake_expect_message(NODE_APPLICATION, DATA))->stream_index,
        peer.port);
    wire_application_consumed(&peer, 6);
    wire_finish(&peer);
    assert_null(fake_take_message(NODE_CM));
}

/* RFC 1122 4.2.2.13, RFC 6191. */
static void a_flow_in_time_wait_is_opened_again_beyond_its_numbers(void **state)
{
    struct client peer = begin(wire_new_port());
    uint32_t last, flows = timewait_count();

    (void)state;
    answer(&peer);
    wire_application_close(&peer, 0, CLOSE_BOTH);
    wire_run();
    (void)wire_expect(&peer); /* FIN */
    peer.receive_next++;
    wire_send(&peer, WIRE_FIN | WIRE_ACK, NULL, 0);
    wire_run();
    peer.send_next++;
    expect_ack(&peer);
    last = peer.receive_next;
    assert_int_equal(timewait_count(), flows + 1);

    peer.send_next = PEER_IRS + 1000;
    ask_for(WIRE_CLIENT_ADDRESS, peer.port, WIRE_SERVER_PORT, false);
    assert_true(sequence_is_after(expect_syn(&peer, WIRE_SYN), last));
    assert_int_equal(timewait_count(), flows);
    answer(&peer);
    /* While it is there it is not opened once more. */
    ask_for(WIRE_CLIENT_ADDRESS, peer.port, WIRE_SERVER_PORT, false);
    expect_failure(peer.port, EADDRNOTAVAIL);
    wire_finish(&peer);
}

static void who_resets_has_refused(void **state)
{
    struct client peer = begin(wire_new_port());

    (void)state;
    /* Not what our SYN was answered by. */
    wire_send(&peer, WIRE_RST, NULL, 0);
    wire_run();
    send_with_ack(&peer, WIRE_RST | WIRE_ACK, peer.receive_next + 1);
    send_with_ack(&peer, WIRE_RST | WIRE_ACK, peer.receive_next - 1);
    assert_int_equal(active_count(), 1);
    assert_null(fake_take_message(NODE_APPLICATION));
    wire_expect_silence();

    wire_send(&peer, WIRE_RST | WIRE_ACK, NULL, 0);
    wire_run();
    expect_failure(peer.port, ECONNREFUSED);
    wire_expect_silence();
}

static void an_answer_to_another_syn_is_reset(void **state)
{
    struct client peer = begin(wire_new_port());
    struct segment segment;

    (void)state;
    send_with_ack(&peer, WIRE_SYN | WIRE_ACK, peer.receive_next + 7);
    segment = wire_expect(&peer);
    assert_int_equal(segment.flags, WIRE_RST);
    assert_int_equal(segment.sequence, peer.receive_next + 7);
    /* Neither SYN nor RST: passed over. */
    wire_send(&peer, WIRE_ACK, "x", 1);
    wire_run();
    wire_expect_silence();
    answer(&peer);
    wire_finish(&peer);
}

static void the_syn_is_sent_seven_times_in_127_seconds(void **state)
{
    struct client peer = begin(wire_new_port());
    unsigned count = 1;
    uint32_t iss = peer.receive_next - 1;

    (void)state;
    for (unsigned second = 1; second < 127; second++) {
        struct segment segment;

        wire_advance_ns(NS_PER_S);
        wire_run();
        while (wire_take(&segment)) {
            assert_int_equal(segment.flags, WIRE_SYN);
            assert_int_equal(segment.sequence, iss);
            assert_int_equal(second, (1u << count) - 1); /* 1, 3, 7 ... */
            count++;
        }
    }
    assert_int_equal(count, ACTIVE_SYNS);
    assert_int_equal(active_count(), 1);
    wire_advance_ns(NS_PER_S);
    wire_run();
    expect_failure(peer.port, ETIMEDOUT);
    wire_clear();
}

/* RFC 9293 3.5, figure 7. */
static void two_syns_that_cross_open_one_connection(void **state)
{
    struct client peer = begin(wire_new_port());
    uint32_t iss = peer.receive_next - 1;

    (void)state;
    wire_send(&peer, WIRE_SYN, NULL, 0);
    wire_run();
    assert_int_equal(expect_syn(&peer, WIRE_SYN | WIRE_ACK), iss);
    assert_null(fake_take_message(NODE_APPLICATION));
    peer.send_next++;
    /* Data goes with what acknowledges ours. */
    wire_send(&peer, WIRE_ACK | WIRE_PSH, "both", 4);
    wire_run();
    peer.send_next += 4;
    (void)expect_opened(&peer);
    (void)fake_expect_message(NODE_APPLICATION, DATA);
    wire_application_consumed(&peer, 4);
    wire_advance_ns(20 * NS_PER_MS);
    wire_run();
    wire_clear();
    wire_finish(&peer);

    /* Or the peer answers ours as if it had not sent its own. */
    peer = begin(wire_new_port());
    wire_send(&peer, WIRE_SYN, NULL, 0);
    wire_run();
    (void)expect_syn(&peer, WIRE_SYN | WIRE_ACK);
    answer(&peer);
    wire_finish(&peer);

    peer = begin(wire_new_port());
    wire_send(&peer, WIRE_SYN, NULL, 0);
    wire_run();
    (void)expect_syn(&peer, WIRE_SYN | WIRE_ACK);
    peer.send_next++;
    wire_send(&peer, WIRE_RST | WIRE_ACK, NULL, 0);
    wire_run();
    expect_failure(peer.port, ECONNREFUSED);
}

static void tell_unreachable(const struct client *peer, uint8_t code, uint32_t sequence)
{
    uint8_t frame[FRAME_MAX_BYTES];
    size_t length = wire_build_too_long(frame, peer, sequence, 0);

    frame[14 + 20 + 1] = code;
    wire_seal(frame);
    wire_receive_frame(frame, length, FRAME_IP_CHECKSUM_GOOD);
    wire_run();
}

static void routers_say_what_linux_makes_of_it(void **state)
{
    static const struct {
        uint8_t code;
        int error;
    } cases[] = {{0, ENETUNREACH}, {1, EHOSTUNREACH}, {3, ECONNREFUSED}, {13, EHOSTUNREACH}};

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
        struct client peer = begin(wire_new_port());

        tell_unreachable(&peer, cases[i].code, peer.receive_next); /* not the SYN's number */
        assert_int_equal(active_count(), 1);
        tell_unreachable(&peer, 16, peer.receive_next - 1);
        assert_int_equal(active_count(), 1);
        tell_unreachable(&peer, cases[i].code, peer.receive_next - 1);
        expect_failure(peer.port, (unsigned)cases[i].error);
    }
}

static void who_is_not_there_cannot_be_reached(void **state)
{
    (void)state;
    ask_for(0x4D01A8C0u /* 192.168.1.77 */, 81, 0, false);
    for (unsigned second = 0; second < 3; second++) {
        assert_int_equal(active_count(), 1);
        wire_advance_ns(NS_PER_S);
        wire_run();
    }
    expect_failure(81, EHOSTUNREACH);
    wire_clear();
    ask_for(0xFFFFFFFFu, 81, 0, false);
    expect_failure(81, ENETUNREACH);
    ask_for(0x010000E0u /* 224.0.0.1 */, 81, 0, false);
    expect_failure(81, ENETUNREACH);
    ask_for(0xFF01A8C0u /* 192.168.1.255, the subnet's broadcast address */, 81, 0, false);
    expect_failure(81, ENETUNREACH);
    wire_expect_silence();
}

static void what_is_not_wanted_any_more_is_forgotten(void **state)
{
    struct client peer = begin(wire_new_port());

    (void)state;
    ask_for(WIRE_CLIENT_ADDRESS, peer.port, WIRE_SERVER_PORT, true);
    assert_int_equal(active_count(), 0);
    assert_null(fake_take_message(NODE_APPLICATION));
    wire_send(&peer, WIRE_SYN | WIRE_ACK, NULL, 0);
    wire_run();
    assert_int_equal(wire_expect(&peer).flags, WIRE_RST);
    wire_advance_ns(NS_PER_S);
    wire_run();
    wire_expect_silence();
}

/* Nothing is left behind, and the next one finds what it needs. */
static void without_memory_there_is_no_room(void **state)
{
    struct client peers[64], peer;
    unsigned count = 0;

    (void)state;
    while (count < ARRAY_COUNT(peers)) { /* all that are there */
        peers[count] = begin(wire_new_port());
        count++;
    }
    fake_fail_allocations_after(0);
    ask_for(WIRE_CLIENT_ADDRESS, wire_new_port(), WIRE_SERVER_PORT, false);
    fake_fail_allocations_after(-1);
    assert_int_equal(
        ((const struct connection_opened *)fake_expect_message(NODE_APPLICATION, CONNECTION_OPENED))
            ->error_number,
        ENOBUFS);
    assert_int_equal(active_count(), count);
    while (count > 0) {
        ask_for(WIRE_CLIENT_ADDRESS, peers[--count].port, WIRE_SERVER_PORT, true);
    }
    assert_int_equal(active_count(), 0);
    peer = begin(wire_new_port());
    answer(&peer);
    wire_finish(&peer);
}

/* Of any connection; a round at a time, since a channel is short. Returns how many bytes came. */
static unsigned take_data(unsigned wanted)
{
    unsigned bytes = 0;

    for (unsigned i = 0; i < 1000 && bytes < wanted; i++) {
        const struct message *message = fake_take_message(NODE_APPLICATION);

        if (message == NULL) {
            wire_advance_ns(NS_PER_MS);
            wire_run();
        } else if (message->header.type == DATA) {
            bytes += message->header.length_bytes - (unsigned)sizeof(struct data);
        }
    }
    return bytes;
}

/* To our own address, or 127.0.0.1: nothing of it is on the wire. */
static void it_connects_to_itself(void **state)
{
    static const uint32_t addresses[] = {WIRE_OWN_ADDRESS, 0x0100007Fu, 0};

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(addresses); i++) {
        struct client opener = {.port = WIRE_SERVER_PORT}, server = {.port = 0};
        const struct connection_available *available;
        const struct connection_opened *opened;

        ask_for(addresses[i], WIRE_SERVER_PORT, 0, false);
        opened = expect_opened(&opener);
        assert_int_equal(opened->flow.remote_address, WIRE_OWN_ADDRESS);
        assert_int_equal(opened->flow.local_address, WIRE_OWN_ADDRESS);
        assert_true(swap(opened->flow.local_port) >= 32768);
        assert_true(wire_answer_syn(NODE_APPLICATION, false));
        wire_run();
        available = (const struct connection_available *)fake_expect_message(NODE_APPLICATION,
                                                                             CONNECTION_AVAILABLE);
        server.connection_index = available->connection_index;
        server.generation = available->generation;
        server.availability_number = available->availability_number;
        wire_claim(&server);
        wire_run();
        (void)fake_expect_message(NODE_APPLICATION, CLAIM_CONFIRMED);

        wire_application_send(&opener, "to myself", 9);
        wire_run();
        (void)fake_expect_message(NODE_APPLICATION, DATA);
        wire_application_consumed(&server, 9);
        /* Longer than a frame is cut. */
        wire_application_send_archive(&server, 0, 20000);
        assert_int_equal(take_data(20000), 20000);
        wire_application_close(&opener, 20000, CLOSE_BOTH);
        wire_run();
        wire_application_close(&server, 0, CLOSE_BOTH);
        wire_run();
        wire_expect_silence();
        wire_clear();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_connection_is_opened_and_used, wire_tear_down),
        cmocka_unit_test_teardown(a_flow_in_time_wait_is_opened_again_beyond_its_numbers,
                                  wire_tear_down),
        cmocka_unit_test_teardown(who_resets_has_refused, wire_tear_down),
        cmocka_unit_test_teardown(an_answer_to_another_syn_is_reset, wire_tear_down),
        cmocka_unit_test_teardown(the_syn_is_sent_seven_times_in_127_seconds, wire_tear_down),
        cmocka_unit_test_teardown(two_syns_that_cross_open_one_connection, wire_tear_down),
        cmocka_unit_test_teardown(routers_say_what_linux_makes_of_it, wire_tear_down),
        cmocka_unit_test_teardown(who_is_not_there_cannot_be_reached, wire_tear_down),
        cmocka_unit_test_teardown(what_is_not_wanted_any_more_is_forgotten, wire_tear_down),
        cmocka_unit_test_teardown(without_memory_there_is_no_room, wire_tear_down),
        cmocka_unit_test_teardown(it_connects_to_itself, wire_tear_down),
    };

    return cmocka_run_group_tests(tests, wire_set_up, NULL);
}
