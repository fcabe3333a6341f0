/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/application_world.c */
/*
 * Tests net/streams/listener.c, without sockets.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/message/dispatch.h"
#include "libc/core/bytes.h"
#include "net/counters.h"
#include "net/streams/listener.h"
#include "net/streams/stream.h"
#include "net/streams/table.h"
#include "tests/unit/world/application_world.h"
#include "tests/unit/world/fake_platform.h"

static struct stream_listener *listener;
static unsigned claimable_count, ready_count, changed_count;
static bool is_eager; /* somebody waits for a connection */

static void note_event(void *owner, enum stream_listener_event event)
{
    assert_ptr_equal(owner, &listener);
    if (event == LISTENER_READY) {
        ready_count++;
        return;
    }
    claimable_count++;
    if (is_eager) {
        stream_listener_claim(listener);
    }
}

static void note_change(void *owner, unsigned readiness)
{
    (void)readiness;
    assert_ptr_equal(owner, &changed_count);
    changed_count++;
}

static int start(void **state)
{
    (void)state;
    start_application_node();
    streams_start();
    claimable_count = ready_count = changed_count = 0;
    is_eager = false;
    return 0;
}

static void open_with_backlog(uint32_t backlog)
{
    assert_int_equal(stream_listener_open(PORT, backlog, note_event, &listener, &listener), 0);
    expect_listen(backlog);
}

static void close_all(void)
{
    stream_listener_close(listener);
    expect_unlisten();
}

static struct stream *take(void)
{
    return stream_listener_take(listener, note_change, &changed_count);
}

static void a_question_for_readiness_claims_nothing(void **state)
{
    (void)state;
    open_with_backlog(4);
    make_available(7, 3, "");
    for (unsigned i = 0; i < 3; i++) {
        assert_false(stream_listener_is_ready(listener));
        dispatch_round();
    }
    fake_expect_no_message(TS);
    fake_expect_no_message(own_cm);

    stream_listener_claim(listener);
    expect_place_request();
    (void)expect_claim(7, 3);
    stream_listener_claim(listener); /* there is nothing more to be had */
    fake_expect_no_message(TS);
    fake_expect_no_message(own_cm);
    close_all();
}

static void the_owner_is_told_what_to_claim_and_what_to_take(void **state)
{
    (void)state;
    open_with_backlog(4);
    make_available(7, 3, "");
    assert_int_equal(claimable_count, 1);
    assert_int_equal(ready_count, 0);
    stream_listener_claim(listener);
    expect_place_request();
    confirm(7, 3, expect_claim(7, 3), "");
    assert_int_equal(ready_count, 1);
    assert_true(stream_listener_is_ready(listener));
    struct stream *stream = take();
    assert_false(stream_listener_is_ready(listener));
    assert_int_equal(stream_flow(stream)->remote_port, swap16(4000));
    stream_close(stream, CLOSE_BOTH);
    (void)expect_close(CLOSE_BOTH);
    close_all();
}

static void an_owner_who_waits_claims_at_once(void **state)
{
    (void)state;
    open_with_backlog(1);
    is_eager = true;
    stream_listener_claim(listener);
    expect_place_request();
    make_available(7, 3, "");
    uint32_t name = expect_claim(7, 3);
    /* Rejected: the CM has dropped us. It asks for a new place. */
    reject(7, 3, name);
    expect_place_request();
    close_all();
}

/* With room again it asks for a new place, because the CM drops whom nobody claims for. */
static void what_exceeds_the_backlog_is_declined_until_there_is_room(void **state)
{
    (void)state;
    open_with_backlog(1);
    stream_listener_claim(listener);
    expect_place_request();
    make_available(7, 3, "");
    make_available(8, 1, "");
    expect_decline(8, 1);
    stream_listener_claim(listener);
    uint32_t name = expect_claim(7, 3);
    fake_expect_no_message(TS);
    fake_expect_no_message(own_cm); /* there is no room yet */
    claimable_count = 0;
    confirm(7, 3, name, "");
    assert_int_equal(claimable_count, 1);
    stream_listener_claim(listener);
    expect_place_request();
    /* What is ready and not taken counts as well, until it is. */
    make_available(9, 1, "");
    expect_decline(9, 1);
    stream_listener_claim(listener);
    fake_expect_no_message(own_cm);
    struct stream *stream = take();
    assert_int_equal(claimable_count, 2);
    stream_listener_claim(listener);
    expect_place_request();
    make_available(10, 1, "");
    stream_listener_claim(listener);
    (void)expect_claim(10, 1);
    stream_close(stream, CLOSE_BOTH);
    (void)expect_close(CLOSE_BOTH);
    close_all();
}

/* Nothing else may come that would tell of room: it was asked for no more, and never. */
static void without_memory_a_connection_is_declined_and_a_place_asked_for_again(void **state)
{
    (void)state;
    open_with_backlog(4);
    stream_listener_claim(listener);
    expect_place_request();
    fake_fail_allocations_after(0);
    make_available(7, 3, "");
    assert_int_equal(counter_read(NODE, COUNTER_DROP_NO_MEMORY), 1);
    expect_decline(7, 3);
    fake_fail_allocations_after(-1);
    stream_listener_claim(listener);
    fake_expect_no_message(own_cm); /* not at once: it would be declined in turn */
    assert_int_equal(claimable_count, 0);
    dispatch_sleep(); /* until the timer, which it makes if there was no memory for it before */
    dispatch_sleep();
    dispatch_round();
    assert_int_equal(claimable_count, 1);
    stream_listener_claim(listener);
    expect_place_request();
    fake_expect_no_message(TS);
    close_all();
}

/* A manager takes what it hears of a listener for its successor's if both count alike. */
static void the_requests_of_a_new_listener_go_on_counting(void **state)
{
    const struct accept_connection *request;
    uint16_t first;

    (void)state;
    open_with_backlog(4);
    stream_listener_claim(listener);
    request = fake_expect_message(own_cm, ACCEPT_CONNECTION);
    first = request->request_number;
    close_all();
    open_with_backlog(4);
    stream_listener_claim(listener);
    request = fake_expect_message(own_cm, ACCEPT_CONNECTION);
    assert_int_equal(request->request_number, (uint16_t)(first + 1));
    close_all();
}

/* Its list is gone. Who waits asks the next one, and all know of the listener already. */
static void a_place_is_asked_for_at_a_living_manager(void **state)
{
    node_id_t dead = own_cm, other = dead == 0 ? 1 : 0;

    (void)state;
    open_with_backlog(4);
    is_eager = true;
    stream_listener_claim(listener);
    expect_place_request();
    fake_set_node_state(dead, NODE_DEAD);
    for (unsigned i = 0; i < 256; i++) {
        (void)dispatch_round(); /* now and then it looks at the others' states */
    }
    assert_int_equal(
        ((const struct accept_connection *)fake_expect_message(other, ACCEPT_CONNECTION))->port,
        PORT);
    stream_listener_close(listener);
    (void)fake_expect_message(other, UNLISTEN);
}

/* What it said last may not have come: that a connection was available, which it then took back and
 * had us dropped from the list. Who waited was on no list, for ever. */
static void a_place_is_asked_for_again_when_a_transport_server_has_died(void **state)
{
    node_id_t dead = own_cm == 0 ? 1 : 0;

    (void)state;
    open_with_backlog(4);
    is_eager = true;
    stream_listener_claim(listener);
    expect_place_request();
    fake_set_node_state(dead, NODE_DEAD);
    for (unsigned i = 0; i < 256; i++) {
        (void)dispatch_round(); /* now and then it looks at the others' states */
    }
    expect_place_request();
    stream_listener_close(listener);
    (void)fake_expect_message(own_cm, UNLISTEN);
}

/* The managers name the listener by its index in what they say later. */
static void a_second_listener_speaks_for_itself(void **state)
{
    struct stream_listener *second;
    const struct listen *told;
    const struct accept_connection *request;
    const struct unlisten *taken_back;
    uint16_t index;

    (void)state;
    open_with_backlog(4);
    assert_int_equal(stream_listener_open(PORT + 1, 2, note_event, &second, &second), 0);
    told = fake_expect_message(own_cm, LISTEN);
    assert_int_equal(told->port, PORT + 1);
    index = told->listener_index;
    assert_int_equal(index, 1); /* the first has 0 */
    stream_listener_claim(second);
    request = fake_expect_message(own_cm, ACCEPT_CONNECTION);
    assert_int_equal(request->port, PORT + 1);
    assert_int_equal(request->listener_index, index);
    stream_listener_close(second);
    taken_back = fake_expect_message(own_cm, UNLISTEN);
    assert_int_equal(taken_back->port, PORT + 1);
    assert_int_equal(taken_back->listener_index, index);
    while (fake_take_message(own_cm == 0 ? 1 : 0) != NULL) {
        continue; /* the other manager is told the same */
    }
    close_all();
}

static void another_backlog_is_told_to_the_managers(void **state)
{
    (void)state;
    open_with_backlog(4);
    stream_listener_set_backlog(listener, 9);
    expect_listen(9);
    stream_listener_set_backlog(listener, 9);
    fake_expect_no_message(own_cm);
    close_all();
}

static void a_port_and_a_listener_too_many_are_refused(void **state)
{
    struct stream_listener *listeners[LISTENER_MAX], *extra;

    (void)state;
    for (uint16_t i = 0; i < LISTENER_MAX; i++) {
        assert_int_equal(
            stream_listener_open((uint16_t)(1000 + i), 1, note_event, &listener, &listeners[i]), 0);
    }
    assert_int_equal(stream_listener_open(1000, 1, note_event, &listener, &extra), -EADDRINUSE);
    assert_int_equal(stream_listener_open(999, 1, note_event, &listener, &extra), -ENFILE);
    stream_listener_close(listeners[5]);
    fake_fail_allocations_after(0);
    assert_int_equal(stream_listener_open(999, 1, note_event, &listener, &listeners[5]), -ENOMEM);
    fake_fail_allocations_after(-1);
    assert_int_equal(stream_listener_open(999, 1, note_event, &listener, &listeners[5]), 0);
    for (unsigned i = 0; i < LISTENER_MAX; i++) {
        stream_listener_close(listeners[i]);
    }
}

static void closing_resets_what_was_not_taken_and_leaves_what_was(void **state)
{
    (void)state;
    open_with_backlog(8);
    is_eager = true;
    stream_listener_claim(listener);
    expect_place_request();
    make_available(1, 1, "");
    confirm(1, 1, expect_claim(1, 1), "");
    struct stream *taken = take();
    stream_listener_set_defer(listener, NS_PER_S);
    make_available(2, 1, "");
    confirm(2, 1, expect_claim(2, 1), ""); /* deferred */
    assert_false(stream_listener_is_ready(listener));
    make_available(3, 1, "");
    uint32_t claimed = expect_claim(3, 1);
    is_eager = false;
    make_available(4, 1, "");
    close_all();
    const struct close *reset;
    unsigned reset_count = 0, declined_count = 0;
    /* In the order of their places in the table. */
    for (const struct message *told; (told = fake_take_message(TS)) != NULL;) {
        if (told->header.type == CLOSE) {
            reset = (const struct close *)told;
            assert_int_equal(reset->connection_index, 2);
            assert_int_equal(reset->kind, CLOSE_ABORT);
            reset_count++;
        } else {
            assert_int_equal(told->header.type, DECLINE_CONNECTION);
            assert_int_equal(((const struct decline_connection *)told)->connection_index, 4);
            declined_count++;
        }
    }
    assert_int_equal(reset_count, 1);
    assert_int_equal(declined_count, 1);
    confirm(3, 1, claimed, "");
    reset = fake_expect_message(TS, CLOSE);
    assert_int_equal(reset->connection_index, 3);
    assert_int_equal(reset->kind, CLOSE_ABORT);
    assert_int_equal(send_bytes(taken, "x", 1), 1);
    (void)fake_expect_message(TS, SEND);
    stream_close(taken, CLOSE_BOTH);
    (void)fake_expect_message(TS, CLOSE);
    fake_advance_ns(2 * NS_PER_S); /* what was deferred has gone from the timer, too */
    dispatch_round();
}

static void count_if_ready(struct stream *stream, void *count)
{
    *(unsigned *)count += stream->state == STREAM_READY;
}

static unsigned count_ready(void)
{
    unsigned count = 0;

    stream_for_each(count_if_ready, &count);
    return count;
}

/* Only one was made ready for each that came, so more than a smaller backlog stayed deferred. */
static void as_many_as_the_backlog_are_deferred(void **state)
{
    (void)state;
    open_with_backlog(4);
    stream_listener_set_defer(listener, NS_PER_S);
    is_eager = true;
    stream_listener_claim(listener);
    expect_place_request();
    for (uint32_t i = 0; i < 4; i++) {
        make_available(i, 1, "");
        confirm(i, 1, expect_claim(i, 1), "");
    }
    assert_int_equal(count_ready(), 0);
    stream_listener_set_backlog(listener, 2);
    expect_listen(2);
    make_available(4, 1, "");
    confirm(4, 1, expect_claim(4, 1), "");
    assert_int_equal(count_ready(), 3);
    fake_advance_ns(2 * NS_PER_S); /* no timer is left for the next test */
    dispatch_round();
    assert_int_equal(count_ready(), 5);
    assert_int_equal(ready_count, 1);
    stream_listener_set_backlog(listener, 8);
    expect_listen(8);
    make_available(5, 1, "x");
    confirm(5, 1, expect_claim(5, 1), "");
    assert_int_equal(ready_count, 2); /* who has looked is told again */
    close_all();
    while (fake_take_message(TS) != NULL) {
    }
}

static void what_names_no_listener_of_ours_is_declined(void **state)
{
    struct connection_available message = {
        .header = {.type = CONNECTION_AVAILABLE, .length_bytes = sizeof(message)},
        .listener_index = UINT16_MAX,
        .flow.local_port = swap16(PORT),
    };

    (void)state;
    open_with_backlog(4);
    fake_deliver(TS, &message.header);
    message.listener_index = 0;
    message.flow.local_port = swap16(PORT + 1);
    fake_deliver(TS, &message.header);
    dispatch_round();
    assert_int_equal(claimable_count, 0);
    for (unsigned i = 0; i < 2; i++) {
        (void)fake_expect_message(TS, DECLINE_CONNECTION);
    }
    /* Nothing was claimed: nothing can be confirmed. */
    confirm(1, 1, 0, "");
    assert_int_equal(counter_read(NODE, COUNTER_DROP_BAD_MESSAGE), 1);
    close_all();
}

static void taking_what_is_not_there_is_our_own_mistake(void **state)
{
    (void)state;
    open_with_backlog(4);
    expect_assert_failure((void)take());
    close_all();
}

/* Claims that were not answered end with their TS, which a busy node sees now and then. */
static int end(void **state)
{
    (void)state;
    fake_set_node_state(TS, NODE_DEAD);
    for (unsigned i = 0; i < 1000; i++) {
        (void)dispatch_round();
    }
    return 0;
}

#define TEST(name) CONSERVED_TEST(name, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        /* First: no later connection needs memory for its entry. */
        TEST(without_memory_a_connection_is_declined_and_a_place_asked_for_again),
        TEST(a_question_for_readiness_claims_nothing),
        TEST(the_owner_is_told_what_to_claim_and_what_to_take),
        TEST(an_owner_who_waits_claims_at_once),
        TEST(what_exceeds_the_backlog_is_declined_until_there_is_room),
        TEST(the_requests_of_a_new_listener_go_on_counting),
        TEST(a_second_listener_speaks_for_itself),
        TEST(another_backlog_is_told_to_the_managers),
        TEST(a_port_and_a_listener_too_many_are_refused),
        TEST(closing_resets_what_was_not_taken_and_leaves_what_was),
        TEST(as_many_as_the_backlog_are_deferred),
        TEST(what_names_no_listener_of_ours_is_declined),
        TEST(taking_what_is_not_there_is_our_own_mistake),
        TEST(a_place_is_asked_for_at_a_living_manager),
        TEST(a_place_is_asked_for_again_when_a_transport_server_has_died),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
