/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/application_world.c */
/*
 * Tests net/streams/ at its edges: the first byte, the last free entry, a report that is just due,
 * two listeners that hold connections back, and no memory.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/message/dispatch.h"
#include "kernel/platform.h"
#include "libc/core/bytes.h"
#include "net/counters.h"
#include "net/streams/listener.h"
#include "net/streams/stream.h"
#include "tests/unit/world/application_world.h"
#include "tests/unit/world/fake_platform.h"

/* What has been read is reported alone when it comes to this. */
#define REPORT_BYTES (16 * 1024)

static struct stream_listener *listener;

static void ignore_event(void *owner, enum stream_listener_event event)
{
    (void)owner;
    (void)event;
}

static void ignore_change(void *owner, unsigned readiness)
{
    (void)owner;
    (void)readiness;
}

static int start(void **state)
{
    (void)state;
    start_application_node();
    streams_start();
    assert_int_equal(stream_listener_open(PORT, 4, ignore_event, NULL, &listener), 0);
    expect_listen(4);
    stream_listener_claim(listener);
    expect_place_request();
    return 0;
}

static int end(void **state)
{
    (void)state;
    stream_listener_close(listener);
    fake_advance_ns(100 * NS_PER_S); /* no timer is left for the next test */
    dispatch_round();
    return 0;
}

static uint32_t claim(uint32_t index, const char *data)
{
    make_available(index, 1, data);
    stream_listener_claim(listener);
    return expect_claim(index, 1);
}

static struct stream *take(void)
{
    assert_true(stream_listener_is_ready(listener));
    return stream_listener_take(listener, ignore_change, NULL);
}

static void drop(struct stream *stream)
{
    stream_close(stream, CLOSE_BOTH);
    while (fake_take_message(TS) != NULL) {
    }
}

/* --- The first byte --- */

static void a_single_byte_that_comes_early_is_kept(void **state)
{
    char text[8];

    (void)state;
    confirm(7, 1, claim(7, "a"), "b");
    struct stream *stream = take();

    assert_int_equal(stream_receive(stream, text, sizeof(text), true), 2);
    assert_int_equal(stream_receive(stream, text, sizeof(text), false), 2);
    assert_memory_equal(text, "ab", 2);
    assert_int_equal(stream_receive(stream, text, sizeof(text), false), -EAGAIN);
    assert_int_equal(stream_receive(stream, text, 0, false), 0);
    drop(stream);
}

/* What was claimed cannot be left to others any more: it is reset, counted, and there is room. */
/* Behind bytes that came before it: alone it would be read where it lies. */
static void a_confirmation_without_memory_for_its_data_is_reset(void **state)
{
    char more[300] = {0};

    (void)state;
    uint32_t name = claim(7, "a");

    memset(more, 'b', sizeof(more) - 1); /* no room behind the other */
    fake_fail_allocations_after(0);
    confirm(7, 1, name, more);
    fake_fail_allocations_after(-1);
    (void)expect_close(CLOSE_ABORT);
    assert_int_equal(counter_read(NODE, COUNTER_DROP_NO_MEMORY), 1);
    assert_false(stream_listener_is_ready(listener));
    /* All four places of the backlog are free. */
    for (uint32_t i = 10; i < 14; i++) {
        (void)claim(i, "");
    }
}

/* --- Reports --- */

static unsigned consumed_reported(void)
{
    const struct message *message;
    unsigned bytes = 0;

    while ((message = fake_take_message(TS)) != NULL) {
        assert_int_equal(message->header.type, CONSUMED);
        bytes += ((const struct consumed *)message)->consumed_bytes;
    }
    return bytes;
}

static void a_report_is_due_at_its_bytes_and_not_before(void **state)
{
    static uint8_t bytes[REPORT_BYTES];
    size_t read = 0;

    (void)state;
    uint32_t name = claim(7, "");

    confirm(7, 1, name, "");
    struct stream *stream = take();

    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 8; i++) {
            deliver_data(name, 1, bytes, REPORT_BYTES / 8);
        }
        for (read = 0; read < REPORT_BYTES - 1;) {
            int64_t part = stream_receive(stream, bytes, REPORT_BYTES - 1 - read, false);

            assert_true(part > 0);
            read += (size_t)part;
            assert_int_equal(consumed_reported(), 0);
        }
        assert_int_equal(stream_receive(stream, bytes, 1, true), 1); /* a peek consumes nothing */
        assert_int_equal(consumed_reported(), 0);
        assert_int_equal(stream_receive(stream, bytes, 1, false), 1);
        assert_int_equal(consumed_reported(), REPORT_BYTES);
    }
    drop(stream);
}

/* A node whose streams have nothing to do may sleep. */
static void streams_at_rest_do_no_work(void **state)
{
    (void)state;
    confirm(7, 1, claim(7, ""), "");
    struct stream *stream = take();

    assert_int_equal(dispatch_round(), 0);
    drop(stream);
    assert_int_equal(dispatch_round(), 0);
}

/* --- Entries --- */

/* One that has ended lends its memory to the next: more connections than ever stood open at once
 * cost nothing. */
static void entries_are_used_again(void **state)
{
    (void)state;
    confirm(7, 1, claim(7, ""), "");
    drop(take());
    fake_fail_allocations_after(0);
    for (uint32_t i = 0; i < 1000; i++) {
        uint32_t name = claim(i, "");

        if (i % 2 == 0) {
            confirm(i, 1, name, "");
            drop(take());
        } else {
            reject(i, 1, name);
            stream_listener_claim(listener);
            expect_place_request();
        }
    }
    fake_fail_allocations_after(-1);
}

/* --- Deferring --- */

static void data_in_the_confirmation_ends_deferring_before_it_begins(void **state)
{
    (void)state;
    stream_listener_set_defer(listener, NS_PER_S);
    confirm(7, 1, claim(7, ""), "x");
    drop(take());
    confirm(8, 1, claim(8, "y"), "");
    drop(take());
    confirm(9, 1, claim(9, ""), "");
    assert_false(stream_listener_is_ready(listener));
    fake_advance_ns(NS_PER_S - 1);
    dispatch_round();
    assert_false(stream_listener_is_ready(listener));
    fake_advance_ns(1);
    dispatch_round();
    drop(take());
}

/* With nobody to wake it, it would be held back for ever. */
static void without_memory_for_a_timer_nothing_is_deferred(void **state)
{
    (void)state;
    stream_listener_set_defer(listener, NS_PER_S);
    uint32_t names[2] = {claim(7, ""), claim(8, "")};

    fake_fail_allocations_after(0);
    confirm(7, 1, names[0], "");
    bool is_ready = stream_listener_is_ready(listener);

    fake_fail_allocations_after(-1);
    /* The timers' heap may have had room: then it has its time to wait. */
    if (!is_ready) {
        fake_advance_ns(NS_PER_S);
        dispatch_round();
    }
    drop(take());
    confirm(8, 1, names[1], "");
    assert_false(stream_listener_is_ready(listener));
    fake_advance_ns(NS_PER_S);
    dispatch_round();
    drop(take());
}

/* Each connection has its own time, whichever listener's is over first. */
static void two_listeners_defer_each_for_its_own_time(void **state)
{
    struct stream_listener *other;
    struct connection_available message = {
        .header = {.type = CONNECTION_AVAILABLE, .length_bytes = sizeof(message)},
        .connection_index = 20,
        .generation = 1,
        .listener_index = 1,
        .flow.local_port = swap16(PORT + 1),
        .availability_number = 1,
    };

    (void)state;
    assert_int_equal(stream_listener_open(PORT + 1, 4, ignore_event, NULL, &other), 0);
    stream_listener_set_defer(listener, 3 * NS_PER_S);
    stream_listener_set_defer(other, NS_PER_S);
    while (fake_take_message(own_cm) != NULL || fake_take_message(TS) != NULL) {
    }
    confirm(7, 1, claim(7, ""), "");
    fake_deliver(TS, &message.header);
    dispatch_round();
    stream_listener_claim(other);
    const struct message *told;
    uint32_t name = UINT32_MAX;

    while ((told = fake_take_message(TS)) != NULL) {
        if (told->header.type == CLAIM_CONNECTION) {
            name = ((const struct claim_connection *)told)->stream_index;
        }
    }
    confirm(20, 1, name, "");
    assert_false(stream_listener_is_ready(other));
    for (unsigned seconds = 1; seconds <= 3; seconds++) {
        fake_advance_ns(NS_PER_S);
        dispatch_round();
        /* The later one's timer was set first: it may look too late, but never too early. */
        assert_int_equal(stream_listener_is_ready(listener), seconds == 3);
    }
    assert_true(stream_listener_is_ready(other));
    drop(take());
    stream_listener_close(other);
    while (fake_take_message(own_cm) != NULL || fake_take_message(TS) != NULL) {
    }
}

/* --- The archive --- */

static void only_what_lies_whole_in_the_archive_is_sent_by_reference(void **state)
{
    static uint8_t memory[8192];
    uint8_t *archive = memory + 2048;

    (void)state;
    fake_set_archive(archive, 4096);
    confirm(7, 1, claim(7, ""), "");
    struct stream *stream = take();
    static const struct {
        int offset;
        size_t bytes;
        bool is_reference;
    } cases[] = {{0, 1500, true},
                 {2596, 1500, true},
                 {2597, 1500, false},
                 {-1, 1500, false},
                 {4096, 1500, false}};

    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        assert_int_equal(send_bytes(stream, archive + cases[i].offset, cases[i].bytes),
                         cases[i].bytes);
        const struct message *message = fake_take_message(TS);

        assert_non_null(message);
        assert_int_equal(message->header.type, SEND);
        const struct send *sent = (const struct send *)message;
        assert_int_equal(sent->archive_bytes, cases[i].is_reference ? cases[i].bytes : 0);
        assert_int_equal(sent->archive_offset, cases[i].is_reference ? cases[i].offset : 0);
        while (fake_take_message(TS) != NULL) {
        }
    }
    drop(stream);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_single_byte_that_comes_early_is_kept),
        TEST(a_confirmation_without_memory_for_its_data_is_reset),
        TEST(a_report_is_due_at_its_bytes_and_not_before),
        TEST(streams_at_rest_do_no_work),
        TEST(entries_are_used_again),
        TEST(data_in_the_confirmation_ends_deferring_before_it_begins),
        TEST(without_memory_for_a_timer_nothing_is_deferred),
        TEST(two_listeners_defer_each_for_its_own_time),
        TEST(only_what_lies_whole_in_the_archive_is_sent_by_reference),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
