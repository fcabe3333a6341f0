/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/dispatch_world.c */
/*
 * Tests kernel/message/dispatch.c: messages to and from a node.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "tests/unit/world/dispatch_world.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/send_copy.h"

static void round_without_work_finds_none(void **state)
{
    (void)state;
    assert_int_equal(dispatch_round(), 0);
}

static void message_reaches_the_handler_of_its_type(void **state)
{
    (void)state;
    deliver_number(2, 77);
    assert_int_equal(dispatch_round(), 1);
    assert_int_equal(handled_count, 1);
    assert_int_equal(handled[0].from, 2);
    assert_int_equal(handled[0].number, 77);
    assert_int_equal(dispatch_round(), 0);
}

static char own_payload[8];
static size_t own_payload_bytes;

static void note_payload(node_id_t from, const struct message *message,
                         struct message_payload payload)
{
    note_message(from, message);
    assert_true(payload.length_bytes <= sizeof(own_payload));
    memcpy(own_payload, payload.bytes, payload.length_bytes);
    own_payload_bytes = payload.length_bytes;
}

static void messages_without_handler_or_of_a_wrong_length_are_counted(void **state)
{
    (void)state;
    struct number message = number_message(1);

    message.header.type = OTHER_TYPE;
    fake_deliver(0, &message.header);
    message.header.type = MESSAGE_TYPE_MAX;
    fake_deliver(0, &message.header);
    message.header.type = UINT16_MAX;
    fake_deliver(0, &message.header);
    message.header.type = TYPE;
    message.header.length_bytes = sizeof(message) - 1;
    fake_deliver(0, &message.header);
    fake_deliver_payload(0, &message.header, sizeof(message), "longer", 1);
    (void)dispatch_round();
    assert_int_equal(handled_count, 0);
    assert_int_equal(counter_read(NODE, COUNTER_DROP_BAD_MESSAGE), 5);
}

static void messages_of_other_than_the_given_senders_are_counted(void **state)
{
    struct number message = number_message(1);

    (void)state;
    dispatch_limit_senders(TYPE, (struct node_set){{1ull << 2 | 1ull << NODE}});
    fake_deliver(0, &message.header);
    (void)dispatch_round();
    assert_int_equal(handled_count, 0);
    assert_int_equal(counter_read(NODE, COUNTER_DROP_BAD_MESSAGE), 1);
    fake_deliver(2, &message.header);
    (void)dispatch_round();
    assert_int_equal(handled_count, 1);
    assert_int_equal(send_copy(NODE, &message.header), 0);
    (void)dispatch_round();
    assert_int_equal(handled_count, 2);
    assert_int_equal(counter_read(NODE, COUNTER_DROP_BAD_MESSAGE), 1);
}

/* With a payload, only one that is too short for the fixed part. */
static void payload_reaches_its_handler_apart_from_the_fixed_part(void **state)
{
    struct number message = number_message(5);

    (void)state;
    message.header.type = OTHER_TYPE;
    dispatch_register_payload_message(OTHER_TYPE, sizeof(struct number), note_payload);
    message.header.length_bytes = sizeof(message) - 1;
    fake_deliver(0, &message.header);
    (void)dispatch_round();
    assert_int_equal(handled_count, 0);
    assert_int_equal(counter_read(NODE, COUNTER_DROP_BAD_MESSAGE), 1);

    fake_deliver_payload(0, &message.header, sizeof(message), "", 0);
    (void)dispatch_round();
    assert_int_equal(handled[0].number, 5);
    assert_int_equal(own_payload_bytes, 0);
    fake_deliver_payload(0, &message.header, sizeof(message), "payload", 8);
    (void)dispatch_round();
    assert_int_equal(own_payload_bytes, 8);
    assert_string_equal(own_payload, "payload");
}

/* One that sends without end does not keep the others waiting. */
static void busy_sender_gets_a_bounded_batch_a_round(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        deliver_number(0, i);
    }
    deliver_number(3, 1000);
    (void)dispatch_round();
    assert_true(handled_count < 100);
    assert_int_equal(handled[handled_count - 1].from, 3);
    while (dispatch_round() != 0) {
    }
    assert_int_equal(handled_count, 101);
}

static void sent_message_travels_by_channel(void **state)
{
    (void)state;
    assert_int_equal(send_number(2, 5), 0);
    expect_number(2, 5);
    fake_expect_no_message(2);
    fake_expect_no_message(0);
    assert_int_equal(counter_read(NODE, COUNTER_CHANNEL_SENT), 1);
}

static void payload_is_put_behind_the_header(void **state)
{
    (void)state;
    struct number message = number_message(5);

    assert_int_equal(send_copy_with(2, &message.header, sizeof(message), "abc", 4), 0);
    const struct number *sent = fake_expect_message(2, TYPE);
    assert_int_equal(sent->header.length_bytes, sizeof(message) + 4);
    assert_int_equal(sent->number, 5);
    assert_string_equal((const char *)(sent + 1), "abc");
}

static void nothing_is_sent_to_nodes_that_do_not_exist_or_are_dead(void **state)
{
    (void)state;
    assert_int_equal(send_number(4, 1), -ENODEV);
    assert_int_equal(send_number(NODE_NONE, 1), -ENODEV);
    assert_false(message_ask_for_room(4, 8));
    fake_on_sleep(kill_node_2);
    dispatch_sleep();
    assert_int_equal(send_number(2, 1), -ENODEV);
    post_number(2, 1);
    fake_expect_no_message(2);
}

static void full_channel_refuses_and_takes_again_later(void **state)
{
    (void)state;
    unsigned count = fill_channel(2);

    assert_true(count > 0);
    assert_int_equal(send_number(2, 1), -EAGAIN);
    assert_false(message_ask_for_room(2, sizeof(struct number)));
    assert_true(counter_read(NODE, COUNTER_CHANNEL_FULL) > 0);
    assert_int_equal(send_number(3, 1), 0);
    for (unsigned i = 0; i < count; i++) {
        expect_number(2, i);
    }
    fake_expect_no_message(2);
    assert_true(message_ask_for_room(2, sizeof(struct number)));
    assert_int_equal(send_number(2, 1), 0);
}

/* Also a message that could have gone directly does not overtake one that waits. */
static void posted_messages_wait_for_room_and_keep_their_order(void **state)
{
    (void)state;
    unsigned count = fill_channel(2);

    for (unsigned i = 0; i < 1000; i++) {
        post_number(2, count + i);
    }
    for (unsigned i = 0; i < count + 1000; i++) {
        const struct number *message = (const struct number *)fake_take_message(2);

        if (message == NULL) {
            assert_int_equal(send_number(2, 12345), -EAGAIN);
            assert_false(message_ask_for_room(2, 8));
            assert_int_not_equal(dispatch_round(), 0);
            message = (const struct number *)fake_take_message(2);
        }
        assert_non_null(message);
        assert_int_equal(message->number, i);
    }
    fake_expect_no_message(2);
    assert_int_equal(send_number(2, 1), 0);
    expect_number(2, 1);
}

static void sleeping_node_is_rung_once_a_round(void **state)
{
    (void)state;
    fake_status_page(2)->sleep = 1;
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(send_number(2, i), 0);
        assert_int_equal(send_number(3, i), 0);
    }
    assert_int_equal(fake_doorbells(2), 0);
    (void)dispatch_round();
    assert_int_equal(fake_doorbells(2), 1);
    assert_int_equal(fake_doorbells(3), 0);
    (void)dispatch_round();
    assert_int_equal(fake_doorbells(2), 1);
    assert_int_equal(counter_read(NODE, COUNTER_DOORBELLS), 1);
}

static void deliver_a_quarter_ring(node_id_t from)
{
    for (unsigned i = 0; i < CHANNEL_RING_MIN_BYTES / CHANNEL_LINE_BYTES / 4; i++) {
        deliver_number(from, i);
    }
    (void)dispatch_round();
    (void)dispatch_round();
}

/* It looked for itself every 50 us before. */
static void sender_that_sleeps_for_room_is_rung_when_there_is_some(void **state)
{
    (void)state;
    deliver_number(2, 0); /* and its channel is there */
    (void)dispatch_round();
    fake_status_page(2)->sleep = NODE_SLEEPS_FOR_ROOM;
    deliver_number(2, 1);
    (void)dispatch_round();
    assert_int_equal(fake_doorbells(2), 0);
    deliver_a_quarter_ring(2);
    assert_int_equal(fake_doorbells(2), 1);
    deliver_a_quarter_ring(2);
    assert_int_equal(fake_doorbells(2), 2);
    /* One that sleeps for something else has no use for it. */
    fake_status_page(2)->sleep = NODE_SLEEPS;
    deliver_a_quarter_ring(2);
    fake_status_page(3)->sleep = NODE_SLEEPS_FOR_ROOM;
    assert_int_equal(fake_doorbells(2), 2);
    assert_int_equal(fake_doorbells(3), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(round_without_work_finds_none, start_dispatcher,
                                        finish_dispatcher),
        cmocka_unit_test_setup_teardown(message_reaches_the_handler_of_its_type, start_dispatcher,
                                        finish_dispatcher),
        cmocka_unit_test_setup_teardown(messages_without_handler_or_of_a_wrong_length_are_counted,
                                        start_dispatcher, finish_dispatcher),
        cmocka_unit_test_setup_teardown(messages_of_other_than_the_given_senders_are_counted,
                                        start_dispatcher, finish_dispatcher),
        cmocka_unit_test_setup_teardown(payload_reaches_its_handler_apart_from_the_fixed_part,
                                        start_dispatcher, finish_dispatcher),
        cmocka_unit_test_setup_teardown(busy_sender_gets_a_bounded_batch_a_round, start_dispatcher,
                                        finish_dispatcher),
        cmocka_unit_test_setup_teardown(sent_message_travels_by_channel, start_dispatcher,
                                        finish_dispatcher),
        cmocka_unit_test_setup_teardown(payload_is_put_behind_the_header, start_dispatcher,
                                        finish_dispatcher),
        cmocka_unit_test_setup_teardown(nothing_is_sent_to_nodes_that_do_not_exist_or_are_dead,
                                        start_dispatcher, finish_dispatcher),
        cmocka_unit_test_setup_teardown(full_channel_refuses_and_takes_again_later,
                                        start_dispatcher, finish_dispatcher),
        cmocka_unit_test_setup_teardown(posted_messages_wait_for_room_and_keep_their_order,
                                        start_dispatcher, finish_dispatcher),
        cmocka_unit_test_setup_teardown(sleeping_node_is_rung_once_a_round, start_dispatcher,
                                        finish_dispatcher),
        cmocka_unit_test_setup_teardown(sender_that_sleeps_for_room_is_rung_when_there_is_some,
                                        start_dispatcher, finish_dispatcher),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
