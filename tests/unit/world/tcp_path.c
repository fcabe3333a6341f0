/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/tcp_path_receiver.c */
/* sources: net/transport/tcp/sender.c net/transport/tcp/blocked.c net/transport/tcp/persist.c net/transport/tcp/piece.c net/transport/tcp/sender_output.c net/transport/tcp/queue.c net/transport/tcp/send_buffer.c net/transport/tcp/recovery.c net/transport/tcp/episode.c net/transport/tcp/loss_timer.c */
/* sources: net/transport/tcp/recovery_block.c net/transport/tcp/scoreboard.c net/transport/tcp/rack.c */
/* sources: net/transport/tcp/prr.c net/transport/tcp/newreno.c net/transport/tcp/probe.c */
/* sources: net/transport/tcp/undo.c net/transport/tcp/congestion.c net/transport/tcp/cubic.c */
/* sources: net/transport/tcp/hystart.c net/transport/tcp/round_trip.c net/transport/tcp/rto_option.c */
/* sources: kernel/message/channel.c kernel/message/status.c kernel/log.c */
/* sources: tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
#include "tests/unit/world/tcp_path.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "net/headers.h"
#include "net/packet.h"
#include "net/transport/tcp/congestion.h"
#include "net/transport/tcp/events.h"
#include "net/transport/tcp/loss_timer.h"
#include "net/transport/tcp/queue.h"
#include "net/transport/tcp/recovery.h"
#include "net/transport/tcp/recovery_block.h"
#include "net/transport/tcp/segment_out.h"
#include "net/transport/tcp/sender.h"
#include "net/transport/tcp/sequence.h"
#include "tests/unit/world/fake_memory.h"
#include "tests/unit/world/fake_platform.h"

#define ISS          0xFFFF0000u /* numbers wrap after 64 KiB */
#define FIRST        (ISS + 1)
#define SCALE        7
#define WINDOW_BYTES (8u << 20)
#define BURST_BYTES  44000u /* that the card cuts */
#define EVENTS_MAX   65536u
#define ROUNDS_MAX   64u /* until the sender has sent all it may */
#define MEMORY_BYTES (1ull << 30)

struct path path;

/* --- What is on its way --- */

enum event_kind { EVENT_SEGMENT, EVENT_ACK };

struct event {
    uint64_t time_us;
    unsigned order; /* of those at one time */
    enum event_kind kind;
    struct path_segment segment;
    struct path_ack ack;
};

static struct event events[EVENTS_MAX + 1]; /* a heap from 1 on */
static unsigned event_count, event_order;
static uint64_t link_free_ns;
static uint32_t random_state;

static bool is_earlier(const struct event *event, const struct event *other)
{
    return event->time_us == other->time_us ? event->order < other->order
                                            : event->time_us < other->time_us;
}

static void event_put(struct event *event, uint64_t time_us)
{
    unsigned i = ++event_count;

    ASSERT(event_count <= EVENTS_MAX);
    event->time_us = time_us;
    event->order = event_order++;
    for (; i > 1 && is_earlier(event, &events[i / 2]); i /= 2) {
        events[i] = events[i / 2];
    }
    events[i] = *event;
}

static struct event event_take(void)
{
    struct event first = events[1], last = events[event_count--];
    unsigned i = 1, child;

    while ((child = 2 * i) <= event_count) {
        child += child < event_count && is_earlier(&events[child + 1], &events[child]);
        if (!is_earlier(&events[child], &last)) {
            break;
        }
        events[i] = events[child];
        i = child;
    }
    events[i] = last;
    return first;
}

/* Whether something happens that does so many times of a thousand. */
static bool happens(unsigned per_mille)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 10) % 1000 < per_mille;
}

static void transmit(struct path_segment segment)
{
    struct event event = {.kind = EVENT_SEGMENT, .segment = segment};
    uint64_t now_ns = path.now_us * 1000ull;
    uint32_t late_us = path.options.fate != NULL ? path.options.fate(&segment) : 0;

    path.sent_count++;
    path.again_count += segment.is_again;
    path.again_bytes += segment.is_again ? segment.length_bytes : 0;
    if (link_free_ns < now_ns) {
        link_free_ns = now_ns;
    }
    if (path.options.bytes_per_ms != 0) {
        uint64_t waiting_bytes = (link_free_ns - now_ns) * path.options.bytes_per_ms / 1000000;

        if (waiting_bytes > path.options.queue_bytes) {
            return;
        }
        link_free_ns += segment.length_bytes * 1000000ull / path.options.bytes_per_ms;
    }
    if (late_us == PATH_LOST || happens(path.options.loss_per_mille)) {
        return;
    }
    for (int i = 0; i <= happens(path.options.duplicate_per_mille); i++) {
        event_put(&event, link_free_ns / 1000 + path.options.delay_us + late_us);
    }
}

static void acknowledge(void)
{
    struct event event = {.kind = EVENT_ACK, .ack = path_receiver_acknowledge()};
    uint32_t late_us = path.options.ack_fate != NULL ? path.options.ack_fate(path.now_us) : 0;

    if (late_us != PATH_LOST) {
        event_put(&event, path.now_us + path.options.delay_us + late_us);
    }
}

static void arrive(const struct event *event)
{
    struct tcp_options options = event->ack.options;
    struct packet packet = {
        .sequence = 1, .tcp_flags = TCP_FLAG_ACK, .acknowledgment = FIRST + event->ack.next_offset};

    if (event->kind == EVENT_SEGMENT) {
        if (path_receiver_take(event->segment.offset, event->segment.length_bytes)) {
            acknowledge();
        }
        return;
    }
    packet.window = (uint16_t)(event->ack.window_bytes >> SCALE);
    for (unsigned i = 0; i < options.sack_count; i++) {
        options.sack[i][0] += FIRST;
        options.sack[i][1] += FIRST;
    }
    assert_false(sender_acknowledge(&path.tcb, &packet, options.sack_count > 0 ? &options : NULL));
}

/* --- What the sender asks for --- */

uint32_t tcp_now_us(void)
{
    return (uint32_t)path.now_us;
}

int segment_out_send(struct tcb *tcb, const struct reference *first, uint32_t sequence,
                     uint32_t length_bytes, uint8_t tcp_flags)
{
    (void)first;
    (void)tcp_flags;
    while (length_bytes != 0) {
        uint32_t piece_bytes = length_bytes < tcb->mss ? length_bytes : tcb->mss;
        struct path_segment segment = {.offset = sequence - FIRST,
                                       .length_bytes = piece_bytes,
                                       .ordinal = path.sent_count,
                                       .sent_us = path.now_us};

        segment.is_again = segment.offset < path.highest_offset;
        if (segment.offset + piece_bytes > path.highest_offset) {
            path.highest_offset = segment.offset + piece_bytes;
        }
        transmit(segment);
        sequence += piece_bytes;
        length_bytes -= piece_bytes;
    }
    return 0;
}

uint32_t segment_out_fit(const struct tcb *tcb, const struct reference *first, uint32_t most_bytes)
{
    (void)tcb;
    (void)first;
    return most_bytes < BURST_BYTES ? most_bytes : BURST_BYTES;
}

bool segment_out_fits(const struct tcb *tcb, uint32_t queued_bytes)
{
    (void)tcb;
    return queued_bytes <= BURST_BYTES;
}

void tcp_event_acknowledged(struct tcb *tcb, uint32_t bytes)
{
    (void)tcb;
    assert_true(bytes > 0);
}

void tcp_event_unsettled(struct tcb *tcb)
{
    (void)tcb;
}

/* Nobody has set any. */
void tcb_end_brief_timer(struct tcb *tcb)
{
    (void)tcb;
    PANIC("a timer that is not brief is to end");
}

void tcb_end(struct tcb *tcb, int error)
{
    assert_int_equal(error, ETIMEDOUT);
    sender_drop(tcb);
    path.is_over = true;
}

void tcb_abort(struct tcb *tcb, int error)
{
    tcb_end(tcb, error);
}

/* --- Runs --- */

static bool is_block_refused(const struct memory_kind *kind)
{
    return strcmp(kind->name, "tcp_recovery") == 0;
}

void path_open(const struct path_options *options)
{
    if (path.tcb.mss != 0 && !path.is_over) {
        sender_drop(&path.tcb);
    }
    memset(&path, 0, sizeof(path));
    path.options = *options;
    path.options.window_bytes =
        options->window_bytes != 0 ? options->window_bytes : WINDOW_BYTES - 256;
    path.now_us = 0xFFF00000; /* the clock wraps after a second */
    fake_platform_reset(0, 1);
    fake_status_page(0)->memory_bytes = MEMORY_BYTES;
    fake_set_archive((const void *)(uintptr_t)0x10000000, 1u << 30);
    memory_fault = options->has_no_memory ? is_block_refused : NULL;
    event_count = event_order = 0;
    link_free_ns = 0;
    random_state = options->seed;
    queue_initialise();
    sender_initialise();
    recovery_initialise();
    path.tcb.has_sack = options->has_sack;
    path.tcb.snd_scale = SCALE;
    path.tcb.state = TCB_ESTABLISHED;
    sender_open(&path.tcb, ISS, path.options.window_bytes, 0, PATH_MSS);
    recovery_open(&path.tcb, 0, false);
    congestion_open(&path.tcb, false, tcp_now_us());
    path_receiver_reset();
}

void path_write(uint32_t bytes)
{
    path.total_bytes += bytes;
}

static void write_more(void)
{
    uint32_t room_bytes = queue_room_bytes(&path.tcb);
    uint32_t bytes = path.total_bytes - path.written_bytes;

    if (bytes > room_bytes) {
        bytes = room_bytes;
    }
    if (bytes > 0) {
        assert_true(queue_append_archive(
            &path.tcb, (const uint8_t *)(uintptr_t)0x10000000 + path.written_bytes, bytes));
        path.written_bytes += bytes;
    }
}

/* The sender's, in our time, but not before now. */
static bool sender_due_us(uint64_t *due_us)
{
    uint32_t deadline_us, now_us = tcp_now_us();
    bool has_deadline = sender_deadline(&path.tcb, &deadline_us);

    *due_us =
        path.now_us + (time_has_come(now_us, deadline_us) ? 0 : (uint64_t)(deadline_us - now_us));
    return has_deadline;
}

/* Moves time to what is next, but not beyond that; false: nothing is. */
static bool step(uint64_t until_us)
{
    uint64_t next_us = PATH_NEVER, due_us;
    bool is_ack_due = false;

    if (event_count > 0) {
        next_us = events[1].time_us;
    }
    if (path_receiver_deadline(&due_us) && due_us < next_us) {
        next_us = due_us;
        is_ack_due = true;
    }
    if (sender_due_us(&due_us) && due_us < next_us && due_us <= until_us) {
        path.now_us = due_us;
        sender_expire(&path.tcb);
        return true;
    }
    if (next_us == PATH_NEVER || next_us > until_us) {
        return false;
    }
    path.now_us = next_us;
    if (is_ack_due) {
        acknowledge();
    } else {
        struct event event = event_take();

        arrive(&event);
    }
    return true;
}

/* What the sums say, the marks say. */
void path_check(void)
{
    const struct tcb *tcb = &path.tcb;
    uint32_t sacked_bytes = 0, lost_bytes = 0, sequence = tcb->snd_una;

    for (const struct reference *reference = tcb->queue_head; reference != tcb->unsent;
         reference = reference->next) {
        uint32_t bytes = reference_end(reference) - reference->sequence;

        assert_int_equal(reference->sequence, sequence);
        sequence += bytes;
        sacked_bytes += (reference->flags & REFERENCE_SACKED) != 0 ? bytes : 0;
        lost_bytes += (reference->flags & REFERENCE_LOST) != 0 ? bytes : 0;
    }
    assert_int_equal(sequence, tcb->snd_max);
    if (tcb->recovery != NULL) {
        assert_int_equal(tcb->recovery->lost_bytes, lost_bytes);
        assert_true(!tcb->has_sack || tcb->recovery->sacked_bytes == sacked_bytes);
    }
    assert_true(tcb->cwnd >= tcb->mss || tcb->recovery != NULL);
    assert_true(tcb->snd_una == tcb->snd_max || tcb->loss_timer != LOSS_TIMER_NONE ||
                tcb->persist_interval_us != 0);
}

uint64_t path_run(uint64_t limit_us)
{
    uint64_t began_us = path.now_us;

    do {
        write_more();
        (void)sender_output(&path.tcb);
        for (unsigned i = 0; path.tcb.is_output_blocked && i < ROUNDS_MAX; i++) {
            (void)sender_poll_blocked();
        }
        assert_false(path.tcb.is_output_blocked);
        path_check();
        if (path.observe != NULL) {
            path.observe(&path);
        }
        if (!path.is_over && path.written_bytes == path.total_bytes &&
            path.tcb.snd_una == FIRST + path.total_bytes) {
            return path.now_us - began_us;
        }
    } while (!path.is_over && step(began_us + limit_us));
    return PATH_NEVER;
}

void path_wait(uint64_t wait_us)
{
    uint64_t until_us = path.now_us + wait_us;

    while (step(until_us)) {
        (void)sender_output(&path.tcb);
        path_check();
    }
    if (path.now_us < until_us) {
        path.now_us = until_us;
    }
}

uint64_t path_counter(unsigned counter)
{
    return counter_read(0, counter);
}
