/* SPDX-License-Identifier: MIT */
/* sources: net/status_text.c net/service_times.c net/manager/server.c net/manager/figures.c net/manager/manager.c net/manager/acceptors.c net/manager/offering.c net/manager/listeners.c net/manager/ports.c net/manager/waiting.c */
/* sources: net/manager/options.c net/manager/service.c net/manager/balance/balance.c net/manager/balance/offers.c net/manager/balance/weights.c net/manager/balance/naive.c net/manager/balance/unfiltered.c net/manager/balance/filtered.c net/manager/balance/tournament.c net/manager/balance/least.c */
/* sources: net/handlers.c net/messages.c net/configuration.c net/current_configuration.c net/placement.c net/returning.c net/draining.c tests/unit/world/fake_park.c */
/* sources: libc/core/command_line.c kernel/message/dispatch.c kernel/message/peers.c kernel/message/send.c kernel/message/receive.c kernel/message/poll.c kernel/message/opening.c kernel/message/watch.c kernel/message/channel.c kernel/message/status.c kernel/log.c */
/* sources: libc/core/format.c libc/core/timer.c kernel/thread/thread.c kernel/thread/switch.S */
/* sources: tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
/*
 * Tests net/manager/server.c: the node's own manager hears its dispatcher, and is heard by others.
 * Node 0 is the CM under test, node 1 another one; 2 and 3 run their applications.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/message/dispatch.h"
#include "libc/core/timer.h"
#include "net/closed.h"
#include "net/configuration.h"
#include "net/counters.h"
#include "net/manager/counters.h"
#include "net/manager/manager.h"
#include "net/manager/server.h"
#include "net/messages.h"
#include "net/service_times.h"
#include "net/status_text.h"
#include "tests/unit/world/fake_platform.h"

#define OTHER_CM    1
#define APPLICATION 2
#define PORT        80

static struct configuration configuration;

static void application_serves(void)
{
    const struct listen listen = {
        .header = {.type = LISTEN, .length_bytes = sizeof(listen)},
        .port = PORT,
        .backlog = 4,
    };
    const struct accept_connection accept = {
        .header = {.type = ACCEPT_CONNECTION, .length_bytes = sizeof(accept)},
        .port = PORT,
    };

    fake_deliver(APPLICATION, &listen.header);
    fake_deliver(APPLICATION, &accept.header);
    (void)dispatch_round();
}

static void messages_reach_the_nodes_own_manager_which_answers_by_channel(void **state)
{
    struct syn_arrived syn = {
        .header = {.type = SYN_ARRIVED, .length_bytes = sizeof(syn)},
        .flow = {.local_port = __builtin_bswap16(PORT)},
    };
    const struct assign_connection *assign;
    const struct offer *offer;

    (void)state;
    application_serves();
    offer = fake_expect_message(OTHER_CM, OFFER);
    assert_int_equal(offer->acceptor.node, APPLICATION);
    assert_int_equal(offer->acceptor.cm, 0);

    fake_deliver(OTHER_CM, &syn.header);
    (void)dispatch_round();
    assign = fake_expect_message(OTHER_CM, ASSIGN_CONNECTION);
    assert_int_equal(assign->acceptor.node, APPLICATION);
    assert_int_equal(assign->header.length_bytes, sizeof(*assign));
    fake_expect_no_message(APPLICATION);
}

static void what_it_counts_stands_on_the_nodes_status_page(void **state)
{
    const struct unlisten unlisten = {
        .header = {.type = UNLISTEN, .length_bytes = sizeof(unlisten)},
        .port = PORT,
    };

    (void)state;
    fake_deliver(APPLICATION, &unlisten.header); /* nobody listens */
    (void)dispatch_round();
    assert_int_equal(fake_status_page(0)->counters[COUNTER_DROP_BAD_MESSAGE], 1);
}

static void wake(void)
{
}

static void it_is_told_of_dead_nodes(void **state)
{
    const struct offer *offer;

    (void)state;
    application_serves();
    (void)fake_expect_message(OTHER_CM, OFFER);
    fake_set_node_state(APPLICATION, NODE_DEAD);
    fake_on_sleep(wake);
    dispatch_sleep(); /* where the dispatcher looks for deaths */
    offer = fake_expect_message(OTHER_CM, OFFER);
    assert_int_equal(offer->acceptor.node, NODE_NONE);
}

/* News within the period: the node wakes by its timer, sends it, and sets no other one. */
static void offers_that_must_wait_are_sent_by_the_nodes_timer(void **state)
{
    const struct offer *offer;
    struct accept_connection again = {
        .header = {.type = ACCEPT_CONNECTION, .length_bytes = sizeof(again)},
        .port = PORT,
        .request_number = 1,
    };

    (void)state;
    application_serves();
    (void)fake_expect_message(OTHER_CM, OFFER);
    assert_int_equal(timer_next_deadline_ns(), UINT64_MAX);
    fake_deliver(APPLICATION, &again.header);
    (void)dispatch_round();
    fake_expect_no_message(OTHER_CM);
    assert_int_not_equal(timer_next_deadline_ns(), UINT64_MAX);
    fake_advance_ns(50 * NS_PER_US);
    (void)dispatch_round();
    offer = fake_expect_message(OTHER_CM, OFFER);
    assert_int_equal(offer->acceptor.request_number, 1);
    assert_int_equal(timer_next_deadline_ns(), UINT64_MAX);
    assert_int_equal(fake_status_page(0)->counters[COUNTER_OFFERS_SENT], 2);
}

static void the_node_says_how_it_balances(void **state)
{
    char text[STATUS_TEXT_BYTES];

    (void)state;
    status_copy_text(0, STATUS_TEXT_BALANCE, text);
    assert_string_equal(text, "tournament:2");
    assert_int_equal(fake_status_page(0)->counters[COUNTER_OFFER_PERIOD_NS], 50 * NS_PER_US);
    assert_int_equal(connection_manager_own()->node, 0);
}

/* Rounded up to 16 ns, and cut to a minute; a word of nobody's is none. */
static void a_service_time_stands_on_the_page_for_all(void **state)
{
    (void)state;
    service_times_publish(APPLICATION, 1);
    assert_int_equal(service_times_look(APPLICATION), 16);
    service_times_publish(APPLICATION, 60 * NS_PER_S + 1);
    assert_int_equal(service_times_look(APPLICATION), 60 * NS_PER_S);
    service_times_publish(APPLICATION, 0);
    assert_int_equal(service_times_look(APPLICATION), 0);
    service_times_publish(OTHER_CM, 1000); /* it runs no application */
    assert_int_equal(service_times_look(OTHER_CM), 0);
}

/* At once, and then no oftener than a few times a second. */
static void service_times_are_published_as_connections_end(void **state)
{
    struct connection_closed closed = {
        .header = {.type = CONNECTION_CLOSED, .length_bytes = sizeof(closed)},
        /* In the middle of its bucket: it is its own median. */
        .closed = {closed_connection_of(&(struct acceptor){.node = APPLICATION}, PORT, 319488)},
    };
    struct syn_arrived syn = {
        .header = {.type = SYN_ARRIVED, .length_bytes = sizeof(syn)},
        .flow = {.local_port = __builtin_bswap16(PORT)},
    };

    (void)state;
    application_serves();
    fake_set_now_ns(NS_PER_S);
    for (unsigned i = 0; i < 3; i++) {
        fake_deliver(OTHER_CM, &syn.header);
    }
    (void)dispatch_round();
    fake_deliver(OTHER_CM, &closed.header);
    (void)dispatch_round();
    assert_int_equal(service_times_look(APPLICATION), 319488);
    /* Of two the smaller one is the median. */
    closed.closed[0] = closed_connection_of(&(struct acceptor){.node = APPLICATION}, PORT, 159744);
    fake_advance_ns(100 * NS_PER_MS);
    fake_deliver(OTHER_CM, &closed.header);
    (void)dispatch_round();
    assert_int_equal(service_times_look(APPLICATION), 319488);
    fake_advance_ns(200 * NS_PER_MS);
    fake_deliver(OTHER_CM, &closed.header);
    (void)dispatch_round();
    assert_int_equal(service_times_look(APPLICATION), 159744);
}

/* Each kind that the manager handles has its way to it: what follows shows what it made of it. */
static void every_kind_of_message_has_its_way_to_the_manager(void **state)
{
    struct offer offer = {
        .header = {.type = OFFER, .length_bytes = sizeof(offer)},
        .acceptor = {.node = 3, .listener_index = 7, .cm = OTHER_CM, .assigned_by = OTHER_CM},
        .port = PORT + 1,
    };
    struct accept_timeout timeout = {
        .header = {.type = ACCEPT_TIMEOUT, .length_bytes = sizeof(timeout)},
        .connection_index = 5,
        .generation = 2,
        .acceptor.node = NODE_NONE,
        .port = PORT + 1,
    };
    const struct connection_closed closed = {
        .header = {.type = CONNECTION_CLOSED, .length_bytes = sizeof(closed)},
        .closed[0] = {.node = APPLICATION, .assigned_by = 0, .port = PORT + 2, .service = 1},
    };
    const struct unlisten unlisten = {
        .header = {.type = UNLISTEN, .length_bytes = sizeof(unlisten)},
        .port = PORT,
    };
    const struct reassign_connection *again;

    (void)state;
    /* Another CM's offer is used for whoever has nobody else. */
    fake_deliver(OTHER_CM, &offer.header);
    fake_deliver(OTHER_CM, &timeout.header); /* as the TS, which it is, too */
    (void)dispatch_round();
    again = fake_expect_message(OTHER_CM, REASSIGN_CONNECTION);
    assert_int_equal(again->connection_index, 5);
    assert_int_equal(again->generation, 2);
    assert_int_equal(again->acceptor.node, 3);

    /* A close for a port that nobody serves any more is no bad message; one without a handler is.
     */
    application_serves();
    (void)fake_expect_message(OTHER_CM, OFFER);
    uint64_t bad = fake_status_page(0)->counters[COUNTER_DROP_BAD_MESSAGE];

    fake_deliver(OTHER_CM, &closed.header);
    (void)dispatch_round();
    assert_int_equal(fake_status_page(0)->counters[COUNTER_DROP_BAD_MESSAGE], bad);
    fake_deliver(APPLICATION, &unlisten.header);
    (void)dispatch_round();
    const struct offer *withdrawn = fake_expect_message(OTHER_CM, OFFER);

    assert_int_equal(withdrawn->acceptor.node, NODE_NONE);
    assert_int_equal(withdrawn->port, PORT);
}

/* Who may send what is a column of the table of messages: the dispatcher is told of it. */
static void what_a_node_without_the_role_sends_reaches_no_manager(void **state)
{
    struct offer offer = {
        .header = {.type = OFFER, .length_bytes = sizeof(offer)},
        .acceptor = {.node = 3, .listener_index = 7, .cm = OTHER_CM, .assigned_by = OTHER_CM},
        .port = PORT,
    };
    struct syn_arrived syn = {
        .header = {.type = SYN_ARRIVED, .length_bytes = sizeof(syn)},
        .flow = {.local_port = __builtin_bswap16(PORT)},
    };
    const struct listen listen = {
        .header = {.type = LISTEN, .length_bytes = sizeof(listen)},
        .port = PORT + 1,
        .backlog = 4,
    };

    (void)state;
    application_serves();
    (void)fake_expect_message(OTHER_CM, OFFER);
    uint64_t bad = fake_status_page(0)->counters[COUNTER_DROP_BAD_MESSAGE];

    fake_deliver(APPLICATION, &offer.header);
    fake_deliver(OTHER_CM, &listen.header); /* the manager would not ask who it is */
    fake_deliver(APPLICATION, &syn.header);
    (void)dispatch_round();
    assert_int_equal(fake_status_page(0)->counters[COUNTER_DROP_BAD_MESSAGE], bad + 3);
    fake_expect_no_message(OTHER_CM); /* no connection was assigned */
}

static int start_node(void **state)
{
    char reason[64];

    (void)state;
    fake_platform_reset(0, 4);
    dispatch_initialise();
    if (configuration_parse(&configuration, "pika=TS2LS2CM2 app=httpd:2", 4, reason,
                            sizeof(reason)) != 0) {
        return -1;
    }
    configuration_set_current(&configuration);
    connection_manager_start(configuration_current());
    return 0;
}

#define TEST(name) cmocka_unit_test_setup(name, start_node)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(messages_reach_the_nodes_own_manager_which_answers_by_channel),
        TEST(what_it_counts_stands_on_the_nodes_status_page),
        TEST(it_is_told_of_dead_nodes),
        TEST(offers_that_must_wait_are_sent_by_the_nodes_timer),
        TEST(the_node_says_how_it_balances),
        TEST(a_service_time_stands_on_the_page_for_all),
        TEST(service_times_are_published_as_connections_end),
        TEST(every_kind_of_message_has_its_way_to_the_manager),
        TEST(what_a_node_without_the_role_sends_reaches_no_manager),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
