/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/forward_world.c tests/unit/world/fake_client.c */
/* library: lwip */
/*
 * Where nobody listens at any port no connection manager says which are served: what is forwarded
 * is so all the same, and about all else nothing is said yet. (A machine that only forwarded
 * answered nobody.)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/transport/counters.h"
#include "tests/unit/world/fake_client.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/forward_world.h"

static void say_nothing_yet(void)
{
    /* The list begins anew, and does not end. */
    const struct ports_served list = {
        .header = {.type = PORTS_SERVED, .length_bytes = sizeof(list)},
        .is_first = 1,
    };

    fake_deliver(NODE_CM, &list.header);
    wire_run();
}

static void before_any_list_of_ports_what_is_forwarded_is_forwarded(void **state)
{
    struct forwarded connection;
    struct host_segment syn;
    uint64_t unanswered = wire_counted(COUNTER_DROP_NO_MANAGER);

    (void)state;
    say_nothing_yet();
    forward_tell_usual();
    connection = forwarded_open(wire_new_port());
    forwarded_pass(&connection, true, WIRE_ACK, "x", 1);
    syn = connection.from_client;
    syn.flags = WIRE_SYN;
    syn.destination_port++;
    host_send(&syn);
    host_expect_silence();
    assert_int_equal(wire_counted(COUNTER_DROP_NO_MANAGER) - unanswered, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(before_any_list_of_ports_what_is_forwarded_is_forwarded),
    };

    return cmocka_run_group_tests(tests, wire_set_up, NULL);
}
