/* SPDX-License-Identifier: MIT */
/*
 * A card that is a TAP device (--card tap:NAME): what it sends comes out of that network interface
 * of Linux, and the other way round. It tells no flows apart by groups; where it has several
 * queues, Linux sends a flow to the queue that has last sent for it. It makes no checksums.
 */
#include <errno.h>
#include <string.h>

#include "drivers/hosted/linux.h"
#include "drivers/hosted/sent.h"
#include "drivers/nic/checksum.h"
#include "drivers/nic/nic.h"
#include "kernel/hosted/hosted.h"
#include "kernel/log.h"
#include "kernel/platform.h"
#include "kernel/thread/thread.h"
#include "libc/core/memory.h"

#define CARD_WORD "tap:"
#define BUFFERS   512u

/* As a queue's key: the name's bytes in two words. */
_Static_assert(LINUX_INTERFACE_NAME_BYTES <= NIC_QUEUE_KEY_WORDS * sizeof(uint64_t),
               "a key holds a name");

struct buffer {
    struct frame frame;
    struct buffer *next; /* free */
    _Alignas(CHANNEL_LINE_BYTES) uint8_t data[FRAME_BUFFER_BYTES];
};

/* The card as a whole: on the node that has started it. */
static struct {
    struct nic nic;
    char name[LINUX_INTERFACE_NAME_BYTES];
    bool has_queues;
    int first_file; /* of queue 0 */
} card;

/* This node's own queue. Counters run freely. */
static struct {
    struct nic_queue queue;
    int file;
    bool may_have_more; /* the last look took as many as it might */
    struct buffer *free;
    bool has_complained;
} own;

/* --- A queue --- */

static void release(struct frame *frame)
{
    struct buffer *buffer = CONTAINER_OF(frame, struct buffer, frame);

    buffer->next = own.free;
    own.free = buffer;
}

static struct frame *read_frame(void)
{
    struct buffer *buffer = own.free;
    int length = linux_tap_read(own.file, buffer->data, FRAME_BUFFER_BYTES);

    if (length <= 0) {
        return NULL;
    }
    own.free = buffer->next;
    buffer->frame.length_bytes = (uint16_t)length;
    /* One that fills the buffer was longer. */
    buffer->frame.flags = length == (int)FRAME_BUFFER_BYTES ? FRAME_DAMAGED : 0;
    return &buffer->frame;
}

static unsigned receive(struct nic_queue *queue, struct frame **frames, unsigned frame_max)
{
    unsigned count = 0;

    (void)queue;
    /* Without a free buffer frames wait in the device, which counts what it has no room for. */
    while (count < frame_max && own.free != NULL && (frames[count] = read_frame()) != NULL) {
        count++;
    }
    own.may_have_more = count == frame_max;
    return count;
}

/* What comes later ends the sleep: the file is readable as long as a frame waits. */
static bool is_pending(const struct nic_queue *queue)
{
    (void)queue;
    return own.may_have_more;
}

static bool arm(struct nic_queue *queue)
{
    return !is_pending(queue);
}

/* Linux copies it at once. What it has no room for is lost, as on any wire. */
static int transmit(struct nic_queue *queue, const struct frame_to_send *frame)
{
    int error;

    (void)queue;
    if (!sent_has_room()) {
        return -EAGAIN;
    }
    frame_insert_checksums(frame, frame->offload);
    error = linux_tap_write(own.file, frame->fragments, frame->fragment_count);
    if (error != 0 && !own.has_complained) {
        own.has_complained = true;
        log_warning("tap", "a frame cannot be sent: error %d; others are lost without a word",
                    -error);
    }
    nic_count_sent(frame);
    sent_note(frame);
    return 0;
}

static void flush(struct nic_queue *queue)
{
    (void)queue;
}

static unsigned reclaim(struct nic_queue *queue)
{
    (void)queue;
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
    memcpy(key->words, card.name, sizeof(card.name));
}

static int enable_receive(struct nic *nic)
{
    (void)nic;
    return 0; /* Linux keeps what has come; its count is bounded */
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

/* Linux spreads by itself. */
static void spread(struct nic *nic, const uint8_t *queues, unsigned count)
{
    (void)nic;
    (void)queues;
    (void)count;
}

static const struct nic_operations operations = {
    .make_queue_key = make_queue_key,
    .enable_receive = enable_receive,
    .stop = stop,
    .check_link = check_link,
    .take_missed = take_missed,
    .spread = spread,
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
                 struct nic **nic)
{
    (void)nodes;
    memcpy(card.name, port->name + strlen(CARD_WORD), sizeof(card.name));
    card.has_queues = node_count > 1;
    card.nic = (struct nic){.operations = &operations};
    card.first_file = open_device(&card.has_queues, card.nic.mac);
    if (card.first_file < 0) {
        return card.first_file;
    }
    card.nic.queue_count = card.has_queues ? (uint16_t)node_count : 1;
    if (thread_self() != NULL) {
        thread_yield(); /* as others reset: whoever is to be told of the card comes up meanwhile */
    }
    *nic = &card.nic;
    return 0;
}

static int fill_buffers(void)
{
    for (unsigned i = 0; i < BUFFERS; i++) {
        struct buffer *buffer = memory_allocate_zeroed(sizeof(*buffer));

        if (buffer == NULL) {
            return -ENOMEM;
        }
        buffer->frame.data = buffer->data;
        buffer->frame.release = release;
        release(&buffer->frame);
    }
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
    if (fill_buffers() != 0) {
        return -ENOMEM;
    }
    own.queue = (struct nic_queue){.operations = &queue_operations,
                                   .interrupt_vector = hosted_watch(own.file)};
    *queue = &own.queue;
    return 0;
}

static int read_mac(const struct nic_port *port, uint8_t mac[6])
{
    (void)port;
    (void)mac;
    return -ENODEV; /* it has none before it is opened */
}

static unsigned find(enum nic_reach reach, struct nic_port *ports, unsigned port_max)
{
    size_t length = strlen(linux_node.card);

    (void)reach;
    if (strncmp(linux_node.card, CARD_WORD, strlen(CARD_WORD)) != 0) {
        return 0;
    }
    if (length == strlen(CARD_WORD) || length >= strlen(CARD_WORD) + LINUX_INTERFACE_NAME_BYTES) {
        log_error("tap", "--card %s names no interface", linux_node.card);
        return 0;
    }
    if (port_max > 0) {
        ports[0] = (struct nic_port){.model = "TAP"};
        memcpy(ports[0].name, linux_node.card, length + 1);
    }
    return 1;
}

static const struct nic_driver tap_driver = {
    .name = "TAP device",
    .cards = "--card tap:NAME",
    .find = find,
    .read_mac = read_mac,
    .start = start,
    .open_queue = open_queue,
};
NIC_DRIVER(tap_driver);
