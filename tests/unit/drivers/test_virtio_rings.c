/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_virtio.c tests/unit/world/virtio_world.c */
/* flags: -DMMIO_FAKE */
/*
 * Tests the rings of drivers/virtio through drivers/nic/nic.h: frames both ways, checksums, who is
 * told when; and a device that lies, which stops the queue it lies about, and nothing else.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/nic/nic.h"
#include "kernel/platform.h"
#include "libc/core/bytes.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/fake_virtio.h"
#include "tests/unit/world/virtio_world.h"

#define RX        0
#define TX        1
#define RING_SIZE 64u

static struct frame *frames[128];
static struct fake_virtio_sent sent;

static bool is_starting; /* what the test before has left in flight counts as sent then */

static void start(uint64_t offered)
{
    is_starting = true;
    virtio_world_start(offered);
    is_starting = false;
}

static int set_up(void **state)
{
    (void)state;
    start(FAKE_ALL);
    return 0;
}

static void restart(uint64_t offered)
{
    nic_stop(nic);
    start(offered);
}

/* --- Receive --- */

/* A TCP segment, whose IP header's checksum is right. */
static const uint8_t segment[60] = {
    0x52, 0x54, 0x00, 0x12, 0x34, 0x56, 2,    0,  0, 0,    0,    1,   0x08, 0x00, 0x45,
    0,    0,    46,   0,    0,    0x40, 0,    64, 6, 0xB6, 0xC6, 192, 0,    2,    1,
    192,  0,    2,    2,    0x12, 0x34, 0,    80, 0, 0,    0,    1,   0,    0,    0,
    1,    0x50, 0x10, 1,    0,    0xAB, 0xCD, 0,  0, 'h',  'e',  'l', 'l',  'o',  '!'};

static unsigned receive(void)
{
    return nic_queue_receive(queue, frames, 128);
}

static void release(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        frames[i]->release(frames[i]);
    }
}

static void a_frame_comes_as_it_was_sent_with_its_ip_header_aligned(void **state)
{
    (void)state;
    assert_false(nic_queue_is_pending(queue));
    fake_virtio_receive(RX, segment, sizeof(segment), 2, 1);
    assert_true(nic_queue_is_pending(queue));
    assert_int_equal(receive(), 1);
    assert_int_equal(frames[0]->length_bytes, sizeof(segment));
    assert_memory_equal(frames[0]->data, segment, sizeof(segment));
    assert_int_equal((uintptr_t)(frames[0]->data + 14) % 16, 0);
    assert_int_equal(nic_queue_count_buffers(queue).used, 1);
    release(1);
    assert_int_equal(nic_queue_count_buffers(queue).used, 0);
    assert_int_equal(receive(), 0);
}

static uint16_t flags_of(const uint8_t *frame, uint8_t header_flags)
{
    uint16_t flags;

    fake_virtio_receive(RX, frame, sizeof(segment), header_flags, 1);
    assert_int_equal(receive(), 1);
    flags = frames[0]->flags;
    release(1);
    return flags;
}

static void checksums_are_as_good_as_the_card_and_the_header_say(void **state)
{
    uint8_t bad[sizeof(segment)], other[sizeof(segment)];

    (void)state;
    memcpy(bad, segment, sizeof(bad));
    bad[25] ^= 1;
    memcpy(other, segment, sizeof(other));
    other[13] = 6; /* no IP */
    assert_int_equal(flags_of(segment, 0), FRAME_IP_CHECKSUM_GOOD);
    assert_int_equal(flags_of(segment, 2), FRAME_IP_CHECKSUM_GOOD | FRAME_L4_CHECKSUM_GOOD);
    assert_int_equal(flags_of(segment, 1),
                     FRAME_IP_CHECKSUM_GOOD | FRAME_L4_CHECKSUM_GOOD | FRAME_L4_CHECKSUM_PARTIAL);
    assert_int_equal(flags_of(bad, 0), FRAME_CHECKSUM_BAD);
    assert_int_equal(flags_of(other, 0), 0);
    restart(FAKE_ALL & ~FAKE_GUEST_CSUM);
    assert_int_equal(flags_of(segment, 2), FRAME_IP_CHECKSUM_GOOD); /* nobody has asked it */
}

/* Past the wrap of the 16-bit indices, with all frames kept for a while now and then. */
static void frames_come_whatever_has_been_before(void **state)
{
    uint8_t frame[sizeof(segment)];

    (void)state;
    memcpy(frame, segment, sizeof(frame));
    for (uint32_t i = 0; i < 140000;) {
        unsigned burst = i % 7 == 0 ? RING_SIZE / 2 : 1 + i % 5;

        for (unsigned k = 0; k < burst; k++) {
            store_be32(frame + 54, i + k);
            fake_virtio_receive(RX, frame, sizeof(frame), 2, 1);
        }
        assert_int_equal(receive(), burst);
        for (unsigned k = 0; k < burst; k++) {
            assert_int_equal(load_be32(frames[k]->data + 54), i + k);
        }
        release(burst);
        i += burst;
    }
}

/* As many as there can be, and then no more: the device has none left, and drops. */
static void buffers_that_are_kept_are_replaced_up_to_a_bound(void **state)
{
    static struct frame *kept[8192];
    unsigned count = 0;

    (void)state;
    while (fake_virtio_available(RX) > 0) {
        fake_virtio_receive(RX, segment, sizeof(segment), 2, 1);
        assert_int_equal(receive(), 1);
        kept[count++] = frames[0];
    }
    assert_int_equal(count, 4096);
    for (unsigned i = 0; i < count; i++) {
        kept[i]->release(kept[i]);
    }
    assert_int_equal(receive(), 0);
    assert_int_equal(fake_virtio_available(RX), RING_SIZE);
}

static void a_frame_in_several_buffers_is_damaged_and_the_next_one_is_not(void **state)
{
    (void)state;
    fake_virtio_receive(RX, segment, sizeof(segment), 2, 3);
    assert_int_equal(receive(), 1);
    assert_int_equal(frames[0]->flags, FRAME_DAMAGED);
    assert_int_equal(frames[0]->length_bytes, 0);
    release(1);
    fake_virtio_receive(RX, segment, sizeof(segment), 0, 0); /* no header: data */
    fake_virtio_receive(RX, segment, sizeof(segment), 0, 0);
    fake_virtio_receive(RX, segment, sizeof(segment), 2, 1);
    assert_int_equal(receive(), 1);
    assert_int_equal(frames[0]->length_bytes, sizeof(segment));
    release(1);
    restart(FAKE_ALL & ~FAKE_MRG); /* where the count is not written */
    fake_virtio_receive(RX, segment, sizeof(segment), 2, 0xEE);
    assert_int_equal(receive(), 1);
    assert_int_equal(frames[0]->length_bytes, sizeof(segment));
    release(1);
}

/* The device asks for nothing while it has buffers. */
static void a_refill_tells_the_device_only_if_it_asks(void **state)
{
    unsigned notified = fake_virtio.queues[RX].notify_count;

    (void)state;
    fake_virtio_set_available_event(RX, RING_SIZE + 100);
    for (unsigned i = 0; i < 40; i++) {
        fake_virtio_receive(RX, segment, sizeof(segment), 2, 1);
        assert_int_equal(receive(), 1);
        release(1);
    }
    assert_int_equal(fake_virtio.queues[RX].notify_count, notified);
    fake_virtio_set_available_event(RX, RING_SIZE + 32); /* of the next batch the first */
    for (unsigned i = 0; i < 40; i++) {
        fake_virtio_receive(RX, segment, sizeof(segment), 2, 1);
        assert_int_equal(receive(), 1);
        release(1);
    }
    assert_int_equal(fake_virtio.queues[RX].notify_count, notified + 1);
}

static void an_interrupt_is_asked_for_before_sleep_and_not_otherwise(void **state)
{
    (void)state;
    assert_int_equal(fake_virtio_used_event(RX), 0xFFFF);
    assert_true(nic_queue_arm(queue));
    assert_int_equal(fake_virtio_used_event(RX), 0);
    fake_virtio_receive(RX, segment, sizeof(segment), 2, 1);
    assert_false(nic_queue_arm(queue)); /* there is one: stay awake */
    assert_int_equal(receive(), 1);
    release(1);
    assert_int_equal(fake_virtio_used_event(RX), 0); /* left alone while awake */
    assert_true(nic_queue_arm(queue));
    assert_int_equal(fake_virtio_used_event(RX), 1);
    restart(FAKE_ALL & ~FAKE_EVENT_IDX);
    assert_int_equal(fake_virtio_available_flags(RX), 1);
    assert_true(nic_queue_arm(queue));
    assert_int_equal(fake_virtio_available_flags(RX), 0);
    assert_int_equal(receive(), 0); /* the interrupt has not been taken: it stays */
    assert_int_equal(fake_virtio_available_flags(RX), 0);
}

/* --- Transmit --- */

static unsigned done_count;

static void count_done(void *context)
{
    if (!is_starting) {
        assert_int_equal((uintptr_t)context, ++done_count); /* in the order of sending */
    }
}

static struct frame_to_send frame_of(uint8_t *bytes, uint16_t length_bytes, unsigned offload)
{
    return (struct frame_to_send){.fragments = {{bytes, length_bytes}},
                                  .fragment_count = 1,
                                  .length_bytes = length_bytes,
                                  .offload = (uint16_t)offload,
                                  .ip_header_offset = 14,
                                  .ip_header_bytes = 20,
                                  .tcp_header_bytes = 20,
                                  .done = count_done,
                                  .context = (void *)1};
}

static void send(const struct frame_to_send *frame)
{
    assert_int_equal(nic_queue_transmit(queue, frame), 0);
    nic_queue_flush(queue);
    assert_true(fake_virtio_take(TX, &sent));
}

static int set_up_transmit(void **state)
{
    done_count = 0;
    return set_up(state);
}

static uint16_t header_word(unsigned offset)
{
    return load_le16(sent.header + offset);
}

#define BOTH (FRAME_INSERT_IP_CHECKSUM | FRAME_INSERT_TCP_CHECKSUM)

static void pieces_go_out_as_one_frame_behind_a_header(void **state)
{
    uint8_t bytes[3] = {1, 2, 3}, more[2] = {4, 5};
    struct frame_to_send frame = frame_of(bytes, sizeof(bytes), 0);

    (void)state;
    frame.fragments[1] = (struct frame_fragment){more, sizeof(more)};
    frame.fragment_count = 2;
    frame.length_bytes = 5;
    send(&frame);
    assert_int_equal(sent.descriptor_count, 3);
    assert_int_equal(sent.length_bytes, 5);
    assert_memory_equal(sent.data, ((uint8_t[]){1, 2, 3, 4, 5}), 5);
    for (unsigned i = 0; i < 12; i++) {
        assert_int_equal(sent.header[i], 0);
    }
    assert_int_equal(nic_queue_in_flight(queue), 4); /* an even number */
    assert_int_equal(nic_queue_reclaim(queue), 0);
    fake_virtio_return(TX, sent.id, 0);
    assert_int_equal(nic_queue_reclaim(queue), 1);
    assert_int_equal(nic_queue_in_flight(queue), 0);
}

static void the_card_inserts_the_checksum_of_tcp_and_the_driver_that_of_ip(void **state)
{
    uint8_t bytes[sizeof(segment)];

    (void)state;
    memcpy(bytes, segment, sizeof(bytes));
    memset(bytes + 24, 0, 2);
    struct frame_to_send frame = frame_of(bytes, sizeof(bytes), BOTH);

    send(&frame);
    assert_int_equal(sent.header[0], 1);
    assert_int_equal(sent.header[1], 0);
    assert_int_equal(header_word(6), 34);
    assert_int_equal(header_word(8), 16);
    assert_memory_equal(sent.data, segment, sizeof(segment)); /* the sum where it was */
}

static void without_a_card_that_does_it_the_driver_inserts_both(void **state)
{
    uint8_t bytes[sizeof(segment)];
    uint32_t sum = 0;

    (void)state;
    restart(FAKE_ALL & ~FAKE_CSUM);
    memcpy(bytes, segment, sizeof(bytes));
    memset(bytes + 24, 0, 2);
    store_be16(bytes + 50, 0x8421); /* whatever stands there is summed up, too */
    struct frame_to_send frame = frame_of(bytes, sizeof(bytes), BOTH);

    send(&frame);
    assert_int_equal(sent.header[0], 0);
    for (unsigned i = 34; i < sizeof(segment); i += 2) {
        sum += load_be16(sent.data + i);
    }
    sum = (sum & 0xFFFF) + (sum >> 16);
    sum = (sum & 0xFFFF) + (sum >> 16);
    assert_int_equal(sum, 0xFFFF - 0x8421);
    assert_memory_equal(sent.data + 14, segment + 14, 20);
}

/* The device wants the whole length in the sum, and in IP's header. */
static void a_frame_to_be_cut_says_how_and_is_whole_before(void **state)
{
    static uint8_t bytes[9000];

    (void)state;
    memcpy(bytes, segment, 54);
    memset(bytes + 24, 0, 2);
    store_be16(bytes + 50, 0xF000);
    struct frame_to_send frame = frame_of(bytes, sizeof(bytes), BOTH | FRAME_SEGMENT_TCP);

    frame.segment_bytes = 1460;
    send(&frame);
    assert_int_equal(sent.header[0], 1);
    assert_int_equal(sent.header[1], 1);
    assert_int_equal(header_word(2), 54);
    assert_int_equal(header_word(4), 1460);
    assert_int_equal(header_word(6), 34);
    assert_int_equal(header_word(8), 16);
    assert_int_equal(sent.length_bytes, sizeof(bytes));
    assert_int_equal(load_be16(sent.data + 16), 9000 - 14);
    assert_int_equal(load_be16(sent.data + 50), 0xF000 + 9000 - 34 - 0xFFFF); /* with the carry */
}

/* A frame takes two: half as many as the ring has descriptors. */
static void a_full_ring_takes_no_more_and_owners_are_told_in_order(void **state)
{
    uint8_t byte = 1;
    uint16_t ids[RING_SIZE];
    struct frame_to_send frame;
    unsigned count = 0;

    (void)state;
    for (;; count++) {
        frame = frame_of(&byte, 1, 0);
        frame.context = (void *)(uintptr_t)(count + 1);
        if (nic_queue_transmit(queue, &frame) != 0) {
            break;
        }
    }
    assert_int_equal(count, RING_SIZE / 2);
    for (unsigned i = 0; i < count; i++) {
        assert_true(fake_virtio_take(TX, &sent));
        ids[i] = sent.id;
    }
    for (unsigned i = count; i > 1; i--) { /* the first last */
        fake_virtio_return(TX, ids[i - 1], 0);
    }
    assert_int_equal(nic_queue_reclaim(queue), 0);
    fake_virtio_return(TX, ids[0], 0);
    assert_int_equal(nic_queue_reclaim(queue), count);
    assert_int_equal(nic_queue_transmit(queue, &frame), 0);
}

static void the_device_is_told_once_a_batch_if_it_asks(void **state)
{
    uint8_t byte = 1;
    struct frame_to_send frame = frame_of(&byte, 1, 0);

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(nic_queue_transmit(queue, &frame), 0);
    }
    assert_int_equal(fake_virtio.queues[TX].notify_count, 0);
    nic_queue_flush(queue);
    nic_queue_flush(queue);
    assert_int_equal(fake_virtio.queues[TX].notify_count, 1);
    assert_int_equal(nic_queue_transmit(queue, &frame), 0); /* it has not asked again */
    nic_queue_flush(queue);
    assert_int_equal(fake_virtio.queues[TX].notify_count, 1);
    restart(FAKE_ALL & ~FAKE_EVENT_IDX);
    fake_virtio_set_used_flags(TX, 1);
    assert_int_equal(nic_queue_transmit(queue, &frame), 0);
    nic_queue_flush(queue);
    assert_int_equal(fake_virtio.queues[TX].notify_count, 0);
    fake_virtio_set_used_flags(TX, 0);
    assert_int_equal(nic_queue_transmit(queue, &frame), 0);
    nic_queue_flush(queue);
    assert_int_equal(fake_virtio.queues[TX].notify_count, 1);
}

/* With more than half of the ring in flight, when half of those have been sent. */
static void a_full_ring_asks_for_an_interrupt(void **state)
{
    uint8_t byte = 1;
    struct frame_to_send frame = frame_of(&byte, 1, 0);

    (void)state;
    for (unsigned i = 0; i < 16; i++) {
        assert_int_equal(nic_queue_transmit(queue, &frame), 0);
    }
    nic_queue_flush(queue);
    assert_int_equal(fake_virtio_used_event(TX), 0xFFFF);
    assert_int_equal(nic_queue_transmit(queue, &frame), 0);
    nic_queue_flush(queue);
    assert_int_equal(fake_virtio_used_event(TX), 8);
}

/* --- A device that lies --- */

static void assert_stopped(const char *why)
{
    assert_non_null(strstr(fake_virtio.last_log, why));
    assert_int_equal(counter_read(0, COUNTER_NIC_QUEUES_STOPPED), 1);
    assert_int_equal(fake_virtio.log_count, 1);
}

static void a_lie_about_a_received_frame_stops_the_queue(void **state)
{
    static const struct {
        uint32_t id, length_bytes;
        const char *why;
    } lies[] = {{RING_SIZE, 100, "a buffer that it does not have"},
                {UINT32_MAX, 100, "a buffer that it does not have"},
                {0, 2043, "more than a buffer holds"},
                {0, UINT32_MAX, "more than a buffer holds"},
                {0, 11, "less than a header"},
                {0, 0, "less than a header"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(lies); i++) {
        restart(FAKE_ALL);
        fake_virtio_return(RX, lies[i].id, lies[i].length_bytes);
        assert_int_equal(receive(), 0);
        assert_stopped(lies[i].why);
        assert_false(nic_queue_is_pending(queue));
        assert_int_equal(receive(), 0);
        assert_int_equal(fake_virtio.log_count, 1);
    }
}

static void a_buffer_returned_twice_stops_the_queue_behind_what_is_good(void **state)
{
    (void)state;
    fake_virtio_receive(RX, segment, sizeof(segment), 2, 1);
    fake_virtio_return(RX, 0, 100);
    assert_int_equal(receive(), 1);
    assert_stopped("a buffer that it does not have");
    release(1);
}

static void more_than_was_given_stops_the_queue(void **state)
{
    (void)state;
    fake_virtio_skip(RX, RING_SIZE + 1);
    assert_int_equal(receive(), 0);
    assert_stopped("more than it was given");
    restart(FAKE_ALL);
    fake_virtio_skip(TX, 1);
    assert_int_equal(nic_queue_reclaim(queue), 0);
    assert_stopped("more than it was given");
}

static void an_impossible_number_of_buffers_stops_the_queue(void **state)
{
    (void)state;
    fake_virtio_receive(RX, segment, sizeof(segment), 2, 0);
    assert_int_equal(receive(), 0);
    assert_stopped("impossible number");
    restart(FAKE_ALL);
    fake_virtio_receive(RX, segment, sizeof(segment), 2, RING_SIZE + 1);
    assert_int_equal(receive(), 0);
    assert_stopped("impossible number");
}

/* Receive goes on. */
static void a_lie_about_a_sent_frame_stops_only_sending(void **state)
{
    static const uint32_t ids[] = {RING_SIZE, UINT32_MAX, 1, 2};
    uint8_t byte = 1;
    struct frame_to_send frame = frame_of(&byte, 1, 0);

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(ids); i++) {
        restart(FAKE_ALL);
        assert_int_equal(nic_queue_transmit(queue, &frame), 0);
        nic_queue_flush(queue);
        fake_virtio_return(TX, ids[i], 0);
        assert_int_equal(nic_queue_reclaim(queue), 0);
        assert_stopped("a frame that it does not have");
        assert_int_equal(nic_queue_transmit(queue, &frame), -EAGAIN);
        fake_virtio_receive(RX, segment, sizeof(segment), 2, 1);
        assert_int_equal(receive(), 1);
        release(1);
    }
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, virtio_world_stop)
#define SEND(function) cmocka_unit_test_setup_teardown(function, set_up_transmit, virtio_world_stop)
    const struct CMUnitTest tests[] = {
        TEST(a_frame_comes_as_it_was_sent_with_its_ip_header_aligned),
        TEST(checksums_are_as_good_as_the_card_and_the_header_say),
        TEST(frames_come_whatever_has_been_before),
        TEST(buffers_that_are_kept_are_replaced_up_to_a_bound),
        TEST(a_frame_in_several_buffers_is_damaged_and_the_next_one_is_not),
        TEST(a_refill_tells_the_device_only_if_it_asks),
        TEST(an_interrupt_is_asked_for_before_sleep_and_not_otherwise),
        SEND(pieces_go_out_as_one_frame_behind_a_header),
        SEND(the_card_inserts_the_checksum_of_tcp_and_the_driver_that_of_ip),
        SEND(without_a_card_that_does_it_the_driver_inserts_both),
        SEND(a_frame_to_be_cut_says_how_and_is_whole_before),
        SEND(a_full_ring_takes_no_more_and_owners_are_told_in_order),
        SEND(the_device_is_told_once_a_batch_if_it_asks),
        SEND(a_full_ring_asks_for_an_interrupt),
        TEST(a_lie_about_a_received_frame_stops_the_queue),
        TEST(a_buffer_returned_twice_stops_the_queue_behind_what_is_good),
        TEST(more_than_was_given_stops_the_queue),
        TEST(an_impossible_number_of_buffers_stops_the_queue),
        TEST(a_lie_about_a_sent_frame_stops_only_sending),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
