/* SPDX-License-Identifier: MIT */
/* sources: apps/monitor/balance.c net/configuration.c net/current_configuration.c net/placement.c net/status_text.c libc/core/command_line.c */
/* sources: kernel/message/dispatch.c kernel/message/peers.c kernel/message/send.c kernel/message/receive.c kernel/message/poll.c kernel/message/opening.c kernel/message/watch.c kernel/message/channel.c kernel/message/status.c kernel/log.c */
/* sources: libc/core/format.c libc/core/timer.c kernel/thread/thread.c kernel/thread/switch.S tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
/*
 * Tests apps/monitor/balance.c. Node 0 has the console and is a manager, as node 1 is; the test
 * plays what managers know, and the console.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "apps/monitor/balance.h"
#include "apps/monitor/messages.h"
#include "apps/monitor/print.h"
#include "kernel/component.h"
#include "kernel/message/dispatch.h"
#include "net/configuration.h"
#include "net/counters.h"
#include "net/manager/figures.h"
#include "net/manager/server.h"
#include "net/status_text.h"
#include "tests/unit/world/fake_platform.h"

#define NODES    4
#define TOLD_MAX 24 /* of each kind */

static char console[64 * KIB];
static size_t console_length;
static unsigned application_count, offer_count; /* what this node's manager knows */
static bool has_manager;
static char own_manager;

void monitor_print(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    console_length += (size_t)vsnprintf(console + console_length, sizeof(console) - console_length,
                                        format, arguments);
    va_end(arguments);
    assert_true(console_length < sizeof(console));
}

const struct manager *connection_manager_own(void)
{
    return has_manager ? (const struct manager *)&own_manager : NULL;
}

/* The n-th of both kinds concerns port n. */
bool manager_next_application(const struct manager *manager, struct manager_cursor *cursor,
                              struct manager_application *application)
{
    assert_ptr_equal(manager, &own_manager);
    if (cursor->next_cm == application_count) {
        return false;
    }
    *application = (struct manager_application){
        .port = (uint16_t)++cursor->next_cm,
        .node = 2,
        .is_accepting = cursor->next_cm != 2,
        .is_offered = cursor->next_cm == 1,
        .is_overdue = cursor->next_cm == 2,
        .sample_count = cursor->next_cm == 3 ? 0 : 128,
        .median_ns = cursor->next_cm == 3 ? 0 : 310200,
        .service_ns = 10000,
        .open_count = 7,
        .assigned_count = 345,
        .closed_for_others_count = 67,
    };
    return true;
}

bool manager_next_offer(const struct manager *manager, struct manager_cursor *cursor,
                        struct manager_offer *offer)
{
    assert_ptr_equal(manager, &own_manager);
    if (cursor->next_cm == offer_count) {
        return false;
    }
    *offer = (struct manager_offer){
        .port = (uint16_t)++cursor->next_cm,
        .cm = 1,
        .node = 3,
        .counts = cursor->next_cm == 1,
        .service_ns = cursor->next_cm == 1 ? 290000 : 0,
    };
    return true;
}

static int start(void **state)
{
    static struct configuration configuration;
    char reason[128];

    (void)state;
    fake_platform_reset(0, NODES);
    dispatch_initialise();
    assert_int_equal(configuration_parse(&configuration, "", NODES, reason, sizeof(reason)), 0);
    configuration_set_current(&configuration);
    LINKER_SET_EACH(components, struct component, component)
    {
        if ((*component)->steps[NODE_READY] != NULL) {
            (*component)->steps[NODE_READY]();
        }
    }
    console_length = 0;
    console[0] = '\0';
    application_count = offer_count = 0;
    has_manager = true;
    return 0;
}

static void ask(void)
{
    balance_show("");
    (void)dispatch_round();
}

static void assert_said(const char *line)
{
    if (strstr(console, line) == NULL) {
        fail_msg("no `%s` in:\n%s", line, console);
    }
}

static void what_is_on_status_pages_is_answered_at_once(void **state)
{
    (void)state;
    memcpy(fake_status_page(1)->texts[STATUS_TEXT_BALANCE], "tournament:2", 13);
    fake_status_page(1)->counters[COUNTER_CM_ASSIGNED] = 11;
    fake_status_page(1)->counters[COUNTER_CM_ASSIGNED_REMOTE] = 12;
    fake_status_page(1)->counters[COUNTER_CM_QUEUED] = 13;
    fake_status_page(0)->counters[COUNTER_CLAIMS_CONFIRMED] = 14;
    fake_status_page(3)->counters[COUNTER_SOCKETS_ACCEPTED] = 15;
    balance_show("");
    assert_said("scheme: tournament:2\n");
    assert_said("node1  CM: assigned 11 here, 12 to other CMs; 13 waited for an acceptor\n");
    assert_said("node0  TS: claims: 14 confirmed, 0 rejected; 0 connections not claimed in time\n");
    assert_said("node3  application: 15 connections accepted\n");
}

static void each_living_manager_is_asked(void **state)
{
    (void)state;
    ask();
    (void)fake_expect_message(1, MESSAGE_ASK_BALANCE);
    fake_expect_no_message(2);
    fake_set_node_state(1, NODE_DEAD);
    ask();
    fake_expect_no_message(1);
}

/* Its own manager by the same messages. */
static void applications_and_offers_are_told_one_by_one(void **state)
{
    (void)state;
    application_count = 3;
    offer_count = 2;
    ask();
    assert_said(
        "node0  CM: port 1: node2 takes 310.2 us (median of 128), 7 open; 345 assigned here, "
        "67 closed for other CMs; offered\n");
    assert_said("node0  CM: port 2: node2 takes 310.2 us (median of 128, now slower), 7 open; 345 "
                "assigned here, 67 closed for other CMs; not accepting\n");
    assert_said("node0  CM: port 3: node2 takes 10.0 us (a guess), 7 open;");
    assert_said("node0  CM: port 1: node1 offers node3, which takes 290.0 us\n");
    assert_said("node0  CM: port 2: node1 offers node3, which takes an unknown time; not taken at "
                "present\n");
}

static unsigned lines_with(const char *text)
{
    unsigned count = 0;

    for (const char *at = console; (at = strstr(at, text)) != NULL; at++) {
        count++;
    }
    return count;
}

static void what_is_too_much_is_counted(void **state)
{
    (void)state;
    application_count = offer_count = TOLD_MAX;
    ask();
    assert_int_equal(lines_with(" CM: port "), 2 * TOLD_MAX);
    assert_null(strstr(console, "more"));
    start(NULL);
    application_count = TOLD_MAX + 3;
    offer_count = TOLD_MAX + 1;
    ask();
    assert_int_equal(lines_with(" CM: port "), 2 * TOLD_MAX);
    assert_said("node0  CM: and 4 more\n");
}

/* A node without a manager, which another takes for one. */
static void who_has_no_manager_tells_nothing(void **state)
{
    const struct message_header asked = {MESSAGE_ASK_BALANCE, sizeof(asked), 0};

    (void)state;
    has_manager = false;
    application_count = 1;
    fake_status_page(0)->start_order = 5; /* so node 1 has the console */
    fake_deliver(1, &asked);
    (void)dispatch_round();
    fake_expect_no_message(1);
    assert_int_equal(fake_status_page(0)->counters[COUNTER_DROP_BAD_MESSAGE], 0);
}

static void only_the_consoles_owner_is_told(void **state)
{
    const struct message_header asked = {MESSAGE_ASK_BALANCE, sizeof(asked), 0};

    (void)state;
    application_count = 1;
    fake_deliver(1, &asked);
    (void)dispatch_round();
    fake_expect_no_message(1);
    assert_int_equal(fake_status_page(0)->counters[COUNTER_DROP_BAD_MESSAGE], 1);
    fake_status_page(0)->start_order = 5;
    fake_deliver(1, &asked);
    (void)dispatch_round();
    (void)fake_expect_message(1, MESSAGE_TELL_BALANCE);
}

/* Nobody writes on a console that has not asked him, and nobody more than it has asked for. */
static void only_what_was_asked_for_is_printed(void **state)
{
    struct tell_balance tell = {
        .header = {.type = MESSAGE_TELL_BALANCE, .length_bytes = sizeof(tell)},
        .told = TOLD_OFFER,
    };

    (void)state;
    fake_deliver(1, &tell.header);
    (void)dispatch_round();
    assert_int_equal(console_length, 0);
    assert_int_equal(fake_status_page(0)->counters[COUNTER_DROP_BAD_MESSAGE], 1);
    ask();
    tell.told = TOLD_LEFT_OUT + 1; /* there is no such thing */
    fake_deliver(1, &tell.header);
    (void)dispatch_round();
    assert_int_equal(fake_status_page(0)->counters[COUNTER_DROP_BAD_MESSAGE], 2);
    tell.told = TOLD_OFFER;
    for (unsigned i = 0; i < 2 * TOLD_MAX + 5; i++) {
        fake_deliver(1, &tell.header);
        (void)dispatch_round();
    }
    assert_int_equal(lines_with(" CM: port "), 2 * TOLD_MAX + 1);
    assert_int_equal(fake_status_page(0)->counters[COUNTER_DROP_BAD_MESSAGE], 2 + 4);
}

#define TEST(name) cmocka_unit_test_setup(name, start)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(only_what_was_asked_for_is_printed), TEST(what_is_on_status_pages_is_answered_at_once),
        TEST(each_living_manager_is_asked),       TEST(applications_and_offers_are_told_one_by_one),
        TEST(what_is_too_much_is_counted),        TEST(who_has_no_manager_tells_nothing),
        TEST(only_the_consoles_owner_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
