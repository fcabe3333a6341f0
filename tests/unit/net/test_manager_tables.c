/* SPDX-License-Identifier: MIT */
/* sources: net/manager/listeners.c net/manager/waiting.c tests/unit/world/panic.c */
/* sources: net/manager/service.c net/manager/balance/balance.c net/manager/balance/offers.c net/manager/balance/weights.c net/manager/balance/naive.c net/manager/balance/unfiltered.c net/manager/balance/filtered.c net/manager/balance/tournament.c net/manager/balance/least.c */
/*
 * Tests net/manager/listeners.c, waiting.c and balance/least.c by themselves: entries of tables
 * that are full come back whole, and everybody has a turn.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/platform.h"
#include "net/manager/balance/balance.h"
#include "net/manager/listeners.h"
#include "net/manager/waiting.h"

static struct listener_table table;
static void *memory; /* of the table */
static struct waiting_pool pool;
static struct balance balance = {.scheme = &balance_least, .tariff = 1, .random = 1};

static int set_up(void **state)
{
    (void)state;
    free(memory);
    memory = malloc(listener_table_bytes(NODE_MAX));
    assert_non_null(memory);
    memset(memory, 0xA5, listener_table_bytes(NODE_MAX));
    listener_table_initialise(&table, NODE_MAX, memory);
    memset(&pool, 0, sizeof(pool));
    return 0;
}

/* --- Waiting connections --- */

static struct waiting_connection connection_of(node_id_t ts, uint32_t number)
{
    return (struct waiting_connection){
        .ts = ts, .connection_index = number, .generation = number + 7};
}

static void add(struct waiting_queue *queue, node_id_t ts, uint32_t number)
{
    struct waiting_connection connection = connection_of(ts, number);

    assert_int_equal(waiting_add(&pool, queue, &connection), 0);
}

static void expect(struct waiting_queue *queue, node_id_t ts, uint32_t number)
{
    struct waiting_connection connection;

    assert_true(waiting_take(&pool, queue, &connection));
    assert_int_equal(connection.ts, ts);
    assert_int_equal(connection.connection_index, number);
    assert_int_equal(connection.generation, number + 7);
}

/* Two queues in one pool, filled and emptied in turn: a queue that was empty begins anew. */
static void each_queue_keeps_its_own_order(void **state)
{
    struct waiting_queue first = {0}, second = {0};
    struct waiting_connection none;

    (void)state;
    for (uint32_t round = 0; round < 5; round++) {
        assert_false(waiting_take(&pool, &first, &none));
        for (uint32_t i = 0; i <= round; i++) {
            add(&second, 1, 1000 * round + i);
            add(&first, 2, 500 * round + i);
        }
        assert_int_equal(first.count, round + 1);
        for (uint32_t i = 0; i <= round; i++) {
            expect(&first, 2, 500 * round + i);
        }
        for (uint32_t i = 0; i <= round; i++) {
            expect(&second, 1, 1000 * round + i);
        }
    }
}

static void a_full_pool_refuses_and_takes_again_what_was_given_back(void **state)
{
    struct waiting_queue queues[2] = {{0}, {0}};
    struct waiting_connection more = connection_of(3, 1);

    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < WAITING_MAX; i++) {
            add(&queues[i % 2], 1, i);
        }
        assert_int_equal(waiting_add(&pool, &queues[0], &more), -ENOMEM);
        assert_int_equal(queues[0].count + queues[1].count, WAITING_MAX);
        for (uint32_t i = 0; i < WAITING_MAX; i++) {
            expect(&queues[i % 2], 1, i);
        }
    }
}

/* What stays keeps its order, whether the first, the last or all go. */
static void connections_of_one_server_leave_the_others_in_order(void **state)
{
    struct waiting_queue queue = {0};
    struct waiting_connection none;

    (void)state;
    for (node_id_t gone = 0; gone < 4; gone++) {
        for (uint32_t i = 0; i < 9; i++) {
            add(&queue, (node_id_t)(i % 3), i);
        }
        waiting_remove_ts(&pool, &queue, gone);
        assert_int_equal(queue.count, gone < 3 ? 6 : 9);
        for (uint32_t i = 0; i < 9; i++) {
            if (i % 3 != gone) {
                expect(&queue, (node_id_t)(i % 3), i);
            }
        }
        assert_false(waiting_take(&pool, &queue, &none));
    }
    waiting_remove_ts(&pool, &queue, 0);
    add(&queue, 5, 1);
    waiting_remove_ts(&pool, &queue, 5);
    assert_int_equal(queue.count, 0);
    assert_int_equal(pool.free_count, pool.fresh);
}

/* --- Listeners --- */

static void a_full_table_of_ports_takes_another_when_one_has_gone(void **state)
{
    struct listener *listeners[LISTENER_MAX];
    const struct listener *at = NULL;
    unsigned visited = 0;

    (void)state;
    for (uint16_t i = 0; i < LISTENER_MAX; i++) {
        /* Half of them collide in the hash. */
        listeners[i] = listener_obtain(&table, (uint16_t)(i % 2 == 0 ? 64 * (i + 1) : 20000 + i));
        assert_non_null(listeners[i]);
    }
    assert_null(listener_obtain(&table, 60000));
    assert_ptr_equal(listener_obtain(&table, 64), listeners[0]);
    while ((at = listener_after(&table, at)) != NULL) {
        visited++;
    }
    assert_int_equal(visited, LISTENER_MAX);
    for (uint16_t i = 0; i < LISTENER_MAX; i++) {
        uint16_t port = listeners[i]->port;

        listeners[i]->last_offer_used = 9; /* whatever the last one left */
        assert_true(listener_release_unused(&table, listeners[i]));
        assert_null(listener_find(&table, port));
        struct listener *next = listener_obtain(&table, (uint16_t)(50000 + i));

        assert_ptr_equal(next, listeners[i]);
        assert_int_equal(next->last_offer_used, 0);
        assert_int_equal(next->published.node, NODE_NONE);
        for (uint16_t j = i + 1; j < LISTENER_MAX; j++) {
            assert_ptr_equal(listener_find(&table, listeners[j]->port), listeners[j]);
        }
    }
}

/* Across two ports; removed in another order than they came. */
static void all_places_for_applications_come_back(void **state)
{
    struct listener *listeners[2] = {listener_obtain(&table, 80), listener_obtain(&table, 81)};

    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        for (uint16_t i = 0; i < table.application_max; i++) {
            assert_int_equal(
                listener_add_application(&table, listeners[i % 2], (node_id_t)(i % NODE_MAX), i, 3),
                0);
        }
        assert_int_equal(listener_add_application(&table, listeners[0], 1, 999, 1), -ENOMEM);
        assert_int_equal(listeners[0]->backlog, 3 * table.application_max / 2);
        /* One that is there already may change its backlog. */
        assert_int_equal(listener_add_application(&table, listeners[0], 0, 0, 5), 0);
        assert_int_equal(listeners[0]->backlog, 3 * table.application_max / 2 + 2);
        for (uint16_t k = 0; k < table.application_max; k++) {
            uint16_t i = (uint16_t)(k * 37 % table.application_max);
            struct listening_application *application =
                listener_find_application(listeners[i % 2], (node_id_t)(i % NODE_MAX), i);

            assert_non_null(application);
            assert_false(listener_release_unused(&table, listeners[i % 2]));
            application->outstanding = 1; /* as the manager may have left it */
            listener_set_service(listeners[i % 2], application, 1000);
            listener_add_acceptor(listeners[i % 2], application);
            listener_remove_application(&table, listeners[i % 2], application);
            assert_null(listener_find_application(listeners[i % 2], (node_id_t)(i % NODE_MAX), i));
            assert_null(listeners[i % 2]->first_acceptor);
        }
        assert_int_equal(listeners[0]->backlog, 0);
    }
    assert_true(listener_release_unused(&table, listeners[0]));
    assert_true(listener_release_unused(&table, listeners[1]));
}

/* First, middle or last on the acceptor list: it leaves, and comes again at the end. */
static void acceptors_leave_and_come_again_at_the_end(void **state)
{
    struct listener *listener = listener_obtain(&table, 80);
    struct listening_application *applications[3];

    (void)state;
    for (uint16_t i = 0; i < 3; i++) {
        assert_int_equal(listener_add_application(&table, listener, 1, i, 1), 0);
        applications[i] = listener_find_application(listener, 1, i);
        listener_set_service(listener, applications[i], 1000);
        listener_remove_acceptor(listener, applications[i]); /* not there: nothing changes */
        listener_add_acceptor(listener, applications[i]);
        listener_add_acceptor(listener, applications[i]);
    }
    for (unsigned leaving = 0; leaving < 3; leaving++) {
        struct listening_application *order[3];
        struct listening_application *at = listener->first_acceptor;

        for (unsigned i = 0; i < 3; i++, at = at->next_acceptor) {
            order[i] = at;
        }
        assert_null(at);
        listener_remove_acceptor(listener, order[leaving]);
        listener_add_acceptor(listener, order[leaving]);
        assert_ptr_equal(listener->last_acceptor, order[leaving]);
        assert_ptr_equal(listener->first_acceptor, order[leaving == 0 ? 1 : 0]);
        at = listener->last_acceptor;
        for (unsigned i = 0; i < 2; i++) {
            assert_ptr_equal(at->previous_acceptor->next_acceptor, at);
            at = at->previous_acceptor;
        }
        assert_null(at->previous_acceptor);
    }
}

/* All messages but LISTEN and UNLISTEN are about those of this CM's own: with many nodes the search
 * for them must not go through all others'. */
static void own_applications_stand_before_all_others(void **state)
{
    struct listener *listener = listener_obtain(&table, 80);
    static const uint16_t own[] = {9, 0, 4};

    (void)state;
    for (uint16_t i = 0; i < 20; i++) {
        assert_int_equal(listener_add_application(&table, listener, 1, i, 1), 0);
        if (i >= 10 && i - 10u < ARRAY_COUNT(own)) {
            struct listening_application *application =
                listener_find_application(listener, 1, own[i - 10]);

            listener_set_service(listener, application, 1000);
            listener_add_acceptor(listener, application);
        }
    }
    struct listening_application *application = listener->applications;
    for (unsigned i = 0; i < 20; i++, application = application->next) {
        assert_int_equal(application->is_own, i < ARRAY_COUNT(own));
    }
    assert_null(application);
    listener_remove_application(&table, listener, listener_find_application(listener, 1, 0));
    assert_true(listener->applications->is_own && listener->applications->next->is_own);
    assert_false(listener->applications->next->next->is_own);
}

/* --- Balance --- */

static void equals_take_turns_and_the_least_loaded_comes_first(void **state)
{
    struct listener *listener = listener_obtain(&table, 80);
    struct listening_application *applications[3];

    (void)state;
    for (uint16_t i = 0; i < 3; i++) {
        assert_int_equal(listener_add_application(&table, listener, 1, i, 1), 0);
        applications[i] = listener_find_application(listener, 1, i);
        listener_set_service(listener, applications[i], 1000);
        listener_add_acceptor(listener, applications[i]);
    }
    for (unsigned i = 0; i < 9; i++) {
        struct choice choice = balance_choose(&balance, listener);

        assert_ptr_equal(choice.application, applications[i % 3]);
        assert_int_equal(choice.offering_cm, NODE_NONE);
    }
    applications[0]->outstanding = 2;
    applications[1]->outstanding = 1;
    applications[2]->outstanding = 1;
    for (unsigned i = 0; i < 4; i++) {
        assert_ptr_equal(balance_choose(&balance, listener).application, applications[1 + i % 2]);
    }
    applications[2]->outstanding = 0;
    for (unsigned i = 0; i < 3; i++) {
        assert_ptr_equal(balance_choose(&balance, listener).application, applications[2]);
    }
    /* What is published stays so while it accepts. */
    listener->offered = applications[0];
    assert_ptr_equal(balance_least.best(listener), applications[0]);
    listener_remove_acceptor(listener, applications[0]);
    assert_ptr_equal(balance_least.best(listener), listener->first_acceptor);
    listener->offered = NULL;
    assert_ptr_equal(balance_least.best(listener), listener->first_acceptor);
}

/* Also around the last node that there can be. */
static void offers_of_others_are_taken_in_turn(void **state)
{
    static const node_id_t cms[] = {0, 5, NODE_MAX - 1};
    struct listener *listener = listener_obtain(&table, 80);
    struct acceptor acceptor = {.node = 2};

    (void)state;
    assert_int_equal(balance_choose(&balance, listener).offering_cm, NODE_NONE);
    assert_null(balance_least.best(listener));
    for (unsigned i = 0; i < 3; i++) {
        acceptor.listener_index = (uint16_t)i;
        balance_set_offer(&balance, listener, cms[i], &acceptor, 0);
    }
    assert_false(listener_release_unused(&table, listener));
    for (unsigned i = 0; i < 7; i++) {
        struct choice choice = balance_choose(&balance, listener);

        assert_null(choice.application);
        assert_int_equal(choice.offering_cm, cms[(i + 1) % 3]);
        assert_int_equal(listener->offers.known[choice.offering_cm].acceptor.listener_index,
                         (i + 1) % 3);
    }
    balance_remove_offer(listener, 5);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(balance_choose(&balance, listener).offering_cm,
                         i % 2 == 0 ? NODE_MAX - 1 : 0);
    }
    balance_remove_offer(listener, 0);
    balance_remove_offer(listener, NODE_MAX - 1);
    assert_true(listener_release_unused(&table, listener));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_queue_keeps_its_own_order, set_up),
        cmocka_unit_test_setup(a_full_pool_refuses_and_takes_again_what_was_given_back, set_up),
        cmocka_unit_test_setup(connections_of_one_server_leave_the_others_in_order, set_up),
        cmocka_unit_test_setup(a_full_table_of_ports_takes_another_when_one_has_gone, set_up),
        cmocka_unit_test_setup(all_places_for_applications_come_back, set_up),
        cmocka_unit_test_setup(acceptors_leave_and_come_again_at_the_end, set_up),
        cmocka_unit_test_setup(own_applications_stand_before_all_others, set_up),
        cmocka_unit_test_setup(equals_take_turns_and_the_least_loaded_comes_first, set_up),
        cmocka_unit_test_setup(offers_of_others_are_taken_in_turn, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
