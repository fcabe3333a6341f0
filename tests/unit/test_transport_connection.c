/* SPDX-License-Identifier: MIT */
/* sources: net/transport_server.c net/transport_frames.c net/transport_demux.c */
/* sources: net/transport_timewait.c net/transport_connection.c net/transport_table.c */
/* sources: net/transport_offer.c net/transport_stream.c net/transport_timer.c */
/* sources: net/transport_address.c net/transport_hash.c net/lwip/interface.c net/neighbor.c */
/* sources: net/network_options.c net/address.c net/configuration.c net/steering.c */
/* sources: kernel/dispatch.c kernel/channel.c kernel/status.c kernel/log.c kernel/format.c */
/* sources: kernel/timer.c kernel/thread.c kernel/switch.S kernel/command_line.c */
/* sources: tests/unit/fake_wire.c tests/unit/fake_platform.c tests/unit/fake_memory.c */
/* library: lwip */
/*
 * Tests the transport server with TCP clients on one side and an application and a CM on the
 * other, over the real lwIP.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/dispatch.h"
#include "kernel/frame.h"
#include "kernel/platform.h"
#include "kernel/status.h"
#include "net/transport_demux.h"
#include "net/transport_offer.h"
#include "net/transport_stream.h"
#include "net/transport_timewait.h"
#include "tests/unit/fake_platform.h"
#include "tests/unit/fake_wire.h"

static uint16_t next_port = 20000;

static uint64_t counted(enum counter counter)
{
    return counter_read(0, counter);
}

static int start(void **state)
{
    (void)state;
    wire_start();
    return 0;
}

/* Nothing of one test may reach the next. */
static int end(void **state)
{
    (void)state;
    wire_hold_sent(false);
    wire_block_transmit(false);
    wire_advance_ns(60 * NS_PER_S);
    wire_clear();
    for (unsigned i = 0; i < 60 && wire_connection_count() != 0; i++) {
        wire_advance_ns(NS_PER_S);
        wire_clear();
    }
    return wire_connection_count() == 0 ? 0 : -1;
}

/* Client and server say FIN, the client first or second; nothing stays behind. */
static void finish(struct client *client)
{
    wire_application_close(client, UINT32_MAX, CLOSE_BOTH);
    wire_run();
    wire_send(client, WIRE_RST, NULL, 0);
    wire_run();
    wire_clear();
}

/* --- Offer and claim --- */

static void a_connection_is_offered_with_the_data_that_came_with_it(void **state)
{
    struct client client;
    const struct connection_available *offer;

    (void)state;
    wire_open(&client, next_port++, "GET /");
    offer = fake_expect_message(NODE_APPLICATION, CONNECTION_AVAILABLE);
    assert_int_equal(offer->header.length_bytes, sizeof(*offer) + 5);
    assert_memory_equal(offer->data, "GET /", 5);
    assert_int_equal(offer->listener_index, 3);
    assert_int_equal(offer->flow.remote_address, WIRE_CLIENT_ADDRESS);
    wire_expect_silence(); /* the acknowledgement waits for an answer to ride on */
    wire_send(&client, WIRE_RST, NULL, 0);
    wire_run();
    assert_int_equal(
        ((const struct connection_closed *)fake_expect_message(NODE_CM, CONNECTION_CLOSED))
            ->acceptor.node,
        NODE_APPLICATION);
}

static void a_flood_of_syns_never_reaches_the_application(void **state)
{
    struct client client = {.send_next = 77};
    uint64_t dropped = counted(COUNTER_DROP_SYN_LIMIT);

    (void)state;
    for (unsigned i = 0; i < HALF_OPEN_MAX + 10; i++) {
        client.port = (uint16_t)(1024 + i);
        wire_assign(&client, NODE_APPLICATION, false);
        while (i >= HALF_OPEN_MAX && fake_take_message(NODE_CM) != NULL) {
        }
    }
    fake_expect_no_message(NODE_APPLICATION);
    assert_int_equal(counted(COUNTER_DROP_SYN_LIMIT) - dropped, 10);
    assert_int_equal(wire_connection_count(), HALF_OPEN_MAX);
}

static void a_confirmed_claim_brings_what_came_meanwhile_and_then_data_follows(void **state)
{
    struct client client;
    const struct connection_available *offer;
    const struct claim_confirmed *confirmed;
    const struct data *data;

    (void)state;
    wire_open(&client, next_port++, "one");
    offer = fake_expect_message(NODE_APPLICATION, CONNECTION_AVAILABLE);
    client.connection_index = offer->connection_index;
    client.generation = offer->generation;
    client.offer_number = offer->offer_number;
    wire_send(&client, WIRE_ACK, "two", 3);
    client.send_next += 3;
    wire_send(&client, WIRE_ACK, "three", 5);
    client.send_next += 5;
    wire_claim(&client);
    confirmed = fake_expect_message(NODE_APPLICATION, CLAIM_CONFIRMED);
    assert_int_equal(confirmed->send_window_bytes, SEND_WINDOW_BYTES);
    assert_int_equal(confirmed->header.length_bytes, sizeof(*confirmed) + 3);
    assert_memory_equal(confirmed->data, "two", 3);
    data = fake_expect_message(NODE_APPLICATION, DATA);
    assert_memory_equal(data->bytes, "three", 5);
    assert_int_equal(data->socket_index, client.port);
    finish(&client);
}

static void an_unclaimed_offer_goes_to_another_and_the_late_claim_is_rejected(void **state)
{
    struct client client;
    const struct connection_available *offer;
    const struct accept_timeout *timeout;
    struct reassign_connection again = {
        .header = {.type = REASSIGN_CONNECTION, .length_bytes = sizeof(again)},
        .acceptor = {.node = NODE_APPLICATION,
                     .listener_index = 9,
                     .cm = NODE_CM,
                     .assigned_by = NODE_CM},
        .port = WIRE_SERVER_PORT,
    };

    (void)state;
    wire_open(&client, next_port++, "hello");
    offer = fake_expect_message(NODE_APPLICATION, CONNECTION_AVAILABLE);
    client.connection_index = again.connection_index = offer->connection_index;
    client.generation = again.generation = offer->generation;
    client.offer_number = offer->offer_number;
    wire_advance_ns(CLAIM_TIMEOUT_NS - 1);
    fake_expect_no_message(NODE_CM);
    wire_advance_ns(1);
    timeout = fake_expect_message(NODE_CM, ACCEPT_TIMEOUT);
    assert_int_equal(timeout->acceptor.node, NODE_APPLICATION);
    assert_int_equal(timeout->port, WIRE_SERVER_PORT);

    wire_claim(&client);
    (void)fake_expect_message(NODE_APPLICATION, CLAIM_REJECTED);
    fake_deliver(NODE_CM, &again.header);
    wire_run();
    offer = fake_expect_message(NODE_APPLICATION, CONNECTION_AVAILABLE);
    assert_int_equal(offer->listener_index, 9);
    assert_memory_equal(offer->data, "hello", 5);
    wire_claim(&client); /* with the number of the first offer */
    (void)fake_expect_message(NODE_APPLICATION, CLAIM_REJECTED);
    client.offer_number++;
    wire_claim(&client);
    (void)fake_expect_message(NODE_APPLICATION, CLAIM_CONFIRMED);
    finish(&client);
}

static void without_an_acceptor_the_cm_is_asked_and_may_refuse(void **state)
{
    struct client client = {.port = next_port++, .send_next = 500};
    const struct accept_timeout *timeout;
    struct reassign_connection refusal = {
        .header = {.type = REASSIGN_CONNECTION, .length_bytes = sizeof(refusal)},
        .acceptor.node = NODE_NONE,
        .is_refused = 1,
    };

    (void)state;
    wire_assign(&client, NODE_NONE, false);
    client.receive_next = wire_expect(&client).sequence + 1;
    wire_send(&client, WIRE_ACK, NULL, 0);
    wire_run();
    timeout = fake_expect_message(NODE_CM, ACCEPT_TIMEOUT);
    assert_int_equal(timeout->acceptor.node, NODE_NONE);
    refusal.connection_index = timeout->connection_index;
    refusal.generation = timeout->generation;
    fake_deliver(NODE_CM, &refusal.header);
    wire_run();
    assert_true((wire_expect(&client).flags & WIRE_RST) != 0);
    fake_expect_no_message(NODE_CM);
    assert_int_equal(wire_connection_count(), 0);
}

static void a_reassignment_that_comes_too_late_is_answered(void **state)
{
    struct reassign_connection late = {
        .header = {.type = REASSIGN_CONNECTION, .length_bytes = sizeof(late)},
        .connection_index = 5,
        .generation = 12345,
        .acceptor = {.node = NODE_APPLICATION, .cm = NODE_CM},
    };

    (void)state;
    fake_deliver(NODE_CM, &late.header);
    wire_run();
    (void)fake_expect_message(NODE_CM, CONNECTION_CLOSED);
}

static void a_repeated_syn_is_answered_and_its_assignment_given_back(void **state)
{
    struct client client = {.port = next_port++, .send_next = 500};
    struct segment first, second;

    (void)state;
    wire_assign(&client, NODE_APPLICATION, false);
    first = wire_expect(&client);
    wire_assign(&client, NODE_APPLICATION, false);
    second = wire_expect(&client);
    assert_int_equal(second.sequence, first.sequence);
    (void)fake_expect_message(NODE_CM, CONNECTION_CLOSED);
    assert_int_equal(wire_connection_count(), 1);
}

static void a_half_open_connection_that_dies_is_given_back(void **state)
{
    struct client client = {.port = next_port++, .send_next = 500};
    const struct connection_closed *closed;

    (void)state;
    wire_assign(&client, NODE_APPLICATION, false);
    for (unsigned i = 0; i < 100; i++) {
        wire_advance_ns(100 * NS_PER_MS);
    }
    closed = fake_expect_message(NODE_CM, CONNECTION_CLOSED);
    assert_int_equal(closed->service_ns, 0);
    assert_int_equal(wire_connection_count(), 0);
    wire_clear();
}

static void a_syn_for_a_port_that_nobody_serves_is_reset(void **state)
{
    struct client client = {.port = next_port++, .send_next = 500};

    (void)state;
    wire_assign(&client, NODE_NONE, true);
    assert_int_equal(wire_expect(&client).flags, WIRE_RST | WIRE_ACK);
    assert_int_equal(wire_connection_count(), 0);
}

/* --- The byte stream --- */

static void response_and_fin_leave_in_one_segment(void **state)
{
    struct client client;
    struct segment answer;
    const struct connection_closed *closed;

    (void)state;
    (void)wire_accept(&client, next_port++);
    wire_send(&client, WIRE_ACK | WIRE_PSH, "GET /4b", 7);
    client.send_next += 7;
    wire_run();
    (void)fake_expect_message(NODE_APPLICATION, DATA);
    wire_application_send(&client, "answer", 6);
    wire_application_close(&client, 7, CLOSE_BOTH);
    wire_run();
    answer = wire_expect(&client);
    assert_int_equal(answer.flags, WIRE_ACK | WIRE_PSH | WIRE_FIN);
    assert_int_equal(answer.acknowledgement, client.send_next);
    assert_int_equal(answer.length, 6);
    assert_memory_equal(answer.payload, "answer", 6);
    wire_expect_silence();
    closed = fake_expect_message(NODE_CM, CONNECTION_CLOSED);
    assert_int_equal(closed->acceptor.listener_index, 3);

    client.receive_next += 7;
    wire_send(&client, WIRE_ACK | WIRE_FIN, NULL, 0);
    client.send_next++;
    wire_run();
    answer = wire_expect(&client);
    assert_int_equal(answer.flags, WIRE_ACK);
    assert_int_equal(answer.acknowledgement, client.send_next);
    assert_int_equal(wire_connection_count(), 0);

    /* Its last acknowledgement was lost. */
    client.send_next--;
    wire_send(&client, WIRE_ACK | WIRE_FIN, NULL, 0);
    wire_run();
    answer = wire_expect(&client);
    assert_int_equal(answer.flags, WIRE_ACK);
    assert_int_equal(answer.acknowledgement, client.send_next + 1);

    /* And now it uses its port again. */
    client.send_next += 1000;
    wire_assign(&client, NODE_APPLICATION, false);
    answer = wire_expect(&client);
    assert_int_equal(answer.flags, WIRE_SYN | WIRE_ACK);
    assert_true((int32_t)(answer.sequence - client.receive_next) > 0);
}

static void data_without_answer_is_acknowledged_after_a_moment(void **state)
{
    struct client client;

    (void)state;
    (void)wire_accept(&client, next_port++);
    wire_send(&client, WIRE_ACK, "x", 1);
    client.send_next++;
    wire_run();
    wire_expect_silence();
    wire_advance_ns(10 * NS_PER_MS);
    assert_int_equal(wire_expect(&client).acknowledgement, client.send_next);
    finish(&client);
}

static void closing_with_unread_data_is_a_reset(void **state)
{
    struct client client;

    (void)state;
    (void)wire_accept(&client, next_port++);
    wire_send(&client, WIRE_ACK, "unread", 6);
    client.send_next += 6;
    wire_run();
    wire_application_close(&client, 5, CLOSE_BOTH);
    wire_run();
    assert_true((wire_expect(&client).flags & WIRE_RST) != 0);
    assert_int_equal(wire_connection_count(), 0);
}

static void the_peers_fin_and_reset_reach_the_application(void **state)
{
    struct client client;
    const struct connection_failed *failed;

    (void)state;
    (void)wire_accept(&client, next_port++);
    wire_send(&client, WIRE_ACK | WIRE_FIN, "bye", 3);
    client.send_next += 4;
    wire_run();
    (void)fake_expect_message(NODE_APPLICATION, DATA);
    (void)fake_expect_message(NODE_APPLICATION, PEER_CLOSED);
    wire_send(&client, WIRE_RST, NULL, 0);
    wire_run();
    failed = fake_expect_message(NODE_APPLICATION, CONNECTION_FAILED);
    assert_int_equal(failed->error_number, ECONNRESET);
    assert_int_equal(failed->socket_index, client.port);
    (void)fake_expect_message(NODE_CM, CONNECTION_CLOSED);
    assert_int_equal(wire_connection_count(), 0);
    wire_clear();
}

/* After shutdown(SHUT_WR) and the peer's FIN lwIP forgets the connection; what the application
 * has not read is delivered all the same, and its close is still to come. */
static void a_connection_that_tcp_has_finished_stays_until_it_is_closed(void **state)
{
    struct client client;

    (void)state;
    (void)wire_accept(&client, next_port++);
    wire_application_close(&client, 0, CLOSE_SEND_ONLY);
    wire_run();
    assert_int_equal(wire_expect(&client).flags, WIRE_ACK | WIRE_FIN);
    client.receive_next++;
    wire_send(&client, WIRE_ACK | WIRE_FIN, "last words", 10);
    client.send_next += 11;
    wire_run();
    (void)fake_expect_message(NODE_APPLICATION, DATA);
    (void)fake_expect_message(NODE_APPLICATION, PEER_CLOSED);
    fake_expect_no_message(NODE_APPLICATION);
    assert_int_equal(wire_connection_count(), 1);
    wire_application_close(&client, 10, CLOSE_BOTH);
    wire_run();
    assert_int_equal(wire_connection_count(), 0);
    wire_clear();
}

static void the_window_closes_with_unread_data_and_opens_when_it_is_consumed(void **state)
{
    static uint8_t bytes[1000];
    struct client client;
    struct segment last = {0};
    uint32_t sent = 0;

    (void)state;
    (void)wire_accept(&client, next_port++);
    while (sent < 60000) {
        wire_send(&client, WIRE_ACK, bytes, sizeof(bytes));
        client.send_next += sizeof(bytes);
        sent += sizeof(bytes);
        wire_run();
        while (fake_take_message(NODE_APPLICATION) != NULL) {
        }
        while (wire_take(&last)) {
        }
    }
    assert_true(last.window <= 65535 - 58000);
    wire_application_consumed(&client, 60000);
    wire_run();
    wire_advance_ns(10 * NS_PER_MS);
    while (wire_take(&last)) {
    }
    assert_true(last.window > 60000);
    finish(&client);
}

/* The channel holds 16 KiB: nothing is lost when the application is slow, and order is kept. */
static void what_a_full_channel_does_not_take_is_delivered_later(void **state)
{
    uint8_t bytes[1400];
    struct client client;
    uint32_t received = 0;

    (void)state;
    (void)wire_accept(&client, next_port++);
    for (unsigned i = 0; i < 40; i++) {
        memset(bytes, (int)i, sizeof(bytes));
        wire_send(&client, WIRE_ACK, bytes, sizeof(bytes));
        client.send_next += sizeof(bytes);
        wire_run();
    }
    while (received < 40 * sizeof(bytes)) {
        const struct message *message = fake_take_message(NODE_APPLICATION);

        if (message == NULL) {
            wire_run();
            continue;
        }
        assert_int_equal(message->header.type, DATA);
        for (unsigned i = 0; i < message->header.length_bytes - sizeof(struct data); i++) {
            const struct data *data = (const struct data *)message;

            assert_int_equal(data->bytes[i], received++ / sizeof(bytes));
        }
    }
    finish(&client);
}

static void what_crosses_the_end_of_a_connection_is_no_bad_message(void **state)
{
    struct client client;
    uint64_t refused = counted(COUNTER_DROP_BAD_MESSAGE);

    (void)state;
    (void)wire_accept(&client, next_port++);
    wire_send(&client, WIRE_RST, NULL, 0);
    wire_run();
    (void)fake_expect_message(NODE_APPLICATION, CONNECTION_FAILED);
    wire_application_send(&client, "late", 4);
    wire_application_close(&client, 0, CLOSE_BOTH);
    wire_run();
    assert_int_equal(counted(COUNTER_DROP_BAD_MESSAGE), refused);
    wire_clear();
}

static void messages_about_connections_of_others_are_refused(void **state)
{
    struct client client;
    uint64_t refused = counted(COUNTER_DROP_BAD_MESSAGE);
    struct send_archive beyond = {
        .header = {.type = SEND_ARCHIVE, .length_bytes = sizeof(beyond)},
        .archive_offset = WIRE_ARCHIVE_BYTES - 1,
        .length_bytes = 2,
    };

    (void)state;
    (void)wire_accept(&client, next_port++);
    beyond.connection_index = client.connection_index;
    beyond.generation = client.generation;
    fake_deliver(NODE_APPLICATION, &beyond.header);
    beyond.archive_offset = UINT64_MAX;
    fake_deliver(NODE_APPLICATION, &beyond.header);
    beyond.archive_offset = 0;
    beyond.generation++;
    fake_deliver(NODE_APPLICATION, &beyond.header);
    beyond.generation--;
    fake_deliver(NODE_CM, &beyond.header); /* not its own */
    beyond.connection_index = UINT32_MAX;
    fake_deliver(NODE_APPLICATION, &beyond.header);
    wire_application_close(&client, 0, (enum close_kind)99);
    wire_run();
    assert_int_equal(counted(COUNTER_DROP_BAD_MESSAGE) - refused, 6);
    wire_expect_silence();
    finish(&client);
}

/* --- Long responses --- */

/* Take what is on the wire as a client that loses some of it does; acknowledge what is in order.
 * Returns how many bytes of the response have come. */
struct receiver {
    struct client *client;
    uint32_t start; /* sequence number of the response's first byte */
    uint32_t end;   /* first byte that has not come */
    bool has_fin;
    unsigned loss;       /* of 100 segments */
    const uint8_t *head; /* what comes before the archive's bytes */
    uint32_t head_bytes;
};

static void check_bytes(const struct receiver *receiver, const struct segment *segment)
{
    for (uint32_t i = 0; i < segment->length; i++) {
        uint32_t at = segment->sequence - receiver->start + i;
        uint8_t wanted = at < receiver->head_bytes ? receiver->head[at]
                                                   : wire_archive_byte(at - receiver->head_bytes);

        if (segment->payload[i] != wanted) {
            fail_msg("byte %u of the response is %02x, not %02x", at, segment->payload[i], wanted);
        }
    }
}

static void receive_all(struct receiver *receiver)
{
    struct segment segment;
    bool has_news = false;

    while (wire_take(&segment)) {
        has_news = true;
        if ((unsigned)rand() % 100 < receiver->loss) {
            continue;
        }
        check_bytes(receiver, &segment);
        assert_true(segment.length <= WIRE_MSS);
        if ((int32_t)(segment.sequence - receiver->end) <= 0 &&
            (int32_t)(segment.sequence + segment.length - receiver->end) >= 0) {
            receiver->end = segment.sequence + segment.length;
            receiver->has_fin |= (segment.flags & WIRE_FIN) != 0;
        }
        receiver->client->receive_next = receiver->end + receiver->has_fin;
        wire_send(receiver->client, WIRE_ACK, NULL, 0);
    }
    wire_run();
    if (!has_news) {
        wire_advance_ns(100 * NS_PER_MS);
    }
}

static void send_response(unsigned loss, uint32_t archive_bytes)
{
    static const uint8_t head[] = "HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n";
    struct client client;
    struct receiver receiver = {.loss = loss, .head = head, .head_bytes = sizeof(head)};

    (void)wire_accept(&client, next_port++);
    receiver.client = &client;
    receiver.start = receiver.end = client.receive_next;
    wire_application_send(&client, head, sizeof(head));
    wire_application_send_archive(&client, 0, archive_bytes);
    wire_application_close(&client, 0, CLOSE_BOTH);
    wire_run();
    for (unsigned i = 0; i < 20000 && !receiver.has_fin; i++) {
        receive_all(&receiver);
    }
    assert_true(receiver.has_fin);
    assert_int_equal(receiver.end - receiver.start, sizeof(head) + archive_bytes);
    wire_send(&client, WIRE_ACK | WIRE_FIN, NULL, 0);
    client.send_next++;
    wire_run();
    wire_clear();
    assert_int_equal(wire_connection_count(), 0);
}

static void a_long_response_arrives_whole(void **state)
{
    (void)state;
    uint64_t retransmissions = counter_read(platform_node(), COUNTER_TCP_RETRANSMITS);

    send_response(0, 1);
    send_response(0, WIRE_MSS);
    send_response(0, 102400);
    send_response(0, 250000);
    assert_int_equal(counter_read(platform_node(), COUNTER_TCP_RETRANSMITS), retransmissions);
}

/* All that is under way; acknowledged as one. */
static uint32_t receive_flight(struct client *client)
{
    struct segment segment;
    uint32_t bytes = 0;

    while (wire_take(&segment)) {
        bytes += segment.length;
    }
    client->receive_next += bytes;
    wire_send(client, WIRE_ACK, NULL, 0);
    wire_run();
    return bytes;
}

/* RFC 5681 3.1: by what is acknowledged, and by no more, however few acknowledgements come. */
static void slow_start_doubles_the_window_for_each_flight(void **state)
{
    struct client client;

    (void)state;
    (void)wire_accept(&client, next_port++);
    wire_application_send_archive(&client, 0, 200000);
    wire_run();
    assert_int_equal(receive_flight(&client), 10 * WIRE_MSS);
    assert_int_equal(receive_flight(&client), 20 * WIRE_MSS);
    wire_application_close(&client, 0, CLOSE_ABORT);
    wire_run();
    wire_clear();
    assert_int_equal(wire_connection_count(), 0);
}

/* Fixed seeds: whatever is cut, sent again or acknowledged in part, the bytes are right. */
static void a_long_response_arrives_whole_through_losses(void **state)
{
    uint64_t retransmissions = counter_read(platform_node(), COUNTER_TCP_RETRANSMITS);

    (void)state;
    for (unsigned seed = 1; seed <= 12; seed++) {
        srand(seed);
        send_response(seed, 40000 + 17000 * seed);
    }
    assert_true(counter_read(platform_node(), COUNTER_TCP_RETRANSMITS) > retransmissions);
}

/* Bytes in a frame that the NIC has not read yet may not change, nor be freed. */
static void frames_that_the_nic_still_reads_are_left_alone(void **state)
{
    struct client client;
    struct segment segment;
    unsigned count = 0;

    (void)state;
    (void)wire_accept(&client, next_port++);
    wire_hold_sent(true);
    wire_application_send(&client, "precious", 8);
    wire_run();
    for (unsigned i = 0; i < 50; i++) {
        wire_advance_ns(100 * NS_PER_MS); /* retransmission is due, but the first is not out */
    }
    while (wire_take(&segment)) {
        count++;
    }
    assert_int_equal(count, 1);
    wire_application_close(&client, 0, CLOSE_ABORT);
    wire_run();
    wire_hold_sent(false); /* the sanitizer sees a block freed twice or too early */
    wire_advance_ns(NS_PER_S);
    assert_int_equal(wire_connection_count(), 0);
}

static void a_full_transmit_ring_delays_and_loses_nothing(void **state)
{
    struct client client;
    struct segment segment;

    (void)state;
    (void)wire_accept(&client, next_port++);
    wire_block_transmit(true);
    wire_application_send(&client, "first", 5);
    wire_run();
    wire_application_send(&client, "second", 6);
    wire_run();
    wire_expect_silence();
    wire_block_transmit(false);
    wire_run();
    segment = wire_expect(&client);
    assert_memory_equal(segment.payload, "first", 5);
    segment = wire_expect(&client);
    assert_memory_equal(segment.payload, "second", 6);
    finish(&client);
}

/* More pieces than lwIP's queue takes while the client is silent: they wait, and none is lost. */
static void thousands_of_tiny_sends_arrive_in_order(void **state)
{
    struct client client;
    struct segment segment;
    uint32_t start, received = 0;

    (void)state;
    (void)wire_accept(&client, next_port++);
    start = client.receive_next;
    for (unsigned i = 0; i < 3000; i++) {
        uint8_t byte = (uint8_t)i;

        wire_application_send(&client, &byte, 1);
        wire_run(); /* each in a round of its own */
    }
    for (unsigned i = 0; i < 10000 && received < 3000; i++) {
        while (wire_take(&segment)) {
            for (uint32_t j = 0; j < segment.length; j++) {
                assert_int_equal(segment.payload[j], (uint8_t)(segment.sequence - start + j));
            }
            if (segment.sequence + segment.length - start > received) {
                received = segment.sequence + segment.length - start;
            }
        }
        client.receive_next = start + received;
        wire_send(&client, WIRE_ACK, NULL, 0);
        wire_run();
    }
    assert_int_equal(received, 3000);
    finish(&client);
}

static void credit_comes_back_as_bytes_are_acknowledged(void **state)
{
    struct client client;
    struct receiver receiver = {0};
    uint32_t credit = 0;
    const struct message *message;

    (void)state;
    (void)wire_accept(&client, next_port++);
    receiver.client = &client;
    receiver.start = receiver.end = client.receive_next;
    wire_application_send_archive(&client, 0, SEND_WINDOW_BYTES);
    wire_run();
    for (unsigned i = 0; i < 1000 && receiver.end - receiver.start < SEND_WINDOW_BYTES; i++) {
        receive_all(&receiver);
    }
    while ((message = fake_take_message(NODE_APPLICATION)) != NULL) {
        assert_int_equal(message->header.type, SEND_CREDIT);
        credit += ((const struct send_credit *)message)->bytes;
    }
    assert_in_range(credit, SEND_WINDOW_BYTES - SEND_CREDIT_LEAST_BYTES + 1, SEND_WINDOW_BYTES);
    finish(&client);
}

/* --- What no honest host sends --- */

static void impossible_acknowledgements_bring_no_data_in(void **state)
{
    struct client client, liar;

    (void)state;
    (void)wire_accept(&client, next_port++);
    liar = client;
    liar.receive_next = client.receive_next + 5; /* never sent */
    wire_send(&liar, WIRE_ACK, "evil", 4);
    liar.receive_next = client.receive_next - 0x40000000;
    wire_send(&liar, WIRE_ACK, "evil", 4);
    wire_send(&client, 0, "evil", 4);
    wire_send(&client, WIRE_SYN | WIRE_ACK, "evil", 4);
    wire_run();
    fake_expect_no_message(NODE_APPLICATION);
    liar = client;
    liar.send_next += 100; /* in the window, but not exact: RFC 5961 3.2 */
    wire_send(&liar, WIRE_RST, NULL, 0);
    wire_run();
    fake_expect_no_message(NODE_APPLICATION);
    assert_int_equal(wire_connection_count(), 1);
    wire_clear();
    finish(&client);
}

static void a_wrong_checksum_is_noticed_without_the_nics_help(void **state)
{
    uint8_t bytes[FRAME_MAX_BYTES];
    struct client client;
    uint64_t dropped = counted(COUNTER_DROP_CHECKSUM);
    struct segment segment = {
        .flags = WIRE_ACK, .window = 1000, .length = 4, .payload = (const uint8_t *)"data"};
    size_t length;

    (void)state;
    (void)wire_accept(&client, next_port++);
    segment.client_port = client.port;
    segment.sequence = client.send_next;
    segment.acknowledgement = client.receive_next;
    length = wire_build(bytes, &segment);
    bytes[length - 1] ^= 1;
    wire_receive_frame(bytes, length, 0);
    wire_receive_frame(bytes, length, FRAME_CHECKSUM_BAD);
    wire_run();
    fake_expect_no_message(NODE_APPLICATION);
    assert_int_equal(counted(COUNTER_DROP_CHECKSUM) - dropped, 2);
    bytes[length - 1] ^= 1;
    wire_receive_frame(bytes, length, 0);
    wire_run();
    (void)fake_expect_message(NODE_APPLICATION, DATA);
    client.send_next += 4;
    wire_application_consumed(&client, 4);
    finish(&client);
}

/* Truncated at every length, and with bytes changed at random, verified by "the NIC" or not. */
static void broken_frames_do_no_harm_and_are_counted(void **state)
{
    const enum counter reasons[] = {COUNTER_DROP_CHECKSUM, COUNTER_DROP_TRUNCATED,
                                    COUNTER_DROP_MALFORMED, COUNTER_DROP_PROTOCOL,
                                    COUNTER_DROP_NOT_OURS};
    uint64_t before[ARRAY_COUNT(reasons)];
    static const uint8_t payload[100];
    uint8_t good[FRAME_MAX_BYTES], bytes[FRAME_MAX_BYTES];
    struct client client;
    struct segment segment = {
        .flags = WIRE_ACK, .window = 1000, .length = sizeof(payload), .payload = payload};
    size_t length;

    (void)state;
    srand(7);
    for (unsigned i = 0; i < ARRAY_COUNT(reasons); i++) {
        before[i] = counted(reasons[i]);
    }
    (void)wire_accept(&client, next_port++);
    segment.client_port = client.port;
    segment.sequence = client.send_next + 50000; /* out of order: it would be kept */
    segment.acknowledgement = client.receive_next;
    length = wire_build(good, &segment);
    for (size_t i = 0; i < length; i++) {
        wire_receive_frame(good, i, FRAME_IP_CHECKSUM_GOOD | FRAME_L4_CHECKSUM_GOOD);
    }
    for (unsigned i = 0; i < 50000; i++) {
        memcpy(bytes, good, length);
        for (unsigned j = 0; j <= (unsigned)rand() % 4; j++) {
            bytes[12 + (unsigned)rand() % 50] = (uint8_t)rand();
        }
        wire_receive_frame(bytes, length, (uint16_t)(rand() % 4));
        if (i % 64 == 0) {
            wire_run();
            wire_clear();
        }
    }
    wire_run();
    wire_clear();
    wire_application_close(&client, 0, CLOSE_ABORT);
    wire_run();
    wire_clear();

    for (unsigned i = 0; i < ARRAY_COUNT(reasons); i++) {
        assert_true(counted(reasons[i]) > before[i] + 100);
    }

    for (unsigned i = 0; i < 20; i++) {
        wire_advance_ns(NS_PER_S); /* fragments that nothing completes are given up */
    }
    wire_clear();

    /* Service goes on. */
    (void)wire_accept(&client, next_port++);
    finish(&client);
}

/* --- Failures --- */

/* Last: the application does not come back. */
static void a_dead_applications_connections_are_reset_and_its_offers_given_to_others(void **state)
{
    struct client claimed, offered;

    (void)state;
    (void)wire_accept(&claimed, next_port++);
    wire_open(&offered, next_port++, NULL);
    fake_set_node_state(NODE_APPLICATION, NODE_DEAD);
    dispatch_sleep(); /* where the dispatcher looks for deaths */
    wire_run();
    assert_true((wire_expect(&claimed).flags & WIRE_RST) != 0);
    (void)fake_expect_message(NODE_CM, CONNECTION_CLOSED);
    (void)fake_expect_message(NODE_CM, ACCEPT_TIMEOUT);
    wire_send(&offered, WIRE_RST, NULL, 0);
    wire_run();
}

/* After the last. */
static void what_waits_at_a_dead_connection_manager_is_told_to_another(void **state)
{
    struct client before = {.port = next_port++, .send_next = 500};
    struct client after = {.port = next_port++, .send_next = 500};
    const struct accept_timeout *timeout;

    (void)state;
    wire_assign(&before, NODE_NONE, false);
    before.receive_next = wire_expect(&before).sequence + 1;
    wire_send(&before, WIRE_ACK, NULL, 0);
    wire_assign(&after, NODE_NONE, false);
    after.receive_next = wire_expect(&after).sequence + 1;
    wire_run();
    (void)fake_expect_message(NODE_CM, ACCEPT_TIMEOUT);

    fake_set_node_state(NODE_CM, NODE_DEAD);
    dispatch_sleep();
    wire_run();
    timeout = fake_expect_message(NODE_OTHER_CM, ACCEPT_TIMEOUT);
    assert_int_equal(timeout->acceptor.node, NODE_NONE);
    assert_int_equal(timeout->port, WIRE_SERVER_PORT);
    /* And so is one whose handshake ends only now. */
    wire_send(&after, WIRE_ACK, NULL, 0);
    wire_run();
    (void)fake_expect_message(NODE_OTHER_CM, ACCEPT_TIMEOUT);

    /* With no manager left nobody will ever take them: they are reset. */
    fake_set_node_state(NODE_OTHER_CM, NODE_DEAD);
    dispatch_sleep();
    wire_run();
    assert_int_equal(wire_connection_count(), 0);
    wire_clear();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, end)
    const struct CMUnitTest tests[] = {
        TEST(a_connection_is_offered_with_the_data_that_came_with_it),
        TEST(a_flood_of_syns_never_reaches_the_application),
        TEST(a_confirmed_claim_brings_what_came_meanwhile_and_then_data_follows),
        TEST(an_unclaimed_offer_goes_to_another_and_the_late_claim_is_rejected),
        TEST(without_an_acceptor_the_cm_is_asked_and_may_refuse),
        TEST(a_reassignment_that_comes_too_late_is_answered),
        TEST(a_repeated_syn_is_answered_and_its_assignment_given_back),
        TEST(a_half_open_connection_that_dies_is_given_back),
        TEST(a_syn_for_a_port_that_nobody_serves_is_reset),
        TEST(response_and_fin_leave_in_one_segment),
        TEST(data_without_answer_is_acknowledged_after_a_moment),
        TEST(closing_with_unread_data_is_a_reset),
        TEST(the_peers_fin_and_reset_reach_the_application),
        TEST(a_connection_that_tcp_has_finished_stays_until_it_is_closed),
        TEST(the_window_closes_with_unread_data_and_opens_when_it_is_consumed),
        TEST(what_a_full_channel_does_not_take_is_delivered_later),
        TEST(what_crosses_the_end_of_a_connection_is_no_bad_message),
        TEST(messages_about_connections_of_others_are_refused),
        TEST(a_long_response_arrives_whole),
        TEST(slow_start_doubles_the_window_for_each_flight),
        TEST(a_long_response_arrives_whole_through_losses),
        TEST(frames_that_the_nic_still_reads_are_left_alone),
        TEST(a_full_transmit_ring_delays_and_loses_nothing),
        TEST(thousands_of_tiny_sends_arrive_in_order),
        TEST(credit_comes_back_as_bytes_are_acknowledged),
        TEST(impossible_acknowledgements_bring_no_data_in),
        TEST(a_wrong_checksum_is_noticed_without_the_nics_help),
        TEST(broken_frames_do_no_harm_and_are_counted),
        TEST(a_dead_applications_connections_are_reset_and_its_offers_given_to_others),
        TEST(what_waits_at_a_dead_connection_manager_is_told_to_another),
    };
#undef TEST

    return cmocka_run_group_tests(tests, start, NULL);
}
