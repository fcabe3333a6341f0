/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_client.c */
/* library: lwip */
/*
 * Tests net/transport/address.c on the first of two transport servers: what it tells the network
 * and the second one, which the test plays. The server lives as long as the process: each test
 * goes on where the one before it stopped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "net/status_text.h"
#include "tests/unit/world/fake_client.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/send_copy.h"

#define FOLLOWER        NODE_OTHER_CM
#define ARP_FRAME_BYTES 42u
#define ARP_REQUEST     1u
#define ARP_REPLY       2u
#define REFRESH_S       240u
#define EXPIRY_S        300u

static const uint8_t broadcast_mac[6] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};

struct arp {
    unsigned operation;
    uint32_t sender, target;
};

/* Two transport servers, and as many link servers as there can be. */
static void add_servers(struct configuration *configuration)
{
    configuration->ts_count = 2;
    configuration->ts[1] = configuration->flow_owners[1] = FOLLOWER;
    configuration->roles[FOLLOWER] |= ROLE_TS;
    for (unsigned i = 1; i < NODE_MAX; i++) {
        configuration->ls[i] = FOLLOWER;
    }
    configuration->ls_count = NODE_MAX;
}

static int start(void **state)
{
    (void)state;
    wire_change_configuration = add_servers;
    wire_start_with("net=192.168.1.15/24,gw=192.168.1.2");
    for (unsigned i = 1; i < NODE_MAX; i++) { /* all link servers know the group of all systems */
        const struct group_wanted *wanted = fake_expect_message(FOLLOWER, GROUP_WANTED);

        assert_int_equal(wanted->address, GROUP_ALL_SYSTEMS);
        assert_true(wanted->is_wanted && wanted->is_first);
        wire_run(); /* others wait for room */
    }
    return 0;
}

/* 192.168.1.`station`. */
static uint32_t address_of(unsigned station)
{
    return 0x0001A8C0u | (uint32_t)station << 24;
}

/* A station asks for another one, neither of them ours, with a MAC address that ends in `mac`. */
static void say_arp(unsigned station, unsigned mac, uint32_t target)
{
    uint8_t frame[ARP_FRAME_BYTES] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 2, 0, 0, 0, 0,
                                      0,    8,    6,    0,    1,    8,    0, 6, 4, 0, ARP_REQUEST};

    frame[11] = (uint8_t)mac;
    memcpy(frame + 22, frame + 6, 6);
    memcpy(frame + 28, &(uint32_t){address_of(station)}, 4);
    memcpy(frame + 38, &target, 4);
    wire_receive_frame(frame, sizeof(frame), 0);
    wire_run();
}

static void let_station_ask_for_us(unsigned station, unsigned mac)
{
    say_arp(station, mac, WIRE_OWN_ADDRESS);
}

/* The next ARP frame that the server has sent; false for none. */
static bool take_arp(struct arp *arp)
{
    const uint8_t *bytes;
    size_t length;

    while (wire_take_other(&bytes, &length)) {
        if (bytes[12] == 8 && bytes[13] == 6) {
            assert_true(length >= ARP_FRAME_BYTES);
            arp->operation = bytes[21];
            memcpy(&arp->sender, bytes + 28, 4);
            memcpy(&arp->target, bytes + 38, 4);
            if (arp->operation == ARP_REQUEST) {
                assert_memory_equal(bytes, broadcast_mac, 6);
            }
            return true;
        }
    }
    return false;
}

static unsigned count_requests_for(uint32_t target)
{
    struct arp arp;
    unsigned count = 0;

    while (take_arp(&arp)) {
        count += arp.operation == ARP_REQUEST && arp.target == target;
    }
    return count;
}

static void expect_neighbor(unsigned station, unsigned mac, bool is_valid)
{
    const struct neighbor_set *set = fake_expect_message(FOLLOWER, NEIGHBOR_SET);

    assert_int_equal(set->address, address_of(station));
    assert_int_equal(set->is_valid, is_valid);
    assert_memory_equal(set->mac, ((uint8_t[]){2, 0, 0, 0, 0, (uint8_t)mac}), 6);
}

static void the_address_is_told_to_transport_servers_and_applications_only(void **state)
{
    const node_id_t told[] = {FOLLOWER, NODE_APPLICATION};

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(told); i++) {
        const struct address_set *set = fake_expect_message(told[i], ADDRESS_SET);

        assert_int_equal(set->address, WIRE_OWN_ADDRESS);
        assert_int_equal(set->netmask, 0x00FFFFFF);
        assert_int_equal(set->gateway, WIRE_CLIENT_ADDRESS);
    }
    fake_expect_no_message(NODE_APPLICATION);
    fake_expect_no_message(NODE_CM);
    /* The gateway has been asked for, and has answered. */
    expect_neighbor(2, 2, true);
    fake_expect_no_message(FOLLOWER);
}

static void the_address_is_shown_on_the_status_page_and_logged_once(void **state)
{
    char text[STATUS_TEXT_BYTES];
    const char *line =
        strstr(fake_console(), "address 192.168.1.15/24 gateway 192.168.1.2 (static)");

    (void)state;
    status_copy_text(0, STATUS_TEXT_ADDRESS, text);
    assert_string_equal(text, "192.168.1.15/24");
    status_copy_text(0, STATUS_TEXT_GATEWAY, text);
    assert_string_equal(text, "192.168.1.2");
    assert_non_null(line);
    assert_null(strstr(line + 1, "address"));
}

/* A request for its own address, which tells all who have it in their tables (RFC 5227 3). */
static void the_address_is_made_known_at_the_start_and_when_the_link_comes_back(void **state)
{
    struct nic_ready ready = {
        .header = {.type = NIC_READY, .length_bytes = sizeof(ready)},
        .mac = {0x52, 0x54, 0, 0x12, 0x34, 0x56},
        .queues = {{1}},
    };

    (void)state;
    assert_int_equal(count_requests_for(WIRE_OWN_ADDRESS), 1);
    post_copy(0, &ready.header);
    wire_run();
    assert_int_equal(count_requests_for(WIRE_OWN_ADDRESS), 0);
    ready.is_link_up = 1;
    post_copy(0, &ready.header);
    wire_run();
    assert_int_equal(count_requests_for(WIRE_OWN_ADDRESS), 1);
    fake_expect_no_message(FOLLOWER); /* it has not changed */
    fake_expect_no_message(NODE_APPLICATION);
}

/* The other test of NIC_READY has one link server. */
static void a_nic_may_have_a_queue_for_each_of_the_most_link_servers(void **state)
{
    struct nic_ready ready = {
        .header = {.type = NIC_READY, .length_bytes = sizeof(ready)},
        .mac = {0x52, 0x54, 0, 0x12, 0x34, 0x56},
        .queues = {{UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX}},
        .is_link_up = 1,
    };
    uint64_t before = wire_counted(COUNTER_DROP_BAD_MESSAGE);

    (void)state;
    post_copy(0, &ready.header);
    wire_run();
    assert_int_equal(wire_counted(COUNTER_DROP_BAD_MESSAGE), before);
}

static void a_neighbour_is_told_to_the_other_server_when_it_is_news(void **state)
{
    struct arp arp;

    (void)state;
    wire_clear();
    let_station_ask_for_us(7, 7);
    expect_neighbor(7, 7, true);
    assert_true(take_arp(&arp));
    assert_int_equal(arp.operation, ARP_REPLY);
    assert_int_equal(arp.sender, WIRE_OWN_ADDRESS);
    assert_int_equal(arp.target, address_of(7));
    let_station_ask_for_us(7, 7);
    fake_expect_no_message(FOLLOWER);
    let_station_ask_for_us(7, 8); /* another card */
    expect_neighbor(7, 8, true);
    fake_expect_no_message(FOLLOWER);
    fake_expect_no_message(NODE_APPLICATION);
    wire_clear();
}

/* Those whom nobody here has asked for would fill the table (RFC 826 has them left out). */
static void a_neighbour_that_speaks_to_others_is_not_learned(void **state)
{
    (void)state;
    say_arp(9, 9, address_of(10));
    fake_expect_no_message(FOLLOWER);
    wire_expect_silence();
}

static void the_other_server_asks_for_a_neighbour_and_is_answered(void **state)
{
    struct neighbor_request request = {
        .header = {.type = NEIGHBOR_REQUEST, .length_bytes = sizeof(request)},
        .address = address_of(7),
    };

    (void)state;
    fake_deliver(FOLLOWER, &request.header);
    wire_run();
    expect_neighbor(7, 8, true);
    wire_expect_silence();
    /* One that is not known is asked for; its answer is for all. */
    request.address = address_of(11);
    fake_deliver(FOLLOWER, &request.header);
    wire_run();
    fake_expect_no_message(FOLLOWER);
    assert_int_equal(count_requests_for(address_of(11)), 1);
    let_station_ask_for_us(11, 11);
    expect_neighbor(11, 11, true);
    fake_expect_no_message(FOLLOWER);
    wire_clear();
}

/* Stations 7 and 11 were last heard at the time of the test before this one. */
static void a_silent_neighbour_is_asked_for_and_then_forgotten_by_all(void **state)
{
    unsigned requests = 0;
    struct neighbor_request request = {
        .header = {.type = NEIGHBOR_REQUEST, .length_bytes = sizeof(request)},
        .address = address_of(7),
    };

    (void)state;
    for (unsigned second = 1; second < REFRESH_S; second++) {
        wire_advance_ns(NS_PER_S);
        assert_int_equal(count_requests_for(address_of(7)), 0);
    }
    fake_expect_no_message(FOLLOWER);
    for (unsigned second = REFRESH_S; second < EXPIRY_S; second++) {
        wire_advance_ns(NS_PER_S);
        requests += count_requests_for(address_of(7));
        if (second == REFRESH_S + 10) {
            let_station_ask_for_us(11, 11); /* this one is not silent */
            wire_clear();
        }
    }
    assert_int_equal(requests, EXPIRY_S - REFRESH_S);
    fake_expect_no_message(FOLLOWER);
    wire_advance_ns(NS_PER_S);
    expect_neighbor(7, 8, false);
    fake_expect_no_message(FOLLOWER);
    wire_clear();
    fake_deliver(FOLLOWER, &request.header);
    wire_run();
    fake_expect_no_message(FOLLOWER);
    assert_int_equal(count_requests_for(address_of(7)), 1);
    request.address = address_of(11);
    fake_deliver(FOLLOWER, &request.header);
    wire_run();
    expect_neighbor(11, 11, true);
}

/* What is not its own to say: only who speaks for the machine hears its neighbours. */
static void a_follower_tells_no_neighbor(void **state)
{
    struct neighbor_set message = {
        .header = {.type = NEIGHBOR_SET, .length_bytes = sizeof(message)},
        .address = address_of(9),
        .is_valid = 1,
        .mac = {2, 0, 0, 0, 0, 9}};
    uint64_t before = wire_counted(COUNTER_DROP_BAD_MESSAGE);

    (void)state;
    fake_deliver(FOLLOWER, &message.header);
    wire_run();
    assert_int_equal(wire_counted(COUNTER_DROP_BAD_MESSAGE), before + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_address_is_told_to_transport_servers_and_applications_only),
        cmocka_unit_test(the_address_is_shown_on_the_status_page_and_logged_once),
        cmocka_unit_test(the_address_is_made_known_at_the_start_and_when_the_link_comes_back),
        cmocka_unit_test(a_nic_may_have_a_queue_for_each_of_the_most_link_servers),
        cmocka_unit_test(a_neighbour_is_told_to_the_other_server_when_it_is_news),
        cmocka_unit_test(a_neighbour_that_speaks_to_others_is_not_learned),
        cmocka_unit_test(the_other_server_asks_for_a_neighbour_and_is_answered),
        cmocka_unit_test(a_silent_neighbour_is_asked_for_and_then_forgotten_by_all),
        cmocka_unit_test(a_follower_tells_no_neighbor),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
