/* SPDX-License-Identifier: MIT */
/*
 * A card that is a TAP device (--card tap:NAME): what it sends comes out of that network interface
 * of Linux, and the other way round. It tells no flows apart by groups; where it has several
 * queues, Linux sends a flow to the queue that has last sent for it. It makes no checksums.
 */
#include <errno.h>
#include <string.h>

#include "drivers/hosted/interface.h"
#include "drivers/hosted/linux.h"
#include "drivers/hosted/rings.h"
#include "drivers/nic/checksum.h"
#include "drivers/nic/nic.h"
#include "kernel/hosted/hosted.h"
#include "kernel/log.h"

#define BUFFERS 512u

/* As a queue's key: the name's bytes in two words. */
_Static_assert(LINUX_INTERFACE_NAME_BYTES <= NIC_QUEUE_KEY_WORDS * sizeof(uint64_t),
               "a key holds a name");

/* The card as a whole: on the node that has started it. */
static struct {
    struct nic nic;
    char name[LINUX_INTERFACE_NAME_BYTES];
    bool has_queues;
    int first_file; /* of queue 0 */
} card;

/* This node's own queue. */
static struct {
    struct rings rings;
    int file;
    bool may_have_more; /* the last look took as many as it might */
    bool has_complained;
} own;

/* --- A queue --- */

/* Without a free buffer frames wait in the device, which counts what it has no room for. */
static bool read_frame(void)
{
    uint8_t *data = rings_reserve(&own.rings);
    int length = data == NULL ? 0 : linux_tap_read(own.file, data, FRAME_BUFFER_BYTES);

    if (length <= 0) {
        return false;
    }
    /* One that fills the buffer was longer. */
    rings_deliver(&own.rings, (size_t)length,
                  length == (int)FRAME_BUFFER_BYTES ? FRAME_DAMAGED : 0);
    return true;
}

static unsigned receive(struct nic_queue *queue, struct frame **frames, unsigned frame_max)
{
    unsigned count = 0;

    while (count < frame_max && read_frame()) {
        count++;
    }
    own.may_have_more = count == frame_max;
    return rings_receive(queue, frames, frame_max);
}

/* What comes later ends the sleep: the file is readable as long as a frame waits. */
static bool is_pending(const struct nic_queue *queue)
{
    (void)queue;
    return own.may_have_more;
}

/* Linux copies it at once. What it has no room for is lost, as on any wire. */
static void write_frame(const struct frame_to_send *frame)
{
    int error;

    frame_insert_checksums(frame, frame->offload);
    error = linux_tap_write(own.file, frame->fragments, frame->fragment_count);
    if (error != 0 && !own.has_complained) {
        own.has_complained = true;
        log_warning("tap", "a frame cannot be sent: error %d; others are lost without a word",
                    -error);
    }
}

static void flush(struct nic_queue *queue)
{
    const struct frame_to_send *frame;

    rings_flush(queue);
    while ((frame = rings_take(&own.rings)) != NULL) {
        write_frame(frame);
    }
}

/* What is lost, the interface counts: `ip -s link`. */
static const struct nic_queue_operations queue_operations = {
    .receive = receive,
    .is_pending = is_pending,
    .transmit = rings_transmit,
    .flush = flush,
    .reclaim = rings_reclaim,
    .in_flight = rings_in_flight,
    .count_buffers = rings_count_buffers,
};

/* --- The card as a whole --- */

static void make_queue_key(const struct nic *nic, unsigned index, struct nic_queue_key *key)
{
    (void)nic;
    (void)index;
    memcpy(key->words, card.name, sizeof(card.name));
}

static struct nic_link check_link(struct nic *nic)
{
    (void)nic;
    return interface_check_link(card.name);
}

/* It ends with the process; Linux spreads flows by itself, and keeps what comes before a queue is
 * open: its count is bounded. */
static const struct nic_operations operations = {
    .check_link = check_link,
    .make_queue_key = make_queue_key,
};

static int open_device(bool *has_queues, uint8_t mac[6])
{
    int file = linux_tap_open(card.name, has_queues, mac);

    if (file < 0) {
        log_error("tap", "the TAP device %s cannot be opened: error %d", card.name, -file);
    }
    return file < 0 ? -ENODEV : file;
}

static int start(const struct nic_port *port, const node_id_t *nodes, unsigned node_count,
                 struct nic_grouping grouping, struct nic **nic)
{
    (void)nodes;
    (void)grouping;
    interface_copy_name(card.name, port);
    card.has_queues = node_count > 1;
    card.nic = (struct nic){.operations = &operations};
    card.first_file = open_device(&card.has_queues, card.nic.mac);
    if (card.first_file < 0) {
        return card.first_file;
    }
    card.nic.queue_count = card.has_queues ? (uint16_t)node_count : 1;
    *nic = &card.nic;
    return 0;
}

static int open_queue(const struct nic_queue_key *key, struct nic_queue **queue)
{
    bool is_first = card.nic.operations != NULL && key->queue_index == 0;
    bool has_queues = true;
    uint8_t mac[6];

    if (is_first) {
        own.file = card.first_file;
    } else {
        memcpy(card.name, key->words, sizeof(card.name));
        if (card.name[0] == '\0' || memchr(card.name, '\0', sizeof(card.name)) == NULL) {
            return -EINVAL;
        }
        own.file = open_device(&has_queues, mac);
        if (own.file < 0) {
            return -EINVAL;
        }
    }
    own.rings.frame_max = RINGS_FRAME_MAX;
    if (rings_add_buffers(&own.rings, BUFFERS) != 0) {
        return -ENOMEM;
    }
    own.rings.queue = (struct nic_queue){.operations = &queue_operations,
                                         .interrupt_vector = hosted_watch(own.file)};
    *queue = &own.rings.queue;
    return 0;
}

static unsigned find(struct nic_port *ports, unsigned port_max)
{
    return interface_find("tap:", "TAP", ports, port_max);
}

/* It has no address before it is opened. */
static const struct nic_driver tap_driver = {
    .name = "TAP device",
    .cards = "--card tap:NAME",
    .find = find,
    .start = start,
    .open_queue = open_queue,
};
NIC_DRIVER(tap_driver);
