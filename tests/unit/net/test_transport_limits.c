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

#include <cmocka.h>

#include "kernel/message/status.h"
#include "net/transport/connection.h"
#include "net/transport/counters.h"
#include "net/transport/demux.h"
#include "net/transport/orphan.h"
#include "net/transport/state.h"
#include "net/transport/table.h"
#include "net/transport/timer.h"
#include "tests/unit/world/fake_client.h"
#include "tests/unit/world/fake_platform.h"

#define MEMORY_BYTES (16 * MIB)

static int set_up(void **state)
{
    wire_memory_bytes = MEMORY_BYTES;
    return wire_set_up(state);
}

static void as_many_connections_as_the_memory_has_kibs_and_no_more(void **state)
{
    uint32_t limit = MEMORY_BYTES / CONNECTION_SHARE_BYTES;

    (void)state;
    assert_int_equal(connection_table_limit(), limit);
    assert_int_equal(wire_counted(COUNTER_CONNECTIONS_MAX), limit);
    for (uint32_t i = 0; i < limit; i++) {
        struct connection *connection = connection_allocate();

        assert_non_null(connection);
        connection_set_state(connection, CONNECTION_DETACHED);
    }
    assert_true(connection_table_is_full());
    assert_null(connection_allocate());
    for (uint32_t i = 0; i < connection_table_size(); i++) {
        connection_release(connection_at(i));
    }
    assert_false(connection_table_is_full());
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
    wire_advance_ns(TRANSPORT_TICK_NS);
    assert_int_equal(wire_connection_count(), limit);
    assert_int_equal(wire_counted(COUNTER_ORPHANS_TOO_MANY), 3);
    wire_clear();
}

#define TEST(name) cmocka_unit_test_teardown(name, wire_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(as_many_connections_as_the_memory_has_kibs_and_no_more),
        TEST(one_orphan_for_so_much_memory),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
