/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_client.c */
/* library: lwip */
/*
 * Tests the transport server over the real lwIP when somebody is slower than the others: an
 * application that does not empty its channel, a peer that does not acknowledge, and several
 * connections that wait at once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/nic/frame.h"
#include "kernel/platform.h"
#include "net/packet.h"
#include "net/transport/server.h"
#include "net/transport/stream.h"
#include "tests/unit/world/fake_client.h"
#include "tests/unit/world/fake_platform.h"

#define CLIENTS 4u

/* What the application is told of the streams, read as it comes. */
struct told {
    uint32_t bytes; /* of DATA; each is checked to be the low byte of its position */
    unsigned closed, failed, confirmed;
    uint32_t credit, window;
};

static struct client clients[CLIENTS];
static struct told told[CLIENTS];

static struct told *told_of(uint32_t stream_index)
{
    for (unsigned i = 0; i < CLIENTS; i++) {
        if (clients[i].port == stream_index) {
            return &told[i];
        }
    }
    fail_msg("stream %u is nobody's", stream_index);
    return NULL;
}

static void note_data(const struct data *data)
{
    struct told *stream = told_of(data->stream_index);
    const uint8_t *bytes = (const uint8_t *)(data + 1);

    for (uint32_t i = 0; i < data->header.length_bytes - sizeof(*data); i++) {
        assert_int_equal(bytes[i], (uint8_t)stream->bytes++);
    }
}

static void note_credit(const struct send_credit *credit)
{
    struct told *stream = told_of(credit->stream_index);

    stream->credit += credit->bytes;
    stream->window = credit->send_window_bytes;
}

static void note_message(const struct message *message)
{
    switch (message->header.type) {
    case DATA:
        note_data((const struct data *)message);
        break;
    case PEER_CLOSED:
        told_of(((const struct peer_closed *)message)->stream_index)->closed++;
        break;
    case CONNECTION_FAILED:
        told_of(((const struct connection_failed *)message)->stream_index)->failed++;
        break;
    case SEND_CREDIT:
        note_credit((const struct send_credit *)message);
        break;
    case CLAIM_CONFIRMED:
        told_of(((const struct claim_confirmed *)message)->stream_index)->confirmed++;
        break;
    default:
        fail_msg("message of type %u", message->header.type);
    }
}

/* The application reads, and the server goes on, until nothing more comes. */
static void read_everything(void)
{
    const struct message *message;

    for (unsigned quiet = 0; quiet < 3; quiet++) {
        while ((message = fake_take_message(NODE_APPLICATION)) != NULL) {
            note_message(message);
            quiet = 0;
        }
        wire_run();
    }
}

static void accept_clients(void)
{
    memset(told, 0, sizeof(told));
    for (unsigned i = 0; i < CLIENTS; i++) {
        (void)wire_accept(&clients[i], wire_new_port());
    }
}

static void send_from_client(unsigned number, uint32_t bytes_wanted)
{
    uint8_t bytes[1000];
    static uint32_t sent[CLIENTS];
    static uint16_t ports[CLIENTS];

    if (ports[number] != clients[number].port) {
        ports[number] = clients[number].port;
        sent[number] = 0;
    }
    while (bytes_wanted > 0) {
        uint32_t length = bytes_wanted < sizeof(bytes) ? bytes_wanted : sizeof(bytes);

        for (uint32_t i = 0; i < length; i++) {
            bytes[i] = (uint8_t)sent[number]++;
        }
        wire_send(&clients[number], WIRE_ACK, bytes, length);
        clients[number].send_next += length;
        bytes_wanted -= length;
    }
    wire_run();
}

static void finish_clients(void)
{
    for (unsigned i = 0; i < CLIENTS; i++) {
        wire_finish(&clients[i]);
    }
    assert_int_equal(wire_connection_count(), 0);
}

/* --- A full channel --- */

static void all_connections_that_waited_for_the_channel_get_everything(void **state)
{
    (void)state;
    accept_clients();
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < CLIENTS; i++) {
            send_from_client(i, 20000);
        }
    }
    read_everything();
    for (unsigned i = 0; i < CLIENTS; i++) {
        assert_int_equal(told[i].bytes, 40000);
    }
    finish_clients();
}

/* Each kind of message finds the channel full, twice in a row, and comes once when there is room.
 */
static void every_kind_of_message_waits_for_room_and_comes_once(void **state)
{
    struct segment segment;
    uint32_t acknowledged = 0, sent = 0;

    (void)state;
    accept_clients();
    for (unsigned round = 0; round < 2; round++) {
        uint32_t credit = told[1].credit;

        /* All that it may, so that it hears of what is acknowledged. */
        while (sent < SEND_WINDOW_BYTES + credit) {
            uint32_t left = SEND_WINDOW_BYTES + credit - sent;
            uint32_t bytes = left < SEND_WINDOW_BYTES ? left : SEND_WINDOW_BYTES;

            wire_application_send_archive(&clients[1], 0, bytes);
            sent += bytes;
        }
        send_from_client(0, 40000); /* fills the channel */
        /* Client 1 acknowledges a response, and another says FIN. */
        while (acknowledged < sent) {
            while (wire_take(&segment)) {
                if (segment.client_port == clients[1].port) {
                    acknowledged += segment.length;
                    clients[1].receive_next = segment.sequence + segment.length;
                }
            }
            wire_send(&clients[1], WIRE_ACK, NULL, 0);
            wire_run();
        }
        wire_send(&clients[2 + round], WIRE_ACK | WIRE_FIN, NULL, 0);
        clients[2 + round].send_next++;
        wire_run();
        assert_int_equal(told[2 + round].closed, 0);
        read_everything();
        assert_int_equal(told[2 + round].closed, 1);
        /* It had none left. Who has half of the window, which may have grown, hears no more. */
        assert_in_range(told[1].credit - credit, told[1].window / 2, told[1].window);
        assert_int_equal(told[0].bytes, 40000 * (round + 1));
        wire_application_consumed(&clients[0], 40000);
        wire_run();
    }
    finish_clients();
}

static void ends_of_connections_wait_for_room_and_come_once(void **state)
{
    struct client *late = &clients[3];
    const struct connection_available *available;

    (void)state;
    accept_clients();
    wire_finish(late);
    wire_open(late, wire_new_port(), NULL);
    available = fake_expect_message(NODE_APPLICATION, CONNECTION_AVAILABLE);
    late->connection_index = available->connection_index;
    late->generation = available->generation;
    late->availability_number = available->availability_number;

    send_from_client(0, 40000); /* fills the channel */
    wire_claim(late);
    for (unsigned i = 1; i <= 2; i++) {
        wire_send(&clients[i], WIRE_RST, NULL, 0);
    }
    wire_run();
    wire_run();
    read_everything();
    assert_int_equal(told[0].bytes, 40000);
    for (unsigned i = 1; i <= 2; i++) {
        assert_int_equal(told[i].failed, 1);
        assert_int_equal(told[i].closed, 0);
    }
    assert_int_equal(told[3].confirmed, 1);
    assert_int_equal(wire_connection_count(), 2); /* the others are gone, as both know */
    wire_finish(&clients[0]);
    wire_finish(late);
}

/* --- A slow peer --- */

/* Small pieces come while a long one before them is on its way, and the channel's memory is used
 * again meanwhile. */
static void bytes_behind_a_long_response_keep_their_content_and_order(void **state)
{
    char text[64];
    char expected[200 * sizeof(text)];
    const uint32_t archive_bytes = SEND_WINDOW_BYTES - sizeof(expected);
    uint32_t expected_bytes = 0, start, received = 0;
    struct segment segment;
    unsigned sends = 0;
    bool has_fin = false;

    (void)state;
    accept_clients();
    start = clients[0].receive_next;
    wire_application_send_archive(&clients[0], 0, archive_bytes);
    wire_run();
    for (unsigned turn = 0; turn < 20000 && !has_fin; turn++) {
        if (sends < 200) {
            int length = snprintf(text, sizeof(text), "<piece number %u>", sends++);

            memcpy(expected + expected_bytes, text, (size_t)length);
            expected_bytes += (uint32_t)length;
            wire_application_send(&clients[0], text, (uint32_t)length);
            if (sends == 200) {
                wire_application_close(&clients[0], 0, CLOSE_SEND_ONLY);
            }
            wire_run();
        }
        if (!wire_take(&segment)) {
            wire_advance_ns(100 * NS_PER_MS);
            continue;
        }
        if (segment.client_port != clients[0].port || segment.sequence != start + received) {
            continue;
        }
        for (uint32_t i = 0; i < segment.length; i++, received++) {
            uint8_t wanted = received < archive_bytes ? wire_archive_byte(received)
                                                      : (uint8_t)expected[received - archive_bytes];

            if (segment.payload[i] != wanted) {
                fail_msg("byte %u is %02x, not %02x", received, segment.payload[i], wanted);
            }
        }
        has_fin = (segment.flags & WIRE_FIN) != 0;
        clients[0].receive_next = segment.sequence + segment.length + has_fin;
        wire_send(&clients[0], WIRE_ACK, NULL, 0);
        wire_run();
    }
    assert_true(has_fin);
    assert_int_equal(received, archive_bytes + expected_bytes);
    read_everything();
    finish_clients();
}

/* As soon as the window has room, and not with the next tick of a timer. */
static void waiting_bytes_leave_with_the_acknowledgement_that_makes_room(void **state)
{
    struct segment segment;
    uint32_t end;

    (void)state;
    accept_clients();
    end = clients[0].receive_next;
    /* Twice: what waited has gone, and something waits again. */
    for (unsigned round = 0; round < 2; round++) {
        wire_application_send_archive(&clients[0], 0, SEND_WINDOW_BYTES);
        wire_run();
        while (end - clients[0].receive_next < SEND_WINDOW_BYTES) {
            uint32_t before = end;

            while (wire_take(&segment)) {
                end = segment.sequence + segment.length;
            }
            assert_int_not_equal(end, before); /* each acknowledgement brings more */
            struct client acknowledging = clients[0];

            acknowledging.receive_next = end;
            wire_send(&acknowledging, WIRE_ACK, NULL, 0);
            wire_run();
        }
        clients[0].receive_next = end;
    }
    read_everything();
    finish_clients();
}

static unsigned released_count;

static void count_release(struct frame *frame)
{
    released_count++;
    free(frame);
}

/* One that nobody will read goes back to the card at once: the application has closed, though its
 * response was still on its way. */
static void data_for_a_closed_application_gives_its_buffer_back(void **state)
{
    uint8_t bytes[FRAME_MAX_BYTES];

    (void)state;
    accept_clients();
    wire_application_send_archive(&clients[0], 0, SEND_WINDOW_BYTES);
    wire_application_close(&clients[0], 0, CLOSE_BOTH);
    wire_run();
    released_count = 0;
    for (unsigned i = 0; i < 10; i++) {
        struct segment segment = {
            .client_port = clients[0].port,
            .flags = WIRE_ACK,
            .sequence = clients[0].send_next,
            .acknowledgement = clients[0].receive_next,
            .window = 65535,
            .payload = (const uint8_t *)"nobody reads this",
            .length = 17,
        };
        struct frame *frame = calloc(1, sizeof(*frame) + FRAME_MAX_BYTES);
        struct packet packet;

        assert_non_null(frame);
        frame->data = (uint8_t *)(frame + 1);
        frame->length_bytes = (uint16_t)wire_build(bytes, &segment);
        frame->flags = FRAME_IP_CHECKSUM_GOOD | FRAME_L4_CHECKSUM_GOOD;
        frame->release = count_release;
        memcpy(frame->data, bytes, frame->length_bytes);
        clients[0].send_next += segment.length;
        packet_parse(&packet, frame->data, frame->length_bytes, frame->flags);
        transport_server_receive(frame, &packet);
        wire_run();
        assert_int_equal(released_count, i + 1);
    }
    wire_send(&clients[0], WIRE_RST, NULL, 0);
    wire_run();
    wire_clear();
    finish_clients();
}

#define TEST(name) cmocka_unit_test_teardown(name, wire_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(all_connections_that_waited_for_the_channel_get_everything),
        TEST(every_kind_of_message_waits_for_room_and_comes_once),
        TEST(ends_of_connections_wait_for_room_and_come_once),
        TEST(bytes_behind_a_long_response_keep_their_content_and_order),
        TEST(waiting_bytes_leave_with_the_acknowledgement_that_makes_room),
        TEST(data_for_a_closed_application_gives_its_buffer_back),
    };

    return cmocka_run_group_tests(tests, wire_set_up, NULL);
}
