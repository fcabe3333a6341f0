/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_client.c */
/* library: lwip */
/*
 * Tests what the transport server tells an application in the midst of a round, when bytes come
 * for it, and what waits until the round's end.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/message/dispatch.h"
#include "kernel/message/peers.h"
#include "net/transport/tcp/tcb.h"
#include "tests/unit/world/fake_client.h"
#include "tests/unit/world/fake_platform.h"

#define PIECE_BYTES 1400u /* of which the channel holds ten or eleven */

static void send_piece(struct client *client, char letter)
{
    uint8_t piece[PIECE_BYTES];

    memset(piece, letter, sizeof(piece));
    wire_send(client, WIRE_ACK, piece, sizeof(piece));
    client->send_next += PIECE_BYTES;
}

/* The next message is a whole piece of that letter for that stream. */
static void expect_piece(const struct client *client, char letter)
{
    const struct data *data = fake_expect_message(NODE_APPLICATION, DATA);
    struct message_payload payload = fake_payload(data, sizeof(*data));

    assert_int_equal(data->stream_index, client->port);
    assert_int_equal(payload.length_bytes, PIECE_BYTES);
    assert_int_equal(payload.bytes[0], letter);
    assert_int_equal(payload.bytes[PIECE_BYTES - 1], letter);
}

/* --- In the midst of a round --- */

/* An application's turn, behind the frames of a round and before its end. */
static bool is_looking, is_claiming;
static unsigned seen_count[MESSAGE_TYPE_MAX];
static struct connection_available seen_available;

/* Its claim is there before the end of the round, as one of an application on this node. */
static void claim_seen(void)
{
    struct claim_connection claim = {
        .header = {.type = CLAIM_CONNECTION, .length_bytes = sizeof(claim)},
        .connection_index = seen_available.connection_index,
        .generation = seen_available.generation,
        .stream_index = 1,
        .availability_number = seen_available.availability_number,
    };

    fake_deliver(NODE_APPLICATION, &claim.header);
    assert_int_equal(peers_receive_all(), 1);
}

static unsigned look(void *context)
{
    const struct message *message;

    (void)context;
    while (is_looking && (message = fake_take_message(NODE_APPLICATION)) != NULL) {
        seen_count[message->header.type]++;
        if (message->header.type == CONNECTION_AVAILABLE) {
            seen_available = *(const struct connection_available *)message;
            if (is_claiming) {
                claim_seen();
            }
        }
    }
    return 0;
}

static void run_looking(void)
{
    memset(seen_count, 0, sizeof(seen_count));
    is_looking = true;
    (void)dispatch_round();
    is_looking = false;
}

static struct dispatch_source application = {.poll = look};

static int set_up(void **state)
{
    int result = wire_set_up(state);

    dispatch_register_source(&application);
    return result;
}

/* On the server's own node its answer goes in the round in which the request came. */
static void bytes_are_told_before_the_end_of_the_round(void **state)
{
    struct client client;

    (void)state;
    (void)wire_accept(&client, wire_new_port());
    send_piece(&client, 'a');
    send_piece(&client, 'b');
    run_looking();
    assert_int_equal(seen_count[DATA], 2);
    fake_expect_no_message(NODE_APPLICATION);
    wire_finish(&client);
}

/* So a request on a new connection is answered in the round in which it came, too. */
static void a_connection_is_available_as_soon_as_its_first_bytes_come(void **state)
{
    struct client client;

    (void)state;
    wire_grant = GRANT_WITH_DATA;
    wire_open(&client, wire_new_port(), NULL);
    wire_grant = GRANT_NONE;
    fake_expect_no_message(NODE_APPLICATION);
    send_piece(&client, 'a');
    send_piece(&client, 'b');
    run_looking();
    assert_int_equal(seen_count[CONNECTION_AVAILABLE], 1);
    assert_int_equal(wire_expect(&client).acknowledgement, client.send_next);
    fake_expect_no_message(NODE_APPLICATION); /* the rest follows the claim */
    client.connection_index = seen_available.connection_index;
    client.generation = seen_available.generation;
    wire_application_send(&client, "answer", 6);
    wire_run();
    expect_piece(&client, 'b');
    assert_int_equal(wire_expect(&client).length, 6);
    wire_finish(&client);
}

/* Granted or not: and it is not told of a second time. */
static void a_connection_can_be_claimed_in_the_round_it_was_told_of(void **state)
{
    struct client client;

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        memset(seen_count, 0, sizeof(seen_count));
        is_looking = is_claiming = true;
        wire_grant = i == 0 ? GRANT_NONE : GRANT_AT_ONCE;
        wire_open(&client, wire_new_port(), "request");
        is_looking = is_claiming = false;
        wire_grant = GRANT_NONE;
        assert_int_equal(seen_count[CONNECTION_AVAILABLE], 1);
        assert_int_equal(seen_count[CLAIM_CONFIRMED], i == 0);
        client.connection_index = seen_available.connection_index;
        client.generation = seen_available.generation;
        wire_finish(&client);
    }
}

static void fin_and_failure_of_the_same_round_come_behind_the_bytes(void **state)
{
    const struct connection_failed *failed;
    struct client client;

    (void)state;
    (void)wire_accept(&client, wire_new_port());
    send_piece(&client, 'a');
    wire_send(&client, WIRE_ACK | WIRE_FIN, NULL, 0);
    client.send_next++;
    wire_send(&client, WIRE_RST, NULL, 0);
    wire_run();
    expect_piece(&client, 'a');
    failed = fake_expect_message(NODE_APPLICATION, CONNECTION_FAILED);
    assert_int_equal(failed->error_number, ECONNRESET);
    wire_clear();
    assert_int_equal(wire_connection_count(), 0);
}

static void fin_of_the_same_round_comes_behind_the_bytes(void **state)
{
    struct client client;

    (void)state;
    (void)wire_accept(&client, wire_new_port());
    send_piece(&client, 'a');
    wire_send(&client, WIRE_ACK | WIRE_FIN, NULL, 0);
    client.send_next++;
    wire_run();
    expect_piece(&client, 'a');
    (void)fake_expect_message(NODE_APPLICATION, PEER_CLOSED);
    wire_finish(&client);
}

/* --- Without room --- */

static void bytes_for_which_the_channel_has_no_room_keep_their_order(void **state)
{
    struct client client;
    unsigned count = 0;

    (void)state;
    (void)wire_accept(&client, wire_new_port());
    for (unsigned i = 0; i < 20; i++) {
        send_piece(&client, (char)('a' + i));
    }
    wire_run();
    for (unsigned round = 0; count < 20 * PIECE_BYTES; round++) {
        const struct data *data = (const struct data *)fake_take_message(NODE_APPLICATION);

        assert_true(round < 100);
        if (data == NULL) {
            send_piece(&client, 'x'); /* which comes when there is room, and others wait for it */
            wire_run();
            continue;
        }
        struct message_payload payload = fake_payload(data, sizeof(*data));

        for (size_t i = 0; i < payload.length_bytes && count < 20 * PIECE_BYTES; i++, count++) {
            assert_int_equal(payload.bytes[i], 'a' + count / PIECE_BYTES);
        }
    }
    wire_finish(&client);
}

/* Who has all that has come for it waits behind those that have not, in the same channel. */
static void those_that_wait_for_room_are_not_overtaken(void **state)
{
    const struct data *data;
    struct client patient, other;
    unsigned taken = 0;

    (void)state;
    (void)wire_accept(&patient, wire_new_port());
    (void)wire_accept(&other, wire_new_port());
    for (unsigned i = 0; i < 12; i++) {
        send_piece(&patient, (char)('a' + i));
    }
    wire_run();
    while ((data = (const struct data *)fake_take_message(NODE_APPLICATION)) != NULL) {
        assert_int_equal(data->stream_index, patient.port);
        taken++;
    }
    assert_in_range(taken, 8, 11);
    send_piece(&other, 'z'); /* comes in the round in which the server sees that there is room */
    wire_run();
    for (; taken < 12; taken++) {
        expect_piece(&patient, (char)('a' + taken));
    }
    expect_piece(&other, 'z');
    wire_finish(&patient);
    wire_finish(&other);
}

/* --- Credit --- */

/* Acknowledgements of less than a quarter of the window are no news for the application. */
static void small_acknowledgements_are_told_to_nobody(void **state)
{
    struct client client;

    (void)state;
    (void)wire_accept(&client, wire_new_port());
    wire_application_send(&client, "answer", 6);
    wire_run();
    client.receive_next += wire_expect(&client).length;
    wire_send(&client, WIRE_ACK, NULL, 0);
    wire_run();
    assert_null(wire_tcb_of(&client)->queue_head);
    fake_expect_no_message(NODE_APPLICATION);
    wire_finish(&client);
}

#define TEST(name) cmocka_unit_test_teardown(name, wire_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bytes_are_told_before_the_end_of_the_round),
        TEST(a_connection_is_available_as_soon_as_its_first_bytes_come),
        TEST(a_connection_can_be_claimed_in_the_round_it_was_told_of),
        TEST(fin_and_failure_of_the_same_round_come_behind_the_bytes),
        TEST(fin_of_the_same_round_comes_behind_the_bytes),
        TEST(bytes_for_which_the_channel_has_no_room_keep_their_order),
        TEST(those_that_wait_for_room_are_not_overtaken),
        TEST(small_acknowledgements_are_told_to_nobody),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
