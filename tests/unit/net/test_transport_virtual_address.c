/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_client.c */
/* library: lwip */
/*
 * Tests net/transport/virtual_address.c over the real lwIP: addresses that are other machines',
 * too.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/nic/frame.h"
#include "net/counters.h"
#include "net/transport/virtual_address.h"
#include "tests/unit/world/fake_client.h"
#include "tests/unit/world/fake_platform.h"

#define ETHERNET 14
#define IP       20
#define FIRST    0x6401A8C0u /* 192.168.1.100 */
#define SECOND   0x077100CBu /* 203.0.113.7 */

static const uint16_t good = FRAME_IP_CHECKSUM_GOOD | FRAME_L4_CHECKSUM_GOOD;

static int set_up(void **state)
{
    wire_words = "net=192.168.1.15/24,gw=192.168.1.2 vip=192.168.1.100,203.0.113.7";
    return wire_set_up(state);
}

static int tear_down(void **state)
{
    wire_server_address = WIRE_OWN_ADDRESS;
    wire_client_address = WIRE_CLIENT_ADDRESS;
    return wire_tear_down(state);
}

static void put16(uint8_t *bytes, unsigned value)
{
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
}

/* --- The word --- */

static struct virtual_addresses parsed;
static char reason[160];

static int parse(const char *line)
{
    reason[0] = '\0';
    return virtual_addresses_parse(&parsed, line, reason, sizeof(reason));
}

static void without_the_word_there_are_none(void **state)
{
    (void)state;
    assert_int_equal(parse("net=dhcp"), 0);
    assert_int_equal(parsed.count, 0);
}

static void there_may_be_four(void **state)
{
    (void)state;
    assert_int_equal(parse("net=dhcp vip=10.0.0.1,10.0.0.2,10.0.0.3,203.0.113.255"), 0);
    assert_int_equal(parsed.count, 4);
    assert_int_equal(parsed.addresses[0], 0x0100000A);
    assert_int_equal(parsed.addresses[3], 0xFF7100CB);
}

static void what_cannot_be_understood_is_named_and_means_none(void **state)
{
    static const char *const wrong[] = {
        "vip=",
        "vip=,",
        "vip=10.0.0.1,",
        "vip=10.0.0.1/24",
        "vip=10.0.0",
        "vip=name",
        "vip=0.0.0.0",
        "vip=127.0.0.1",
        "vip=224.0.0.1",
        "vip=10.0.0.1,10.0.0.1",
        "vip=10.0.0.1,10.0.0.2,10.0.0.3,10.0.0.4,10.0.0.5",
        "vip=100.100.100.101,100.100.100.102,100.100.100.103,100.100.100.104,100.100.100.105,",
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(wrong); i++) {
        assert_int_equal(parse(wrong[i]), -EINVAL);
        assert_int_equal(parsed.count, 0);
        assert_memory_equal(reason, "vip=", 4);
    }
}

/* --- The wire --- */

static void a_connection_to_each_address_is_served_from_there(void **state)
{
    static const uint32_t addresses[] = {FIRST, SECOND, WIRE_OWN_ADDRESS};

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(addresses); i++) {
        struct client client;
        struct segment segment;

        wire_server_address = addresses[i]; /* what it sends must come from there */
        (void)wire_accept(&client, wire_new_port());
        wire_application_send(&client, "hello", 5);
        wire_run();
        segment = wire_expect(&client);
        assert_int_equal(segment.length, 5);
        assert_memory_equal(segment.payload, "hello", 5);
        client.receive_next += 5;
        wire_finish(&client);
    }
}

/* The same ports and another address: another connection. */
static void connections_to_two_addresses_are_two(void **state)
{
    uint16_t port = wire_new_port();
    struct client first, second;

    (void)state;
    wire_server_address = FIRST;
    (void)wire_accept(&first, port);
    wire_server_address = SECOND;
    (void)wire_accept(&second, port);
    assert_int_equal(wire_connection_count(), 2);
    wire_finish(&second);
    wire_server_address = FIRST;
    wire_finish(&first);
}

static void other_addresses_are_not_ours(void **state)
{
    uint64_t before = wire_counted(COUNTER_DROP_NOT_OURS) + wire_counted(COUNTER_DROP_PROTOCOL);
    struct client client = {.port = wire_new_port(), .send_next = 7};

    (void)state;
    wire_server_address = FIRST + 0x01000000;
    wire_send(&client, WIRE_SYN, NULL, 0);
    wire_run();
    wire_expect_silence();
    assert_int_equal(wire_connection_count(), 0);
    assert_int_equal(wire_counted(COUNTER_DROP_NOT_OURS) + wire_counted(COUNTER_DROP_PROTOCOL),
                     before + 1);
}

/* It would be we who have sent it. */
static void a_segment_from_one_of_them_is_refused_and_counted(void **state)
{
    uint64_t before = wire_counted(COUNTER_DROP_PROTOCOL);
    struct client client = {.port = wire_new_port(), .send_next = 7};

    (void)state;
    wire_client_address = SECOND;
    wire_send(&client, WIRE_SYN, NULL, 0);
    wire_run();
    wire_server_address = FIRST;
    wire_send(&client, WIRE_SYN, NULL, 0);
    wire_run();
    wire_expect_silence();
    assert_int_equal(wire_connection_count(), 0);
    assert_int_equal(wire_counted(COUNTER_DROP_PROTOCOL), before + 2);
}

static void a_narrower_path_to_one_of_them_is_believed(void **state)
{
    struct client client;
    struct segment segment;
    uint32_t start;

    (void)state;
    wire_server_address = SECOND;
    (void)wire_accept(&client, wire_new_port());
    start = client.receive_next;
    wire_application_send_archive(&client, 0, 4000);
    wire_run();
    while (wire_take(&segment)) {
    }
    wire_tell_mtu(&client, start, 1000);
    segment = wire_expect(&client);
    assert_int_equal(segment.sequence, start);
    assert_int_equal(segment.length, 1000 - 2 * IP);
    while (wire_take(&segment)) {
    }
    client.receive_next += 4000;
    wire_send(&client, WIRE_ACK, NULL, 0);
    wire_run();
    wire_finish(&client);
}

static void an_echo_request_is_answered_from_there(void **state)
{
    struct segment segment = {.client_port = 4000};
    uint8_t frame[FRAME_MAX_BYTES];
    const uint8_t *answer;
    size_t length;

    (void)state;
    wire_server_address = SECOND;
    (void)wire_build(frame, &segment);
    memset(frame + ETHERNET + IP, 0, 40);
    frame[ETHERNET + 9] = 1;
    put16(frame + ETHERNET + 2, IP + 40);
    frame[ETHERNET + IP] = 8;
    wire_seal(frame);
    wire_receive_frame(frame, ETHERNET + IP + 40, good);
    wire_run();
    assert_true(wire_take_other(&answer, &length));
    assert_memory_equal(answer + ETHERNET + 12, &wire_server_address, 4);
    assert_int_equal(answer[ETHERNET + IP], 0);
}

static size_t build_arp(uint8_t *frame, uint32_t address)
{
    static const uint8_t start[8] = {0, 1, 8, 0, 6, 4, 0, 1};

    memset(frame, 0, 60);
    memset(frame, 0xFF, 6);
    memcpy(frame + 6, (uint8_t[]){2, 0, 0, 0, 0, 2}, 6);
    put16(frame + 12, 0x0806);
    memcpy(frame + 14, start, sizeof(start));
    memcpy(frame + 22, frame + 6, 6);
    memcpy(frame + 28, &(uint32_t){WIRE_CLIENT_ADDRESS}, 4);
    memcpy(frame + 38, &address, 4);
    return 60;
}

/* Else the router could not choose. */
static void arp_is_answered_for_the_own_address_alone(void **state)
{
    uint8_t frame[FRAME_MAX_BYTES];
    const uint8_t *answer;
    size_t length;

    (void)state;
    wire_receive_frame(frame, build_arp(frame, FIRST), 0);
    wire_receive_frame(frame, build_arp(frame, SECOND), 0);
    wire_run();
    wire_expect_silence();
    wire_receive_frame(frame, build_arp(frame, WIRE_OWN_ADDRESS), 0);
    wire_run();
    assert_true(wire_take_other(&answer, &length));
    assert_int_equal(answer[13], 0x06);
}

#define TEST(name) cmocka_unit_test_teardown(name, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_the_word_there_are_none),
        TEST(there_may_be_four),
        TEST(what_cannot_be_understood_is_named_and_means_none),
        TEST(a_connection_to_each_address_is_served_from_there),
        TEST(connections_to_two_addresses_are_two),
        TEST(other_addresses_are_not_ours),
        TEST(a_segment_from_one_of_them_is_refused_and_counted),
        TEST(a_narrower_path_to_one_of_them_is_believed),
        TEST(an_echo_request_is_answered_from_there),
        TEST(arp_is_answered_for_the_own_address_alone),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
