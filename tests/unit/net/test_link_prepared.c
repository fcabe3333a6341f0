/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/ls_world.c tests/unit/world/prepared_nic.c */
/* sources: tests/unit/world/kept_log.c tests/unit/world/fake_return.c */
/*
 * Tests net/link/device.c, steer.c and attach.c over a card whose queues are prepared, on the link
 * server that drives it: the others are asked for theirs before it runs, what they report is given
 * to it, and then they are told to use it. Each test goes on where the one before it stopped.
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
#include "kernel/thread/thread.h"
#include "net/counters.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/fake_return.h"
#include "tests/unit/world/kept_log.h"
#include "tests/unit/world/ls_world.h"
#include "tests/unit/world/prepared_nic.h"

#define SELF     0
#define SECOND   1
#define THIRD    2
#define NO_LS    3
#define PATIENCE (3 * NS_PER_S) /* a little more than it has */

static void rounds(unsigned count)
{
    while (count-- > 0) {
        (void)dispatch_round();
    }
}

static int start(void **state)
{
    (void)state;
    prepared_nic_reset();
    kept_log_clear();
    start_link_server_on(SELF, "pika=TS3LS3CM3 app=httpd:1");
    rounds(10);
    return 0;
}

static uint64_t bad_messages(void)
{
    return counter_read(SELF, COUNTER_DROP_BAD_MESSAGE);
}

/* --- The other link servers --- */

static void say(node_id_t from, unsigned queue_index, unsigned step, uint32_t error_number,
                node_id_t ring_of)
{
    struct nic_queue_report report = prepared_nic_report(ring_of);
    struct queue_attached message = {
        .header = {.type = QUEUE_ATTACHED, .length_bytes = sizeof(message)},
        .queue_index = (uint16_t)queue_index,
        .step = (uint16_t)step,
        .error_number = error_number,
    };

    memcpy(message.report, &report, sizeof(report));
    fake_deliver(from, &message.header);
    rounds(10);
}

static void prepare(node_id_t node)
{
    say(node, node, QUEUE_STEP_PREPARE, 0, node);
}

static void use(node_id_t node)
{
    say(node, node, QUEUE_STEP_USE, 0, node);
}

/* The next order to it. */
static void expect_order(node_id_t node, enum queue_step step)
{
    const struct message *message;
    const struct attach_queue *order;
    struct nic_queue_key key, its_key = prepared_nic_key(node);

    do {
        message = fake_take_message(node);
        assert_non_null(message);
    } while (message->header.type != ATTACH_QUEUE);
    order = (const struct attach_queue *)message;
    memcpy(&key, order->key, sizeof(key));
    assert_memory_equal(&key, &its_key, sizeof(key));
    assert_int_equal(order->step, step);
}

static void expect_no_order(node_id_t node)
{
    const struct message *message;

    while ((message = fake_take_message(node)) != NULL) {
        assert_int_not_equal(message->header.type, ATTACH_QUEUE);
    }
}

static void look_at_nodes(void)
{
    fake_send_attention();
    dispatch_sleep();
    rounds(10);
}

static void serve_again(node_id_t node)
{
    const struct serves_again message = {
        .header = {.type = SERVES_AGAIN, .length_bytes = sizeof(message)}, .role = ROLE_TS};

    fake_deliver(node, &message.header);
    rounds(10);
}

static void die_and_return(node_id_t node)
{
    fake_advance_ns(NS_PER_S);
    fake_set_node_state(node, NODE_DEAD);
    look_at_nodes();
    fake_build_again(node);
    look_at_nodes();
    serve_again(node);
}

static unsigned usable_queues(void)
{
    return (unsigned)last_ready.queues.words[0];
}

/* --- The first start --- */

static void the_card_does_not_run_before_the_others_have_been_asked(void **state)
{
    (void)state;
    expect_order(SECOND, QUEUE_STEP_PREPARE);
    expect_order(THIRD, QUEUE_STEP_PREPARE);
    expect_no_order(NO_LS);
    assert_true(prepared_nic_seen.is_started);
    assert_false(prepared_nic_seen.is_enabled);
    assert_int_equal(ready_count, 0);
}

static void reports_that_cannot_be_are_counted_and_ignored(void **state)
{
    uint64_t before = bad_messages();

    (void)state;
    say(NO_LS, NO_LS, QUEUE_STEP_PREPARE, 0, NO_LS);
    say(NO_LS, SECOND, QUEUE_STEP_PREPARE, 0, NO_LS);
    say(SECOND, THIRD, QUEUE_STEP_PREPARE, 0, THIRD);
    say(SECOND, SELF, QUEUE_STEP_PREPARE, 0, SECOND);
    say(SECOND, UINT16_MAX, QUEUE_STEP_PREPARE, 0, SECOND);
    say(SECOND, SECOND, QUEUE_STEP_PREPARE + 1, 0, SECOND);
    say(SECOND, SECOND, UINT16_MAX, 0, SECOND);
    say(SECOND, SECOND, QUEUE_STEP_USE, 0, SECOND); /* it has not even prepared it */
    assert_int_equal(bad_messages(), before + 8);
    assert_int_equal(prepared_nic_seen.give_counts[SECOND], 0);
    assert_int_equal(prepared_nic_seen.give_counts[THIRD], 0);
    assert_false(prepared_nic_seen.is_enabled);
}

/* Nobody has asked for that yet: a card that does not run must not be told to steer there. */
static void a_queue_is_used_only_when_the_card_runs(void **state)
{
    uint64_t before = bad_messages();

    (void)state;
    prepare(SECOND);
    assert_int_equal(prepared_nic_seen.give_counts[SECOND], 1);
    use(SECOND);
    assert_int_equal(bad_messages(), before + 1);
    assert_int_equal(prepared_nic_seen.steer_count, 0);
    prepare(SECOND); /* once is enough */
    assert_int_equal(bad_messages(), before + 2);
    assert_int_equal(prepared_nic_seen.give_counts[SECOND], 1);
}

static void a_report_of_another_nodes_memory_leaves_its_node_without(void **state)
{
    uint64_t before = bad_messages();

    (void)state;
    say(THIRD, THIRD, QUEUE_STEP_PREPARE, 0, SECOND);
    assert_int_equal(bad_messages(), before + 1);
    assert_true(is_logged("node2 reports a queue that cannot be"));
    assert_int_equal(prepared_nic_seen.give_counts[THIRD], 0);
    /* Nobody else is waited for. */
    assert_true(prepared_nic_seen.is_enabled);
    assert_int_equal(ready_count, 1);
    assert_int_equal(usable_queues(), 1 << SELF | 1 << SECOND);
    expect_order(SECOND, QUEUE_STEP_USE);
    expect_no_order(THIRD);
}

static void groups_are_steered_to_who_uses_its_queue(void **state)
{
    (void)state;
    assert_int_equal(prepared_nic_groups_of(SELF), prepared_nic_seen.group_count);
    use(SECOND);
    assert_int_not_equal(prepared_nic_groups_of(SECOND), 0);
    assert_int_equal(prepared_nic_groups_of(THIRD), 0);
    assert_int_equal(prepared_nic_seen.others, SELF);
    assert_false(is_logged("too late"));
}

/* --- Later --- */

static void one_that_returns_is_asked_again_and_given_to_the_card_that_runs(void **state)
{
    (void)state;
    prepared_nic_setting.takes_late = true;
    die_and_return(SECOND);
    assert_int_equal(prepared_nic_groups_of(SECOND), 0);
    assert_int_equal(usable_queues(), 1 << SELF);
    expect_order(SECOND, QUEUE_STEP_PREPARE);
    prepare(SECOND);
    assert_int_equal(prepared_nic_seen.give_counts[SECOND], 2);
    expect_order(SECOND, QUEUE_STEP_USE);
    assert_int_equal(prepared_nic_groups_of(SECOND), 0);
    use(SECOND);
    assert_int_not_equal(prepared_nic_groups_of(SECOND), 0);
    assert_int_equal(usable_queues(), 1 << SELF | 1 << SECOND);
}

static void what_the_card_does_not_take_is_missing(void **state)
{
    (void)state;
    prepared_nic_setting.give_error = -ETIMEDOUT;
    die_and_return(SECOND);
    expect_order(SECOND, QUEUE_STEP_PREPARE);
    prepare(SECOND);
    expect_no_order(SECOND);
    assert_int_equal(usable_queues(), 1 << SELF);
    assert_int_equal(prepared_nic_seen.start_count, 1);
    prepared_nic_setting.give_error = 0;
}

/* Whatever number it gives for its reason. */
static void who_refuses_stays_without_until_it_returns(void **state)
{
    static const uint32_t reasons[] = {ENOMEM, ENOTSUP, EINVAL, INT32_MAX, 1u << 31, UINT32_MAX};
    uint64_t before = bad_messages();

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(reasons); i++) {
        die_and_return(SECOND);
        expect_order(SECOND, QUEUE_STEP_PREPARE);
        say(SECOND, SECOND, QUEUE_STEP_PREPARE, reasons[i], SECOND);
        expect_no_order(SECOND);
        assert_int_equal(usable_queues(), 1 << SELF);
    }
    assert_int_equal(prepared_nic_seen.give_counts[SECOND], 2);
    assert_int_equal(prepared_nic_seen.start_count, 1);
    assert_int_equal(bad_messages(), before);
}

static void who_refuses_to_use_it_gets_no_flows(void **state)
{
    (void)state;
    die_and_return(SECOND);
    expect_order(SECOND, QUEUE_STEP_PREPARE);
    prepare(SECOND);
    expect_order(SECOND, QUEUE_STEP_USE);
    say(SECOND, SECOND, QUEUE_STEP_USE, EINVAL, SECOND);
    assert_int_equal(prepared_nic_groups_of(SECOND), 0);
    assert_int_equal(usable_queues(), 1 << SELF);
}

/* --- Started anew --- */

/* One that takes none while it runs, for who has come back: all are asked once more, and one that
 * does not answer is not waited for longer than that. */
static void the_card_is_started_anew_for_who_returns_and_waits_for_nobody_for_ever(void **state)
{
    (void)state;
    prepared_nic_setting.takes_late = false;
    die_and_return(THIRD);
    expect_order(THIRD, QUEUE_STEP_PREPARE);
    expect_no_order(SECOND);
    prepare(THIRD);
    assert_true(is_logged("is started anew"));
    assert_int_equal(prepared_nic_seen.stop_count, 1);
    assert_int_equal(prepared_nic_seen.start_count, 2);
    expect_order(SECOND, QUEUE_STEP_PREPARE);
    expect_order(THIRD, QUEUE_STEP_PREPARE);
    prepare(THIRD);
    assert_false(prepared_nic_seen.is_enabled);
    assert_false(is_logged("has not prepared its queue"));
    fake_advance_ns(PATIENCE);
    rounds(10);
    assert_true(is_logged("node1 has not prepared its queue: the NIC starts without"));
    assert_true(prepared_nic_seen.is_enabled);
    assert_int_equal(usable_queues(), 1 << SELF | 1 << THIRD);
    expect_order(THIRD, QUEUE_STEP_USE);
    use(THIRD);
    assert_int_not_equal(prepared_nic_groups_of(THIRD), 0);
}

/* It has not come back, so the others' frames are not stopped for it. */
static void who_is_late_stays_without(void **state)
{
    (void)state;
    prepare(SECOND);
    assert_true(is_logged("queue 1 came too late"));
    assert_int_equal(prepared_nic_seen.start_count, 2);
    assert_int_equal(usable_queues(), 1 << SELF | 1 << THIRD);
    expect_no_order(SECOND);
}

static void who_dies_while_it_is_waited_for_is_waited_for_no_longer(void **state)
{
    (void)state;
    die_and_return(SECOND);
    prepare(SECOND);
    assert_int_equal(prepared_nic_seen.start_count, 3);
    prepare(SECOND);
    assert_false(prepared_nic_seen.is_enabled);
    fake_set_node_state(THIRD, NODE_DEAD);
    look_at_nodes();
    assert_true(prepared_nic_seen.is_enabled);
    assert_false(is_logged("node2 has not prepared its queue"));
    assert_int_equal(usable_queues(), 1 << SELF | 1 << SECOND);
    use(SECOND);
    assert_int_not_equal(prepared_nic_groups_of(SECOND), 0);
}

/* The third one, whose queue the card has got. */
static void die_and_return_meanwhile(void)
{
    unsigned before = prepared_nic_seen.stop_other_count;

    prepared_nic_setting.in_enable = NULL;
    fake_set_node_state(THIRD, NODE_DEAD);
    while (prepared_nic_seen.stop_other_count == before) {
        fake_advance_ns(NS_PER_MS);
        thread_yield();
    }
    fake_build_again(THIRD);
    for (unsigned i = 0; i < 100; i++) {
        fake_advance_ns(NS_PER_MS);
        thread_yield();
    }
}

/* Then what it reported is gone: it is asked for another one. */
static void who_dies_and_returns_while_the_card_starts_to_run_prepares_again(void **state)
{
    unsigned before;

    (void)state;
    fake_build_again(THIRD);
    look_at_nodes();
    prepare(THIRD);
    assert_int_equal(prepared_nic_seen.start_count, 4);
    before = prepared_nic_seen.stop_other_count;
    prepared_nic_setting.in_enable = die_and_return_meanwhile;
    prepare(SECOND);
    prepare(THIRD);
    for (unsigned i = 0; i < 300; i++) {
        rounds(1);
    }
    assert_int_equal(prepared_nic_seen.stop_other_count, before + 1);
    assert_true(prepared_nic_seen.is_enabled);
    expect_order(THIRD, QUEUE_STEP_PREPARE);
    expect_no_order(THIRD);
}

/* A card that cannot be kept from a dead node's memory otherwise is off then. */
static void a_card_that_is_lost_while_it_waits_is_started_once_more(void **state)
{
    unsigned start_count = prepared_nic_seen.start_count + 1;

    (void)state;
    prepare(THIRD);
    assert_int_equal(prepared_nic_seen.start_count, start_count);
    assert_false(prepared_nic_seen.is_enabled);
    kept_log_clear();
    prepared_nic_setting.stop_other_result = -ENODEV;
    fake_set_node_state(THIRD, NODE_DEAD);
    look_at_nodes();
    assert_int_equal(prepared_nic_seen.start_count, start_count + 1);
    assert_false(is_logged("does not start"));
    prepare(SECOND);
    assert_true(prepared_nic_seen.is_enabled);
    assert_int_equal(usable_queues(), 1 << SELF | 1 << SECOND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_card_does_not_run_before_the_others_have_been_asked),
        cmocka_unit_test(reports_that_cannot_be_are_counted_and_ignored),
        cmocka_unit_test(a_queue_is_used_only_when_the_card_runs),
        cmocka_unit_test(a_report_of_another_nodes_memory_leaves_its_node_without),
        cmocka_unit_test(groups_are_steered_to_who_uses_its_queue),
        cmocka_unit_test(one_that_returns_is_asked_again_and_given_to_the_card_that_runs),
        cmocka_unit_test(what_the_card_does_not_take_is_missing),
        cmocka_unit_test(who_refuses_stays_without_until_it_returns),
        cmocka_unit_test(who_refuses_to_use_it_gets_no_flows),
        cmocka_unit_test(the_card_is_started_anew_for_who_returns_and_waits_for_nobody_for_ever),
        cmocka_unit_test(who_is_late_stays_without),
        cmocka_unit_test(who_dies_while_it_is_waited_for_is_waited_for_no_longer),
        cmocka_unit_test(who_dies_and_returns_while_the_card_starts_to_run_prepares_again),
        cmocka_unit_test(a_card_that_is_lost_while_it_waits_is_started_once_more),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
