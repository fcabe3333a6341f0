/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_client.c */
/* library: lwip */
/*
 * Tests net/transport/splice.c over a whole transport server: two clients whose connections one
 * application has spliced. The server lives as long as the process: each test goes on where the one
 * before it stopped.
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
#include "net/splice_counters.h"
#include "net/transport/connection.h"
#include "net/transport/splice.h"
#include "net/transport/stream.h"
#include "net/transport/table.h"
#include "tests/unit/world/fake_client.h"
#include "tests/unit/world/fake_platform.h"

static uint32_t last_number;

static struct splice_connections order_of(const struct client *source, const struct client *drain,
                                          enum splice_order order)
{
    return (struct splice_connections){
        .header = {.type = SPLICE_CONNECTIONS, .length_bytes = sizeof(struct splice_connections)},
        .source_index = source->connection_index,
        .source_generation = source->generation,
        .drain_index = drain->connection_index,
        .drain_generation = drain->generation,
        .order = order,
        .number = order == SPLICE_BEGIN ? ++last_number : last_number,
    };
}

static void deliver(struct splice_connections order)
{
    fake_deliver(NODE_APPLICATION, &order.header);
    wire_run();
}

static void splice(const struct client *source, const struct client *drain)
{
    deliver(order_of(source, drain, SPLICE_BEGIN));
}

static const struct splice_state *expect_state(enum splice_state_number state, unsigned error)
{
    const struct splice_state *message = fake_expect_message(NODE_APPLICATION, SPLICE_STATE);

    assert_int_equal(message->state, state);
    assert_int_equal(message->error_number, error);
    assert_int_equal(message->number, last_number);
    return message;
}

/* Bytes from its client, and what comes of them at the other one's. */
static void client_sends(struct client *client, const void *bytes, uint32_t length)
{
    wire_send(client, WIRE_ACK | WIRE_PSH, bytes, length);
    client->send_next += length;
    wire_run();
}

static void acknowledge(const struct client *client)
{
    wire_send(client, WIRE_ACK, NULL, 0);
    wire_run();
}

/* Those of the other one are acknowledgements. */
static bool take_of(const struct client *client, struct segment *segment)
{
    while (wire_take(segment)) {
        if (segment->client_port == client->port && segment->length != 0) {
            return true;
        }
    }
    return false;
}

static void expect_bytes_at(struct client *client, const char *bytes)
{
    struct segment segment;

    assert_true(take_of(client, &segment));
    assert_int_equal(segment.length, strlen(bytes));
    assert_memory_equal(segment.payload, bytes, strlen(bytes));
    client->receive_next += segment.length;
}

struct ends {
    struct client left, right;
};

static struct ends accept_two(void)
{
    struct ends ends;

    (void)wire_accept(&ends.left, wire_new_port());
    (void)wire_accept(&ends.right, wire_new_port());
    return ends;
}

static void close_both(const struct ends *ends)
{
    wire_application_close(&ends->left, 0, CLOSE_ABORT);
    wire_application_close(&ends->right, 0, CLOSE_ABORT);
    wire_run();
    wire_clear();
    assert_int_equal(splice_count(), 0);
    assert_int_equal(wire_connection_count(), 0);
}

/* The first of all tests: no pair has been there. */
static void without_memory_the_application_is_refused_and_may_ask_again(void **state)
{
    struct ends ends = accept_two();

    (void)state;
    fake_fail_allocations_after(0);
    splice(&ends.left, &ends.right);
    fake_fail_allocations_after(-1);
    (void)expect_state(SPLICE_REFUSED, 0);
    assert_int_equal(splice_count(), 0);
    splice(&ends.left, &ends.right);
    client_sends(&ends.left, "request", 7);
    expect_bytes_at(&ends.right, "request");
    close_both(&ends);
}

static void bytes_go_both_ways_and_the_application_sees_none(void **state)
{
    struct ends ends = accept_two();

    (void)state;
    splice(&ends.left, &ends.right);
    splice(&ends.right, &ends.left);
    assert_int_equal(splice_count(), 1);
    client_sends(&ends.left, "request", 7);
    expect_bytes_at(&ends.right, "request");
    client_sends(&ends.right, "answer", 6);
    expect_bytes_at(&ends.left, "answer");
    acknowledge(&ends.left);
    assert_null(fake_take_message(NODE_APPLICATION));
    close_both(&ends);
}

static void what_had_come_before_goes_when_the_application_has_sent_what_it_had_seen(void **state)
{
    struct ends ends = accept_two();
    struct splice_connections again;

    (void)state;
    client_sends(&ends.left, "one ", 4);
    (void)fake_expect_message(NODE_APPLICATION, DATA);
    splice(&ends.left, &ends.right);
    (void)expect_state(SPLICE_HELD, 0);
    client_sends(&ends.left, "two", 3);
    assert_null(fake_take_message(NODE_APPLICATION));
    wire_application_send(&ends.right, "one ", 4);
    again = order_of(&ends.left, &ends.right, SPLICE_BEGIN);
    again.consumed_bytes = 4;
    deliver(again);
    expect_bytes_at(&ends.right, "one ");
    expect_bytes_at(&ends.right, "two");
    assert_null(fake_take_message(NODE_APPLICATION));
    close_both(&ends);
}

static void end_of_one_way_is_passed_on_and_the_other_way_goes_on(void **state)
{
    struct ends ends = accept_two();
    struct segment segment;

    (void)state;
    splice(&ends.right, &ends.left);
    splice(&ends.left, &ends.right);
    wire_send(&ends.left, WIRE_ACK | WIRE_PSH | WIRE_FIN, "last", 4);
    ends.left.send_next += 5;
    wire_run();
    assert_true(take_of(&ends.right, &segment));
    assert_int_equal(segment.flags, WIRE_ACK | WIRE_PSH | WIRE_FIN);
    assert_int_equal(segment.length, 4);
    ends.right.receive_next += 5;
    assert_int_equal(expect_state(SPLICE_ENDED, 0)->bytes, 4);
    assert_null(fake_take_message(NODE_APPLICATION)); /* PEER_CLOSED is in that */
    client_sends(&ends.right, "answer", 6);
    assert_true(take_of(&ends.left, &segment));
    assert_int_equal(segment.length, 6);
    assert_memory_equal(segment.payload, "answer", 6);
    wire_send(&ends.right, WIRE_ACK | WIRE_FIN, NULL, 0);
    last_number--;
    wire_run();
    assert_int_equal(expect_state(SPLICE_ENDED, 0)->bytes, 6);
    last_number++;
    assert_int_equal(splice_count(), 0);
    close_both(&ends);
}

static void a_reset_ends_both_ways_and_the_application_is_told_why(void **state)
{
    struct ends ends = accept_two();

    (void)state;
    splice(&ends.left, &ends.right);
    splice(&ends.right, &ends.left);
    wire_send(&ends.right, WIRE_RST, NULL, 0);
    wire_run();
    last_number--;
    (void)expect_state(SPLICE_ENDED, ECONNRESET);
    last_number++;
    (void)expect_state(SPLICE_ENDED, ECONNRESET);
    assert_int_equal(
        ((const struct connection_failed *)fake_expect_message(NODE_APPLICATION, CONNECTION_FAILED))
            ->error_number,
        ECONNRESET);
    client_sends(&ends.left, "late", 4); /* is the application's again */
    (void)fake_expect_message(NODE_APPLICATION, DATA);
    close_both(&ends);
}

/* A peer that does not read stops the other one, by its window: the server keeps its allowance and
 * a window of bytes, and no more. */
static void closed_window_on_one_side_closes_the_other_ones(void **state)
{
    static uint8_t bytes[WIRE_MSS];
    struct ends ends = accept_two();
    struct segment segment;
    uint32_t sent = 0, edge = ends.left.send_next + 65535, came = 0;

    (void)state;
    splice(&ends.left, &ends.right);
    while ((int32_t)(edge - ends.left.send_next) >= (int32_t)sizeof(bytes) && sent < 8 * MIB) {
        memset(bytes, (int)(sent / sizeof(bytes)), sizeof(bytes));
        client_sends(&ends.left, bytes, sizeof(bytes));
        sent += sizeof(bytes);
        wire_advance_ns(20 * NS_PER_MS);
        wire_run();
        while (wire_take(&segment)) {
            if (segment.client_port == ends.left.port) {
                edge = segment.acknowledgement + (segment.window << 0);
            }
        }
    }
    assert_in_range(sent, SEND_WINDOW_BYTES, SEND_WINDOW_BYTES + 2 * 65536);
    assert_null(fake_take_message(NODE_APPLICATION));

    /* When it reads, all of it comes, in order. */
    for (unsigned i = 0; i < 2000 && came < sent; i++) {
        acknowledge(&ends.right);
        wire_advance_ns(20 * NS_PER_MS);
        wire_run();
        while (take_of(&ends.right, &segment)) {
            int32_t new_bytes =
                (int32_t)(segment.sequence + segment.length - ends.right.receive_next);

            if (segment.sequence == ends.right.receive_next && new_bytes > 0) {
                assert_int_equal(segment.payload[0], (uint8_t)(came / sizeof(bytes)));
                came += (uint32_t)new_bytes;
                ends.right.receive_next += (uint32_t)new_bytes;
            }
        }
    }
    assert_int_equal(came, sent);
    close_both(&ends);
}

static void after_so_many_bytes_the_rest_is_the_applications(void **state)
{
    struct ends ends = accept_two();
    struct splice_connections order = order_of(&ends.left, &ends.right, SPLICE_BEGIN);

    (void)state;
    order.bytes_most = 3;
    deliver(order);
    client_sends(&ends.left, "abcdef", 6);
    expect_bytes_at(&ends.right, "abc");
    assert_int_equal(expect_state(SPLICE_ENDED, EFBIG)->bytes, 3);
    (void)fake_expect_message(NODE_APPLICATION, DATA);
    close_both(&ends);
}

static void one_that_is_idle_for_its_time_ends(void **state)
{
    struct ends ends = accept_two();
    struct splice_connections order = order_of(&ends.left, &ends.right, SPLICE_BEGIN);

    (void)state;
    order.idle_ms = 1000;
    deliver(order);
    wire_advance_ns(700 * NS_PER_MS);
    client_sends(&ends.left, "x", 1);
    expect_bytes_at(&ends.right, "x");
    acknowledge(&ends.right);
    wire_advance_ns(700 * NS_PER_MS);
    wire_run();
    assert_null(fake_take_message(NODE_APPLICATION));
    wire_advance_ns(400 * NS_PER_MS);
    wire_run();
    assert_int_equal(expect_state(SPLICE_ENDED, ETIMEDOUT)->bytes, 1);
    close_both(&ends);
}

static void stopped_it_ends_and_the_drains_credit_is_told(void **state)
{
    struct ends ends = accept_two();
    const struct splice_state *told;

    (void)state;
    splice(&ends.left, &ends.right);
    client_sends(&ends.left, "12345", 5);
    deliver(order_of(&ends.left, &ends.right, SPLICE_STOP));
    told = expect_state(SPLICE_ENDED, ECANCELED);
    assert_int_equal(told->bytes, 5);
    assert_int_equal(told->drain_credit_bytes, SEND_WINDOW_BYTES - 5);
    assert_int_equal(told->drain_stream, ends.right.port);
    client_sends(&ends.left, "6", 1);
    (void)fake_expect_message(NODE_APPLICATION, DATA);
    /* Once more: it has ended, and that is the answer. */
    deliver(order_of(&ends.left, &ends.right, SPLICE_STOP));
    assert_int_equal(expect_state(SPLICE_ENDED, ECANCELED)->bytes, 0);
    close_both(&ends);
}

static void closed_drain_ends_it_and_what_comes_is_the_applications(void **state)
{
    struct ends ends = accept_two();

    (void)state;
    splice(&ends.left, &ends.right);
    wire_application_close(&ends.right, 0, CLOSE_ABORT);
    wire_run();
    (void)expect_state(SPLICE_ENDED, EPIPE);
    client_sends(&ends.left, "x", 1);
    (void)fake_expect_message(NODE_APPLICATION, DATA);
    close_both(&ends);
}

static void closed_source_lets_its_drain_be_sent_on(void **state)
{
    struct ends ends = accept_two();

    (void)state;
    splice(&ends.left, &ends.right);
    deliver(order_of(&ends.left, &ends.right, SPLICE_STOP));
    wire_application_close(&ends.left, 0, CLOSE_ABORT);
    wire_run();
    (void)expect_state(SPLICE_ENDED, ECANCELED);
    wire_clear();
    wire_application_send(&ends.right, "own", 3);
    wire_run();
    expect_bytes_at(&ends.right, "own");
    close_both(&ends);
}

static void a_third_one_is_refused(void **state)
{
    struct ends ends = accept_two(), others = accept_two();

    (void)state;
    splice(&ends.left, &ends.right);
    splice(&ends.right, &others.left);
    (void)expect_state(SPLICE_REFUSED, 0);
    splice(&others.left, &ends.left);
    (void)expect_state(SPLICE_REFUSED, 0);
    wire_application_close(&others.left, 0, CLOSE_ABORT);
    wire_application_close(&others.right, 0, CLOSE_ABORT);
    close_both(&ends);
}

static void what_no_honest_application_says_is_counted_and_changes_nothing(void **state)
{
    uint64_t before = wire_counted(COUNTER_DROP_BAD_MESSAGE);
    struct ends ends = accept_two();
    struct splice_connections order;

    (void)state;
    splice(&ends.left, &ends.left);
    order = order_of(&ends.left, &ends.right, SPLICE_BEGIN);
    order.order = 7;
    deliver(order);
    order = order_of(&ends.left, &ends.right, SPLICE_BEGIN);
    order.drain_index = 1u << 30;
    deliver(order);
    assert_int_equal(wire_counted(COUNTER_DROP_BAD_MESSAGE), before + 3);
    /* Of somebody else's connections. */
    order = order_of(&ends.left, &ends.right, SPLICE_BEGIN);
    fake_deliver(NODE_OTHER_CM, &order.header);
    wire_run();
    assert_int_equal(wire_counted(COUNTER_DROP_BAD_MESSAGE) > before + 3, true);
    assert_int_equal(splice_count(), 0);
    splice(&ends.left, &ends.right);
    before = wire_counted(COUNTER_DROP_BAD_MESSAGE);
    splice(&ends.left, &ends.right);
    assert_int_equal(wire_counted(COUNTER_DROP_BAD_MESSAGE), before + 1);
    client_sends(&ends.left, "on", 2);
    expect_bytes_at(&ends.right, "on");
    close_both(&ends);
}

/* The one test that cannot be followed by another one. */
static void when_the_applications_node_dies_both_peers_are_reset(void **state)
{
    struct ends ends = accept_two();
    struct segment segment;
    unsigned resets = 0;

    (void)state;
    splice(&ends.left, &ends.right);
    splice(&ends.right, &ends.left);
    client_sends(&ends.left, "x", 1);
    wire_clear();
    fake_set_node_state(NODE_APPLICATION, NODE_DEAD);
    dispatch_sleep(); /* where the dispatcher looks for deaths */
    wire_run();
    while (wire_take(&segment)) {
        resets += (segment.flags & WIRE_RST) != 0;
    }
    assert_int_equal(resets, 2);
    assert_int_equal(splice_count(), 0);
    assert_int_equal(wire_connection_count(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(without_memory_the_application_is_refused_and_may_ask_again,
                                  wire_tear_down),
        cmocka_unit_test_teardown(bytes_go_both_ways_and_the_application_sees_none, wire_tear_down),
        cmocka_unit_test_teardown(
            what_had_come_before_goes_when_the_application_has_sent_what_it_had_seen,
            wire_tear_down),
        cmocka_unit_test_teardown(end_of_one_way_is_passed_on_and_the_other_way_goes_on,
                                  wire_tear_down),
        cmocka_unit_test_teardown(a_reset_ends_both_ways_and_the_application_is_told_why,
                                  wire_tear_down),
        cmocka_unit_test_teardown(closed_window_on_one_side_closes_the_other_ones, wire_tear_down),
        cmocka_unit_test_teardown(after_so_many_bytes_the_rest_is_the_applications, wire_tear_down),
        cmocka_unit_test_teardown(one_that_is_idle_for_its_time_ends, wire_tear_down),
        cmocka_unit_test_teardown(stopped_it_ends_and_the_drains_credit_is_told, wire_tear_down),
        cmocka_unit_test_teardown(closed_drain_ends_it_and_what_comes_is_the_applications,
                                  wire_tear_down),
        cmocka_unit_test_teardown(closed_source_lets_its_drain_be_sent_on, wire_tear_down),
        cmocka_unit_test_teardown(a_third_one_is_refused, wire_tear_down),
        cmocka_unit_test_teardown(what_no_honest_application_says_is_counted_and_changes_nothing,
                                  wire_tear_down),
        cmocka_unit_test(when_the_applications_node_dies_both_peers_are_reset),
    };

    return cmocka_run_group_tests(tests, wire_set_up, NULL);
}
