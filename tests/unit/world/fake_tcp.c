/* SPDX-License-Identifier: MIT */
/* sources: net/transport/tcp/tcb.c net/transport/tcp/soon.c libc/core/timer.c net/transport/tcp/receiver.c net/transport/tcp/lend.c net/transport/held.c net/transport/share.c net/transport/lwip/memory.c tests/unit/world/lwip_uncalled.c */
/* sources: kernel/message/status.c kernel/message/channel.c tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
/*
 * The neighbours of TCP's receive half: see fake_tcp.h.
 */
#include "tests/unit/world/fake_tcp.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/message/dispatch.h"
#include "libc/core/pages.h"
#include "libc/core/timer.h"
#include "net/headers.h"
#include "net/transport/held.h"
#include "net/transport/tcp/congestion.h"
#include "net/transport/tcp/events.h"
#include "net/transport/tcp/options.h"
#include "net/transport/tcp/pinned.h"
#include "net/transport/tcp/receiver.h"
#include "net/transport/tcp/recovery.h"
#include "net/transport/tcp/segment.h"
#include "net/transport/tcp/segment_out.h"
#include "net/transport/tcp/sender.h"
#include "net/transport/tcp/sequence.h"
#include "net/transport/tcp/soon.h"
#include "net/transport/tcp/timewait.h"
#include "tests/unit/world/fake_memory.h"
#include "tests/unit/world/fake_platform.h"

#include "lwip/pbuf.h"

#include "hooks.h"

#define PAYLOAD_OFFSET_MOST (14 + 20 + 60)

struct fake_tcp fake;
static uint64_t now_ns;
static uint32_t stream_begin;

/* --- Clock --- */

uint64_t dispatch_now_ns(void)
{
    return now_ns;
}

void fake_tcp_advance_us(uint32_t us)
{
    now_ns += us * NS_PER_US;
}

/* --- Events --- */

void tcp_event_received(struct tcb *tcb, struct pbuf *packet)
{
    (void)tcb;
    for (struct pbuf *piece = packet; piece != NULL; piece = piece->next) {
        assert_true(fake.stream_bytes + piece->len <= FAKE_STREAM_BYTES);
        memcpy(fake.stream + fake.stream_bytes, piece->payload, piece->len);
        fake.stream_bytes += piece->len;
    }
    pbuf_free(packet);
}

bool tcp_event_text(struct tcb *tcb, struct segment *segment)
{
    struct pbuf *packet = segment_keep(segment);

    if (packet == NULL) {
        return false;
    }
    tcp_event_received(tcb, packet);
    return true;
}

void tcp_event_peer_closed(struct tcb *tcb)
{
    assert_true(tcb->has_peer_fin);
    fake.peer_closed_count++;
}

void tcp_event_acknowledged(struct tcb *tcb, uint32_t bytes)
{
    (void)tcb, (void)bytes;
}

void tcp_event_ended(struct tcb *tcb, int error)
{
    assert_int_equal(tcb->state, TCB_CLOSED);
    assert_null(tcb->loan);
    fake.ended_count++;
    fake.ended_error = error;
}

void tcp_event_stays(struct tcb *tcb)
{
    (void)tcb;
}

void tcp_event_unsettled(struct tcb *tcb)
{
    (void)tcb;
    fake.unsettled_count++;
}

bool tcp_application_is_behind(const struct tcb *tcb)
{
    (void)tcb;
    return fake.is_behind;
}

/* --- Segments in --- */

struct pbuf *segment_keep(struct segment *segment)
{
    const struct packet *packet = segment->packet;
    struct pbuf *copy;

    assert_false(segment->is_kept);
    if (fake.is_out_of_memory) {
        return NULL;
    }
    segment->is_kept = true;
    copy = pbuf_alloc(PBUF_RAW, packet->payload_bytes, PBUF_RAM);
    assert_non_null(copy);
    memcpy(copy->payload, packet->bytes + packet->payload_offset, packet->payload_bytes);
    return copy;
}

uint8_t fake_tcp_byte(uint32_t index)
{
    return (uint8_t)(index * 7 + (index >> 8) * 3 + (index >> 16));
}

void fake_tcp_segment(struct tcb *tcb, struct fake_segment from)
{
    static uint8_t frame[PAYLOAD_OFFSET_MOST + 65535];
    struct packet packet = {
        .bytes = frame,
        .flow = tcb->flow,
        .sequence = from.sequence,
        .acknowledgment = from.acknowledgment,
        .window = from.window,
        .tcp_flags = from.tcp_flags,
        .option_bytes = from.option_bytes,
        .payload_offset = (uint16_t)(54 + from.option_bytes),
        .payload_bytes = from.payload_bytes,
        .kind = PACKET_SEGMENT,
    };
    struct segment segment = {.packet = &packet};

    memcpy(frame + 54, from.options, from.option_bytes);
    for (uint32_t i = 0; i < from.payload_bytes; i++) {
        frame[packet.payload_offset + i] = fake_tcp_byte(from.sequence + i - stream_begin);
    }
    receiver_segment(tcb, &segment);
}

void fake_tcp_expect_stream(uint32_t bytes)
{
    assert_int_equal(fake.stream_bytes, bytes);
    for (uint32_t i = 0; i < bytes; i++) {
        assert_int_equal(fake.stream[i], fake_tcp_byte(i));
    }
}

/* As much of options.c as this needs: none of what they say is the receive half's. */
void tcp_options_parse(struct tcp_options *options, const uint8_t *option, unsigned bytes)
{
    assert_true(bytes != 0 && bytes <= 40);
    memset(options, 0, sizeof(*options));
    (void)option;
}

/* --- The send half --- */

void sender_open(struct tcb *tcb, uint32_t iss, uint32_t window_bytes, uint32_t irs, uint16_t mss)
{
    tcb->snd_una = tcb->snd_max = tcb->snd_end = iss + 1;
    tcb->snd_wnd = tcb->snd_wnd_max = window_bytes;
    tcb->snd_wl1 = irs;
    tcb->mss = mss;
    tcb->queue_head = tcb->queue_tail = tcb->unsent = NULL;
    tcb->reference_count = 0;
    tcb->has_fin = tcb->is_fin_due = false;
}

void recovery_open(struct tcb *tcb, uint32_t round_trip_us, bool is_handshake_repeated)
{
    (void)is_handshake_repeated;
    tcb->recovery = NULL;
    tcb->loss_timer = 0;
    tcb->srtt_us8 = 8 * round_trip_us;
    tcb->rto_us = 200000;
}

void congestion_open(struct tcb *tcb, bool is_handshake_repeated, uint32_t now_us)
{
    (void)is_handshake_repeated;
    (void)now_us;
    tcb->cwnd = 10 * tcb->mss;
}

bool sender_acknowledge(struct tcb *tcb, const struct packet *packet,
                        const struct tcp_options *options)
{
    fake.acknowledge_count++;
    fake.had_options = options != NULL;
    assert_true(packet->acknowledgment - tcb->snd_una <= tcb->snd_max - tcb->snd_una ||
                tcb->snd_una - packet->acknowledgment <= tcb->snd_wnd_max);
    if (!sequence_is_after(packet->acknowledgment, tcb->snd_una)) {
        return false;
    }
    tcb->snd_una = packet->acknowledgment;
    return sender_is_fin_acknowledged(tcb);
}

bool sender_acknowledge_plain(struct tcb *tcb, const struct packet *packet)
{
    assert_true(sequence_is_after(packet->acknowledgment, tcb->snd_una));
    return sender_acknowledge(tcb, packet, NULL);
}

void sender_take_window(struct tcb *tcb, const struct packet *packet)
{
    assert_false(sender_acknowledge(tcb, packet, NULL));
}

bool sender_is_settled(const struct tcb *tcb)
{
    (void)tcb;
    return fake.is_settled;
}

void sender_close(struct tcb *tcb)
{
    tcb->is_fin_due = !tcb->has_fin;
}

bool sender_has_sent_fin(const struct tcb *tcb)
{
    return tcb->has_fin && tcb->snd_max == tcb->snd_end;
}

bool sender_is_fin_acknowledged(const struct tcb *tcb)
{
    return sender_has_sent_fin(tcb) && tcb->snd_una == tcb->snd_max;
}

enum sender_sent sender_output(struct tcb *tcb)
{
    if (!fake.has_data && !tcb->is_fin_due) {
        return SENT_NOTHING;
    }
    if (tcb->ack_due == ACK_ALONE) {
        assert_int_equal(segment_out_send(tcb, NULL, tcb->snd_max, 0, 0), 0);
    }
    if (fake.has_data) {
        fake.has_data = false;
        tcb->snd_end++;
        tcb->snd_max = tcb->snd_end;
    }
    if (tcb->is_fin_due) {
        tcb->is_fin_due = false;
        tcb->has_fin = true;
        tcb->snd_end++;
        tcb->snd_max = tcb->snd_end;
    }
    fake.data_count++;
    receiver_note_ack_sent(tcb, receiver_window(tcb));
    return SENT_SOME;
}

void sender_expire(struct tcb *tcb)
{
    (void)tcb;
    fake.expire_count++;
}

bool sender_deadline(const struct tcb *tcb, uint32_t *deadline_us)
{
    (void)tcb;
    *deadline_us = fake.deadline_us;
    return fake.has_deadline;
}

void sender_lower_mss(struct tcb *tcb, uint16_t mss)
{
    tcb->mss = mss;
    fake.lower_mss_count++;
}

void sender_drop(struct tcb *tcb)
{
    (void)tcb;
    fake.drop_count++;
}

bool pinned_visit(struct tcb *tcb)
{
    (void)tcb;
    return !fake.has_pinned_too_much;
}

void pinned_forget(struct tcb *tcb)
{
    (void)tcb;
}

/* --- Segments out --- */

int segment_out_send(struct tcb *tcb, const struct reference *first, uint32_t sequence,
                     uint32_t length_bytes, uint8_t tcp_flags)
{
    int error = fake.send_error;

    assert_null(first);
    assert_int_equal(sequence, tcb->snd_max);
    assert_int_equal(length_bytes, 0);
    assert_int_equal(tcp_flags, 0);
    if (error != 0) {
        fake.send_error = 0;
        if (error != -EAGAIN) {
            receiver_note_ack_sent(tcb, receiver_window(tcb)); /* as if lost on the wire */
        }
        return error;
    }
    fake.ack_count++;
    fake.ack_number = tcb->rcv_nxt;
    fake.ack_window = receiver_window(tcb);
    fake.sack_bytes = receiver_put_sack(tcb, fake.sack);
    receiver_note_ack_sent(tcb, receiver_window(tcb));
    return 0;
}

void segment_out_send_bare(const struct bare_segment *segment)
{
    assert_int_equal(segment->tcp_flags, TCP_FLAG_RST | TCP_FLAG_ACK);
    fake.reset_count++;
    fake.reset_sequence = segment->sequence;
    fake.reset_acknowledgment = segment->acknowledgment;
}

/* --- TIME-WAIT and the wheel --- */

void timewait_add(const struct flow *flow, struct timewait_numbers numbers, uint64_t at_ns)
{
    (void)flow;
    assert_int_equal(at_ns, now_ns);
    fake.timewait_count++;
    fake.timewait_rcv_nxt = numbers.rcv_nxt;
    fake.timewait_snd_nxt = numbers.snd_nxt;
    fake.is_fin_awaited = numbers.is_fin_awaited;
}

void wheel_set(struct wheel_entry *entry, uint64_t deadline_ns)
{
    entry->link = &entry->next;
    fake.wheel_count++;
    fake.wheel_ns = deadline_ns;
}

void wheel_clear(struct wheel_entry *entry)
{
    entry->link = NULL;
}

void fake_tcp_expire(struct tcb *tcb)
{
    (void)timer_run_expired(now_ns);
    wheel_clear(&tcb->timer);
    tcb_expire(tcb);
}

/* --- The beginning --- */

void fake_tcp_reset(void)
{
    fake_platform_reset(0, 2);
    memset(&fake, 0, sizeof(fake));
    now_ns = 0;
    held_initialise();
    receiver_initialise();
    soon_initialise();
}

void fake_tcp_open(struct tcb *tcb, uint32_t irs, uint32_t iss)
{
    struct handshake handshake = {
        .flow = {1, 2, 3, 4},
        .irs = irs,
        .iss = iss,
        .mss = FAKE_MSS,
        .snd_scale = 7,
        .has_scale = true,
        .has_sack = true,
    };
    const struct handshake_completion completion = {FAKE_SND_WND, .round_trip_us = 1000};

    memset(&fake, 0, sizeof(fake));
    memset(tcb, 0, sizeof(*tcb));
    stream_begin = irs + 1;
    tcb_open(tcb, &handshake, completion);
    tcb->rcv_edge = tcb->rcv_nxt + RECEIVER_WINDOW_FIRST_BYTES;
    tcb->soon = SOON_OVER; /* its timer goes on the wheel at once */
}

void fake_tcp_sent(struct tcb *tcb, uint32_t bytes)
{
    tcb->snd_end += bytes;
    tcb->snd_max = tcb->snd_end;
}
