/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/ls_ixgbe.c tests/unit/world/ls_world.c */
/* sources: tests/unit/world/fake_nic.c */
/* flags: -DMMIO_FAKE */
/*
 * Tests net/link/server.c on a node that is not the first link server: it opens its queue when it
 * is told to, by a key that it does not trust.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/nic/nic.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "net/link/server.h"
#include "net/steering.h"
#include "tests/unit/world/fake_nic.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/ls_ixgbe.h"

#define SELF            1
#define REGISTERS_PADDR 0xFEB00000
#define KEY_CARD_WORD   (2 << 16 | 0x10FB)
#define KEY_MAC_WORD    0x563412005452

static int start(void **state)
{
    (void)state;
    fake_nic_reset();
    start_link_server_on(SELF, "pika=TS2LS2CM2 app=httpd:2 steer=xor6");
    settle();
    return 0;
}

static struct nic_queue_key key_of(uint16_t driver_number, uint16_t queue_index,
                                   uint64_t registers_paddr)
{
    return (struct nic_queue_key){.driver_number = driver_number,
                                  .queue_index = queue_index,
                                  .words = {registers_paddr, KEY_CARD_WORD, KEY_MAC_WORD}};
}

static void tell_to_attach(node_id_t from, struct nic_queue_key key)
{
    struct attach_queue message = {
        .header = {.type = ATTACH_QUEUE, .length_bytes = sizeof(message)}};

    memcpy(message.key, &key, sizeof(key));
    fake_deliver(from, &message.header);
    settle();
}

static void orders_that_do_not_concern_this_queue_are_refused(void **state)
{
    uint64_t before = counter_read(SELF, COUNTER_DROP_BAD_MESSAGE);

    (void)state;
    tell_to_attach(2, key_of(0, 1, REGISTERS_PADDR)); /* not the first LS */
    tell_to_attach(0, key_of(0, 0, REGISTERS_PADDR)); /* another node's queue */
    tell_to_attach(0, key_of(0, 2, REGISTERS_PADDR)); /* nobody's */
    tell_to_attach(0, key_of(0, UINT16_MAX, REGISTERS_PADDR));
    assert_int_equal(counter_read(SELF, COUNTER_DROP_BAD_MESSAGE), before + 4);
    fake_expect_no_message(0);
}

static void a_key_that_no_driver_has_made_is_answered_with_an_error(void **state)
{
    const struct nic_queue_key keys[] = {
        key_of(7, 1, REGISTERS_PADDR), /* no such driver */
        key_of(0, 1, 0),
        key_of(0, 1, REGISTERS_PADDR + 8),
        key_of(0, 1, 0xFEC00000), /* a device, but no such card */
        key_of(0, 1, UINT64_MAX - 4095),
    };
    uint64_t before = counter_read(SELF, COUNTER_DROP_BAD_MESSAGE);

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(keys); i++) {
        const struct queue_attached *answer;

        tell_to_attach(0, keys[i]);
        answer = fake_expect_message(0, QUEUE_ATTACHED);
        assert_int_equal(answer->error_number, EINVAL);
        assert_int_equal(answer->queue_index, 1);
    }
    assert_int_equal(fake_nic_write_count(), 0);
    assert_int_equal(counter_read(SELF, COUNTER_DROP_BAD_MESSAGE), before + ARRAY_COUNT(keys));
    assert_non_null(strstr(fake_nic_last_log(), "queue 1 cannot be opened"));
}

static void the_queue_is_opened_and_takes_frames(void **state)
{
    struct test_frame frame = tcp_frame(SELF, 0x18);
    const struct queue_attached *answer;

    (void)state;
    tell_to_attach(0, key_of(0, 1, REGISTERS_PADDR));
    answer = fake_expect_message(0, QUEUE_ATTACHED);
    assert_int_equal(answer->error_number, 0);
    assert_int_equal(answer->queue_index, 1);

    received_count = 0;
    assert_true(fake_nic_receive(1, frame.bytes, frame.length_bytes, EOP | TCP_GOOD, 0x110));
    settle();
    assert_int_equal(received_count, 1);
    received->release(received);
}

static void a_queue_is_opened_once_and_answered_for_again(void **state)
{
    const struct queue_attached *answer;
    unsigned writes = fake_nic_write_count();

    (void)state;
    tell_to_attach(0, key_of(0, 1, REGISTERS_PADDR));
    answer = fake_expect_message(0, QUEUE_ATTACHED);
    assert_int_equal(answer->error_number, 0);
    assert_int_equal(answer->queue_index, 1);
    assert_int_equal(fake_nic_write_count(), writes);
}

/* The first LS, which drove the NIC, dies: all that the NIC gave to its queue comes here, ARP
 * included, which has no hash. */
static void the_next_link_server_takes_the_nic_over(void **state)
{
    (void)state;
    ready_count = 0;
    fake_set_node_state(0, NODE_DEAD);
    while (fake_nic_filter_count() < STEERING_GROUP_COUNT) {
        (void)dispatch_round(); /* now and then it looks at the others' states */
    }
    for (unsigned group = 0; group < STEERING_GROUP_COUNT; group++) {
        assert_int_equal(fake_nic_filter((uint16_t)group)->command_register >> 16 & 0x7F, 1);
        /* In the scheme of its start: six bits of either port. */
        assert_int_equal(fake_nic_filter((uint16_t)group)->port_register,
                         (group & 63) | group >> 6 << 16);
        assert_int_equal(steering_owner(configuration_current(), group), SELF);
    }
    assert_int_equal(fake_nic_get(0x0EB00), 0x01010101);
    assert_int_equal(fake_nic_get(0x05128), 0x80000806);
    assert_int_equal(fake_nic_get(0x0EC00), 0x80010000);
    assert_int_equal(ready_count, 1);
    assert_int_equal(last_ready.queues.words[0], 2);
    assert_memory_equal(last_ready.mac, ((uint8_t[]){0x52, 0x54, 0x00, 0x12, 0x34, 0x56}), 6);
}

/* It may send such messages, and will, should the first one die. */
static void another_link_server_than_the_first_gives_no_orders(void **state)
{
    (void)state;
    start_link_server_on(SELF, "pika=TS3LS3CM3 app=httpd:1");
    settle();
    uint64_t before = counter_read(SELF, COUNTER_DROP_BAD_MESSAGE);

    tell_to_attach(2, key_of(0, 1, REGISTERS_PADDR));
    assert_int_equal(counter_read(SELF, COUNTER_DROP_BAD_MESSAGE), before + 1);
    fake_expect_no_message(2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orders_that_do_not_concern_this_queue_are_refused),
        cmocka_unit_test(a_key_that_no_driver_has_made_is_answered_with_an_error),
        cmocka_unit_test(the_queue_is_opened_and_takes_frames),
        cmocka_unit_test(a_queue_is_opened_once_and_answered_for_again),
        cmocka_unit_test(the_next_link_server_takes_the_nic_over),
        cmocka_unit_test(another_link_server_than_the_first_gives_no_orders),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
