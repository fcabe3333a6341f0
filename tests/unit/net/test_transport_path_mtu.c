/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_client.c */
/* library: lwip */
/*
 * Tests net/transport/path_mtu.c over the real lwIP: how long segments are, by the peer's word and
 * by that of routers on the way, which was ignored.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/nic/frame.h"
#include "net/configuration.h"
#include "net/counters.h"
#include "net/steering.h"
#include "net/transport/path_mtu.h"
#include "tests/unit/world/fake_client.h"
#include "tests/unit/world/fake_platform.h"

#define ETHERNET 14
#define IP       20
#define HEADERS  40 /* of IP and TCP */

static void put16(uint8_t *bytes, unsigned value)
{
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
}

/* All that is on the wire; returns the longest segment. What is in order is acknowledged. */
static uint32_t take_all(struct client *client, uint32_t *first_sequence)
{
    struct segment segment;
    uint32_t longest = 0;
    bool is_first = true;

    while (wire_take(&segment)) {
        if (is_first && first_sequence != NULL) {
            *first_sequence = segment.sequence;
        }
        is_first = false;
        longest = segment.length > longest ? segment.length : longest;
        if (segment.sequence == client->receive_next) {
            client->receive_next += segment.length;
        }
    }
    return longest;
}

/* The rest of the response; returns the longest segment. */
static uint32_t finish_response(struct client *client, uint32_t end)
{
    uint32_t longest = 0;

    for (unsigned i = 0; i < 1000 && client->receive_next != end; i++) {
        uint32_t longest_now;

        wire_send(client, WIRE_ACK, NULL, 0);
        wire_run();
        longest_now = take_all(client, NULL);
        longest = longest_now > longest ? longest_now : longest;
    }
    assert_int_equal(client->receive_next, end);
    return longest;
}

/* A client that has sent its request; the response's first segments are lost. Returns where it
 * begins. */
static uint32_t begin_response(struct client *client, uint32_t length)
{
    uint32_t start;

    (void)wire_accept(client, wire_new_port());
    start = client->receive_next;
    wire_application_send_archive(client, 0, length);
    wire_run();
    assert_int_equal(take_all(&(struct client){.receive_next = 0}, NULL), WIRE_MSS);
    return start;
}

/* The NIC was not told to cut what the wire takes whole. */
static void no_segment_is_longer_than_the_peer_takes(void **state)
{
    static const uint32_t lengths[] = {537, 1000, 1073, 1460, 1461, 5000, 100000};

    (void)state;
    wire_client_mss = 536;
    for (unsigned i = 0; i < ARRAY_COUNT(lengths); i++) {
        struct client client;
        uint32_t longest, end, longest_later;

        (void)wire_accept(&client, wire_new_port());
        end = client.receive_next + lengths[i];
        wire_application_send_archive(&client, 0, lengths[i]);
        wire_run();
        longest = take_all(&client, NULL);
        longest_later = finish_response(&client, end);
        assert_int_equal(longest > longest_later ? longest : longest_later, 536);
        wire_finish(&client);
    }
    wire_client_mss = WIRE_MSS;
}

static void a_narrower_path_gets_shorter_segments_at_once(void **state)
{
    uint64_t before = wire_counted(COUNTER_TCP_PATH_MTU);
    struct client client;
    uint32_t start, first;

    (void)state;
    start = begin_response(&client, 50000);
    wire_tell_mtu(&client, start, 1000);
    assert_int_equal(take_all(&client, &first), 1000 - HEADERS);
    assert_int_equal(first, start); /* what was lost, without a time-out */
    assert_int_equal(finish_response(&client, start + 50000), 1000 - HEADERS);
    assert_int_equal(wire_counted(COUNTER_TCP_PATH_MTU), before + 1);

    /* Copied bytes, too, and the next response. */
    wire_application_send(&client, (uint8_t[3000]){0}, 3000);
    wire_run();
    assert_int_equal(take_all(&client, NULL), 1000 - HEADERS);
    assert_int_equal(client.receive_next, start + 53000);
    wire_finish(&client);
}

/* Each transmission has headers of its own. */
static void segments_that_the_nic_still_reads_are_sent_again_at_once(void **state)
{
    struct client client;
    uint32_t start;

    (void)state;
    wire_hold_sent(true);
    start = begin_response(&client, 5000);
    wire_tell_mtu(&client, start, 1000);
    assert_int_equal(take_all(&client, NULL), 1000 - HEADERS);
    wire_hold_sent(false);
    for (unsigned i = 0; i < 100 && client.receive_next != start + 5000; i++) {
        wire_advance_ns(100 * NS_PER_MS);
        assert_in_range(take_all(&client, NULL), 0, 1000 - HEADERS);
        wire_send(&client, WIRE_ACK, NULL, 0);
        wire_run();
    }
    assert_int_equal(client.receive_next, start + 5000);
    wire_finish(&client);
}

/* RFC 5927 4.1: who does not see the connection does not know what is under way. */
static void only_a_message_about_what_is_under_way_is_believed(void **state)
{
    uint64_t before = wire_counted(COUNTER_DROP_PROTOCOL);
    uint64_t told = wire_counted(COUNTER_TCP_PATH_MTU);
    struct client client, stranger = {.port = wire_new_port()};
    uint32_t start;

    (void)state;
    start = begin_response(&client, 5000);
    wire_tell_mtu(&client, start - 1, 1000);
    wire_tell_mtu(&client, start + 5000, 1000);
    wire_tell_mtu(&client, start + 0x80000000, 1000);
    wire_tell_mtu(&stranger, start, 1000);
    assert_int_equal(wire_counted(COUNTER_DROP_PROTOCOL), before + 4);
    assert_int_equal(wire_counted(COUNTER_TCP_PATH_MTU), told);
    wire_expect_silence();
    wire_tell_mtu(&client, start + 4999, 1000);
    assert_int_equal(take_all(&client, NULL), 1000 - HEADERS);
    (void)finish_response(&client, start + 5000);
    wire_finish(&client);
}

static void what_a_message_quotes_is_checked(void **state)
{
    uint64_t before = wire_counted(COUNTER_DROP_PROTOCOL);
    struct client client;
    uint8_t frame[FRAME_MAX_BYTES];
    uint32_t start;

    static const struct {
        unsigned offset; /* in the quoted packet */
        uint8_t value;
    } changes[] = {{0, 0x46}, {0, 0x65}, {6, 0x20}, {7, 1}, {9, 17}, {12, 193}, {16, 193}};

    (void)state;
    start = begin_response(&client, 5000);
    for (unsigned i = 0; i < ARRAY_COUNT(changes); i++) {
        size_t length = wire_build_too_long(frame, &client, start, 1000);

        frame[ETHERNET + IP + 8 + changes[i].offset] = changes[i].value;
        wire_seal(frame);
        wire_receive_frame(frame, length, FRAME_IP_CHECKSUM_GOOD);
        wire_run();
        assert_int_equal(wire_counted(COUNTER_DROP_PROTOCOL), before + i + 1);
    }
    (void)wire_build_too_long(frame, &client, start, 1000);
    put16(frame + ETHERNET + 2, IP + 8 + IP + 7);
    wire_seal(frame);
    wire_receive_frame(frame, ETHERNET + IP + 8 + IP + 7, FRAME_IP_CHECKSUM_GOOD);
    wire_run();
    assert_int_equal(wire_counted(COUNTER_DROP_PROTOCOL), before + ARRAY_COUNT(changes) + 1);
    wire_expect_silence();
    (void)finish_response(&client, start + 5000);
    wire_finish(&client);
}

static void the_length_only_falls_and_has_a_bound(void **state)
{
    struct client client;
    uint32_t start;

    (void)state;
    start = begin_response(&client, 20000);
    wire_tell_mtu(&client, start, 1000);
    (void)take_all(&(struct client){.receive_next = 0}, NULL);
    wire_tell_mtu(&client, start, 1200);
    wire_expect_silence(); /* no news */
    wire_tell_mtu(&client, start, 1);
    assert_int_equal(take_all(&client, NULL), PATH_MTU_MIN_BYTES - HEADERS);
    assert_int_equal(finish_response(&client, start + 20000), PATH_MTU_MIN_BYTES - HEADERS);
    wire_finish(&client);
}

/* RFC 1191 7.1: a packet of 1500 bytes was too long for it. */
static void a_router_that_names_no_length_is_met_with_the_next_usual_one(void **state)
{
    struct client client;
    uint32_t start;

    (void)state;
    start = begin_response(&client, 5000);
    wire_tell_mtu(&client, start, 0);
    assert_int_equal(take_all(&client, NULL), 1492 - HEADERS);
    (void)finish_response(&client, start + 5000);
    wire_finish(&client);
}

/* They all come to the first server. */
static void a_message_about_another_servers_flow_is_passed_on(void **state)
{
    struct configuration *configuration = (struct configuration *)configuration_current();
    const struct configuration before = *configuration;
    struct client client = {.port = 1};
    uint8_t frame[FRAME_MAX_BYTES];
    struct forward_frame forwarded = {.header.type = FORWARD_FRAME,
                                      .frame_flags = FRAME_IP_CHECKSUM_GOOD};
    struct message_payload payload;
    size_t length;

    (void)state;
    configuration->ts_count = 2;
    configuration->ts[1] = configuration->flow_owners[1] = NODE_OTHER_CM;
    while (steering_owner(configuration, steering_group(configuration, client.port, 80)) !=
           NODE_OTHER_CM) {
        client.port++;
    }
    length = wire_build_too_long(frame, &client, 1, 1000);
    wire_receive_frame(frame, length, FRAME_IP_CHECKSUM_GOOD);
    wire_run();
    payload = fake_payload(fake_expect_message(NODE_OTHER_CM, FORWARD_FRAME),
                           sizeof(struct forward_frame));
    assert_int_equal(payload.length_bytes, length);
    assert_memory_equal(payload.bytes + ETHERNET, frame + ETHERNET, length - ETHERNET);

    /* Also what a link server on another node has got. */
    fake_deliver_payload(NODE_OTHER_CM, &forwarded.header, sizeof(forwarded), frame, length);
    wire_run();
    (void)fake_expect_message(NODE_OTHER_CM, FORWARD_FRAME);
    *configuration = before;
}

#define TEST(name) cmocka_unit_test_teardown(name, wire_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(no_segment_is_longer_than_the_peer_takes),
        TEST(a_narrower_path_gets_shorter_segments_at_once),
        TEST(segments_that_the_nic_still_reads_are_sent_again_at_once),
        TEST(only_a_message_about_what_is_under_way_is_believed),
        TEST(what_a_message_quotes_is_checked),
        TEST(the_length_only_falls_and_has_a_bound),
        TEST(a_router_that_names_no_length_is_met_with_the_next_usual_one),
        TEST(a_message_about_another_servers_flow_is_passed_on),
    };

    return cmocka_run_group_tests(tests, wire_set_up, NULL);
}
