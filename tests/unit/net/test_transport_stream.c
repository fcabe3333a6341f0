/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_client.c tests/unit/world/hostile_page.c */
/* library: lwip */
/*
 * Tests the transport server over the real lwIP: the byte stream between a TCP client and an
 * application, and what no honest host sends.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/nic/counters.h"
#include "drivers/nic/frame.h"
#include "kernel/message/dispatch.h"
#include "kernel/platform.h"
#include "net/counters.h"
#include "net/headers.h"
#include "net/transport/stream.h"
#include "net/transport/tcp/timewait.h"
#include "tests/unit/world/fake_client.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/hostile_page.h"

/* --- The byte stream --- */

static void response_and_fin_leave_in_one_segment(void **state)
{
    struct client client;
    struct segment answer;
    const struct connection_closed *closed;

    (void)state;
    (void)wire_accept(&client, wire_new_port());
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
    assert_int_equal(closed->closed[0].listener_index, 3);

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
    (void)wire_accept(&client, wire_new_port());
    wire_send(&client, WIRE_ACK, "x", 1);
    client.send_next++;
    wire_run();
    wire_expect_silence();
    wire_advance_ns(12 * NS_PER_MS); /* 10, and the wheel's tick */
    assert_int_equal(wire_expect(&client).acknowledgement, client.send_next);
    wire_finish(&client);
}

static void closing_with_unread_data_is_a_reset(void **state)
{
    struct client client;

    (void)state;
    (void)wire_accept(&client, wire_new_port());
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
    (void)wire_accept(&client, wire_new_port());
    wire_send(&client, WIRE_ACK | WIRE_FIN, "bye", 3);
    client.send_next += 4;
    wire_run();
    (void)fake_expect_message(NODE_APPLICATION, DATA);
    (void)fake_expect_message(NODE_APPLICATION, PEER_CLOSED);
    wire_send(&client, WIRE_RST, NULL, 0);
    wire_run();
    failed = fake_expect_message(NODE_APPLICATION, CONNECTION_FAILED);
    assert_int_equal(failed->error_number, ECONNRESET);
    assert_int_equal(failed->stream_index, client.port);
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
    (void)wire_accept(&client, wire_new_port());
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
    (void)wire_accept(&client, wire_new_port());
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
    wire_finish(&client);
}

/* The channel holds 16 KiB: nothing is lost when the application is slow, and order is kept. */
static void what_a_full_channel_does_not_take_is_delivered_later(void **state)
{
    uint8_t bytes[1400];
    struct client client;
    uint32_t received = 0;

    (void)state;
    (void)wire_accept(&client, wire_new_port());
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
        struct message_payload data = fake_payload(message, sizeof(struct data));

        for (size_t i = 0; i < data.length_bytes; i++) {
            assert_int_equal(data.bytes[i], received++ / sizeof(bytes));
        }
    }
    wire_finish(&client);
}

static void what_crosses_the_end_of_a_connection_is_no_bad_message(void **state)
{
    struct client client;
    uint64_t refused = wire_counted(COUNTER_DROP_BAD_MESSAGE);

    (void)state;
    (void)wire_accept(&client, wire_new_port());
    wire_send(&client, WIRE_RST, NULL, 0);
    wire_run();
    (void)fake_expect_message(NODE_APPLICATION, CONNECTION_FAILED);
    wire_application_send(&client, "late", 4);
    wire_application_close(&client, 0, CLOSE_BOTH);
    wire_run();
    assert_int_equal(wire_counted(COUNTER_DROP_BAD_MESSAGE), refused);
    wire_clear();
}

static void messages_about_connections_of_others_are_refused(void **state)
{
    struct client client;
    uint64_t refused = wire_counted(COUNTER_DROP_BAD_MESSAGE);
    struct send beyond = {
        .header = {.type = SEND, .length_bytes = sizeof(beyond)},
        .archive_offset = WIRE_ARCHIVE_BYTES - 1,
        .archive_bytes = 2,
    };

    (void)state;
    (void)wire_accept(&client, wire_new_port());
    beyond.connection_index = client.connection_index;
    beyond.generation = client.generation;
    fake_deliver(NODE_APPLICATION, &beyond.header);
    beyond.archive_offset = UINT64_MAX;
    fake_deliver(NODE_APPLICATION, &beyond.header);
    beyond.archive_offset = 0;
    beyond.close_kind = CLOSE_ABORT; /* not with bytes */
    fake_deliver(NODE_APPLICATION, &beyond.header);
    beyond.close_kind = UINT32_MAX;
    fake_deliver(NODE_APPLICATION, &beyond.header);
    beyond.close_kind = 0;
    beyond.generation++;
    fake_deliver(NODE_APPLICATION, &beyond.header);
    beyond.generation--;
    fake_deliver(NODE_CM, &beyond.header); /* not its own */
    beyond.connection_index = UINT32_MAX;
    fake_deliver(NODE_APPLICATION, &beyond.header);
    wire_application_close(&client, 0, (enum close_kind)99);
    wire_run();
    assert_int_equal(wire_counted(COUNTER_DROP_BAD_MESSAGE) - refused, 8);
    wire_expect_silence();
    wire_finish(&client);
}

/* It has not counted, and there is no end to what it might send. */
static void an_application_that_sends_beyond_its_credit_loses_the_connection(void **state)
{
    struct client client;
    uint64_t refused = wire_counted(COUNTER_DROP_BAD_MESSAGE);
    const struct connection_failed *failed;

    (void)state;
    (void)wire_accept(&client, wire_new_port());
    wire_application_send_archive(&client, 0, SEND_WINDOW_BYTES);
    wire_run();
    assert_int_equal(wire_counted(COUNTER_DROP_BAD_MESSAGE), refused);
    fake_expect_no_message(NODE_APPLICATION);
    wire_application_send(&client, "x", 1);
    wire_run();
    assert_int_equal(wire_counted(COUNTER_DROP_BAD_MESSAGE), refused + 1);
    failed = fake_expect_message(NODE_APPLICATION, CONNECTION_FAILED);
    assert_int_equal(failed->error_number, ENOBUFS);
    assert_int_equal(wire_connection_count(), 0);
    wire_clear();
}

/* --- What no honest host sends --- */

static void impossible_acknowledgements_bring_no_data_in(void **state)
{
    struct client client, liar;

    (void)state;
    (void)wire_accept(&client, wire_new_port());
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
    wire_finish(&client);
}

static void a_wrong_checksum_is_noticed_without_the_nics_help(void **state)
{
    uint8_t bytes[FRAME_MAX_BYTES];
    struct client client;
    uint64_t dropped = wire_counted(COUNTER_DROP_CHECKSUM);
    struct segment segment = {
        .flags = WIRE_ACK, .window = 1000, .length = 4, .payload = (const uint8_t *)"data"};
    size_t length;

    (void)state;
    (void)wire_accept(&client, wire_new_port());
    segment.client_port = client.port;
    segment.sequence = client.send_next;
    segment.acknowledgement = client.receive_next;
    length = wire_build(bytes, &segment);
    bytes[length - 1] ^= 1;
    wire_receive_frame(bytes, length, 0);
    wire_receive_frame(bytes, length, FRAME_CHECKSUM_BAD);
    wire_run();
    fake_expect_no_message(NODE_APPLICATION);
    assert_int_equal(wire_counted(COUNTER_DROP_CHECKSUM) - dropped, 2);
    bytes[length - 1] ^= 1;
    wire_receive_frame(bytes, length, 0);
    wire_run();
    (void)fake_expect_message(NODE_APPLICATION, DATA);
    client.send_next += 4;
    wire_application_consumed(&client, 4);
    wire_finish(&client);
}

/* Truncated at every length, and with bytes changed at random, verified by "the NIC" or not. */
static void broken_frames_do_no_harm_and_are_counted(void **state)
{
    const unsigned reasons[] = {COUNTER_DROP_CHECKSUM, COUNTER_DROP_TRUNCATED,
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
        before[i] = wire_counted(reasons[i]);
    }
    (void)wire_accept(&client, wire_new_port());
    segment.client_port = client.port;
    segment.sequence = client.send_next + 50000; /* out of order: it would be kept */
    segment.acknowledgement = client.receive_next;
    length = wire_build(good, &segment);
    for (size_t i = 14; i < length; i++) { /* the link server takes no less */
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
        assert_true(wire_counted(reasons[i]) > before[i] + 100);
    }

    for (unsigned i = 0; i < 20; i++) {
        wire_advance_ns(NS_PER_S); /* fragments that nothing completes are given up */
    }
    wire_clear();

    /* Service goes on. */
    (void)wire_accept(&client, wire_new_port());
    wire_finish(&client);
}

/* It would go to the gateway. */
static void nobody_without_an_address_gets_an_answer(void **state)
{
    uint64_t dropped = wire_counted(COUNTER_DROP_PROTOCOL);
    struct segment segment = {
        .client_port = wire_new_port(), .flags = WIRE_ACK, .window = 1000, .sequence = 1};
    uint8_t bytes[FRAME_MAX_BYTES];
    size_t length = wire_build(bytes, &segment);

    (void)state;
    memset(bytes + ETHERNET_HEADER_BYTES + IPV4_SOURCE_OFFSET, 0, 4);
    wire_receive_frame(bytes, length, FRAME_IP_CHECKSUM_GOOD | FRAME_L4_CHECKSUM_GOOD);
    wire_run();
    wire_expect_silence();
    assert_int_equal(wire_counted(COUNTER_DROP_PROTOCOL) - dropped, 1);
}

#define STALLED_COUNT 20u
#define PIECES        8u
#define PIECE_BYTES   1000u

/* Takes what lies in the application's channel; `count` is each stream's, in bytes. */
static void take_pieces(const struct client *clients, unsigned count[STALLED_COUNT])
{
    const struct message *message;

    while ((message = fake_take_message(NODE_APPLICATION)) != NULL) {
        const struct data *data = (const struct data *)message;
        unsigned i = 0;

        if (message->header.type != DATA) {
            continue;
        }
        while (clients[i].port != data->stream_index) {
            i++;
            assert_true(i < STALLED_COUNT);
        }
        for (size_t at = sizeof(*data); at < data->header.length_bytes; at++, count[i]++) {
            assert_int_equal(((const uint8_t *)data)[at], 'a' + count[i] / PIECE_BYTES);
        }
    }
}

/* Each round tried them all again, with a message that found no room for each. */
static void a_stalled_application_costs_a_look_at_its_channel_and_no_more(void **state)
{
    static struct client clients[STALLED_COUNT];
    unsigned count[STALLED_COUNT] = {0};
    uint8_t piece[PIECE_BYTES];
    uint64_t full;

    (void)state;
    for (unsigned i = 0; i < STALLED_COUNT; i++) {
        (void)wire_accept(&clients[i], wire_new_port());
    }
    for (unsigned k = 0; k < PIECES; k++) {
        memset(piece, 'a' + (int)k, sizeof(piece));
        for (unsigned i = 0; i < STALLED_COUNT; i++) {
            wire_send(&clients[i], WIRE_ACK | WIRE_PSH, piece, sizeof(piece));
            clients[i].send_next += PIECE_BYTES;
        }
        wire_run();
    }
    full = wire_counted(COUNTER_CHANNEL_FULL);
    assert_true(full >= STALLED_COUNT); /* all of them have waited */
    for (unsigned round = 0; round < 50; round++) {
        wire_send(&clients[round % STALLED_COUNT], WIRE_ACK, NULL, 0);
        wire_run();
    }
    assert_int_equal(wire_counted(COUNTER_CHANNEL_FULL), full);

    for (unsigned round = 0; round < 200; round++) {
        take_pieces(clients, count);
        wire_run();
    }
    for (unsigned i = 0; i < STALLED_COUNT; i++) {
        assert_int_equal(count[i], PIECES * PIECE_BYTES);
        wire_application_close(&clients[i], PIECES * PIECE_BYTES, CLOSE_ABORT);
    }
    wire_clear();
}

#define TEST(name) cmocka_unit_test_teardown(name, wire_tear_down)

/* --- An application that changes what it has sent --- */

static struct send *changing; /* where it lies in the channel */
static uint32_t random_state = 1;

/* Within the archive, or beyond its end. */
static void change_archive_range(void)
{
    bool is_honest;

    random_state = random_state * 1664525 + 1013904223;
    is_honest = random_state >> 31 != 0;
    changing->archive_offset = is_honest ? 5000 : WIRE_ARCHIVE_BYTES - 100;
    changing->archive_bytes = is_honest ? 1000 : 4000;
}

static struct send *find_in_channel(uint64_t archive_offset)
{
    size_t ring_bytes;
    uint8_t *ring = fake_ring(NODE_APPLICATION, &ring_bytes);

    for (size_t at = 0; at < ring_bytes; at += CHANNEL_LINE_BYTES) {
        struct send *message = (struct send *)(ring + at);

        if (message->header.type == SEND && message->archive_offset == archive_offset) {
            return message;
        }
    }
    fail_msg("it is not there");
    return NULL;
}

/* The range was checked and then read again: so any memory of the server could be sent, from the
 * archive's end on. Each piece that is sent now is what was checked, whichever that was. */
static void archive_range_that_changes_after_its_check_sends_nothing_else(void **state)
{
    uint64_t refused_before = counter_read(platform_node(), COUNTER_DROP_BAD_MESSAGE);
    unsigned sent_count = 0;
    struct client client;
    struct segment segment;
    size_t ring_bytes;
    void *ring = fake_ring(NODE_APPLICATION, &ring_bytes);

    (void)state;
    (void)wire_accept(&client, wire_new_port());
    for (unsigned i = 0; i < 200; i++) {
        wire_application_send_archive(&client, 12345678 + i, 1);
        changing = find_in_channel(12345678 + i);
        hostile_page_start(ring, ring_bytes, change_archive_range);
        (void)dispatch_round();
        (void)hostile_page_stop();
        wire_run();
        uint32_t sent_bytes = 0;
        while (wire_take(&segment)) {
            for (uint32_t at = 0; at < segment.length; at++, sent_bytes++) {
                assert_int_equal(segment.payload[at], wire_archive_byte(5000 + sent_bytes));
            }
            client.receive_next += segment.length;
            wire_send(&client, WIRE_ACK, NULL, 0);
            wire_run();
        }
        assert_true(sent_bytes == 0 || sent_bytes == 1000 || sent_bytes == 4000);
        sent_count += sent_bytes != 0;
    }
    assert_true(sent_count > 0 && sent_count < 200);
    assert_int_equal(counter_read(platform_node(), COUNTER_DROP_BAD_MESSAGE) - refused_before,
                     200 - sent_count);
    while (fake_take_message(NODE_APPLICATION) != NULL) {
    }
    wire_finish(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_stalled_application_costs_a_look_at_its_channel_and_no_more),
        TEST(response_and_fin_leave_in_one_segment),
        TEST(data_without_answer_is_acknowledged_after_a_moment),
        TEST(closing_with_unread_data_is_a_reset),
        TEST(the_peers_fin_and_reset_reach_the_application),
        TEST(a_connection_that_tcp_has_finished_stays_until_it_is_closed),
        TEST(the_window_closes_with_unread_data_and_opens_when_it_is_consumed),
        TEST(what_a_full_channel_does_not_take_is_delivered_later),
        TEST(what_crosses_the_end_of_a_connection_is_no_bad_message),
        TEST(messages_about_connections_of_others_are_refused),
        TEST(an_application_that_sends_beyond_its_credit_loses_the_connection),
        TEST(impossible_acknowledgements_bring_no_data_in),
        TEST(a_wrong_checksum_is_noticed_without_the_nics_help),
        TEST(broken_frames_do_no_harm_and_are_counted),
        TEST(nobody_without_an_address_gets_an_answer),
        cmocka_unit_test(archive_range_that_changes_after_its_check_sends_nothing_else),
    };

    return cmocka_run_group_tests(tests, wire_set_up, NULL);
}
