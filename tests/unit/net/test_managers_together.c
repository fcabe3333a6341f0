/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/managers_world.c */
/*
 * Tests net/manager/: several managers in one process. Each keeps its tables to itself, and they
 * meet in messages alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/platform.h"
#include "net/counters.h"
#include "tests/unit/world/managers_world.h"

static void one_managers_listeners_are_not_known_to_another(void **state)
{
    (void)state;
    listen_at(APPLICATION_OF(0), 0, 4);
    listen_at(APPLICATION_OF(1), 2, 4);
    assert_int_equal(listener_at(0)->applications->node, APPLICATION_OF(0));
    assert_null(listener_at(1));
    assert_int_equal(listener_at(2)->applications->node, APPLICATION_OF(1));
    assert_null(listener_at(2)->applications->next);
}

static void an_acceptor_gets_connections_from_every_manager(void **state)
{
    (void)state;
    listen_everywhere(APPLICATION_OF(0));
    accept_at_own(APPLICATION_OF(0), 0);
    for (node_id_t cm = 0; cm < SERVER_COUNT; cm++) {
        struct acceptor acceptor = syn_at(cm);

        assert_int_equal(acceptor.node, APPLICATION_OF(0));
        assert_int_equal(acceptor.cm, 0);
        assert_int_equal(acceptor.assigned_by, cm);
        assert_int_equal(servers[cm].counters[COUNTER_CM_ASSIGNED], cm == 0 ? 1 : 0);
        assert_int_equal(servers[cm].counters[COUNTER_CM_ASSIGNED_REMOTE], cm == 0 ? 0 : 1);
    }
    /* Each counts only what it has assigned to an application of its own. */
    assert_int_equal(outstanding_at(0), 1);
    assert_int_equal(outstanding_at(1), 0);
    assert_int_equal(outstanding_at(2), 0);
}

/* A connection of manager 2 goes to an application of manager 0, which does not claim it; manager 0
 * withdraws its offer from both others, lets the connection wait, and takes up manager 1's. */
static void an_unclaimed_connection_goes_from_manager_to_manager(void **state)
{
    const struct reassign_connection *reassign;
    struct acceptor acceptor;

    (void)state;
    listen_everywhere(APPLICATION_OF(0));
    listen_everywhere(APPLICATION_OF(1));
    accept_at_own(APPLICATION_OF(0), 0);
    acceptor = syn_at(2);
    assert_int_equal(acceptor.node, APPLICATION_OF(0));

    claim_times_out(2, acceptor, 11);
    no_more_to_any_ts();
    assert_int_equal(servers[0].counters[COUNTER_CM_QUEUED], 1);
    for (node_id_t cm = 0; cm < SERVER_COUNT; cm++) {
        assert_int_equal(syn_at(cm).node, NODE_NONE);
    }

    accept_at_own(APPLICATION_OF(1), 0);
    reassign = &next_to(2, REASSIGN_CONNECTION)->reassign;
    assert_int_equal(reassign->connection_index, 11);
    assert_int_equal(reassign->acceptor.node, APPLICATION_OF(1));
    assert_int_equal(reassign->acceptor.cm, 1);
    assert_int_equal(reassign->acceptor.assigned_by, 0);
    assert_int_equal(syn_at(2).node, APPLICATION_OF(1));
    no_more_to_any_ts();
}

static void a_used_up_pool_is_one_managers_own(void **state)
{
    const struct acceptor none = {.node = NODE_NONE, .cm = 0, .assigned_by = 0};
    const struct acceptor none_of_1 = {.node = NODE_NONE, .cm = 1, .assigned_by = 1};

    (void)state;
    listen_at(APPLICATION_OF(0), 0, WAITING_MAX);
    listen_at(APPLICATION_OF(0), 1, WAITING_MAX);
    for (uint32_t i = 0; i < WAITING_MAX; i++) {
        claim_times_out(0, none, i);
    }
    claim_times_out(1, none_of_1, 5);
    no_more_to_any_ts();
    assert_int_equal(listener_at(0)->waiting.count, WAITING_MAX);
    assert_int_equal(listener_at(1)->waiting.count, 1);
    claim_times_out(0, none, WAITING_MAX);
    assert_int_equal(next_to(0, REASSIGN_CONNECTION)->reassign.is_refused, 1);
    claim_times_out(1, none_of_1, 6);
    no_more_to_any_ts();
}

static void the_living_forget_a_dead_managers_offers(void **state)
{
    (void)state;
    listen_everywhere(APPLICATION_OF(0));
    listen_everywhere(APPLICATION_OF(2));
    accept_at_own(APPLICATION_OF(0), 0);
    manager_forget_node(&servers[1].manager, 0);
    deliver_all();
    assert_int_equal(syn_at(1).node, NODE_NONE);
    assert_int_equal(syn_at(2).node, APPLICATION_OF(0)); /* it has not seen it yet */
    manager_forget_node(&servers[2].manager, 0);
    deliver_all();
    assert_int_equal(syn_at(2).node, NODE_NONE);
    accept_at_own(APPLICATION_OF(2), 0);
    assert_int_equal(syn_at(1).node, APPLICATION_OF(2));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start_three, all_is_given_back)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_managers_listeners_are_not_known_to_another),
        TEST(an_acceptor_gets_connections_from_every_manager),
        TEST(an_unclaimed_connection_goes_from_manager_to_manager),
        TEST(a_used_up_pool_is_one_managers_own),
        TEST(the_living_forget_a_dead_managers_offers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
