/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_client.c */
/* library: lwip */
/*
 * Tests net/transport/groups.c over the real lwIP: who is in which group, what the network and link
 * servers are told of it, and what comes of what is sent to groups. The transport server speaks; it
 * lives as long as the process, and each test leaves the groups it has joined.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/nic/counters.h"
#include "drivers/nic/frame.h"
#include "kernel/message/dispatch.h"
#include "libc/core/bytes.h"
#include "net/counters.h"
#include "net/transport/groups.h"
#include "tests/unit/world/fake_client.h"
#include "tests/unit/world/fake_memory.h"
#include "tests/unit/world/fake_platform.h"

#define IP          14u
#define UDP         (IP + 20)
#define IGMP        (IP + 24) /* behind an option */
#define PORT        5353
#define CLIENT_PORT 40000
#define GOOD        (FRAME_IP_CHECKSUM_GOOD | FRAME_L4_CHECKSUM_GOOD)
#define TICK_NS     (100 * NS_PER_MS)

#define ADDRESS(a, b, c, d) ((uint32_t)(a) | (b) << 8 | (c) << 16 | (uint32_t)(d) << 24)
#define GROUP               ADDRESS(239, 129, 2, 3)
#define OTHER_GROUP         ADDRESS(239, 1, 2, 4)
#define ALL_ROUTERS         ADDRESS(224, 0, 0, 2)

#define QUERY  0x11
#define REPORT 0x16
#define LEAVE  0x17

/* --- The application --- */

static void ask(node_id_t from, uint32_t address, uint32_t kind)
{
    const struct join_group message = {
        .header = {.type = JOIN_GROUP, .length_bytes = sizeof(message)},
        .address = address,
        .kind = kind,
        .request_number = 77,
    };

    fake_deliver(from, &message.header);
    wire_run();
}

static void expect_answer(uint32_t error_number)
{
    const struct group_joined *answer = fake_expect_message(NODE_APPLICATION, GROUP_JOINED);

    assert_int_equal(answer->request_number, 77);
    assert_int_equal(answer->error_number, error_number);
}

static void join(uint32_t address)
{
    ask(NODE_APPLICATION, address, GROUP_JOIN);
    expect_answer(0);
}

static void leave(uint32_t address)
{
    ask(NODE_APPLICATION, address, GROUP_LEAVE);
}

static void bind_port(enum bind_port_kind kind)
{
    const struct bind_port message = {
        .header = {.type = BIND_PORT, .length_bytes = sizeof(message)},
        .port = PORT,
        .kind = (uint16_t)kind,
    };

    fake_deliver(NODE_APPLICATION, &message.header);
    wire_run();
    if (kind != BIND_PORT_FREE) {
        (void)fake_expect_message(NODE_APPLICATION, PORT_BOUND);
    }
}

static void send_to(uint32_t address, uint8_t ttl, bool is_looped)
{
    struct send_datagram message = {
        .header = {.type = SEND_DATAGRAM},
        .remote_address = address,
        .remote_port = PORT,
        .local_port = PORT,
        .group_ttl = ttl,
        .is_looped = is_looped,
    };

    fake_deliver_payload(NODE_APPLICATION, &message.header, sizeof(message), "hello", 5);
    wire_run();
}

static void expect_arrived(uint32_t from, uint32_t to)
{
    const struct datagram_arrived *arrived =
        fake_expect_message(NODE_APPLICATION, DATAGRAM_ARRIVED);

    assert_int_equal(arrived->remote_address, from);
    assert_int_equal(arrived->local_address, to);
    assert_int_equal(arrived->local_port, PORT);
    assert_memory_equal(fake_payload(arrived, sizeof(*arrived)).bytes, "hello", 5);
}

/* --- The wire --- */

/* The next frame is one of IGMP's, as RFC 2236 2 wants it; that of IP's header is the NIC's sum to
 * make. */
static void expect_igmp(uint8_t type, uint32_t group, uint32_t destination)
{
    const uint8_t *bytes;
    size_t length;
    uint32_t sum = 0;

    assert_true(wire_take_other(&bytes, &length));
    assert_int_equal(length, IGMP + 8);
    assert_memory_equal(bytes, "\x01\x00\x5E", 3);
    assert_int_equal(bytes[3], destination >> 8 & 0x7F);
    assert_int_equal(bytes[4], destination >> 16 & 0xFF);
    assert_int_equal(bytes[5], destination >> 24);
    assert_int_equal(bytes[IP], 0x46);
    assert_int_equal(bytes[IP + 8], 1);
    assert_int_equal(bytes[IP + 9], 2);
    assert_memory_equal(bytes + IP + 16, &destination, 4);
    assert_memory_equal(bytes + IP + 20, "\x94\x04\x00\x00", 4);
    assert_int_equal(bytes[IGMP], type);
    assert_memory_equal(bytes + IGMP + 4, &group, 4);
    for (unsigned at = IGMP; at < length; at += 2) {
        sum += load_be16(bytes + at);
    }
    assert_int_equal((sum & 0xFFFF) + (sum >> 16), 0xFFFF);
}

static void receive_ip(uint8_t *frame, uint32_t source, uint32_t destination, uint8_t protocol,
                       size_t ip_bytes)
{
    memcpy(frame, "\x01\x00\x5E\x00\x00\x00\x02\x00\x00\x00\x00\x02\x08\x00", IP);
    frame[IP] = 0x45;
    store_be16(frame + IP + 2, (uint16_t)ip_bytes);
    frame[IP + 8] = 1;
    frame[IP + 9] = protocol;
    memcpy(frame + IP + 12, &source, 4);
    memcpy(frame + IP + 16, &destination, 4);
    wire_receive_frame(frame, IP + ip_bytes, GOOD);
    wire_run();
}

static void receive_igmp(uint8_t type, uint32_t source, uint32_t destination, uint32_t group,
                         bool is_damaged)
{
    uint8_t frame[FRAME_MAX_BYTES] = {0};
    uint8_t *igmp = frame + UDP;
    uint32_t sum = 0;

    igmp[0] = type;
    igmp[1] = 10; /* answers within a second */
    memcpy(igmp + 4, &group, 4);
    for (unsigned at = 0; at < 8; at += 2) {
        sum += load_be16(igmp + at);
    }
    store_be16(igmp + 2, (uint16_t)(~((sum & 0xFFFF) + (sum >> 16)) ^ is_damaged));
    receive_ip(frame, source, destination, 2, 28);
}

static void receive_datagram(uint32_t destination)
{
    uint8_t frame[FRAME_MAX_BYTES] = {0};

    store_be16(frame + UDP, CLIENT_PORT);
    store_be16(frame + UDP + 2, PORT);
    store_be16(frame + UDP + 4, 13);
    memcpy(frame + UDP + 8, "hello", 5);
    receive_ip(frame, WIRE_CLIENT_ADDRESS, destination, 17, 33);
}

/* A second in the steps in which reports are sent, one in each. Returns how many there are. */
static unsigned pass_second(void)
{
    const uint8_t *bytes;
    size_t length;
    unsigned count = 0;

    for (unsigned i = 0; i < 10; i++) {
        wire_advance_ns(TICK_NS);
        wire_run();
        while (wire_take_other(&bytes, &length)) {
            assert_int_equal(bytes[IGMP], REPORT);
            count++;
        }
    }
    return count;
}

/* --- Members --- */

/* RFC 2236 3: at once, and once more soon after, for the first may be lost. */
static void who_joins_is_reported_twice_and_who_leaves_once(void **state)
{
    (void)state;
    assert_false(groups_has(GROUP));
    join(GROUP);
    expect_igmp(REPORT, GROUP, GROUP);
    assert_true(groups_has(GROUP));
    assert_int_equal(pass_second(), 1);
    assert_int_equal(pass_second(), 0);
    join(GROUP); /* again, as a server is told that comes back */
    assert_int_equal(pass_second(), 0);
    leave(GROUP);
    expect_igmp(LEAVE, GROUP, ALL_ROUTERS);
    leave(GROUP);
    wire_expect_silence();
    assert_false(groups_has(GROUP));
}

static void a_dead_application_leaves_all_its_groups(void **state)
{
    (void)state;
    join(GROUP);
    join(OTHER_GROUP);
    (void)pass_second();
    groups_lose_node(NODE_CM);
    assert_true(groups_has(GROUP));
    groups_lose_node(NODE_APPLICATION);
    wire_run();
    expect_igmp(LEAVE, OTHER_GROUP, ALL_ROUTERS);
    expect_igmp(LEAVE, GROUP, ALL_ROUTERS);
    assert_false(groups_has(GROUP));
    assert_false(groups_has(OTHER_GROUP));
}

static void what_is_no_group_and_who_is_no_application_is_refused(void **state)
{
    uint64_t before = wire_counted(COUNTER_DROP_BAD_MESSAGE);

    (void)state;
    ask(NODE_APPLICATION, WIRE_CLIENT_ADDRESS, GROUP_JOIN);
    ask(NODE_APPLICATION, UINT32_MAX, GROUP_JOIN);
    ask(NODE_APPLICATION, GROUP, GROUP_LEAVE + 1);
    ask(NODE_CM, GROUP, GROUP_JOIN);
    assert_int_equal(wire_counted(COUNTER_DROP_BAD_MESSAGE), before + 4);
    fake_expect_no_message(NODE_APPLICATION);
    assert_false(groups_has(GROUP));
}

static void there_are_so_many_groups_and_no_more(void **state)
{
    (void)state;
    for (unsigned i = 0; i < GROUP_ADDRESS_MAX; i++) {
        join(ADDRESS(239, 0, i >> 8, i & 0xFF));
        wire_clear();
    }
    ask(NODE_APPLICATION, GROUP, GROUP_JOIN);
    expect_answer(ENOBUFS);
    join(ADDRESS(239, 0, 0, 0)); /* one that is there */
    leave(ADDRESS(239, 0, 0, 1));
    wire_clear();
    join(GROUP);
    wire_clear();
    groups_lose_node(NODE_APPLICATION);
    wire_run();
    wire_clear();
}

/* Every host is in it, and is in no report (RFC 2236 6). */
static void the_group_of_all_systems_is_in_no_report(void **state)
{
    (void)state;
    assert_true(groups_has(GROUP_ALL_SYSTEMS));
    join(GROUP_ALL_SYSTEMS);
    leave(GROUP_ALL_SYSTEMS);
    assert_int_equal(pass_second(), 0);
    assert_true(groups_has(GROUP_ALL_SYSTEMS));
}

/* --- Queries --- */

static void a_query_is_answered_for_each_group_it_asks_about(void **state)
{
    const uint32_t sources[] = {WIRE_CLIENT_ADDRESS, 0};

    (void)state;
    join(GROUP);
    join(OTHER_GROUP);
    (void)pass_second();
    for (unsigned i = 0; i < 2; i++) {
        receive_igmp(QUERY, sources[i], GROUP_ALL_SYSTEMS, 0, false);
        assert_int_equal(pass_second(), 2);
        receive_igmp(QUERY, sources[i], GROUP, GROUP, false);
        assert_int_equal(pass_second(), 1);
    }
    groups_lose_node(NODE_APPLICATION);
    wire_run();
    wire_clear();
    receive_igmp(QUERY, WIRE_CLIENT_ADDRESS, GROUP_ALL_SYSTEMS, 0, false);
    assert_int_equal(pass_second(), 0);
}

/* RFC 2236 3: one report is enough for all. */
static void another_hosts_report_stands_for_ours(void **state)
{
    (void)state;
    join(GROUP);
    (void)pass_second();
    receive_igmp(QUERY, WIRE_CLIENT_ADDRESS, GROUP, GROUP, false);
    receive_igmp(REPORT, WIRE_CLIENT_ADDRESS, GROUP, GROUP, false);
    assert_int_equal(pass_second(), 0);
    leave(GROUP); /* the other one is there still */
    wire_expect_silence();
}

static void what_is_no_message_of_this_version_is_counted(void **state)
{
    uint64_t checksum = wire_counted(COUNTER_DROP_CHECKSUM);
    uint64_t protocol = wire_counted(COUNTER_DROP_PROTOCOL);
    uint64_t truncated = wire_counted(COUNTER_DROP_TRUNCATED);
    uint8_t frame[FRAME_MAX_BYTES] = {0};

    (void)state;
    receive_igmp(QUERY, WIRE_CLIENT_ADDRESS, GROUP_ALL_SYSTEMS, 0, true);
    receive_igmp(0x12, WIRE_CLIENT_ADDRESS, GROUP_ALL_SYSTEMS, 0, false);
    receive_ip(frame, WIRE_CLIENT_ADDRESS, GROUP_ALL_SYSTEMS, 2, 27);
    assert_int_equal(pass_second(), 0);
    assert_int_equal(wire_counted(COUNTER_DROP_CHECKSUM), checksum + 1);
    assert_int_equal(wire_counted(COUNTER_DROP_PROTOCOL), protocol + 1);
    assert_int_equal(wire_counted(COUNTER_DROP_TRUNCATED), truncated + 1);
}

/* --- Datagrams --- */

static void what_is_sent_to_a_group_comes_to_members_only(void **state)
{
    uint64_t before = wire_counted(COUNTER_DROP_NO_GROUP);

    (void)state;
    bind_port(BIND_PORT_ASK);
    receive_datagram(GROUP);
    fake_expect_no_message(NODE_APPLICATION);
    assert_int_equal(wire_counted(COUNTER_DROP_NO_GROUP), before + 1);
    join(GROUP);
    wire_clear();
    receive_datagram(GROUP);
    expect_arrived(WIRE_CLIENT_ADDRESS, GROUP);
    receive_datagram(GROUP & ~0x8000u); /* of the same Ethernet address */
    fake_expect_no_message(NODE_APPLICATION);
    assert_int_equal(wire_counted(COUNTER_DROP_NO_GROUP), before + 2);
    receive_datagram(GROUP_ALL_SYSTEMS);
    expect_arrived(WIRE_CLIENT_ADDRESS, GROUP_ALL_SYSTEMS);
    bind_port(BIND_PORT_FREE);
    receive_datagram(GROUP); /* nobody is told that the port is not served */
    leave(GROUP);
    wire_clear();
}

static void expect_sent(uint8_t ttl)
{
    const uint8_t *bytes;
    size_t length;

    assert_true(wire_take_other(&bytes, &length));
    assert_memory_equal(bytes, "\x01\x00\x5E\x01\x02\x03", 6);
    assert_int_equal(bytes[IP + 8], ttl);
}

static void what_is_sent_goes_so_far_and_comes_back_if_that_is_wanted(void **state)
{
    (void)state;
    bind_port(BIND_PORT_ASK);
    send_to(GROUP, 1, true); /* nobody here is in it */
    expect_sent(1);
    fake_expect_no_message(NODE_APPLICATION);
    join(GROUP);
    (void)pass_second();
    send_to(GROUP, 1, true);
    expect_sent(1);
    expect_arrived(WIRE_OWN_ADDRESS, GROUP);
    send_to(GROUP, 33, false);
    expect_sent(33);
    fake_expect_no_message(NODE_APPLICATION);
    send_to(GROUP, 0, true);
    wire_expect_silence();
    expect_arrived(WIRE_OWN_ADDRESS, GROUP);
    bind_port(BIND_PORT_FREE);
    leave(GROUP);
    wire_clear();
}

/* --- Memory --- */

static void without_memory_a_group_is_not_joined(void **state)
{
    (void)state;
    fake_fail_allocations_after(0);
    ask(NODE_APPLICATION, GROUP, GROUP_JOIN);
    fake_fail_allocations_after(-1);
    expect_answer(ENOMEM);
    assert_false(groups_has(GROUP));
    join(GROUP);
    expect_igmp(REPORT, GROUP, GROUP);
    leave(GROUP);
    wire_clear();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_joins_is_reported_twice_and_who_leaves_once),
        cmocka_unit_test(a_dead_application_leaves_all_its_groups),
        cmocka_unit_test(what_is_no_group_and_who_is_no_application_is_refused),
        cmocka_unit_test(there_are_so_many_groups_and_no_more),
        cmocka_unit_test(the_group_of_all_systems_is_in_no_report),
        cmocka_unit_test(a_query_is_answered_for_each_group_it_asks_about),
        cmocka_unit_test(another_hosts_report_stands_for_ours),
        cmocka_unit_test(what_is_no_message_of_this_version_is_counted),
        cmocka_unit_test(what_is_sent_to_a_group_comes_to_members_only),
        cmocka_unit_test(what_is_sent_goes_so_far_and_comes_back_if_that_is_wanted),
        cmocka_unit_test(without_memory_a_group_is_not_joined),
    };

    return cmocka_run_group_tests(tests, wire_set_up, NULL);
}
