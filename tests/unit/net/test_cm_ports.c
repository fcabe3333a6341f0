/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/cm_world.c */
/*
 * Tests net/manager/ports.c: what transport servers are told of the ports that are served.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/world/cm_world.h"

/* Ports that have been told and not been looked at. */
static unsigned seen_count;

static const struct ports_served *next_list(node_id_t ts)
{
    const struct sent_message *message = &told_ports[seen_count++ % TOLD_PORTS_MAX];

    assert_true(seen_count <= told_ports_count);
    assert_int_equal(message->to, ts);
    assert_int_equal(message->header.type, PORTS_SERVED);
    assert_int_equal(message->header.length_bytes, sizeof(struct ports_served));
    return &message->ports;
}

static void no_more_lists(void)
{
    assert_int_equal(seen_count, told_ports_count);
}

static bool has_port(const struct ports_served *list, uint16_t port)
{
    for (unsigned i = 0; i < PORTS_SERVED_MAX; i++) {
        if (list->ports[i] == port) {
            return true;
        }
    }
    return false;
}

/* One message with these ports, 0 for none, and no others. */
static void is_told(node_id_t ts, uint16_t port, uint16_t other_port)
{
    const struct ports_served *list = next_list(ts);
    unsigned count = 0;

    assert_int_equal(list->is_first, 1);
    assert_int_equal(list->is_last, 1);
    for (unsigned i = 0; i < PORTS_SERVED_MAX; i++) {
        count += list->ports[i] != 0;
    }
    assert_int_equal(count, (port != 0) + (other_port != 0));
    assert_true(port == 0 || has_port(list, port));
    assert_true(other_port == 0 || has_port(list, other_port));
}

/* The other transport server has its own connection manager, which says the same. */
static void whose_own_manager_it_is_learns_of_ports_that_come_and_go(void **state)
{
    (void)state;
    no_more_lists();
    app_listens(APP_A, PORT, 8);
    is_told(TS_A, PORT, 0);
    no_more_lists();
    app_listens(APP_A, PORT + 1, 8);
    is_told(TS_A, PORT, PORT + 1);
    app_stops_listening(APP_A, PORT);
    is_told(TS_A, PORT + 1, 0);
    app_stops_listening(APP_A, PORT + 1);
    is_told(TS_A, 0, 0);
    no_more_lists();
}

static void who_serves_a_port_besides_is_no_news(void **state)
{
    (void)state;
    app_listens(APP_A, PORT, 8);
    is_told(TS_A, PORT, 0);
    app_listens(APP_A, PORT, 4);
    app_listens(APP_B, PORT, 8);
    app_accepts(APP_B, PORT);
    app_stops_listening(APP_A, PORT);
    no_more_lists();
    app_stops_listening(APP_B, PORT);
    is_told(TS_A, 0, 0);
}

/* Its application's LISTEN may come later: by another channel. */
static void a_port_is_served_by_another_managers_offer(void **state)
{
    (void)state;
    other_cm_offers(APP_OF_OTHER);
    is_told(TS_A, PORT, 0);
    other_cm_offers(APP_OF_OTHER);
    app_listens(APP_OF_OTHER, PORT, 8);
    no_more_lists();
    other_cm_offers(NODE_NONE);
    no_more_lists();
    app_stops_listening(APP_OF_OTHER, PORT);
    is_told(TS_A, 0, 0);
}

static void what_is_refused_is_not_told(void **state)
{
    (void)state;
    for (uint16_t i = 0; i < LISTENER_MAX; i++) {
        app_listens(APP_A, (uint16_t)(1000 + i), 8);
    }
    seen_count = told_ports_count;
    app_listens(APP_A, PORT, 8);
    app_listens(APP_B, 0, 8);
    no_more_lists();
}

/* More ports than a line holds. */
static void a_long_list_comes_whole(void **state)
{
    unsigned count = 0;
    bool is_last = false;

    (void)state;
    for (uint16_t i = 0; i < LISTENER_MAX; i++) {
        seen_count = told_ports_count;
        app_listens(APP_A, (uint16_t)(1000 + i), 8);
    }
    for (unsigned number = 0; !is_last; number++) {
        const struct ports_served *list = next_list(TS_A);

        assert_int_equal(list->is_first, number == 0);
        is_last = list->is_last;
        for (uint16_t i = 0; i < LISTENER_MAX; i++) {
            count += has_port(list, (uint16_t)(1000 + i));
        }
    }
    assert_int_equal(count, LISTENER_MAX);
    no_more_lists();
}

/* The dead one's transport servers are told by who is their manager now; so is the rest. */
static void after_a_managers_death_its_servers_are_told(void **state)
{
    char reason[64];

    (void)state;
    /* TS on nodes 0 and 1, the managers on 2 and 3. */
    assert_int_equal(configuration_parse(&configuration, "pika=TS2LS2+CM2 app=httpd:2", NODE_COUNT,
                                         reason, sizeof(reason)),
                     0);
    manager.node = 2;
    DELIVER(4, LISTEN, (struct listen){.port = PORT, .listener_index = 7, .backlog = 8});
    is_told(0, PORT, 0);
    no_more_lists();
    node_dies(3);
    is_told(0, PORT, 0);
    is_told(1, PORT, 0);
    no_more_lists();
    node_dies(4);
    is_told(0, 0, 0);
    is_told(1, 0, 0);
    no_more_lists();
}

static int start(void **state)
{
    seen_count = 0;
    return start_anew(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, all_is_given_back)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(whose_own_manager_it_is_learns_of_ports_that_come_and_go),
        TEST(who_serves_a_port_besides_is_no_news),
        TEST(a_port_is_served_by_another_managers_offer),
        TEST(what_is_refused_is_not_told),
        TEST(a_long_list_comes_whole),
        cmocka_unit_test_setup(after_a_managers_death_its_servers_are_told, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
