/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/ls_world.c tests/unit/world/prepared_nic.c */
/* sources: tests/unit/world/kept_log.c */
/*
 * Tests net/link/attach.c over a card whose queues are prepared: the node that drove it is dead,
 * and a third one never lets go of it. Each test goes on where the one before it stopped.
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
#include "net/counters.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/kept_log.h"
#include "tests/unit/world/ls_world.h"
#include "tests/unit/world/prepared_nic.h"

#define FIRST    0
#define SELF     1
#define THIRD    2
#define PATIENCE (10 * NS_PER_S)

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

static int start(void **state)
{
    (void)state;
    prepared_nic_reset();
    kept_log_clear();
    start_link_server_on(SELF, "pika=TS3LS3CM3 app=httpd:1");
    settle();
    return 0;
}

/* As long as that may go on with the card as it is. */
static void who_has_no_queue_leaves_the_card_to_another_that_has_one(void **state)
{
    (void)state;
    fake_status_page(THIRD)->words[STATUS_WORD_DEVICE] = 1;
    fake_set_node_state(FIRST, NODE_DEAD);
    look_at_nodes();
    fake_advance_ns(PATIENCE - NS_PER_S);
    look_at_nodes();
    assert_int_equal(prepared_nic_seen.quieten_count, 0);
    assert_int_equal(prepared_nic_seen.start_count, 0);
    assert_false(is_logged("nobody drives the NIC any more"));
}

static void nobody_is_waited_for_for_ever(void **state)
{
    (void)state;
    fake_advance_ns(2 * NS_PER_S);
    rounds(5);
    assert_true(is_logged("nobody drives the NIC any more: its steering stays as it is"));
    assert_int_equal(prepared_nic_seen.quieten_count, 0);
    assert_int_equal(prepared_nic_seen.start_count, 0);
}

/* And what others say of it then does no harm. */
static void without_a_card_reports_are_counted_and_ignored(void **state)
{
    uint64_t before = counter_read(SELF, COUNTER_DROP_BAD_MESSAGE);
    struct queue_attached message = {
        .header = {.type = QUEUE_ATTACHED, .length_bytes = sizeof(message)}, .queue_index = THIRD};

    (void)state;
    for (message.step = QUEUE_STEP_USE; message.step <= QUEUE_STEP_PREPARE; message.step++) {
        fake_deliver(THIRD, &message.header);
        settle();
    }
    assert_int_equal(counter_read(SELF, COUNTER_DROP_BAD_MESSAGE), before + 2);
    assert_int_equal(prepared_nic_seen.give_counts[THIRD], 0);
}

static bool has_let_go_of(node_id_t node)
{
    return fake_status_page(SELF)->for_nodes[node].released == status_incarnation(node);
}

static void look_at_first_quieten(void)
{
    prepared_nic_setting.in_quieten = NULL;
    assert_false(has_let_go_of(THIRD));
}

/* Then nobody has a hand on the card: it is silent before that node's memory is let go of, and can
 * be started anew. */
static void with_the_last_one_that_had_it_dead_the_card_is_started_anew(void **state)
{
    (void)state;
    prepared_nic_setting.in_quieten = look_at_first_quieten;
    fake_set_node_state(THIRD, NODE_DEAD);
    look_at_nodes();
    assert_true(has_let_go_of(THIRD));
    assert_true(prepared_nic_seen.quieten_count >= 1);
    assert_int_equal(prepared_nic_seen.start_count, 1);
    assert_true(prepared_nic_seen.is_enabled);
    assert_int_equal(last_ready.queues.words[0], 1 << SELF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_has_no_queue_leaves_the_card_to_another_that_has_one),
        cmocka_unit_test(nobody_is_waited_for_for_ever),
        cmocka_unit_test(without_a_card_reports_are_counted_and_ignored),
        cmocka_unit_test(with_the_last_one_that_had_it_dead_the_card_is_started_anew),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
