/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/application_world.c */
/*
 * Tests net/streams/stream.c, without sockets.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/message/dispatch.h"
#include "net/counters.h"
#include "net/expect.h"
#include "net/streams/listener.h"
#include "net/streams/received.h"
#include "net/streams/stream.h"
#include "tests/unit/world/application_world.h"
#include "tests/unit/world/fake_platform.h"

static struct stream_listener *listener;
static struct stream *stream;
static uint32_t name; /* the stream's, in messages */
static unsigned told; /* what the owner was told since it last looked */
static unsigned told_count;

static void ignore_event(void *owner, enum stream_listener_event event)
{
    (void)owner;
    (void)event;
}

static void note_change(void *owner, unsigned readiness)
{
    assert_ptr_equal(owner, &told);
    told |= readiness;
    told_count++;
}

static unsigned take_told(void)
{
    unsigned readiness = told;

    told = 0;
    return readiness;
}

/* Every test begins with stream 7, generation 3. */
static int start(void **state)
{
    (void)state;
    start_application_node();
    streams_start();
    assert_int_equal(stream_listener_open(PORT, 4, ignore_event, NULL, &listener), 0);
    expect_listen(4);
    stream_listener_claim(listener);
    expect_place_request();
    make_available(7, 3, "");
    stream_listener_claim(listener);
    name = expect_claim(7, 3);
    confirm(7, 3, name, "");
    stream = stream_listener_take(listener, note_change, &told);
    told = told_count = 0;
    return 0;
}

static int end(void **state)
{
    (void)state;
    if (stream != NULL) {
        stream_close(stream, CLOSE_BOTH);
    }
    stream_listener_close(listener);
    return 0;
}

static void a_question_for_readiness_changes_nothing(void **state)
{
    unsigned all = STREAM_CAN_READ | STREAM_CAN_WRITE | STREAM_HAS_FAILED | STREAM_HAS_ENDED |
                   STREAM_PEER_HAS_CLOSED;

    (void)state;
    assert_int_equal(stream_readiness(stream), STREAM_CAN_WRITE);
    deliver_data(name, 3, "x", 1);
    assert_int_equal(stream_readiness(stream), STREAM_CAN_READ | STREAM_CAN_WRITE);
    fail_connection(name, 3, ETIMEDOUT);
    assert_int_equal(stream_readiness(stream), all);
    assert_int_equal(stream_readiness(stream), all);
    fake_expect_no_message(TS);
}

static void a_failure_is_returned_until_it_is_taken(void **state)
{
    char byte;

    (void)state;
    deliver_data(name, 3, "x", 1);
    fail_connection(name, 3, ETIMEDOUT);
    assert_true((take_told() & STREAM_HAS_FAILED) != 0);
    assert_int_equal(stream_receive(stream, &byte, 1, false), 1);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(stream_receive(stream, &byte, 1, false), -ETIMEDOUT);
        assert_int_equal(send_bytes(stream, "y", 1), -ETIMEDOUT);
    }
    assert_int_equal(stream_take_error(stream), -ETIMEDOUT);
    assert_int_equal(stream_take_error(stream), 0);
    assert_int_equal(stream_receive(stream, &byte, 1, false), 0);
    assert_int_equal(send_bytes(stream, "y", 1), -EPIPE);
    assert_int_equal(stream_readiness(stream) & STREAM_HAS_FAILED, 0);
    /* The first reason holds. */
    fail_connection(name, 3, ECONNRESET);
    assert_int_equal(stream_take_error(stream), 0);
}

/* UINT32_MAX was taken for -1, so that a read seemed to have got one byte. */
static void a_failure_for_a_reason_that_is_none_is_counted_and_taken_for_a_reset(void **state)
{
    const uint32_t reasons[] = {0, EAGAIN, 4096, UINT32_MAX};
    char byte;

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(reasons); i++) {
        fail_connection(name, 3, reasons[i]);
        assert_int_equal(counter_read(NODE, COUNTER_DROP_BAD_MESSAGE), i + 1);
    }
    assert_int_equal(stream_receive(stream, &byte, 1, false), -ECONNRESET);
}

static void more_than_a_transport_server_may_send_ahead_ends_the_connection(void **state)
{
    static uint8_t bytes[2048];

    (void)state;
    for (size_t sent = 0; sent < RECEIVED_MAX_BYTES; sent += sizeof(bytes)) {
        deliver_data(name, 3, bytes, sizeof(bytes));
    }
    fake_expect_no_message(TS);
    deliver_data(name, 3, bytes, 1);
    (void)expect_close(CLOSE_ABORT);
    assert_int_equal(stream_take_error(stream), -ENOBUFS);
    assert_int_equal(counter_read(NODE, COUNTER_DROP_NO_MEMORY), 1);
    deliver_data(name, 3, bytes, 1); /* was on its way */
    assert_int_equal(counter_read(NODE, COUNTER_DROP_NO_MEMORY), 1);
}

static void sending_stops_at_the_credit_and_room_is_told(void **state)
{
    static uint8_t bytes[WINDOW + 100];

    (void)state;
    assert_int_equal(send_bytes(stream, bytes, 0), 0);
    assert_int_equal(send_bytes(stream, bytes, sizeof(bytes)), WINDOW);
    assert_int_equal(send_bytes(stream, bytes, 1), -EAGAIN);
    assert_int_equal(stream_readiness(stream), 0);
    give_credit(name, 3, WINDOW / 2 - 1);
    assert_int_equal(take_told(), 0);
    give_credit(name, 3, 1);
    assert_int_equal(take_told(), STREAM_CAN_WRITE);
    assert_int_equal(send_bytes(stream, bytes, 1), 1);
    /* There is room, and nobody was short of it: nothing is told. */
    give_credit(name, 3, 1);
    assert_int_equal(take_told(), STREAM_CAN_WRITE);
    give_credit(name, 3, 1);
    assert_int_equal(take_told(), 0);
    while (fake_take_message(TS) != NULL) {
    }
}

static void a_stream_whose_channel_is_full_can_be_closed(void **state)
{
    static uint8_t bytes[4096];
    int64_t sent;

    (void)state;
    do {
        give_credit(name, 3, sizeof(bytes));
        sent = send_bytes(stream, bytes, sizeof(bytes));
    } while (sent == sizeof(bytes));
    assert_true(sent == -EAGAIN || sent > 0);
    stream_close(stream, CLOSE_ABORT);
    stream = NULL;
    told_count = 0;
    while (fake_take_message(TS) != NULL) {
    }
    dispatch_round();
    dispatch_round();
    assert_int_equal(told_count, 0);
}

/* --- Pieces --- */

static uint8_t archive[6000];

/* The next SEND: so many bytes copied, so many of the archive from there on, and the FIN or not. */
static const struct send *expect_send(size_t copied_bytes, size_t from, size_t archive_bytes,
                                      bool has_fin)
{
    const struct send *send = fake_expect_message(TS, SEND);

    assert_int_equal(send->header.length_bytes, sizeof(*send) + copied_bytes);
    assert_int_equal(send->archive_bytes, archive_bytes);
    assert_int_equal(send->archive_offset, archive_bytes != 0 ? from : 0);
    assert_int_equal(send->close_kind, has_fin ? CLOSE_SEND_ONLY : 0);
    return send;
}

static void a_head_its_file_and_the_end_are_one_message(void **state)
{
    const struct stream_piece pieces[] = {
        {NULL, 0}, {"ab", 2}, {NULL, 0}, {"cde", 3}, {archive + 100, 4000}, {NULL, 0},
    };
    char byte;

    (void)state;
    fake_set_archive(archive, sizeof(archive));
    deliver_data(name, 3, "x", 1);
    assert_int_equal(stream_receive(stream, &byte, 1, false), 1);
    assert_int_equal(stream_send(stream, pieces, 4005, CLOSE_SEND_ONLY), 4005);
    const struct send *send = expect_send(5, 100, 4000, true);
    assert_memory_equal(send + 1, "abcde", 5);
    assert_int_equal(send->consumed_bytes, 1);
    fake_expect_no_message(TS);
    /* It has ended: nothing more is sent, and no second FIN. */
    assert_int_equal(send_bytes(stream, "x", 1), -EPIPE);
    stream_shut_send(stream);
    assert_int_equal(stream_send(stream, pieces, 0, CLOSE_SEND_ONLY), 0);
    fake_expect_no_message(TS);
    assert_int_equal(stream_readiness(stream) & STREAM_HAS_ENDED, 0);
    close_by_peer(name, 3);
    assert_true((stream_readiness(stream) & STREAM_HAS_ENDED) != 0);
}

/* Of a response in several parts only the last one says so. */
static void a_close_goes_with_the_last_bytes(void **state)
{
    static const uint8_t bytes[5000];
    const struct stream_piece piece = {bytes, sizeof(bytes)};
    const struct send *send;

    (void)state;
    int64_t sent = stream_send(stream, &piece, sizeof(bytes), CLOSE_BOTH);
    assert_in_range(sent, 1, sizeof(bytes) - 1);
    send = fake_expect_message(TS, SEND);
    assert_int_equal(send->close_kind, CLOSE_NOT);
    assert_int_equal(stream_send_rest(stream, &piece, sizeof(bytes), (size_t)sent, CLOSE_BOTH),
                     (int64_t)sizeof(bytes) - sent);
    send = fake_expect_message(TS, SEND);
    assert_int_equal(send->close_kind, CLOSE_BOTH);
    assert_int_equal(send_bytes(stream, "x", 1), -EPIPE);
    stream_close(stream, CLOSE_BOTH);
    fake_expect_no_message(TS);
    stream = NULL;
}

static void an_end_behind_nothing_is_a_close(void **state)
{
    const struct stream_piece none = {"", 0};

    (void)state;
    assert_int_equal(stream_send(stream, &none, 0, CLOSE_SEND_ONLY), 0);
    (void)expect_close(CLOSE_SEND_ONLY);
    fake_expect_no_message(TS);
}

/* What the TS lets be under way grows with what the path takes, and not beyond what it may be. */
static void a_wider_window_gives_more_credit_than_was_sent(void **state)
{
    static uint8_t bytes[4 * WINDOW];
    uint64_t refused = counter_read(NODE, COUNTER_DROP_BAD_MESSAGE);
    int64_t sent = 0;

    (void)state;
    assert_int_equal(send_bytes(stream, bytes, sizeof(bytes)), WINDOW);
    widen_window(name, 3, 2 * WINDOW + 1, 2 * WINDOW);
    assert_int_equal(counter_read(NODE, COUNTER_DROP_BAD_MESSAGE), refused + 1);
    widen_window(name, 3, 2 * WINDOW, 2 * WINDOW);
    for (int64_t part; (part = send_bytes(stream, bytes, sizeof(bytes))) != -EAGAIN; sent += part) {
        assert_true(part > 0);
        while (fake_take_message(TS) != NULL) {
        }
    }
    assert_int_equal(sent, 2 * WINDOW);
    widen_window(name, 3, 1, WINDOW);
    widen_window(name, 3, 1, SEND_WINDOW_MAX_BYTES + 1);
    assert_int_equal(counter_read(NODE, COUNTER_DROP_BAD_MESSAGE), refused + 3);
    assert_int_equal(send_bytes(stream, bytes, 1), -EAGAIN);
    while (fake_take_message(TS) != NULL) {
    }
}

/* Whatever the credit, the messages together are the pieces, and only the last ends them. */
static void pieces_end_at_the_credit_and_go_on_where_they_stopped(void **state)
{
    static uint8_t head[300], tail[2000];
    const struct stream_piece pieces[] = {
        {head, sizeof(head)},
        {archive + 7, 5000},
        {tail, 1},
        {archive, 100}, /* too short for a reference */
        {tail + 1, sizeof(tail) - 1},
    };
    const size_t bytes = 300 + 5000 + 1 + 100 + 1999;
    static uint8_t expected[300 + 5000 + 1 + 100 + 1999], got[WINDOW];
    static const uint32_t credits[] = {1, 299, 300, 301, 1500, 5300, 5301, 7000, sizeof(expected)};

    (void)state;
    for (size_t i = 0; i < sizeof(archive); i++) {
        archive[i] = (uint8_t)(i % 251);
        head[i % sizeof(head)] = (uint8_t)(i * 3);
        tail[i % sizeof(tail)] = (uint8_t)(i * 5);
    }
    memcpy(expected, head, 300);
    memcpy(expected + 300, archive + 7, 5000);
    memcpy(expected + 5300, tail, 1);
    memcpy(expected + 5301, archive, 100);
    memcpy(expected + 5401, tail + 1, 1999);
    fake_set_archive(archive, sizeof(archive));
    for (size_t i = 0; i < ARRAY_COUNT(credits); i++) {
        size_t sent = 0, taken = 0;
        bool has_fin = false;

        end(state);
        start(state);
        /* Use up the credit but for this. */
        assert_int_equal(send_bytes(stream, got, WINDOW - credits[i]), WINDOW - credits[i]);
        while (fake_take_message(TS) != NULL) {
        }
        while (sent < bytes) {
            int64_t part = stream_send_rest(stream, pieces, bytes, sent, CLOSE_SEND_ONLY);
            const struct message *message;

            assert_true(part > 0 && (size_t)part <= credits[i]);
            sent += (size_t)part;
            while ((message = fake_take_message(TS)) != NULL) {
                const struct send *send = (const void *)message;
                size_t copied = send->header.length_bytes - sizeof(*send);

                assert_int_equal(message->header.type, SEND);
                assert_false(has_fin);
                memcpy(got + taken, send + 1, copied);
                taken += copied;
                memcpy(got + taken, archive + send->archive_offset, send->archive_bytes);
                taken += send->archive_bytes;
                has_fin = send->close_kind == CLOSE_SEND_ONLY;
            }
            assert_int_equal(taken, sent);
            assert_int_equal(has_fin, sent == bytes);
            give_credit(name, 3, (uint32_t)part);
        }
        assert_memory_equal(got, expected, bytes);
    }
}

/* A full channel takes none of it, nor the end. */
static void an_end_waits_for_what_a_full_channel_does_not_take(void **state)
{
    static uint8_t bytes[4000];
    const struct stream_piece piece = {bytes, sizeof(bytes)};
    int64_t sent;

    (void)state;
    do {
        give_credit(name, 3, sizeof(bytes));
        sent = send_bytes(stream, bytes, sizeof(bytes));
    } while (sent == sizeof(bytes));
    give_credit(name, 3, sizeof(bytes));
    assert_int_equal(stream_send(stream, &piece, sizeof(bytes), CLOSE_SEND_ONLY), -EAGAIN);
    while (fake_take_message(TS) != NULL) {
    }
    dispatch_round();
    sent = stream_send(stream, &piece, sizeof(bytes), CLOSE_SEND_ONLY);
    assert_int_equal(sent, sizeof(bytes));
    (void)expect_send(sizeof(bytes), 0, 0, true);
    fake_expect_no_message(TS);
}

static void after_the_close_nothing_is_told_and_its_name_is_nobodys(void **state)
{
    (void)state;
    stream_close(stream, CLOSE_BOTH);
    stream = NULL;
    (void)expect_close(CLOSE_BOTH);
    deliver_data(name, 3, "x", 1);
    close_by_peer(name, 3);
    fail_connection(name, 3, ECONNRESET);
    give_credit(name, 3, 1);
    assert_int_equal(told_count, 0);
    assert_int_equal(counter_read(NODE, COUNTER_DROP_BAD_MESSAGE), 0);
    /* What never was a name is counted. */
    deliver_data(name | 0xFFFF, 3, "x", 1);
    assert_int_equal(counter_read(NODE, COUNTER_DROP_BAD_MESSAGE), 1);
}

static void a_message_from_another_node_does_not_reach_the_stream(void **state)
{
    struct peer_closed message = {
        .header = {.type = PEER_CLOSED, .length_bytes = sizeof(message)},
        .stream_index = name,
        .generation = 3,
    };

    (void)state;
    fake_deliver(TS - 1, &message.header);
    dispatch_round();
    assert_int_equal(stream_readiness(stream), STREAM_CAN_WRITE);
    close_by_peer(name, 4); /* another connection of that TS */
    assert_int_equal(stream_readiness(stream), STREAM_CAN_WRITE);
    close_by_peer(name, 3);
    assert_int_equal(stream_readiness(stream),
                     STREAM_CAN_READ | STREAM_CAN_WRITE | STREAM_PEER_HAS_CLOSED);
}

static void both_ways_shut_is_the_end(void **state)
{
    char byte;

    (void)state;
    deliver_data(name, 3, "x", 1);
    stream_shut_receive(stream);
    assert_int_equal(stream_receive(stream, &byte, 1, false), 1);
    assert_int_equal(stream_receive(stream, &byte, 1, false), 0);
    stream_shut_send(stream);
    stream_shut_send(stream);
    assert_int_equal(expect_close(CLOSE_SEND_ONLY)->consumed_bytes, 1);
    fake_expect_no_message(TS);
    assert_int_equal(send_bytes(stream, "x", 1), -EPIPE);
    assert_int_equal(stream_readiness(stream) & STREAM_HAS_ENDED, 0);
    close_by_peer(name, 3);
    assert_true((stream_readiness(stream) & STREAM_HAS_ENDED) != 0);
}

#define TEST(name) CONSERVED_TEST(name, start, end)

static unsigned expected_count;

static void note_expected(void *owner, enum expect_step step)
{
    assert_ptr_equal(owner, &told);
    assert_int_equal(step, EXPECT_OWNER + expected_count % 2);
    expected_count++;
}

/* A transport server may be wrong about names; closed streams tell nobody. */
static void the_owner_of_an_expected_stream_is_expected(void **state)
{
    const uint32_t names[] = {name, UINT32_MAX, name + 1, 1u << 19};

    (void)state;
    expected_count = 0;
    streams_register_expecter(note_expected);
    net_expect(names, ARRAY_COUNT(names));
    assert_int_equal(expected_count, 2);
    stream_close(stream, CLOSE_BOTH);
    stream = NULL;
    net_expect(names, ARRAY_COUNT(names));
    assert_int_equal(expected_count, 2);
    streams_register_expecter(NULL);
    (void)expect_close(CLOSE_BOTH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_question_for_readiness_changes_nothing),
        TEST(a_failure_is_returned_until_it_is_taken),
        TEST(a_failure_for_a_reason_that_is_none_is_counted_and_taken_for_a_reset),
        TEST(more_than_a_transport_server_may_send_ahead_ends_the_connection),
        TEST(sending_stops_at_the_credit_and_room_is_told),
        TEST(a_wider_window_gives_more_credit_than_was_sent),
        TEST(a_stream_whose_channel_is_full_can_be_closed),
        TEST(a_head_its_file_and_the_end_are_one_message),
        TEST(a_close_goes_with_the_last_bytes),
        TEST(an_end_behind_nothing_is_a_close),
        TEST(pieces_end_at_the_credit_and_go_on_where_they_stopped),
        TEST(an_end_waits_for_what_a_full_channel_does_not_take),
        TEST(after_the_close_nothing_is_told_and_its_name_is_nobodys),
        TEST(a_message_from_another_node_does_not_reach_the_stream),
        TEST(both_ways_shut_is_the_end),
        TEST(the_owner_of_an_expected_stream_is_expected),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
