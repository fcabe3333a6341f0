/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_client.c */
/* library: lwip */
/*
 * Tests net/transport/address.c with DHCP over the real lwIP: the test is the DHCP server, which
 * may be silent. The server under test lives as long as the process: each test goes on where the
 * one before it stopped.
 */
#include <errno.h>
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
#include "net/transport/counters.h"
#include "tests/unit/world/fake_client.h"
#include "tests/unit/world/fake_platform.h"

/* Offsets in a frame (RFC 2131 2). */
#define IP      14u
#define UDP     (IP + 20)
#define BOOTP   (UDP + 8)
#define YIADDR  (BOOTP + 16)
#define CHADDR  (BOOTP + 28)
#define MAGIC   (BOOTP + 236)
#define OPTIONS (MAGIC + 4)
#define END     (OPTIONS + 49)
#define LEASE_S 600u

#define FOLLOWER NODE_OTHER_CM

static uint32_t lease_s = LEASE_S; /* what the server gives */
static uint8_t ntp_server[4] = {192, 168, 1, 2};
static uint8_t gateway[4] = {192, 168, 1, 2};
static unsigned date_questions; /* to the server that the lease names, on port 123 */
static unsigned leases_told;    /* to the other transport server */
static uint32_t last_lease_s;   /* of these */

enum { DISCOVER = 1, OFFER_ADDRESS = 2, REQUEST = 3, ACKNOWLEDGE = 5 };

/* The next message of the client under test: its type, 0 if there is none. */
static unsigned take_message(uint8_t frame[FRAME_MAX_BYTES])
{
    const uint8_t *bytes;
    size_t length;

    while (wire_take_other(&bytes, &length)) {
        if (length > OPTIONS + 3 && bytes[IP + 9] == 17 && bytes[UDP + 3] == 67 &&
            bytes[OPTIONS] == 53) {
            memcpy(frame, bytes, length);
            return bytes[OPTIONS + 2];
        }
        date_questions += length == UDP + 8 + 48 && bytes[IP + 9] == 17 && bytes[UDP + 3] == 123 &&
                          memcmp(bytes + IP + 16, (uint8_t[]){192, 168, 1, 2}, 4) == 0;
    }
    return 0;
}

/* Turn the client's message into the server's answer: 192.168.1.15/24, by way of .2. */
static void answer(uint8_t frame[FRAME_MAX_BYTES], uint8_t type)
{
    const uint8_t options[END - OPTIONS] = {53,
                                            1,
                                            type,
                                            54,
                                            4,
                                            192,
                                            168,
                                            1,
                                            2,
                                            51,
                                            4,
                                            (uint8_t)(lease_s >> 24),
                                            (uint8_t)(lease_s >> 16),
                                            (uint8_t)(lease_s >> 8),
                                            (uint8_t)lease_s,
                                            1,
                                            4,
                                            255,
                                            255,
                                            255,
                                            0,
                                            3,
                                            4,
                                            gateway[0],
                                            gateway[1],
                                            gateway[2],
                                            gateway[3],
                                            6,
                                            8,
                                            192,
                                            168,
                                            1,
                                            2,
                                            192,
                                            168,
                                            1,
                                            3,
                                            42,
                                            4,
                                            ntp_server[0],
                                            ntp_server[1],
                                            ntp_server[2],
                                            ntp_server[3],
                                            255};
    const uint16_t good = FRAME_IP_CHECKSUM_GOOD | FRAME_L4_CHECKSUM_GOOD;

    memset(frame, 0xFF, 6);
    frame[IP + 2] = (END - IP) >> 8;
    frame[IP + 3] = (END - IP) & 0xFF;
    memcpy(frame + IP + 12, (uint8_t[]){192, 168, 1, 2, 255, 255, 255, 255}, 8);
    frame[UDP + 1] = 67;
    frame[UDP + 3] = 68;
    frame[UDP + 4] = (END - UDP) >> 8;
    frame[UDP + 5] = (END - UDP) & 0xFF;
    frame[BOOTP] = 2;
    memcpy(frame + YIADDR, (uint8_t[]){192, 168, 1, 15}, 4);
    memcpy(frame + OPTIONS, options, sizeof(options));
    wire_receive_frame(frame, END, good);
    wire_run();
}

/* The other transport server takes what it is told; else it would be taken for hung. A lease is
 * told as it is when it has just been got. */
static void let_follower_take_messages(void)
{
    const struct message *message;

    while ((message = fake_take_message(FOLLOWER)) != NULL) {
        const struct dhcp_lease *lease = (const struct dhcp_lease *)message;

        if (message->header.type == DHCP_LEASE) {
            assert_int_equal(lease->address, WIRE_OWN_ADDRESS);
            assert_int_equal(lease->netmask, 0x00FFFFFF);
            assert_memory_equal(&lease->gateway, gateway, sizeof(gateway));
            assert_int_equal(lease->server, WIRE_CLIENT_ADDRESS);
            assert_memory_equal(&lease->ntp_server, ntp_server, sizeof(ntp_server));
            assert_memory_equal(lease->name_servers, ((uint32_t[]){0x0201A8C0, 0x0301A8C0, 0}), 12);
            assert_int_equal(lease->renew_s, lease->lease_s / 2);
            assert_int_equal(lease->rebind_s, lease->lease_s * 7 / 8);
            assert_in_range(lease->age_s, 0, 1);
            last_lease_s = lease->lease_s;
            leases_told++;
        }
    }
}

/* Let so many seconds pass; returns how many messages came. Each is answered if there is a server.
 */
static unsigned pass_seconds(unsigned seconds, bool has_server)
{
    uint8_t frame[FRAME_MAX_BYTES];
    unsigned count = 0, type;

    for (unsigned i = 0; i < 2 * seconds; i++) { /* as often as DHCP looks */
        wire_advance_ns(NS_PER_S / 2);
        let_follower_take_messages();
        while ((type = take_message(frame)) != 0) {
            count++;
            if (has_server) {
                answer(frame, type == DISCOVER ? OFFER_ADDRESS : ACKNOWLEDGE);
            }
        }
    }
    return count;
}

static uint32_t told_gateway; /* with told_address() */

/* What the application was told last. */
static uint32_t told_address(void)
{
    const struct message *message;
    uint32_t address = UINT32_MAX;

    while ((message = fake_take_message(NODE_APPLICATION)) != NULL) {
        if (message->header.type == ADDRESS_SET) {
            address = ((const struct address_set *)message)->address;
            told_gateway = ((const struct address_set *)message)->gateway;
        }
    }
    return address;
}

/* A second transport server, which the test plays. All flows are ours. */
static void add_follower(struct configuration *configuration)
{
    configuration->ts_count = 2;
    configuration->ts[1] = FOLLOWER;
    configuration->roles[FOLLOWER] |= ROLE_TS;
}

static int start(void **state)
{
    (void)state;
    wire_change_configuration = add_follower;
    wire_start_with("net=dhcp ntp=dhcp");
    return 0;
}

/* Not even one to 0.0.0.0, which an address that there is not would be. */
static void without_an_address_no_segment_is_for_us(void **state)
{
    struct segment segment = {.client_port = 4000, .flags = WIRE_ACK, .window = 65535};
    uint64_t before = wire_counted(COUNTER_DROP_PROTOCOL);
    uint8_t frame[FRAME_MAX_BYTES];
    size_t length = wire_build(frame, &segment);

    (void)state;
    memset(frame + IP + 16, 0, 4);
    wire_seal(frame);
    wire_receive_frame(frame, length, FRAME_IP_CHECKSUM_GOOD | FRAME_L4_CHECKSUM_GOOD);
    wire_run();
    assert_int_equal(wire_counted(COUNTER_DROP_PROTOCOL), before + 1);
}

static void an_address_is_asked_for_until_there_is_an_answer(void **state)
{
    (void)state;
    assert_true(pass_seconds(20, false) >= 4); /* after 2, 4 and 8 seconds */
    assert_int_equal(told_address(), UINT32_MAX);
    assert_int_equal(leases_told, 0);
    assert_int_equal(date_questions, 0);
    assert_true(pass_seconds(120, true) >= 2);
    assert_true(date_questions > 0);
    assert_int_equal(told_address(), WIRE_OWN_ADDRESS);
    assert_int_equal(leases_told, 1);
    assert_int_equal(last_lease_s, LEASE_S);
}

/* Its timer, twice a second, is for questions that wait for an answer. */
static void dhcp_does_not_wake_the_node_while_the_lease_lasts(void **state)
{
    uint64_t end_ns = platform_now_ns() + 20 * NS_PER_S;
    unsigned sleeps = 0;

    (void)state;
    for (; platform_now_ns() < end_ns; sleeps++) {
        dispatch_sleep();
        wire_run();
        let_follower_take_messages();
    }
    assert_in_range(sleeps, 20, 25); /* the house is kept once a second */
}

static void a_lease_is_renewed_before_it_ends(void **state)
{
    unsigned renewals = pass_seconds(3 * LEASE_S, true);

    (void)state;
    renewals += pass_seconds(10, true); /* the last one may just have been answered */
    assert_in_range(renewals, 3, 7);
    assert_int_equal(told_address(), UINT32_MAX); /* no news: it is the same */
    assert_int_equal(leases_told, 1 + renewals);
}

static void another_gateway_that_comes_with_a_renewal_is_told(void **state)
{
    (void)state;
    for (uint8_t last_byte = 3; last_byte >= 2; last_byte--) {
        (void)pass_seconds(10, true); /* what has been answered is told */
        gateway[3] = last_byte;
        (void)pass_seconds(LEASE_S, true);
        assert_int_equal(told_address(), WIRE_OWN_ADDRESS);
        assert_memory_equal(&told_gateway, gateway, sizeof(gateway));
    }
}

/* A lease is input: to such a server a question would go to many, or to ourselves. */
static void a_server_for_the_date_that_is_no_host_is_not_asked(void **state)
{
    static const uint8_t first_bytes[] = {0, 127, 224, 255};
    uint64_t before = wire_counted(COUNTER_NTP_SILENT);

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(first_bytes); i++) {
        ntp_server[0] = first_bytes[i];
        (void)pass_seconds(LEASE_S, true); /* a renewal at least */
        before = wire_counted(COUNTER_NTP_SILENT);
        (void)pass_seconds(2 * LEASE_S, true);
        assert_int_equal(wire_counted(COUNTER_NTP_SILENT), before);
    }
    ntp_server[0] = 192;
    date_questions = 0;
    for (unsigned i = 0; i < LEASE_S && date_questions == 0; i++) {
        (void)pass_seconds(1, true);
    }
    assert_int_equal(date_questions, 1);
    /* The question to the server of before, which nobody has answered, is no silence of this one.
     */
    assert_int_equal(wire_counted(COUNTER_NTP_SILENT), before);
}

/* They ended in the minute in which they were to be renewed, with every connection. */
static void short_leases_are_renewed_and_connections_go_on(void **state)
{
    static const uint32_t leases_s[] = {20, 60};
    struct client client;

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(leases_s); i++) {
        lease_s = leases_s[i];
        (void)pass_seconds(2 * LEASE_S, true); /* the first renewal brings the new lease */
        (void)wire_accept(&client, wire_new_port());
        assert_in_range(pass_seconds(90, true), 2, 10); /* shorter than any probe's time */
        assert_int_equal(wire_connection_count(), 1);
        wire_finish(&client);
    }
    lease_s = LEASE_S;
    (void)pass_seconds(90, true);
    assert_int_equal(told_address(), UINT32_MAX);
}

/* One answer that is lost is not the end of a short lease. */
static void a_short_lease_is_asked_for_more_than_once(void **state)
{
    (void)state;
    lease_s = 20;
    (void)pass_seconds(2 * LEASE_S, true);
    assert_in_range(pass_seconds(15, false), 2, 5);
    (void)pass_seconds(60, true);
    lease_s = LEASE_S;
    (void)pass_seconds(60, true);
    assert_int_equal(told_address(), UINT32_MAX);
}

/* It was parked beside lwIP's list, and so forgotten. */
static void an_idle_connection_of_a_lost_address_ends(void **state)
{
    struct client client;
    const struct message *message;
    uint32_t told = UINT32_MAX, error_number = 0;

    (void)state;
    lease_s = 60;
    (void)pass_seconds(2 * LEASE_S, true);
    assert_int_equal(told_address(), UINT32_MAX);
    (void)wire_accept(&client, wire_new_port());
    (void)pass_seconds(90, false);
    lease_s = LEASE_S;
    while ((message = fake_take_message(NODE_APPLICATION)) != NULL) {
        if (message->header.type == CONNECTION_FAILED) {
            error_number = ((const struct connection_failed *)message)->error_number;
        } else if (message->header.type == ADDRESS_SET) {
            told = ((const struct address_set *)message)->address;
        }
    }
    assert_int_equal(error_number, ENETDOWN);
    assert_int_equal(told, 0);
    assert_int_equal(wire_connection_count(), 0);
    (void)pass_seconds(120, true);
    assert_int_equal(told_address(), WIRE_OWN_ADDRESS);
    wire_clear();
}

/* The timer that asks again stood still from the first lease on: a lost answer was the end. */
static void an_address_lost_to_a_silent_server_is_asked_for_again_and_again(void **state)
{
    (void)state;
    (void)pass_seconds(2 * LEASE_S, false);
    assert_int_equal(told_address(), 0);
    assert_true(pass_seconds(300, false) >= 3);
    (void)pass_seconds(120, true);
    assert_int_equal(told_address(), WIRE_OWN_ADDRESS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_an_address_no_segment_is_for_us),
        cmocka_unit_test(an_address_is_asked_for_until_there_is_an_answer),
        cmocka_unit_test(dhcp_does_not_wake_the_node_while_the_lease_lasts),
        cmocka_unit_test(a_lease_is_renewed_before_it_ends),
        cmocka_unit_test(another_gateway_that_comes_with_a_renewal_is_told),
        cmocka_unit_test(a_server_for_the_date_that_is_no_host_is_not_asked),
        cmocka_unit_test(short_leases_are_renewed_and_connections_go_on),
        cmocka_unit_test(a_short_lease_is_asked_for_more_than_once),
        cmocka_unit_test(an_idle_connection_of_a_lost_address_ends),
        cmocka_unit_test(an_address_lost_to_a_silent_server_is_asked_for_again_and_again),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
