/* SPDX-License-Identifier: MIT */
/*
 * A card in memory (--card memory:...): one queue, and behind it clients that live in this program
 * (visitors.c). What the node sends they take in when the card is next looked at, and what they
 * send comes then; between such looks nothing happens, so the card needs no interrupt. Clients and
 * card are timed, so that what a request costs the node can be told from what it costs them.
 */
#include <errno.h>
#include <string.h>

#include "drivers/acpi/power.h"
#include "drivers/hosted/visitors.h"
#include "drivers/nic/checksum.h"
#include "drivers/nic/nic.h"
#include "kernel/hosted/hosted.h"
#include "kernel/log.h"
#include "kernel/platform.h"
#include "kernel/thread/thread.h"
#include "kernel/thread/timer.h"
#include "kernel/x86/cpu.h"
#include "libc/core/memory.h"

#define CARD_WORD         "memory"
#define RING_FRAMES       1024u /* in either direction; a power of two */
#define BUFFERS           (2 * RING_FRAMES)
#define LOOK_NS           (10 * NS_PER_MS)
/* A look at the card that took longer was interrupted by another process: it counts as the others
 * do. Chosen: some hundred microseconds, above any whole batch. */
#define INTERRUPTED_TICKS 300000u
/* A measurement leaves out what comes first, while tables and caches fill: one part in so many. */
#define WARM_UP           8

struct buffer {
    struct frame frame;
    struct buffer *next; /* free */
    _Alignas(CHANNEL_LINE_BYTES) uint8_t data[FRAME_BUFFER_BYTES];
};

static const uint8_t own_mac[6] = {0x52, 0x54, 0, 0, 0, 0x10};

/* Counters run freely; a ring's place is its low bits. */
static struct {
    struct nic nic;
    struct nic_queue queue;
    bool is_enabled;
    struct buffer *free;
    struct frame *rx[RING_FRAMES];
    uint32_t rx_head, rx_tail;
    struct buffer *reserved;
    struct frame_to_send tx[RING_FRAMES];
    uint32_t tx_done, tx_taken, tx_flushed, tx_tail; /* in this order */
    uint32_t missed;
    struct timer timer;
} card;

static struct visitors_setting setting;
static uint64_t visitor_ticks; /* of the TSC, in card and clients */
static uint64_t look_count;    /* in how many looks */
static bool is_measuring;
static bool has_ended;

/* --- The clients' side --- */

static void release(struct frame *frame)
{
    struct buffer *buffer = CONTAINER_OF(frame, struct buffer, frame);

    buffer->next = card.free;
    card.free = buffer;
}

uint8_t *memory_card_reserve(void)
{
    if (card.free == NULL || card.rx_tail - card.rx_head == RING_FRAMES) {
        card.missed++;
        return NULL;
    }
    card.reserved = card.free;
    return card.reserved->data;
}

void memory_card_deliver(size_t length_bytes, unsigned frame_flags)
{
    struct frame *frame = &card.reserved->frame;

    ASSERT_SLOW(card.reserved == card.free && length_bytes <= FRAME_BUFFER_BYTES);
    card.free = card.free->next;
    frame->length_bytes = (uint16_t)length_bytes;
    frame->flags = (uint16_t)frame_flags;
    card.rx[card.rx_tail++ % RING_FRAMES] = frame;
}

static void end(void)
{
    bool is_right;

    has_ended = true;
    if (is_measuring) {
        char kind[32];
        uint64_t left_out = setting.count / WARM_UP;

        strcpy(kind, setting.per_connection > 1 ? "kept-alive" : "short");
        linux_measure_end(kind, setting.count - left_out, visitor_ticks);
    }
    is_right = visitors_report();
    log_flush_all();
    power_exit(is_right ? POWER_EXIT_PASS : POWER_EXIT_PANIC);
}

static void count_ticks(uint64_t start)
{
    uint64_t ticks = cpu_read_tsc() - start;

    if (ticks >= INTERRUPTED_TICKS) {
        ticks = look_count == 0 ? 0 : visitor_ticks / look_count;
    }
    visitor_ticks += ticks;
    look_count++;
}

/* Let the clients take what has been sent. */
static void run_visitors(void)
{
    uint64_t start = cpu_read_tsc();

    if (card.tx_taken == card.tx_flushed || has_ended) {
        return;
    }
    while (card.tx_taken != card.tx_flushed) {
        visitors_take(&card.tx[card.tx_taken++ % RING_FRAMES]);
    }
    visitors_end_batch();
    count_ticks(start);
    if (UNLIKELY(!is_measuring && !setting.is_checked &&
                 visitors_answered() >= setting.count / WARM_UP)) {
        is_measuring = true;
        linux_measure_begin();
        visitor_ticks = look_count = 0;
    }
    if (UNLIKELY(visitors_is_done())) {
        end();
    }
}

static void look_at_clock(struct timer *timer)
{
    uint64_t start = cpu_read_tsc();

    visitors_look_at_clock(platform_now_ns());
    visitors_end_batch();
    count_ticks(start);
    if (timer_start(timer, platform_now_ns() + LOOK_NS) != 0) {
        log_error("card", "no memory for the clients' timer");
    }
}

/* --- A queue --- */

static unsigned receive(struct nic_queue *queue, struct frame **frames, unsigned frame_max)
{
    unsigned count = 0;

    (void)queue;
    run_visitors();
    while (card.rx_head != card.rx_tail && count < frame_max) {
        frames[count++] = card.rx[card.rx_head++ % RING_FRAMES];
    }
    return count;
}

static bool is_pending(const struct nic_queue *queue)
{
    (void)queue;
    run_visitors();
    return card.rx_head != card.rx_tail;
}

static bool arm(struct nic_queue *queue)
{
    return !is_pending(queue);
}

/* The clients check sums that were inserted as the driver of a plain card does it. */
static int transmit(struct nic_queue *queue, const struct frame_to_send *frame)
{
    (void)queue;
    if (card.tx_tail - card.tx_done == RING_FRAMES) {
        return -EAGAIN;
    }
    if (setting.is_checked) {
        frame_insert_checksums(frame, frame->offload);
    }
    nic_count_sent(frame);
    card.tx[card.tx_tail++ % RING_FRAMES] = *frame;
    return 0;
}

static void flush(struct nic_queue *queue)
{
    (void)queue;
    card.tx_flushed = card.tx_tail;
}

static unsigned reclaim(struct nic_queue *queue)
{
    unsigned told = 0;

    (void)queue;
    while (card.tx_done != card.tx_taken) {
        const struct frame_to_send *frame = &card.tx[card.tx_done % RING_FRAMES];
        void (*done)(void *context) = frame->done;
        void *context = frame->context;

        card.tx_done++;
        if (done != NULL) {
            done(context);
            told++;
        }
    }
    return told;
}

static unsigned in_flight(const struct nic_queue *queue)
{
    (void)queue;
    return card.tx_tail - card.tx_done;
}

static uint32_t take_dropped(struct nic_queue *queue)
{
    uint32_t missed = card.missed;

    (void)queue;
    card.missed = 0;
    return missed;
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
    timer_initialise(&card.timer, look_at_clock);
    visitors_start(&setting, own_mac);
    return timer_start(&card.timer, platform_now_ns() + LOOK_NS) == 0 ? 0 : -ETIMEDOUT;
}

static void stop(struct nic *nic)
{
    (void)nic;
    timer_stop(&card.timer);
}

static struct nic_link check_link(struct nic *nic)
{
    (void)nic;
    return (struct nic_link){.is_up = true, .megabits = 10000};
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

static int fill_buffers(void)
{
    for (unsigned i = 0; i < BUFFERS; i++) {
        struct buffer *buffer = memory_allocate_zeroed(sizeof(*buffer));

        if (buffer == NULL) {
            log_error("card", "no memory for its buffers");
            return -ENOMEM;
        }
        buffer->frame.data = buffer->data;
        buffer->frame.release = release;
        release(&buffer->frame);
    }
    return 0;
}

static int start(const struct nic_port *port, const node_id_t *nodes, unsigned node_count,
                 struct nic **nic)
{
    int result = fill_buffers();

    (void)port;
    (void)nodes;
    (void)node_count;
    if (result != 0) {
        return result;
    }
    if (thread_self() != NULL) {
        thread_yield(); /* as others reset: whoever is to be told of the card comes up meanwhile */
    }
    card.nic = (struct nic){
        .operations = &operations, .queue_count = 1, .can_segment_tcp = !setting.is_checked};
    memcpy(card.nic.mac, own_mac, sizeof(own_mac));
    *nic = &card.nic;
    return 0;
}

static int open_queue(const struct nic_queue_key *key, struct nic_queue **queue)
{
    /* Another process has its own clients, and nobody has started them. */
    if (key->queue_index != 0 || card.nic.operations == NULL) {
        return -EINVAL;
    }
    card.queue = (struct nic_queue){.operations = &queue_operations,
                                    .interrupt_vector = HOSTED_VECTOR_QUIET};
    *queue = &card.queue;
    return 0;
}

static int read_mac(const struct nic_port *port, uint8_t mac[6])
{
    (void)port;
    memcpy(mac, own_mac, sizeof(own_mac));
    return 0;
}

static unsigned find(enum nic_reach reach, struct nic_port *ports, unsigned port_max)
{
    const char *words = linux_node.card + strlen(CARD_WORD);

    (void)reach;
    if (strncmp(linux_node.card, CARD_WORD, strlen(CARD_WORD)) != 0 ||
        (*words != '\0' && *words != ':') ||
        visitors_parse(*words == ':' ? words + 1 : words, &setting) != 0) {
        return 0;
    }
    if (port_max > 0) {
        ports[0] = (struct nic_port){.name = "memory", .model = "clients"};
    }
    return 1;
}

static const struct nic_driver memory_driver = {
    .name = "card in memory",
    .cards = "--card memory",
    .find = find,
    .read_mac = read_mac,
    .start = start,
    .open_queue = open_queue,
};
NIC_DRIVER(memory_driver);
