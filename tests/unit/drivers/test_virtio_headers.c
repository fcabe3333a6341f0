/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_virtio.c tests/unit/world/virtio_world.c */
/* flags: -DMMIO_FAKE */
/*
 * Tests what drivers/virtio keeps in its transmit ring from one frame to the next: whatever was
 * sent before, in whatever order the device returns it, each frame goes out with its own header and
 * bytes.
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

#define TX     1
#define FRAMES 40000u
#define BOTH   (FRAME_INSERT_IP_CHECKSUM | FRAME_INSERT_TCP_CHECKSUM)

static struct fake_virtio_sent sent;
static uintptr_t sent_count, told_count;
static uint32_t chance;

static void start(uint64_t offered)
{
    virtio_world_start(offered);
    sent_count = told_count = 0;
    chance = 1;
}

static uint32_t draw(uint32_t below)
{
    chance = chance * 1103515245 + 12345;
    return (chance >> 16) % below;
}

static void note_done(void *context)
{
    assert_int_equal((uintptr_t)context, ++told_count);
}

/* Of these kinds a frame is. */
enum kind { TCP, TCP_OPTIONS, UDP, BARE, CUT, CUT_OTHERWISE, KINDS };

static uint8_t bytes[256];

static struct frame_to_send frame_of(enum kind kind, unsigned fragment_count)
{
    static const uint16_t offloads[KINDS] = {BOTH,
                                             BOTH,
                                             FRAME_INSERT_IP_CHECKSUM | FRAME_INSERT_UDP_CHECKSUM,
                                             0,
                                             BOTH | FRAME_SEGMENT_TCP,
                                             BOTH | FRAME_SEGMENT_TCP};
    struct frame_to_send frame = {.offload = offloads[kind],
                                  .ip_header_offset = 14,
                                  .ip_header_bytes = kind == TCP_OPTIONS ? 24 : 20,
                                  .fragment_count = (uint16_t)fragment_count,
                                  .length_bytes = (uint16_t)(fragment_count * 100),
                                  .done = note_done,
                                  .context = (void *)(sent_count + 1)};

    if (kind >= CUT) {
        frame.segment_bytes = kind == CUT ? 20 : 10;
        frame.tcp_header_bytes = 20;
    }
    for (unsigned i = 0; i < fragment_count; i++) {
        frame.fragments[i] = (struct frame_fragment){bytes + i, 100};
    }
    memset(bytes + 14, 0, 40);
    bytes[14] = kind == TCP_OPTIONS ? 0x46 : 0x45;
    return frame;
}

static void check(enum kind kind, unsigned fragment_count)
{
    uint8_t wanted[12] = {0};
    uint32_t sum = 0;

    if (kind != BARE) {
        wanted[0] = 1;
        wanted[6] = kind == TCP_OPTIONS ? 38 : 34;
        wanted[8] = kind == UDP ? 6 : 16;
    }
    if (kind >= CUT) {
        wanted[1] = 1;
        wanted[2] = 54;
        wanted[4] = kind == CUT ? 20 : 10;
    }
    assert_memory_equal(sent.header, wanted, sizeof(wanted));
    assert_int_equal(sent.descriptor_count, 1 + fragment_count);
    assert_int_equal(sent.length_bytes, fragment_count * 100);
    for (unsigned i = 0; i < fragment_count; i++) {
        assert_memory_equal(sent.data + 100 * (size_t)i, bytes + i, 100);
    }
    for (unsigned i = 0; kind != BARE && i < (kind == TCP_OPTIONS ? 24u : 20u); i += 2) {
        sum += load_be16(sent.data + 14 + i);
    }
    sum = (sum & 0xFFFF) + (sum >> 16);
    assert_int_equal(sum, kind == BARE ? 0 : 0xFFFF);
}

/* The device has up to this many. */
static uint16_t ids[64];
static unsigned id_count;

static void return_some(bool in_turn)
{
    for (unsigned count = draw(id_count + 1); count > 0; count--) {
        unsigned which = in_turn ? 0 : draw(id_count);

        fake_virtio_return(TX, ids[which], 0);
        memmove(&ids[which], &ids[which + 1], (--id_count - which) * sizeof(*ids));
    }
    (void)nic_queue_reclaim(queue);
}

static void send_all(enum kind most, bool in_turn)
{
    id_count = 0;
    while (sent_count < FRAMES) {
        enum kind kind = draw(4) == 0 ? (enum kind)draw(most) : TCP;
        unsigned fragment_count = draw(4) == 0 ? 1 + draw(FRAME_FRAGMENT_MAX) : 1;
        struct frame_to_send frame = frame_of(kind, fragment_count);

        if (nic_queue_transmit(queue, &frame) != 0) {
            return_some(in_turn);
            continue;
        }
        sent_count++;
        nic_queue_flush(queue);
        assert_true(fake_virtio_take(TX, &sent));
        check(kind, fragment_count);
        ids[id_count++] = sent.id;
        if (draw(3) == 0) {
            return_some(in_turn);
        }
    }
    while (id_count > 0) {
        return_some(in_turn);
    }
    assert_int_equal(told_count, sent_count);
    assert_int_equal(nic_queue_in_flight(queue), 0);
    assert_int_equal(counter_read(0, COUNTER_NIC_QUEUES_STOPPED), 0);
}

static void each_frame_has_its_own_header_whatever_was_there_before(void **state)
{
    (void)state;
    start(FAKE_ALL);
    send_all(KINDS, true);
}

static void also_when_frames_are_returned_in_any_order(void **state)
{
    (void)state;
    start(FAKE_ALL);
    send_all(KINDS, false);
}

/* Owners may send from where they are told, also when that needs room and so asks for more to be
 * told. */
static void send_again(void *context)
{
    struct frame_to_send frame = frame_of(TCP, 1);

    (void)context;
    told_count++;
    if (sent_count < 2000) {
        frame.done = send_again;
        if (nic_queue_transmit(queue, &frame) == 0) {
            sent_count++;
        }
    }
}

static void owners_may_send_from_where_they_are_told(void **state)
{
    (void)state;
    start(FAKE_ALL);
    for (struct frame_to_send frame = frame_of(TCP, 1);; sent_count++) {
        frame = frame_of(TCP, 1);
        frame.done = send_again;
        if (nic_queue_transmit(queue, &frame) != 0) {
            break;
        }
    }
    while (told_count < sent_count) {
        nic_queue_flush(queue);
        while (fake_virtio_take(TX, &sent)) {
            fake_virtio_return(TX, sent.id, 0);
        }
        (void)nic_queue_reclaim(queue);
    }
    assert_int_equal(sent_count, 2000);
    assert_int_equal(nic_queue_in_flight(queue), 0);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_teardown(function, virtio_world_stop)
    const struct CMUnitTest tests[] = {
        TEST(each_frame_has_its_own_header_whatever_was_there_before),
        TEST(also_when_frames_are_returned_in_any_order),
        TEST(owners_may_send_from_where_they_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
