/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_client.c */
/* library: lwip */
/*
 * Tests that each message from a transport server to an application comes through in the end, once,
 * though the channel was full when it was due: to two applications at a time, whose channels get
 * room one after the other, and twice in a row.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/message/dispatch.h"
#include "net/configuration.h"
#include "net/transport/stream.h"
#include "tests/unit/world/fake_client.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/send_copy.h"

#define APPLICATION_COUNT 2
#define FILLER            NIC_READY /* a type that no transport server sends */

static const node_id_t applications[APPLICATION_COUNT] = {NODE_APPLICATION, NODE_OTHER_CM};

static int set_up(void **state)
{
    int result = wire_set_up(state);
    struct configuration *configuration = (struct configuration *)configuration_current();

    configuration->roles[NODE_OTHER_CM] |= ROLE_APPLICATION;
    /* Who may send was settled when the server started. */
    dispatch_limit_senders(CLAIM_CONNECTION, net_message_senders(configuration, CLAIM_CONNECTION));
    dispatch_limit_senders(SEND, net_message_senders(configuration, SEND));
    return result;
}

static void fill_channel(node_id_t to)
{
    struct message_header filler = {.type = FILLER, .length_bytes = sizeof(filler)};

    while (send_copy(to, &filler) == 0) {
    }
}

/* What has waited behind the fillers is left in the channel. Returns its first message, or NULL. */
static const struct message *empty_channel(node_id_t to)
{
    const struct message *message;

    do {
        message = fake_take_message(to);
        wire_run();
    } while (message != NULL && message->header.type == FILLER);
    return message;
}

static void deliver(node_id_t from, struct message_header *header, size_t bytes)
{
    header->length_bytes = (uint16_t)bytes;
    fake_deliver(from, header);
    wire_run();
}

/* A handshake: CONNECTION_AVAILABLE is due. */
static void open_connection(struct client *client, node_id_t application)
{
    *client = (struct client){.port = wire_new_port(), .send_next = 7000};
    wire_assign(client, application, false);
    client->receive_next = wire_expect(client).sequence + 1;
    wire_send(client, WIRE_ACK, NULL, 0);
    wire_run();
}

static void note_available(struct client *client, const struct message *message)
{
    const struct connection_available *available = (const void *)message;

    assert_int_equal(message->header.type, CONNECTION_AVAILABLE);
    client->connection_index = available->connection_index;
    client->generation = available->generation;
    client->availability_number = available->availability_number;
}

static void claim(const struct client *client, node_id_t application)
{
    struct claim_connection message = {
        .header.type = CLAIM_CONNECTION,
        .connection_index = client->connection_index,
        .generation = client->generation,
        .stream_index = client->port,
        .availability_number = client->availability_number,
    };

    deliver(application, &message.header, sizeof(message));
}

static void accept_connection_of(struct client *client, node_id_t application)
{
    open_connection(client, application);
    note_available(client, fake_take_message(application));
    claim(client, application);
    (void)fake_expect_message(application, CLAIM_CONFIRMED);
}

/* --- What makes each message due --- */

static void make_available_due(struct client *client, node_id_t application)
{
    open_connection(client, application);
}

static void make_confirmation_due(struct client *client, node_id_t application)
{
    claim(client, application);
}

static void make_data_due(struct client *client, node_id_t application)
{
    (void)application;
    wire_send(client, WIRE_ACK, "data", 4);
    client->send_next += 4;
    wire_run();
}

static void make_end_due(struct client *client, node_id_t application)
{
    (void)application;
    wire_send(client, WIRE_ACK | WIRE_FIN, NULL, 0);
    client->send_next++;
    wire_run();
}

static void make_failure_due(struct client *client, node_id_t application)
{
    (void)application;
    wire_send(client, WIRE_RST, NULL, 0);
    wire_run();
}

/* So much that less than half of the window is left. */
#define CREDIT_SENT_BYTES (3 * SEND_CREDIT_LEAST_BYTES)

static void make_credit_due(struct client *client, node_id_t application)
{
    struct send message = {
        .header.type = SEND,
        .connection_index = client->connection_index,
        .generation = client->generation,
        .archive_bytes = CREDIT_SENT_BYTES,
    };
    uint32_t end = client->receive_next + CREDIT_SENT_BYTES;
    struct segment segment;

    deliver(application, &message.header, sizeof(message));
    for (unsigned i = 0; i < 100 && client->receive_next != end; i++) {
        while (wire_take(&segment)) {
            client->receive_next = segment.sequence + segment.length;
        }
        wire_send(client, WIRE_ACK, NULL, 0);
        wire_run();
    }
    assert_int_equal(client->receive_next, end);
}

/* --- What must have come --- */

static void check_available(struct client *client, const struct message *message)
{
    note_available(client, message);
}

static void check_confirmation(struct client *client, const struct message *message)
{
    assert_int_equal(((const struct claim_confirmed *)(const void *)message)->stream_index,
                     client->port);
}

static void check_data(struct client *client, const struct message *message)
{
    const struct data *data = (const void *)message;

    assert_int_equal(data->stream_index, client->port);
    assert_int_equal(data->header.length_bytes, sizeof(*data) + 4);
    assert_memory_equal(fake_payload(data, sizeof(*data)).bytes, "data", 4);
}

static void check_end(struct client *client, const struct message *message)
{
    assert_int_equal(((const struct peer_closed *)(const void *)message)->stream_index,
                     client->port);
}

static void check_failure(struct client *client, const struct message *message)
{
    const struct connection_failed *failed = (const void *)message;

    assert_int_equal(failed->stream_index, client->port);
    assert_int_equal(failed->error_number, ECONNRESET);
}

static void check_credit(struct client *client, const struct message *message)
{
    const struct send_credit *credit = (const void *)message;

    assert_int_equal(credit->stream_index, client->port);
    assert_int_equal(credit->bytes,
                     CREDIT_SENT_BYTES + credit->send_window_bytes - SEND_WINDOW_BYTES);
}

enum start { NOTHING, AVAILABLE, ACCEPTED };

static const struct {
    uint16_t type;
    enum start start;
    void (*make_due)(struct client *client, node_id_t application);
    void (*check)(struct client *client, const struct message *message);
} kinds[] = {
    {CONNECTION_AVAILABLE, NOTHING, make_available_due, check_available},
    {CLAIM_CONFIRMED, AVAILABLE, make_confirmation_due, check_confirmation},
    {DATA, ACCEPTED, make_data_due, check_data},
    {PEER_CLOSED, ACCEPTED, make_end_due, check_end},
    {CONNECTION_FAILED, ACCEPTED, make_failure_due, check_failure},
    {SEND_CREDIT, ACCEPTED, make_credit_due, check_credit},
};

static void start_client(struct client *client, node_id_t application, enum start start)
{
    if (start == AVAILABLE) {
        open_connection(client, application);
        note_available(client, fake_take_message(application));
    } else if (start == ACCEPTED) {
        accept_connection_of(client, application);
    }
}

static void each_message_comes_through_a_channel_that_was_full(void **state)
{
    struct client clients[APPLICATION_COUNT];

    (void)state;
    for (unsigned i = 0; i < 2 * ARRAY_COUNT(kinds); i++) {
        unsigned kind = i / 2; /* each twice */

        for (unsigned j = 0; j < APPLICATION_COUNT; j++) {
            start_client(&clients[j], applications[j], kinds[kind].start);
        }
        for (unsigned j = 0; j < APPLICATION_COUNT; j++) {
            fill_channel(applications[j]);
        }
        for (unsigned j = 0; j < APPLICATION_COUNT; j++) {
            kinds[kind].make_due(&clients[j], applications[j]);
        }
        /* Room in the second one's channel first: the other's message still waits. */
        for (unsigned j = APPLICATION_COUNT; j-- > 0;) {
            const struct message *message = empty_channel(applications[j]);

            assert_non_null(message);
            assert_int_equal(message->header.type, kinds[kind].type);
            kinds[kind].check(&clients[j], message);
            wire_run();
            fake_expect_no_message(applications[j]);
        }
        for (unsigned j = 0; j < APPLICATION_COUNT; j++) {
            wire_send(&clients[j], WIRE_RST, NULL, 0);
            wire_run();
            while (fake_take_message(applications[j]) != NULL) {
            }
        }
        wire_clear();
        assert_int_equal(wire_connection_count(), 0);
    }
}

#define TEST(name) cmocka_unit_test_teardown(name, wire_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_message_comes_through_a_channel_that_was_full),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
