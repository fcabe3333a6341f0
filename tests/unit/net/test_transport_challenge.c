/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_client.c */
/* library: lwip */
/*
 * Tests segments that a connection or a handshake must not believe (RFC 5961), and how often it
 * says so, under the whole transport server.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drivers/nic/counters.h"
#include "net/counters.h"
#include "net/transport/tcp/receiver.h"
#include "tests/unit/world/fake_client.h"
#include "tests/unit/world/fake_platform.h"

/* From somebody who has not seen the connection. */
static void forge(struct client client, uint8_t flags, uint32_t sequence_offset)
{
    client.send_next += sequence_offset;
    wire_send(&client, flags, NULL, 0);
    wire_run();
}

static void expect_challenge(const struct client *client)
{
    struct segment segment = wire_expect(client);

    assert_int_equal(segment.flags, WIRE_ACK);
    assert_int_equal(segment.acknowledgement, client->send_next);
    assert_int_equal(segment.length, 0);
    wire_expect_silence();
}

/* A handshake answers so often at most. */
static void wait_a_moment(void)
{
    wire_advance_ns(102 * NS_PER_MS);
}

/* RFC 5961 3.2, 7: so many in a period, for this connection alone. */
static void resets_that_are_not_exact_are_challenged_so_many_times(void **state)
{
    uint64_t withheld = wire_counted(COUNTER_TCP_CHALLENGES_WITHHELD);
    uint64_t refused = wire_counted(COUNTER_DROP_PROTOCOL);
    struct client client;

    (void)state;
    (void)wire_accept(&client, wire_new_port());
    for (unsigned i = 1; i <= RECEIVER_CHALLENGES; i++) {
        forge(client, WIRE_RST, i);
        expect_challenge(&client);
    }
    for (unsigned i = 1; i <= 9; i++) {
        forge(client, WIRE_RST, i);
        wire_expect_silence();
    }
    assert_int_equal(wire_counted(COUNTER_TCP_CHALLENGES_WITHHELD), withheld + 9);
    assert_int_equal(wire_counted(COUNTER_DROP_PROTOCOL), refused + RECEIVER_CHALLENGES + 9);
    wire_advance_ns(RECEIVER_CHALLENGES_PERIOD_US * NS_PER_US);
    wire_clear();
    forge(client, WIRE_RST, 1);
    expect_challenge(&client);
    forge(client, WIRE_RST, (uint32_t)-1); /* outside: no answer */
    forge(client, WIRE_RST, 0x10000);
    wire_expect_silence();
    forge(client, WIRE_RST | WIRE_SYN, 0); /* exact, but nothing means this */
    wire_expect_silence();
    assert_int_equal(wire_connection_count(), 1);
    forge(client, WIRE_RST, 0);
    (void)fake_expect_message(NODE_APPLICATION, CONNECTION_FAILED);
}

/* RFC 5961 4.2. */
static void a_syn_in_a_connection_is_challenged(void **state)
{
    struct client client;

    (void)state;
    (void)wire_accept(&client, wire_new_port());
    wait_a_moment();
    forge(client, WIRE_SYN, 0);
    expect_challenge(&client);
    wait_a_moment();
    forge(client, WIRE_SYN, 77777);
    expect_challenge(&client);
    wire_finish(&client);
}

/* RFC 5961 5.2. */
static void an_acknowledgement_of_what_was_not_sent_is_challenged(void **state)
{
    struct client client, liar;

    (void)state;
    (void)wire_accept(&client, wire_new_port());
    wait_a_moment();
    liar = client;
    liar.receive_next += 1;
    wire_send(&liar, WIRE_ACK, "data", 4);
    wire_run();
    expect_challenge(&client);
    fake_expect_no_message(NODE_APPLICATION);
    wire_finish(&client);
}

/* In a handshake an exact reset ends it, another one does not (RFC 9293 3.10.7.4). */
static void a_handshake_is_reset_by_an_exact_reset_alone(void **state)
{
    struct client client = {.port = wire_new_port(), .send_next = 5000};

    (void)state;
    wire_assign(&client, NODE_APPLICATION, false);
    assert_int_equal(wire_expect(&client).flags, WIRE_SYN | WIRE_ACK);
    wait_a_moment();
    forge(client, WIRE_RST, 5);
    assert_int_equal(wire_connection_count(), 1);
    forge(client, WIRE_RST, 0);
    assert_int_equal(wire_connection_count(), 0);
}

/* A SYN with either of these is no repetition of the first one; nothing is said to it. */
static void a_handshake_takes_no_syn_that_says_more(void **state)
{
    static const uint8_t more[] = {WIRE_ACK, WIRE_FIN, WIRE_ACK | WIRE_FIN};
    struct client client = {.port = wire_new_port(), .send_next = 5000};
    uint64_t refused = wire_counted(COUNTER_DROP_PROTOCOL);

    (void)state;
    wire_assign(&client, NODE_APPLICATION, false);
    client.receive_next = wire_expect(&client).sequence + 1;
    wait_a_moment();
    for (unsigned i = 0; i < ARRAY_COUNT(more); i++) {
        forge(client, WIRE_SYN | more[i], (uint32_t)-1);
        assert_int_equal(wire_counted(COUNTER_DROP_PROTOCOL), refused + i + 1);
    }
    wire_expect_silence();
    fake_expect_no_message(NODE_APPLICATION);
    assert_int_equal(wire_connection_count(), 1);
    forge(client, WIRE_SYN, (uint32_t)-1); /* the repetition is answered */
    assert_int_equal(wire_expect(&client).flags, WIRE_SYN | WIRE_ACK);
    assert_int_equal(wire_counted(COUNTER_DROP_PROTOCOL), refused + ARRAY_COUNT(more));
    forge(client, WIRE_RST, 0);
    assert_int_equal(wire_connection_count(), 0);
}

#define TEST(name) cmocka_unit_test_teardown(name, wire_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(resets_that_are_not_exact_are_challenged_so_many_times),
        TEST(a_syn_in_a_connection_is_challenged),
        TEST(an_acknowledgement_of_what_was_not_sent_is_challenged),
        TEST(a_handshake_is_reset_by_an_exact_reset_alone),
        TEST(a_handshake_takes_no_syn_that_says_more),
    };

    return cmocka_run_group_tests(tests, wire_set_up, NULL);
}
