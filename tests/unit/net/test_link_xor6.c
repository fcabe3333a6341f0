/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/ls_ixgbe.c tests/unit/world/ls_world.c */
/* sources: tests/unit/world/fake_nic.c */
/* flags: -DMMIO_FAKE */
/*
 * Tests net/link/device.c with steer=xor6: the flow director's filters for both ports, also those
 * of a card that is taken over.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "net/steering.h"
#include "tests/unit/world/fake_nic.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/ls_ixgbe.h"

static void assert_filters_go_to(unsigned (*queue_of)(unsigned group))
{
    for (unsigned group = 0; group < STEERING_GROUP_COUNT; group++) {
        const struct fake_nic_filter *filter = fake_nic_filter((uint16_t)group);

        assert_int_equal(filter->port_register, (group & 63) | group >> 6 << 16);
        assert_int_equal(filter->command_register >> 16 & 0x7F, queue_of(group));
    }
}

static unsigned queue_of_owner(unsigned group)
{
    return steering_owner(&configuration, group);
}

static unsigned first_queue(unsigned group)
{
    (void)group;
    return 0;
}

static void every_filter_compares_six_bits_of_either_port(void **state)
{
    struct queue_attached attached = {
        .header = {.type = QUEUE_ATTACHED, .length_bytes = sizeof(attached)}, .queue_index = 1};

    (void)state;
    fake_nic_reset();
    start_link_server_on(0, "pika=TS2LS2CM2 app=httpd:2 steer=xor6");
    while (fake_nic_filter_count() < STEERING_GROUP_COUNT / 2) {
        (void)dispatch_round();
    }
    settle();
    assert_int_equal(fake_nic_filter_count(), STEERING_GROUP_COUNT / 2);
    fake_deliver(OTHER_LS, &attached.header);
    settle();
    assert_int_equal(fake_nic_filter_count(), STEERING_GROUP_COUNT);
    assert_int_equal(fake_nic_get(0x0EE44), 0x03FF03FF); /* FDIRTCPM */
    assert_filters_go_to(queue_of_owner);
}

static void a_dead_servers_filters_go_to_the_living_one(void **state)
{
    (void)state;
    fake_set_node_state(OTHER_LS, NODE_DEAD);
    for (unsigned i = 0; i < 256; i++) {
        (void)dispatch_round(); /* now and then it looks at the others' states */
    }
    settle();
    assert_filters_go_to(first_queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_filter_compares_six_bits_of_either_port),
        cmocka_unit_test(a_dead_servers_filters_go_to_the_living_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
