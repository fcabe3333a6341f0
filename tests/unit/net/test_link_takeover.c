/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_return.c */
/* sources: tests/unit/world/ls_ixgbe.c tests/unit/world/ls_world.c */
/* sources: tests/unit/world/fake_nic.c */
/* flags: -DMMIO_FAKE */
/*
 * Tests net/link/takeover.c with device.c and the 82599's driver: what still comes to the queue of
 * a link server that has died. Node 1 is the second of three; each test goes on where the one
 * before it stopped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/nic/nic.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "tests/unit/world/fake_nic.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/fake_return.h"
#include "tests/unit/world/ls_ixgbe.h"

#define FIRST         0
#define SELF          1
#define THIRD         2
#define SYN_QUEUE     3
#define ACK           0x10
#define RXDCTL(queue) (0x01028 + 0x40 * (queue))
#define TXDCTL(queue) (0x06028 + 0x40 * (queue))
#define ENABLE        (1u << 25)

static const struct nic_queue_key key = {.queue_index = SELF,
                                         .words = {0xFEB00000, 3 << 16 | 0x10FB, 0x563412005452}};

/* The queue of a node, and where its ring is. */
static void open_queue(unsigned queue, node_id_t ring_of)
{
    fake_nic_put_ring(queue, ring_of);
    fake_nic_set(RXDCTL(queue), ENABLE);
    fake_nic_set(TXDCTL(queue), queue == SYN_QUEUE ? 0 : ENABLE);
}

static int start(void **state)
{
    struct attach_queue message = {
        .header = {.type = ATTACH_QUEUE, .length_bytes = sizeof(message)}};

    (void)state;
    fake_nic_reset();
    start_link_server_on(SELF, "pika=TS3LS3CM3 app=httpd:1");
    settle();
    memcpy(message.key, &key, sizeof(key));
    fake_deliver(FIRST, &message.header);
    settle();
    (void)fake_expect_message(FIRST, QUEUE_ATTACHED);
    open_queue(FIRST, FIRST);
    open_queue(THIRD, THIRD);
    open_queue(SYN_QUEUE, FIRST);
    return 0;
}

static bool receives(unsigned queue)
{
    return (fake_nic_get(RXDCTL(queue)) & ENABLE) != 0;
}

static bool sends(unsigned queue)
{
    return (fake_nic_get(TXDCTL(queue)) & ENABLE) != 0;
}

/* Up to where the thread that steers first lets others run. */
static void begin_to_look_at_nodes(void)
{
    fake_send_attention();
    dispatch_sleep();
}

static void steer_all(void)
{
    settle();
    fake_advance_ns(NS_PER_MS); /* the thread waits for what the device has begun to write */
    settle();
}

static bool arrive_at(unsigned queue)
{
    struct test_frame frame = tcp_frame(SELF, ACK);

    return fake_nic_receive(queue, frame.bytes, frame.length_bytes, EOP | TCP_GOOD, 0x110);
}

static bool has_let_go_of(node_id_t node)
{
    return fake_status_page(SELF)->for_nodes[node].released == status_incarnation(node);
}

/* The node that drives the card may be faster, and has adopted it. Its ring is none of the dead
 * one's memory. */
static void what_another_has_adopted_is_not_stopped(void **state)
{
    (void)state;
    open_queue(THIRD, FIRST);
    fake_set_node_state(THIRD, NODE_DEAD);
    begin_to_look_at_nodes();
    steer_all();
    assert_true(receives(THIRD));
    assert_false(sends(THIRD));
    assert_true(has_let_go_of(THIRD));
}

/* Its own, the one for SYNs, and the one that it had adopted. And what comes to its own is taken
 * until all is steered elsewhere: here none of the groups is as yet. */
static void with_its_node_dies_what_it_had_adopted_and_its_successor_takes_its_frames(void **state)
{
    (void)state;
    fake_set_node_state(FIRST, NODE_DEAD);
    begin_to_look_at_nodes();
    assert_false(receives(THIRD) || receives(SYN_QUEUE));
    assert_false(sends(FIRST));
    assert_true(has_let_go_of(FIRST));
    assert_true(receives(FIRST));
    received_count = 0;
    assert_true(arrive_at(FIRST));
    steer_all();
    assert_int_equal(received_count, 1);
    assert_false(receives(FIRST));
}

/* The messages to it, up to one of this type. */
static bool is_told(node_id_t node, uint16_t type)
{
    const struct message *message;

    while ((message = fake_take_message(node)) != NULL) {
        if (message->header.type == type) {
            return true;
        }
    }
    return false;
}

/* It comes back, opens its queue, and gets its flows. */
static void come_back(node_id_t node)
{
    const struct queue_attached attached = {
        .header = {.type = QUEUE_ATTACHED, .length_bytes = sizeof(attached)}, .queue_index = node};
    const struct serves_again serves = {
        .header = {.type = SERVES_AGAIN, .length_bytes = sizeof(serves)}, .role = ROLE_TS};

    open_queue(node, node);
    fake_deliver(node, &attached.header);
    fake_deliver(node, &serves.header);
    steer_all();
    assert_true(receives(node) && sends(node));
}

/* Its own ring would be in the place of the adopted one. */
static void who_comes_back_meanwhile_is_asked_for_its_queue_afterwards(void **state)
{
    (void)state;
    fake_build_again(FIRST);
    begin_to_look_at_nodes();
    steer_all();
    assert_true(is_told(FIRST, ATTACH_QUEUE));
    come_back(FIRST);
    fake_advance_ns(NS_PER_S);
    fake_set_node_state(FIRST, NODE_DEAD);
    begin_to_look_at_nodes();
    assert_true(receives(FIRST));
    fake_build_again(FIRST);
    begin_to_look_at_nodes();
    assert_true(receives(FIRST));
    assert_false(is_told(FIRST, ATTACH_QUEUE));
    steer_all();
    assert_false(receives(FIRST));
    assert_true(is_told(FIRST, ATTACH_QUEUE));
}

/* It keeps what it has for the next one. */
static void a_second_time_it_needs_no_memory(void **state)
{
    (void)state;
    come_back(FIRST);
    fake_advance_ns(NS_PER_S);
    fake_fail_allocations_after(0);
    fake_set_node_state(FIRST, NODE_DEAD);
    begin_to_look_at_nodes();
    fake_fail_allocations_after(-1);
    assert_true(receives(FIRST));
    received_count = 0;
    assert_true(arrive_at(FIRST));
    steer_all();
    assert_int_equal(received_count, 1);
}

static unsigned sleep_count;

static void note_sleep(void)
{
    sleep_count++;
}

/* As before it took over. */
static void afterwards_it_sleeps_again(void **state)
{
    (void)state;
    fake_on_sleep(note_sleep);
    dispatch_sleep();
    assert_int_equal(sleep_count, 1);
    fake_on_sleep(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_another_has_adopted_is_not_stopped),
        cmocka_unit_test(with_its_node_dies_what_it_had_adopted_and_its_successor_takes_its_frames),
        cmocka_unit_test(who_comes_back_meanwhile_is_asked_for_its_queue_afterwards),
        cmocka_unit_test(a_second_time_it_needs_no_memory),
        cmocka_unit_test(afterwards_it_sleeps_again),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
