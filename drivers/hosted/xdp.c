/* SPDX-License-Identifier: MIT */
/*
 * A card that is a network interface of Linux (--card xdp:NAME), in rings of AF_XDP: the first
 * queue of it is this node's alone while it runs, with the interface's own address. What comes lies
 * in our memory at once; what is sent is copied there. One queue; no checksums, no groups.
 */
#include <errno.h>
#include <string.h>

#include "drivers/hosted/interface.h"
#include "drivers/hosted/linux.h"
#include "drivers/hosted/rings.h"
#include "drivers/nic/checksum.h"
#include "drivers/nic/nic.h"
#include "kernel/hosted/hosted.h"
#include "kernel/limits.h"
#include "kernel/log.h"
#include "kernel/platform.h"
#include "libc/core/memory.h"

/* A chunk for each place of the ring of chunks given, and of that of frames to send. */
#define RX_CHUNKS    LINUX_XDP_RING_FRAMES
#define TX_CHUNKS    LINUX_XDP_RING_FRAMES
#define MEMORY_BYTES ((RX_CHUNKS + TX_CHUNKS) * (size_t)LINUX_XDP_CHUNK_BYTES)

_Static_assert(LINUX_XDP_CHUNK_BYTES <= FRAME_BUFFER_BYTES, "no frame is longer than nic.h says");

static struct {
    struct nic nic;
    struct rings rings; /* for frames to send */
    char name[LINUX_INTERFACE_NAME_BYTES];
    int file;
    uint8_t *memory;
    struct frame frames[RX_CHUNKS]; /* by chunk */
    uint64_t free_tx[TX_CHUNKS];    /* offsets */
    unsigned free_tx_count;
    bool may_have_more;
} card;

/* --- The queue --- */

MEMORY_KIND(frames_kind, "xdp_frames");

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

static void take_sent(void)
{
    int64_t offset;

    while ((offset = linux_xdp_take_sent()) >= 0) {
        ASSERT(card.free_tx_count < TX_CHUNKS);
        card.free_tx[card.free_tx_count++] = (uint64_t)offset;
    }
}

/* The frame is copied, and so taken, at once. */
static int transmit(struct nic_queue *queue, const struct frame_to_send *frame)
{
    struct linux_xdp_frame chunk = {.length_bytes = frame->length_bytes};

    if (card.free_tx_count == 0) {
        take_sent();
    }
    if (card.free_tx_count == 0 || rings_transmit(queue, frame) != 0) {
        return -EAGAIN;
    }
    ASSERT_SLOW(chunk.length_bytes <= LINUX_XDP_CHUNK_BYTES);
    chunk.offset = card.free_tx[--card.free_tx_count];
    frame_insert_checksums(frame, frame->offload);
    rings_copy_frame(card.memory + chunk.offset, frame);
    linux_xdp_send(&chunk);
    return 0;
}

static void flush(struct nic_queue *queue)
{
    rings_flush(queue);
    while (rings_take(&card.rings) != NULL) {
    }
    linux_xdp_flush();
}

static unsigned reclaim(struct nic_queue *queue)
{
    take_sent();
    return rings_reclaim(queue);
}

/* What is lost, the interface counts: `ip -s link`. */
static const struct nic_queue_operations queue_operations = {
    .receive = receive,
    .is_pending = is_pending,
    .transmit = transmit,
    .flush = flush,
    .reclaim = reclaim,
    .in_flight = rings_in_flight,
};

/* --- The card as a whole --- */

static int enable_receive(struct nic *nic)
{
    (void)nic;
    for (unsigned i = 0; i < RX_CHUNKS; i++) {
        release(&card.frames[i]);
    }
    return 0;
}

static struct nic_link check_link(struct nic *nic)
{
    (void)nic;
    return interface_check_link(card.name);
}

/* It ends with the process. */
static const struct nic_operations operations = {
    .check_link = check_link,
    .enable_receive = enable_receive,
};

static int start(const struct nic_port *port, const node_id_t *nodes, unsigned node_count,
                 struct nic_grouping grouping, struct nic **nic)
{
    (void)nodes;
    (void)grouping;
    (void)node_count;
    interface_copy_name(card.name, port);
    card.memory = memory_allocate_pages(&frames_kind, MEMORY_BYTES / PAGE_BYTES);
    if (card.memory == NULL) {
        log_error("xdp", "no memory for frames");
        return -ENOMEM;
    }
    card.nic = (struct nic){.operations = &operations, .queue_count = 1};
    card.file = linux_xdp_open(card.name, card.memory, MEMORY_BYTES, card.nic.mac);
    if (card.file < 0) {
        log_error("xdp", "the interface %s cannot be taken over: error %d", card.name, -card.file);
        memory_release_pages(&frames_kind, card.memory, MEMORY_BYTES / PAGE_BYTES);
        return -ENODEV;
    }
    for (unsigned i = 0; i < RX_CHUNKS; i++) {
        card.frames[i].release = release;
    }
    for (unsigned i = 0; i < TX_CHUNKS; i++) {
        card.free_tx[i] = (RX_CHUNKS + i) * (uint64_t)LINUX_XDP_CHUNK_BYTES;
    }
    card.free_tx_count = TX_CHUNKS;
    *nic = &card.nic;
    return 0;
}

static int open_queue(const struct nic_queue_key *key, struct nic_queue **queue)
{
    if (key->queue_index != 0 || card.nic.operations == NULL) {
        return -EINVAL;
    }
    card.rings.frame_max = RINGS_FRAME_MAX;
    card.rings.queue = (struct nic_queue){.operations = &queue_operations,
                                          .interrupt_vector = hosted_watch(card.file)};
    *queue = &card.rings.queue;
    return 0;
}

static int read_mac(const struct nic_port *port, uint8_t mac[6])
{
    char name[LINUX_INTERFACE_NAME_BYTES];

    interface_copy_name(name, port);
    return linux_interface_mac(name, mac);
}

static unsigned find(struct nic_port *ports, unsigned port_max)
{
    return interface_find("xdp:", "AF_XDP", ports, port_max);
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
