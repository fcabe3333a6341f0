/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_virtio.c tests/unit/world/virtio_world.c */
/* flags: -DMMIO_FAKE */
/*
 * Tests what drivers/virtio makes of frames that come in several buffers: long TCP segments become
 * shorter ones that say the same, others are put together or dropped; whatever the device and the
 * frame's sender say. And of buffers that are returned out of turn.
 */
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
#define RING_SIZE 64u
#define HEADER    12u /* the device's */

#define FIN 0x01
#define SYN 0x02
#define PSH 0x08
#define ACK 0x10
#define CWR 0x80

static struct frame *frames[128];

static int set_up(void **state)
{
    (void)state;
    virtio_world_start(FAKE_ALL);
    return 0;
}

static unsigned receive(unsigned frame_max)
{
    return nic_queue_receive(queue, frames, frame_max);
}

static void release(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        frames[i]->release(frames[i]);
    }
}

/* --- A frame of the device's --- */

/* With the device's header in front: of a segment that has been on no wire, to be cut by 1448. */
static struct {
    uint8_t bytes[HEADER + 14 + 65535];
    uint32_t count;
} whole;

static uint8_t *frame_at(unsigned offset)
{
    return whole.bytes + HEADER + offset;
}

static uint16_t sum_of(const uint8_t *bytes, size_t count, uint32_t sum)
{
    for (size_t i = 0; i + 1 < count; i += 2) {
        sum += load_be16(bytes + i);
    }
    sum += count % 2 != 0 ? (uint32_t)bytes[count - 1] << 8 : 0;
    while (sum >> 16 != 0) {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    return (uint16_t)sum;
}

static void sum_ip(void)
{
    store_be16(frame_at(24), 0);
    store_be16(frame_at(24), (uint16_t)~sum_of(frame_at(14), 20, 0));
}

static void make_segment(uint32_t payload_bytes, unsigned tcp_bytes, uint8_t flags)
{
    static const uint8_t start[34] = {2, 0, 0, 0, 0, 1,  2, 0, 0, 0,   0, 2, 8, 0,   0x45, 0, 0,
                                      0, 0, 7, 0, 0, 64, 6, 0, 0, 192, 0, 2, 1, 192, 0,    2, 2};
    uint32_t header_bytes = 34 + tcp_bytes;

    memset(&whole, 0, sizeof(whole));
    whole.bytes[0] = 1; /* needs its checksum */
    whole.bytes[1] = 1; /* TCP over IPv4, to be cut */
    store_le16(whole.bytes + 4, 1448);
    memcpy(frame_at(0), start, sizeof(start));
    store_be16(frame_at(16), (uint16_t)(20 + tcp_bytes + payload_bytes));
    store_be16(frame_at(20), 0x4000);
    sum_ip();
    store_be16(frame_at(34), 4711);
    store_be16(frame_at(36), 80);
    store_be32(frame_at(38), UINT32_MAX - 2000); /* it wraps */
    store_be32(frame_at(42), 99);
    *frame_at(46) = (uint8_t)(tcp_bytes / 4 << 4);
    *frame_at(47) = flags;
    store_be16(frame_at(48), 5000);
    for (unsigned i = 20; i < tcp_bytes; i++) {
        *frame_at(34 + i) = (uint8_t)i;
    }
    for (uint32_t i = 0; i < payload_bytes; i++) {
        *frame_at(header_bytes + i) = (uint8_t)(i * 7 + i / 251);
    }
    whole.count = HEADER + header_bytes + payload_bytes;
}

/* Into as many buffers as it takes, or another number is said. Returns how many there were. */
static unsigned deliver(int said)
{
    uint16_t ids[64];
    uint32_t counts[64], done = 0;
    uint8_t *count_place = NULL;
    unsigned count = 0;

    while (done < whole.count) {
        if (count == 0) {
            store_le16(whole.bytes + 10, (uint16_t)said);
        }
        counts[count] = fake_virtio_fill(RX, whole.bytes + done, whole.count - done, &ids[count]);
        done += counts[count++];
        if (count == 1 && said < 0) {
            store_le16(whole.bytes + 10, (uint16_t)((whole.count + counts[0] - 1) / counts[0]));
            count_place = fake_virtio_buffer(RX, ids[0]) + 10;
            memcpy(count_place, whole.bytes + 10, 2);
        }
    }
    for (unsigned i = 0; i < count; i++) {
        fake_virtio_return(RX, ids[i], counts[i]);
    }
    return count;
}

/* What a receiver checks of a segment, when it believes the sum of the pseudo-header. */
static uint32_t check_piece(const struct frame *frame, uint32_t offset, unsigned tcp_bytes)
{
    uint32_t payload_bytes = frame->length_bytes - 34u - tcp_bytes;
    uint32_t pseudo = 6 + tcp_bytes + payload_bytes;

    assert_true(frame->length_bytes <= FRAME_MAX_BYTES);
    assert_int_equal(frame->flags,
                     FRAME_IP_CHECKSUM_GOOD | FRAME_L4_CHECKSUM_GOOD | FRAME_L4_CHECKSUM_PARTIAL);
    assert_memory_equal(frame->data, frame_at(0), 16);
    assert_int_equal(load_be16(frame->data + 16), frame->length_bytes - 14);
    assert_int_equal(sum_of(frame->data + 14, 20, 0), 0xFFFF);
    assert_memory_equal(frame->data + 26, frame_at(26), 12);
    assert_int_equal(load_be32(frame->data + 38), (uint32_t)(UINT32_MAX - 2000 + offset));
    assert_memory_equal(frame->data + 42, frame_at(42), 5);
    assert_memory_equal(frame->data + 48, frame_at(48), 2);
    assert_int_equal(load_be16(frame->data + 50), sum_of(frame->data + 26, 8, pseudo));
    assert_memory_equal(frame->data + 52, frame_at(52), tcp_bytes - 18);
    assert_memory_equal(frame->data + 34 + tcp_bytes, frame_at(34 + tcp_bytes + offset),
                        payload_bytes);
    return payload_bytes;
}

static void check_all(unsigned count, uint32_t payload_bytes, unsigned tcp_bytes, uint8_t flags)
{
    bool is_uncut = (*frame_at(20) & 0x40) != 0;
    uint32_t offset = 0;

    for (unsigned i = 0; i < count; i++) {
        uint8_t wanted = flags;

        wanted &= (uint8_t)(i > 0 ? ~CWR : 0xFF);
        wanted &= (uint8_t)(i + 1 < count ? ~(FIN | PSH) : 0xFF);
        assert_int_equal(frames[i]->data[47], wanted);
        assert_int_equal(load_be16(frames[i]->data + 18), is_uncut ? 7 : 7 + i);
        offset += check_piece(frames[i], offset, tcp_bytes);
    }
    assert_int_equal(offset, payload_bytes);
}

/* --- Split --- */

static void a_long_segment_becomes_shorter_ones_that_say_the_same(void **state)
{
    static const uint32_t sizes[] = {1355, 1400, 2000, 10000, 65000, 65535 - 40};
    uint8_t flags = FIN | PSH | ACK | CWR;

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
        unsigned count;

        make_segment(sizes[i], 20, flags);
        count = deliver(-1);
        assert_true(count > 1);
        assert_int_equal(receive(128), count);
        check_all(count, sizes[i], 20, flags);
        assert_int_equal(counter_read(0, COUNTER_NIC_RX_SPLIT), i + 1);
        release(count);
        assert_int_equal(nic_queue_count_buffers(queue).used, 0);
        assert_int_equal(receive(128), 0); /* they go back to the device */
    }
}

static void options_of_tcp_are_in_each_piece_and_the_longest_fit(void **state)
{
    static const unsigned tcp_bytes[] = {24, 32, 60};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(tcp_bytes); i++) {
        unsigned count;

        make_segment(20000, tcp_bytes[i], ACK | PSH);
        count = deliver(-1);
        assert_int_equal(receive(128), count);
        check_all(count, 20000, tcp_bytes[i], ACK | PSH);
        release(count);
        assert_int_equal(receive(128), 0);
    }
}

/* Each then has an identification of its own. */
static void a_segment_that_may_be_cut_again_is_split(void **state)
{
    unsigned count;

    (void)state;
    make_segment(30000, 32, ACK | FIN);
    *frame_at(20) = 0;
    sum_ip();
    count = deliver(-1);
    assert_int_equal(receive(128), count);
    check_all(count, 30000, 32, ACK | FIN);
    release(count);
}

static void a_segment_whose_sum_the_device_has_checked_is_split_too(void **state)
{
    unsigned count;

    (void)state;
    make_segment(9000, 20, ACK);
    whole.bytes[0] = 2;
    count = deliver(-1);
    assert_int_equal(receive(128), count);
    check_all(count, 9000, 20, ACK); /* the sum in it is that of the whole */
    release(count);
}

/* Whatever comes at a time, and whatever the caller takes. */
static void pieces_go_on_in_the_next_round(void **state)
{
    unsigned count;

    (void)state;
    make_segment(12000, 20, ACK | PSH);
    count = deliver(-1);
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(nic_queue_receive(queue, frames + i, 1), 1);
    }
    assert_int_equal(nic_queue_receive(queue, frames + count, 1), 0);
    check_all(count, 12000, 20, ACK | PSH);
    release(count);
}

/* A buffer that was a later piece serves as any other afterwards. */
static void buffers_are_as_before(void **state)
{
    uint8_t small[60];

    (void)state;
    for (unsigned round = 0; round < 40; round++) {
        unsigned count;

        make_segment(30000, 32, ACK);
        count = deliver(-1);
        assert_int_equal(receive(128), count);
        check_all(count, 30000, 32, ACK);
        release(count);
        assert_int_equal(receive(128), 0);
        memcpy(small, frame_at(0), sizeof(small));
        fake_virtio_receive(RX, small, sizeof(small), 2, 1);
        assert_int_equal(receive(128), 1);
        assert_int_equal(frames[0]->length_bytes, sizeof(small));
        assert_memory_equal(frames[0]->data, small, sizeof(small));
        assert_int_equal((uintptr_t)(frames[0]->data + 14) % 16, 0);
        release(1);
    }
}

/* --- What cannot be split --- */

static void assert_dropped(void)
{
    uint8_t small[60];

    (void)deliver(-1);
    assert_int_equal(receive(128), 1);
    assert_int_equal(frames[0]->flags, FRAME_DAMAGED);
    assert_int_equal(frames[0]->length_bytes, 0);
    release(1);
    assert_int_equal(nic_queue_count_buffers(queue).used, 0);
    /* The next one is not part of it. */
    make_segment(6, 20, ACK);
    memcpy(small, frame_at(0), sizeof(small));
    fake_virtio_receive(RX, small, sizeof(small), 2, 1);
    assert_int_equal(receive(128), 1);
    assert_memory_equal(frames[0]->data, small, sizeof(small));
    release(1);
}

static void what_is_no_plain_segment_is_dropped_whole(void **state)
{
    static const struct {
        unsigned place;
        uint8_t value;
    } odd[] = {{13, 6},    {14, 0x46}, {14, 0x65}, {20, 0x20},    {21, 1},   {23, 17},
               {46, 0x40}, {46, 0x10}, {47, SYN},  {47, ACK | 4}, {47, 0x30}};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(odd); i++) {
        make_segment(5000, 20, ACK);
        *frame_at(odd[i].place) = odd[i].value;
        sum_ip();
        assert_dropped();
    }
    make_segment(5000, 20, ACK);
    *frame_at(24) ^= 1;
    assert_dropped(); /* IP's sum is wrong */
    make_segment(5000, 20, ACK);
    whole.bytes[0] = 0;
    assert_dropped(); /* nobody knows about TCP's */
    make_segment(5000, 20, ACK);
    whole.bytes[1] = 4;
    assert_dropped(); /* another way of cutting */
    make_segment(5000, 20, ACK);
    whole.bytes[1] = 0;
    assert_dropped(); /* too long, and not to be cut */
    make_segment(5000, 20, ACK);
    store_be16(frame_at(16), 1000);
    sum_ip();
    assert_dropped(); /* no longer than its first buffer, it says */
    assert_int_equal(counter_read(0, COUNTER_NIC_QUEUES_STOPPED), 0);
    assert_int_equal(counter_read(0, COUNTER_NIC_RX_SPLIT), 0);
}

/* It is its sender's word, and no lie of the device. */
static void a_length_of_ip_that_is_wrong_does_no_harm(void **state)
{
    unsigned count;

    (void)state;
    make_segment(5000, 20, ACK | FIN);
    store_be16(frame_at(16), 20 + 20 + 3000); /* less than there is: the rest is no payload */
    sum_ip();
    count = deliver(-1);
    assert_int_equal(receive(128), 3);
    assert_int_equal(count, 4);
    check_all(3, 3000, 20, ACK | FIN);
    assert_int_equal(counter_read(0, COUNTER_DROP_MALFORMED), 1);
    release(3);
    make_segment(5000, 20, ACK | FIN);
    store_be16(frame_at(16), 20 + 20 + 9000); /* more: the last piece is not its end */
    sum_ip();
    count = deliver(-1);
    assert_int_equal(receive(128), count);
    assert_int_equal(frames[count - 1]->data[47], ACK);
    release(count);
    assert_int_equal(nic_queue_count_buffers(queue).used, 0);
}

static void later_buffers_may_be_empty_or_short(void **state)
{
    uint16_t id;
    uint8_t bytes[100] = {0};

    (void)state;
    make_segment(3000, 20, ACK);
    store_le16(whole.bytes + 10, 4);
    fake_virtio_return(RX, (fake_virtio_fill(RX, whole.bytes, whole.count, &id), id), 1420);
    assert_int_equal(receive(128), 1);
    release(1);
    for (unsigned i = 0; i < 3; i++) {
        uint32_t count = i == 0 ? 0 : i * 50;

        (void)fake_virtio_fill(RX, bytes, count, &id);
        fake_virtio_return(RX, id, count);
    }
    assert_int_equal(receive(128), 2);
    assert_int_equal(load_be16(frames[0]->data + 16), 40 + 50);
    assert_int_equal(load_be16(frames[1]->data + 16), 40 + 100);
    release(2);
    assert_int_equal(nic_queue_count_buffers(queue).used, 0);
}

/* --- Put together --- */

/* A frame of the wire that takes two buffers. */
static void a_frame_in_two_buffers_is_put_together(void **state)
{
    static const uint32_t sizes[] = {1355, 1400, 1460};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
        make_segment(sizes[i], 20, ACK | PSH);
        whole.bytes[1] = 0;
        assert_int_equal(deliver(-1), 2);
        assert_int_equal(receive(128), 1);
        assert_int_equal(frames[0]->length_bytes, 54 + sizes[i]);
        assert_memory_equal(frames[0]->data, frame_at(0), 54 + sizes[i]);
        assert_int_equal(frames[0]->flags, FRAME_IP_CHECKSUM_GOOD | FRAME_L4_CHECKSUM_GOOD |
                                               FRAME_L4_CHECKSUM_PARTIAL);
        release(1);
        assert_int_equal(nic_queue_count_buffers(queue).used, 0);
    }
    make_segment(1461, 20, ACK | PSH); /* longer than the wire takes */
    whole.bytes[1] = 0;
    assert_dropped();
}

/* Also when nobody splits. */
static void without_long_segments_a_frame_takes_one_buffer(void **state)
{
    (void)state;
    nic_stop(nic);
    virtio_world_start(FAKE_ALL & ~FAKE_GUEST_TSO4);
    make_segment(1460, 20, ACK);
    whole.bytes[1] = 0;
    assert_int_equal(deliver(-1), 1);
    assert_int_equal(receive(128), 1);
    assert_int_equal(frames[0]->length_bytes, 1514);
    release(1);
    make_segment(5000, 20, ACK);
    whole.bytes[1] = 0;
    assert_dropped();
    nic_stop(nic);
    virtio_world_start(FAKE_ALL & ~FAKE_MRG); /* where buffers would have to be of 64 KiB */
    assert_int_equal(fake_virtio.agreed & FAKE_GUEST_TSO4, 0);
    nic_stop(nic);
    virtio_world_start(FAKE_ALL & ~FAKE_GUEST_CSUM);
    assert_int_equal(fake_virtio.agreed & FAKE_GUEST_TSO4, 0);
}

/* --- Out of turn --- */

/* Any order that a device may choose, for some rounds of the ring: each frame comes once, and
 * buffers are given back. */
static void buffers_returned_in_any_order_bring_their_frames(void **state)
{
    uint32_t chance = 1;

    (void)state;
    make_segment(100, 20, ACK);
    whole.bytes[1] = 0;
    store_le16(whole.bytes + 10, 1);
    for (unsigned round = 0; round < 300; round++) {
        unsigned count = 1 + round % 33; /* so many it has at least */
        uint16_t ids[33];

        for (unsigned i = 0; i < count; i++) {
            *frame_at(60) = (uint8_t)i;
            (void)fake_virtio_fill(RX, whole.bytes, whole.count, &ids[i]);
        }
        for (unsigned i = 0; i < count; i++) {
            unsigned other;

            chance = chance * 1103515245 + 12345;
            other = i + chance / 65536 % (count - i);
            uint16_t id = ids[other];

            ids[other] = ids[i];
            ids[i] = id;
            *frame_at(60) = fake_virtio_buffer(RX, id)[HEADER + 60];
            fake_virtio_return(RX, id, whole.count);
            assert_int_equal(receive(128), 1);
            assert_memory_equal(frames[0]->data, frame_at(0), whole.count - HEADER);
            release(1);
        }
    }
    assert_int_equal(nic_queue_count_buffers(queue).used, 0);
    assert_int_equal(counter_read(0, COUNTER_NIC_QUEUES_STOPPED), 0);
}

static void a_buffer_returned_out_of_turn_and_again_stops_the_queue(void **state)
{
    (void)state;
    make_segment(6, 20, ACK);
    whole.bytes[1] = 0;
    whole.bytes[10] = 1;
    memcpy(fake_virtio_buffer(RX, 5), whole.bytes, whole.count);
    fake_virtio_return(RX, 5, 60);
    fake_virtio_return(RX, 5, 60);
    assert_int_equal(receive(128), 1);
    release(1);
    assert_non_null(strstr(fake_virtio.last_log, "a buffer that it does not have"));
    assert_int_equal(counter_read(0, COUNTER_NIC_QUEUES_STOPPED), 1);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, virtio_world_stop)
    const struct CMUnitTest tests[] = {
        TEST(a_long_segment_becomes_shorter_ones_that_say_the_same),
        TEST(options_of_tcp_are_in_each_piece_and_the_longest_fit),
        TEST(a_segment_that_may_be_cut_again_is_split),
        TEST(a_segment_whose_sum_the_device_has_checked_is_split_too),
        TEST(pieces_go_on_in_the_next_round),
        TEST(buffers_are_as_before),
        TEST(what_is_no_plain_segment_is_dropped_whole),
        TEST(a_length_of_ip_that_is_wrong_does_no_harm),
        TEST(later_buffers_may_be_empty_or_short),
        TEST(a_frame_in_two_buffers_is_put_together),
        TEST(without_long_segments_a_frame_takes_one_buffer),
        TEST(buffers_returned_in_any_order_bring_their_frames),
        TEST(a_buffer_returned_out_of_turn_and_again_stops_the_queue),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
