/* SPDX-License-Identifier: MIT */
/* sources: kernel/message/channel.c kernel/message/status.c tests/unit/world/fake_platform.c */
/* sources: tests/unit/world/fake_memory.c */
/*
 * Tests kernel/message/channel.c: both ends in one thread. test_channel_stress.c runs them on two
 * cores.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/message/channel.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "tests/unit/world/fake_platform.h"

#define RING_BYTES CHANNEL_RING_MIN_BYTES
#define LINE_COUNT (RING_BYTES / CHANNEL_LINE_BYTES)
#define TYPE       20

static _Alignas(PAGE_BYTES) uint8_t ring[RING_BYTES];
static uint32_t acknowledgement;
static struct channel_sender sender;
static struct channel_receiver receiver;

struct test_message {
    struct message_header header;
    uint8_t payload[MESSAGE_MAX_BYTES - sizeof(struct message_header)];
};

static void new_channel_at(uint32_t first_line)
{
    fake_platform_reset(0, 1);
    memset(ring, 0, sizeof(ring));
    channel_sender_initialise(&sender, ring, RING_BYTES, &acknowledgement, first_line);
    channel_receiver_initialise(&receiver, ring, RING_BYTES, &acknowledgement, first_line);
}

/* Bytes that depend on the number, so that every one of them is checked. */
static void fill(struct test_message *message, uint32_t number, size_t length_bytes)
{
    message->header = (struct message_header){.type = TYPE, .length_bytes = (uint16_t)length_bytes};
    for (size_t i = 0; i < length_bytes - sizeof(message->header); i++) {
        message->payload[i] = (uint8_t)(number * 31 + i * 7 + (i >> 8));
    }
}

static int send_number(uint32_t number, size_t length_bytes)
{
    struct test_message message;

    fill(&message, number, length_bytes);
    return channel_send(&sender, (const struct message *)&message);
}

/* The copy of the first line of what was received last. */
static struct channel_line line;
static const struct message_header *const received = (const struct message_header *)&line;

static const uint8_t *receive(void)
{
    return channel_receive(&receiver, &line);
}

static void receive_number(uint32_t number, size_t length_bytes)
{
    struct test_message expected;
    const uint8_t *place = receive();
    size_t copied_bytes = length_bytes < sizeof(line) ? length_bytes : sizeof(line);

    fill(&expected, number, length_bytes);
    assert_non_null(place);
    assert_int_equal(received->type, TYPE);
    assert_int_equal(received->length_bytes, length_bytes);
    assert_memory_equal(received + 1, expected.payload, copied_bytes - sizeof(*received));
    assert_memory_equal(place + sizeof(*received), expected.payload,
                        length_bytes - sizeof(*received));
    channel_release(&receiver);
}

static uint64_t bad_messages(void)
{
    return counter_read(0, COUNTER_DROP_BAD_MESSAGE);
}

static void new_channel_is_empty(void **state)
{
    (void)state;
    new_channel_at(0);
    assert_null(receive());
}

/* Zeroed lines are no messages, whatever line number the channel starts at. */
static void untouched_line_is_no_message_at_any_line_number(void **state)
{
    (void)state;
    static const uint32_t first_lines[] = {0, 1, UINT32_MAX, UINT32_MAX / 2, UINT32_MAX / 2 + 1};

    for (size_t i = 0; i < ARRAY_COUNT(first_lines); i++) {
        new_channel_at(first_lines[i]);
        assert_null(receive());
    }
}

static void message_arrives_with_type_length_and_payload(void **state)
{
    (void)state;
    new_channel_at(0);
    assert_int_equal(send_number(7, 100), 0);
    receive_number(7, 100);
    assert_null(receive());
}

static void every_length_arrives_whole(void **state)
{
    (void)state;
    new_channel_at(0);
    for (size_t length = sizeof(struct message_header); length <= MESSAGE_MAX_BYTES; length++) {
        assert_int_equal(send_number((uint32_t)length, length), 0);
        receive_number((uint32_t)length, length);
    }
}

static void impossible_length_is_our_own_mistake(void **state)
{
    (void)state;
    new_channel_at(0);
    expect_assert_failure(assert_null(channel_reserve(&sender, 7)));
    expect_assert_failure(assert_null(channel_reserve(&sender, MESSAGE_MAX_BYTES + 1)));
}

static void full_channel_refuses_and_keeps_order_at(uint32_t first_line)
{
    new_channel_at(first_line);
    for (uint32_t i = 0; i < LINE_COUNT; i++) {
        assert_int_equal(send_number(i, 64), 0);
    }
    assert_false(channel_make_room(&sender, 8));
    assert_int_equal(send_number(999, 64), -EAGAIN);
    assert_null(channel_reserve(&sender, 8));
    for (uint32_t i = 0; i < LINE_COUNT; i++) {
        receive_number(i, 64);
    }
    assert_null(receive());
    assert_int_equal(send_number(1000, 64), 0);
    receive_number(1000, 64);
    assert_int_equal(bad_messages(), 0);
}

static void full_channel_refuses_a_message_and_keeps_the_others_in_order(void **state)
{
    (void)state;
    full_channel_refuses_and_keeps_order_at(0);
    full_channel_refuses_and_keeps_order_at(17);
}

/* Also across the wrap of the line numbers, which start just below it. */
static void line_numbers_wrap_unnoticed(void **state)
{
    (void)state;
    full_channel_refuses_and_keeps_order_at(UINT32_MAX - 1);
    full_channel_refuses_and_keeps_order_at(UINT32_MAX - LINE_COUNT);

    new_channel_at(UINT32_MAX - 3 * LINE_COUNT);
    for (uint32_t i = 0; i < 8 * LINE_COUNT; i++) {
        size_t length = 8 + i * 37 % 600;

        assert_int_equal(send_number(i, length), 0);
        receive_number(i, length);
    }
    assert_int_equal(bad_messages(), 0);
}

static void message_does_not_wrap_around_the_ring(void **state)
{
    (void)state;
    new_channel_at(0);
    for (uint32_t i = 0; i < LINE_COUNT - 1; i++) {
        assert_int_equal(send_number(i, 8), 0);
        receive_number(i, 8);
    }
    assert_null(receive());
    /* One line is left before the end: two lines go to the start. */
    struct message *reserved = channel_reserve(&sender, 128);
    assert_ptr_equal(reserved, ring);
    struct test_message message;
    fill(&message, 5, 128);
    reserved->header.type = TYPE;
    reserved->header.length_bytes = 128;
    memcpy(reserved + 1, message.payload, 128 - sizeof(struct message_header));
    assert_null(receive());
    channel_publish(&sender);
    receive_number(5, 128);
    assert_int_equal(send_number(6, 64), 0);
    receive_number(6, 64);
}

/* The padding takes lines too: a message that fits only without it is refused whole. */
static void padding_counts_as_taken_lines(void **state)
{
    (void)state;
    new_channel_at(0);
    for (uint32_t i = 0; i < LINE_COUNT - 32; i++) {
        assert_int_equal(send_number(i, 64), 0);
    }
    for (uint32_t i = 0; i < LINE_COUNT - 32; i++) {
        receive_number(i, 64);
    }
    assert_null(receive());
    /* 32 lines before the end, all lines free: 33 lines of message take 65. */
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(send_number(i, MESSAGE_MAX_BYTES), 0);
    }
    /* 32 of padding and 3 * 64 are taken: 32 lines are left. */
    assert_true(channel_make_room(&sender, 32 * 64));
    assert_false(channel_make_room(&sender, 32 * 64 + 1));
    assert_int_equal(send_number(3, 32 * 64 + 1), -EAGAIN);
    assert_int_equal(send_number(3, 32 * 64), 0);
    assert_int_equal(send_number(4, 8), -EAGAIN);
    for (uint32_t i = 0; i < 3; i++) {
        receive_number(i, MESSAGE_MAX_BYTES);
    }
    receive_number(3, 32 * 64);
    assert_null(receive());
}

static void longest_messages_pass_from_every_line(void **state)
{
    (void)state;
    for (uint32_t first_line = 0; first_line < LINE_COUNT; first_line++) {
        new_channel_at(first_line);
        assert_int_equal(send_number(1, MESSAGE_MAX_BYTES), 0);
        assert_int_equal(send_number(2, MESSAGE_MAX_BYTES), 0);
        receive_number(1, MESSAGE_MAX_BYTES);
        receive_number(2, MESSAGE_MAX_BYTES);
        assert_null(receive());
    }
}

/* However the receiver's progress is told, a drained channel takes the longest message from any
 * line: otherwise a sender could wait for ever. */
static void drained_channel_has_room_for_the_longest_message(void **state)
{
    (void)state;
    new_channel_at(0);
    for (uint32_t i = 0; i < 5 * LINE_COUNT; i++) {
        assert_true(channel_make_room(&sender, MESSAGE_MAX_BYTES));
        assert_int_equal(send_number(i, 64), 0);
        receive_number(i, 64);
    }
}

static void progress_is_told_a_quarter_ring_at_a_time_and_when_drained(void **state)
{
    (void)state;
    new_channel_at(0);
    for (uint32_t i = 0; i < LINE_COUNT; i++) {
        assert_int_equal(send_number(i, 8), 0);
    }
    for (uint32_t i = 0; i < LINE_COUNT / 4 - 1; i++) {
        receive_number(i, 8);
        assert_int_equal(acknowledgement, 0);
    }
    receive_number(LINE_COUNT / 4 - 1, 8);
    assert_int_equal(acknowledgement, LINE_COUNT / 4);

    new_channel_at(0);
    assert_int_equal(send_number(0, 8), 0);
    receive_number(0, 8);
    assert_int_equal(acknowledgement, 0);
    assert_null(receive());
    assert_int_equal(acknowledgement, 1);
}

static void reserved_message_is_invisible_until_published(void **state)
{
    (void)state;
    new_channel_at(0);
    struct message *message = channel_reserve(&sender, 16);
    assert_non_null(message);
    message->header.type = TYPE;
    message->header.sequence = 0;
    memset(message + 1, 1, 8);
    assert_null(receive());
    /* Another reservation replaces the first. */
    message = channel_reserve(&sender, 24);
    message->header.type = TYPE + 1;
    message->header.length_bytes = 24;
    channel_publish(&sender);
    assert_non_null(receive());
    assert_int_equal(received->type, TYPE + 1);
    assert_int_equal(received->length_bytes, 24);
    channel_release(&receiver);
    assert_null(receive());
    expect_assert_failure(channel_publish(&sender));
}

/* Payload is any bytes at all: here each line of it looks like the header that will be expected in
 * that line a round later. */
static void payload_of_an_earlier_round_is_never_taken_for_a_header(void **state)
{
    (void)state;
    new_channel_at(UINT32_MAX - 2 * LINE_COUNT);
    for (unsigned i = 0; i < 40; i++) {
        struct test_message message;
        uint32_t first_line = sender.sent_lines;

        fill(&message, i, MESSAGE_MAX_BYTES);
        for (uint32_t i = 1; i < MESSAGE_MAX_BYTES / CHANNEL_LINE_BYTES; i++) {
            struct message_header evil = {
                .type = 99,
                .length_bytes = 16,
                .sequence = channel_sequence(first_line + i + LINE_COUNT),
            };
            memcpy((uint8_t *)&message + i * CHANNEL_LINE_BYTES, &evil, sizeof(evil));
        }
        assert_int_equal(channel_send(&sender, (const struct message *)&message), 0);
        assert_non_null(receive());
        channel_release(&receiver);
        assert_null(receive());
        /* Small messages then walk over the same lines. */
        for (uint32_t number = 0; number < LINE_COUNT; number++) {
            assert_int_equal(send_number(number, 8), 0);
            receive_number(number, 8);
            assert_null(receive());
        }
    }
    assert_int_equal(bad_messages(), 0);
}

/* A damaged sender: what it wrote is counted and skipped, and the next message is found. */
static void impossible_header_is_counted_and_skipped(void **state)
{
    (void)state;
    static const uint16_t lengths[] = {0, 7, MESSAGE_MAX_BYTES + 1, UINT16_MAX};

    new_channel_at(0);
    for (unsigned i = 0; i < ARRAY_COUNT(lengths); i++) {
        struct message *damaged = (struct message *)(ring + sender.sent_lines * 64);

        assert_int_equal(send_number(1, 8), 0);
        damaged->header.length_bytes = lengths[i];
        assert_int_equal(send_number(2, 64), 0);
        receive_number(2, 64);
        assert_int_equal(bad_messages(), i + 1);
    }
}

static void message_beyond_the_rings_end_is_impossible(void **state)
{
    (void)state;
    new_channel_at(LINE_COUNT - 1);
    assert_int_equal(send_number(1, 64), 0);
    ((struct message *)(ring + (LINE_COUNT - 1) * 64))->header.length_bytes = 65;
    assert_null(receive());
    assert_int_equal(bad_messages(), 1);
    assert_int_equal(send_number(2, 64), 0);
    receive_number(2, 64);
}

/* Every line a bad header: the receiver comes back. */
static void ring_full_of_nonsense_ends(void **state)
{
    (void)state;
    new_channel_at(0);
    for (uint32_t i = 0; i < LINE_COUNT; i++) {
        ((struct message *)(ring + i * 64))->header.sequence = channel_sequence(i);
    }
    assert_null(receive());
    assert_int_equal(bad_messages(), LINE_COUNT);
}

/* What is checked of a message stays true: the sender changes it after it has been received. */
static void received_line_is_the_receivers_own(void **state)
{
    (void)state;
    new_channel_at(0);
    assert_int_equal(send_number(1, 128), 0);
    assert_non_null(receive());
    memset(ring, 0xFF, sizeof(ring));
    assert_int_equal(received->type, TYPE);
    assert_int_equal(received->length_bytes, 128);
    channel_release(&receiver);
    assert_int_equal(receiver.read_lines, 2);
}

/* Also across the wrap of the line numbers. */
static void sender_gets_no_line_as_long_as_a_message_is_kept(void **state)
{
    struct test_message expected;

    (void)state;
    new_channel_at(UINT32_MAX - 1);
    assert_int_equal(send_number(1, 100), 0);
    const uint8_t *place = receive();
    assert_true(channel_keep(&receiver));
    channel_release(&receiver);
    for (uint32_t i = 0; i < LINE_COUNT - 2; i++) {
        assert_int_equal(send_number(i, 8), 0);
        assert_non_null(receive());
        if (i >= LINE_COUNT / 4) { /* so much is due already */
            assert_false(channel_keep(&receiver));
        }
        channel_release(&receiver);
    }
    assert_null(receive());
    assert_int_equal(send_number(2, 8), -EAGAIN);
    fill(&expected, 1, 100);
    assert_memory_equal(place + 8, expected.payload, 100 - 8);

    channel_end_keeping(&receiver);
    assert_int_equal(channel_unacknowledged_lines(&sender), 0);
    assert_int_equal(send_number(2, 8), 0);
    receive_number(2, 8);
}

static void only_what_is_being_read_can_be_kept(void **state)
{
    (void)state;
    new_channel_at(0);
    expect_assert_failure((void)channel_keep(&receiver));
    expect_assert_failure(channel_end_keeping(&receiver));
}

/* The receiver is damaged: progress it cannot have made frees nothing. */
static void impossible_acknowledgement_is_counted_and_not_believed(void **state)
{
    (void)state;
    new_channel_at(0);
    for (uint32_t i = 0; i < LINE_COUNT; i++) {
        assert_int_equal(send_number(i, 8), 0);
    }
    acknowledgement = LINE_COUNT + 1;
    assert_int_equal(send_number(0, 8), -EAGAIN);
    acknowledgement = UINT32_MAX;
    assert_int_equal(send_number(0, 8), -EAGAIN);
    acknowledgement = 10;
    assert_true(channel_make_room(&sender, 640));
    assert_false(channel_make_room(&sender, 641));
    assert_int_equal(counter_read(0, COUNTER_DROP_BAD_ACKNOWLEDGEMENT), 2);
    acknowledgement = 9; /* backwards */
    assert_true(channel_make_room(&sender, 640));
    assert_false(channel_make_room(&sender, 641));
    assert_int_equal(counter_read(0, COUNTER_DROP_BAD_ACKNOWLEDGEMENT), 3);
}

static void ring_of_a_wrong_size_is_our_own_mistake(void **state)
{
    (void)state;
    new_channel_at(0);
    expect_assert_failure(
        channel_sender_initialise(&sender, ring, 3 * RING_BYTES / 2, &acknowledgement, 0));
    expect_assert_failure(
        channel_receiver_initialise(&receiver, ring, RING_BYTES / 2, &acknowledgement, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_channel_is_empty),
        cmocka_unit_test(untouched_line_is_no_message_at_any_line_number),
        cmocka_unit_test(message_arrives_with_type_length_and_payload),
        cmocka_unit_test(every_length_arrives_whole),
        cmocka_unit_test(impossible_length_is_our_own_mistake),
        cmocka_unit_test(full_channel_refuses_a_message_and_keeps_the_others_in_order),
        cmocka_unit_test(line_numbers_wrap_unnoticed),
        cmocka_unit_test(message_does_not_wrap_around_the_ring),
        cmocka_unit_test(padding_counts_as_taken_lines),
        cmocka_unit_test(longest_messages_pass_from_every_line),
        cmocka_unit_test(drained_channel_has_room_for_the_longest_message),
        cmocka_unit_test(progress_is_told_a_quarter_ring_at_a_time_and_when_drained),
        cmocka_unit_test(reserved_message_is_invisible_until_published),
        cmocka_unit_test(payload_of_an_earlier_round_is_never_taken_for_a_header),
        cmocka_unit_test(impossible_header_is_counted_and_skipped),
        cmocka_unit_test(message_beyond_the_rings_end_is_impossible),
        cmocka_unit_test(ring_full_of_nonsense_ends),
        cmocka_unit_test(received_line_is_the_receivers_own),
        cmocka_unit_test(sender_gets_no_line_as_long_as_a_message_is_kept),
        cmocka_unit_test(only_what_is_being_read_can_be_kept),
        cmocka_unit_test(impossible_acknowledgement_is_counted_and_not_believed),
        cmocka_unit_test(ring_of_a_wrong_size_is_our_own_mistake),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
