/* SPDX-License-Identifier: MIT */
/* sources: apps/monitor/control.c */
/* sources: kernel/message/dispatch.c kernel/message/peers.c kernel/message/send.c kernel/message/receive.c kernel/message/poll.c kernel/message/opening.c kernel/message/watch.c kernel/message/channel.c kernel/message/status.c kernel/log.c */
/* sources: libc/core/format.c libc/core/timer.c kernel/thread/thread.c kernel/thread/switch.S tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
/*
 * Tests apps/monitor/control.c on node 0, whom others give orders: those of the console's owner
 * are obeyed, those of a node gone wild are counted. That an order to stop is obeyed the system
 * tests see at each machine's end; here one that is ends the test (platform_halt()).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "apps/monitor/control.h"
#include "apps/monitor/log_option.h"
#include "apps/monitor/messages.h"
#include "kernel/component.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "net/configuration.h"
#include "net/draining.h"
#include "tests/unit/world/fake_platform.h"

#define NODES 4

static char applied[CHANNEL_LINE_BYTES];
static unsigned begun, stayed, finished;

unsigned log_option_apply(const char *value, size_t length_bytes)
{
    assert_in_range(length_bytes, 0, CONTROL_LOG_MAX_BYTES);
    memcpy(applied, value, length_bytes);
    return 0;
}

void draining_begin(void)
{
    begun++;
}

void draining_stay(void)
{
    stayed++;
}

void draining_finish(void)
{
    finished++;
}

const struct configuration *configuration_current(void)
{
    static const struct configuration current = {.node_count = NODES, .roles = {1, 1, 1, 1}};

    return &current;
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
    memset(applied, 0, sizeof(applied));
    begun = stayed = finished = 0;
    return 0;
}

static void give_console_to_node_1(void)
{
    fake_status_page(0)->start_order = 5;
}

static uint64_t refused(void)
{
    return fake_status_page(0)->counters[COUNTER_DROP_BAD_MESSAGE];
}

/* As another node's control.c sends them. */
static void order(node_id_t from, uint16_t type, uint32_t first, uint32_t second)
{
    struct {
        struct message_header header;
        uint32_t words[2];
        char rest[CHANNEL_LINE_BYTES - 16];
    } message = {.words = {first, second}};
    size_t bytes = type == MESSAGE_STOP_NODE ? 8 : type == MESSAGE_DRAIN ? 16 : CHANNEL_LINE_BYTES;

    message.header = (struct message_header){type, (uint16_t)bytes, 0};
    fake_deliver(from, &message.header);
    (void)dispatch_round();
}

static void a_wild_node_stops_no_other(void **state)
{
    (void)state;
    order(1, MESSAGE_STOP_NODE, 0, 0);
    assert_int_equal(refused(), 1);
    give_console_to_node_1();
    order(2, MESSAGE_STOP_NODE, 0, 0);
    order(3, MESSAGE_STOP_NODE, 0, 0);
    assert_int_equal(refused(), 3);
}

static void the_log_is_the_consoles_owners_to_change(void **state)
{
    uint32_t word;

    (void)state;
    memcpy(&word, "info", sizeof(word));
    order(1, MESSAGE_SET_LOG, word, 0);
    assert_int_equal(refused(), 1);
    assert_string_equal(applied, "");
    give_console_to_node_1();
    order(1, MESSAGE_SET_LOG, word, 0);
    assert_int_equal(refused(), 1);
    assert_string_equal(applied, "info");
}

/* The machine's end is an order as well. */
static void so_is_who_drains(void **state)
{
    (void)state;
    order(1, MESSAGE_DRAIN, 0, 0);
    order(1, MESSAGE_DRAIN, 0, 1);
    order(1, MESSAGE_DRAIN, 1, 0);
    assert_int_equal(refused(), 3);
    assert_int_equal(begun + stayed + finished, 0);
    give_console_to_node_1();
    order(1, MESSAGE_DRAIN, 0, 0);
    assert_int_equal(begun, 1);
    order(1, MESSAGE_DRAIN, 0, 1);
    assert_int_equal(stayed, 1);
    order(1, MESSAGE_DRAIN, 1, 0);
    assert_int_equal(finished, 1);
    assert_int_equal(refused(), 3);
}

static void orders_go_to_all_others_that_run(void **state)
{
    (void)state;
    fake_set_node_state(2, NODE_DEAD);
    control_stop_elsewhere();
    control_set_log_elsewhere("info", 4);
    (void)dispatch_round();
    (void)fake_expect_message(1, MESSAGE_STOP_NODE);
    (void)fake_expect_message(1, MESSAGE_SET_LOG);
    (void)fake_expect_message(3, MESSAGE_STOP_NODE);
    fake_expect_no_message(2);
    /* This node, too. */
    control_finish_everywhere();
    (void)dispatch_round();
    assert_int_equal(finished, 1);
    (void)fake_expect_message(1, MESSAGE_DRAIN);
}

#define TEST(name) cmocka_unit_test_setup(name, start)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_wild_node_stops_no_other),
        TEST(the_log_is_the_consoles_owners_to_change),
        TEST(so_is_who_drains),
        TEST(orders_go_to_all_others_that_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
