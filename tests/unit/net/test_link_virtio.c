/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/ls_world.c tests/unit/world/fake_virtio.c */
/* flags: -DMMIO_FAKE */
/*
 * Tests net/link/ over a virtio card that gives up, has moved with the machine, or does not steer
 * as it says: on the node that drives it, while another one has a queue of it. Each test goes on
 * where the one before it stopped.
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
#include "net/counters.h"
#include "net/link/announcement.h"
#include "net/link/misses.h"
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

static void receive_of(node_id_t owner)
{
    struct test_frame frame = tcp_frame(owner, 0x18);

    sum_ip(frame.bytes + 14);
    fake_virtio_receive(OWN_RX, frame.bytes, frame.length_bytes, 0, 1);
    settle();
}

static void receive_one(void)
{
    received_count = 0;
    receive_of(SELF);
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

/* The other one's queue is attached once more. */
static void let_it_steer_again(void)
{
    attach_other(QUEUE_STEP_USE);
}

static void a_frame_in_another_queue_than_its_owners_is_counted(void **state)
{
    (void)state;
    receive_of(OTHER_LS);
    (void)fake_expect_message(OTHER_LS, FORWARD_FRAME);
    assert_int_equal(counter_read(SELF, COUNTER_STEER_FORWARDED), 1);
    assert_int_equal(counter_read(SELF, COUNTER_STEER_MISSED), 1);
    receive_one();
    assert_int_equal(counter_read(SELF, COUNTER_STEER_MISSED), 1);
}

/* So much is counted until the next look, that one frame takes for its round. */
static void look_after(unsigned received_frames, unsigned missed_frames)
{
    counter_add(COUNTER_NIC_RX_PACKETS, received_frames - 1);
    counter_add(COUNTER_STEER_MISSED, missed_frames);
    fake_advance_ns(2 * NS_PER_S);
    receive_one();
}

static bool steers(void)
{
    return fake_virtio.command[0] == 4 && fake_virtio.command[1] == 1;
}

/* With one too few of anything it goes on. */
static void a_card_is_believed_until_many_frames_have_missed_their_queues(void **state)
{
    const unsigned quarter = LINK_MISSES_FRAMES / 4;

    (void)state;
    fake_advance_ns(2 * NS_PER_S);
    let_it_steer_again();
    look_after(LINK_MISSES_FRAMES, 0);
    for (unsigned look = 1; look < LINK_MISSES_LOOKS; look++) {
        look_after(LINK_MISSES_FRAMES, quarter);
    }
    look_after(LINK_MISSES_FRAMES, quarter - 1);
    for (unsigned look = 1; look < LINK_MISSES_LOOKS; look++) {
        look_after(LINK_MISSES_FRAMES, LINK_MISSES_FRAMES);
    }
    look_after(LINK_MISSES_FRAMES - 1, LINK_MISSES_FRAMES - 1); /* too few to judge by */
    assert_true(steers());
    /* Steering has changed: what was seen may be of before. */
    let_it_steer_again();
    for (unsigned look = 0; look < LINK_MISSES_LOOKS; look++) {
        look_after(LINK_MISSES_FRAMES, LINK_MISSES_FRAMES);
        assert_true(steers());
    }
}

/* By PAIRS_SET, and for ever. */
static void then_it_chooses_by_itself_also_when_it_has_been_started_anew(void **state)
{
    unsigned rss_count;

    (void)state;
    look_after(LINK_MISSES_FRAMES, LINK_MISSES_FRAMES / 4);
    assert_int_equal(fake_virtio.command[0] << 8 | fake_virtio.command[1], 4 << 8);
    assert_int_equal(fake_virtio.command_data[0] | fake_virtio.command_data[1] << 8, PAIRS);
    assert_non_null(strstr(fake_virtio.last_log, "forwarded in software"));
    rss_count = fake_virtio.rss_count;
    let_it_steer_again();
    look_after(LINK_MISSES_FRAMES, LINK_MISSES_FRAMES);
    fake_advance_ns(LINK_RESTART_PERIOD_NS);
    give_up();
    expect_ready(false);
    let_it_start();
    assert_int_equal(fake_virtio.rss_count, rss_count);
    receive_one();
}

/* Also of a card that was reset by somebody else. */
static void it_is_started_so_often_within_a_minute_and_then_stays_off(void **state)
{
    uint64_t before = counter_read(SELF, COUNTER_NIC_RESTARTS);
    unsigned log_count;

    (void)state;
    fake_advance_ns(LINK_RESTART_PERIOD_NS); /* the one before is long ago */
    for (unsigned i = 0; i < LINK_RESTART_MAX; i++) {
        give_up();
        expect_ready(false);
        let_it_start();
    }
    assert_int_equal(counter_read(SELF, COUNTER_NIC_RESTARTS), before + LINK_RESTART_MAX);
    fake_virtio.status = 0;
    interrupt();
    settle();
    expect_ready(false);
    fake_expect_no_message(OTHER_LS);
    assert_false(fake_virtio.is_mastering);
    assert_non_null(strstr(fake_virtio.last_log, "without a network"));
    assert_int_equal(counter_read(SELF, COUNTER_NIC_RESTARTS), before + LINK_RESTART_MAX);
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
        cmocka_unit_test(a_frame_in_another_queue_than_its_owners_is_counted),
        cmocka_unit_test(a_card_is_believed_until_many_frames_have_missed_their_queues),
        cmocka_unit_test(then_it_chooses_by_itself_also_when_it_has_been_started_anew),
        cmocka_unit_test(it_is_started_so_often_within_a_minute_and_then_stays_off),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
