/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/application_world.c */
/*
 * Tests net/streams/listener.c: connections that are claimed in advance.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/message/dispatch.h"
#include "net/counters.h"
#include "net/streams/listener.h"
#include "net/streams/stream.h"
#include "net/streams/table.h"
#include "tests/unit/world/application_world.h"
#include "tests/unit/world/fake_memory.h"
#include "tests/unit/world/fake_platform.h"

#define BACKLOG 32

static struct stream_listener *listener;
static unsigned claimable_count;

static void note_event(void *owner, enum stream_listener_event event)
{
    (void)owner;
    claimable_count += event == LISTENER_CLAIMABLE;
}

static void ignore_change(void *owner, unsigned readiness)
{
    (void)owner;
    (void)readiness;
}

static struct stream *take(void)
{
    assert_true(stream_listener_is_ready(listener));
    return stream_listener_take(listener, ignore_change, NULL);
}

static const struct accept_connection *expect_accept(unsigned grant_count, bool is_renewal)
{
    const struct accept_connection *request = fake_expect_message(own_cm, ACCEPT_CONNECTION);

    assert_int_equal(request->port, PORT);
    assert_int_equal(request->grant_count, grant_count);
    assert_int_equal(request->is_renewal, is_renewal);
    return request;
}

static void open_with_backlog(uint32_t backlog)
{
    assert_int_equal(stream_listener_open(PORT, backlog, note_event, NULL, &listener), 0);
    expect_listen(backlog);
    claimable_count = 0;
}

static int start(void **state)
{
    (void)state;
    start_application_node();
    streams_start();
    open_with_backlog(BACKLOG);
    stream_listener_claim(listener);
    (void)expect_accept(GRANT_MAX, false);
    return 0;
}

static int end(void **state)
{
    (void)state;
    stream_listener_close(listener);
    return 0;
}

/* The whole of a short request: three messages, none of them the claim. */
static void the_answer_claims_it(void **state)
{
    const struct stream_piece answer = {"answer", 6};
    char request[8];

    (void)state;
    grant(7, 3, "request");
    assert_int_equal(claimable_count, 0);
    struct stream *stream = take();
    assert_int_equal(stream_receive(stream, request, 8, false), 7);
    assert_int_equal(stream_send(stream, &answer, 6, CLOSE_SEND_ONLY), 6);
    const struct send *send = fake_expect_message(TS, SEND);
    assert_int_equal(send->stream_index, stream->stream_index);
    assert_int_equal(send->connection_index, 7);
    assert_int_equal(send->generation, 3);
    assert_int_equal(send->consumed_bytes, 7);
    stream_close(stream, CLOSE_BOTH);
    (void)expect_close(CLOSE_BOTH);
    dispatch_round();
    fake_expect_no_message(TS);
    fake_expect_no_message(own_cm);
}

static void the_close_claims_it(void **state)
{
    (void)state;
    grant(7, 3, "x");
    struct stream *stream = take();
    uint32_t name = stream->stream_index;
    stream_close(stream, CLOSE_ABORT);
    assert_int_equal(expect_close(CLOSE_ABORT)->stream_index, name);
    grant(8, 1, "x");
    dispatch_round();
    fake_expect_no_message(TS);
}

/* A lot that was read is told by CONSUMED. */
static void a_report_of_what_was_read_claims_it(void **state)
{
    static char bytes[16 * KIB];

    (void)state;
    grant(7, 3, "x");
    struct stream *stream = take();
    assert_int_equal(received_append(&stream->received, bytes, sizeof(bytes)), 0);
    assert_int_equal(stream_receive(stream, bytes, sizeof(bytes), false), sizeof(bytes));
    const struct consumed *consumed = fake_expect_message(TS, CONSUMED);
    assert_int_equal(consumed->stream_index, stream->stream_index);
    dispatch_round();
    fake_expect_no_message(TS);
    stream_close(stream, CLOSE_BOTH);
    (void)expect_close(CLOSE_BOTH);
}

/* Or its TS would never send what comes on it. */
static void what_is_taken_in_silence_is_claimed_at_the_end_of_the_round(void **state)
{
    (void)state;
    grant(7, 3, "x");
    grant(8, 1, "y");
    fake_expect_no_message(TS); /* nobody has taken it */
    struct stream *first = take(), *second = take();
    fake_expect_no_message(TS);
    give_credit(UINT32_MAX, 0, 0); /* something happens: a round with a flush */
    assert_int_equal(expect_claim(7, 3), first->stream_index);
    assert_int_equal(expect_claim(8, 1), second->stream_index);
    give_credit(UINT32_MAX, 0, 0);
    fake_expect_no_message(TS);
    /* From here on it is like any other. */
    deliver_data(first->stream_index, 3, "z", 1);
    assert_int_equal(first->received.bytes, 2);
    stream_close(first, CLOSE_BOTH);
    (void)expect_close(CLOSE_BOTH);
    stream_close(second, CLOSE_BOTH);
    (void)fake_expect_message(TS, CLOSE);
}

static void a_dead_server_hears_of_no_claim(void **state)
{
    (void)state;
    grant(7, 3, "x");
    grant(8, 1, "not taken");
    struct stream *stream = take();
    fake_set_node_state(TS, NODE_DEAD);
    for (unsigned i = 0; i < 256; i++) {
        (void)dispatch_round();
    }
    assert_true((stream_readiness(stream) & STREAM_HAS_FAILED) != 0);
    assert_int_equal(stream_take_error(stream), -ECONNRESET);
    assert_false(stream_listener_is_ready(listener));
    assert_null(stream->queue);
    stream_close(stream, CLOSE_BOTH);
    fake_set_node_state(TS, NODE_RUNNING);
}

/* --- Recalls --- */

static void what_nobody_has_taken_is_given_back_and_the_place_with_it(void **state)
{
    (void)state;
    grant(7, 3, "x");
    grant(8, 1, "y");
    recall(8, 1);
    expect_decline(8, 1);
    fake_expect_no_message(own_cm); /* nobody waits */
    assert_int_equal(claimable_count, 1);
    struct stream *stream = take();
    assert_int_equal(stream->connection_index, 7);
    assert_false(stream_listener_is_ready(listener));
    stream_listener_claim(listener);
    (void)expect_accept(GRANT_MAX, false);
    stream_close(stream, CLOSE_BOTH);
    (void)expect_close(CLOSE_BOTH);
}

/* The claim is on its way, or has been: the recall has crossed it. */
static void what_is_taken_is_not_given_back(void **state)
{
    (void)state;
    grant(7, 3, "x");
    struct stream *stream = take();
    recall(7, 3);
    (void)expect_claim(7, 3);
    recall(7, 3);
    fake_expect_no_message(TS);
    assert_int_equal(claimable_count, 0);
    stream_close(stream, CLOSE_BOTH);
    (void)expect_close(CLOSE_BOTH);
    recall(7, 3);
    fake_expect_no_message(TS);
}

static void a_recall_must_name_what_it_means(void **state)
{
    struct recall_connection message = {
        .header = {.type = RECALL_CONNECTION, .length_bytes = sizeof(message)},
        .connection_index = 7,
        .generation = 3,
        .availability_number = 2, /* another announcement of it */
    };

    (void)state;
    grant(7, 3, "x");
    fake_deliver(TS, &message.header);
    message.availability_number = 1;
    message.listener_index = 1; /* there is none */
    fake_deliver(TS, &message.header);
    message.listener_index = 0;
    message.generation = 4;
    fake_deliver(TS, &message.header);
    fake_deliver(TS - 1, &message.header); /* another server's */
    dispatch_round();
    assert_int_equal(counter_read(NODE, COUNTER_DROP_BAD_MESSAGE), 0);
    message.listener_index = LISTENER_MAX;
    fake_deliver(TS, &message.header);
    message.listener_index = UINT16_MAX;
    fake_deliver(TS, &message.header);
    dispatch_round();
    assert_int_equal(counter_read(NODE, COUNTER_DROP_BAD_MESSAGE), 2);
    fake_expect_no_message(TS);
    assert_true(stream_listener_is_ready(listener));
}

/* Somebody else may have it: nothing was done with it. */
static void a_listener_that_closes_declines_what_was_not_taken(void **state)
{
    (void)state;
    grant(7, 3, "x");
    make_available(8, 1, "");
    end(state);
    expect_unlisten();
    (void)fake_expect_message(TS, DECLINE_CONNECTION);
    (void)fake_expect_message(TS, DECLINE_CONNECTION);
    fake_expect_no_message(TS); /* neither is reset */
    /* Those that come later, too. */
    grant(9, 1, "z");
    expect_decline(9, 1);
    recall(9, 1);
    fake_expect_no_message(TS);
    open_with_backlog(BACKLOG);
}

/* --- How many --- */

static void grants_are_renewed_by_whoever_asks_when_half_are_used(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 100; i++) {
        unsigned left = GRANT_MAX - (i % (GRANT_MAX / 2 + 1)) - 1;

        grant(i, 1, "x");
        fake_expect_no_message(own_cm); /* nobody has asked */
        stream_close(take(), CLOSE_BOTH);
        (void)fake_expect_message(TS, CLOSE);
        stream_listener_claim(listener);
        if (left < GRANT_MAX / 2) {
            (void)expect_accept(GRANT_MAX - left, true);
        }
        stream_listener_claim(listener); /* a look more sends nothing */
        fake_expect_no_message(own_cm);
    }
}

static void a_renewal_names_the_place_that_it_is_of(void **state)
{
    (void)state;
    recall(1, 1); /* nothing */
    for (uint32_t i = 0; i <= GRANT_MAX / 2; i++) {
        grant(i, 1, "x");
        stream_close(take(), CLOSE_BOTH);
    }
    stream_listener_claim(listener);
    uint16_t number = expect_accept(GRANT_MAX / 2 + 1, true)->request_number;
    grant(50, 1, "x");
    recall(50, 1);
    stream_listener_claim(listener);
    assert_int_equal(expect_accept(GRANT_MAX, false)->request_number, (uint16_t)(number + 1));
    while (fake_take_message(TS) != NULL) {
    }
}

/* One that does not take what it has gets no more. */
static void there_are_no_more_grants_than_room_in_the_backlog(void **state)
{
    (void)state;
    end(state);
    expect_unlisten();
    open_with_backlog(3);
    stream_listener_claim(listener);
    (void)expect_accept(3, false);
    for (uint32_t i = 0; i < 3; i++) {
        grant(i, 1, "x");
        stream_listener_claim(listener);
        fake_expect_no_message(own_cm);
    }
    grant(3, 1, "too many");
    expect_decline(3, 1);
    stream_close(take(), CLOSE_BOTH);
    (void)fake_expect_message(TS, CLOSE);
    stream_listener_claim(listener);
    (void)expect_accept(1, false); /* it has declined: another place */
    stream_close(take(), CLOSE_BOTH);
    stream_close(take(), CLOSE_BOTH);
    stream_listener_claim(listener);
    (void)expect_accept(2, true); /* one of three was left */
    while (fake_take_message(TS) != NULL) {
    }
}

/* Handshakes fail, and servers die: what was granted is not all that comes. */
static void what_comes_without_a_grant_counts_as_one(void **state)
{
    (void)state;
    for (uint32_t i = 0; i <= GRANT_MAX / 2; i++) {
        fake_expect_no_message(own_cm);
        make_available(i, 1, "");
        stream_listener_claim(listener);
        reject(i, 1, expect_claim(i, 1));
        stream_listener_claim(listener);
        (void)expect_accept(GRANT_MAX, false);
    }
    for (uint32_t i = 0; i <= GRANT_MAX / 2; i++) {
        fake_expect_no_message(own_cm);
        make_available(i, 1, "");
        stream_listener_claim(listener);
        confirm(i, 1, expect_claim(i, 1), "x");
        stream_close(take(), CLOSE_ABORT);
        (void)fake_expect_message(TS, CLOSE);
        if (i == GRANT_MAX / 2) {
            (void)expect_accept(GRANT_MAX / 2 + 1, true);
        }
    }
}

/* --- Deferring and memory --- */

static void one_without_data_that_is_deferred_is_claimed_at_once(void **state)
{
    (void)state;
    stream_listener_set_defer(listener, NS_PER_S);
    grant(50, 1, "x");
    recall(50, 1);
    expect_decline(50, 1);
    stream_listener_claim(listener);
    assert_int_equal(expect_accept(GRANT_MAX, false)->wants_data, 1);
    grant(7, 3, "");
    uint32_t name = expect_claim(7, 3);
    assert_false(stream_listener_is_ready(listener));
    recall(7, 3); /* it has crossed the claim */
    fake_expect_no_message(TS);
    deliver_data(name, 3, "x", 1);
    struct stream *stream = take();
    dispatch_round();
    fake_expect_no_message(TS);
    stream_close(stream, CLOSE_BOTH);
    (void)expect_close(CLOSE_BOTH);
    /* With data it waits for nothing. */
    grant(8, 1, "y");
    fake_expect_no_message(TS);
    assert_true(stream_listener_is_ready(listener));
}

static void without_memory_one_that_was_granted_is_declined(void **state)
{
    (void)state;
    fake_fail_allocations_after(0);
    grant(7, 3, "");
    fake_fail_allocations_after(-1);
    assert_int_equal(counter_read(NODE, COUNTER_DROP_NO_MEMORY), 1);
    expect_decline(7, 3);
    assert_false(stream_listener_is_ready(listener));
    dispatch_sleep(); /* until the timer, which it makes if there was no memory for it before */
    dispatch_sleep();
    dispatch_round();
    stream_listener_claim(listener);
    (void)expect_accept(GRANT_MAX, false);
    fake_expect_no_message(TS);
}

#define TEST(name) CONSERVED_TEST(name, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        /* First: no later connection needs memory for its entry. */
        cmocka_unit_test_setup_teardown(without_memory_one_that_was_granted_is_declined, start,
                                        end),
        TEST(the_answer_claims_it),
        TEST(the_close_claims_it),
        TEST(a_report_of_what_was_read_claims_it),
        TEST(what_is_taken_in_silence_is_claimed_at_the_end_of_the_round),
        TEST(a_dead_server_hears_of_no_claim),
        TEST(what_nobody_has_taken_is_given_back_and_the_place_with_it),
        TEST(what_is_taken_is_not_given_back),
        TEST(a_recall_must_name_what_it_means),
        TEST(a_listener_that_closes_declines_what_was_not_taken),
        TEST(grants_are_renewed_by_whoever_asks_when_half_are_used),
        TEST(a_renewal_names_the_place_that_it_is_of),
        TEST(there_are_no_more_grants_than_room_in_the_backlog),
        TEST(what_comes_without_a_grant_counts_as_one),
        cmocka_unit_test_setup_teardown(one_without_data_that_is_deferred_is_claimed_at_once, start,
                                        end), /* last: it leaves a timer */
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
