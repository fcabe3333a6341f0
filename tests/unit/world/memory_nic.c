/* SPDX-License-Identifier: MIT */
/* sources: drivers/nic/nic.c drivers/nic/checksum.c libc/core/format.c */
/*
 * A card in memory: see memory_nic.h.
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

#include "drivers/nic/checksum.h"
#include "drivers/nic/nic.h"
#include "kernel/log.h"

#define BUFFERS     (2 * MEMORY_NIC_RING)
#define KEY         0x6D656D6F72790000u
#define FIRST_PLACE 3 /* of the first port */

struct buffer {
    struct frame frame;
    uint8_t data[FRAME_BUFFER_BYTES];
    bool is_free;
};

struct memory_nic_setting memory_nic_setting;

static struct {
    struct nic nic;
    unsigned port;
    bool is_started, is_enabled;
    unsigned flush_count, mac_reads;
    uint32_t lost;
    char log[4096];
} card;

static struct {
    struct nic_queue queue;
    struct buffer buffers[BUFFERS];
    struct buffer *rx[MEMORY_NIC_RING];
    uint32_t rx_head, rx_tail; /* free-running, as all of these: filled by the card, taken by us */
    struct frame_to_send tx[MEMORY_NIC_RING];
    uint32_t tx_done, tx_read, tx_flushed, tx_tail; /* in this order */
} own;

void log_write(enum log_level level, const char *subsystem, const char *format, ...)
{
    size_t length = strlen(card.log);
    va_list arguments;

    (void)level;
    (void)subsystem;
    va_start(arguments, format);
    vsnprintf(card.log + length, sizeof(card.log) - length, format, arguments);
    va_end(arguments);
    strncat(card.log, "\n", sizeof(card.log) - strlen(card.log) - 1);
}

/* --- Ports --- */

static unsigned find(enum nic_reach reach, struct nic_port *ports, unsigned port_max)
{
    unsigned count =
        reach == NIC_REACH_ALL ? memory_nic_setting.port_count : memory_nic_setting.near_count;

    if (count > memory_nic_setting.port_count) {
        count = memory_nic_setting.port_count;
    }
    for (unsigned i = 0; i < count && i < port_max; i++) {
        ports[i] = (struct nic_port){.model = "memory", .driver_data = {(uint8_t)i}};
        snprintf(ports[i].name, sizeof(ports[i].name), "0000:00:%02x.0", FIRST_PLACE + i);
    }
    return count;
}

static void copy_mac(uint8_t mac[6], unsigned port)
{
    memcpy(mac, (uint8_t[]){0x52, 0x54, 0, 0, 0, (uint8_t)port}, 6);
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
    key->words[0] = KEY;
}

static int enable_receive(struct nic *nic)
{
    assert_ptr_equal(nic, &card.nic);
    assert_non_null(own.queue.operations); /* the queue is there before the frames are */
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

static uint32_t take_missed(struct nic *nic)
{
    assert_ptr_equal(nic, &card.nic);
    return 0;
}

static void spread(struct nic *nic, const uint8_t *queues, unsigned count)
{
    (void)nic;
    (void)queues;
    assert_true(count <= memory_nic_setting.queue_count);
}

static int steer(struct nic *nic, unsigned queue, const uint16_t *groups, unsigned count)
{
    (void)nic;
    (void)queue;
    (void)groups;
    fail_msg("%u groups are steered by a card that cannot", count);
    return 0;
}

static const struct nic_operations operations = {
    .spread = spread,
    .steer = steer,
    .make_queue_key = make_queue_key,
    .enable_receive = enable_receive,
    .stop = stop,
    .check_link = check_link,
    .take_missed = take_missed,
};

static int start(const struct nic_port *port, const node_id_t *nodes, unsigned node_count,
                 struct nic **nic)
{
    assert_true(node_count >= 1);
    (void)nodes;
    if (memory_nic_setting.start_error != 0) {
        return memory_nic_setting.start_error;
    }
    card.is_started = true;
    card.port = port->driver_data[0];
    card.nic = (struct nic){
        .operations = &operations,
        .queue_count = memory_nic_setting.queue_count,
        .group_count = memory_nic_setting.group_count,
    };
    copy_mac(card.nic.mac, card.port);
    *nic = &card.nic;
    return 0;
}

/* --- The queue: receive --- */

static void release(struct frame *frame)
{
    struct buffer *buffer = CONTAINER_OF(frame, struct buffer, frame);

    assert_ptr_equal(frame->release_context, &own);
    assert_false(buffer->is_free);
    buffer->is_free = true;
}

static unsigned receive(struct nic_queue *queue, struct frame **frames, unsigned frame_max)
{
    unsigned count = 0;

    assert_ptr_equal(queue, &own.queue);
    while (own.rx_head != own.rx_tail && count < frame_max) {
        frames[count++] = &own.rx[own.rx_head++ % MEMORY_NIC_RING]->frame;
    }
    return count;
}

static bool is_pending(const struct nic_queue *queue)
{
    assert_ptr_equal(queue, &own.queue);
    return own.rx_head != own.rx_tail;
}

static bool arm(struct nic_queue *queue)
{
    assert_ptr_equal(queue, &own.queue);
    fail_msg("there is no interrupt to arm");
    return false;
}

static uint32_t take_dropped(struct nic_queue *queue)
{
    uint32_t lost = card.lost;

    assert_ptr_equal(queue, &own.queue);
    card.lost = 0;
    return lost;
}

/* --- The queue: transmit --- */

static int transmit(struct nic_queue *queue, const struct frame_to_send *frame)
{
    assert_ptr_equal(queue, &own.queue);
    assert_in_range(frame->fragment_count, 1, FRAME_FRAGMENT_MAX);
    assert_int_equal(frame->offload & FRAME_SEGMENT_TCP, 0);
    if (own.tx_tail - own.tx_done == MEMORY_NIC_RING) {
        return -EAGAIN;
    }
    frame_insert_checksums(frame, frame->offload);
    nic_count_sent(frame);
    own.tx[own.tx_tail++ % MEMORY_NIC_RING] = *frame;
    return 0;
}

static void flush(struct nic_queue *queue)
{
    assert_ptr_equal(queue, &own.queue);
    card.flush_count += own.tx_flushed != own.tx_tail;
    own.tx_flushed = own.tx_tail;
}

static unsigned reclaim(struct nic_queue *queue)
{
    unsigned told = 0;

    assert_ptr_equal(queue, &own.queue);
    while (own.tx_done != own.tx_read) {
        const struct frame_to_send frame = own.tx[own.tx_done++ % MEMORY_NIC_RING];

        if (frame.done != NULL) {
            frame.done(frame.context);
            told++;
        }
    }
    return told;
}

static unsigned in_flight(const struct nic_queue *queue)
{
    assert_ptr_equal(queue, &own.queue);
    return own.tx_tail - own.tx_done;
}

static const struct nic_queue_operations queue_operations = {
    .receive = receive,
    .is_pending = is_pending,
    .arm = arm,
    .transmit = transmit,
    .flush = flush,
    .reclaim = reclaim,
    .in_flight = in_flight,
    .take_dropped = take_dropped,
};

static int open_queue(const struct nic_queue_key *key, struct nic_queue **queue)
{
    assert_int_equal(key->queue_index, 0);
    assert_int_equal(key->words[0], KEY);
    assert_true(card.is_started && !card.is_enabled);
    if (memory_nic_setting.open_error != 0) {
        return memory_nic_setting.open_error;
    }
    own.queue.operations = &queue_operations;
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
};
NIC_DRIVER(memory_driver);

/* --- For tests --- */

void memory_nic_reset(void)
{
    memset(&card, 0, sizeof(card));
    memset(&own, 0, sizeof(own));
    memory_nic_setting = (struct memory_nic_setting){
        .port_count = 1, .near_count = MEMORY_NIC_PORTS_MAX, .queue_count = 1};
    for (unsigned i = 0; i < BUFFERS; i++) {
        own.buffers[i].frame.data = own.buffers[i].data;
        own.buffers[i].frame.release = release;
        own.buffers[i].frame.release_context = &own;
        own.buffers[i].is_free = true;
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

bool memory_nic_receive(const void *bytes, size_t length_bytes)
{
    assert_true(card.is_enabled);
    assert_true(length_bytes <= FRAME_BUFFER_BYTES);
    for (unsigned i = 0; i < BUFFERS && own.rx_tail - own.rx_head < MEMORY_NIC_RING; i++) {
        struct buffer *buffer = &own.buffers[i];

        if (buffer->is_free) {
            buffer->is_free = false;
            memcpy(buffer->data, bytes, length_bytes);
            buffer->frame.length_bytes = (uint16_t)length_bytes;
            buffer->frame.flags = 0;
            own.rx[own.rx_tail++ % MEMORY_NIC_RING] = buffer;
            return true;
        }
    }
    return false;
}

unsigned memory_nic_frames_held(void)
{
    unsigned count = 0;

    for (unsigned i = 0; i < BUFFERS; i++) {
        count += !own.buffers[i].is_free;
    }
    return count - (own.rx_tail - own.rx_head);
}

unsigned memory_nic_frames_in_flight(void)
{
    return own.tx_tail - own.tx_done;
}

bool memory_nic_transmit(struct memory_nic_sent *sent)
{
    const struct frame_to_send *frame;

    if (own.tx_read == own.tx_flushed) {
        return false;
    }
    frame = &own.tx[own.tx_read++ % MEMORY_NIC_RING];
    sent->length_bytes = 0;
    for (unsigned i = 0; i < frame->fragment_count; i++) {
        assert_true(sent->length_bytes + frame->fragments[i].length_bytes <= sizeof(sent->data));
        memcpy(sent->data + sent->length_bytes, frame->fragments[i].data,
               frame->fragments[i].length_bytes);
        sent->length_bytes += frame->fragments[i].length_bytes;
    }
    assert_int_equal(sent->length_bytes, frame->length_bytes);
    return true;
}

void memory_nic_lose(uint32_t count)
{
    card.lost += count;
}

const char *memory_nic_log(void)
{
    return card.log;
}
