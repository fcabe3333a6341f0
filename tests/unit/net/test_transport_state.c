/* SPDX-License-Identifier: MIT */
/* sources: net/transport/state.c */
/* sources: tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
/* sources: kernel/message/channel.c kernel/message/status.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/message/status.h"
#include "net/transport/connection.h"
#include "net/transport/counters.h"
#include "net/transport/state.h"
#include "tests/unit/world/fake_platform.h"

#define STATE(name) CONNECTION_##name

/* Written down apart from the table under test: what may follow each state, and nothing else. */
static const struct {
    enum connection_state from, to;
} allowed[] = {
    {STATE(FREE), STATE(ASSIGNED)},      {STATE(ASSIGNED), STATE(ANNOUNCED)},
    {STATE(ASSIGNED), STATE(WAITING)},   {STATE(ASSIGNED), STATE(DETACHED)},
    {STATE(ANNOUNCED), STATE(ASSIGNED)}, {STATE(ANNOUNCED), STATE(WAITING)},
    {STATE(ANNOUNCED), STATE(CLAIMED)},  {STATE(ANNOUNCED), STATE(DETACHED)},
    {STATE(WAITING), STATE(WAITING)},    {STATE(WAITING), STATE(ASSIGNED)},
    {STATE(WAITING), STATE(DETACHED)},   {STATE(CLAIMED), STATE(DETACHED)},
    {STATE(DETACHED), STATE(CLAIMED)},   {STATE(DETACHED), STATE(FREE)},
};

/* One way from FREE to each state; ends with FREE. */
static const enum connection_state ways[CONNECTION_STATE_COUNT][6] = {
    [STATE(ASSIGNED)] = {STATE(ASSIGNED)},
    [STATE(ANNOUNCED)] = {STATE(ASSIGNED), STATE(ANNOUNCED)},
    [STATE(WAITING)] = {STATE(ASSIGNED), STATE(WAITING)},
    [STATE(CLAIMED)] = {STATE(ASSIGNED), STATE(ANNOUNCED), STATE(CLAIMED)},
    [STATE(DETACHED)] = {STATE(ASSIGNED), STATE(DETACHED)},
};

static bool is_allowed(enum connection_state from, enum connection_state to)
{
    for (unsigned i = 0; i < ARRAY_COUNT(allowed); i++) {
        if (allowed[i].from == from && allowed[i].to == to) {
            return true;
        }
    }
    return false;
}

static struct connection connection_in(enum connection_state state)
{
    struct connection connection = {0};

    for (unsigned i = 0; ways[state][i] != CONNECTION_FREE; i++) {
        connection_set_state(&connection, ways[state][i]);
    }
    return connection;
}

static void every_transition_of_the_table_passes(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(allowed); i++) {
        struct connection connection = connection_in(allowed[i].from);

        assert_int_equal(connection.state, allowed[i].from);
        connection_set_state(&connection, allowed[i].to);
        assert_int_equal(connection.state, allowed[i].to);
    }
}

/* A function of its own: it jumps. */
static void expect_panic(struct connection *connection, enum connection_state to)
{
    expect_assert_failure(connection_set_state(connection, to));
}

static void every_other_transition_panics_and_changes_nothing(void **state)
{
    unsigned refused = 0;

    (void)state;
    for (enum connection_state from = 0; from < CONNECTION_STATE_COUNT; from++) {
        struct connection connection = connection_in(from);

        for (enum connection_state to = 0; to < CONNECTION_STATE_COUNT; to++) {
            if (is_allowed(from, to)) {
                continue;
            }
            expect_panic(&connection, to);
            assert_int_equal(connection.state, from);
            refused++;
        }
    }
    assert_int_equal(refused,
                     CONNECTION_STATE_COUNT * CONNECTION_STATE_COUNT - ARRAY_COUNT(allowed));
}

static uint64_t gauge(enum connection_state state)
{
    return counter_read(0, COUNTER_CONNECTIONS_ASSIGNED + state - CONNECTION_ASSIGNED);
}

/* What /metrics shows of them. */
static void connections_are_counted_by_state(void **state)
{
    (void)state;
    for (enum connection_state i = CONNECTION_ASSIGNED; i < CONNECTION_STATE_COUNT; i++) {
        uint64_t before[CONNECTION_STATE_COUNT];
        struct connection connection;

        connection_publish_counts();
        for (enum connection_state j = CONNECTION_ASSIGNED; j < CONNECTION_STATE_COUNT; j++) {
            before[j] = gauge(j);
        }
        connection = connection_in(i);
        assert_int_equal(gauge(i), before[i]);
        connection_publish_counts();
        for (enum connection_state j = CONNECTION_ASSIGNED; j < CONNECTION_STATE_COUNT; j++) {
            assert_int_equal(gauge(j), before[j] + (i == j));
        }
        if (i == CONNECTION_DETACHED) {
            connection_set_state(&connection, CONNECTION_FREE);
            connection_publish_counts();
            assert_int_equal(gauge(i), before[i]);
        }
    }
}

static int start_node(void **state)
{
    (void)state;
    fake_platform_reset(0, 1);
    status_initialise();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_transition_of_the_table_passes),
        cmocka_unit_test(every_other_transition_panics_and_changes_nothing),
        cmocka_unit_test(connections_are_counted_by_state),
    };

    return cmocka_run_group_tests(tests, start_node, NULL);
}
