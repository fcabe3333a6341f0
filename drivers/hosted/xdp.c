/* SPDX-License-Identifier: MIT */
/*
 * A card that is a network interface of Linux (--card xdp:NAME), in rings of AF_XDP: the first
 * queue of it is this node's alone while it runs, with the interface's own address. What comes lies
 * in our memory at once; what is sent is copied there. One queue; no checksums, no groups.
 */
#include <errno.h>
#include <string.h>

#include "drivers/hosted/linux.h"
#include "drivers/hosted/sent.h"
#include "drivers/nic/checksum.h"
#include "drivers/nic/nic.h"
#include "kernel/hosted/hosted.h"
#include "kernel/limits.h"
#include "kernel/log.h"
#include "kernel/platform.h"
#include "kernel/thread/thread.h"

#define CARD_WORD    "xdp:"
/* A chunk for each place of the ring of chunks given, and of that of frames to send. */
#define RX_CHUNKS    LINUX_XDP_RING_FRAMES
#define TX_CHUNKS    LINUX_XDP_RING_FRAMES
#define MEMORY_BYTES ((RX_CHUNKS + TX_CHUNKS) * (size_t)LINUX_XDP_CHUNK_BYTES)

_Static_assert(LINUX_XDP_CHUNK_BYTES <= FRAME_BUFFER_BYTES, "no frame is longer than nic.h says");

static struct {
    struct nic nic;
    struct nic_queue queue;
    char name[LINUX_INTERFACE_NAME_BYTES];
    int file;
    uint8_t *memory;
    struct frame frames[RX_CHUNKS]; /* by chunk */
    uint64_t free_tx[TX_CHUNKS];    /* offsets */
    unsigned free_tx_count;
    bool may_have_more;
} card;

/* --- The queue --- */

static void release(struct frame *frame)
{
    linux_xdp_give((uint64_t)(frame - card.frames) * LINUX_XDP_CHUNK_BYTES);
}

static unsigned receive(struct nic_queue *queue, struct frame **frames, unsigned frame_max)
{
    struct linux_xdp_frame come[64];
    unsigned count =
        linux_xdp_receive(come, frame_max < ARRAY_COUNT(come) ? frame_max : ARRAY_COUNT(come));

    (void)queue;
    for (unsigned i = 0; i < count; i++) {
        uint64_t chunk = come[i].offset / LINUX_XDP_CHUNK_BYTES;

        ASSERT(chunk < RX_CHUNKS && come[i].length_bytes <= LINUX_XDP_CHUNK_BYTES);
        frames[i] = &card.frames[chunk];
        frames[i]->data = card.memory + come[i].offset;
        frames[i]->length_bytes = (uint16_t)come[i].length_bytes;
        frames[i]->flags = 0;
    }
    card.may_have_more = count == frame_max || count == ARRAY_COUNT(come);
    return count;
}

/* What comes later ends the sleep: the socket is readable as long as a frame waits. */
static bool is_pending(const struct nic_queue *queue)
{
    (void)queue;
    return card.may_have_more;
}

static bool arm(struct nic_queue *queue)
{
    return !is_pending(queue);
}

static void take_sent(void)
{
    int64_t offset;

    while ((offset = linux_xdp_take_sent()) >= 0) {
        ASSERT(card.free_tx_count < TX_CHUNKS);
        card.free_tx[card.free_tx_count++] = (uint64_t)offset;
    }
}

static int transmit(struct nic_queue *queue, const struct frame_to_send *frame)
{
    struct linux_xdp_frame chunk = {.length_bytes = 0};

    (void)queue;
    if (card.free_tx_count == 0) {
        take_sent();
    }
    if (card.free_tx_count == 0 || !sent_has_room()) {
        return -EAGAIN;
    }
    chunk.offset = card.free_tx[--card.free_tx_count];
    frame_insert_checksums(frame, frame->offload);
    for (unsigned i = 0; i < frame->fragment_count; i++) {
        memcpy(card.memory + chunk.offset + chunk.length_bytes, frame->fragments[i].data,
               frame->fragments[i].length_bytes);
        chunk.length_bytes += frame->fragments[i].length_bytes;
    }
    ASSERT_SLOW(chunk.length_bytes <= LINUX_XDP_CHUNK_BYTES);
    linux_xdp_send(&chunk);
    nic_count_sent(frame);
    sent_note(frame);
    return 0;
}

static void flush(struct nic_queue *queue)
{
    (void)queue;
    linux_xdp_flush();
}

static unsigned reclaim(struct nic_queue *queue)
{
    (void)queue;
    take_sent();
    return sent_reclaim();
}

static unsigned in_flight(const struct nic_queue *queue)
{
    (void)queue;
    return sent_in_flight();
}

static uint32_t take_dropped(struct nic_queue *queue)
{
    (void)queue;
    return 0; /* the interface counts them: `ip -s link` */
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

/* --- The card as a whole --- */

static void make_queue_key(const struct nic *nic, unsigned index, struct nic_queue_key *key)
{
    (void)nic;
    (void)index;
    (void)key; /* nothing beyond its number is to be known */
}

static int enable_receive(struct nic *nic)
{
    (void)nic;
    for (unsigned i = 0; i < RX_CHUNKS; i++) {
        release(&card.frames[i]);
    }
    return 0;
}

static void stop(struct nic *nic)
{
    (void)nic; /* ends with the process */
}

static struct nic_link check_link(struct nic *nic)
{
    bool is_up = linux_interface_is_up(card.name);

    (void)nic;
    return (struct nic_link){.is_up = is_up, .megabits = is_up ? 10000 : 0};
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
    (void)nodes;
    (void)node_count;
    memcpy(card.name, port->name + strlen(CARD_WORD), sizeof(card.name));
    card.memory = platform_allocate_pages(MEMORY_BYTES / PAGE_BYTES);
    if (card.memory == NULL) {
        log_error("xdp", "no memory for frames");
        return -ENOMEM;
    }
    card.nic = (struct nic){.operations = &operations, .queue_count = 1};
    card.file = linux_xdp_open(card.name, card.memory, MEMORY_BYTES, card.nic.mac);
    if (card.file < 0) {
        log_error("xdp", "the interface %s cannot be taken over: error %d", card.name, -card.file);
        platform_release_pages(card.memory, MEMORY_BYTES / PAGE_BYTES);
        return -ENODEV;
    }
    for (unsigned i = 0; i < RX_CHUNKS; i++) {
        card.frames[i].release = release;
    }
    for (unsigned i = 0; i < TX_CHUNKS; i++) {
        card.free_tx[i] = (RX_CHUNKS + i) * (uint64_t)LINUX_XDP_CHUNK_BYTES;
    }
    card.free_tx_count = TX_CHUNKS;
    if (thread_self() != NULL) {
        thread_yield(); /* as others reset: whoever is to be told of the card comes up meanwhile */
    }
    *nic = &card.nic;
    return 0;
}

static int open_queue(const struct nic_queue_key *key, struct nic_queue **queue)
{
    if (key->queue_index != 0 || card.nic.operations == NULL) {
        return -EINVAL;
    }
    card.queue = (struct nic_queue){.operations = &queue_operations,
                                    .interrupt_vector = hosted_watch(card.file)};
    *queue = &card.queue;
    return 0;
}

static int read_mac(const struct nic_port *port, uint8_t mac[6])
{
    return linux_interface_mac(port->name + strlen(CARD_WORD), mac);
}

static unsigned find(enum nic_reach reach, struct nic_port *ports, unsigned port_max)
{
    size_t length = strlen(linux_node.card);

    (void)reach;
    if (strncmp(linux_node.card, CARD_WORD, strlen(CARD_WORD)) != 0) {
        return 0;
    }
    if (length == strlen(CARD_WORD) || length >= strlen(CARD_WORD) + LINUX_INTERFACE_NAME_BYTES) {
        log_error("xdp", "--card %s names no interface", linux_node.card);
        return 0;
    }
    if (port_max > 0) {
        ports[0] = (struct nic_port){.model = "AF_XDP"};
        memcpy(ports[0].name, linux_node.card, length + 1);
    }
    return 1;
}

static const struct nic_driver xdp_driver = {
    .name = "Linux interface",
    .cards = "--card xdp:NAME",
    .find = find,
    .read_mac = read_mac,
    .start = start,
    .open_queue = open_queue,
};
NIC_DRIVER(xdp_driver);
