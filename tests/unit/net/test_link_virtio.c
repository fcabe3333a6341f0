/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/ls_world.c tests/unit/world/fake_virtio.c */
/* flags: -DMMIO_FAKE */
/*
 * Tests net/link/ over a virtio card that gives up, or has moved with the machine: on the node that
 * drives it, while another one has a queue of it. Each test goes on where the one before it
 * stopped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/nic/counters.h"
#include "drivers/nic/nic.h"
#include "drivers/vectors.h"
#include "kernel/message/dispatch.h"
#include "kernel/platform.h"
#include "net/link/announcement.h"
#include "net/link/restart.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/fake_virtio.h"
#include "tests/unit/world/ls_world.h"

#define SELF       0
#define PAIRS      2
#define RING_BYTES (3 * 4096)
#define OWN_RX     0
#define OTHER_RX   2

static struct nic_queue_report other_rings;

static void do_nothing_asleep(void)
{
}

/* The other link server answers. */
static void attach_other(uint16_t step)
{
    struct queue_attached answer = {
        .header = {.type = QUEUE_ATTACHED, .length_bytes = sizeof(answer)},
        .queue_index = OTHER_LS,
        .step = step,
    };

    memcpy(answer.report, &other_rings, sizeof(answer.report));
    fake_deliver(OTHER_LS, &answer.header);
    settle();
}

static void expect_to_be_asked(uint32_t step)
{
    const struct attach_queue *message = fake_expect_message(OTHER_LS, ATTACH_QUEUE);

    assert_int_equal(message->step, step);
}

static void expect_ready(bool is_link_up)
{
    const struct nic_ready *message = fake_expect_message(OTHER_LS, NIC_READY);

    assert_int_equal(message->is_link_up, is_link_up);
}

/* From ATTACH_QUEUE on, as the card starts, whether for the first time or not. */
static void let_it_start(void)
{
    for (unsigned i = 0; i < 8; i++) {
        (void)dispatch_round(); /* it waits, but not for ever */
    }
    expect_to_be_asked(QUEUE_STEP_PREPARE);
    assert_int_equal(fake_virtio.status, 0x0B); /* it waits for the queue */
    attach_other(QUEUE_STEP_PREPARE);
    expect_to_be_asked(QUEUE_STEP_USE);
    expect_ready(true);
    attach_other(QUEUE_STEP_USE);
    fake_expect_no_message(OTHER_LS);
    assert_int_equal(fake_virtio.status, 0x0F);
    /* It has both nodes' rings, with buffers. */
    assert_int_equal(fake_virtio_available(OWN_RX), 64);
    assert_int_equal(fake_virtio.queues[OTHER_RX].descriptors, other_rings.words[0] & ~0xFFFull);
    assert_true(last_ready.is_link_up);
}

static int start(void **state)
{
    (void)state;
    fake_virtio_reset_pairs(PAIRS);
    for (unsigned i = 0; i < 2; i++) {
        other_rings.words[i] = (uintptr_t)fake_virtio_memory_of(OTHER_LS, RING_BYTES) | 6;
    }
    start_link_server_on(SELF, "pika=TS2LS2CM2 app=httpd:2");
    let_it_start();
    return 0;
}

/* It is asleep, and the card tells it that something has changed. */
static void interrupt(void)
{
    interrupts[INTERRUPT_VECTOR_NIC_OTHER]++;
    fake_on_sleep(do_nothing_asleep);
    dispatch_sleep();
}

static void give_up(void)
{
    fake_virtio.status |= 0x40;
    interrupt();
}

/* The driver looks at IP's checksum (RFC 1071). */
static void sum_ip(uint8_t ip[20])
{
    uint32_t sum = 0;

    for (unsigned i = 0; i < 20; i += 2) {
        sum += (uint32_t)ip[i] << 8 | ip[i + 1];
    }
    sum = ~((sum & 0xFFFF) + (sum >> 16));
    ip[10] = (uint8_t)(sum >> 8);
    ip[11] = (uint8_t)sum;
}

static void receive_one(void)
{
    struct test_frame frame = tcp_frame(SELF, 0x18);

    sum_ip(frame.bytes + 14);
    received_count = 0;
    fake_virtio_receive(OWN_RX, frame.bytes, frame.length_bytes, 0, 1);
    settle();
    assert_int_equal(received_count, 1);
    received->release(received);
}

static void a_card_that_gives_up_is_started_anew_with_all_queues(void **state)
{
    (void)state;
    receive_one();
    give_up();
    expect_ready(false);
    assert_int_equal(fake_virtio.status, 0); /* reset */
    assert_false(fake_virtio.is_mastering);
    let_it_start();
    assert_int_equal(counter_read(SELF, COUNTER_NIC_RESTARTS), 1);
    receive_one();
}

/* The speaker is told, who is on this node, and nobody else; then the card. */
static void the_address_is_made_known_when_the_card_asks_and_not_too_often(void **state)
{
    unsigned commands = fake_virtio.command_count;

    (void)state;
    fake_advance_ns(LINK_ANNOUNCEMENT_INTERVAL_NS);
    ready_count = 0;
    for (unsigned i = 1; i <= 3; i++) {
        fake_virtio.link_status |= 2;
        interrupt();
        settle();
        assert_int_equal(ready_count, i);
        assert_true(last_ready.is_announcement_wanted && last_ready.is_link_up);
        assert_int_equal(fake_virtio.command_count, commands + i);
        assert_int_equal(fake_virtio.command[0] << 8 | fake_virtio.command[1], 3 << 8);
        assert_int_equal(fake_virtio.link_status, 1);
        /* At once again: later. */
        fake_virtio.link_status |= 2;
        interrupt();
        settle();
        assert_int_equal(ready_count, i);
        assert_int_equal(fake_virtio.link_status, 3);
        fake_advance_ns(LINK_ANNOUNCEMENT_INTERVAL_NS);
    }
    interrupt();
    settle();
    assert_int_equal(counter_read(SELF, COUNTER_NIC_ANNOUNCEMENTS), 4);
    fake_advance_ns(LINK_ANNOUNCEMENT_INTERVAL_NS);
    interrupt();
    settle();
    assert_int_equal(ready_count, 4); /* it has what it asked for */
    fake_expect_no_message(OTHER_LS);
}

/* Also of a card that was reset by somebody else. */
static void it_is_started_so_often_within_a_minute_and_then_stays_off(void **state)
{
    unsigned log_count;

    (void)state;
    fake_advance_ns(LINK_RESTART_PERIOD_NS); /* the one before is long ago */
    for (unsigned i = 0; i < LINK_RESTART_MAX; i++) {
        give_up();
        expect_ready(false);
        let_it_start();
    }
    assert_int_equal(counter_read(SELF, COUNTER_NIC_RESTARTS), 1 + LINK_RESTART_MAX);
    fake_virtio.status = 0;
    interrupt();
    settle();
    expect_ready(false);
    fake_expect_no_message(OTHER_LS);
    assert_false(fake_virtio.is_mastering);
    assert_non_null(strstr(fake_virtio.last_log, "without a network"));
    assert_int_equal(counter_read(SELF, COUNTER_NIC_RESTARTS), 1 + LINK_RESTART_MAX);
    /* And for ever, without another word. */
    log_count = fake_virtio.log_count;
    fake_advance_ns(2 * LINK_RESTART_PERIOD_NS);
    interrupt();
    settle();
    assert_int_equal(fake_virtio.log_count, log_count);
    fake_expect_no_message(OTHER_LS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_card_that_gives_up_is_started_anew_with_all_queues),
        cmocka_unit_test(the_address_is_made_known_when_the_card_asks_and_not_too_often),
        cmocka_unit_test(it_is_started_so_often_within_a_minute_and_then_stays_off),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
