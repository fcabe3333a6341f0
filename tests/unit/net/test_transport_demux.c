/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_client.c */
/* library: lwip */
/*
 * Tests the transport server at random: hundreds of clients do whatever comes to mind, the
 * application too, time passes in leaps; after each step the hash of flows and the table of
 * connections must agree, and TCP's numbers with each other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "net/transport/connection.h"
#include "net/transport/demux.h"
#include "net/transport/table.h"
#include "net/transport/tcp/half_open.h"
#include "net/transport/tcp/queue.h"
#include "net/transport/tcp/sequence.h"
#include "tests/unit/world/fake_client.h"
#include "tests/unit/world/fake_platform.h"

#include "net/counters.h"

#define CLIENT_COUNT 300
#define FIRST_PORT   30000
#define STEPS        60000

static struct client clients[CLIENT_COUNT];

static unsigned pick(unsigned count)
{
    return (unsigned)rand() % count;
}

/* What holds of a connection's numbers after each round (RFC 9293 3.4), and of its queue. */
static void check_numbers(const struct tcb *tcb)
{
    uint32_t sequence = tcb->snd_una;

    assert_false(sequence_is_before(tcb->snd_max, tcb->snd_una));
    assert_false(sequence_is_before(tcb->snd_end, tcb->snd_max));
    assert_false(sequence_is_before(tcb->rcv_edge + tcb->has_peer_fin, tcb->rcv_nxt));
    assert_in_range(tcb->state, TCB_ESTABLISHED, TCB_LAST_ACK);
    for (const struct reference *reference = tcb->queue_head; reference != NULL;
         reference = reference->next) {
        assert_int_equal(reference->sequence, sequence);
        assert_int_equal(reference->sent_count == 0,
                         !sequence_is_before(reference->sequence, tcb->snd_max));
        sequence = reference_end(reference);
    }
    assert_int_equal(sequence, tcb->snd_end);
}

static unsigned most_known; /* connections, at a time */

/* Every connection that TCP knows is found by its flow. */
static void check_all(void)
{
    unsigned known = 0;

    for (uint32_t i = 0; i < connection_table_size(); i++) {
        struct connection *connection = connection_at(i);

        if (connection == NULL) {
            continue;
        }
        assert_int_equal(connection->tcb.is_hashed, connection_has_tcp(connection));
        if (connection_has_tcp(connection)) {
            assert_ptr_equal(demux_find(&connection->tcb.flow), &connection->tcb);
            check_numbers(&connection->tcb);
            known++;
        }
    }
    most_known = known > most_known ? known : most_known;
}

/* What the server has sent moves the clients on; some of it is lost. */
static void read_wire(void)
{
    struct segment segment;

    while (wire_take(&segment)) {
        struct client *client = &clients[segment.client_port - FIRST_PORT];

        if (pick(8) == 0) {
            continue;
        }
        if ((segment.flags & WIRE_SYN) != 0) {
            client->receive_next = segment.sequence + 1;
        } else if (segment.sequence == client->receive_next) {
            client->receive_next += segment.length + ((segment.flags & WIRE_FIN) != 0);
        }
    }
}

/* The application claims what is available, or not, and remembers the last connection of each
 * client. */
static void read_messages(void)
{
    const struct message *message;

    while ((message = fake_take_message(NODE_APPLICATION)) != NULL) {
        const struct connection_available *available = (const struct connection_available *)message;
        struct client *client;

        if (message->header.type != CONNECTION_AVAILABLE) {
            continue;
        }
        client = &clients[__builtin_bswap16(available->flow.remote_port) - FIRST_PORT];
        client->connection_index = available->connection_index;
        client->generation = available->generation;
        client->availability_number = available->availability_number;
        if (pick(4) != 0) {
            wire_claim(client);
        }
    }
    while ((message = fake_take_message(NODE_CM)) != NULL) {
        const struct accept_timeout *timeout = (const struct accept_timeout *)message;
        struct reassign_connection again = {
            .header = {.type = REASSIGN_CONNECTION, .length_bytes = sizeof(again)},
            .connection_index = timeout->connection_index,
            .generation = timeout->generation,
            .acceptor = {.node = NODE_APPLICATION, .cm = NODE_CM, .assigned_by = NODE_CM},
            .is_refused = pick(4) == 0,
        };

        if (message->header.type == ACCEPT_TIMEOUT) {
            fake_deliver(NODE_CM, &again.header);
        }
    }
}

static void open_client(struct client *client)
{
    client->send_next += pick(100000) - 50000;
    wire_assign(client, pick(10) == 0 ? NODE_NONE : NODE_APPLICATION, pick(20) == 0);
}

static void step_client(struct client *client)
{
    static uint8_t bytes[1400];
    uint32_t length = 1 + pick(sizeof(bytes));

    switch (pick(10)) {
    case 0:
    case 1:
        open_client(client);
        break;
    case 2:
    case 3:
        wire_send(client, WIRE_ACK, NULL, 0);
        break;
    case 4:
        wire_send(client, WIRE_ACK | WIRE_PSH, bytes, length);
        client->send_next += pick(5) == 0 ? 0 : length;
        break;
    case 5: /* out of order */
        client->send_next += 2000;
        wire_send(client, WIRE_ACK, bytes, length);
        client->send_next -= 2000;
        break;
    case 6:
        wire_send(client, WIRE_ACK | WIRE_FIN, NULL, 0);
        client->send_next++;
        break;
    case 7:
        wire_send(client, (uint8_t)pick(64), bytes, length);
        break;
    case 8:
        wire_send(client, pick(2) == 0 ? WIRE_RST : WIRE_RST | WIRE_ACK, NULL, 0);
        break;
    default:
        wire_send(client, WIRE_ACK | WIRE_FIN, bytes, length);
        client->send_next += length + 1;
        break;
    }
}

static void step_application(const struct client *client)
{
    static const uint8_t bytes[3000];

    switch (pick(7)) {
    case 0:
        wire_application_send(client, bytes, 1 + pick(sizeof(bytes) - 1));
        break;
    case 1:
        wire_application_send_archive(client, pick(1000), 1 + pick(50000));
        break;
    case 2:
        wire_application_consumed(client, pick(3000));
        break;
    case 3:
        wire_application_close(client, pick(2) == 0 ? 0 : UINT32_MAX, CLOSE_BOTH);
        break;
    case 4:
        wire_application_close(client, 0, CLOSE_SEND_ONLY);
        break;
    case 5: /* again, or late */
        wire_claim(client);
        break;
    default:
        wire_application_close(client, 0, CLOSE_ABORT);
        break;
    }
}

static void numbers_and_hash_agree_whatever_happens(void **state)
{
    (void)state;
    srand(42);
    for (unsigned i = 0; i < CLIENT_COUNT; i++) {
        clients[i] = (struct client){.port = (uint16_t)(FIRST_PORT + i), .send_next = 1000000};
    }
    for (unsigned step = 0; step < STEPS; step++) {
        struct client *client = &clients[pick(CLIENT_COUNT)];

        if (pick(3) != 0) {
            step_client(client);
        } else {
            step_application(client);
        }
        wire_run();
        read_wire();
        read_messages();
        if (pick(20) == 0) {
            wire_advance_ns(pick(300) * NS_PER_MS);
        }
        if (step % 16 == 0) {
            check_all();
        }
    }
    /* The walk was not a walk on the spot; demux.c has more buckets than the 64 of the start. */
    assert_true(most_known > 64);
    assert_true(counter_read(0, COUNTER_TCP_ACCEPTED) > 500);
    assert_true(counter_read(0, COUNTER_CLAIMS_CONFIRMED) > 200);
    assert_true(counter_read(0, COUNTER_CLAIMS_REJECTED) > 0);
    assert_true(counter_read(0, COUNTER_ACCEPT_TIMEOUTS) > 20);
    assert_true(counter_read(0, COUNTER_TCP_RESETS) > 100);
}

static void end_connection(const struct connection *connection)
{
    struct client client;

    if (connection == NULL) {
        return;
    }
    client = (struct client){
        .port = __builtin_bswap16(connection->tcb.flow.remote_port),
        .send_next = connection->tcb.rcv_nxt,
        .connection_index = connection->place.index,
        .generation = connection->generation,
    };
    if (connection->state == CONNECTION_CLAIMED) {
        wire_application_close(&client, 0, CLOSE_BOTH);
    } else if (connection_has_tcp(connection)) {
        wire_send(&client, WIRE_RST, NULL, 0);
    }
    wire_run();
}

/* Applications that close and peers that reset let everything go. */
static void nothing_is_left_when_all_are_closed(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 100 && wire_connection_count() != 0; i++) {
        read_wire();
        read_messages();
        for (uint32_t j = 0; j < connection_table_size(); j++) {
            end_connection(connection_at(j));
        }
        wire_advance_ns(NS_PER_S);
    }
    assert_int_equal(wire_connection_count(), 0);
    assert_int_equal(half_open_count(), 0);
    check_all();
}

static int start(void **state)
{
    (void)state;
    wire_start();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_and_hash_agree_whatever_happens),
        cmocka_unit_test(nothing_is_left_when_all_are_closed),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
