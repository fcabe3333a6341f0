/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_client.c */
/* library: lwip */
/*
 * Tests the transport server over the real lwIP: what it drops is counted under its cause.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/nic/counters.h"
#include "drivers/nic/frame.h"
#include "net/configuration.h"
#include "net/counters.h"
#include "net/steering.h"
#include "net/transport/connection.h"
#include "net/transport/neighbor.h"
#include "net/transport/table.h"
#include "tests/unit/world/fake_client.h"
#include "tests/unit/world/fake_platform.h"

#define IP             14 /* where the IP header begins in a frame */
#define FRAGMENT_LIMIT 64 /* IP_REASS_MAX_PBUFS in lwipopts.h */

static const uint16_t good = FRAME_IP_CHECKSUM_GOOD | FRAME_L4_CHECKSUM_GOOD;

/* A SYN from a host that never answers ARP. */
static void receive_syn_of_silent_host(void)
{
    uint8_t bytes[FRAME_MAX_BYTES];
    struct segment syn = {.client_port = wire_new_port(), .flags = WIRE_SYN, .window = 65535};
    size_t length = wire_build(bytes, &syn);

    bytes[IP + 15] = 77;
    wire_assign_frame(bytes, length, NODE_APPLICATION, false);
}

/* It was counted as "no neighbour", as if ARP had given up. */
static void a_packet_that_finds_the_waiting_list_full_pushes_out_the_oldest(void **state)
{
    uint64_t crowded_out = wire_counted(COUNTER_DROP_BACKLOG_FULL);
    uint64_t gone = wire_counted(COUNTER_DROP_NO_NEIGHBOR);

    (void)state;
    for (unsigned i = 0; i < NEIGHBOR_WAITING_MAX; i++) {
        receive_syn_of_silent_host();
    }
    assert_int_equal(wire_counted(COUNTER_DROP_BACKLOG_FULL), crowded_out);
    receive_syn_of_silent_host();
    assert_int_equal(wire_counted(COUNTER_DROP_BACKLOG_FULL), crowded_out + 1);
    assert_int_equal(wire_counted(COUNTER_DROP_NO_NEIGHBOR), gone);
}

/* Eight bytes of a datagram that the last fragment never completes. */
static void receive_fragment(unsigned index)
{
    uint8_t bytes[FRAME_MAX_BYTES];
    struct segment segment = {
        .client_port = 4, .flags = WIRE_ACK, .length = 8, .payload = (const uint8_t *)"fragment"};
    size_t length = wire_build(bytes, &segment);

    bytes[IP + 4] = bytes[IP + 5] = 7; /* the same identification */
    bytes[IP + 6] = (uint8_t)(0x20 | index * 4 >> 8);
    bytes[IP + 7] = (uint8_t)(index * 4);
    wire_receive_frame(bytes, length, good);
    wire_run();
}

/* It was counted as malformed. */
static void a_fragment_that_finds_the_list_full_is_not_called_malformed(void **state)
{
    uint64_t crowded_out = wire_counted(COUNTER_DROP_BACKLOG_FULL);
    uint64_t malformed = wire_counted(COUNTER_DROP_MALFORMED);

    (void)state;
    for (unsigned i = 0; i < FRAGMENT_LIMIT; i++) {
        receive_fragment(i);
    }
    assert_int_equal(wire_counted(COUNTER_DROP_BACKLOG_FULL), crowded_out);
    receive_fragment(FRAGMENT_LIMIT);
    assert_int_equal(wire_counted(COUNTER_DROP_BACKLOG_FULL), crowded_out + 1);
    assert_int_equal(wire_counted(COUNTER_DROP_MALFORMED), malformed);
}

/* They were not counted at all. */
static void fragments_of_a_datagram_that_is_given_up_are_counted(void **state)
{
    uint64_t incomplete = wire_counted(COUNTER_DROP_INCOMPLETE);
    uint64_t malformed = wire_counted(COUNTER_DROP_MALFORMED);

    (void)state; /* those of the test before wait */
    for (unsigned i = 0; i < 20; i++) {
        wire_advance_ns(NS_PER_S);
    }
    assert_int_equal(wire_counted(COUNTER_DROP_INCOMPLETE), incomplete + FRAGMENT_LIMIT);
    assert_int_equal(wire_counted(COUNTER_DROP_MALFORMED), malformed);
}

/* A packet of SCTP, which nobody speaks; it comes in the next round. */
static void receive_unspoken_protocol(void)
{
    uint8_t bytes[FRAME_MAX_BYTES];
    struct segment segment = {.client_port = 4, .flags = WIRE_ACK};
    size_t length = wire_build(bytes, &segment);

    bytes[IP + 9] = 132;
    wire_receive_frame(bytes, length, good);
}

/* It was counted as not ours. */
static void a_protocol_that_nobody_speaks_is_counted_as_that_each_time(void **state)
{
    uint64_t protocol = wire_counted(COUNTER_DROP_PROTOCOL);
    uint64_t not_ours = wire_counted(COUNTER_DROP_NOT_OURS);

    (void)state;
    for (unsigned i = 1; i <= 3; i++) {
        receive_unspoken_protocol();
        wire_run();
        assert_int_equal(wire_counted(COUNTER_DROP_PROTOCOL), protocol + i);
    }
    assert_int_equal(wire_counted(COUNTER_DROP_NOT_OURS), not_ours);
}

/* The NIC has not looked at it. */
static void a_header_with_a_wrong_checksum_is_counted_as_that(void **state)
{
    uint8_t bytes[FRAME_MAX_BYTES];
    struct segment segment = {.client_port = 4, .flags = WIRE_ACK};
    size_t length = wire_build(bytes, &segment);
    uint64_t checksum = wire_counted(COUNTER_DROP_CHECKSUM);
    uint64_t not_ours = wire_counted(COUNTER_DROP_NOT_OURS);

    (void)state;
    bytes[IP + 10] ^= 1;
    wire_receive_frame(bytes, length, 0);
    wire_run();
    assert_int_equal(wire_counted(COUNTER_DROP_CHECKSUM), checksum + 1);
    assert_int_equal(wire_counted(COUNTER_DROP_NOT_OURS), not_ours);
}

/* What has no cause of its own: another's address, and a fragment that ends behind the longest
 * packet that there is; together with a third one, in one round. */
static void drops_without_a_cause_are_not_ours_or_malformed(void **state)
{
    uint8_t bytes[FRAME_MAX_BYTES];
    struct segment segment = {.client_port = 4, .flags = WIRE_ACK};
    size_t length = wire_build(bytes, &segment);
    uint64_t not_ours = wire_counted(COUNTER_DROP_NOT_OURS);
    uint64_t malformed = wire_counted(COUNTER_DROP_MALFORMED);

    (void)state;
    bytes[IP + 19] = 99;
    wire_seal(bytes);
    wire_receive_frame(bytes, length, good);
    wire_run();
    assert_int_equal(wire_counted(COUNTER_DROP_NOT_OURS), not_ours + 1);

    (void)wire_build(bytes, &segment);
    bytes[IP + 6] = 0x1F; /* the last one, at 65528 */
    bytes[IP + 7] = 0xFF;
    wire_receive_frame(bytes, length, good);
    receive_unspoken_protocol();
    wire_run();
    assert_int_equal(wire_counted(COUNTER_DROP_MALFORMED), malformed + 1);
    assert_int_equal(wire_counted(COUNTER_DROP_NOT_OURS), not_ours + 1);
}

/* A datagram to a port that nobody has, and a packet of a protocol that nobody speaks: what the
 * layers have dropped is added up. */
static void drops_of_several_layers_in_one_round_are_all_counted(void **state)
{
    uint8_t bytes[FRAME_MAX_BYTES];
    struct segment segment = {.client_port = 4, .length = 0};
    size_t length = wire_build(bytes, &segment);
    uint64_t before = wire_counted(COUNTER_DROP_PROTOCOL);

    (void)state;
    bytes[IP + 9] = 17;
    bytes[IP + 20 + 2] = 0; /* to port 9 */
    bytes[IP + 20 + 3] = 9;
    bytes[IP + 20 + 4] = 0; /* of 20 bytes */
    bytes[IP + 20 + 5] = 20;
    wire_seal(bytes);
    wire_receive_frame(bytes, length, good);
    receive_unspoken_protocol();
    wire_run();
    assert_int_equal(wire_counted(COUNTER_DROP_PROTOCOL), before + 2);
}

/* From a link server on another node, in a message: a piece of a datagram of 20 + 16 bytes. */
static void forward_fragment(const uint8_t *whole, unsigned offset, unsigned bytes, bool is_last)
{
    uint8_t frame[FRAME_MAX_BYTES];
    struct forward_frame message = {.header.type = FORWARD_FRAME, .frame_flags = good};

    memcpy(frame, whole, IP + 20);
    memcpy(frame + IP + 20, whole + IP + 20 + offset, bytes);
    frame[IP + 3] = (uint8_t)(20 + bytes);
    frame[IP + 6] = is_last ? 0 : 0x20;
    frame[IP + 7] = (uint8_t)(offset / 8);
    fake_deliver_payload(NODE_OTHER_CM, &message.header, sizeof(message), frame, IP + 20 + bytes);
}

static void forward_frame(const uint8_t *frame, size_t length)
{
    struct forward_frame message = {.header.type = FORWARD_FRAME, .frame_flags = good};

    fake_deliver_payload(NODE_OTHER_CM, &message.header, sizeof(message), frame, length);
}

/* A second server, on NODE_OTHER_CM, and a port that gives a flow to it; finish with what is
 * returned. */
static struct configuration add_owner(uint16_t *client_port)
{
    struct configuration *configuration = (struct configuration *)configuration_current();
    const struct configuration before = *configuration;

    configuration->ts_count = 2;
    configuration->ts[1] = NODE_OTHER_CM;
    configuration->flow_owners[1] = NODE_OTHER_CM;
    *client_port = 0;
    while (steering_owner(configuration, steering_group(configuration, *client_port, 80)) !=
           NODE_OTHER_CM) {
        (*client_port)++;
    }
    return before;
}

static void remove_owner(struct configuration before)
{
    *(struct configuration *)configuration_current() = before;
}

/* The first server took it for one that the owner had sent back, and dropped it. */
static void a_segment_whole_again_goes_to_its_owner_though_its_pieces_were_forwarded(void **state)
{
    uint8_t whole[FRAME_MAX_BYTES];
    struct segment segment = {
        .flags = WIRE_ACK, .length = 16, .payload = (const uint8_t *)"sixteen bytes..."};
    struct configuration before = add_owner(&segment.client_port);
    uint64_t not_ours = wire_counted(COUNTER_DROP_NOT_OURS);

    (void)state;
    (void)wire_build(whole, &segment);
    forward_fragment(whole, 0, 24, false);
    forward_fragment(whole, 24, 12, true);
    wire_run();
    const struct forward_frame *message = fake_expect_message(NODE_OTHER_CM, FORWARD_FRAME);
    const uint8_t *frame = (const uint8_t *)(message + 1);

    assert_int_equal(message->header.length_bytes, sizeof(*message) + IP + 20 + 20 + 16);
    /* Nobody has looked at the sum over the whole; each IP header was well. */
    assert_int_equal(message->frame_flags, FRAME_IP_CHECKSUM_GOOD);
    assert_memory_equal(frame, ((uint8_t[IP]){[12] = 0x08}), IP);
    assert_memory_equal(frame + IP + 12, whole + IP + 12, 8); /* the addresses */
    assert_memory_equal(frame + IP + 20, whole + IP + 20, 20 + 16);
    assert_int_equal(wire_counted(COUNTER_DROP_NOT_OURS), not_ours);
    remove_owner(before);
}

/* A link server sends it to the first server, as that alone knows the options of IP. */
static void a_segment_behind_options_goes_to_its_owner_without_them(void **state)
{
    uint8_t frame[FRAME_MAX_BYTES], plain[FRAME_MAX_BYTES];
    struct segment segment = {
        .flags = WIRE_ACK, .length = 16, .payload = (const uint8_t *)"sixteen bytes..."};
    struct configuration before = add_owner(&segment.client_port);
    uint64_t forwarded = wire_counted(COUNTER_STEER_FORWARDED);
    size_t length = wire_build(plain, &segment);

    (void)state;
    memcpy(frame, plain, IP + 20);
    memset(frame + IP + 20, 1, 4); /* no operation, four times */
    memcpy(frame + IP + 24, plain + IP + 20, length - IP - 20);
    frame[IP] = 0x46;
    frame[IP + 3] = (uint8_t)(frame[IP + 3] + 4);
    forward_frame(frame, length + 4);
    wire_run();
    const struct forward_frame *message = fake_expect_message(NODE_OTHER_CM, FORWARD_FRAME);
    const uint8_t *sent = (const uint8_t *)(message + 1);

    assert_int_equal(message->header.length_bytes, sizeof(*message) + length);
    assert_memory_equal(sent + IP + 2, plain + IP + 2, 8); /* all but the sum, which NICs verify */
    assert_memory_equal(sent + IP + 12, plain + IP + 12, length - IP - 12);
    assert_int_equal(wire_counted(COUNTER_STEER_FORWARDED), forwarded + 1);
    remove_owner(before);
}

/* Nodes that do not agree about who owns a flow would send it round and round. */
static void a_forwarded_segment_of_another_servers_flow_ends_here(void **state)
{
    uint8_t frame[FRAME_MAX_BYTES];
    struct segment segment = {.flags = WIRE_ACK};
    struct configuration before = add_owner(&segment.client_port);
    uint64_t not_ours = wire_counted(COUNTER_DROP_NOT_OURS);

    (void)state;
    forward_frame(frame, wire_build(frame, &segment));
    wire_run();
    fake_expect_no_message(NODE_OTHER_CM);
    wire_expect_silence();
    assert_int_equal(wire_counted(COUNTER_DROP_NOT_OURS), not_ours + 1);
    remove_owner(before);
}

/* Of any length: what another node says is input. */
static void a_forwarded_frame_without_a_whole_header_is_counted(void **state)
{
    uint8_t frame[FRAME_MAX_BYTES];
    struct segment segment = {.flags = WIRE_ACK};
    uint64_t truncated = wire_counted(COUNTER_DROP_TRUNCATED);

    (void)state;
    (void)wire_build(frame, &segment);
    for (size_t length = 1; length < IP + 20; length++) {
        forward_frame(frame, length);
        wire_run();
    }
    wire_expect_silence();
    assert_int_equal(wire_counted(COUNTER_DROP_TRUNCATED), truncated + IP + 19);
}

/* It was counted as a full transmit ring. */
static void frames_for_a_nic_that_is_not_there_are_counted_as_that(void **state)
{
    struct client client = {.port = wire_new_port(), .send_next = 500};
    uint64_t no_device = wire_counted(COUNTER_DROP_NO_DEVICE);
    uint64_t full = wire_counted(COUNTER_DROP_TX_FULL);

    (void)state;
    wire_unplug(true);
    wire_assign(&client, NODE_APPLICATION, false);
    wire_expect_silence();
    assert_int_equal(wire_counted(COUNTER_DROP_NO_DEVICE), no_device + 1);
    assert_int_equal(wire_counted(COUNTER_DROP_TX_FULL), full);
}

/* Last: the table does not get smaller again. */
static void a_syn_that_finds_the_table_full_is_counted_as_that(void **state)
{
    struct client client = {.port = wire_new_port(), .send_next = 500};
    uint64_t full = wire_counted(COUNTER_DROP_TABLE_FULL);
    uint64_t no_memory = wire_counted(COUNTER_DROP_NO_MEMORY);
    struct connection *connection = NULL;

    (void)state;
    for (unsigned i = wire_connection_count(); i < connection_table_limit(); i++) {
        assert_false(connection_table_is_full());
        connection = connection_allocate(i);
        assert_non_null(connection);
        connection->tcb.flow.remote_address = i;
        connection_set_state(connection, CONNECTION_DETACHED);
    }
    assert_true(connection_table_is_full());
    assert_null(connection_allocate(0));
    wire_assign(&client, NODE_APPLICATION, false);
    wire_expect_silence();
    assert_int_equal(wire_counted(COUNTER_DROP_TABLE_FULL), full + 1);
    assert_int_equal(wire_counted(COUNTER_DROP_NO_MEMORY), no_memory);
    fake_expect_no_message(NODE_CM); /* nobody is asked for an acceptor */

    connection_release(connection);
    wire_assign(&client, NODE_APPLICATION, false);
    assert_int_equal(wire_expect(&client).flags, WIRE_SYN | WIRE_ACK);
    for (uint32_t i = 0; i < connection_table_size(); i++) {
        connection = connection_at(i);
        if (connection != NULL && connection->state == CONNECTION_DETACHED) {
            connection_release(connection);
        }
    }
}

#define TEST(name) cmocka_unit_test_teardown(name, wire_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_packet_that_finds_the_waiting_list_full_pushes_out_the_oldest),
        cmocka_unit_test(a_fragment_that_finds_the_list_full_is_not_called_malformed),
        TEST(fragments_of_a_datagram_that_is_given_up_are_counted),
        TEST(a_protocol_that_nobody_speaks_is_counted_as_that_each_time),
        TEST(a_header_with_a_wrong_checksum_is_counted_as_that),
        TEST(drops_without_a_cause_are_not_ours_or_malformed),
        TEST(drops_of_several_layers_in_one_round_are_all_counted),
        TEST(a_segment_whole_again_goes_to_its_owner_though_its_pieces_were_forwarded),
        TEST(a_segment_behind_options_goes_to_its_owner_without_them),
        TEST(a_forwarded_segment_of_another_servers_flow_ends_here),
        TEST(a_forwarded_frame_without_a_whole_header_is_counted),
        TEST(frames_for_a_nic_that_is_not_there_are_counted_as_that),
        TEST(a_syn_that_finds_the_table_full_is_counted_as_that),
    };

    return cmocka_run_group_tests(tests, wire_set_up, NULL);
}
