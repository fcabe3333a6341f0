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
#include "drivers/hosted/faults.h"
#include "drivers/hosted/rings.h"
#include "drivers/hosted/visitors.h"
#include "drivers/nic/checksum.h"
#include "drivers/nic/nic.h"
#include "kernel/hosted/hosted.h"
#include "kernel/log.h"
#include "kernel/platform.h"
#include "libc/core/cpu.h"
#include "libc/core/timer.h"

#define CARD_WORD         "memory"
#define BUFFERS           (2 * RINGS_FRAME_MAX)
#define LOOK_NS           (10 * NS_PER_MS)
/* A look at the card that took longer was interrupted by another process: it counts as the others
 * do. Chosen: some hundred microseconds, above any whole batch. */
#define INTERRUPTED_TICKS 300000u
/* A measurement leaves out what comes first, while tables and caches fill: one part in so many. */
#define WARM_UP           8

static const uint8_t own_mac[6] = {0x52, 0x54, 0, 0, 0, 0x10};

static struct {
    struct nic nic;
    struct rings rings;
    struct timer timer;
} card;

static struct visitors_setting setting;
static uint64_t visitor_ticks; /* of the TSC, in card and clients */
static uint64_t look_count;    /* in how many looks */
static bool is_measuring;
static bool has_ended;

/* --- The clients' side --- */

uint8_t *memory_card_reserve(void)
{
    uint8_t *data = rings_reserve(&card.rings);

    card.rings.dropped += data == NULL;
    return data;
}

void memory_card_deliver(size_t length_bytes, unsigned frame_flags)
{
    rings_deliver(&card.rings, length_bytes, frame_flags);
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
    if (faults_are_wanted()) {
        faults_report();
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

/* Let the clients take what has been sent. They check sums that are inserted as the driver of a
 * plain card does it. */
static void run_visitors(void)
{
    uint64_t start = cpu_read_tsc();
    const struct frame_to_send *frame = has_ended ? NULL : rings_take(&card.rings);

    if (frame == NULL) {
        return;
    }
    do {
        if (setting.is_checked) {
            frame_insert_checksums(frame, frame->offload);
        }
        visitors_take(frame);
        frame = rings_take(&card.rings);
    } while (frame != NULL);
    visitors_end_batch();
    count_ticks(start);
    if (UNLIKELY(!is_measuring && !setting.is_checked &&
                 visitors_answered() >= setting.count / WARM_UP)) {
        is_measuring = true;
        linux_measure_begin();
        visitor_ticks = look_count = 0;
    }
    if (UNLIKELY(visitors_is_done() && !faults_are_wanted())) {
        end();
    }
}

static void look_at_clock(struct timer *timer)
{
    uint64_t start = cpu_read_tsc();

    visitors_look_at_clock(platform_now_ns());
    visitors_end_batch();
    count_ticks(start);
    /* With faults the end is when all has been put back. */
    if (faults_are_wanted() && visitors_are_gone() && faults_are_over()) {
        end();
    }
    if (timer_start(timer, platform_now_ns() + LOOK_NS) != 0) {
        log_error("card", "no memory for the clients' timer");
    }
}

/* --- A queue --- */

static unsigned receive(struct nic_queue *queue, struct frame **frames, unsigned frame_max)
{
    run_visitors();
    return rings_receive(queue, frames, frame_max);
}

static bool is_pending(const struct nic_queue *queue)
{
    run_visitors();
    return rings_is_pending(queue);
}

static const struct nic_queue_operations queue_operations = {
    .receive = receive,
    .is_pending = is_pending,
    .transmit = rings_transmit,
    .flush = rings_flush,
    .reclaim = rings_reclaim,
    .in_flight = rings_in_flight,
    .take_dropped = rings_take_dropped,
    .count_buffers = rings_count_buffers,
};

/* --- The card as a whole --- */

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

static const struct nic_operations operations = {
    .check_link = check_link,
    .enable_receive = enable_receive,
    .stop = stop,
};

static int start(const struct nic_port *port, const node_id_t *nodes, unsigned node_count,
                 struct nic_grouping grouping, struct nic **nic)
{
    (void)port;
    (void)nodes;
    (void)grouping;
    (void)node_count;
    card.rings.frame_max = RINGS_FRAME_MAX;
    if (rings_add_buffers(&card.rings, BUFFERS) != 0) {
        log_error("card", "no memory for its buffers");
        return -ENOMEM;
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
    card.rings.queue = (struct nic_queue){.operations = &queue_operations,
                                          .interrupt_vector = HOSTED_VECTOR_QUIET,
                                          .can_segment_tcp = card.nic.can_segment_tcp};
    *queue = &card.rings.queue;
    return 0;
}

static int read_mac(const struct nic_port *port, uint8_t mac[6])
{
    (void)port;
    memcpy(mac, own_mac, sizeof(own_mac));
    return 0;
}

static unsigned find(struct nic_port *ports, unsigned port_max)
{
    const char *words = linux_node.card + strlen(CARD_WORD);

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
