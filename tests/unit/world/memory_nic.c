/* SPDX-License-Identifier: MIT */
/* sources: drivers/nic/nic.c drivers/nic/checksum.c drivers/hosted/rings.c libc/core/format.c */
/*
 * A card in memory: see memory_nic.h. The rings are those of the hosted build's cards.
 */
#include "tests/unit/world/memory_nic.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/hosted/rings.h"
#include "drivers/nic/checksum.h"
#include "drivers/nic/nic.h"

#define FIRST_PLACE    3 /* of the first port */
#define ETHERNET_BYTES 14u

struct memory_nic_setting memory_nic_setting;

static struct {
    struct nic nic;
    unsigned port;
    bool is_started, is_spread, is_enabled;
    unsigned flush_count, mac_reads;
} card;

static struct rings own;
static struct rings_buffer buffers[2 * MEMORY_NIC_RING];

/* --- Ports --- */

static unsigned find(struct nic_port *ports, unsigned port_max)
{
    unsigned count = memory_nic_setting.port_count;

    for (unsigned i = 0; i < count && i < port_max; i++) {
        ports[i] = (struct nic_port){.model = "memory", .driver_data = {(uint8_t)i}};
        snprintf(ports[i].name, sizeof(ports[i].name), "0000:00:%02x.0", FIRST_PLACE + i);
    }
    return count;
}

static void copy_mac(uint8_t mac[6], unsigned port)
{
    memcpy(mac, (uint8_t[]){0x52, 0x54, 0, 0x12, 0x34, (uint8_t)(0x56 + port)}, 6);
}

static int read_mac(const struct nic_port *port, uint8_t mac[6])
{
    assert_false(card.is_started);
    card.mac_reads++;
    copy_mac(mac, port->driver_data[0]);
    return 0;
}

/* --- The card as a whole --- */

static void make_queue_key(const struct nic *nic, unsigned index, struct nic_queue_key *key)
{
    assert_ptr_equal(nic, &card.nic);
    assert_true(index < memory_nic_setting.queue_count);
    key->words[0] = MEMORY_NIC_KEY;
    key->words[1] = nic->queue_count;
}

static int enable_receive(struct nic *nic)
{
    assert_ptr_equal(nic, &card.nic);
    assert_non_null(own.queue.operations); /* the queue is there before the frames are */
    /* And none comes to a queue that nobody has opened. */
    assert_true(card.is_spread || nic->queue_count == 1);
    card.is_enabled = memory_nic_setting.enable_error == 0;
    return memory_nic_setting.enable_error;
}

static void stop(struct nic *nic)
{
    assert_ptr_equal(nic, &card.nic);
    assert_true(card.is_started);
    card.is_started = card.is_enabled = false;
}

static struct nic_link check_link(struct nic *nic)
{
    assert_ptr_equal(nic, &card.nic);
    return (struct nic_link){.is_up = !memory_nic_setting.is_link_down,
                             .megabits = memory_nic_setting.is_link_down ? 0 : 1000};
}

static void spread(struct nic *nic, const uint8_t *queues, unsigned count)
{
    assert_ptr_equal(nic, &card.nic);
    assert_in_range(count, 1, memory_nic_setting.queue_count);
    for (unsigned i = 0; i < count; i++) {
        assert_true(queues[i] < memory_nic_setting.queue_count);
    }
    card.is_spread = true;
}

static int steer(struct nic *nic, unsigned queue, const uint16_t *groups, unsigned count)
{
    assert_ptr_equal(nic, &card.nic);
    assert_true(memory_nic_setting.can_steer);
    assert_true(queue < memory_nic_setting.queue_count);
    for (unsigned i = 0; i < count; i++) {
        assert_true(groups[i] < memory_nic_setting.group_count);
    }
    return 0;
}

static const struct nic_operations operations = {
    .check_link = check_link,
    .make_queue_key = make_queue_key,
    .enable_receive = enable_receive,
    .stop = stop,
    .spread = spread,
    .steer = steer,
};

/* It has queues for all of these nodes, or as many as there are. */
static void set_up(unsigned port, unsigned node_count, struct nic **nic)
{
    card.port = port;
    card.nic = (struct nic){
        .operations = &operations,
        .queue_count = memory_nic_setting.queue_count,
        .group_count = memory_nic_setting.group_count,
        .can_segment_tcp = memory_nic_setting.can_segment_tcp,
    };
    if (card.nic.queue_count > node_count) {
        card.nic.queue_count = (uint16_t)node_count;
    }
    copy_mac(card.nic.mac, port);
    *nic = &card.nic;
}

static int start(const struct nic_port *port, const node_id_t *nodes, unsigned node_count,
                 struct nic_grouping grouping, struct nic **nic)
{
    assert_true(node_count >= 1);
    (void)nodes;
    (void)grouping;
    if (memory_nic_setting.start_error != 0) {
        return memory_nic_setting.start_error;
    }
    card.is_started = true;
    set_up(port->driver_data[0], node_count, nic);
    return 0;
}

/* The key may be any peer's word. */
static bool is_key_possible(const struct nic_queue_key *key)
{
    return key->words[0] == MEMORY_NIC_KEY && key->queue_index < memory_nic_setting.queue_count;
}

static int adopt(const struct nic_queue_key *key, struct nic_grouping grouping, struct nic **nic)
{
    (void)grouping;
    if (!is_key_possible(key) || key->queue_index >= key->words[1] ||
        key->words[1] > NIC_QUEUE_MAX) {
        return -EINVAL;
    }
    assert_false(card.is_started);
    if (memory_nic_setting.adopt_error == 0) {
        set_up(0, (unsigned)key->words[1], nic);
    }
    return memory_nic_setting.adopt_error;
}

/* --- The queue --- */

/* The headers lie where the frame says that they do, in its first piece. */
static void check_headers(const struct frame_to_send *frame)
{
    size_t ip_bytes = frame->ip_header_offset + frame->ip_header_bytes;
    size_t first_bytes = frame->fragments[0].length_bytes;

    if (frame->offload != 0) {
        assert_true(frame->ip_header_bytes >= 20 && ip_bytes <= first_bytes);
    }
    if ((frame->offload & FRAME_INSERT_TCP_CHECKSUM) != 0) {
        assert_true(ip_bytes + 20 <= first_bytes);
    }
    if ((frame->offload & FRAME_INSERT_UDP_CHECKSUM) != 0) {
        assert_true(ip_bytes + 8 <= first_bytes);
    }
    if ((frame->offload & FRAME_SEGMENT_TCP) != 0) {
        assert_true(memory_nic_setting.can_segment_tcp);
        assert_true((frame->offload & FRAME_INSERT_TCP_CHECKSUM) != 0);
        assert_true(frame->segment_bytes > 0 && frame->tcp_header_bytes >= 20);
        assert_true(ip_bytes + frame->tcp_header_bytes + frame->segment_bytes <= FRAME_MAX_BYTES);
    } else {
        assert_true(frame->length_bytes <= FRAME_MAX_BYTES);
    }
}

static int transmit(struct nic_queue *queue, const struct frame_to_send *frame)
{
    size_t bytes = 0;

    assert_in_range(frame->fragment_count, 1, FRAME_FRAGMENT_MAX);
    for (unsigned i = 0; i < frame->fragment_count; i++) {
        assert_in_range(frame->fragments[i].length_bytes, 1, UINT16_MAX);
        bytes += frame->fragments[i].length_bytes;
    }
    assert_true(bytes == frame->length_bytes && bytes >= ETHERNET_BYTES);
    check_headers(frame);
    return memory_nic_setting.is_blocked ? -EAGAIN : rings_transmit(queue, frame);
}

static void flush(struct nic_queue *queue)
{
    card.flush_count += own.tx_flushed != own.tx_tail;
    rings_flush(queue);
}

static unsigned reclaim(struct nic_queue *queue)
{
    if (memory_nic_setting.take_turn != NULL) {
        memory_nic_setting.take_turn();
    }
    return rings_reclaim(queue);
}

static const struct nic_queue_operations queue_operations = {
    .receive = rings_receive,
    .is_pending = rings_is_pending,
    .transmit = transmit,
    .flush = flush,
    .reclaim = reclaim,
    .in_flight = rings_in_flight,
    .take_dropped = rings_take_dropped,
};

/* Queues other than the first are opened once frames may come: the
 * node that drives the card has let them in. */
static int open_queue(const struct nic_queue_key *key, struct nic_queue **queue)
{
    if (!is_key_possible(key)) {
        return -EINVAL;
    }
    assert_true(key->queue_index != 0 || (card.is_started && !card.is_enabled));
    if (memory_nic_setting.open_error != 0) {
        return memory_nic_setting.open_error;
    }
    card.is_enabled = key->queue_index != 0;
    own.frame_max = memory_nic_setting.ring_frames;
    own.queue.operations = &queue_operations;
    own.queue.can_segment_tcp = memory_nic_setting.can_segment_tcp;
    *queue = &own.queue;
    return 0;
}

static const struct nic_driver memory_driver = {
    .name = "card in memory",
    .cards = "card in memory",
    .find = find,
    .read_mac = read_mac,
    .start = start,
    .open_queue = open_queue,
    .adopt = adopt,
};
NIC_DRIVER(memory_driver);

/* --- For tests --- */

void memory_nic_reset(void)
{
    memset(&card, 0, sizeof(card));
    memset(&own, 0, sizeof(own));
    memory_nic_setting = (struct memory_nic_setting){
        .port_count = 1,
        .queue_count = 1,
        .ring_frames = MEMORY_NIC_RING,
        .adopt_error = -ENODEV,
    };
    for (unsigned i = 0; i < ARRAY_COUNT(buffers); i++) {
        rings_add_buffer(&own, &buffers[i]);
    }
}

unsigned memory_nic_started_port(void)
{
    return card.is_started ? card.port : UINT32_MAX;
}

unsigned memory_nic_flush_count(void)
{
    return card.flush_count;
}

unsigned memory_nic_mac_reads(void)
{
    return card.mac_reads;
}

bool memory_nic_is_enabled(void)
{
    return card.is_enabled;
}

bool memory_nic_receive(const void *bytes, size_t length_bytes)
{
    uint8_t *data = rings_reserve(&own);

    assert_true(card.is_enabled);
    assert_true(length_bytes <= FRAME_BUFFER_BYTES);
    if (data == NULL) {
        return false;
    }
    memcpy(data, bytes, length_bytes);
    rings_deliver(&own, length_bytes, 0);
    return true;
}

bool memory_nic_receive_frame(struct frame *frame)
{
    assert_true(card.is_enabled);
    return rings_deliver_frame(&own, frame);
}

unsigned memory_nic_frames_held(void)
{
    return own.used_count;
}

void memory_nic_note_release(void)
{
    assert_true(own.used_count > 0);
    own.used_count--;
}

unsigned memory_nic_frames_in_flight(void)
{
    return rings_in_flight(&own.queue);
}

const struct frame_to_send *memory_nic_take(void)
{
    return rings_take(&own);
}

bool memory_nic_transmit(struct memory_nic_sent *sent)
{
    const struct frame_to_send *frame = rings_take(&own);

    if (frame == NULL) {
        return false;
    }
    assert_true(frame->length_bytes <= sizeof(sent->data));
    frame_insert_checksums(frame, frame->offload);
    rings_copy_frame(sent->data, frame);
    sent->length_bytes = frame->length_bytes;
    return true;
}

void memory_nic_lose(uint32_t count)
{
    own.dropped += count;
}
