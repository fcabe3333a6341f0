/* SPDX-License-Identifier: MIT */
/* sources: net/address.c net/handlers.c net/messages.c net/configuration.c net/current_configuration.c net/placement.c */
/* sources: tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
/* sources: kernel/message/channel.c kernel/message/status.c kernel/message/dispatch.c kernel/message/peers.c kernel/message/send.c kernel/message/receive.c kernel/message/poll.c kernel/message/opening.c kernel/message/watch.c */
/* sources: kernel/thread/thread.c kernel/thread/switch.S libc/core/timer.c kernel/log.c */
/*
 * Tests net/address.c. What it keeps lives as long as the process, so each test goes on where the
 * one before it stopped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "net/address.h"
#include "net/configuration.h"
#include "tests/unit/world/fake_platform.h"

#define TS       1 /* the speaker */
#define OTHER_TS 2

struct told {
    unsigned count;
    uint32_t address;
};

static struct told first, second;

static void note_first(const struct address_set *address)
{
    first.count++;
    first.address = address->address;
}

static void note_second(const struct address_set *address)
{
    second.count++;
    second.address = address->address;
}

static void set_address_from(node_id_t from, uint32_t address)
{
    struct address_set message = {
        .header = {.type = ADDRESS_SET, .length_bytes = sizeof(message)},
        .address = address,
    };

    fake_deliver(from, &message.header);
    while (dispatch_round()) {
    }
}

static void set_address(uint32_t address)
{
    set_address_from(TS, address);
}

static int start(void **state)
{
    const struct configuration configuration = {
        .node_count = 3,
        .roles = {ROLE_APPLICATION, ROLE_TS, ROLE_TS},
        .ts_count = 2,
        .ts = {TS, OTHER_TS},
        .speaker = TS,
    };

    (void)state;
    fake_platform_reset(0, 3);
    dispatch_initialise();
    configuration_set_current(&configuration);
    return 0;
}

static void nobody_is_told_of_an_address_that_has_not_come(void **state)
{
    (void)state;
    address_observe(note_first); /* which starts it */
    address_start();
    address_start(); /* both servers of a node do */
    assert_int_equal(first.count, 0);
}

static void address_is_told_when_it_comes(void **state)
{
    (void)state;
    set_address(0x0A00020F);
    assert_int_equal(first.count, 1);
    assert_int_equal(first.address, 0x0A00020F);
}

static void late_observer_is_told_at_once_and_nobody_else_again(void **state)
{
    (void)state;
    address_observe(note_second);
    assert_int_equal(second.count, 1);
    assert_int_equal(second.address, 0x0A00020F);
    assert_int_equal(first.count, 1);
}

static void all_observers_are_told_of_each_change(void **state)
{
    (void)state;
    for (unsigned i = 1; i <= 3; i++) {
        set_address(i);
        assert_int_equal(first.count, 1 + i);
        assert_int_equal(second.count, 1 + i);
        assert_int_equal(first.address, i);
        assert_int_equal(second.address, i);
    }
}

static void one_that_observes_twice_is_a_mistake(void **state)
{
    (void)state;
    expect_assert_failure(address_observe(note_first));
    assert_int_equal(first.count, 1);
}

static void more_observers_than_a_node_has_servers_are_a_mistake(void **state)
{
    (void)state;
    expect_assert_failure(address_observe(NULL));
}

/* It was believed whoever sent it. The next speaker may know of the death of the one before first.
 */
static void only_the_first_living_transport_server_is_believed(void **state)
{
    struct told before = first;

    (void)state;
    address_start();
    set_address_from(OTHER_TS, 0x0A000263);
    assert_int_equal(first.count, before.count);
    assert_int_equal(counter_read(0, COUNTER_DROP_BAD_MESSAGE), 1);
    fake_status_page(TS)->state = NODE_DEAD;
    set_address_from(OTHER_TS, 0x0A000263);
    assert_int_equal(first.count, before.count + 1);
    assert_int_equal(first.address, 0x0A000263);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_is_told_of_an_address_that_has_not_come),
        cmocka_unit_test(address_is_told_when_it_comes),
        cmocka_unit_test(one_that_observes_twice_is_a_mistake),
        cmocka_unit_test(late_observer_is_told_at_once_and_nobody_else_again),
        cmocka_unit_test(all_observers_are_told_of_each_change),
        cmocka_unit_test(only_the_first_living_transport_server_is_believed),
        cmocka_unit_test(more_observers_than_a_node_has_servers_are_a_mistake),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
