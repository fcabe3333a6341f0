/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/managers_world.c */
/*
 * Tests net/manager/: several managers balance between their applications, under every scheme.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/platform.h"
#include "net/counters.h"
#include "tests/unit/world/managers_world.h"

/* Any order of events: when every connection has been answered for, no manager counts one. */
static void play_random_connections(void)
{
    struct {
        struct acceptor acceptor;
        node_id_t ts;
    } open[64];
    unsigned open_count = 0;
    uint32_t random = 1;

    for (node_id_t n = 0; n < SERVER_COUNT; n++) {
        listen_everywhere(APPLICATION_OF(n));
    }
    for (uint32_t turn = 0; turn < 20000; turn++) {
        node_id_t node;
        unsigned pick;

        random = random * 1664525 + 1013904223;
        node = (node_id_t)((random >> 8) % SERVER_COUNT);
        pick = open_count == 0 ? 0 : (random >> 16) % open_count;
        service_ns = random >> 8; /* to 17 ms */
        wake_all();
        switch (random >> 29) {
        case 0:
            accept_at_own(APPLICATION_OF(node), (uint16_t)turn);
            break;
        case 1:
        case 2:
        case 3:
            if (open_count < ARRAY_COUNT(open)) {
                struct acceptor acceptor = syn_at(node);

                if (acceptor.node == NODE_NONE) {
                    claim_times_out(node, acceptor, turn);
                } else {
                    open[open_count].acceptor = acceptor;
                    open[open_count++].ts = node;
                }
            }
            break;
        case 4:
        case 5:
        case 6:
            if (open_count != 0) {
                claim_times_out(open[pick].ts, open[pick].acceptor, turn);
                open[pick] = open[--open_count];
            }
            break;
        default:
            if (open_count != 0) {
                connection_closes(open[pick].ts, open[pick].acceptor);
                open[pick] = open[--open_count];
            }
            break;
        }
        /* What was placed again is closed at once. */
        for (; seen_count < to_ts_count; seen_count++) {
            const struct delivery *delivery = &to_ts[seen_count];

            assert_int_equal(delivery->header.type, REASSIGN_CONNECTION);
            if (delivery->reassign.acceptor.node != NODE_NONE) {
                connection_closes(delivery->to, delivery->reassign.acceptor);
            }
        }
        seen_count = to_ts_count = 0;
    }
    while (open_count != 0) {
        open_count--;
        connection_closes(open[open_count].ts, open[open_count].acceptor);
    }
    for (node_id_t n = 0; n < SERVER_COUNT; n++) {
        assert_int_equal(outstanding_at(n), 0);
        assert_int_equal(servers[n].counters[COUNTER_DROP_BAD_MESSAGE], 0);
        assert_true(servers[n].counters[COUNTER_CM_ASSIGNED] > 100);
        assert_true(servers[n].counters[COUNTER_CM_QUEUED] > 100);
        assert_true(servers[n].counters[COUNTER_DROP_BACKLOG_FULL] > 10);
    }
}

static void nothing_stays_counted_after_many_random_connections(void **state)
{
    static const char *const schemes[] = {
        "balance=naive",        "balance=unfiltered:2", "balance=unfiltered:100",
        "balance=filtered:2",   "balance=tournament:2", "balance=tournament:1",
        "balance=tournament:7", "balance=least",
    };

    for (unsigned i = 0; i < ARRAY_COUNT(schemes); i++) {
        assert_int_equal(start_balanced_by(state, schemes[i]), 0);
        play_random_connections();
    }
}

/* With an application at manager 0 alone, the other two send all they get to it. */
static void managers_without_applications_take_part_under_every_scheme(void **state)
{
    static const char *const schemes[] = {"balance=naive", "balance=unfiltered:2",
                                          "balance=filtered:2", "balance=tournament:2",
                                          "balance=least"};

    for (unsigned i = 0; i < ARRAY_COUNT(schemes); i++) {
        assert_int_equal(start_balanced_by(state, schemes[i]), 0);
        listen_everywhere(APPLICATION_OF(0));
        accept_at_own(APPLICATION_OF(0), 0);
        for (unsigned turn = 0; turn < 300; turn++) {
            node_id_t cm = (node_id_t)(turn % SERVER_COUNT);
            struct acceptor acceptor = syn_at(cm);

            assert_int_equal(acceptor.node, APPLICATION_OF(0));
            assert_int_equal(acceptor.cm, 0);
            connection_closes(cm, acceptor);
            wake_all();
        }
        assert_int_equal(servers[1].counters[COUNTER_CM_ASSIGNED_REMOTE], 100);
    }
}

/* Of three applications one takes ten times as long. Its own manager then gives away most of what
 * it gets if the scheme balances, and nothing under the naive one. */
static void a_slow_application_gets_less_unless_the_scheme_is_naive(void **state)
{
    static const char *const schemes[] = {"balance=naive", "balance=unfiltered:2",
                                          "balance=filtered:2", "balance=tournament:2"};

    for (unsigned i = 0; i < ARRAY_COUNT(schemes); i++) {
        unsigned served[SERVER_COUNT] = {0};

        assert_int_equal(start_balanced_by(state, schemes[i]), 0);
        for (node_id_t n = 0; n < SERVER_COUNT; n++) {
            listen_everywhere(APPLICATION_OF(n));
            accept_at_own(APPLICATION_OF(n), 0);
        }
        for (unsigned turn = 0; turn < 3000; turn++) {
            node_id_t cm = (node_id_t)(turn % SERVER_COUNT);
            struct acceptor acceptor = syn_at(cm);

            served[acceptor.node - SERVER_COUNT]++;
            service_ns = acceptor.node == APPLICATION_OF(1) ? 2000000 : 200000;
            connection_closes(cm, acceptor);
            wake_all();
        }
        if (i == 0) {
            assert_int_equal(served[1], 1000);
        } else {
            assert_true(served[1] < 350);
            assert_true(served[1] > 10); /* it is sampled */
        }
        /* What is as fast as the others keeps to itself, but where nothing is filtered. */
        if (i != 1) {
            assert_int_equal(servers[0].counters[COUNTER_CM_ASSIGNED_REMOTE], 0);
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start_three, all_is_given_back)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_stays_counted_after_many_random_connections),
        TEST(managers_without_applications_take_part_under_every_scheme),
        TEST(a_slow_application_gets_less_unless_the_scheme_is_naive),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
