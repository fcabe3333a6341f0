/* SPDX-License-Identifier: MIT */
/* sources: apps/monitor/connections.c */
/* sources: kernel/message/dispatch.c kernel/message/peers.c kernel/message/send.c kernel/message/receive.c kernel/message/poll.c kernel/message/opening.c kernel/message/watch.c kernel/message/channel.c kernel/message/status.c kernel/log.c */
/* sources: libc/core/format.c libc/core/timer.c kernel/thread/thread.c kernel/thread/switch.S tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
/*
 * Tests apps/monitor/connections.c. Node 0 has the console and is a transport server; the test
 * plays the table of its connections, and the console.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "apps/monitor/connections.h"
#include "apps/monitor/messages.h"
#include "apps/monitor/print.h"
#include "kernel/component.h"
#include "kernel/message/dispatch.h"
#include "libc/core/bytes.h"
#include "net/transport/connection.h"
#include "net/transport/table.h"
#include "tests/unit/world/fake_platform.h"

#define NODES    4
#define TOLD_MAX 200

static char console[64 * KIB];
static size_t console_length;
static struct connection table[256];
static uint32_t table_size;

void monitor_print(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    console_length += (size_t)vsnprintf(console + console_length, sizeof(console) - console_length,
                                        format, arguments);
    va_end(arguments);
    assert_true(console_length < sizeof(console));
}

void connection_for_each(void (*visit)(struct connection *connection, void *context), void *context)
{
    for (uint32_t i = 0; i < table_size; i++) {
        if (table[i].state != CONNECTION_FREE) {
            visit(&table[i], context);
        }
    }
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
    memset(table, 0, sizeof(table));
    table_size = 0;
    return 0;
}

static void add(uint8_t state, node_id_t application, uint16_t port)
{
    struct connection *connection = &table[table_size++];

    store_be32(&connection->tcb.flow.remote_address, 0xC0000201);
    connection->tcb.flow.remote_port = swap16(port);
    connection->tcb.flow.local_port = swap16(80);
    connection->acceptor.node = application;
    connection->state = state;
}

static unsigned lines_with(const char *text)
{
    unsigned count = 0;

    for (const char *at = console; (at = strstr(at, text)) != NULL; at++) {
        count++;
    }
    return count;
}

static void each_connection_is_told_with_whose_it_is(void **state)
{
    (void)state;
    add(CONNECTION_CLAIMED, 3, 1024);
    add(CONNECTION_FREE, 3, 1);
    add(CONNECTION_DETACHED, 3, 65535);
    connections_show(0);
    (void)dispatch_round();
    assert_string_equal(console, "node0  192.0.2.1:1024 to port 80, claimed, node3's\n"
                                 "node0  192.0.2.1:65535 to port 80, detached\n"
                                 "node0  and 0 more\n");
}

static void what_is_too_much_is_counted(void **state)
{
    (void)state;
    for (unsigned i = 0; i < TOLD_MAX + 2; i++) {
        add(CONNECTION_ASSIGNED, 3, 1);
    }
    connections_show(0);
    (void)dispatch_round();
    assert_int_equal(lines_with("assigned"), TOLD_MAX);
    assert_int_equal(lines_with("and 2 more"), 1);
}

static void node_that_does_not_run_is_not_asked(void **state)
{
    (void)state;
    fake_set_node_state(2, NODE_DEAD);
    connections_show(2);
    assert_string_equal(console, "node2 does not run\n");
    connections_show(1);
    (void)fake_expect_message(1, MESSAGE_ASK_CONNECTIONS);
}

static void only_the_consoles_owner_is_told(void **state)
{
    const struct message_header asked = {MESSAGE_ASK_CONNECTIONS, sizeof(asked), 0};

    (void)state;
    fake_deliver(1, &asked);
    (void)dispatch_round();
    fake_expect_no_message(1);
    assert_int_equal(fake_status_page(0)->counters[COUNTER_DROP_BAD_MESSAGE], 1);
    fake_status_page(0)->start_order = 5; /* so node 1 has the console */
    fake_deliver(1, &asked);
    (void)dispatch_round();
    (void)fake_expect_message(1, MESSAGE_TELL_CONNECTION);
}

/* Nobody writes on a console that has not asked him, and nobody more than it has asked for. */
static void only_what_was_asked_for_is_printed(void **state)
{
    struct tell_connection tell = {
        .header = {.type = MESSAGE_TELL_CONNECTION, .length_bytes = sizeof(tell)},
        .state = CONNECTION_CLAIMED,
    };

    (void)state;
    fake_deliver(1, &tell.header);
    (void)dispatch_round();
    assert_int_equal(fake_status_page(0)->counters[COUNTER_DROP_BAD_MESSAGE], 1);
    connections_show(1);
    tell.state = CONNECTION_STATE_COUNT; /* there is no such thing */
    fake_deliver(1, &tell.header);
    (void)dispatch_round();
    assert_int_equal(fake_status_page(0)->counters[COUNTER_DROP_BAD_MESSAGE], 2);
    tell.state = CONNECTION_CLAIMED;
    for (unsigned i = 0; i < TOLD_MAX + 5; i++) {
        fake_deliver(1, &tell.header);
        (void)dispatch_round();
    }
    assert_int_equal(lines_with("claimed"), TOLD_MAX + 1);
    assert_int_equal(fake_status_page(0)->counters[COUNTER_DROP_BAD_MESSAGE], 2 + 4);
}

#define TEST(name) cmocka_unit_test_setup(name, start)

int main(void)
{
    const struct CMUnitTest tests[] = {
        /* First: nothing has been asked for. */
        TEST(only_what_was_asked_for_is_printed), TEST(each_connection_is_told_with_whose_it_is),
        TEST(what_is_too_much_is_counted),        TEST(node_that_does_not_run_is_not_asked),
        TEST(only_the_consoles_owner_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
