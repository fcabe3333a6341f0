/* SPDX-License-Identifier: MIT */
/* sources: net/transport/tcp/sender.c net/transport/tcp/sender_output.c net/transport/tcp/piece.c net/transport/tcp/persist.c net/transport/tcp/blocked.c net/transport/tcp/recovery.c net/transport/tcp/episode.c net/transport/tcp/loss_timer.c net/transport/tcp/recovery_block.c net/transport/tcp/scoreboard.c net/transport/tcp/rack.c net/transport/tcp/prr.c net/transport/tcp/probe.c net/transport/tcp/newreno.c net/transport/tcp/undo.c */
/* sources: net/transport/tcp/round_trip.c net/transport/tcp/congestion.c net/transport/tcp/cubic.c net/transport/tcp/hystart.c */
#include "tests/unit/world/tcp_transfer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/platform.h"
#include "libc/core/memory.h"
#include "net/headers.h"
#include "net/packet.h"
#include "net/transport/tcp/congestion.h"
#include "net/transport/tcp/events.h"
#include "net/transport/tcp/options.h"
#include "net/transport/tcp/queue.h"
#include "net/transport/tcp/recovery.h"
#include "net/transport/tcp/rto_option.h"
#include "net/transport/tcp/segment_block.h"
#include "net/transport/tcp/segment_out.h"
#include "net/transport/tcp/sender.h"
#include "net/transport/tcp/sequence.h"
#include "net/transport/tcp/tcb.h"
#include "tests/unit/world/tcp_card.h"

#define ISS        0xFFFF8000u /* the numbers wrap early in every transfer */
#define FIRST      (ISS + 1)
#define IRS        1000u
#define FLYING_MAX 4096u

struct tcb tcb;

/* --- The wire --- */

/* A segment as the card has cut it, or an acknowledgement on its way back. */
struct flying {
    uint64_t arrives_ns;
    uint32_t sequence;
    uint16_t length_bytes;
    uint8_t tcp_flags;
    uint8_t payload[CARD_MSS];
    bool is_back;
    struct packet packet;
    struct tcp_options options;
};

static struct flying flying[FLYING_MAX];
static unsigned flying_head, flying_tail;
unsigned segment_count, ack_count;

bool (*is_segment_lost)(unsigned ordinal);
bool (*is_ack_lost)(unsigned ordinal);

bool lose_none(unsigned ordinal)
{
    (void)ordinal;
    return false;
}

static struct flying *send_flying(void)
{
    struct flying *new = &flying[flying_tail++ % FLYING_MAX];

    assert_true(flying_tail - flying_head <= FLYING_MAX);
    new->arrives_ns = card_now_ns + ONE_WAY_NS;
    return new;
}

/* What the card has: cut, as it does. */
static void collect_frames(void)
{
    const struct card_frame *frame;

    while ((frame = card_take()) != NULL) {
        uint32_t piece_bytes = frame->segment_bytes != 0 ? frame->segment_bytes : CARD_MSS;
        uint32_t offset = 0;

        do {
            uint32_t left = frame->length_bytes - offset;
            uint32_t length = left < piece_bytes ? left : piece_bytes;
            struct flying *segment;

            if (!is_segment_lost(segment_count++)) {
                segment = send_flying();
                segment->is_back = false;
                segment->sequence = frame->sequence + offset;
                segment->length_bytes = (uint16_t)length;
                segment->tcp_flags = frame->tcp_flags;
                if (offset + length != frame->length_bytes) {
                    segment->tcp_flags &= (uint8_t) ~(TCP_FLAG_FIN | TCP_FLAG_PSH);
                }
                memcpy(segment->payload, frame->payload + offset, length);
            }
            offset += length;
        } while (offset < frame->length_bytes);
    }
}

/* --- The receiver --- */

struct transfer_receiver receiver;

static uint8_t stream[STREAM_MAX];
uint32_t stream_bytes;

static uint32_t window_bytes(void)
{
    if (receiver.edge == 0) {
        return receiver.window_bytes;
    }
    return receiver.edge > receiver.next ? receiver.edge - receiver.next : 0;
}

static unsigned list_blocks(uint32_t blocks[][2], unsigned most)
{
    unsigned count = 0;

    /* The one that has changed first (RFC 2018 4), then from the left. */
    for (unsigned pass = 0; pass < 2; pass++) {
        for (uint32_t at = receiver.next; at <= stream_bytes && count < most;) {
            uint32_t end = at;
            bool is_latest;

            while (end <= stream_bytes && receiver.has[end]) {
                end++;
            }
            is_latest = receiver.last_offset >= at && receiver.last_offset < end;
            if (end != at && is_latest == (pass == 0)) {
                blocks[count][0] = FIRST + at;
                blocks[count][1] = FIRST + end;
                count++;
            }
            at = end + 1;
        }
    }
    return count;
}

void send_ack(void)
{
    struct flying *ack;

    receiver.unacknowledged = 0;
    if (is_ack_lost(ack_count++)) {
        return;
    }
    ack = send_flying();
    ack->is_back = true;
    ack->packet = (struct packet){
        .kind = PACKET_SEGMENT,
        .sequence = IRS + 1,
        .acknowledgment = FIRST + receiver.next,
        .window = (uint16_t)(window_bytes() >> 7),
        .tcp_flags = TCP_FLAG_ACK,
    };
    memset(&ack->options, 0, sizeof(ack->options));
    if (receiver.has_sack) {
        ack->options.sack_count = (uint8_t)list_blocks(ack->options.sack, 4);
    }
}

static void receive(const struct flying *segment)
{
    uint32_t offset = segment->sequence - FIRST;
    uint32_t length = segment->length_bytes;
    uint8_t tcp_flags = segment->tcp_flags;
    bool is_in_order = offset == receiver.next;

    assert_true(offset <= stream_bytes && offset + segment->length_bytes <= stream_bytes);
    /* What is beyond the window is cut off. */
    if (offset + length > receiver.next + window_bytes()) {
        uint32_t room = receiver.next + window_bytes();

        if (offset >= room) {
            send_ack();
            return;
        }
        length = room - offset;
        tcp_flags &= (uint8_t)~TCP_FLAG_FIN;
    }
    for (uint32_t i = 0; i < length; i++) {
        if (receiver.has[offset + i]) {
            assert_int_equal(receiver.bytes[offset + i], segment->payload[i]);
        }
        receiver.has[offset + i] = true;
        receiver.bytes[offset + i] = segment->payload[i];
    }
    receiver.last_offset = offset;
    if ((tcp_flags & TCP_FLAG_FIN) != 0) {
        receiver.fin = offset + segment->length_bytes;
        assert_int_equal(receiver.fin, stream_bytes);
        receiver.has[receiver.fin] = true;
    }
    while (receiver.next <= stream_bytes && receiver.has[receiver.next]) {
        receiver.next++;
    }
    /* RFC 9293 3.8.6.3: every second one, and at once what is not in order. */
    if (!is_in_order || ++receiver.unacknowledged == 2 || receiver.fin != UINT32_MAX ||
        receiver.next == stream_bytes) {
        send_ack();
    }
}

/* --- The sender's surroundings --- */

void tcp_event_acknowledged(struct tcb *of, uint32_t bytes)
{
    (void)of;
    (void)bytes;
}

void tcp_event_unsettled(struct tcb *of)
{
    (void)of;
}

/* Nobody has set any. */
void tcb_end_brief_timer(struct tcb *of)
{
    (void)of;
    PANIC("a timer that is not brief is to end");
}

void tcb_end(struct tcb *of, int error)
{
    (void)of;
    fail_msg("the connection has ended with %d", error);
}

void tcb_abort(struct tcb *of, int error)
{
    tcb_end(of, error);
}

const char *platform_command_line(void)
{
    return "";
}

uint32_t rto_option_min_us(const char *line)
{
    (void)line;
    return RTO_MIN_DEFAULT_MS * 1000;
}

void open_transfer(bool has_sack, uint32_t window_bytes)
{
    card_reset();
    queue_initialise();
    segment_out_initialise();
    sender_initialise();
    recovery_initialise();
    flying_head = flying_tail = 0;
    segment_count = ack_count = 0;
    is_segment_lost = is_ack_lost = lose_none;
    memset(&receiver, 0, sizeof(receiver));
    receiver.fin = UINT32_MAX;
    receiver.window_bytes = window_bytes;
    receiver.has_sack = has_sack;
    stream_bytes = 0;
    tcb = (struct tcb){
        .flow = {.remote_address = CARD_NEIGHBOR_ADDRESS, .local_address = CARD_LOCAL_ADDRESS},
        .has_sack = has_sack,
        .snd_scale = 7,
        .rcv_nxt = IRS + 1,
    };
    tcb.flow_sum = segment_flow_sum(&tcb.flow);
    sender_open(&tcb, ISS, window_bytes, IRS, CARD_MSS);
    congestion_open(&tcb, false, tcp_now_us());
    recovery_open(&tcb, 20000, false);
}

void write_copy(uint32_t length)
{
    uint8_t *place = stream + stream_bytes;

    for (uint32_t i = 0; i < length; i++) {
        place[i] = (uint8_t)(i * 13 + length + i / 256);
    }
    assert_true(queue_append_copy(&tcb, place, length));
    stream_bytes += length;
}

void write_archive(uint32_t offset, uint32_t length)
{
    memcpy(stream + stream_bytes, card_archive + offset, length);
    assert_true(queue_append_archive(&tcb, card_archive + offset, length));
    stream_bytes += length;
}

void do_round(void)
{
    (void)sender_poll_blocked();
    (void)sender_output(&tcb);
    collect_frames();
    card_complete(1 + card_unread_count() / 2);
}

bool pass_time(void)
{
    uint32_t deadline_us;
    bool has_deadline = sender_deadline(&tcb, &deadline_us);
    uint64_t deadline_ns = 0;
    struct flying *next = flying_head != flying_tail ? &flying[flying_head % FLYING_MAX] : NULL;

    if (has_deadline) {
        int32_t left_us = (int32_t)(deadline_us - tcp_now_us());

        deadline_ns = card_now_ns + (left_us > 0 ? (uint64_t)left_us * NS_PER_US : 0);
    }
    if (next != NULL && (!has_deadline || next->arrives_ns <= deadline_ns)) {
        card_now_ns = next->arrives_ns > card_now_ns ? next->arrives_ns : card_now_ns;
        flying_head++;
        if (next->is_back) {
            const struct tcp_options *options =
                next->options.sack_count != 0 ? &next->options : NULL;

            if (sequence_is_before(next->packet.acknowledgment, tcb.snd_una)) {
                return true;
            }
            (void)!sender_acknowledge(&tcb, &next->packet, options);
        } else {
            receive(next);
        }
        return true;
    }
    if (!has_deadline) {
        return tcb.is_output_blocked;
    }
    card_now_ns = deadline_ns;
    sender_expire(&tcb);
    return true;
}

bool is_wire_empty(void)
{
    return flying_head == flying_tail;
}

bool acknowledge_late(void)
{
    if (receiver.unacknowledged == 0) {
        return false;
    }
    send_ack();
    return true;
}

void finish_transfer(void)
{
    uint64_t limit_ns = card_now_ns + 600 * NS_PER_S;

    while (!sender_is_fin_acknowledged(&tcb)) {
        do_round();
        if (flying_head == flying_tail && acknowledge_late()) {
            continue;
        }
        assert_true(pass_time());
        assert_true(card_now_ns < limit_ns);
    }
    assert_int_equal(receiver.next, stream_bytes + 1);
    assert_memory_equal(receiver.bytes, stream, stream_bytes);
    sender_drop(&tcb);
    card_complete(card_unread_count());
    assert_int_equal(queue_memory_bytes(), 0);
}

void write_response(void)
{
    write_copy(250);
    write_archive(12345, 60000);
    write_copy(3000);
    sender_close(&tcb);
}
