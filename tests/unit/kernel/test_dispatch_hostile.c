/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/dispatch_world.c tests/unit/world/hostile_page.c */
/*
 * Tests kernel/message/receive.c and channel.c: a sender that changes a message while it is
 * handled.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/message/channel.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "tests/unit/world/dispatch_world.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/hostile_page.h"

#define SENDER        2
#define PAYLOAD_BYTES 200

static struct number *line; /* where the message lies */
static unsigned change_count;
static uint16_t lengths[2];

/* One time this message, the next time that one. */
static void change_message(void)
{
    change_count++;
    line->number = change_count;
    line->header.type = change_count % 2 == 0 ? TYPE : OTHER_TYPE;
    line->header.length_bytes = lengths[change_count % 2];
}

static void note_if_it_stays(node_id_t from, const struct message *message)
{
    const volatile struct number *number = (const volatile struct number *)message;
    uint32_t first = number->number;

    assert_int_equal(message->header.length_bytes, sizeof(struct number));
    assert_int_equal(number->number, first);
    note_message(from, message);
    assert_int_equal(number->number, first);
}

static void note_if_payload_fits(node_id_t from, const struct message *message,
                                 struct message_payload payload)
{
    uint8_t copy[PAYLOAD_BYTES];

    /* Whatever was believed, its bytes are the message's. */
    assert_int_equal(payload.length_bytes, message->header.length_bytes - sizeof(struct number));
    assert_true(payload.length_bytes == PAYLOAD_BYTES || payload.length_bytes == 0);
    memcpy(copy, payload.bytes, payload.length_bytes);
    note_message(from, message);
}

static int start_with_both_types(void **state)
{
    (void)start_dispatcher(state);
    change_count = 0;
    dispatch_register_message(OTHER_TYPE, sizeof(struct number), note_if_it_stays);
    dispatch_register_payload_message(OTHER_TYPE + 1, sizeof(struct number), note_if_payload_fits);
    return 0;
}

/* Begins with either content, so that each of the node's reads meets both. */
static void handle_while_it_changes(uint16_t type, unsigned skipped_changes)
{
    uint8_t payload[PAYLOAD_BYTES] = {0};
    struct number message = number_message(0);
    size_t ring_bytes;
    uint8_t *ring = fake_ring(SENDER, &ring_bytes);
    uint8_t *end = ring + ring_bytes;

    message.header.type = type;
    message.number = 0xA5A5A5A5;
    fake_deliver_payload(SENDER, &message.header, sizeof(message), payload,
                         type == OTHER_TYPE ? 0 : sizeof(payload));
    for (line = (struct number *)ring; line->number != message.number;
         line += CHANNEL_LINE_BYTES / sizeof(*line)) {
        assert_true((uint8_t *)line < end);
    }
    change_count = skipped_changes;
    hostile_page_start(ring, ring_bytes, change_message);
    (void)dispatch_round();
    assert_true(hostile_page_stop() > 0);
    line->number = 0;
}

/* The handler was given another number at each look, and a length that was not what was checked. */
static void what_a_handler_is_given_does_not_change(void **state)
{
    (void)state;
    lengths[0] = lengths[1] = sizeof(struct number);
    for (unsigned i = 0; i < 40; i++) {
        handle_while_it_changes(OTHER_TYPE, i);
    }
    assert_int_equal(handled_count, 40);
    assert_int_equal(counter_read(NODE, COUNTER_DROP_BAD_MESSAGE), 0);
}

/* Of two lengths one is right: the message is taken or refused, and the next one is found where the
 * length that was believed ends. */
static void length_that_changes_is_believed_or_refused_once(void **state)
{
    (void)state;
    lengths[0] = sizeof(struct number);
    lengths[1] = UINT16_MAX;
    for (unsigned i = 0; i < 40; i++) {
        handle_while_it_changes(OTHER_TYPE, i);
    }
    assert_int_equal(handled_count + counter_read(NODE, COUNTER_DROP_BAD_MESSAGE), 40);
    assert_true(handled_count > 0 && handled_count < 40);
    handled_count = 0;
    deliver_number(SENDER, 7);
    (void)dispatch_round();
    assert_int_equal(handled_count, 1);
    assert_int_equal(handled[0].number, 7);
}

static void change_length(void)
{
    line->header.length_bytes = lengths[change_count++ % 2];
}

/* The bytes that a handler copies are those of the length that it was told. */
static void payload_is_as_long_as_was_checked(void **state)
{
    uint8_t payload[PAYLOAD_BYTES] = {0};
    struct number message = number_message(0xA5A5A5A5);
    size_t ring_bytes;
    uint8_t *ring = fake_ring(SENDER, &ring_bytes);
    size_t first_line = channel_first_line(SENDER, NODE) % (ring_bytes / CHANNEL_LINE_BYTES);

    (void)state;
    lengths[0] = sizeof(struct number) + PAYLOAD_BYTES;
    lengths[1] = sizeof(struct number);
    message.header.type = OTHER_TYPE + 1;
    fake_deliver_payload(SENDER, &message.header, sizeof(message), payload, sizeof(payload));
    line = (struct number *)(ring + first_line * CHANNEL_LINE_BYTES);
    hostile_page_start(ring, ring_bytes, change_length);
    (void)dispatch_round();
    (void)hostile_page_stop();
    assert_int_equal(handled_count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_a_handler_is_given_does_not_change,
                                        start_with_both_types, finish_dispatcher),
        cmocka_unit_test_setup_teardown(length_that_changes_is_believed_or_refused_once,
                                        start_with_both_types, finish_dispatcher),
        cmocka_unit_test_setup_teardown(payload_is_as_long_as_was_checked, start_with_both_types,
                                        finish_dispatcher),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
