/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_return.c */
/* sources: tests/unit/world/ls_ixgbe.c tests/unit/world/ls_world.c */
/* sources: tests/unit/world/fake_nic.c */
/* flags: -DMMIO_FAKE */
/*
 * Tests net/link/server.c and device.c: link servers that die and come back. Node 1 is the second
 * of three; each test goes on where the one before it stopped.
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
#include "net/returning.h"
#include "net/steering.h"
#include "tests/unit/world/fake_nic.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/fake_return.h"
#include "tests/unit/world/ls_ixgbe.h"

#define FIRST         0
#define SELF          1
#define THIRD         2
#define RXDCTL(queue) (0x01028 + 0x40 * (queue))
#define TXDCTL(queue) (0x06028 + 0x40 * (queue))
#define SYNQF         0x0EC30
#define ENABLE        (1u << 25)
/* Behind the three. */
#define SYN_QUEUE     3

static const struct nic_queue_key key = {.queue_index = SELF,
                                         .words = {0xFEB00000, 3 << 16 | 0x10FB, 0x563412005452}};

static void tell(node_id_t from, uint16_t queue_index)
{
    const struct queue_attached message = {
        .header = {.type = QUEUE_ATTACHED, .length_bytes = sizeof(message)},
        .queue_index = queue_index,
    };

    fake_deliver(from, &message.header);
    settle();
}

static void look_at_nodes(void)
{
    fake_send_attention();
    dispatch_sleep();
    settle();
    fake_advance_ns(NS_PER_MS); /* what was taken over is left in a thread, which waits */
    settle();
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
    /* What the others have started. */
    fake_nic_put_ring(FIRST, FIRST);
    fake_nic_put_ring(THIRD, THIRD);
    fake_nic_put_ring(SYN_QUEUE, FIRST);
    for (unsigned queue = 0; queue <= SYN_QUEUE; queue++) {
        fake_nic_set(RXDCTL(queue), ENABLE);
        fake_nic_set(TXDCTL(queue), queue == SYN_QUEUE ? 0 : ENABLE);
    }
    fake_nic_set(SYNQF, 1);
    return 0;
}

static bool runs(unsigned queue)
{
    return ((fake_nic_get(RXDCTL(queue)) | fake_nic_get(TXDCTL(queue))) & ENABLE) != 0;
}

static void who_has_a_queue_has_a_hand_on_the_card(void **state)
{
    (void)state;
    assert_int_equal(status_word(SELF, STATUS_WORD_DEVICE), 1);
}

/* Also by one that does not drive the card: the one that does may die in the same moment. */
static void a_dead_nodes_queue_is_stopped_before_its_memory_is_let_go(void **state)
{
    (void)state;
    fake_set_node_state(THIRD, NODE_DEAD);
    look_at_nodes();
    assert_false(runs(THIRD));
    assert_true(runs(FIRST) && runs(SELF) && runs(SYN_QUEUE));
    assert_int_equal(fake_status_page(SELF)->for_nodes[THIRD].released, status_incarnation(THIRD));
}

static unsigned groups_of(unsigned queue)
{
    unsigned count = 0;

    for (unsigned group = 0; group < STEERING_GROUP_COUNT; group++) {
        count += (fake_nic_filter((uint16_t)group)->command_register >> 16 & 0x7F) == queue;
    }
    return count;
}

static void with_the_node_that_started_the_card_the_queue_for_syns_is_stopped(void **state)
{
    (void)state;
    fake_set_node_state(FIRST, NODE_DEAD);
    look_at_nodes();
    assert_false(runs(FIRST) || runs(SYN_QUEUE));
    assert_int_equal(fake_nic_get(SYNQF), 0);
    assert_true(runs(SELF));
    assert_int_equal(groups_of(SELF), STEERING_GROUP_COUNT);
}

static void serve_again(node_id_t node)
{
    const struct serves_again message = {
        .header = {.type = SERVES_AGAIN, .length_bytes = sizeof(message)}, .role = ROLE_TS};

    fake_deliver(node, &message.header);
    settle();
}

static void
one_that_comes_back_is_asked_for_its_queue_and_gets_its_flows_when_it_serves(void **state)
{
    const struct attach_queue *attach;
    struct nic_queue_key its_key;
    const struct nic_ready *ready;

    (void)state;
    fake_build_again(FIRST);
    look_at_nodes();
    attach = fake_expect_message(FIRST, ATTACH_QUEUE);
    memcpy(&its_key, attach->key, sizeof(its_key));
    assert_int_equal(its_key.queue_index, FIRST);
    ready = fake_expect_message(FIRST, NIC_READY);
    assert_int_equal(ready->queues.words[0], 1 << SELF); /* it has none yet */
    tell(FIRST, FIRST);
    ready = fake_expect_message(FIRST, NIC_READY);
    assert_int_equal(ready->queues.words[0], 1 << SELF | 1 << FIRST);
    serve_again(FIRST);
    /* And those of node 2, which is still dead. */
    assert_in_range(groups_of(FIRST), STEERING_GROUP_COUNT * 2 / 3,
                    STEERING_GROUP_COUNT * 2 / 3 + 1);
    assert_int_equal(configuration_current()->device_ls, SELF);
}

/* Then it may still write to the dead one's memory: that is let go of never. */
static void a_queue_that_does_not_stop_keeps_its_node_down(void **state)
{
    (void)state;
    fake_nic_put_ring(FIRST, FIRST);
    fake_nic_stick(RXDCTL(FIRST), ENABLE, ENABLE);
    fake_set_node_state(FIRST, NODE_DEAD);
    look_at_nodes();
    look_at_nodes();
    assert_int_not_equal(fake_status_page(SELF)->for_nodes[FIRST].released,
                         status_incarnation(FIRST));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_has_a_queue_has_a_hand_on_the_card),
        cmocka_unit_test(a_dead_nodes_queue_is_stopped_before_its_memory_is_let_go),
        cmocka_unit_test(with_the_node_that_started_the_card_the_queue_for_syns_is_stopped),
        cmocka_unit_test(
            one_that_comes_back_is_asked_for_its_queue_and_gets_its_flows_when_it_serves),
        cmocka_unit_test(a_queue_that_does_not_stop_keeps_its_node_down),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
