/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_nic.c */
/* flags: -DMMIO_FAKE */
/*
 * Tests drivers/ixgbe/rx.c against a device that reads and writes descriptors as the datasheet
 * says (7.1.6).
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/ixgbe/ixgbe.h"
#include "libc/core/memory.h"
#include "tests/unit/world/fake_nic.h"
#include "tests/unit/world/fake_platform.h"

#define QUEUE    5
#define RX_RING  512
#define EOP      0x2u
#define RDT      0x1158
#define KEPT_MAX 5000

/* A driver keeps its rings and buffers for ever; each test starts a new one. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

static struct ixgbe_rx rx;

static int start_queue(struct ixgbe_rx_size size)
{
    rx = (struct ixgbe_rx){0};
    return ixgbe_rx_start(&rx, fake_nic_registers(), QUEUE, size);
}
static struct frame *kept[KEPT_MAX];
static unsigned kept_count;

static int set_up(void **state)
{
    (void)state;
    fake_platform_reset(0, 1);
    fake_set_clock_step_ns(NS_PER_US);
    fake_nic_reset();
    assert_int_equal(start_queue(ixgbe_rx_size_usual), 0);
    kept_count = 0;
    return 0;
}

static void keep(struct frame *frame)
{
    assert_true(kept_count < KEPT_MAX);
    kept[kept_count++] = frame;
}

static void release_at_once(struct frame *frame)
{
    kept_count++;
    frame->release(frame);
}

static void release_kept(void)
{
    while (kept_count > 0) {
        kept_count--;
        kept[kept_count]->release(kept[kept_count]);
    }
}

/* Take up to so many frames, each to its owner. */
static unsigned take(unsigned frame_max, void (*owner)(struct frame *frame))
{
    static struct frame *frames[RX_RING];
    unsigned count = ixgbe_receive(&rx, frames, frame_max);

    for (unsigned i = 0; i < count; i++) {
        owner(frames[i]);
    }
    return count;
}

static bool receive_number(uint32_t number)
{
    return fake_nic_receive(QUEUE, &number, sizeof(number), EOP, 0);
}

static uint32_t number_of(const struct frame *frame)
{
    uint32_t number;

    assert_int_equal(frame->length_bytes, sizeof(number));
    memcpy(&number, frame->data, sizeof(number));
    return number;
}

static void receive_queue_is_set_up_as_the_datasheet_says(void **state)
{
    unsigned enabled = fake_nic_find_write(0, 0x1168, 0x02000000, 0x02000000);

    (void)state;
    assert_int_equal(fake_nic_get(0x1140) & 0x7F, 0); /* 128-byte alignment */
    assert_int_equal(fake_nic_get(0x1148), RX_RING * 16);
    assert_int_equal(fake_nic_get(0x1154), 0x12000002); /* SRRCTL */
    assert_int_equal(fake_nic_get(0x114C) & 0x1000, 0); /* DCA_RXCTRL */
    assert_int_equal(fake_nic_get(0x1150), 0);
    /* The tail moves only when the queue says that it is on. */
    assert_true(fake_nic_find_write(0, RDT, UINT32_MAX, RX_RING - 1) > enabled);
    assert_int_equal(fake_nic_receive_room(QUEUE), RX_RING - 1);
}

static void frames_are_handed_over_in_order_with_their_bytes(void **state)
{
    (void)state;
    assert_int_equal(take(64, keep), 0);
    assert_false(ixgbe_rx_is_pending(&rx));
    for (uint32_t i = 0; i < 10; i++) {
        assert_true(receive_number(1000 + i));
    }
    assert_true(ixgbe_rx_is_pending(&rx));
    assert_int_equal(take(64, keep), 10);
    assert_int_equal(kept_count, 10);
    for (uint32_t i = 0; i < 10; i++) {
        assert_int_equal(number_of(kept[i]), 1000 + i);
    }
}

static void budget_bounds_a_turn(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 10; i++) {
        assert_true(receive_number(i));
    }
    assert_int_equal(take(4, keep), 4);
    assert_true(ixgbe_rx_is_pending(&rx));
    assert_int_equal(take(64, keep), 6);
}

/* Many times around the ring, in uneven batches. */
static void ring_wraps(void **state)
{
    uint32_t sent = 0, seen = 0;

    (void)state;
    for (unsigned turn = 0; turn < 400; turn++) {
        for (unsigned i = 0; i < 1 + turn * 7 % 64; i++) {
            assert_true(receive_number(sent++));
        }
        while (take(64, keep) > 0) {
        }
        for (unsigned i = 0; i < kept_count; i++) {
            assert_int_equal(number_of(kept[i]), seen++);
        }
        release_kept();
    }
    assert_int_equal(seen, sent);
    assert_true(sent > 10 * RX_RING);
}

static void tail_is_written_once_for_a_batch(void **state)
{
    unsigned before = fake_nic_writes_to(RDT);

    (void)state;
    for (uint32_t i = 0; i < 31; i++) {
        assert_true(receive_number(i));
        assert_int_equal(take(64, release_at_once), 1);
    }
    assert_int_equal(fake_nic_writes_to(RDT), before);
    assert_true(receive_number(31));
    assert_int_equal(take(64, release_at_once), 1);
    assert_int_equal(fake_nic_writes_to(RDT), before + 1);
    assert_int_equal(fake_nic_receive_room(QUEUE), RX_RING - 1);
    for (uint32_t i = 0; i < 64; i++) {
        assert_true(receive_number(i));
    }
    assert_int_equal(take(64, release_at_once), 64);
    assert_int_equal(fake_nic_writes_to(RDT), before + 2);
}

static void full_ring_of_frames_is_taken_whole(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < RX_RING - 1; i++) {
        assert_true(receive_number(i));
    }
    assert_false(receive_number(0)); /* the device drops it */
    assert_int_equal(take(RX_RING, keep), RX_RING - 1);
    assert_int_equal(number_of(kept[RX_RING - 2]), RX_RING - 2);
}

/* An owner that returns nothing gets more buffers up to the bound; then the device runs dry, and
 * goes on as soon as some come back. */
static void owner_may_keep_frames_up_to_the_bound(void **state)
{
    uint32_t sent = 0;

    (void)state;
    while (receive_number(sent)) {
        sent++;
        (void)take(64, keep);
    }
    assert_int_equal(sent, ixgbe_rx_size_usual.buffer_max);
    assert_int_equal(kept_count, ixgbe_rx_size_usual.buffer_max);
    assert_int_equal(fake_nic_receive_room(QUEUE), 0);
    for (uint32_t i = 0; i < sent; i++) {
        assert_int_equal(number_of(kept[i]), i);
    }
    kept_count--;
    kept[kept_count]->release(kept[kept_count]);
    assert_int_equal(take(64, keep), 0);
    assert_true(receive_number(7));
    assert_int_equal(take(64, keep), 1);
    assert_int_equal(number_of(kept[kept_count - 1]), 7);
    release_kept();
    assert_int_equal(take(64, keep), 0);
    assert_int_equal(fake_nic_receive_room(QUEUE), RX_RING - 1);
}

static void without_memory_for_more_buffers_the_device_drops(void **state)
{
    uint32_t sent = 0;

    (void)state;
    fake_fail_allocations_after(0);
    while (receive_number(sent)) {
        sent++;
        (void)take(64, keep);
    }
    assert_int_equal(sent, ixgbe_rx_size_usual.buffer_start);
}

static uint64_t buffer_bytes(void)
{
    LINKER_SET_EACH(memory_kinds, struct memory_kind, kind)
    {
        if (strcmp((*kind)->name, "ixgbe_rx_buffers") == 0) {
            return (*kind)->counts->bytes;
        }
    }
    fail();
    return 0;
}

/* Their data's pages are counted. A start that fails for want of memory gives them back. */
static void buffers_take_no_more_memory_than_they_hold(void **state)
{
    uint64_t before = buffer_bytes();

    (void)state;
    assert_int_equal(start_queue(ixgbe_rx_size_usual), 0);
    assert_int_equal(buffer_bytes() - before, ixgbe_rx_size_usual.buffer_start * 2048);
    before = buffer_bytes();
    for (int allocations = 2; allocations < 4; allocations++) {
        fake_fail_allocations_after(allocations); /* ring and slots; then a chunk's first */
        assert_int_equal(start_queue(ixgbe_rx_size_usual), -ENOMEM);
        fake_fail_allocations_after(-1);
        assert_int_equal(buffer_bytes(), before);
    }
}

/* In the place of another node's, a second time: what was in the ring is nobody's any more. */
static void one_that_is_started_again_needs_no_memory_and_is_empty(void **state)
{
    (void)state;
    assert_int_equal(start_queue(ixgbe_rx_size_adopted), 0);
    assert_int_equal(fake_nic_receive_room(QUEUE), 255);
    assert_true(receive_number(1));
    assert_true(ixgbe_rx_is_pending(&rx));
    fake_fail_allocations_after(0);
    assert_int_equal(ixgbe_rx_start(&rx, fake_nic_registers(), QUEUE - 1, ixgbe_rx_size_adopted),
                     0);
    fake_fail_allocations_after(-1);
    assert_false(ixgbe_rx_is_pending(&rx));
    assert_int_equal(fake_nic_receive_room(QUEUE - 1), 255);
    assert_int_equal(rx.pool.free_count, rx.pool.buffer_count - 255);
}

/* What a flood of SYNs fills: the device drops the others, also when their owner keeps some. */
static void a_queue_for_syns_holds_few(void **state)
{
    uint32_t sent = 0;

    (void)state;
    assert_int_equal(start_queue(ixgbe_rx_size_syns), 0);
    assert_int_equal(fake_nic_receive_room(QUEUE), 127);
    while (receive_number(sent)) {
        sent++;
    }
    assert_int_equal(sent, 127);
    assert_int_equal(take(RX_RING, release_at_once), 127);
    assert_int_equal(fake_nic_receive_room(QUEUE), 127);
    assert_false(ixgbe_rx_is_pending(&rx));
    kept_count = sent = 0;
    while (receive_number(sent)) {
        sent++;
        (void)take(64, keep);
    }
    assert_int_equal(sent, ixgbe_rx_size_syns.buffer_max);
}

static void lack_of_memory_at_the_start_is_reported(void **state)
{
    (void)state;
    for (int allocations = 0; allocations < 6; allocations++) {
        fake_fail_allocations_after(allocations);
        assert_int_equal(start_queue(ixgbe_rx_size_usual), -ENOMEM);
    }
}

static void queue_that_does_not_switch_on_is_reported(void **state)
{
    (void)state;
    fake_nic_stick(0x1168, 0x02000000, 0);
    assert_int_equal(start_queue(ixgbe_rx_size_usual), -ETIMEDOUT);
    assert_non_null(strstr(fake_nic_last_log(), "RXDCTL"));
}

static void checksums_are_told_as_the_device_found_them(void **state)
{
    static const struct {
        uint32_t status, packet_info;
        unsigned flags;
    } cases[] = {
        {0, 0, 0},                                                               /* ARP */
        {0x40, 0x010, FRAME_IP_CHECKSUM_GOOD},                                   /* ICMP */
        {0x60, 0x110, FRAME_IP_CHECKSUM_GOOD | FRAME_L4_CHECKSUM_GOOD},          /* TCP */
        {0x70, 0x210, FRAME_IP_CHECKSUM_GOOD | FRAME_L4_CHECKSUM_GOOD},          /* UDP */
        {0x60 | 0x40000000, 0x110, FRAME_IP_CHECKSUM_GOOD | FRAME_CHECKSUM_BAD}, /* TCP wrong */
        {0x60 | 0x80000000, 0x110, FRAME_L4_CHECKSUM_GOOD | FRAME_CHECKSUM_BAD}, /* IP wrong */
        /* UDP wrong: perhaps only without a checksum. Neither good nor bad. */
        {0x70 | 0x40000000, 0x210, FRAME_IP_CHECKSUM_GOOD},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
        assert_true(
            fake_nic_receive(QUEUE, "frame", 6, EOP | cases[i].status, cases[i].packet_info));
        assert_int_equal(take(64, keep), 1);
        assert_int_equal(kept[i]->flags, cases[i].flags);
    }
}

/* Its last piece says that there was one. */
static void frame_longer_than_a_buffer_is_told_of_once(void **state)
{
    (void)state;
    assert_true(receive_number(1));
    assert_true(fake_nic_receive(QUEUE, "a", 1, 0, 0)); /* no EOP: it goes on... */
    assert_true(fake_nic_receive(QUEUE, "b", 1, 0, 0));
    assert_int_equal(take(64, keep), 1);
    assert_true(fake_nic_receive(QUEUE, "c", 1, EOP, 0)); /* ...to here */
    assert_true(receive_number(2));
    assert_int_equal(take(64, keep), 2);
    assert_int_equal(kept_count, 3);
    assert_int_equal(kept[0]->flags, 0);
    assert_int_equal(kept[1]->flags, FRAME_DAMAGED);
    assert_int_equal(kept[2]->flags, 0);
    assert_int_equal(number_of(kept[2]), 2);
}

static void damaged_frame_is_told_of(void **state)
{
    (void)state;
    assert_true(fake_nic_receive(QUEUE, "x", 1, EOP | 0x20000000, 0));
    assert_int_equal(take(64, keep), 1);
    assert_int_equal(kept[0]->flags, FRAME_DAMAGED);
}

/* A device that is wrong about a length would have us read behind the buffer. */
static void a_length_beyond_the_buffer_is_told_of_as_damage(void **state)
{
    static const uint16_t lengths[] = {2048, 2049, 4096, 0x8000, 0xFFFF};

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(lengths); i++) {
        fake_nic_claim_length(lengths[i]);
        assert_true(fake_nic_receive(QUEUE, "x", 1, EOP, 0));
        assert_int_equal(take(64, keep), 1);
        assert_int_equal(kept[i]->flags, FRAME_DAMAGED);
        assert_int_equal(kept[i]->length_bytes, 0);
    }
    fake_nic_claim_length(2047);
    assert_true(fake_nic_receive(QUEUE, "x", 1, EOP, 0));
    assert_int_equal(take(64, keep), 1);
    assert_int_equal(kept[ARRAY_COUNT(lengths)]->flags, 0);
    assert_int_equal(kept[ARRAY_COUNT(lengths)]->length_bytes, 2047);
    fake_nic_claim_length(0);
    assert_true(receive_number(1));
    assert_int_equal(take(64, keep), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(receive_queue_is_set_up_as_the_datasheet_says, set_up),
        cmocka_unit_test_setup(frames_are_handed_over_in_order_with_their_bytes, set_up),
        cmocka_unit_test_setup(budget_bounds_a_turn, set_up),
        cmocka_unit_test_setup(ring_wraps, set_up),
        cmocka_unit_test_setup(tail_is_written_once_for_a_batch, set_up),
        cmocka_unit_test_setup(full_ring_of_frames_is_taken_whole, set_up),
        cmocka_unit_test_setup(owner_may_keep_frames_up_to_the_bound, set_up),
        cmocka_unit_test_setup(without_memory_for_more_buffers_the_device_drops, set_up),
        cmocka_unit_test_setup(buffers_take_no_more_memory_than_they_hold, set_up),
        cmocka_unit_test_setup(a_queue_for_syns_holds_few, set_up),
        cmocka_unit_test_setup(one_that_is_started_again_needs_no_memory_and_is_empty, set_up),
        cmocka_unit_test_setup(lack_of_memory_at_the_start_is_reported, set_up),
        cmocka_unit_test_setup(queue_that_does_not_switch_on_is_reported, set_up),
        cmocka_unit_test_setup(checksums_are_told_as_the_device_found_them, set_up),
        cmocka_unit_test_setup(frame_longer_than_a_buffer_is_told_of_once, set_up),
        cmocka_unit_test_setup(damaged_frame_is_told_of, set_up),
        cmocka_unit_test_setup(a_length_beyond_the_buffer_is_told_of_as_damage, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
