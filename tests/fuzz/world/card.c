/* SPDX-License-Identifier: MIT */
/* sources: drivers/nic/nic.c drivers/nic/checksum.c */
/*
 * A card in memory: see card.h. One queue, no steering; frames have their exact size, so that the
 * sanitizers see each byte that is read past their ends.
 */
#include "tests/fuzz/world/card.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/nic/checksum.h"
#include "drivers/nic/nic.h"
#include "kernel/thread/thread.h"
#include "tests/fuzz/fuzzer.h"

#define RING           64u
#define FRAME_CUT_MAX  65535u
#define ETHERNET_BYTES 14u
#define IP_PROTOCOL    (ETHERNET_BYTES + 9)
#define PROTOCOL_TCP   6

struct buffer {
    struct frame frame;
    uint8_t data[];
};

static struct {
    struct nic nic;
    struct nic_queue queue;
    bool is_enabled, is_held, is_blocked;
    struct frame *rx[RING];
    uint32_t rx_head, rx_tail; /* free-running, as the next */
    struct frame_to_send tx[RING];
    uint32_t tx_head, tx_flushed, tx_tail;
    unsigned frames_held;
} card;

static uint8_t whole[FRAME_CUT_MAX + 64];

void (*card_on_sent)(uint8_t *bytes, size_t length, bool is_cut);

/* --- Ports and the card as a whole --- */

static unsigned find(enum nic_reach reach, struct nic_port *ports, unsigned port_max)
{
    (void)reach;
    FUZZ_CHECK(port_max > 0);
    ports[0] = (struct nic_port){.name = "0000:00:03.0", .model = "fuzz"};
    return 1;
}

static int read_mac(const struct nic_port *port, uint8_t mac[6])
{
    (void)port;
    memcpy(mac, card.nic.mac, 6);
    return 0;
}

static void make_queue_key(const struct nic *nic, unsigned index, struct nic_queue_key *key)
{
    (void)nic;
    FUZZ_CHECK(index == 0);
    memset(key->words, 0, sizeof(key->words));
}

static int enable_receive(struct nic *nic)
{
    (void)nic;
    card.is_enabled = true;
    return 0;
}

static void stop(struct nic *nic)
{
    (void)nic;
    card.is_enabled = false;
}

static struct nic_link check_link(struct nic *nic)
{
    (void)nic;
    return (struct nic_link){.is_up = true, .megabits = 1000};
}

static uint32_t take_missed(struct nic *nic)
{
    (void)nic;
    return 0;
}

static const struct nic_operations operations = {
    .make_queue_key = make_queue_key,
    .enable_receive = enable_receive,
    .stop = stop,
    .check_link = check_link,
    .take_missed = take_missed,
};

static int start(const struct nic_port *port, const node_id_t *nodes, unsigned node_count,
                 struct nic **nic)
{
    (void)port;
    (void)nodes;
    FUZZ_CHECK(node_count >= 1);
    thread_yield(); /* as a card that resets: all other roles are started meanwhile */
    *nic = &card.nic;
    return 0;
}

/* --- The queue --- */

static void release(struct frame *frame)
{
    FUZZ_CHECK(card.frames_held > 0);
    card.frames_held--;
    free(CONTAINER_OF(frame, struct buffer, frame));
}

static unsigned receive(struct nic_queue *queue, struct frame **frames, unsigned frame_max)
{
    unsigned count = 0;

    (void)queue;
    while (card.rx_head != card.rx_tail && count < frame_max) {
        frames[count++] = card.rx[card.rx_head++ % RING];
        card.frames_held++;
    }
    return count;
}

static bool is_pending(const struct nic_queue *queue)
{
    (void)queue;
    return card.rx_head != card.rx_tail;
}

static uint32_t take_dropped(struct nic_queue *queue)
{
    (void)queue;
    return 0;
}

/* The headers lie where the frame says that they do, in its first piece. */
static void check_headers(const struct frame_to_send *frame)
{
    size_t ip_bytes = frame->ip_header_offset + frame->ip_header_bytes;
    size_t first_bytes = frame->fragments[0].length_bytes;

    if (frame->offload != 0) {
        FUZZ_CHECK(frame->ip_header_bytes >= 20 && ip_bytes <= first_bytes);
    }
    if ((frame->offload & FRAME_INSERT_TCP_CHECKSUM) != 0) {
        FUZZ_CHECK(ip_bytes + 20 <= first_bytes);
    }
    if ((frame->offload & FRAME_INSERT_UDP_CHECKSUM) != 0) {
        FUZZ_CHECK(ip_bytes + 8 <= first_bytes);
    }
    if ((frame->offload & FRAME_SEGMENT_TCP) != 0) {
        FUZZ_CHECK(card.nic.can_segment_tcp);
        FUZZ_CHECK((frame->offload & FRAME_INSERT_TCP_CHECKSUM) != 0);
        FUZZ_CHECK(frame->segment_bytes > 0 && frame->tcp_header_bytes >= 20);
        FUZZ_CHECK(ip_bytes + frame->tcp_header_bytes + frame->segment_bytes <= FRAME_MAX_BYTES);
    } else {
        FUZZ_CHECK(frame->length_bytes <= FRAME_MAX_BYTES);
    }
}

static int transmit(struct nic_queue *queue, const struct frame_to_send *frame)
{
    size_t bytes = 0;

    (void)queue;
    FUZZ_CHECK(frame->fragment_count >= 1 && frame->fragment_count <= FRAME_FRAGMENT_MAX);
    for (unsigned i = 0; i < frame->fragment_count; i++) {
        FUZZ_CHECK(frame->fragments[i].length_bytes >= 1);
        FUZZ_CHECK(frame->fragments[i].length_bytes <= FRAME_FRAGMENT_MAX_BYTES);
        bytes += frame->fragments[i].length_bytes;
    }
    FUZZ_CHECK(bytes == frame->length_bytes && bytes >= ETHERNET_BYTES);
    check_headers(frame);
    if (card.is_blocked || card.tx_tail - card.tx_head == RING) {
        return -EAGAIN;
    }
    nic_count_sent(frame);
    card.tx[card.tx_tail++ % RING] = *frame;
    return 0;
}

static void flush(struct nic_queue *queue)
{
    (void)queue;
    card.tx_flushed = card.tx_tail;
}

/* The card reads what it may still read only now: whoever has changed it meanwhile is seen. */
static void send(const struct frame_to_send *frame)
{
    bool is_cut = (frame->offload & FRAME_SEGMENT_TCP) != 0;
    size_t bytes = 0;

    if (!is_cut) {
        frame_insert_checksums(frame, frame->offload);
    }
    for (unsigned i = 0; i < frame->fragment_count; i++) {
        memcpy(whole + bytes, frame->fragments[i].data, frame->fragments[i].length_bytes);
        bytes += frame->fragments[i].length_bytes;
    }
    card_on_sent(whole, bytes, is_cut);
}

static unsigned reclaim(struct nic_queue *queue)
{
    unsigned told = 0;

    (void)queue;
    while (!card.is_held && card.tx_head != card.tx_flushed) {
        const struct frame_to_send frame = card.tx[card.tx_head++ % RING];

        send(&frame);
        if (frame.done != NULL) {
            frame.done(frame.context);
            told++;
        }
    }
    return told;
}

static unsigned in_flight(const struct nic_queue *queue)
{
    (void)queue;
    return card.tx_tail - card.tx_head;
}

static const struct nic_queue_operations queue_operations = {
    .receive = receive,
    .is_pending = is_pending,
    .transmit = transmit,
    .flush = flush,
    .reclaim = reclaim,
    .in_flight = in_flight,
    .take_dropped = take_dropped,
};

/* The key may be any peer's word. */
static int open_queue(const struct nic_queue_key *key, struct nic_queue **queue)
{
    if (key->queue_index != 0 || key->words[0] != 0) {
        return -EINVAL;
    }
    card.queue.operations = &queue_operations;
    *queue = &card.queue;
    return 0;
}

static const struct nic_driver driver = {
    .name = "fuzzer's card",
    .cards = "fuzzer's card",
    .find = find,
    .read_mac = read_mac,
    .start = start,
    .open_queue = open_queue,
};
NIC_DRIVER(driver);

/* --- For the world --- */

void card_start(bool can_segment_tcp)
{
    card.nic = (struct nic){
        .operations = &operations,
        .mac = {0x52, 0x54, 0, 0x12, 0x34, 0x56},
        .queue_count = 1,
        .can_segment_tcp = can_segment_tcp,
    };
}

void card_receive(const uint8_t *bytes, size_t length, uint16_t flags)
{
    struct buffer *buffer;

    FUZZ_CHECK(length <= FRAME_BUFFER_BYTES);
    if (!card.is_enabled || card.rx_tail - card.rx_head == RING) {
        return;
    }
    buffer = malloc(sizeof(*buffer) + length);
    FUZZ_CHECK(buffer != NULL);
    buffer->frame = (struct frame){
        .data = buffer->data,
        .length_bytes = (uint16_t)length,
        .flags = flags,
        .release = release,
    };
    memcpy(buffer->data, bytes, length);
    card.rx[card.rx_tail++ % RING] = &buffer->frame;
}

unsigned card_frames_held(void)
{
    return card.frames_held;
}

void card_hold(bool is_held)
{
    card.is_held = is_held;
}

void card_block(bool is_blocked)
{
    card.is_blocked = is_blocked;
}
