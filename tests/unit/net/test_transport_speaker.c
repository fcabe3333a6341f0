/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_client.c */
/* library: lwip */
/*
 * Tests net/transport/address.c and dhcp.c on the second transport server: what it takes from the
 * first one, which speaks for the machine, and how it goes on when that one dies. The server lives
 * as long as the process: each test goes on where the one before it stopped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/nic/frame.h"
#include "kernel/message/dispatch.h"
#include "net/configuration.h"
#include "net/steering.h"
#include "tests/unit/world/fake_client.h"
#include "tests/unit/world/fake_platform.h"

#define SPEAKER         NODE_OTHER_CM
#define LEASE_S         20u
#define ARP_FRAME_BYTES 42u
#define BOOTP           (14u + 20 + 8)

static const uint8_t client_mac[6] = {0x02, 0, 0, 0, 0, 2};

static int start(void **state)
{
    (void)state;
    wire_has_other_speaker = true;
    wire_start_with("net=dhcp ntp=dhcp");
    return 0;
}

static void tell_address(node_id_t from, uint32_t address)
{
    struct address_set message = {
        .header = {.type = ADDRESS_SET, .length_bytes = sizeof(message)},
        .address = address,
        .netmask = 0x00FFFFFF,
        .gateway = WIRE_CLIENT_ADDRESS,
    };

    fake_deliver(from, &message.header);
    wire_run();
}

static void tell_neighbor(node_id_t from, uint32_t address, const uint8_t mac[6])
{
    struct neighbor_set message = {
        .header = {.type = NEIGHBOR_SET, .length_bytes = sizeof(message)},
        .address = address,
        .is_valid = 1,
    };

    memcpy(message.mac, mac, 6);
    fake_deliver(from, &message.header);
    wire_run();
}

static void tell_lease_of(node_id_t from, uint32_t address, uint32_t lease_s, uint32_t age_s)
{
    struct dhcp_lease message = {
        .header = {.type = DHCP_LEASE, .length_bytes = sizeof(message)},
        .address = address,
        .netmask = 0x00FFFFFF,
        .gateway = WIRE_CLIENT_ADDRESS,
        .server = WIRE_CLIENT_ADDRESS,
        .ntp_server = WIRE_CLIENT_ADDRESS,
        .lease_s = lease_s,
        .renew_s = lease_s / 2,
        .rebind_s = lease_s * 7 / 8,
        .age_s = age_s,
    };

    fake_deliver(from, &message.header);
    wire_run();
}

static uint16_t port_of_group_owned_by(node_id_t ts)
{
    uint16_t port = wire_new_port();

    while (steering_owner(configuration_current(),
                          steering_group(configuration_current(), port, 80)) != ts) {
        port = wire_new_port();
    }
    return port;
}

/* Who has the machine's address? */
static void ask_for_us(void)
{
    uint8_t frame[ARP_FRAME_BYTES] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 2, 0, 0, 0, 0,
                                      2,    8,    6,    0,    1,    8,    0, 6, 4, 0, 1};

    memcpy(frame + 22, client_mac, 6);
    memcpy(frame + 28, &(uint32_t){WIRE_CLIENT_ADDRESS}, 4);
    memcpy(frame + 38, &(uint32_t){WIRE_OWN_ADDRESS}, 4);
    wire_receive_frame(frame, sizeof(frame), 0);
    wire_run();
}

/* The operation of the next ARP frame, 1 for a request, 2 for a reply; 0 when there is none. */
static unsigned take_arp(void)
{
    const uint8_t *bytes;
    size_t length;

    while (wire_take_other(&bytes, &length)) {
        if (bytes[12] == 8 && bytes[13] == 6) {
            return bytes[21];
        }
    }
    return 0;
}

static void only_the_speaker_is_believed(void **state)
{
    uint64_t before = wire_counted(COUNTER_DROP_BAD_MESSAGE);

    (void)state;
    tell_address(NODE_CM, WIRE_OWN_ADDRESS); /* no transport server */
    tell_neighbor(NODE_APPLICATION, WIRE_CLIENT_ADDRESS, client_mac);
    assert_int_equal(wire_counted(COUNTER_DROP_BAD_MESSAGE), before + 2);
    /* We speak for nobody yet, neither DHCP nor ARP. This time is none of the lease that we shall
     * hear of: a speaker's house is kept from the moment on in which it begins. */
    wire_advance_ns(3600 * NS_PER_S);
    wire_expect_silence();
    ask_for_us();
    wire_expect_silence();
}

static void what_the_speaker_says_is_taken(void **state)
{
    struct client client;

    (void)state;
    tell_address(SPEAKER, WIRE_OWN_ADDRESS);
    tell_neighbor(SPEAKER, WIRE_CLIENT_ADDRESS, client_mac);
    tell_lease_of(SPEAKER, WIRE_OWN_ADDRESS, LEASE_S, 2);
    (void)wire_accept(&client, port_of_group_owned_by(0));
    wire_finish(&client);
}

/* None of them takes the place of the one that is known: its end is what the tests below see. */
static void leases_that_cannot_be_are_refused(void **state)
{
    uint64_t before = wire_counted(COUNTER_DROP_BAD_MESSAGE);

    (void)state;
    tell_lease_of(NODE_CM, WIRE_OWN_ADDRESS, 7200, 0); /* no transport server */
    tell_lease_of(SPEAKER, 0, 7200, 0);
    tell_lease_of(SPEAKER, WIRE_OWN_ADDRESS, 7200, 7201);
    assert_int_equal(wire_counted(COUNTER_DROP_BAD_MESSAGE), before + 3);
}

static void who_does_not_speak_makes_nothing_known(void **state)
{
    (void)state;
    wire_nic.wants_announcement = true;
    wire_bring_up_nic();
    wire_nic.wants_announcement = false;
    wire_expect_silence();
}

static void an_unknown_neighbour_is_asked_for_at_the_speaker(void **state)
{
    struct neighbor_set forget = {.header = {.type = NEIGHBOR_SET, .length_bytes = sizeof(forget)},
                                  .address = WIRE_CLIENT_ADDRESS};
    struct client client = {.port = port_of_group_owned_by(0), .send_next = 500};
    const struct neighbor_request *request;

    (void)state;
    fake_deliver(SPEAKER, &forget.header);
    wire_run();
    wire_assign(&client, NODE_NONE, true);
    wire_expect_silence();
    request = fake_expect_message(SPEAKER, NEIGHBOR_REQUEST);
    assert_int_equal(request->address, WIRE_CLIENT_ADDRESS);
    tell_neighbor(SPEAKER, WIRE_CLIENT_ADDRESS, client_mac);
    assert_int_equal(wire_expect(&client).flags, WIRE_RST | WIRE_ACK);
}

/* ARP, the address and what lives on it go on; flows of the dead are answered with a reset. */
static void a_dead_speakers_work_goes_on_here(void **state)
{
    const struct address_set *address;
    struct client alive, dead = {.send_next = 7000, .receive_next = 9000};

    (void)state;
    (void)wire_accept(&alive, port_of_group_owned_by(0));
    dead.port = port_of_group_owned_by(SPEAKER);
    wire_clear();
    fake_set_node_state(SPEAKER, NODE_DEAD);
    dispatch_sleep(); /* where the dispatcher looks for deaths */
    wire_run();
    address = fake_expect_message(NODE_APPLICATION, ADDRESS_SET);
    assert_int_equal(address->address, WIRE_OWN_ADDRESS);
    assert_int_equal(take_arp(), 1); /* its own address, made known */
    ask_for_us();
    assert_int_equal(take_arp(), 2);

    assert_int_equal(wire_connection_count(), 1);
    wire_send(&dead, WIRE_ACK | WIRE_PSH, "x", 1);
    wire_run();
    assert_true((wire_expect(&dead).flags & WIRE_RST) != 0);
    wire_finish(&alive);
}

/* To a switch that has the machine behind another port now. */
static void the_address_is_made_known_again_when_the_nic_wants_it(void **state)
{
    (void)state;
    wire_clear();
    wire_bring_up_nic();
    assert_int_equal(take_arp(), 0);
    wire_nic.wants_announcement = true;
    wire_bring_up_nic();
    assert_int_equal(take_arp(), 1);
    assert_int_equal(take_arp(), 0);
    wire_nic.wants_announcement = false;
}

/* Half of it was over: what is left is counted from when the server gave it. */
static void a_dead_speakers_lease_is_renewed_here(void **state)
{
    const uint8_t *bytes;
    size_t length;
    unsigned requests = 0, date_questions = 0;

    (void)state;
    for (unsigned second = 0; second < LEASE_S / 2; second++) {
        wire_advance_ns(NS_PER_S);
        while (wire_take_other(&bytes, &length)) {
            /* To the server that the lease names (NTP, over UDP). */
            date_questions += bytes[13] == 0 && bytes[23] == 17 && bytes[37] == 123;
            if (bytes[12] == 8 && bytes[13] == 0 && length > BOOTP + 244 && bytes[23] == 17) {
                /* DHCPREQUEST, of the address it has (RFC 2131 4.3.2, RENEWING). */
                assert_int_equal(bytes[BOOTP + 242], 3);
                assert_memory_equal(bytes + BOOTP + 12, &(uint32_t){WIRE_OWN_ADDRESS}, 4);
                requests++;
            }
        }
    }
    assert_in_range(requests, 1, 4);
    assert_true(date_questions > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_speaker_is_believed),
        cmocka_unit_test(what_the_speaker_says_is_taken),
        cmocka_unit_test(leases_that_cannot_be_are_refused),
        cmocka_unit_test(who_does_not_speak_makes_nothing_known),
        cmocka_unit_test(an_unknown_neighbour_is_asked_for_at_the_speaker),
        cmocka_unit_test(a_dead_speakers_work_goes_on_here),
        cmocka_unit_test(the_address_is_made_known_again_when_the_nic_wants_it),
        cmocka_unit_test(a_dead_speakers_lease_is_renewed_here),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
