/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_client.c */
/* library: lwip */
/*
 * Tests the transport server over the real lwIP: long responses, which need many frames, windows
 * and credit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/platform.h"
#include "net/counters.h"
#include "net/transport/stream.h"
#include "tests/unit/world/fake_client.h"
#include "tests/unit/world/fake_platform.h"

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

/* How the application says that it is all. */
enum how {
    BY_CLOSE,
    BY_FIN_AND_CLOSE,
    BY_ITS_LAST_BYTES,
    HOW_COUNT,
};

static void send_response(unsigned loss, uint32_t archive_bytes, enum how how)
{
    static const uint8_t head[] = "HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n";
    struct client client;
    struct receiver receiver = {.loss = loss, .head = head, .head_bytes = sizeof(head)};

    (void)wire_accept(&client, wire_new_port());
    receiver.client = &client;
    receiver.start = receiver.end = client.receive_next;
    if (how == BY_CLOSE) {
        wire_application_send(&client, head, sizeof(head));
        wire_application_send_archive(&client, 0, archive_bytes);
    } else {
        wire_application_respond(&client, head, sizeof(head), archive_bytes,
                                 how == BY_FIN_AND_CLOSE ? CLOSE_SEND_ONLY : CLOSE_BOTH);
        wire_run(); /* the close comes later, or never */
    }
    if (how != BY_ITS_LAST_BYTES) {
        wire_application_close(&client, 0, CLOSE_BOTH);
    }
    wire_run();
    for (unsigned i = 0; i < 20000 && !receiver.has_fin; i++) {
        receive_all(&receiver);
        while (fake_take_message(NODE_APPLICATION) != NULL) {
            /* credit: a node that takes nothing for minutes is dead */
        }
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

    for (enum how how = 0; how < HOW_COUNT; how++) {
        send_response(0, 1, how);
        send_response(0, WIRE_MSS, how);
        send_response(0, 102400, how);
        send_response(0, 250000, how);
    }
    assert_int_equal(counter_read(platform_node(), COUNTER_TCP_RETRANSMITS), retransmissions);
}

/* Head, file and FIN that came as one message; nothing is sent behind the FIN. */
static void head_file_and_fin_of_one_message_leave_in_one_segment(void **state)
{
    uint64_t refused = counter_read(platform_node(), COUNTER_DROP_BAD_MESSAGE);
    struct client client;
    struct segment segment;

    (void)state;
    (void)wire_accept(&client, wire_new_port());
    wire_application_respond(&client, "head", 4, 1000, CLOSE_SEND_ONLY);
    wire_application_respond(&client, "more", 4, 1000, CLOSE_SEND_ONLY);
    wire_run();
    segment = wire_expect(&client);
    assert_int_equal(segment.flags & (WIRE_FIN | WIRE_ACK), WIRE_FIN | WIRE_ACK);
    assert_int_equal(segment.length, 1004);
    assert_memory_equal(segment.payload, "head", 4);
    for (unsigned i = 0; i < 1000; i++) {
        assert_int_equal(segment.payload[4 + i], wire_archive_byte(i));
    }
    wire_expect_silence();
    client.receive_next += 1005;
    wire_send(&client, WIRE_ACK, NULL, 0);
    /* It can still be read, and the FIN alone is a message too. */
    wire_send(&client, WIRE_ACK | WIRE_PSH, "x", 1);
    client.send_next++;
    wire_run();
    (void)fake_expect_message(NODE_APPLICATION, DATA);
    wire_application_close(&client, 1, CLOSE_BOTH);
    wire_run();
    wire_send(&client, WIRE_ACK | WIRE_FIN, NULL, 0);
    wire_run();
    wire_clear();
    assert_int_equal(wire_connection_count(), 0);
    assert_int_equal(counter_read(platform_node(), COUNTER_DROP_BAD_MESSAGE), refused);

    (void)wire_accept(&client, wire_new_port());
    wire_application_respond(&client, "", 0, 0, CLOSE_SEND_ONLY);
    wire_run();
    segment = wire_expect(&client);
    assert_int_equal(segment.flags & WIRE_FIN, WIRE_FIN);
    assert_int_equal(segment.length, 0);
    wire_application_close(&client, 0, CLOSE_ABORT);
    wire_run();
    wire_clear();
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

/* RFC 5681 3.1: by what is acknowledged, and by no more; also all of a round at once. */
static void slow_start_grows_by_what_is_acknowledged(void **state)
{
    struct client client;

    (void)state;
    (void)wire_accept(&client, wire_new_port());
    wire_application_send_archive(&client, 0, 200000);
    wire_run();
    assert_int_equal(receive_flight(&client), 10 * WIRE_MSS);
    assert_int_equal(receive_flight(&client), 20 * WIRE_MSS);
    assert_int_equal(receive_flight(&client), 40 * WIRE_MSS);
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
        send_response(seed, 40000 + 17000 * seed, seed % HOW_COUNT);
    }
    assert_true(counter_read(platform_node(), COUNTER_TCP_RETRANSMITS) > retransmissions);
}

static unsigned take_precious(void)
{
    struct segment segment;
    unsigned count = 0;

    while (wire_take(&segment)) {
        assert_int_equal(segment.length, 8);
        assert_memory_equal(segment.payload, "precious", 8);
        count++;
    }
    return count;
}

/* Bytes in a frame that the NIC has not read yet may not change, nor be freed; and they are not
 * timed out before, but have gone as often as was to be. */
static void frames_that_the_nic_still_reads_keep_their_bytes(void **state)
{
    struct client client;

    (void)state;
    (void)wire_accept(&client, wire_new_port());
    wire_hold_sent(true);
    wire_application_send(&client, "precious", 8);
    wire_run();
    for (unsigned i = 0; i < 50; i++) {
        wire_advance_ns(100 * NS_PER_MS);
    }
    assert_in_range(take_precious(), 1, 2); /* and a probe of the tail, perhaps */
    wire_hold_sent(false);
    for (unsigned i = 0; i < 20; i++) {
        wire_advance_ns(100 * NS_PER_MS);
    }
    assert_true(take_precious() > 0);
    wire_hold_sent(true);
    wire_advance_ns(100 * NS_PER_MS);
    wire_application_close(&client, 0, CLOSE_ABORT);
    wire_run();
    wire_hold_sent(false); /* the sanitizer sees a block freed twice or too early */
    wire_advance_ns(NS_PER_S);
    wire_clear();
    assert_int_equal(wire_connection_count(), 0);
}

static void a_full_transmit_ring_delays_and_loses_nothing(void **state)
{
    struct client client;
    struct segment segment;

    (void)state;
    (void)wire_accept(&client, wire_new_port());
    wire_block_transmit(true);
    wire_application_send(&client, "first", 5);
    wire_run();
    wire_application_send(&client, "second", 6);
    wire_run();
    wire_expect_silence();
    wire_block_transmit(false);
    wire_run();
    segment = wire_expect(&client); /* both: nothing was made before there was room */
    assert_int_equal(segment.length, 11);
    assert_memory_equal(segment.payload, "firstsecond", 11);
    wire_finish(&client);
}

/* More pieces than lwIP's queue takes while the client is silent: they wait, and none is lost. */
static void thousands_of_tiny_sends_arrive_in_order(void **state)
{
    struct client client;
    struct segment segment;
    uint32_t start, received = 0;

    (void)state;
    (void)wire_accept(&client, wire_new_port());
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
    wire_finish(&client);
}

static void credit_comes_back_as_bytes_are_acknowledged(void **state)
{
    struct client client;
    struct receiver receiver = {0};
    uint32_t credit = 0, window = SEND_WINDOW_BYTES;
    const struct message *message;

    (void)state;
    (void)wire_accept(&client, wire_new_port());
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
        window = ((const struct send_credit *)message)->send_window_bytes;
    }
    /* The window may have grown. Who has half of it is told of no more. */
    assert_in_range(credit, window / 2, window);
    wire_finish(&client);
}

/* RFC 9293 3.9.1.2: PSH stands where nothing is queued behind, and not before while the window is
 * wide enough. It was missing when the end of a response shared no write with its beginning. */
static void the_last_segment_of_what_there_is_has_psh(void **state)
{
    static const uint32_t archive_lengths[] = {100, 1460, 2000, 2920, 14000};

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(archive_lengths); i++) {
        struct client client;
        struct segment segment = {.flags = 0};
        uint32_t end, pushed_count = 0;

        (void)wire_accept(&client, wire_new_port());
        end = client.receive_next + 200 + archive_lengths[i];
        wire_application_send(&client, (uint8_t[200]){0}, 200);
        wire_application_send_archive(&client, 0, archive_lengths[i]);
        for (unsigned j = 0; j < 100 && client.receive_next != end; j++) {
            wire_run();
            while (wire_take(&segment)) {
                client.receive_next += segment.length;
                pushed_count += (segment.flags & WIRE_PSH) != 0;
            }
            wire_send(&client, WIRE_ACK, NULL, 0);
        }
        assert_int_equal(segment.sequence + segment.length, end);
        assert_true((segment.flags & WIRE_PSH) != 0);
        assert_int_equal(pushed_count, 1);
        wire_finish(&client);
    }
}

#define TEST(name) cmocka_unit_test_teardown(name, wire_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_long_response_arrives_whole),
        TEST(head_file_and_fin_of_one_message_leave_in_one_segment),
        TEST(slow_start_grows_by_what_is_acknowledged),
        TEST(a_long_response_arrives_whole_through_losses),
        TEST(frames_that_the_nic_still_reads_keep_their_bytes),
        TEST(a_full_transmit_ring_delays_and_loses_nothing),
        TEST(thousands_of_tiny_sends_arrive_in_order),
        TEST(credit_comes_back_as_bytes_are_acknowledged),
        TEST(the_last_segment_of_what_there_is_has_psh),
    };

    return cmocka_run_group_tests(tests, wire_set_up, NULL);
}
