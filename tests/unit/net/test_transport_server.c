/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_client.c */
/* library: lwip */
/*
 * Tests net/transport/server.h over the real lwIP: what the server does in its turns, and what it
 * tells its link server.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/nic/frame.h"
#include "kernel/message/dispatch.h"
#include "net/counters.h"
#include "net/packet.h"
#include "net/transport/counters.h"
#include "net/transport/lwip/interface.h"
#include "net/transport/server.h"
#include "tests/unit/world/fake_client.h"
#include "tests/unit/world/fake_platform.h"

#include "lwip/ip4.h"
#include "lwip/pbuf.h"

#define IP               14u /* where the IP header begins in a frame */
#define CONNECTION_COUNT 600u
#define ENTRIES_A_ROUND  256u
#define NO_PROTOCOL      132u /* SCTP: it is counted where it comes, and its refusal as well */

/* An IP packet from the machine's own address to itself. */
static void send_to_ourselves(void)
{
    const ip4_addr_t *own = netif_ip4_addr(interface_netif());
    struct pbuf *packet = pbuf_alloc(PBUF_IP, 8, PBUF_RAM);

    assert_non_null(packet);
    memset(packet->payload, 0, packet->len);
    assert_int_equal(ip4_output(packet, own, own, 64, 0, NO_PROTOCOL), ERR_OK);
    pbuf_free(packet);
}

/* Not while it is sent: no handler runs inside a send. */
static void a_packet_to_ourselves_comes_in_the_next_round_which_does_not_sleep_before(void **state)
{
    uint64_t before = wire_counted(COUNTER_DROP_PROTOCOL);
    unsigned sleeps = fake_sleeps();

    (void)state;
    send_to_ourselves();
    wire_expect_silence();
    assert_int_equal(wire_counted(COUNTER_DROP_PROTOCOL), before);
    dispatch_sleep();
    assert_int_equal(fake_sleeps(), sleeps);
    (void)dispatch_round();
    assert_true(wire_counted(COUNTER_DROP_PROTOCOL) > before);
    wire_expect_silence();
    assert_int_equal(dispatch_round(), 0);
}

/* The round ends with a flush, which counts what was dropped, after either kind of work and after
 * both. */
static void a_frame_that_had_to_wait_and_a_packet_to_ourselves_are_both_work(void **state)
{
    uint64_t before = wire_counted(COUNTER_DROP_PROTOCOL);
    struct client client;

    (void)state;
    (void)wire_accept(&client, wire_new_port());
    wire_block_transmit(true);
    wire_application_send(&client, "page", 4);
    wire_run();
    wire_expect_silence();
    wire_block_transmit(false);
    send_to_ourselves();
    assert_int_not_equal(dispatch_round(), 0);
    assert_int_equal(wire_expect(&client).length, 4);
    assert_true(wire_counted(COUNTER_DROP_PROTOCOL) > before);
    wire_finish(&client);
}

/* Of a client's acknowledgement, with one byte of the frame changed. */
static bool is_expected(const struct client *client, unsigned place, uint8_t change)
{
    uint8_t bytes[FRAME_MAX_BYTES];
    struct packet packet;
    struct segment segment = {.client_port = client->port,
                              .flags = WIRE_ACK,
                              .sequence = client->send_next,
                              .acknowledgement = client->receive_next};
    size_t length = wire_build(bytes, &segment);

    bytes[place] ^= change;
    packet_parse(&packet, bytes, (uint16_t)length, 0);
    return transport_server_expects_acknowledgment(&packet);
}

/* Else it could take the place of one that a connection lives by. */
static void acknowledgements_are_expected_of_what_was_sent_on_open_connections(void **state)
{
    struct client client = {.port = wire_new_port(), .send_next = 1000};
    struct segment answer;

    (void)state;
    assert_false(is_expected(&client, 0, 0)); /* there is none */
    wire_assign(&client, NODE_APPLICATION, false);
    answer = wire_expect(&client);
    client.receive_next = answer.sequence + 1;
    assert_false(is_expected(&client, 0, 0)); /* it is not open yet */
    wire_clear();
    (void)wire_accept(&client, wire_new_port());
    assert_true(is_expected(&client, 0, 0));
    for (unsigned place = IP + 12; place < IP + 24; place++) {
        assert_false(is_expected(&client, place, 1)); /* another's address or port */
    }
    client.receive_next--;
    assert_false(is_expected(&client, 0, 0)); /* it says less than is known */
    client.receive_next += 2;
    assert_false(is_expected(&client, 0, 0));
    wire_application_send(&client, "byte", 1);
    wire_run();
    assert_true(is_expected(&client, 0, 0));
    client.receive_next++;
    assert_false(is_expected(&client, 0, 0));
    wire_finish(&client);
    assert_false(is_expected(&client, 0, 0));
}

/* A closed connection's numbers are kept for a while (RFC 9293 3.6.1): whoever looks at the node
 * sees for how many, also while it sleeps. */
static void a_node_that_sleeps_shows_how_many_flows_it_remembers(void **state)
{
    struct client client;

    (void)state;
    (void)wire_accept(&client, wire_new_port());
    wire_application_close(&client, 0, CLOSE_BOTH);
    wire_run();
    client.receive_next++; /* its FIN */
    wire_send(&client, WIRE_ACK | WIRE_FIN, NULL, 0);
    wire_run();
    dispatch_sleep();
    assert_int_equal(wire_counted(COUNTER_TIME_WAIT), 1);
    wire_clear();
    fake_advance_ns(120 * NS_PER_S);
    wire_run();
    dispatch_sleep();
    assert_int_equal(wire_counted(COUNTER_TIME_WAIT), 0);
}

/* Last: nobody takes connections any more. So much after a death is done in one round, that those
 * of the living do not wait for all of it. */
static void connections_of_a_dead_application_are_ended_some_in_each_round(void **state)
{
    unsigned rounds = 0, count;

    (void)state;
    for (unsigned i = 0; i < CONNECTION_COUNT; i++) {
        struct client client;

        (void)wire_accept(&client, wire_new_port());
        wire_clear();
    }
    assert_int_equal(wire_connection_count(), CONNECTION_COUNT);
    fake_set_node_state(NODE_APPLICATION, NODE_DEAD);
    dispatch_sleep(); /* where the dispatcher looks for deaths */
    for (count = CONNECTION_COUNT; count != 0 && rounds < CONNECTION_COUNT; rounds++) {
        unsigned work = dispatch_round();
        unsigned left = wire_connection_count();

        assert_int_not_equal(work, 0);
        assert_in_range(count - left, 0, ENTRIES_A_ROUND);
        count = left;
    }
    assert_int_equal(count, 0);
    assert_in_range(rounds, CONNECTION_COUNT / ENTRIES_A_ROUND, 10);
    wire_clear();
    assert_int_equal(dispatch_round(), 0);
}

#define TEST(name) cmocka_unit_test_teardown(name, wire_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_packet_to_ourselves_comes_in_the_next_round_which_does_not_sleep_before),
        TEST(a_frame_that_had_to_wait_and_a_packet_to_ourselves_are_both_work),
        TEST(acknowledgements_are_expected_of_what_was_sent_on_open_connections),
        TEST(a_node_that_sleeps_shows_how_many_flows_it_remembers),
        cmocka_unit_test(connections_of_a_dead_application_are_ended_some_in_each_round),
    };

    return cmocka_run_group_tests(tests, wire_set_up, NULL);
}
