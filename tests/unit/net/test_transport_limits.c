/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_client.c */
/* library: lwip */
/*
 * Tests that what a transport server takes follows its node's memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/message/status.h"
#include "libc/core/memory.h"
#include "libc/core/pool.h"
#include "net/counters.h"
#include "net/transport/connection.h"
#include "net/transport/counters.h"
#include "net/transport/demux.h"
#include "net/transport/orphan.h"
#include "net/transport/state.h"
#include "net/transport/table.h"
#include "tests/unit/world/fake_client.h"
#include "tests/unit/world/fake_platform.h"

#define MEMORY_BYTES (16 * MIB)

static int set_up(void **state)
{
    wire_memory_bytes = MEMORY_BYTES;
    return wire_set_up(state);
}

static void release_one(struct connection *connection, void *count)
{
    connection_release(connection);
    ++*(uint32_t *)count;
}

static void as_many_connections_as_the_memory_has_kibs_and_no_more(void **state)
{
    uint32_t limit = MEMORY_BYTES / CONNECTION_SHARE_BYTES;

    (void)state;
    assert_int_equal(connection_table_limit(), limit);
    assert_int_equal(wire_counted(COUNTER_CONNECTIONS_MAX), limit);
    for (uint32_t i = 0; i < limit; i++) {
        struct connection *connection = connection_allocate(i);

        assert_non_null(connection);
        connection->tcb.flow.remote_address = i;
        connection_set_state(connection, CONNECTION_DETACHED);
    }
    assert_true(connection_table_is_full());
    assert_null(connection_allocate(0));
    uint64_t rounds = counter_read(platform_node(), COUNTER_DISPATCH_ROUNDS);
    uint32_t count = 0;

    connection_for_each(release_one, &count);
    assert_int_equal(count, limit);
    assert_false(connection_table_is_full());
    /* On its way through so many it has said that it goes on. */
    assert_true(counter_read(platform_node(), COUNTER_DISPATCH_ROUNDS) - rounds >= limit / 64);
    connection_for_each(release_one, &count);
    assert_int_equal(count, limit);
}

#define HOARDER 0x0100000Au /* 10.0.0.1: behind the gateway, as OTHER */
#define OTHER   0x0200000Au

/* Returns how many of them there are. */
static uint32_t allocate_for(uint32_t remote_address, uint32_t most)
{
    struct connection *connection;
    uint32_t count = 0;

    for (; count < most && (connection = connection_allocate(remote_address)) != NULL; count++) {
        connection->tcb.flow.remote_address = remote_address;
        connection_set_state(connection, CONNECTION_DETACHED);
    }
    return count;
}

/* Idle, dead, half-closed: whatever they are. */
static void one_address_does_not_keep_others_out_of_the_table(void **state)
{
    struct client client = {.port = wire_new_port(), .send_next = 500};
    uint64_t refused = wire_counted(COUNTER_DROP_ADDRESS_LIMIT);
    uint32_t two_thirds = connection_table_limit() / 3 * 2;

    (void)state;
    (void)allocate_for(HOARDER, two_thirds - 2);
    wire_client_address = HOARDER;
    wire_assign(&client, NODE_APPLICATION, false);
    client.receive_next = wire_expect(&client).sequence + 1;
    assert_in_range(allocate_for(HOARDER, two_thirds), 1, 2 + two_thirds / 128);
    wire_send(&client, WIRE_ACK, NULL, 0); /* which others of its have taken meanwhile */
    wire_run();
    wire_expect_silence();
    assert_int_equal(wire_counted(COUNTER_DROP_ADDRESS_LIMIT), refused + 1);
    client.port = wire_new_port();
    wire_send_syn(&client);
    wire_expect_silence();
    assert_int_equal(wire_counted(COUNTER_DROP_ADDRESS_LIMIT), refused + 2);

    wire_client_address = OTHER;
    (void)wire_accept(&client, wire_new_port());
    wire_finish(&client);
    wire_client_address = WIRE_CLIENT_ADDRESS;
    for (uint32_t i = 0; i < connection_table_size(); i++) {
        struct connection *connection = connection_at(i);

        if (connection != NULL && !connection->tcb.is_hashed) {
            connection_release(connection);
        }
    }
    wire_advance_ns(8 * NS_PER_S); /* the handshake is given up */
    wire_clear();
}

static void one_orphan_for_so_much_memory(void **state)
{
    unsigned limit = MEMORY_BYTES / ORPHAN_SHARE_BYTES;
    struct client client;

    (void)state;
    for (unsigned i = 0; i < limit + 3; i++) {
        (void)wire_accept(&client, wire_new_port());
        wire_application_close(&client, 0, CLOSE_BOTH);
        wire_run();
        wire_clear();
    }
    assert_int_equal(wire_connection_count(), limit + 3);
    wire_advance_ns(ORPHAN_LOOK_NS);
    assert_int_equal(wire_connection_count(), limit);
    assert_int_equal(wire_counted(COUNTER_ORPHANS_TOO_MANY), 3);
    wire_clear();
}

/* Half-closed hoarders: the oldest orphan is not theirs, and stays. */
static void orphans_of_one_address_do_not_end_others(void **state)
{
    unsigned limit = MEMORY_BYTES / ORPHAN_SHARE_BYTES;
    uint64_t reset = wire_counted(COUNTER_ORPHANS_TOO_MANY);
    struct client client, other;

    (void)state;
    wire_client_address = OTHER;
    (void)wire_accept(&other, wire_new_port());
    wire_application_close(&other, 0, CLOSE_BOTH);
    wire_run();
    wire_clear();
    wire_client_address = HOARDER;
    for (unsigned i = 0; i < limit + 3; i++) {
        (void)wire_accept(&client, wire_new_port());
        wire_application_close(&client, 0, CLOSE_BOTH);
        wire_run();
        wire_clear();
    }
    wire_advance_ns(ORPHAN_LOOK_NS);
    wire_clear();
    assert_int_equal(wire_connection_count(), limit);
    assert_int_equal(wire_counted(COUNTER_ORPHANS_TOO_MANY), reset + 4);
    assert_int_equal(wire_tcb_of(&other)->state, TCB_FIN_WAIT_1);
    wire_client_address = WIRE_CLIENT_ADDRESS;
}

static bool refuse_connections(const struct memory_kind *kind)
{
    return strcmp(kind->name, "connection") == 0;
}

/* A handshake that finds no memory is not completed, and no other connection ends for it. */
static void without_memory_for_a_connection_no_other_ends(void **state)
{
    struct client old, new = {.port = wire_new_port(), .send_next = 1000};
    uint64_t dropped = wire_counted(COUNTER_DROP_NO_MEMORY);

    (void)state;
    (void)wire_accept(&old, wire_new_port());
    wire_send(&old, WIRE_FIN | WIRE_ACK, NULL, 0);
    old.send_next++;
    wire_run();
    wire_application_send(&old, "late", 4);
    wire_application_close(&old, 0, CLOSE_BOTH);
    wire_run();
    wire_clear();

    wire_assign(&new, NODE_APPLICATION, false);
    new.receive_next = wire_expect(&new).sequence + 1;
    memory_fault = refuse_connections;
    wire_send(&new, WIRE_ACK, NULL, 0);
    wire_run();
    memory_fault = NULL;
    wire_expect_silence();
    assert_int_equal(wire_counted(COUNTER_DROP_NO_MEMORY), dropped + 1);
    assert_int_equal(wire_connection_count(), 2);

    /* What either side sends again, it sends in vain no longer. */
    wire_send(&new, WIRE_ACK, "GET /", 5);
    new.send_next += 5;
    wire_run();
    (void)fake_expect_message(NODE_APPLICATION, CONNECTION_AVAILABLE);
    wire_send(&new, WIRE_RST, NULL, 0);
    wire_run();
    wire_clear();
    for (unsigned i = 0; i < 40; i++) { /* four seconds: it is sent again */
        wire_advance_ns(ORPHAN_LOOK_NS);
    }
    assert_int_equal(wire_expect(&old).length, 4);
    wire_clear();
    old.receive_next += 5;
    wire_send(&old, WIRE_ACK, NULL, 0);
    wire_run();
    assert_int_equal(wire_connection_count(), 0);
}

/* Last: the server is as if it had begun anew. */
static void there_is_a_least_and_a_greatest_number_of_connections(void **state)
{
    static const struct {
        uint64_t memory_bytes;
        uint32_t limit;
    } cases[] = {
        {0, CONNECTION_LEAST},
        {UINT64_MAX, CONNECTION_MAX},
        {(uint64_t)(CONNECTION_MAX - 1) * CONNECTION_SHARE_BYTES, CONNECTION_MAX - POOL_CHUNK},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
        fake_status_page(0)->memory_bytes = cases[i].memory_bytes;
        connection_table_initialise();
        assert_int_equal(connection_table_limit(), cases[i].limit);
    }
}

#define TEST(name) cmocka_unit_test_teardown(name, wire_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(as_many_connections_as_the_memory_has_kibs_and_no_more),
        TEST(one_address_does_not_keep_others_out_of_the_table),
        TEST(one_orphan_for_so_much_memory),
        TEST(orphans_of_one_address_do_not_end_others),
        TEST(without_memory_for_a_connection_no_other_ends),
        TEST(there_is_a_least_and_a_greatest_number_of_connections),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
