/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/dispatch_world.c */
/*
 * Tests kernel/message/send.c and receive.c: messages from a node to itself, and messages built in
 * place.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/message/dispatch.h"
#include "kernel/message/peers.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "kernel/thread/thread.h"
#include "libc/core/timer.h"
#include "tests/unit/world/dispatch_world.h"
#include "tests/unit/world/fake_memory.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/send_copy.h"

static unsigned done_count;

static void note_done(void *context)
{
    assert_ptr_equal(context, &done_count);
    done_count++;
}

/* What the last message with a payload came with. */
static struct message_payload last_payload;
static uint8_t payload_copy[MESSAGE_MAX_BYTES];
static unsigned done_before_handler;

static void note_payload(node_id_t from, const struct message *message,
                         struct message_payload payload)
{
    note_message(from, message);
    memcpy(payload_copy, payload.bytes, payload.length_bytes);
    last_payload = payload;
    done_before_handler = done_count;
}

static int start(void **state)
{
    (void)start_dispatcher(state);
    dispatch_register_payload_message(OTHER_TYPE, sizeof(struct number), note_payload);
    done_count = 0;
    memset(&last_payload, 0, sizeof(last_payload));
    return 0;
}

static int send_lent(node_id_t to, uint32_t number, const void *bytes, size_t length_bytes)
{
    const struct message_loan loan = {bytes, length_bytes, note_done, &done_count};
    struct number *message = message_reserve_loan(to, OTHER_TYPE, sizeof(*message), &loan);

    if (message == NULL) {
        return message_refusal(to);
    }
    message->number = number;
    message_publish();
    return 0;
}

/* --- When they are handled --- */

static void own_message_is_handled_later_and_never_inside_the_send(void **state)
{
    (void)state;
    assert_int_equal(send_number(NODE, 9), 0);
    post_number(NODE, 10);
    assert_int_equal(handled_count, 0);
    assert_int_not_equal(dispatch_round(), 0);
    assert_int_equal(handled_count, 2);
    assert_int_equal(handled[0].from, NODE);
    assert_int_equal(handled[0].number, 9);
    assert_int_equal(handled[1].number, 10);
    assert_int_equal(dispatch_round(), 0);
}

static unsigned handled_at_flush;

static unsigned send_in_poll(void *context)
{
    bool *has_sent = context;

    if (!*has_sent) {
        *has_sent = true;
        assert_int_equal(send_number(NODE, 1), 0);
    }
    return 0;
}

static void send_in_timer(struct timer *timer)
{
    (void)timer;
    assert_int_equal(send_number(NODE, 2), 0);
}

static unsigned handled_at_thread;

static void send_in_thread(void *argument)
{
    (void)argument;
    handled_at_thread = handled_count;
    post_number(NODE, 3);
}

static void look_at_flush(void *context)
{
    (void)context;
    handled_at_flush = handled_count;
}

static void send_from_handler(node_id_t from, const struct message *message,
                              struct message_payload payload)
{
    (void)from;
    (void)message;
    (void)payload;
    assert_int_equal(send_number(NODE, 0), 0);
}

static int start_plain(void **state)
{
    (void)start_dispatcher(state);
    return 0;
}

/* A channel's, a source's, a timer's and a thread's; in that order, and before the flush. */
static void own_messages_are_handled_in_the_round_that_sent_them(void **state)
{
    static bool has_sent;
    static struct dispatch_source source = {
        .poll = send_in_poll, .flush = look_at_flush, .context = &has_sent};
    static struct timer timer;
    struct number message = number_message(0);

    (void)state;
    dispatch_register_source(&source);
    dispatch_register_payload_message(OTHER_TYPE, sizeof(struct number), send_from_handler);
    timer_initialise(&timer, send_in_timer);
    assert_int_equal(timer_start(&timer, 1), 0);
    assert_non_null(thread_create("sender", send_in_thread, NULL));
    message.header.type = OTHER_TYPE;
    fake_deliver(2, &message.header);
    fake_advance_ns(NS_PER_S);
    handled_at_flush = 0;
    (void)dispatch_round();
    assert_int_equal(handled_at_thread, 2); /* the channel's and the source's */
    assert_int_equal(handled_at_flush, 4);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(handled[i].number, i);
    }
}

/* --- How they look --- */

static void every_byte_that_is_not_filled_in_is_zero(void **state)
{
    (void)state;
    for (unsigned time = 0; time < 2; time++) {
        for (node_id_t to = NODE; to <= 2; to++) {
            uint8_t *message = message_reserve(to, TYPE, CHANNEL_LINE_BYTES);

            for (size_t i = sizeof(struct message); i < CHANNEL_LINE_BYTES; i++) {
                assert_int_equal(message[i], 0);
            }
            memset(message + sizeof(struct message), 0xA5,
                   CHANNEL_LINE_BYTES - sizeof(struct message));
            message_publish();
        }
        (void)dispatch_round();
    }
}

static void payload_of_an_own_message_lies_behind_its_fixed_part(void **state)
{
    struct number message = number_message(5);

    (void)state;
    message.header.type = OTHER_TYPE;
    assert_int_equal(send_copy_with(NODE, &message.header, sizeof(message), "payload", 8), 0);
    (void)dispatch_round();
    assert_int_equal(handled[0].length_bytes, sizeof(message) + 8);
    assert_int_equal(handled[0].number, 5);
    assert_string_equal((const char *)payload_copy, "payload");
}

static void lent_payload_is_not_copied_on_its_way_to_this_node(void **state)
{
    static const char bytes[] = "lent";

    (void)state;
    assert_int_equal(send_lent(NODE, 6, bytes, sizeof(bytes)), 0);
    assert_int_equal(send_lent(NODE, 7, "", 0), 0);
    assert_int_equal(send_number(NODE, 8), 0);
    assert_int_equal(done_count, 0);
    (void)dispatch_round();
    assert_int_equal(handled[0].number, 6);
    assert_int_equal(handled[0].length_bytes, sizeof(struct number) + sizeof(bytes));
    assert_int_equal(handled[1].length_bytes, sizeof(struct number));
    assert_int_equal(handled[2].number, 8);
    assert_int_equal(done_count, 2);
    assert_int_equal(done_before_handler, 1);
    assert_int_equal(send_lent(NODE, 6, bytes, sizeof(bytes)), 0);
    (void)dispatch_round();
    assert_ptr_equal(last_payload.bytes, bytes);
    assert_int_equal(last_payload.length_bytes, sizeof(bytes));
}

static void lent_payload_is_copied_once_into_a_channel_and_given_back(void **state)
{
    char bytes[] = "lent";

    (void)state;
    assert_int_equal(send_lent(2, 6, bytes, sizeof(bytes)), 0);
    assert_int_equal(done_count, 1);
    memset(bytes, 0, sizeof(bytes));
    assert_int_equal(send_number(2, 7), 0);
    assert_int_equal(done_count, 1);
    const struct number *message = fake_expect_message(2, OTHER_TYPE);
    assert_int_equal(message->number, 6);
    assert_string_equal((const char *)(message + 1), "lent");
    expect_number(2, 7);
}

/* Of a type that nobody handles: there are too many to note. */
static void fill_own_ring(void)
{
    while (message_reserve(NODE, OTHER_TYPE + 1, sizeof(struct number)) != NULL) {
        message_publish();
    }
}

static void what_is_refused_is_not_lent(void **state)
{
    (void)state;
    (void)fill_channel(2);
    assert_int_equal(send_lent(2, 1, "abc", 4), -EAGAIN);
    assert_int_equal(send_lent(4, 1, "abc", 4), -ENODEV);
    fill_own_ring();
    assert_int_equal(send_lent(NODE, 1, "abc", 4), -EAGAIN);
    assert_int_equal(done_count, 0);
}

static struct message_loan kept;
static bool was_kept, was_kept_again;

static void keep_loan(node_id_t from, const struct message *message, struct message_payload payload)
{
    struct message_loan again;

    note_payload(from, message, payload);
    was_kept = message_keep_loan(message, &kept);
    was_kept_again = message_keep_loan(message, &again) && again.done != NULL;
}

static void handler_may_keep_what_is_lent_and_gives_it_back_itself(void **state)
{
    static const char bytes[] = "kept";

    (void)state;
    dispatch_initialise();
    dispatch_register_payload_message(OTHER_TYPE, sizeof(struct number), keep_loan);
    assert_int_equal(send_lent(NODE, 1, bytes, sizeof(bytes)), 0);
    (void)dispatch_round();
    assert_true(was_kept);
    assert_false(was_kept_again);
    assert_int_equal(done_count, 0);
    assert_ptr_equal(kept.bytes, bytes);
    assert_int_equal(kept.length_bytes, sizeof(bytes));
    kept.done(kept.context);
    assert_int_equal(done_count, 1);
}

static void handler_cannot_keep_a_payload_that_was_copied(void **state)
{
    struct number message = number_message(1);

    (void)state;
    dispatch_initialise();
    dispatch_register_payload_message(OTHER_TYPE, sizeof(struct number), keep_loan);
    message.header.type = OTHER_TYPE;
    was_kept = true;
    fake_deliver_payload(2, &message.header, sizeof(message), "abc", 4);
    (void)dispatch_round();
    assert_int_equal(handled_count, 1);
    assert_false(was_kept);
    /* No other node can say that its message is a loan. */
    message.header.type = OTHER_TYPE | OWN_IS_LENT;
    fake_deliver_payload(2, &message.header, sizeof(message), "abc", 4);
    (void)dispatch_round();
    assert_int_equal(handled_count, 1);
    assert_int_equal(counter_read(NODE, COUNTER_DROP_BAD_MESSAGE), 1);
}

/* A wrong length, or no handler: the payload comes back all the same. */
static void refused_own_messages_are_counted_and_give_back_what_was_lent(void **state)
{
    const struct message_loan loan = {"abc", 4, note_done, &done_count};

    (void)state;
    assert_non_null(message_reserve_loan(NODE, OTHER_TYPE, sizeof(struct message), &loan));
    message_publish();
    assert_non_null(message_reserve_loan(NODE, OTHER_TYPE + 1, sizeof(struct number), &loan));
    message_publish();
    assert_non_null(message_reserve(NODE, TYPE, sizeof(struct message)));
    message_publish();
    assert_int_equal(send_number(NODE, 1), 0);
    (void)dispatch_round();
    assert_int_equal(counter_read(NODE, COUNTER_DROP_BAD_MESSAGE), 3);
    assert_int_equal(done_count, 2);
    assert_int_equal(handled_count, 1);
}

static void senders_are_limited_among_other_nodes_alone(void **state)
{
    (void)state;
    dispatch_limit_senders(TYPE, (struct node_set){{0}});
    assert_int_equal(send_number(NODE, 1), 0);
    (void)dispatch_round();
    assert_int_equal(handled_count, 1);
    assert_int_equal(counter_read(NODE, COUNTER_DROP_BAD_MESSAGE), 0);
}

/* --- A full ring --- */

static unsigned next_number, next_expected;

static void expect_next_number(node_id_t from, const struct message *message,
                               struct message_payload payload)
{
    (void)payload;
    assert_int_equal(from, NODE);
    assert_int_equal(((const struct number *)message)->number, next_expected);
    next_expected++;
}

static int start_counting(void **state)
{
    (void)start_dispatcher(state);
    dispatch_register_payload_message(OTHER_TYPE, sizeof(struct number), expect_next_number);
    next_number = next_expected = 0;
    return 0;
}

static int send_next(void)
{
    struct number message = number_message(next_number);

    message.header.type = OTHER_TYPE;
    int error = send_copy(NODE, &message.header);

    next_number += error == 0;
    return error;
}

static void post_next(void)
{
    struct number message = number_message(next_number++);

    message.header.type = OTHER_TYPE;
    post_copy(NODE, &message.header);
}

static void full_own_ring_refuses_and_takes_again_when_it_has_been_handled(void **state)
{
    (void)state;
    for (unsigned time = 0; time < 2; time++) {
        unsigned first = next_number;

        assert_true(message_ask_for_room(NODE, MESSAGE_MAX_BYTES));
        while (message_ask_for_room(NODE, sizeof(struct number))) { /* to the last one */
            assert_int_equal(send_next(), 0);
        }
        assert_int_equal(send_next(), -EAGAIN);
        assert_int_equal(send_next(), -EAGAIN);
        assert_int_equal(counter_read(NODE, COUNTER_CHANNEL_FULL), 2 * (time + 1));
        assert_int_equal(next_expected, first);
        assert_int_not_equal(dispatch_round(), 0);
        assert_int_equal(next_expected, next_number);
    }
}

/* Also one that there would be room for does not overtake one that waits. */
static void posted_own_messages_wait_for_room_and_keep_their_order(void **state)
{
    unsigned blocks = fake_memory_blocks();

    (void)state;
    while (send_next() == 0) {
    }
    for (unsigned i = 0; i < 1000; i++) {
        post_next();
        assert_int_equal(send_next(), -EAGAIN);
        assert_false(message_ask_for_room(NODE, 8));
    }
    assert_true(fake_memory_blocks() > blocks);
    assert_int_not_equal(dispatch_round(), 0);
    assert_int_equal(next_expected, next_number);
    assert_int_equal(fake_memory_blocks(), blocks);
    assert_int_equal(send_next(), 0);
    assert_int_not_equal(dispatch_round(), 0);
    assert_int_equal(next_expected, next_number);
    assert_int_equal(counter_read(NODE, COUNTER_NODES_GIVEN_UP), 0);
}

/* --- Bounds --- */

static unsigned endless_count;
static bool is_endless;

static void send_another(node_id_t from, const struct message *message)
{
    struct message_header next = {.type = OTHER_TYPE, .length_bytes = sizeof(next)};

    (void)from;
    (void)message;
    endless_count++;
    if (is_endless) {
        post_copy(NODE, &next);
        (void)send_copy(NODE, &next);
    }
}

static void handlers_that_send_without_end_are_bounded_in_a_round(void **state)
{
    struct message_header first = {.type = OTHER_TYPE, .length_bytes = sizeof(first)};
    unsigned last_count = 0;

    (void)state;
    dispatch_register_message(OTHER_TYPE, sizeof(struct message_header), send_another);
    endless_count = 0;
    is_endless = true;
    assert_int_equal(send_copy(NODE, &first), 0);
    for (unsigned i = 0; i < 3; i++) {
        deliver_number(2, i);
        assert_int_not_equal(dispatch_round(), 0);
        assert_int_equal(handled_count, i + 1); /* others have their turn */
        assert_true(endless_count > last_count);
        last_count = endless_count;
    }
    is_endless = false;
    while (peers_is_own_waiting()) {
        assert_int_not_equal(dispatch_round(), 0);
    }
    assert_int_equal(dispatch_round(), 0);
}

static void
without_memory_own_messages_wait_in_the_reserve_and_others_are_given_up_first(void **state)
{
    (void)state;
    (void)fill_channel(2);
    while (send_next() == 0) {
    }
    fake_fail_allocations_after(0);
    for (unsigned i = 0; i < 12; i++) {
        post_number(2, i);
    }
    for (unsigned i = 0; i < 500; i++) {
        post_next();
    }
    assert_int_equal(counter_read(NODE, COUNTER_NODES_GIVEN_UP), 0);
    post_next();
    assert_int_equal(counter_read(NODE, COUNTER_NODES_GIVEN_UP), 1);
    assert_int_equal(send_number(2, 1), -ENODEV);
    for (unsigned i = 0; i < 11; i++) {
        post_next();
    }
    expect_assert_failure(post_next());
    next_number--;
    fake_fail_allocations_after(-1);
    (void)dispatch_round();
    assert_int_equal(next_expected, next_number);
}

/* --- Sleep --- */

static unsigned sleeps_left;

static bool send_before_sleep(void *context)
{
    (void)context;
    if (sleeps_left != 0) {
        sleeps_left--;
        assert_int_equal(send_number(NODE, 1), 0);
    }
    return false;
}

static unsigned sleep_count;

static void count_sleep(void)
{
    sleep_count++;
}

static void node_does_not_sleep_while_a_message_to_it_waits(void **state)
{
    static struct dispatch_source source = {.prepare_sleep = send_before_sleep};

    (void)state;
    sleep_count = 0;
    fake_on_sleep(count_sleep);
    dispatch_register_source(&source);
    sleeps_left = 1;
    dispatch_sleep();
    assert_int_equal(sleep_count, 0);
    assert_int_not_equal(dispatch_round(), 0);
    assert_int_equal(handled_count, 1);
    fill_own_ring();
    post_number(NODE, 3);
    dispatch_sleep();
    assert_int_equal(sleep_count, 0);
    while (dispatch_round() != 0) {
    }
    dispatch_sleep();
    assert_int_equal(sleep_count, 1);
}

/* --- One at a time --- */

static void reserve_two(node_id_t first, node_id_t second)
{
    assert_non_null(message_reserve(first, TYPE, sizeof(struct number)));
    expect_assert_failure((void)message_reserve_posted(second, TYPE, sizeof(struct number)));
    message_publish();
    expect_assert_failure(message_publish());
}

static void two_messages_under_construction_are_a_fault(void **state)
{
    (void)state;
    reserve_two(NODE, NODE);
    reserve_two(NODE, 2);
    reserve_two(2, NODE);
    reserve_two(2, 3);
    (void)fill_channel(3);
    assert_non_null(message_reserve_posted(3, TYPE, sizeof(struct number)));
    expect_assert_failure((void)message_reserve_posted(2, TYPE, sizeof(struct number)));
    message_publish();
}

static void round_with_a_message_under_construction_is_a_fault(void **state)
{
    (void)state;
    assert_non_null(message_reserve(NODE, TYPE, sizeof(struct number)));
    expect_assert_failure((void)dispatch_round());
    message_publish();
}

static void a_type_that_there_is_not_cannot_be_sent(void **state)
{
    volatile uint16_t type = MESSAGE_TYPE_MAX;

    (void)state;
    expect_assert_failure((void)message_reserve_posted(NODE, type, sizeof(struct number)));
    expect_assert_failure(message_publish());
}

#define TEST(name, set_up) cmocka_unit_test_setup_teardown(name, set_up, finish_dispatcher)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(own_message_is_handled_later_and_never_inside_the_send, start),
        TEST(own_messages_are_handled_in_the_round_that_sent_them, start_plain),
        TEST(every_byte_that_is_not_filled_in_is_zero, start_plain),
        TEST(payload_of_an_own_message_lies_behind_its_fixed_part, start),
        TEST(lent_payload_is_not_copied_on_its_way_to_this_node, start),
        TEST(lent_payload_is_copied_once_into_a_channel_and_given_back, start),
        TEST(what_is_refused_is_not_lent, start),
        TEST(handler_may_keep_what_is_lent_and_gives_it_back_itself, start),
        TEST(handler_cannot_keep_a_payload_that_was_copied, start),
        TEST(refused_own_messages_are_counted_and_give_back_what_was_lent, start),
        TEST(senders_are_limited_among_other_nodes_alone, start),
        TEST(full_own_ring_refuses_and_takes_again_when_it_has_been_handled, start_counting),
        TEST(posted_own_messages_wait_for_room_and_keep_their_order, start_counting),
        TEST(handlers_that_send_without_end_are_bounded_in_a_round, start_plain),
        TEST(without_memory_own_messages_wait_in_the_reserve_and_others_are_given_up_first,
             start_counting),
        TEST(node_does_not_sleep_while_a_message_to_it_waits, start_plain),
        TEST(two_messages_under_construction_are_a_fault, start_plain),
        TEST(round_with_a_message_under_construction_is_a_fault, start_plain),
        TEST(a_type_that_there_is_not_cannot_be_sent, start_plain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
