/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/forward_world.c tests/unit/world/fake_client.c net/draining_report.c */
/* library: lwip */
/*
 * Tests what net/transport/forward/flow.c has room for, over a whole transport server, and what
 * becomes of flows when the machine is to end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "libc/core/pool.h"
#include "net/draining.h"
#include "net/transport/counters.h"
#include "net/transport/forward/flow.h"
#include "net/transport/table.h"
#include "tests/unit/world/fake_client.h"
#include "tests/unit/world/fake_memory.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/forward_world.h"

static int start(void **state)
{
    wire_memory_bytes = 64 * MIB; /* more flows than may be half-open */
    (void)wire_set_up(state);
    forward_tell_usual();
    return 0;
}

static int leave(void **state)
{
    (void)state;
    wire_client_address = WIRE_CLIENT_ADDRESS;
    forward_flow_end_all();
    wire_clear();
    return 0;
}

static struct host_segment syn_from(uint32_t address, uint16_t port)
{
    return (struct host_segment){.source = address,
                                 .destination = WIRE_OWN_ADDRESS,
                                 .source_port = port,
                                 .destination_port = FORWARD_PORT,
                                 .sequence = 5,
                                 .flags = WIRE_SYN,
                                 .ttl = 64};
}

/* Of clients behind the gateway: 10.1.0.0 and so on. */
static uint32_t client_at(unsigned number)
{
    return __builtin_bswap32(0x0A010000u + number);
}

static void of_too_many_handshakes_the_oldest_gives_way(void **state)
{
    uint64_t replaced = wire_counted(COUNTER_FORWARD_REPLACED_HALF_OPEN);
    struct forwarded first = forwarded_begin(wire_new_port());
    struct host_segment answer;

    (void)state;
    for (unsigned i = 0; i < FORWARD_HALF_OPEN_MAX; i++) {
        struct host_segment syn = syn_from(client_at(i), 5000);

        host_send(&syn);
        (void)host_expect();
    }
    assert_int_equal(forward_flow_count(), FORWARD_HALF_OPEN_MAX);
    assert_int_equal(wire_counted(COUNTER_FORWARD_REPLACED_HALF_OPEN) - replaced, 1);
    first.from_backend.flags = WIRE_SYN | WIRE_ACK;
    host_send(&first.from_backend);
    answer = host_expect();
    assert_int_equal(answer.flags, WIRE_RST);
    assert_int_equal(answer.destination, BACKEND_ADDRESS);
}

static void one_address_leaves_room_for_others(void **state)
{
    uint32_t most = connection_table_limit() / 2;
    uint64_t refused = wire_counted(COUNTER_FORWARD_REFUSED_ADDRESS);
    struct host_segment syn = syn_from(client_at(1), 1);
    unsigned count = 0;

    (void)state;
    wire_client_address = client_at(1);
    for (; count < most * 6 / 10; count++) {
        (void)forwarded_open((uint16_t)(1000 + count));
    }
    assert_int_equal(forward_flow_count_live(), count);
    for (; count < most; count++) { /* fewer than may be half-open */
        struct host_segment next = syn_from(client_at(1), (uint16_t)(1000 + count));

        host_send(&next);
        if (wire_counted(COUNTER_FORWARD_REFUSED_ADDRESS) != refused) {
            break;
        }
        (void)host_expect();
    }
    assert_in_range(count, most * 6 / 10, most * 7 / 10); /* two thirds */
    host_expect_silence();
    syn.source = client_at(2);
    host_send(&syn);
    (void)host_expect();
}

static void without_memory_a_client_gets_no_answer_and_later_one(void **state)
{
    struct host_segment syn = syn_from(client_at(3), 7);

    (void)state;
    forwarded_open(wire_new_port()); /* takes a chunk's worth */
    fake_fail_allocations_after(0);
    for (unsigned i = 0; i < POOL_CHUNK + 1; i++) {
        syn.source_port++;
        host_send(&syn);
    }
    fake_fail_allocations_after(-1);
    wire_clear();
    syn.source_port++;
    host_send(&syn);
    (void)host_expect();
}

/* The last test: nothing is forwarded after it. */
static void when_the_machine_ends_flows_go_on_and_no_more_begin(void **state)
{
    struct forwarded connection = forwarded_open(wire_new_port());
    struct host_segment syn = syn_from(client_at(4), 9);

    (void)state;
    draining_finish();
    wire_run();
    forwarded_pass(&connection, true, WIRE_ACK, "x", 1);
    host_send(&syn);
    assert_int_equal(host_expect().flags, WIRE_RST | WIRE_ACK);
    assert_int_equal(draining_report_of(0).left, 1);
    forwarded_finish(&connection);
    assert_int_equal(forward_flow_count_live(), 0);
}

#define TEST(name) cmocka_unit_test_teardown(name, leave)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(of_too_many_handshakes_the_oldest_gives_way),
        TEST(one_address_leaves_room_for_others),
        TEST(without_memory_a_client_gets_no_answer_and_later_one),
        TEST(when_the_machine_ends_flows_go_on_and_no_more_begin),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
