/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_client.c */
/* library: lwip */
/*
 * Tests what of the transport server has to do with time, and with many connections at once: for
 * whom a timer runs, delayed and limited acknowledgements, sequence numbers, names of entries, and
 * what a death costs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/nic/frame.h"
#include "kernel/message/dispatch.h"
#include "kernel/platform.h"
#include "net/counters.h"
#include "net/transport/connection.h"
#include "net/transport/lwip/interface.h"
#include "net/transport/table.h"
#include "net/transport/tcp/half_open.h"
#include "net/transport/tcp/tcb.h"
#include "tests/unit/world/fake_client.h"
#include "tests/unit/world/fake_platform.h"

#include "lwip/ip.h"
#include "lwip/netif.h"
#include "lwip/pbuf.h"

#define MANY 600u /* two batches and a half of the sweep */

#define TICK_NS        (100 * NS_PER_MS)
#define DELAYED_ACK_NS (10 * NS_PER_MS)

/* --- For whom a timer runs --- */

static bool is_ticking(const struct client *client)
{
    return wheel_is_set(&wire_tcb_of(client)->timer);
}

/* A timer that is not needed any more goes with its next visit. */
static void assert_comes_to_rest(const struct client *client)
{
    for (unsigned i = 0; i < 20; i++) {
        wire_advance_ns(TICK_NS);
    }
    assert_false(is_ticking(client));
}

static void a_connection_at_rest_has_no_timer(void **state)
{
    struct client client;
    struct segment segment;

    (void)state;
    (void)wire_accept(&client, wire_new_port());
    assert_comes_to_rest(&client);

    wire_application_send(&client, "data", 4); /* until it is acknowledged */
    wire_run();
    segment = wire_expect(&client);
    assert_true(is_ticking(&client));
    client.receive_next = segment.sequence + segment.length;
    wire_send(&client, WIRE_ACK, NULL, 0);
    wire_run();
    assert_comes_to_rest(&client);

    client.send_next += 3; /* out of order: until the gap is filled */
    wire_send(&client, WIRE_ACK, "def", 3);
    wire_run();
    assert_true(is_ticking(&client));
    client.send_next -= 3;
    wire_send(&client, WIRE_ACK, "abc", 3);
    client.send_next += 6;
    wire_run();
    assert_comes_to_rest(&client);

    wire_send(&client, WIRE_ACK | WIRE_FIN, NULL, 0); /* CLOSE_WAIT rests, too */
    client.send_next++;
    wire_run();
    assert_comes_to_rest(&client);
    wire_clear();
    wire_application_close(&client, UINT32_MAX, CLOSE_BOTH); /* LAST_ACK does not */
    wire_run();
    assert_true(is_ticking(&client));
    client.receive_next++;
    wire_send(&client, WIRE_ACK, NULL, 0);
    wire_run();
    assert_int_equal(wire_connection_count(), 0);
}

static void send_and_acknowledge(struct client *client)
{
    struct segment segment;

    wire_application_send(client, "data", 4);
    wire_run();
    segment = wire_expect(client);
    assert_true(is_ticking(client));
    client->receive_next = segment.sequence + segment.length;
    wire_send(client, WIRE_ACK, NULL, 0);
    wire_run();
}

/* Or each of many that send now and then would be visited, long after it has left the cache. */
static void a_timer_goes_with_the_acknowledgement_where_the_connection_was_at_rest(void **state)
{
    struct client client;

    (void)state;
    (void)wire_accept(&client, wire_new_port());
    for (unsigned i = 0; i < 3; i++) {
        assert_comes_to_rest(&client);
        send_and_acknowledge(&client);
        assert_false(is_ticking(&client));
    }
    wire_advance_ns(NS_PER_MS); /* who sends often leaves it where it stands */
    send_and_acknowledge(&client);
    assert_true(is_ticking(&client));
    wire_advance_ns(NS_PER_MS);
    send_and_acknowledge(&client);
    assert_true(is_ticking(&client));
    assert_comes_to_rest(&client);
    wire_finish(&client);
}

/* A closed window is probed (RFC 9293 3.8.6.1), though nothing is unacknowledged. */
static void a_closed_window_is_probed(void **state)
{
    struct client client;
    struct segment segment = {0};
    uint8_t bytes[FRAME_MAX_BYTES];
    unsigned probes = 0;

    (void)state;
    (void)wire_accept(&client, wire_new_port());
    wire_application_send(&client, "data", 4);
    wire_run();
    segment = wire_expect(&client);
    struct segment closed = {.client_port = client.port,
                             .flags = WIRE_ACK,
                             .sequence = client.send_next,
                             .acknowledgement = segment.sequence + 4};

    client.receive_next = segment.sequence + 4;
    wire_receive_frame(bytes, wire_build(bytes, &closed), 0);
    wire_run();
    wire_application_send(&client, "more", 4);
    wire_run();
    assert_true(is_ticking(&client));
    for (unsigned i = 0; i < 100 && probes < 2; i++) {
        wire_advance_ns(TICK_NS);
        while (wire_take(&segment)) {
            probes++;
            wire_receive_frame(bytes, wire_build(bytes, &closed), 0);
            wire_run();
        }
    }
    assert_int_equal(probes, 2);
    wire_finish(&client);
}

static void a_handshake_without_an_answer_is_repeated_and_given_up(void **state)
{
    struct client client = {.port = wire_new_port(), .send_next = 500};
    struct segment segment;
    unsigned count = 0;

    (void)state;
    wire_assign(&client, NODE_APPLICATION, false);
    assert_int_equal(wire_expect(&client).flags, WIRE_SYN | WIRE_ACK);
    for (unsigned i = 0; i < 2000 && wire_connection_count() != 0; i++) {
        wire_advance_ns(TICK_NS);
        while (wire_take(&segment)) {
            count += segment.flags == (WIRE_SYN | WIRE_ACK);
        }
    }
    assert_true(count >= 2);
    assert_int_equal(wire_connection_count(), 0);
    wire_clear();
}

/* --- Acknowledgements --- */

static unsigned acknowledgements_of(const struct client *client)
{
    struct segment segment;
    unsigned count = 0;

    while (wire_take(&segment)) {
        assert_int_equal(segment.flags, WIRE_ACK);
        count += segment.client_port == client->port;
    }
    return count;
}

/* Each after its own time, in the order in which their data came. */
static void delayed_acknowledgements_of_two_connections_are_each_in_time(void **state)
{
    struct client clients[2];

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        (void)wire_accept(&clients[i], wire_new_port());
    }
    wire_advance_ns(NS_PER_S);
    wire_clear();
    for (unsigned i = 0; i < 2; i++) {
        wire_send(&clients[i], WIRE_ACK, "x", 1);
        clients[i].send_next++;
        wire_run();
        wire_advance_ns(DELAYED_ACK_NS / 2);
    }
    /* The first one's time is just over: the wheel is a tick late at most, never early. */
    wire_advance_ns(WHEEL_TICK_NS);
    assert_int_equal(acknowledgements_of(&clients[0]), 1);
    wire_advance_ns(DELAYED_ACK_NS / 2 - WHEEL_TICK_NS - 1);
    wire_expect_silence();
    wire_advance_ns(WHEEL_TICK_NS + 1);
    assert_int_equal(acknowledgements_of(&clients[1]), 1);
    wire_advance_ns(10 * DELAYED_ACK_NS);
    wire_expect_silence();
    for (unsigned i = 0; i < 2; i++) {
        wire_finish(&clients[i]);
    }
}

/* RFC 5961 7: so that one's do not keep another's away. */
static void challenges_are_limited_for_each_connection_by_itself(void **state)
{
    struct client clients[2];

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        (void)wire_accept(&clients[i], wire_new_port());
    }
    wire_advance_ns(NS_PER_S);
    wire_clear();
    for (unsigned period = 0; period < 3; period++) {
        for (unsigned i = 0; i < 2; i++) {
            for (unsigned repetition = 0; repetition < 15; repetition++) {
                wire_send(&clients[i], WIRE_SYN, NULL, 0);
                wire_run();
                assert_int_equal(acknowledgements_of(&clients[i]), repetition < 10);
            }
        }
        wire_advance_ns(5 * NS_PER_S);
    }
    for (unsigned i = 0; i < 2; i++) {
        wire_finish(&clients[i]);
    }
}

/* --- Sequence numbers --- */

/* A flow that opens again begins above its old numbers (RFC 6191 2); others have their own. */
static void only_the_flow_that_opens_again_begins_above_its_old_numbers(void **state)
{
    struct client old, client;
    uint32_t least;

    (void)state;
    (void)wire_accept(&old, wire_new_port());
    wire_application_close(&old, 0, CLOSE_BOTH);
    wire_run();
    wire_clear();
    old.receive_next++;
    wire_send(&old, WIRE_ACK | WIRE_FIN, NULL, 0);
    wire_run();
    wire_clear();
    assert_int_equal(wire_connection_count(), 0);
    least = old.receive_next;
    old.send_next += 100000;
    wire_assign(&old, NODE_APPLICATION, false);
    struct segment segment = wire_expect(&old);

    assert_int_equal(segment.flags, WIRE_SYN | WIRE_ACK);
    assert_true((int32_t)(segment.sequence - least) > 0);
    wire_clear();
    for (unsigned i = 0; i < 30; i++) {
        client = (struct client){.port = wire_new_port(), .send_next = 500};
        wire_assign(&client, NODE_APPLICATION, false);
        segment = wire_expect(&client);
        assert_int_not_equal(segment.sequence, least + HALF_OPEN_ISS_DISTANCE);
    }
}

/* --- Names --- */

static void a_name_that_has_never_been_is_a_bad_message(void **state)
{
    struct client client, gone;
    uint64_t refused = wire_counted(COUNTER_DROP_BAD_MESSAGE);

    (void)state;
    (void)wire_accept(&gone, wire_new_port());
    wire_finish(&gone);
    (void)wire_accept(&client, wire_new_port());
    wire_application_consumed(&gone, 1); /* crossed its end, whoever has the entry now */
    wire_run();
    assert_int_equal(wire_counted(COUNTER_DROP_BAD_MESSAGE), refused);

    struct client wrong = client;

    wrong.generation = 0;
    wire_application_consumed(&wrong, 1);
    wire_run();
    assert_int_equal(wire_counted(COUNTER_DROP_BAD_MESSAGE), refused + 1);
    wrong.generation = client.generation + 1;
    wire_application_consumed(&wrong, 1);
    wire_run();
    assert_int_equal(wire_counted(COUNTER_DROP_BAD_MESSAGE), refused + 2);
    wrong.generation = 1;
    wrong.connection_index = connection_table_size();
    wire_application_consumed(&wrong, 1);
    wire_run();
    assert_int_equal(wire_counted(COUNTER_DROP_BAD_MESSAGE), refused + 3);
    wire_finish(&client);
}

/* --- Groups --- */

/* RFC 1112 6.4: the low 23 bits of the group's address behind 01-00-5E. */
static void packets_to_groups_and_to_all_have_their_addresses(void **state)
{
    static const struct {
        uint8_t address[4], mac[6];
    } cases[] = {
        {{224, 0, 0, 251}, {0x01, 0x00, 0x5E, 0, 0, 251}},
        {{239, 255, 1, 2}, {0x01, 0x00, 0x5E, 0x7F, 1, 2}},
        {{255, 255, 255, 255}, {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}},
        {{192, 168, 1, 255}, {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}},
    };
    struct netif *netif = interface_netif();

    (void)state;
    /* Without a gateway: groups are not asked for there. */
    ip4_addr_t gateway = *netif_ip4_gw(netif);

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pbuf *packet = pbuf_alloc(PBUF_IP, 20, PBUF_RAM);
        struct ip_hdr *ip = packet->payload;
        ip4_addr_t to;
        const uint8_t *bytes;
        size_t length;

        memset(ip, 0, 20);
        IPH_VHL_SET(ip, 4, 5);
        IPH_LEN_SET(ip, lwip_htons(20));
        IPH_PROTO_SET(ip, 1);
        memcpy(&to, cases[i].address, 4);
        memcpy(&ip->dest, cases[i].address, 4);
        netif_set_gw(netif, IP4_ADDR_ANY4);
        assert_int_equal(netif->output(netif, packet, &to), ERR_OK);
        pbuf_free(packet);
        wire_run();
        assert_true(wire_take_other(&bytes, &length));
        assert_memory_equal(bytes, cases[i].mac, 6);
        assert_memory_equal(bytes + 6, netif->hwaddr, 6);
    }
    netif_set_gw(netif, &gateway);
}

/* --- Deaths --- */

/* Last: the application does not come back. */
static void a_death_ends_all_connections_however_many_there_are(void **state)
{
    static struct client clients[MANY];
    struct segment segment;
    unsigned resets = 0;

    (void)state;
    for (unsigned i = 0; i < MANY; i++) {
        (void)wire_accept(&clients[i], wire_new_port());
        wire_clear();
    }
    assert_int_equal(wire_connection_count(), MANY);
    assert_int_equal(dispatch_round(), 0);
    fake_set_node_state(NODE_APPLICATION, NODE_DEAD);
    dispatch_sleep(); /* where the dispatcher looks for deaths */
    for (unsigned i = 0; i < 100 && wire_connection_count() != 0; i++) {
        (void)dispatch_round();
        while (fake_take_message(NODE_CM) != NULL) {
        }
        while (wire_take(&segment)) {
            resets += (segment.flags & WIRE_RST) != 0;
        }
    }
    assert_int_equal(resets, MANY);
    assert_int_equal(wire_connection_count(), 0);
    for (unsigned i = 0; i < 10; i++) {
        while (fake_take_message(NODE_CM) != NULL) {
        }
        (void)dispatch_round();
    }
    assert_int_equal(dispatch_round(), 0); /* the node may sleep again */
}

#define TEST(name) cmocka_unit_test_teardown(name, wire_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_connection_at_rest_has_no_timer),
        TEST(a_timer_goes_with_the_acknowledgement_where_the_connection_was_at_rest),
        TEST(a_closed_window_is_probed),
        TEST(a_handshake_without_an_answer_is_repeated_and_given_up),
        TEST(delayed_acknowledgements_of_two_connections_are_each_in_time),
        TEST(challenges_are_limited_for_each_connection_by_itself),
        TEST(only_the_flow_that_opens_again_begins_above_its_old_numbers),
        TEST(a_name_that_has_never_been_is_a_bad_message),
        TEST(packets_to_groups_and_to_all_have_their_addresses),
        TEST(a_death_ends_all_connections_however_many_there_are),
    };

    return cmocka_run_group_tests(tests, wire_set_up, NULL);
}
