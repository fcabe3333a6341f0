/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/dispatch_world.c */
/*
 * Tests kernel/message/receive.c: payloads of other nodes' messages that are kept where they lie.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/message/dispatch.h"
#include "kernel/message/send.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "tests/unit/world/dispatch_world.h"
#include "tests/unit/world/fake_platform.h"

#define KEPT_MAX 64

static struct message_loan kept[KEPT_MAX];
static unsigned kept_count;

static void keep(node_id_t from, const struct message *message, struct message_payload payload)
{
    note_message(from, message);
    assert_true(kept_count < KEPT_MAX);
    kept_count += message_keep_lines(from, payload, &kept[kept_count]);
}

static void give_back(unsigned index)
{
    kept[index].done(kept[index].context);
}

static void deliver(node_id_t from, const void *payload, size_t payload_bytes)
{
    struct number message = number_message(1);

    message.header.type = OTHER_TYPE;
    fake_deliver_payload(from, &message.header, sizeof(message), payload, payload_bytes);
}

static uint32_t lines_acknowledged_to(node_id_t node)
{
    return fake_status_page(NODE)->for_nodes[node].acknowledged_lines;
}

static void lines_of_what_is_kept_are_acknowledged_when_all_of_it_is_given_back(void **state)
{
    (void)state;
    deliver_number(2, 1); /* opens the channel */
    (void)dispatch_round();
    uint32_t before = lines_acknowledged_to(2);

    deliver(2, "first", 6);
    deliver_number(2, 5);
    deliver(2, "second", 7);
    (void)dispatch_round();
    assert_int_equal(handled_count, 4);
    assert_int_equal(handled[2].number, 5);
    assert_int_equal(lines_acknowledged_to(2), before);
    assert_string_equal((const char *)kept[0].bytes, "first");
    assert_string_equal((const char *)kept[1].bytes, "second");
    assert_int_equal(kept[1].length_bytes, 7);
    give_back(1);
    assert_int_equal(lines_acknowledged_to(2), before);
    give_back(0);
    assert_int_equal(lines_acknowledged_to(2), before + 3);
}

/* It would sleep for ever: nothing else happens to the channel. */
static void who_waits_for_room_is_rung_when_what_was_kept_is_given_back(void **state)
{
    uint8_t bytes[4000] = {0};
    size_t ring_bytes;

    (void)state;
    (void)fake_ring(2, &ring_bytes);
    for (unsigned i = 0; i < ring_bytes / 2 / sizeof(bytes); i++) {
        deliver(2, bytes, sizeof(bytes));
    }
    (void)dispatch_round();
    fake_status_page(2)->sleep = NODE_SLEEPS_FOR_ROOM;
    (void)dispatch_round();
    unsigned doorbells_before = fake_doorbells(2);
    for (unsigned i = 0; i < kept_count; i++) {
        give_back(i);
    }
    (void)dispatch_round();
    assert_int_equal(fake_doorbells(2), doorbells_before + 1);
}

static void what_is_kept_of_a_node_that_dies_can_be_read_and_given_back(void **state)
{
    (void)state;
    deliver(2, "last", 5);
    (void)dispatch_round();
    kill_node_2();
    fake_send_attention();
    dispatch_sleep();
    assert_string_equal((const char *)kept[0].bytes, "last");
    give_back(0);
    assert_int_equal(dispatch_round(), 0);
}

static int start(void **state)
{
    kept_count = 0;
    (void)start_dispatcher(state);
    dispatch_register_payload_message(OTHER_TYPE, sizeof(struct number), keep);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, finish_dispatcher)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lines_of_what_is_kept_are_acknowledged_when_all_of_it_is_given_back),
        TEST(who_waits_for_room_is_rung_when_what_was_kept_is_given_back),
        TEST(what_is_kept_of_a_node_that_dies_can_be_read_and_given_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
