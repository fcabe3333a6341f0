/* SPDX-License-Identifier: MIT */
/* sources: apps/monitor/fault.c */
/* sources: kernel/message/dispatch.c kernel/message/peers.c kernel/message/send.c kernel/message/receive.c kernel/message/poll.c kernel/message/opening.c kernel/message/watch.c kernel/message/channel.c kernel/message/status.c kernel/log.c */
/* sources: libc/core/format.c libc/core/timer.c kernel/thread/thread.c kernel/thread/switch.S tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
/*
 * Tests apps/monitor/fault.c: who is asked for what, and orders that make no sense. How a node ends
 * is for tests/system/test_fault_campaign.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "apps/monitor/fault.h"
#include "apps/monitor/messages.h"
#include "apps/monitor/print.h"
#include "kernel/component.h"
#include "kernel/message/dispatch.h"
#include "tests/unit/world/fake_platform.h"

#define NODES 4

static char console[8 * KIB];
static size_t console_length;

void monitor_print(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    console_length += (size_t)vsnprintf(console + console_length, sizeof(console) - console_length,
                                        format, arguments);
    va_end(arguments);
    assert_true(console_length < sizeof(console));
}

static int start(void **state)
{
    (void)state;
    fake_platform_reset(0, NODES);
    dispatch_initialise();
    LINKER_SET_EACH(components, struct component, component)
    {
        if ((*component)->steps[NODE_READY] != NULL) {
            (*component)->steps[NODE_READY]();
        }
    }
    console_length = 0;
    console[0] = '\0';
    return 0;
}

static const struct fault_order *order_to(node_id_t node)
{
    return (const struct fault_order *)fake_expect_message(node, MESSAGE_FAULT);
}

static void command_asks_the_node_that_shall_fail(void **state)
{
    const struct fault_order *order;

    (void)state;
    fault_command("wild 2 77");
    order = order_to(2);
    assert_int_equal(order->kind, FAULT_WILD);
    assert_int_equal(order->seed, 77);
    assert_int_equal(order->victim, 2);
    assert_int_equal(console_length, 0);
}

static void what_is_done_to_a_node_is_done_by_another(void **state)
{
    (void)state;
    fault_command("reset 0");
    assert_int_equal(order_to(1)->victim, 0);
    fault_command("nmi 3");
    (void)dispatch_round(); /* by this one */
    assert_int_equal(fake_stops(3), 1);
    assert_int_equal(fake_resets(3), 0);
}

static void word_that_makes_no_sense_is_answered(void **state)
{
    static const struct {
        const char *argument, *answer;
    } words[] = {
        {"", "a page fault"},
        {"pag 1", "a page fault"},
        {"pages 1", "a page fault"},
        {"page", "there is no node ``"},
        {"page 4", "there is no node `4`"},
        {"page x", "there is no node `x`"},
        {"page 1 x", "`x` is no seed"},
        {"page 1 4294967296", "is no seed"},
    };

    for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
        (void)start(state);
        fault_command(words[i].argument);
        (void)dispatch_round();
        assert_non_null(strstr(console, words[i].answer));
        fake_expect_no_message(1);
    }
}

static void deliver(node_id_t from, struct fault_order *order)
{
    order->header = (struct message_header){MESSAGE_FAULT, sizeof(*order), 0};
    fake_deliver(from, &order->header);
    (void)dispatch_round();
}

/* One of another node is a wild one's. */
static void orders_are_the_consoles_owners(void **state)
{
    struct fault_order order = {.kind = FAULT_NMI, .victim = 2};

    (void)state;
    deliver(1, &order);
    assert_int_equal(fake_status_page(0)->counters[COUNTER_DROP_BAD_MESSAGE], 1);
    assert_int_equal(fake_stops(2), 0);
    fake_status_page(0)->start_order = 5; /* so node 1 has the console */
    deliver(1, &order);
    assert_int_equal(fake_stops(2), 1);
    assert_int_equal(fake_status_page(0)->counters[COUNTER_DROP_BAD_MESSAGE], 1);
}

static void order_that_makes_no_sense_is_refused(void **state)
{
    static const struct fault_order orders[] = {
        {.kind = FAULT_KIND_COUNT},           {.kind = UINT32_MAX},
        {.kind = FAULT_NMI, .victim = NODES}, {.kind = FAULT_NMI, .victim = 0}, /* to itself */
        {.kind = FAULT_PAGE, .victim = 1},                                      /* for another */
    };

    (void)state;
    fake_status_page(0)->start_order = 5;
    for (size_t i = 0; i < ARRAY_COUNT(orders); i++) {
        struct fault_order order = orders[i];

        deliver(1, &order);
        assert_int_equal(fake_status_page(0)->counters[COUNTER_DROP_BAD_MESSAGE], i + 1);
    }
    assert_int_equal(fake_stops(1), 0);
}

/* Which their receivers refuse: test_dispatch.c. */
static void bad_messages_go_to_all_others_that_run(void **state)
{
    (void)state;
    fake_set_node_state(2, NODE_DEAD);
    fault_ask(0, FAULT_MESSAGE, 1);
    (void)dispatch_round();
    (void)fake_expect_message(1, MESSAGE_TYPE_MAX - 1);
    fake_expect_no_message(2);
    (void)fake_expect_message(3, MESSAGE_TYPE_MAX - 1);
    fault_ask(0, FAULT_TRUNCATED, 1);
    (void)dispatch_round();
    assert_true(order_to(1)->header.length_bytes < sizeof(struct fault_order));
}

/* From another they are refused: test_monitor_control.c. */
static void orders_to_end_go_to_all_others_unless_they_would_obey(void **state)
{
    (void)state;
    fault_ask(0, FAULT_ORDER, 1);
    (void)dispatch_round();
    fake_expect_no_message(2);
    fake_status_page(0)->start_order = 5; /* so node 1 has the console */
    deliver(1, &(struct fault_order){.kind = FAULT_ORDER, .victim = 0});
    (void)fake_expect_message(2, MESSAGE_STOP_NODE);
    assert_int_equal(order_to(2)->victim, 2);
}

#define TEST(name) cmocka_unit_test_setup(name, start)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(command_asks_the_node_that_shall_fail),
        TEST(what_is_done_to_a_node_is_done_by_another),
        TEST(word_that_makes_no_sense_is_answered),
        TEST(orders_are_the_consoles_owners),
        TEST(order_that_makes_no_sense_is_refused),
        TEST(bad_messages_go_to_all_others_that_run),
        TEST(orders_to_end_go_to_all_others_unless_they_would_obey),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
