/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/ls_ixgbe.c tests/unit/world/ls_world.c */
/* sources: tests/unit/world/fake_nic.c */
/* flags: -DMMIO_FAKE */
/*
 * Tests net/link/server.c: what leaves, and what a link server leaves armed when it sleeps.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/nic/counters.h"
#include "drivers/nic/frame.h"
#include "drivers/vectors.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "net/counters.h"
#include "net/link/server.h"
#include "tests/unit/world/fake_memory.h"
#include "tests/unit/world/fake_nic.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/ls_ixgbe.h"

/* The other node is told of the device, and the messages are out of the way. */
static int start(void **state)
{
    (void)start_link_server(state);
    (void)fake_expect_message(OTHER_LS, ATTACH_QUEUE);
    (void)fake_expect_message(OTHER_LS, NIC_READY);
    return 0;
}

/* --- Transmit --- */

static void frames_of_a_round_leave_with_one_tail_write(void **state)
{
    struct fake_nic_sent sent;
    struct frame_to_send frame = {
        .fragments = {{"0123456789abcdef", 16}}, .fragment_count = 1, .length_bytes = 16};
    struct test_frame arrived = tcp_frame(0, 0x10);
    unsigned before = fake_nic_writes_to(0x6018);

    (void)state;
    assert_int_equal(link_server_transmit(&frame), 0);
    assert_int_equal(link_server_transmit(&frame), 0);
    assert_false(fake_nic_transmit(0, &sent));
    assert_int_equal(counter_read(0, COUNTER_NIC_TX_PACKETS), 2);
    assert_int_equal(counter_read(0, COUNTER_NIC_TX_BYTES), 32);
    receive(&arrived, TCP_GOOD);
    received->release(received);
    assert_int_equal(fake_nic_writes_to(0x6018), before + 1);
    assert_true(fake_nic_transmit(0, &sent));
    assert_memory_equal(sent.data, "0123456789abcdef", 16);
    assert_true(fake_nic_transmit(0, &sent));
}

static void deliver_transmit_frame(size_t frame_bytes, uint16_t offload, uint8_t ip_header_bytes)
{
    uint8_t bytes[FRAME_MAX_BYTES + 1];
    struct transmit_frame message = {.header.type = TRANSMIT_FRAME,
                                     .offload = offload,
                                     .ip_header_offset = 14,
                                     .ip_header_bytes = ip_header_bytes};

    memset(bytes, 0x42, sizeof(bytes));
    fake_deliver_payload(OTHER_LS, &message.header, sizeof(message), bytes, frame_bytes);
    dispatch_round();
}

static void frame_of_a_transport_server_elsewhere_is_copied_and_sent(void **state)
{
    struct fake_nic_sent sent;

    (void)state;
    deliver_transmit_frame(FRAME_MAX_BYTES, FRAME_INSERT_TCP_CHECKSUM, 20);
    assert_true(fake_nic_transmit(0, &sent));
    assert_int_equal(sent.length_bytes, FRAME_MAX_BYTES);
    assert_int_equal(sent.context_lengths, 14 << 9 | 20);
    assert_int_equal(sent.first_status & 0x300, 0x200);
}

static void impossible_frames_to_send_are_refused(void **state)
{
    uint64_t before = counter_read(0, COUNTER_DROP_BAD_MESSAGE);
    struct fake_nic_sent sent;

    (void)state;
    deliver_transmit_frame(13, 0, 0);
    deliver_transmit_frame(FRAME_MAX_BYTES + 1, 0, 0);
    deliver_transmit_frame(33, FRAME_INSERT_IP_CHECKSUM, 20);
    deliver_transmit_frame(60, FRAME_INSERT_IP_CHECKSUM, 16);
    deliver_transmit_frame(60, FRAME_SEGMENT_TCP, 20); /* a message says nothing of segments */
    deliver_transmit_frame(60, FRAME_INSERT_TCP_CHECKSUM | FRAME_INSERT_UDP_CHECKSUM, 20);
    deliver_transmit_frame(200, FRAME_INSERT_IP_CHECKSUM, 64); /* no IP header is so long */
    assert_int_equal(counter_read(0, COUNTER_DROP_BAD_MESSAGE), before + 7);
    assert_false(fake_nic_transmit(0, &sent));
}

/* A driver without the offload would write a checksum there. */
static void frames_that_end_inside_a_header_with_a_checksum_are_refused(void **state)
{
    uint64_t before = counter_read(0, COUNTER_DROP_BAD_MESSAGE);
    struct fake_nic_sent sent;

    (void)state;
    deliver_transmit_frame(53, FRAME_INSERT_TCP_CHECKSUM, 20);
    deliver_transmit_frame(41, FRAME_INSERT_UDP_CHECKSUM, 20);
    assert_int_equal(counter_read(0, COUNTER_DROP_BAD_MESSAGE), before + 2);
    assert_false(fake_nic_transmit(0, &sent));
    deliver_transmit_frame(54, FRAME_INSERT_TCP_CHECKSUM, 20);
    deliver_transmit_frame(42, FRAME_INSERT_UDP_CHECKSUM, 20);
    assert_int_equal(counter_read(0, COUNTER_DROP_BAD_MESSAGE), before + 2);
    assert_true(fake_nic_transmit(0, &sent));
    assert_true(fake_nic_transmit(0, &sent));
}

/* As the wire sees it. */
static void segments_that_the_nic_cuts_are_counted_one_by_one(void **state)
{
    static const uint8_t headers[54], payload[4000];
    struct frame_to_send frame = {
        .fragments = {{headers, 54}, {payload, 4000}},
        .fragment_count = 2,
        .offload = FRAME_INSERT_IP_CHECKSUM | FRAME_INSERT_TCP_CHECKSUM | FRAME_SEGMENT_TCP,
        .ip_header_offset = 14,
        .ip_header_bytes = 20,
        .length_bytes = 4054,
        .segment_bytes = 1460,
        .tcp_header_bytes = 20,
    };
    uint64_t packets = counter_read(0, COUNTER_NIC_TX_PACKETS);
    uint64_t bytes = counter_read(0, COUNTER_NIC_TX_BYTES);
    struct fake_nic_sent sent;

    (void)state;
    assert_int_equal(link_server_transmit(&frame), 0);
    assert_int_equal(counter_read(0, COUNTER_NIC_TX_PACKETS), packets + 3);
    assert_int_equal(counter_read(0, COUNTER_NIC_TX_BYTES), bytes + 4000 + 3 * 54);
    settle();
    assert_true(fake_nic_transmit(0, &sent));
}

/* --- Sleep --- */

static void arrive_asleep(void)
{
    struct test_frame frame = tcp_frame(0, 0x10);

    assert_true(fake_nic_receive(0, frame.bytes, frame.length_bytes, EOP, 0));
    interrupts[INTERRUPT_VECTOR_NIC]++;
}

static void do_nothing_asleep(void)
{
}

static void interrupt_is_unmasked_before_sleep_and_only_when_it_was_taken(void **state)
{
    unsigned unmasked;

    (void)state;
    settle();
    fake_on_sleep(do_nothing_asleep);
    dispatch_sleep();
    unmasked = fake_nic_writes_to(EIMS_EX_REGISTER);
    assert_true(unmasked >= 1);
    dispatch_sleep(); /* woken by another node's message: it is still unmasked */
    assert_int_equal(fake_nic_writes_to(EIMS_EX_REGISTER), unmasked);

    fake_on_sleep(arrive_asleep);
    dispatch_sleep();
    received_count = 0;
    settle();
    assert_int_equal(received_count, 1);
    received->release(received);
    fake_on_sleep(do_nothing_asleep);
    dispatch_sleep();
    assert_int_equal(fake_nic_writes_to(EIMS_EX_REGISTER), unmasked + 1);
    assert_int_equal(counter_read(0, COUNTER_NIC_INTERRUPTS), 1);
}

/* Whether its interrupt is still unmasked or not: either way has a look of its own. */
static void frame_that_came_before_sleep_keeps_the_node_awake(void **state)
{
    struct test_frame frame = tcp_frame(0, 0x10);

    (void)state;
    fake_on_sleep(do_nothing_asleep);
    for (unsigned taken = 0; taken < 2; taken++) {
        unsigned sleeps;

        settle();
        dispatch_sleep(); /* unmasked here */
        interrupts[INTERRUPT_VECTOR_NIC] += taken;
        sleeps = fake_sleeps();
        assert_true(fake_nic_receive(0, frame.bytes, frame.length_bytes, EOP, 0));
        dispatch_sleep();
        assert_int_equal(fake_sleeps(), sleeps);
        received_count = 0;
        settle();
        assert_int_equal(received_count, 1);
        received->release(received);
        dispatch_sleep();
        assert_int_equal(fake_sleeps(), sleeps + 1); /* nothing else does */
    }
}

static void frame_comes(void)
{
    struct test_frame frame = tcp_frame(0, 0x10);

    assert_true(fake_nic_receive(0, frame.bytes, frame.length_bytes, EOP, 0));
}

/* Its interrupt is unmasked since the last sleep or is not: either way has a look of its own. */
static void frame_that_comes_on_either_side_of_the_sleep_flag_is_not_slept_on(void **state)
{
    (void)state;
    fake_on_sleep(do_nothing_asleep);
    for (unsigned i = 0; i < 4; i++) {
        settle();
        dispatch_sleep();
        interrupts[INTERRUPT_VECTOR_NIC] += i % 2;
        unsigned sleeps = fake_sleeps();

        fake_at_sleep_flag(i < 2 ? frame_comes : NULL, i < 2 ? NULL : frame_comes);
        dispatch_sleep();
        assert_int_equal(fake_sleeps(), sleeps);
        received_count = 0;
        settle();
        assert_int_equal(received_count, 1);
        received->release(received);
    }
}

static void frame_sent_after_the_flush_still_leaves_before_sleep(void **state)
{
    struct fake_nic_sent sent;
    struct frame_to_send frame = {
        .fragments = {{"0123456789abcdef", 16}}, .fragment_count = 1, .length_bytes = 16};

    (void)state;
    settle();
    assert_int_equal(link_server_transmit(&frame), 0);
    dispatch_sleep();
    assert_true(fake_nic_transmit(0, &sent));
}

static void count_done(void *context)
{
    (*(unsigned *)context)++;
}

static void many_frames_in_flight_are_looked_after_by_a_timer(void **state)
{
    unsigned done_count = 0;
    struct frame_to_send frame = {
        .fragments = {{"0123456789abcdef", 16}},
        .fragment_count = 1,
        .length_bytes = 16,
        .done = count_done,
        .context = &done_count,
    };
    struct fake_nic_sent sent;
    uint64_t deadline_ns;

    (void)state;
    settle();
    for (unsigned i = 0; i < 300; i++) {
        assert_int_equal(link_server_transmit(&frame), 0);
    }
    dispatch_sleep();
    deadline_ns = fake_last_sleep_deadline_ns();
    assert_in_range(deadline_ns, 1, platform_now_ns() + 2 * NS_PER_MS);
    settle();
    dispatch_sleep(); /* nothing has been sent: the next look is later */
    assert_true(fake_last_sleep_deadline_ns() > deadline_ns);
    while (fake_nic_transmit(0, &sent)) {
    }
    settle();
    assert_int_equal(done_count, 300);
    fake_on_sleep(do_nothing_asleep);
    dispatch_sleep(); /* the timer that is still set */
    settle();
    dispatch_sleep();
    assert_int_equal(fake_last_sleep_deadline_ns(), UINT64_MAX);
}

static void link_goes_down(void)
{
    fake_nic_set(LINKS_REGISTER, 0);
    interrupts[INTERRUPT_VECTOR_NIC_OTHER]++;
}

static void change_of_the_link_is_told_to_all_transport_servers(void **state)
{
    const struct nic_ready *ready;

    (void)state;
    settle();
    fake_on_sleep(link_goes_down);
    dispatch_sleep();
    settle();
    fake_on_sleep(do_nothing_asleep);
    dispatch_sleep();
    settle();
    assert_non_null(strstr(fake_nic_last_log(), "down"));
    assert_int_equal(last_ready.is_link_up, 0);
    ready = fake_expect_message(OTHER_LS, NIC_READY);
    assert_int_equal(ready->is_link_up, 0);
    assert_int_equal(fake_nic_get(EICR_REGISTER) & 0x100000, 0x100000); /* acknowledged */

    fake_nic_set(LINKS_REGISTER, 0x74000080);
    interrupts[INTERRUPT_VECTOR_NIC_OTHER]++;
    dispatch_sleep();
    settle();
    assert_non_null(strstr(fake_nic_last_log(), "10000"));
    assert_int_equal(last_ready.is_link_up, 1);
}

/* Once a second. One frame is with its owner, and then given back. */
static void buffers_are_counted_while_their_frames_are_with_their_owner(void **state)
{
    struct test_frame frame = tcp_frame(0, 0x10);
    struct frame *held;

    (void)state;
    fake_advance_ns(2 * NS_PER_S);
    receive(&frame, 0);
    held = received;
    assert_int_equal(counter_read(0, COUNTER_NIC_RX_BUFFERS_USED), 1);
    uint64_t free_count = counter_read(0, COUNTER_NIC_RX_BUFFERS_FREE);

    assert_true(free_count >= 767);
    held->release(held);
    fake_advance_ns(2 * NS_PER_S);
    receive(&frame, 0);
    received->release(received);
    fake_advance_ns(2 * NS_PER_S);
    deliver_transmit_frame(60, 0, 0); /* work, but no frame */
    assert_int_equal(counter_read(0, COUNTER_NIC_RX_BUFFERS_USED), 0);
    assert_int_equal(counter_read(0, COUNTER_NIC_RX_BUFFERS_FREE), free_count + 1);
    struct fake_nic_sent sent;

    assert_true(fake_nic_transmit(0, &sent));
}

/* Frames of other nodes are copied as long as the ring has room for them; what finds neither room
 * nor memory is lost and counted, and the copies serve again. */
static void frames_to_copy_are_lost_at_the_ring_s_end_and_without_memory(void **state)
{
    struct fake_nic_sent sent;
    uint64_t no_memory = counter_read(0, COUNTER_DROP_NO_MEMORY);
    uint64_t full = counter_read(0, COUNTER_DROP_TX_FULL);
    unsigned counts[2] = {0, 0};
    unsigned blocks = 0;

    (void)state;
    while (fake_nic_transmit(0, &sent)) {
    }
    settle();
    fake_fail_allocations_after(0);
    for (unsigned i = 0; counter_read(0, COUNTER_DROP_NO_MEMORY) == no_memory; i++) {
        deliver_transmit_frame(60, 0, 0);
        assert_true(i < 1000);
    }
    fake_fail_allocations_after(-1);
    while (fake_nic_transmit(0, &sent)) {
    }
    settle();
    for (unsigned i = 0; i < 2; i++) {
        for (uint64_t before = full; full == before; full = counter_read(0, COUNTER_DROP_TX_FULL)) {
            deliver_transmit_frame(60, 0, 0);
            counts[i]++;
            assert_true(counts[i] <= 1024);
        }
        /* The second time, no memory is asked for. */
        assert_true(i == 0 || fake_memory_blocks() == blocks);
        blocks = fake_memory_blocks();
        for (unsigned sent_count = 1; sent_count < counts[i]; sent_count++) {
            assert_true(fake_nic_transmit(0, &sent));
        }
        assert_false(fake_nic_transmit(0, &sent));
        settle();
    }
    assert_int_equal(counts[0], counts[1]);
    assert_true(counts[0] > 1000);
    assert_int_equal(counter_read(0, COUNTER_DROP_NO_MEMORY), no_memory + 1);
}

/* Also the link, which a busy node would otherwise not look at. */
static void lost_frames_are_counted_once_a_second(void **state)
{
    struct test_frame frame = tcp_frame(0, 0x10);

    (void)state;
    fake_nic_set(0x01430, 5);
    fake_nic_set(0x03FA0, 2);
    fake_advance_ns(2 * NS_PER_S);
    receive(&frame, 0);
    received->release(received);
    assert_int_equal(counter_read(0, COUNTER_NIC_RX_MISSED), 7);
    receive(&frame, 0);
    received->release(received);
    assert_int_equal(counter_read(0, COUNTER_NIC_RX_MISSED), 7);
}

/* A link that stays up at another speed, and a look that finds nothing new. */
static void change_of_speed_is_told_too_and_no_change_is_not(void **state)
{
    (void)state;
    settle();
    while (fake_take_message(OTHER_LS) != NULL) {
    }
    unsigned told = ready_count;

    fake_nic_set(LINKS_REGISTER, 0x64000080);
    fake_on_sleep(do_nothing_asleep);
    for (unsigned i = 0; i < 3; i++) {
        interrupts[INTERRUPT_VECTOR_NIC_OTHER]++;
        dispatch_sleep();
        settle();
        assert_int_equal(ready_count, told + 1);
    }
    assert_non_null(strstr(fake_nic_last_log(), "1000"));
    (void)fake_expect_message(OTHER_LS, NIC_READY);
    fake_expect_no_message(OTHER_LS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_of_a_round_leave_with_one_tail_write),
        cmocka_unit_test(frame_of_a_transport_server_elsewhere_is_copied_and_sent),
        cmocka_unit_test(impossible_frames_to_send_are_refused),
        cmocka_unit_test(frames_that_end_inside_a_header_with_a_checksum_are_refused),
        cmocka_unit_test(segments_that_the_nic_cuts_are_counted_one_by_one),
        cmocka_unit_test(interrupt_is_unmasked_before_sleep_and_only_when_it_was_taken),
        cmocka_unit_test(frame_that_came_before_sleep_keeps_the_node_awake),
        cmocka_unit_test(frame_that_comes_on_either_side_of_the_sleep_flag_is_not_slept_on),
        cmocka_unit_test(frame_sent_after_the_flush_still_leaves_before_sleep),
        cmocka_unit_test(many_frames_in_flight_are_looked_after_by_a_timer),
        cmocka_unit_test(change_of_the_link_is_told_to_all_transport_servers),
        cmocka_unit_test(buffers_are_counted_while_their_frames_are_with_their_owner),
        cmocka_unit_test(frames_to_copy_are_lost_at_the_ring_s_end_and_without_memory),
        cmocka_unit_test(lost_frames_are_counted_once_a_second),
        cmocka_unit_test(change_of_speed_is_told_too_and_no_change_is_not),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
