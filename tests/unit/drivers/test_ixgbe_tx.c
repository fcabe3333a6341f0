/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_nic.c */
/* flags: -DMMIO_FAKE */
/*
 * Tests drivers/ixgbe/tx.c against a device that reads and writes descriptors as the datasheet
 * says (7.2.3).
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/ixgbe/ixgbe.h"
#include "drivers/nic/counters.h"
#include "kernel/message/status.h"
#include "tests/unit/world/fake_nic.h"
#include "tests/unit/world/fake_platform.h"

#define QUEUE   5
#define TX_RING 1024
#define TDT     0x6158

/* A driver keeps its rings and buffers for ever; each test starts a new one. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

static struct ixgbe_tx tx;
static unsigned done_calls[4 * TX_RING];
static unsigned done_count;

static int set_up(void **state)
{
    (void)state;
    fake_platform_reset(0, 1);
    fake_set_clock_step_ns(NS_PER_US);
    fake_nic_reset();
    assert_int_equal(ixgbe_tx_start(&tx, fake_nic_registers(), QUEUE), 0);
    done_count = 0;
    return 0;
}

static void note_done(void *context)
{
    assert_true(done_count < ARRAY_COUNT(done_calls));
    done_calls[done_count++] = (unsigned)(uintptr_t)context;
}

/* "header", then `length` bytes of the same letter. */
static struct frame_to_send frame_of(const char *payload, unsigned number)
{
    struct frame_to_send frame = {
        .fragments = {{"header", 6}, {payload, (uint32_t)strlen(payload)}},
        .fragment_count = 2,
        .length_bytes = (uint16_t)(6 + strlen(payload)),
        .done = note_done,
        .context = (void *)(uintptr_t)number,
    };

    return frame;
}

static int send_number(unsigned number)
{
    struct frame_to_send frame = frame_of("payload", number);

    return ixgbe_transmit(&tx, &frame);
}

static unsigned transmit_all(void)
{
    struct fake_nic_sent sent;
    unsigned count = 0;

    while (fake_nic_transmit(QUEUE, &sent)) {
        count++;
    }
    return count;
}

static void transmit_queue_is_set_up_as_the_datasheet_says(void **state)
{
    (void)state;
    assert_int_equal(fake_nic_get(0x6140) & 0x7F, 0);
    assert_int_equal(fake_nic_get(0x6148), TX_RING * 16);
    assert_int_equal(fake_nic_get(0x6150), 0);
    assert_int_equal(fake_nic_get(0x6168), 0x02000120);
    assert_int_equal(ixgbe_tx_room(&tx), TX_RING - 1);
}

static void lack_of_memory_at_the_start_is_reported(void **state)
{
    (void)state;
    for (int allocations = 0; allocations < 3; allocations++) {
        fake_fail_allocations_after(allocations);
        assert_int_equal(ixgbe_tx_start(&tx, fake_nic_registers(), QUEUE), -ENOMEM);
    }
}

static void queue_that_does_not_switch_on_is_reported(void **state)
{
    (void)state;
    fake_nic_stick(0x6168, 0x02000000, 0);
    assert_int_equal(ixgbe_tx_start(&tx, fake_nic_registers(), QUEUE), -ETIMEDOUT);
    assert_non_null(strstr(fake_nic_last_log(), "TXDCTL"));
}

/* Switching DMA on also switches on queue 0, before its ring is known (X550 datasheet). */
static void queue_that_is_on_already_is_first_switched_off(void **state)
{
    unsigned off;

    (void)state;
    fake_nic_reset();
    fake_nic_set(0x6028, 0x02000000);
    assert_int_equal(ixgbe_tx_start(&tx, fake_nic_registers(), 0), 0);
    off = fake_nic_find_write(0, 0x6028, 0x06000000, 0x04000000);
    assert_true(off < fake_nic_find_write(0, 0x6008, UINT32_MAX, TX_RING * 16));
}

/* Its ring must not be moved under it. */
static void queue_that_does_not_switch_off_is_left_alone(void **state)
{
    (void)state;
    fake_nic_reset();
    fake_nic_set(0x6168, 0x02000000);
    fake_nic_stick(0x6168, 0x02000000, 0x02000000);
    assert_int_equal(ixgbe_tx_start(&tx, fake_nic_registers(), QUEUE), -ETIMEDOUT);
    assert_non_null(strstr(fake_nic_last_log(), "TXDCTL"));
    assert_int_equal(fake_nic_writes_to(0x6140), 0); /* TDBAL */
    assert_int_equal(fake_nic_write_count(), 1);
}

static void frame_is_gathered_from_its_fragments(void **state)
{
    struct fake_nic_sent sent;

    (void)state;
    assert_int_equal(send_number(1), 0);
    assert_false(fake_nic_transmit(QUEUE, &sent)); /* not before the flush */
    ixgbe_tx_flush(&tx);
    assert_true(fake_nic_transmit(QUEUE, &sent));
    assert_int_equal(sent.length_bytes, 13);
    assert_memory_equal(sent.data, "headerpayload", 13);
    assert_int_equal(sent.descriptor_count, 2);
    assert_int_equal(sent.first_command, 0x22300006);
    assert_int_equal(sent.first_status, 13 << 14);
    assert_int_equal(sent.context_command, 0);
}

static void frame_whose_bytes_must_be_searched_for_is_sent_once(void **state)
{
    struct frame_to_send frame = frame_of("payload", 7);
    struct fake_nic_sent sent;

    (void)state;
    fake_hide_bus_addr(frame.fragments[1].data);
    assert_int_equal(ixgbe_transmit(&tx, &frame), 0);
    fake_hide_bus_addr(NULL);
    assert_int_equal(ixgbe_tx_in_flight(&tx), 2);
    assert_int_equal(counter_read(0, COUNTER_NIC_TX_PACKETS), 1);
    assert_int_equal(counter_read(0, COUNTER_NIC_TX_BYTES), 13);
    ixgbe_tx_flush(&tx);
    assert_true(fake_nic_transmit(QUEUE, &sent));
    assert_memory_equal(sent.data, "headerpayload", 13);
    assert_int_equal(ixgbe_tx_reclaim(&tx), 1);
    assert_int_equal(done_calls[0], 7);
}

static void checksum_offload_takes_one_context_for_frames_alike(void **state)
{
    struct frame_to_send frame = frame_of("payload", 0);
    struct fake_nic_sent sent;
    unsigned room;

    (void)state;
    frame.offload = FRAME_INSERT_IP_CHECKSUM | FRAME_INSERT_TCP_CHECKSUM;
    frame.ip_header_offset = 14;
    frame.ip_header_bytes = 20;
    room = ixgbe_tx_room(&tx);
    assert_int_equal(ixgbe_transmit(&tx, &frame), 0);
    assert_int_equal(ixgbe_tx_room(&tx), room - 3);
    assert_int_equal(ixgbe_transmit(&tx, &frame), 0);
    assert_int_equal(ixgbe_tx_room(&tx), room - 5);
    assert_int_equal(send_number(1), 0); /* none: the context stays */
    assert_int_equal(ixgbe_transmit(&tx, &frame), 0);
    assert_int_equal(ixgbe_tx_room(&tx), room - 9);
    ixgbe_tx_flush(&tx);

    assert_true(fake_nic_transmit(QUEUE, &sent));
    assert_int_equal(sent.context_lengths, 14 << 9 | 20);
    assert_int_equal(sent.context_command, 0x20200C00); /* IPv4, TCP */
    assert_int_equal(sent.first_status, 13 << 14 | 0x300);
    assert_true(fake_nic_transmit(QUEUE, &sent));
    assert_true(fake_nic_transmit(QUEUE, &sent));
    assert_int_equal(sent.first_status, 13 << 14);
    assert_true(fake_nic_transmit(QUEUE, &sent));
    assert_int_equal(sent.first_status, 13 << 14 | 0x300);

    frame.offload = FRAME_INSERT_UDP_CHECKSUM;
    frame.ip_header_bytes = 24;
    assert_int_equal(ixgbe_transmit(&tx, &frame), 0);
    ixgbe_tx_flush(&tx);
    assert_true(fake_nic_transmit(QUEUE, &sent));
    assert_int_equal(sent.context_lengths, 14 << 9 | 24);
    assert_int_equal(sent.context_command, 0x20200400); /* IPv4, UDP */
    assert_int_equal(sent.first_status, 13 << 14 | 0x200);
}

/* What one frame was may be taken for granted of the next one: not of one that differs. */
static void each_frame_in_one_piece_has_what_it_asks_for_whatever_the_one_before_did(void **state)
{
    const uint16_t tcp = FRAME_INSERT_IP_CHECKSUM | FRAME_INSERT_TCP_CHECKSUM;
    const uint16_t asked[] = {tcp, 0, 0, tcp, tcp, FRAME_INSERT_UDP_CHECKSUM, 0, tcp};
    const unsigned contexts[] = {1, 0, 0, 0, 0, 1, 0, 1};
    struct fake_nic_sent sent;

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(asked); i++) {
        struct frame_to_send frame = {
            .fragments = {{"in one piece", 12}}, .fragment_count = 1, .length_bytes = 12};
        unsigned room = ixgbe_tx_room(&tx);

        frame.offload = asked[i];
        frame.ip_header_offset = asked[i] != 0 ? 14 : 0;
        frame.ip_header_bytes = asked[i] != 0 ? 20 : 0;
        assert_int_equal(ixgbe_transmit(&tx, &frame), 0);
        assert_int_equal(ixgbe_tx_room(&tx), room - 1 - contexts[i]);
    }
    ixgbe_tx_flush(&tx);
    for (unsigned i = 0; i < ARRAY_COUNT(asked); i++) {
        unsigned inserted = asked[i] == tcp ? 0x300 : asked[i] != 0 ? 0x200 : 0;

        assert_true(fake_nic_transmit(QUEUE, &sent));
        assert_int_equal(sent.first_status, 12 << 14 | inserted);
        assert_int_equal(sent.context_command, i < 5   ? 0x20200C00
                                               : i < 7 ? 0x20200400
                                                       : 0x20200C00);
    }
}

/* 54 bytes of headers and 4000 of payload in segments of 1460. */
static void long_tcp_frame_is_cut_by_the_device(void **state)
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
    static struct fake_nic_sent sent;
    unsigned room = ixgbe_tx_room(&tx);

    (void)state;
    assert_int_equal(ixgbe_transmit(&tx, &frame), 0);
    assert_int_equal(ixgbe_tx_room(&tx), room - 3);
    ixgbe_tx_flush(&tx);
    assert_true(fake_nic_transmit(QUEUE, &sent));
    assert_int_equal(sent.length_bytes, 4054);
    assert_int_equal(sent.first_command, 0xA2300036);
    assert_int_equal(sent.first_status, 4000 << 14 | 0x300);
    assert_int_equal(sent.context_lengths, 14 << 9 | 20);
    assert_int_equal(sent.context_command, 0x20200C00);
    assert_int_equal(sent.context_cut, 1460 << 16 | 20 << 8);
}

/* Of 40000 bytes: more than one descriptor names. Beside an owner who comes after it. */
static void long_fragment_takes_several_descriptors_and_one_owner(void **state)
{
    static uint8_t payload[40000];
    static struct fake_nic_sent sent;
    struct frame_to_send frame = {
        .fragments = {{"header", 6}, {payload, sizeof(payload)}},
        .fragment_count = 2,
        .length_bytes = 40006,
        .done = note_done,
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(payload); i++) {
        payload[i] = (uint8_t)(i * i >> 8);
    }
    assert_int_equal(ixgbe_transmit(&tx, &frame), 0);
    assert_int_equal(ixgbe_tx_in_flight(&tx), 4);
    assert_int_equal(send_number(1), 0);
    ixgbe_tx_flush(&tx);
    assert_true(fake_nic_transmit(QUEUE, &sent));
    assert_int_equal(sent.descriptor_count, 4);
    assert_int_equal(sent.length_bytes, 40006);
    assert_memory_equal(sent.data, "header", 6);
    assert_memory_equal(sent.data + 6, payload, sizeof(payload));
    assert_int_equal(transmit_all(), 1);
    assert_int_equal(ixgbe_tx_reclaim(&tx), 2);
    assert_int_equal(done_calls[0], 0);
    assert_int_equal(done_calls[1], 1);
    assert_int_equal(ixgbe_tx_in_flight(&tx), 0);
}

/* A frame that is not cut does not care what the context says of cutting; one that is does. */
static void context_is_renewed_for_another_segment_size_only_to_cut(void **state)
{
    static const uint8_t bytes[4054];
    struct frame_to_send cut = {
        .fragments = {{bytes, 4054}},
        .fragment_count = 1,
        .offload = FRAME_INSERT_IP_CHECKSUM | FRAME_INSERT_TCP_CHECKSUM | FRAME_SEGMENT_TCP,
        .ip_header_offset = 14,
        .ip_header_bytes = 20,
        .length_bytes = 4054,
        .segment_bytes = 1460,
        .tcp_header_bytes = 20,
    };
    struct frame_to_send whole = cut;
    unsigned room = ixgbe_tx_room(&tx);

    (void)state;
    whole.fragments[0].length_bytes = whole.length_bytes = 60;
    whole.offload = FRAME_INSERT_IP_CHECKSUM | FRAME_INSERT_TCP_CHECKSUM;
    whole.segment_bytes = 7;
    assert_int_equal(ixgbe_transmit(&tx, &cut), 0);
    assert_int_equal(ixgbe_transmit(&tx, &whole), 0);
    assert_int_equal(ixgbe_transmit(&tx, &cut), 0);
    assert_int_equal(ixgbe_tx_room(&tx), room - 4);
    cut.segment_bytes = 1400;
    assert_int_equal(ixgbe_transmit(&tx, &cut), 0);
    assert_int_equal(ixgbe_tx_room(&tx), room - 6);
}

static void tail_is_written_once_for_a_flush_and_not_for_an_empty_one(void **state)
{
    unsigned before = fake_nic_writes_to(TDT);

    (void)state;
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(send_number(i), 0);
    }
    assert_int_equal(fake_nic_writes_to(TDT), before);
    ixgbe_tx_flush(&tx);
    ixgbe_tx_flush(&tx);
    assert_int_equal(fake_nic_writes_to(TDT), before + 1);
    assert_int_equal(transmit_all(), 10);
}

static void owners_are_told_in_order_once_the_device_has_reported(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(send_number(i), 0);
    }
    assert_int_equal(ixgbe_tx_reclaim(&tx), 0);
    ixgbe_tx_flush(&tx);
    assert_int_equal(ixgbe_tx_reclaim(&tx), 0);
    assert_int_equal(ixgbe_tx_in_flight(&tx), 20);
    assert_int_equal(transmit_all(), 10);
    assert_int_equal(ixgbe_tx_reclaim(&tx), 10);
    assert_int_equal(ixgbe_tx_in_flight(&tx), 0);
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(done_calls[i], i);
    }
    assert_int_equal(ixgbe_tx_reclaim(&tx), 0);
}

static void frame_without_an_owner_is_sent_too(void **state)
{
    struct frame_to_send frame = frame_of("payload", 0);

    (void)state;
    frame.done = NULL;
    assert_int_equal(ixgbe_transmit(&tx, &frame), 0);
    ixgbe_tx_flush(&tx);
    assert_int_equal(transmit_all(), 1);
    assert_int_equal(ixgbe_tx_reclaim(&tx), 0);
    assert_int_equal(ixgbe_tx_room(&tx), TX_RING - 1);
}

static void full_ring_refuses_a_frame_and_keeps_the_others_in_order(void **state)
{
    unsigned sent = 0;

    (void)state;
    while (send_number(sent) == 0) {
        sent++;
    }
    assert_int_equal(sent, (TX_RING - 1) / 2);
    assert_int_equal(send_number(sent), -EAGAIN);
    /* Finding it full lets the device know of what is there. */
    assert_int_equal(transmit_all(), sent);
    assert_int_equal(send_number(sent), 0);
    assert_int_equal(done_count, sent);
    for (unsigned i = 0; i < sent; i++) {
        assert_int_equal(done_calls[i], i);
    }
}

/* A long batch is reported in steps: there is room before the device has finished all. */
static void full_ring_frees_itself_piecewise(void **state)
{
    struct fake_nic_sent sent;
    unsigned count = 0;

    (void)state;
    while (send_number(count) == 0) {
        count++;
    }
    for (unsigned i = 0; i < 32; i++) { /* 64 descriptors */
        assert_true(fake_nic_transmit(QUEUE, &sent));
    }
    assert_int_equal(ixgbe_tx_reclaim(&tx), 32);
    assert_int_equal(send_number(count), 0);
}

static void transmit_ring_wraps(void **state)
{
    unsigned number = 0;

    (void)state;
    for (unsigned turn = 0; turn < 100; turn++) {
        unsigned batch = 1 + turn * 7 % 60;

        for (unsigned i = 0; i < batch; i++) {
            assert_int_equal(send_number(number++), 0);
        }
        ixgbe_tx_flush(&tx);
        assert_int_equal(transmit_all(), batch);
        assert_int_equal(ixgbe_tx_reclaim(&tx), batch);
        assert_int_equal(ixgbe_tx_room(&tx), TX_RING - 1);
    }
    assert_true(number > 2 * TX_RING);
    for (unsigned i = 0; i < number; i++) {
        assert_int_equal(done_calls[i], i);
    }
}

/* The free-running indices, too. */
static void transmit_indices_wrap(void **state)
{
    (void)state;
    tx.tail = tx.flushed_tail = tx.head = tx.reported = UINT32_MAX - 63;
    tx.report_first = tx.report_end = UINT32_MAX - 1;
    for (unsigned i = 0; i < TX_RING - 64; i += 2) { /* the device starts at descriptor 0 */
        assert_int_equal(send_number(i), 0);
    }
    assert_int_equal(ixgbe_tx_in_flight(&tx), TX_RING - 64);
    assert_int_equal(tx.tail, TX_RING - 128);
}

static void send_again(void *context)
{
    unsigned number = (unsigned)(uintptr_t)context;

    note_done(context);
    if (number < 3) {
        struct frame_to_send frame = frame_of("again", number + 1);

        frame.done = send_again;
        assert_int_equal(ixgbe_transmit(&tx, &frame), 0);
    }
}

static void owner_may_send_while_it_is_told(void **state)
{
    struct frame_to_send frame = frame_of("first", 0);

    (void)state;
    frame.done = send_again;
    assert_int_equal(ixgbe_transmit(&tx, &frame), 0);
    for (unsigned i = 0; i < 4; i++) {
        ixgbe_tx_flush(&tx);
        assert_int_equal(transmit_all(), 1);
        assert_int_equal(ixgbe_tx_reclaim(&tx), 1);
        assert_int_equal(done_calls[i], i);
    }
    assert_int_equal(ixgbe_tx_in_flight(&tx), 0);
}

static void fill_ring(void *context)
{
    unsigned number = 100;

    note_done(context);
    while (send_number(number) == 0) {
        number++;
    }
}

/* In looking for room it tells the others, who stand behind it: each once, and in order. */
static void owner_may_fill_the_ring_while_it_is_told(void **state)
{
    struct frame_to_send frame = frame_of("first", 0);

    (void)state;
    frame.done = fill_ring;
    assert_int_equal(ixgbe_transmit(&tx, &frame), 0);
    for (unsigned i = 1; i < 100; i++) {
        assert_int_equal(send_number(i), 0);
    }
    ixgbe_tx_flush(&tx);
    assert_int_equal(transmit_all(), 100);
    (void)ixgbe_tx_reclaim(&tx);
    assert_int_equal(done_count, 100);
    assert_true(ixgbe_tx_room(&tx) < 2);
    assert_int_equal(transmit_all(), (TX_RING - 1) / 2);
    (void)ixgbe_tx_reclaim(&tx);
    for (unsigned i = 0; i < done_count; i++) {
        assert_int_equal(done_calls[i], i);
    }
    assert_int_equal(done_count, 100 + (TX_RING - 1) / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(lack_of_memory_at_the_start_is_reported, set_up),
        cmocka_unit_test_setup(queue_that_does_not_switch_on_is_reported, set_up),
        cmocka_unit_test_setup(transmit_queue_is_set_up_as_the_datasheet_says, set_up),
        cmocka_unit_test_setup(queue_that_does_not_switch_off_is_left_alone, set_up),
        cmocka_unit_test_setup(queue_that_is_on_already_is_first_switched_off, set_up),
        cmocka_unit_test_setup(frame_is_gathered_from_its_fragments, set_up),
        cmocka_unit_test_setup(frame_whose_bytes_must_be_searched_for_is_sent_once, set_up),
        cmocka_unit_test_setup(checksum_offload_takes_one_context_for_frames_alike, set_up),
        cmocka_unit_test_setup(
            each_frame_in_one_piece_has_what_it_asks_for_whatever_the_one_before_did, set_up),
        cmocka_unit_test_setup(long_tcp_frame_is_cut_by_the_device, set_up),
        cmocka_unit_test_setup(long_fragment_takes_several_descriptors_and_one_owner, set_up),
        cmocka_unit_test_setup(context_is_renewed_for_another_segment_size_only_to_cut, set_up),
        cmocka_unit_test_setup(tail_is_written_once_for_a_flush_and_not_for_an_empty_one, set_up),
        cmocka_unit_test_setup(owners_are_told_in_order_once_the_device_has_reported, set_up),
        cmocka_unit_test_setup(frame_without_an_owner_is_sent_too, set_up),
        cmocka_unit_test_setup(full_ring_refuses_a_frame_and_keeps_the_others_in_order, set_up),
        cmocka_unit_test_setup(full_ring_frees_itself_piecewise, set_up),
        cmocka_unit_test_setup(transmit_ring_wraps, set_up),
        cmocka_unit_test_setup(transmit_indices_wrap, set_up),
        cmocka_unit_test_setup(owner_may_send_while_it_is_told, set_up),
        cmocka_unit_test_setup(owner_may_fill_the_ring_while_it_is_told, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
