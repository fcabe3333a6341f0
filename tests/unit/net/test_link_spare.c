/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/ls_ixgbe.c tests/unit/world/ls_world.c */
/* sources: tests/unit/world/fake_nic.c */
/* flags: -DMMIO_FAKE */
/*
 * Tests net/link/device.c with more link servers than transport servers: the second one's queue
 * gets its part of the only transport server's flows.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "net/steering.h"
#include "tests/unit/world/fake_nic.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/ls_ixgbe.h"

static unsigned filters_to(unsigned queue)
{
    unsigned count = 0;

    for (unsigned group = 0; group < STEERING_GROUP_COUNT; group++) {
        const struct fake_nic_filter *filter = fake_nic_filter((uint16_t)group);

        count += filter->command_register != 0 && (filter->command_register >> 16 & 0x7F) == queue;
    }
    return count;
}

static void attach(uint32_t error_number)
{
    struct queue_attached attached = {
        .header = {.type = QUEUE_ATTACHED, .length_bytes = sizeof(attached)},
        .queue_index = 1,
        .error_number = error_number,
    };

    fake_deliver(OTHER_LS, &attached.header);
    settle();
}

/* Or while the other one has no queue. */
static void until_the_other_queue_is_there_the_first_gets_all(void **state)
{
    (void)state;
    fake_nic_reset();
    start_link_server_on(0, "pika=TS1LS2CM1 app=httpd:2");
    while (fake_nic_filter_count() < STEERING_GROUP_COUNT) {
        (void)dispatch_round();
    }
    attach(ENOMEM);
    assert_int_equal(filters_to(0), STEERING_GROUP_COUNT);
}

static void the_other_queue_gets_half_of_the_flows(void **state)
{
    (void)state;
    attach(0);
    assert_int_equal(filters_to(0), STEERING_GROUP_COUNT / 2);
    assert_int_equal(filters_to(1), STEERING_GROUP_COUNT / 2);
}

static void when_its_server_dies_the_first_gets_all_again(void **state)
{
    (void)state;
    fake_set_node_state(OTHER_LS, NODE_DEAD);
    for (unsigned i = 0; i < 256; i++) {
        (void)dispatch_round(); /* now and then it looks at the others' states */
    }
    settle();
    assert_int_equal(filters_to(0), STEERING_GROUP_COUNT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(until_the_other_queue_is_there_the_first_gets_all),
        cmocka_unit_test(the_other_queue_gets_half_of_the_flows),
        cmocka_unit_test(when_its_server_dies_the_first_gets_all_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
