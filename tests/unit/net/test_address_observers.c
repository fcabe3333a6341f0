/* SPDX-License-Identifier: MIT */
/* sources: net/address.c tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
/* sources: kernel/message/channel.c kernel/message/status.c kernel/message/dispatch.c kernel/message/peers.c kernel/message/watch.c */
/* sources: kernel/thread/thread.c kernel/thread/switch.S kernel/thread/timer.c kernel/log.c */
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
#include "net/address.h"
#include "tests/unit/world/fake_platform.h"

#define TS 1

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

static void set_address(uint32_t address)
{
    struct address_set message = {
        .header = {.type = ADDRESS_SET, .length_bytes = sizeof(message)},
        .address = address,
    };

    fake_deliver(TS, &message.header);
    while (dispatch_round()) {
    }
}

static int start(void **state)
{
    (void)state;
    fake_platform_reset(0, 2);
    dispatch_initialise();
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_is_told_of_an_address_that_has_not_come),
        cmocka_unit_test(address_is_told_when_it_comes),
        cmocka_unit_test(one_that_observes_twice_is_a_mistake),
        cmocka_unit_test(late_observer_is_told_at_once_and_nobody_else_again),
        cmocka_unit_test(all_observers_are_told_of_each_change),
        cmocka_unit_test(more_observers_than_a_node_has_servers_are_a_mistake),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
