/* SPDX-License-Identifier: MIT */
/* sources: net/manager/listeners.c net/manager/service.c tests/unit/world/panic.c */
/* sources: net/manager/balance/balance.c net/manager/balance/offers.c net/manager/balance/weights.c net/manager/balance/naive.c net/manager/balance/unfiltered.c net/manager/balance/filtered.c net/manager/balance/tournament.c net/manager/balance/least.c */
/*
 * One port's balance for unit tests: see balance_world.h.
 */
#include "tests/unit/world/balance_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/platform.h"

#define APP_INDEX 7

struct listener_table table;
void *memory; /* of the table */
struct listener *listener;
struct listening_application *own[OWN_MAX];
static unsigned own_count;
struct balance balance;

int start_balance(void **state)
{
    (void)state;
    free(memory);
    memory = malloc(listener_table_bytes(NODE_MAX));
    assert_non_null(memory);
    memset(memory, 0xA5, listener_table_bytes(NODE_MAX));
    listener_table_initialise(&table, NODE_MAX, memory);
    listener = listener_obtain(&table, 80);
    own_count = 0;
    balance_initialise(&balance, 12345);
    return 0;
}

void balance_by(const char *text)
{
    assert_int_equal(balance_parse(&balance, text, strlen(text)), 0);
}

void own_application(uint64_t service_ns)
{
    node_id_t node = (node_id_t)(200 + own_count);

    assert_int_equal(listener_add_application(&table, listener, node, APP_INDEX, 1), 0);
    own[own_count] = listener_find_application(listener, node, APP_INDEX);
    listener_set_service(listener, own[own_count], service_ns);
    listener_add_acceptor(listener, own[own_count]);
    balance_settle(&balance, listener);
    own_count++;
}

void own_becomes(unsigned index, uint64_t service_ns)
{
    listener_set_service(listener, own[index], service_ns);
    balance_settle(&balance, listener);
}

void own_stops_accepting(unsigned index)
{
    listener_remove_acceptor(listener, own[index]);
    balance_settle(&balance, listener);
}

void offer(node_id_t cm, uint64_t service_ns)
{
    const struct acceptor acceptor = {.node = (node_id_t)(100 + cm), .cm = cm};

    balance_set_offer(&balance, listener, cm, &acceptor, service_ns);
}

bool does_count(node_id_t cm)
{
    bool counts = node_set_has(&listener->offers.counting, cm);

    assert_int_equal(weight_tree_get(&listener->offers.weights, cm) != 0, counts);
    return counts;
}

unsigned chosen_own[OWN_MAX], chosen_offers[NODE_MAX], all_own, all_offers;

void choose_many(void)
{
    memset(chosen_own, 0, sizeof(chosen_own));
    memset(chosen_offers, 0, sizeof(chosen_offers));
    all_own = all_offers = 0;
    for (unsigned i = 0; i < DRAWS; i++) {
        struct choice choice = balance_choose(&balance, listener);

        if (choice.application != NULL) {
            assert_int_equal(choice.offering_cm, NODE_NONE);
            assert_true(choice.application->is_accepting);
            chosen_own[choice.application->node - 200]++;
            all_own++;
        } else {
            assert_true(node_set_has(&listener->offers.offering, choice.offering_cm));
            chosen_offers[choice.offering_cm]++;
            all_offers++;
        }
    }
}

void expect_share(unsigned count, double share)
{
    double expected = DRAWS * share;

    if (count < expected * 0.9 - 20 || count > expected * 1.1 + 20) {
        fail_msg("%u of %u, expected %.0f", count, DRAWS, expected);
    }
}

double own_share(double own_weight, double offered_weight)
{
    return own_weight / (own_weight + offered_weight);
}
