/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/ls_ixgbe.c tests/unit/world/ls_world.c */
/* sources: tests/unit/world/fake_nic.c */
/* flags: -DMMIO_FAKE */
/*
 * Tests net/link/syns.c by the link server that uses it, over an 82599 of two queues and a third
 * one for SYNs. The server lives as long as the process: each test leaves it as it has found it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/nic/counters.h"
#include "drivers/nic/frame.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "net/link/syns.h"
#include "tests/unit/world/fake_nic.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/ls_ixgbe.h"

#define OWN_QUEUE      0u
#define SYN_QUEUE      2u
#define SYN_RING       127u
#define SYNQF_REGISTER 0x0EC30
#define QPRDC_REGISTER (0x01430 + 0x40 * SYN_QUEUE)
#define OWN_LOST       (0x01430 + 0x40 * OWN_QUEUE) /* QPRDC of that queue */
#define DIRECTED       (0x80000001 | SYN_QUEUE << 1)
#define ROUND_BUDGET   64u

#define SYN 0x02
#define ACK 0x10
#define PSH 0x08

/* --- Rounds --- */

/* What has been handed on since the last call; the buffers go back. */
static unsigned take_delivered(void)
{
    unsigned count = received_count;

    for (unsigned i = 0; i < received_count && i < RECEIVED_MAX; i++) {
        all_received[i]->release(all_received[i]);
    }
    received_count = 0;
    return count;
}

static bool put(unsigned queue, uint8_t flags)
{
    struct test_frame frame = tcp_frame(0, flags);

    return fake_nic_receive(queue, frame.bytes, frame.length_bytes, EOP | TCP_GOOD, 0x110);
}

static unsigned one_round(void)
{
    (void)dispatch_round();
    return take_delivered();
}

/* So long, with so many frames in each millisecond, and all taken. */
static void pass(unsigned ms, unsigned syn_queue, unsigned syns, unsigned others)
{
    for (unsigned i = 0; i < ms; i++) {
        for (unsigned k = 0; k < syns; k++) {
            assert_true(put(syn_queue, SYN));
        }
        for (unsigned k = 0; k < others; k++) {
            assert_true(put(OWN_QUEUE, PSH | ACK));
        }
        fake_advance_ns(NS_PER_MS);
        while (one_round() > 0) {
        }
    }
}

static bool is_directed(void)
{
    uint32_t filter = fake_nic_get(SYNQF_REGISTER);

    assert_true(filter == 0 || filter == DIRECTED);
    assert_int_equal(counter_read(0, COUNTER_NIC_SYN_QUEUE), filter != 0);
    return filter != 0;
}

static void begin_flood(void)
{
    for (unsigned i = 0; i < 250 && !is_directed(); i++) {
        fake_nic_set(OWN_LOST, 3);
        pass(1, OWN_QUEUE, 40, 0);
    }
    assert_true(is_directed());
}

static void end_flood(void)
{
    pass(6000, SYN_QUEUE, 0, 1);
    assert_false(is_directed());
}

/* --- When --- */

static void few_syns_have_no_queue_of_their_own(void **state)
{
    (void)state;
    assert_false(is_directed());
    for (unsigned i = 0; i < 400; i++) {
        fake_nic_set(OWN_LOST, 3);
        pass(1, OWN_QUEUE, LINK_SYNS_ON_PER_S / 1000 - 2, 0);
    }
    assert_false(is_directed());
}

/* The node takes them all. */
static void many_syns_without_a_loss_are_no_flood(void **state)
{
    (void)state;
    pass(2000, OWN_QUEUE, 0, 1); /* what was lost before is forgotten */
    pass(400, OWN_QUEUE, 60, 0);
    assert_false(is_directed());
    pass(2000, OWN_QUEUE, 0, 1);
}

/* Connections that open and close: one SYN, and four frames more. */
static void many_syns_among_more_frames_are_no_flood(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 400; i++) {
        fake_nic_set(OWN_LOST, 3);
        pass(1, OWN_QUEUE, 40, 160);
    }
    assert_false(is_directed());
}

static void a_flood_gets_a_queue_until_it_has_been_over_for_a_while(void **state)
{
    uint64_t packets;

    (void)state;
    begin_flood();
    packets = counter_read(0, COUNTER_NIC_RX_PACKETS);
    pass(5000, SYN_QUEUE, 20, 1);
    assert_true(is_directed());
    assert_int_equal(counter_read(0, COUNTER_NIC_RX_PACKETS) - packets, 5000 * 21);
    /* Over; but not for long. */
    pass(1500, SYN_QUEUE, 0, 1);
    assert_true(is_directed());
    pass(1500, SYN_QUEUE, 20, 1);
    pass(1500, SYN_QUEUE, 0, 1);
    assert_true(is_directed());
    end_flood();
    pass(400, OWN_QUEUE, 40, 0);
    assert_false(is_directed());
}

/* Else the queue that keeps a flood away would end it, and begin it again. */
static void syns_that_the_card_loses_count_as_well(void **state)
{
    uint64_t missed = counter_read(0, COUNTER_NIC_SYNS_MISSED);
    uint64_t all_missed;

    (void)state;
    begin_flood();
    all_missed = counter_read(0, COUNTER_NIC_RX_MISSED);
    for (unsigned i = 0; i < 8; i++) {
        fake_nic_set(QPRDC_REGISTER, 20000);
        pass(1000, SYN_QUEUE, 0, 1);
    }
    assert_true(is_directed());
    assert_in_range(counter_read(0, COUNTER_NIC_SYNS_MISSED) - missed, 7 * 20000, 8 * 20000);
    assert_int_equal(counter_read(0, COUNTER_NIC_RX_MISSED) - all_missed,
                     counter_read(0, COUNTER_NIC_SYNS_MISSED) - missed);
    end_flood();
}

/* --- In what order --- */

static void syns_come_last_and_no_more_than_the_round_has_room_for(void **state)
{
    unsigned count = 0;

    (void)state;
    begin_flood();
    for (unsigned i = 0; i < 2 * ROUND_BUDGET; i++) {
        assert_true(put(OWN_QUEUE, PSH | ACK));
    }
    while (put(SYN_QUEUE, SYN)) {
        count++;
    }
    assert_int_equal(count, SYN_RING);
    for (unsigned i = 0; i < 2; i++) {
        (void)dispatch_round();
        assert_int_equal(received_count, ROUND_BUDGET + LINK_SYNS_LEAST);
        /* The others first: as many as there is room to note. */
        for (unsigned k = 0; k < ROUND_BUDGET; k++) {
            assert_int_equal(all_received[k]->data[14 + 20 + 13], PSH | ACK);
        }
        (void)take_delivered();
    }
    assert_int_equal(one_round(), ROUND_BUDGET);
    assert_int_equal(one_round(), SYN_RING - 2 * LINK_SYNS_LEAST - ROUND_BUDGET);
    assert_int_equal(one_round(), 0);
    end_flood();
}

/* Four times as many frames as a round takes, one of ten of a connection: how many of so many
 * connections' frames the card has no buffer for. */
static unsigned flood_and_count_lost(unsigned ms)
{
    unsigned lost = 0;

    for (unsigned i = 0; i < ms; i++) {
        for (unsigned k = 0; k < 4 * ROUND_BUDGET; k++) {
            bool is_syn = k % 10 != 0;
            bool is_taken =
                put(is_syn && is_directed() ? SYN_QUEUE : OWN_QUEUE, is_syn ? SYN : PSH | ACK);

            lost += !is_syn && !is_taken;
            if (!is_taken && !is_directed()) {
                fake_nic_set(OWN_LOST, 1);
            }
        }
        fake_advance_ns(NS_PER_MS);
        (void)one_round();
    }
    return lost;
}

/* What the queue is for. Without it three of four were lost, as of the SYNs. */
static void while_syns_flood_no_other_frame_is_lost(void **state)
{
    (void)state;
    assert_in_range(flood_and_count_lost(99), 99 * 26 / 2, 99 * 26);
    (void)flood_and_count_lost(250); /* until it is noticed, and the ring is empty again */
    assert_true(is_directed());
    assert_int_equal(flood_and_count_lost(2000), 0);
    while (one_round() > 0) {
    }
    end_flood();
}

static void what_is_left_when_the_flood_is_over_is_delivered(void **state)
{
    (void)state;
    begin_flood();
    while (is_directed()) {
        pass(1, SYN_QUEUE, 0, 1);
    }
    assert_true(put(SYN_QUEUE, SYN));
    assert_int_equal(one_round(), 1);
}

static unsigned sleeps;

static void note_sleep(void)
{
    sleeps++;
}

/* Arming clears the cause that both queues share. */
static void a_syn_that_came_before_sleep_keeps_the_node_awake(void **state)
{
    (void)state;
    begin_flood();
    fake_on_sleep(note_sleep);
    sleeps = 0;
    /* Once as it arms, and once while it is armed. */
    for (unsigned i = 0; i < 2; i++) {
        assert_true(put(SYN_QUEUE, SYN));
        dispatch_sleep();
        assert_int_equal(sleeps, 0);
        assert_int_equal(one_round(), 1);
    }
    dispatch_sleep();
    assert_int_equal(sleeps, 1);
    fake_on_sleep(NULL);
    end_flood();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(few_syns_have_no_queue_of_their_own, ls_tear_down),
        cmocka_unit_test_teardown(many_syns_without_a_loss_are_no_flood, ls_tear_down),
        cmocka_unit_test_teardown(many_syns_among_more_frames_are_no_flood, ls_tear_down),
        cmocka_unit_test_teardown(a_flood_gets_a_queue_until_it_has_been_over_for_a_while,
                                  ls_tear_down),
        cmocka_unit_test_teardown(syns_that_the_card_loses_count_as_well, ls_tear_down),
        cmocka_unit_test_teardown(syns_come_last_and_no_more_than_the_round_has_room_for,
                                  ls_tear_down),
        cmocka_unit_test_teardown(while_syns_flood_no_other_frame_is_lost, ls_tear_down),
        cmocka_unit_test_teardown(what_is_left_when_the_flood_is_over_is_delivered, ls_tear_down),
        cmocka_unit_test_teardown(a_syn_that_came_before_sleep_keeps_the_node_awake, ls_tear_down),
    };

    return cmocka_run_group_tests(tests, start_link_server, NULL);
}
