/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/model_node.c */
/* flags: -O2 -fno-sanitize=address,undefined -include tests/unit/world/mailbox_model.h */
/*
 * Tests the ring (kernel/message/channel.h, channel.c) and the protocols of the sleep flag and of
 * the quiet mark (status.c, send.c, poll.c, dispatch.c) in all orders that x86-TSO and a weaker
 * model allow (world/memory_model.h). Then each of their orderings is taken out, and the fault must
 * be found: on x86 without any of the three fences (a release or an acquire is there an order for
 * the compiler alone), and under the weaker model without any release or acquire, too.
 *
 * One is needed under neither: the acquire in update_acknowledged(). What it keeps behind the load
 * are stores into lines that the load has found free, and no machine stores before it knows whether
 * to. The compiler might, so it stays; test_channel_stress.c has a sanitizer look at it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/world/model_node.h"

#define SENDER   1u /* node 0, as a bit */
#define RECEIVER 2u
#define BOTH     (SENDER | RECEIVER)

static const char *const unheard = "a message lies beside a node that sleeps";
static const char *const unused_room = "a node sleeps although it has room";
static const char *const damaged = "a message is damaged";
static const char *const other_payload = "a payload is another one";

static const struct model_scenario two_messages = {
    .line_count = 4, .message_count = {2}, .lines = {{1, 1}}, .burst = 1};
static const struct model_scenario both_ways = {
    .line_count = 4, .message_count = {2, 1}, .lines = {{1, 1}, {1}}};
static const struct model_scenario falls_quiet = {
    .line_count = 4, .message_count = {2}, .lines = {{1, 1}}, .burst = 1, .is_quiet_due = true};
/* Padding, the ring's end, and no room for the second before the padding is read. */
static const struct model_scenario padded = {
    .line_count = 4, .first_line = UINT32_MAX, .message_count = {2}, .lines = {{2, 2}}};
/* No room for the third before the first is read; a word to spoil behind it. */
static const struct model_scenario full = {
    .line_count = 4, .message_count = {3}, .lines = {{2, 2, 1}}, .has_stale_line = true};
/* No room for the third, which is then written over the first. */
static const struct model_scenario overwritten = {
    .line_count = 4, .message_count = {3}, .lines = {{2, 2, 2}}};

static struct memory_model_result explore(const struct model_scenario *scenario,
                                          enum memory_model model, const char *function,
                                          unsigned nodes)
{
    struct memory_model_result result =
        model_explore(scenario, model, (struct memory_model_weakened){function, nodes});

    print_message("%s, without %s: %u runs, %u states: %s\n",
                  model == MODEL_TSO ? "x86-TSO" : "weaker",
                  function != NULL ? function : "nothing", result.runs, result.states,
                  result.fault != NULL ? result.fault : "no fault");
    return result;
}

static void assert_holds(const struct model_scenario *scenario, enum memory_model model,
                         const char *function)
{
    struct memory_model_result result = explore(scenario, model, function, BOTH);

    if (result.fault != NULL) {
        fail_msg("%s", result.fault);
    }
    assert_true(result.states > 1000);
}

static void assert_fails(const struct model_scenario *scenario, enum memory_model model,
                         const char *function, unsigned nodes, const char *fault)
{
    struct memory_model_result result = explore(scenario, model, function, nodes);

    assert_non_null(result.fault);
    assert_string_equal(result.fault, fault);
}

/* --- As it is --- */

static void messages_arrive_whole_and_wake_their_receiver(void **state)
{
    (void)state;
    assert_holds(&two_messages, MODEL_TSO, NULL);
    assert_holds(&two_messages, MODEL_WEAKER, NULL);
}

static void nodes_that_send_to_each_other_both_wake(void **state)
{
    (void)state;
    assert_holds(&both_ways, MODEL_TSO, NULL);
    assert_holds(&both_ways, MODEL_WEAKER, NULL);
}

static void a_channel_that_falls_quiet_is_heard(void **state)
{
    (void)state;
    assert_holds(&falls_quiet, MODEL_TSO, NULL);
    assert_holds(&falls_quiet, MODEL_WEAKER, NULL);
}

static void a_message_behind_padding_arrives_and_room_wakes_the_sender(void **state)
{
    (void)state;
    assert_holds(&padded, MODEL_TSO, NULL);
    assert_holds(&padded, MODEL_WEAKER, NULL);
}

static void a_full_ring_goes_round_and_no_old_payload_is_taken_for_a_message(void **state)
{
    (void)state;
    assert_holds(&full, MODEL_TSO, NULL);
    assert_holds(&full, MODEL_WEAKER, NULL);
}

static void lines_are_written_again_only_when_they_have_been_read(void **state)
{
    (void)state;
    assert_holds(&overwritten, MODEL_TSO, NULL);
    assert_holds(&overwritten, MODEL_WEAKER, NULL);
}

/* --- Without a fence: x86 needs each --- */

static void without_the_sleepers_fence_a_message_is_not_heard(void **state)
{
    (void)state;
    assert_fails(&two_messages, MODEL_TSO, "status_set_sleep", RECEIVER, unheard);
    assert_fails(&two_messages, MODEL_WEAKER, "status_set_sleep", RECEIVER, unheard);
}

static void without_the_ringers_fence_a_message_is_not_heard(void **state)
{
    (void)state;
    assert_fails(&two_messages, MODEL_TSO, "peers_ring_doorbells", SENDER, unheard);
    assert_fails(&two_messages, MODEL_WEAKER, "peers_ring_doorbells", SENDER, unheard);
}

static void without_the_sleepers_fence_room_is_not_heard_of(void **state)
{
    (void)state;
    assert_fails(&padded, MODEL_TSO, "status_set_sleep", SENDER, unused_room);
    assert_fails(&padded, MODEL_WEAKER, "status_set_sleep", SENDER, unused_room);
}

static void without_the_ringers_fence_room_is_not_heard_of(void **state)
{
    (void)state;
    assert_fails(&padded, MODEL_TSO, "peers_ring_doorbells", RECEIVER, unused_room);
    assert_fails(&padded, MODEL_WEAKER, "peers_ring_doorbells", RECEIVER, unused_room);
}

static void without_the_sweeps_fence_a_quiet_channel_is_not_heard(void **state)
{
    (void)state;
    assert_fails(&falls_quiet, MODEL_TSO, "sweep", RECEIVER, unheard);
    assert_fails(&falls_quiet, MODEL_WEAKER, "sweep", RECEIVER, unheard);
}

/* --- Without a release or an acquire: x86 does not miss it --- */

static void a_sequence_before_its_message_is_a_fault_where_stores_pass_each_other(void **state)
{
    (void)state;
    assert_holds(&padded, MODEL_TSO, "channel_publish");
    assert_fails(&padded, MODEL_WEAKER, "channel_publish", SENDER, damaged);
}

static void a_message_read_before_its_sequence_is_a_fault_where_loads_pass_each_other(void **state)
{
    (void)state;
    assert_holds(&padded, MODEL_TSO, "channel_receive");
    assert_fails(&padded, MODEL_WEAKER, "channel_receive", RECEIVER, damaged);
}

static void an_acknowledgement_before_the_last_load_is_a_fault_where_loads_are_late(void **state)
{
    (void)state;
    assert_holds(&overwritten, MODEL_TSO, "acknowledge");
    assert_fails(&overwritten, MODEL_WEAKER, "acknowledge", RECEIVER, other_payload);
}

/* --- And the one for which no machine asks --- */

static void the_senders_acquire_orders_only_what_the_compiler_does(void **state)
{
    (void)state;
    assert_holds(&full, MODEL_TSO, "update_acknowledged");
    assert_holds(&padded, MODEL_WEAKER, "update_acknowledged");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_arrive_whole_and_wake_their_receiver),
        cmocka_unit_test(nodes_that_send_to_each_other_both_wake),
        cmocka_unit_test(a_channel_that_falls_quiet_is_heard),
        cmocka_unit_test(a_message_behind_padding_arrives_and_room_wakes_the_sender),
        cmocka_unit_test(a_full_ring_goes_round_and_no_old_payload_is_taken_for_a_message),
        cmocka_unit_test(lines_are_written_again_only_when_they_have_been_read),
        cmocka_unit_test(without_the_sleepers_fence_a_message_is_not_heard),
        cmocka_unit_test(without_the_ringers_fence_a_message_is_not_heard),
        cmocka_unit_test(without_the_sleepers_fence_room_is_not_heard_of),
        cmocka_unit_test(without_the_ringers_fence_room_is_not_heard_of),
        cmocka_unit_test(without_the_sweeps_fence_a_quiet_channel_is_not_heard),
        cmocka_unit_test(a_sequence_before_its_message_is_a_fault_where_stores_pass_each_other),
        cmocka_unit_test(a_message_read_before_its_sequence_is_a_fault_where_loads_pass_each_other),
        cmocka_unit_test(an_acknowledgement_before_the_last_load_is_a_fault_where_loads_are_late),
        cmocka_unit_test(the_senders_acquire_orders_only_what_the_compiler_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
