/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/ls_world.c tests/unit/world/prepared_nic.c */
/* sources: tests/unit/world/kept_log.c tests/unit/world/fake_return.c */
/*
 * Tests net/link/attach.c and device.c over a card whose queues are prepared, on the second of
 * three link servers: it prepares its queue when it is asked to, uses it when it is told to, and
 * starts the card anew when the first one has died. Each test goes on where the one before it
 * stopped.
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
#include "kernel/thread/thread.h"
#include "net/counters.h"
#include "net/link/server.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/fake_return.h"
#include "tests/unit/world/kept_log.h"
#include "tests/unit/world/ls_world.h"
#include "tests/unit/world/prepared_nic.h"

#define FIRST 0
#define SELF  1
#define THIRD 2

static int start(void **state)
{
    (void)state;
    prepared_nic_reset();
    kept_log_clear();
    start_link_server_on(SELF, "pika=TS3LS3CM3 app=httpd:1");
    settle();
    return 0;
}

static void ask(node_id_t from, struct nic_queue_key key, uint32_t step)
{
    struct attach_queue message = {
        .header = {.type = ATTACH_QUEUE, .length_bytes = sizeof(message)}, .step = step};

    memcpy(message.key, &key, sizeof(key));
    fake_deliver(from, &message.header);
    settle();
}

static void expect_answer(uint16_t step, uint32_t error_number)
{
    const struct queue_attached *answer = fake_expect_message(FIRST, QUEUE_ATTACHED);
    struct nic_queue_report report = prepared_nic_report(SELF);

    assert_int_equal(answer->queue_index, SELF);
    assert_int_equal(answer->step, step);
    assert_int_equal(answer->error_number, error_number);
    if (step == QUEUE_STEP_PREPARE && error_number == 0) {
        assert_memory_equal(answer->report, &report, sizeof(report));
    }
}

static uint64_t bad_messages(void)
{
    return counter_read(SELF, COUNTER_DROP_BAD_MESSAGE);
}

static bool has_hand_on_the_card(void)
{
    return status_word(SELF, STATUS_WORD_DEVICE) != 0;
}

/* --- Its queue --- */

static void orders_that_cannot_be_are_counted_and_not_answered(void **state)
{
    uint64_t before = bad_messages();
    struct nic_queue_key unknown = prepared_nic_key(SELF);

    (void)state;
    ask(THIRD, prepared_nic_key(SELF), QUEUE_STEP_PREPARE); /* it drives nothing */
    ask(FIRST, prepared_nic_key(THIRD), QUEUE_STEP_PREPARE);
    ask(FIRST, prepared_nic_key(UINT16_MAX), QUEUE_STEP_PREPARE);
    ask(FIRST, prepared_nic_key(SELF), QUEUE_STEP_PREPARE + 1);
    ask(FIRST, prepared_nic_key(SELF), UINT32_MAX);
    unknown.driver_number = 7;
    ask(FIRST, unknown, QUEUE_STEP_PREPARE);
    assert_int_equal(bad_messages(), before + 6);
    fake_expect_no_message(FIRST);
    fake_expect_no_message(THIRD);
    assert_int_equal(prepared_nic_seen.prepare_count, 0);
    assert_false(has_hand_on_the_card());
}

static void a_queue_that_is_not_prepared_cannot_be_used(void **state)
{
    uint64_t before = bad_messages();
    struct nic_queue_key made_up = prepared_nic_key(SELF);

    (void)state;
    ask(FIRST, prepared_nic_key(SELF), QUEUE_STEP_USE);
    expect_answer(QUEUE_STEP_USE, EINVAL);
    made_up.words[0]++;
    ask(FIRST, made_up, QUEUE_STEP_PREPARE);
    expect_answer(QUEUE_STEP_PREPARE, EINVAL);
    assert_true(is_logged("queue 1 cannot be prepared"));
    assert_int_equal(bad_messages(), before + 2);
    prepared_nic_setting.prepare_error = -ENOMEM;
    ask(FIRST, prepared_nic_key(SELF), QUEUE_STEP_PREPARE);
    expect_answer(QUEUE_STEP_PREPARE, ENOMEM);
    prepared_nic_setting.prepare_error = 0;
    ask(FIRST, prepared_nic_key(SELF), QUEUE_STEP_USE);
    expect_answer(QUEUE_STEP_USE, EINVAL);
    assert_int_equal(prepared_nic_seen.run_count, 0);
    assert_false(has_hand_on_the_card());
}

static void it_is_prepared_and_then_used_when_that_is_said(void **state)
{
    struct frame_to_send frame = {
        .fragments = {{"0123456789abcdef", 16}}, .fragment_count = 1, .length_bytes = 16};

    (void)state;
    ask(FIRST, prepared_nic_key(SELF), QUEUE_STEP_PREPARE);
    expect_answer(QUEUE_STEP_PREPARE, 0);
    assert_true(has_hand_on_the_card());
    assert_int_equal(prepared_nic_seen.run_count, 0);
    assert_int_equal(link_server_transmit(&frame), -ENODEV);
    ask(FIRST, prepared_nic_key(SELF), QUEUE_STEP_USE);
    expect_answer(QUEUE_STEP_USE, 0);
    assert_int_equal(prepared_nic_seen.run_count, 1);
    assert_int_equal(link_server_transmit(&frame), -EAGAIN);
}

/* One that has been stopped, for its device lies, is not to go on. */
static void who_is_told_twice_leaves_it_as_it_is(void **state)
{
    (void)state;
    ask(FIRST, prepared_nic_key(SELF), QUEUE_STEP_USE);
    expect_answer(QUEUE_STEP_USE, 0);
    assert_int_equal(prepared_nic_seen.run_count, 1);
}

/* The card has been started anew, by the same node. */
static void it_is_prepared_again_and_is_the_same(void **state)
{
    (void)state;
    ask(FIRST, prepared_nic_key(SELF), QUEUE_STEP_PREPARE);
    expect_answer(QUEUE_STEP_PREPARE, 0);
    assert_int_equal(prepared_nic_seen.run_count, 1);
    ask(FIRST, prepared_nic_key(SELF), QUEUE_STEP_USE);
    expect_answer(QUEUE_STEP_USE, 0);
    assert_int_equal(prepared_nic_seen.prepare_count, 2);
    assert_int_equal(prepared_nic_seen.run_count, 2);
}

/* A node has one queue. */
static void a_key_to_a_queue_of_another_driver_is_refused(void **state)
{
    uint64_t before = bad_messages();

    (void)state;
    ask(FIRST, prepared_nic_other_key(SELF), QUEUE_STEP_USE);
    ask(FIRST, prepared_nic_other_key(SELF), QUEUE_STEP_PREPARE);
    assert_int_equal(bad_messages(), before + 2);
    fake_expect_no_message(FIRST);
}

/* --- The first link server dies --- */

static void rounds(unsigned count)
{
    while (count-- > 0) {
        (void)dispatch_round();
    }
}

static void look_at_nodes(void)
{
    fake_send_attention();
    dispatch_sleep();
    rounds(5);
}

static void report(node_id_t node, uint16_t step)
{
    struct nic_queue_report of_node = prepared_nic_report(node);
    struct queue_attached message = {
        .header = {.type = QUEUE_ATTACHED, .length_bytes = sizeof(message)},
        .queue_index = node,
        .step = step,
    };

    memcpy(message.report, &of_node, sizeof(of_node));
    fake_deliver(node, &message.header);
    rounds(5);
}

static void expect_order(node_id_t node, enum queue_step step)
{
    const struct message *message;

    while ((message = fake_take_message(node)) != NULL) {
        if (message->header.type == ATTACH_QUEUE) {
            assert_int_equal(((const struct attach_queue *)message)->step, step);
            return;
        }
    }
    fail_msg("node%u is not asked", node);
}

/* The third one has a hand on the card, until it knows, too. */
static void the_card_is_left_alone_until_all_others_have_let_go_of_it(void **state)
{
    (void)state;
    fake_status_page(THIRD)->words[STATUS_WORD_DEVICE] = 1;
    prepared_nic_setting.stop_other_result = -ENODEV;
    fake_set_node_state(FIRST, NODE_DEAD);
    look_at_nodes();
    assert_int_equal(prepared_nic_seen.stop_other_count, 1);
    assert_true(has_hand_on_the_card()); /* anew, as the one that drives it */
    fake_advance_ns(NS_PER_S);
    rounds(5);
    assert_int_equal(prepared_nic_seen.quieten_count, 0);
    assert_int_equal(prepared_nic_seen.start_count, 0);
}

/* While the card resets the first one comes back, and dies once more: what it had a hand on has
 * been switched off again. */
static void die_again(void)
{
    unsigned before = prepared_nic_seen.stop_other_count;

    prepared_nic_setting.in_start = NULL;
    fake_build_again(FIRST);
    for (unsigned i = 0; i < 100; i++) {
        fake_advance_ns(NS_PER_MS);
        thread_yield();
    }
    fake_set_node_state(FIRST, NODE_DEAD);
    while (prepared_nic_seen.stop_other_count == before) {
        fake_advance_ns(NS_PER_MS);
        thread_yield();
    }
    prepared_nic_setting.stop_other_result = 0;
}

static void a_card_that_is_lost_while_it_starts_is_started_once_more(void **state)
{
    (void)state;
    prepared_nic_setting.in_start = die_again;
    fake_status_page(THIRD)->words[STATUS_WORD_DEVICE] = 0;
    for (unsigned i = 0; i < 1000 && prepared_nic_seen.start_count < 2; i++) {
        rounds(1);
        fake_advance_ns(5 * NS_PER_MS);
    }
    rounds(5);
    assert_int_equal(prepared_nic_seen.quieten_count, 1);
    assert_int_equal(prepared_nic_seen.start_count, 2);
    assert_int_equal(prepared_nic_seen.stop_count, 1);
    assert_true(prepared_nic_seen.is_started);
}

static void who_starts_it_anew_asks_for_queues_as_the_first_one_did(void **state)
{
    (void)state;
    expect_order(THIRD, QUEUE_STEP_PREPARE); /* at either start */
    expect_order(THIRD, QUEUE_STEP_PREPARE);
    assert_false(prepared_nic_seen.is_enabled);
    report(THIRD, QUEUE_STEP_PREPARE);
    assert_true(prepared_nic_seen.is_enabled);
    assert_int_equal(prepared_nic_seen.give_counts[THIRD], 1);
    expect_order(THIRD, QUEUE_STEP_USE);
    assert_int_equal(prepared_nic_groups_of(THIRD), 0);
    report(THIRD, QUEUE_STEP_USE);
    assert_true(prepared_nic_groups_of(THIRD) > 0);
    assert_int_equal(prepared_nic_groups_of(FIRST), 0);
    assert_true(is_logged("3 queues"));
}

/* Orders are no longer for it. */
static void who_drives_the_card_takes_no_orders(void **state)
{
    uint64_t before = bad_messages();

    (void)state;
    ask(THIRD, prepared_nic_key(SELF), QUEUE_STEP_PREPARE);
    assert_int_equal(bad_messages(), before + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orders_that_cannot_be_are_counted_and_not_answered),
        cmocka_unit_test(a_queue_that_is_not_prepared_cannot_be_used),
        cmocka_unit_test(it_is_prepared_and_then_used_when_that_is_said),
        cmocka_unit_test(who_is_told_twice_leaves_it_as_it_is),
        cmocka_unit_test(it_is_prepared_again_and_is_the_same),
        cmocka_unit_test(a_key_to_a_queue_of_another_driver_is_refused),
        cmocka_unit_test(the_card_is_left_alone_until_all_others_have_let_go_of_it),
        cmocka_unit_test(a_card_that_is_lost_while_it_starts_is_started_once_more),
        cmocka_unit_test(who_starts_it_anew_asks_for_queues_as_the_first_one_did),
        cmocka_unit_test(who_drives_the_card_takes_no_orders),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
