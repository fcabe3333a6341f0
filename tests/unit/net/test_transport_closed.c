/* SPDX-License-Identifier: MIT */
/* sources: net/transport/closed.c net/messages.c */
/* sources: kernel/log.c kernel/message/dispatch.c kernel/message/peers.c kernel/message/send.c kernel/message/receive.c kernel/message/poll.c kernel/message/opening.c kernel/message/watch.c kernel/message/channel.c kernel/message/status.c */
/* sources: libc/core/timer.c kernel/thread/thread.c kernel/thread/switch.S */
/* sources: tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
/*
 * Tests net/transport/closed.c: node 0 is a TS, nodes 1 and 2 are CMs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/message/dispatch.h"
#include "kernel/message/peers.h"
#include "net/closed.h"
#include "net/transport/closed.h"
#include "tests/unit/world/fake_platform.h"

#define CM       1
#define OTHER_CM 2

static struct acceptor acceptor_of(node_id_t cm)
{
    return (struct acceptor){.node = 3, .listener_index = 5, .cm = cm, .assigned_by = OTHER_CM};
}

static void report(node_id_t cm, unsigned count)
{
    static uint16_t port;
    const struct acceptor acceptor = acceptor_of(cm);

    for (unsigned i = 0; i < count; i++) {
        port++;
        closed_report(&acceptor, port, 16u * port);
    }
}

static void expect_closed(node_id_t cm, unsigned count)
{
    const struct connection_closed *message = fake_expect_message(cm, CONNECTION_CLOSED);

    assert_int_equal(message->header.length_bytes, sizeof(*message));
    for (unsigned i = 0; i < CLOSED_MAX; i++) {
        const struct closed_connection *closed = &message->closed[i];

        assert_int_equal(closed->port != 0, i < count);
        if (i < count) {
            assert_int_equal(closed->node, 3);
            assert_int_equal(closed->listener_index, 5);
            assert_int_equal(closed->assigned_by, OTHER_CM);
            assert_int_equal(closed_connection_service_ns(closed), 16u * closed->port);
        }
    }
}

static int start(void **state)
{
    (void)state;
    fake_platform_reset(0, 4);
    dispatch_initialise();
    closed_initialise();
    return 0;
}

static void a_full_line_is_sent_and_the_rest_before_the_sleep(void **state)
{
    (void)state;
    report(CM, CLOSED_MAX - 1);
    fake_expect_no_message(CM);
    report(CM, 1);
    expect_closed(CM, CLOSED_MAX);
    fake_expect_no_message(CM);
    report(CM, CLOSED_MAX + 2);
    expect_closed(CM, CLOSED_MAX);
    fake_expect_no_message(CM);
    closed_send_all();
    expect_closed(CM, 2);
    closed_send_all();
    fake_expect_no_message(CM);
}

static void managers_are_told_apart(void **state)
{
    (void)state;
    report(CM, 1);
    report(OTHER_CM, CLOSED_MAX - 1);
    report(CM, CLOSED_MAX - 2);
    fake_expect_no_message(CM);
    fake_expect_no_message(OTHER_CM);
    closed_send_all();
    expect_closed(CM, CLOSED_MAX - 1);
    expect_closed(OTHER_CM, CLOSED_MAX - 1);
}

/* A channel that is full for now costs time, and loses none. */
static void a_full_channel_loses_none(void **state)
{
    unsigned left = 10000 / CLOSED_MAX;

    (void)state;
    report(CM, 10000);
    while (left != 0) {
        const struct message *message = fake_take_message(CM);

        if (message == NULL) {
            assert_int_not_equal(dispatch_round(), 0); /* what has waited goes out now */
        } else {
            assert_int_equal(message->header.type, CONNECTION_CLOSED);
            left--;
        }
    }
    fake_expect_no_message(CM);
}

static void what_a_dead_manager_was_to_be_told_is_told_to_nobody(void **state)
{
    (void)state;
    report(CM, 3);
    report(OTHER_CM, 1);
    closed_forget_manager(CM);
    closed_forget_manager(3); /* had none */
    closed_send_all();
    fake_expect_no_message(CM);
    expect_closed(OTHER_CM, 1);
    report(CM, CLOSED_MAX); /* another incarnation's */
    expect_closed(CM, CLOSED_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_line_is_sent_and_the_rest_before_the_sleep),
        cmocka_unit_test(managers_are_told_apart),
        cmocka_unit_test(a_full_channel_loses_none),
        cmocka_unit_test(what_a_dead_manager_was_to_be_told_is_told_to_nobody),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
