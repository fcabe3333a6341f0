/* SPDX-License-Identifier: MIT */
/*
 * The receive half, and the first look at each segment: see receiver.h.
 *
 * receiver_segment() predicts what nearly all segments are: the next bytes, or none, with an
 * acknowledgement that can be right. All other ones go through receive_unpredicted(), in the order
 * of RFC 9293 3.10.7.4 with RFC 5961; what it says of a segment holds for a predicted one, too.
 * Which bytes are in order after all is lend.h's.
 */
#include "net/transport/tcp/receiver.h"

#include <errno.h>

#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/ablation.h"
#include "libc/core/bytes.h"
#include "libc/core/pages.h"
#include "net/counters.h"
#include "net/headers.h"
#include "net/packet.h"
#include "net/transport/held.h"
#include "net/transport/share.h"
#include "net/transport/tcp/events.h"
#include "net/transport/tcp/handshake.h"
#include "net/transport/tcp/lend.h"
#include "net/transport/tcp/options.h"
#include "net/transport/tcp/segment.h"
#include "net/transport/tcp/segment_out.h"
#include "net/transport/tcp/sender.h"
#include "net/transport/tcp/sequence.h"
#include "net/transport/tcp/tcb.h"

#include "lwip/pbuf.h"

#define WINDOW_FIELD_MAX      65535u
/* How long the application's bytes are counted while no round trip is known. Chosen. */
#define ROUND_TRIP_UNKNOWN_US 100000u
#define ROUND_TRIP_LEAST_US   1000u

#define OPTION_NOP              1u
#define OPTION_SACK             5u
#define OPTION_SACK_BLOCKS_MOST 4u /* what 40 bytes have room for */

_Static_assert(2u * HANDSHAKE_MSS <= RECEIVER_BUFFER_FIRST_BYTES / 2, "half of a buffer is more");
_Static_assert(RECEIVER_BUFFER_MAX_BYTES <= (uint64_t)WINDOW_FIELD_MAX << RECEIVER_SCALE,
               "the whole buffer can be announced");

/* By how much buffers have grown, and may. */
static struct share grown;

void receiver_initialise(void)
{
    share_initialise(&grown, pages_total_bytes() / RECEIVER_PART_OF_MEMORY);
}

void receiver_open(struct tcb *tcb, uint32_t irs, uint32_t window_bytes, uint32_t now_us)
{
    tcb->rcv_nxt = irs + 1;
    tcb->rcv_edge = tcb->rcv_nxt + window_bytes;
    tcb->rcv_buffer_bytes = RECEIVER_BUFFER_FIRST_BYTES;
    tcb->rcv_unread_bytes = 0;
    tcb->rcv_taken_bytes = 0;
    tcb->rcv_taken_since_us = now_us;
    tcb->has_peer_fin = false;
    tcb->ack_due = ACK_NONE;
    tcb->challenge_count = 0;
    ASSERT(window_bytes <= RECEIVER_BUFFER_FIRST_BYTES);
}

void receiver_drop(struct tcb *tcb)
{
    if (UNLIKELY(tcb->loan != NULL)) {
        lend_forget(tcb);
    }
    if (UNLIKELY(tcb->rcv_buffer_bytes != RECEIVER_BUFFER_FIRST_BYTES)) {
        share_give_back(&grown, tcb->flow.remote_address,
                        tcb->rcv_buffer_bytes - RECEIVER_BUFFER_FIRST_BYTES);
        tcb->rcv_buffer_bytes = RECEIVER_BUFFER_FIRST_BYTES;
    }
}

/* --- The window --- */

/* What the peer may send yet, by what it has been told. */
static inline uint32_t window_of(const struct tcb *tcb)
{
    ASSERT_SLOW((int32_t)(tcb->rcv_edge - tcb->rcv_nxt) >= 0);
    return tcb->rcv_edge - tcb->rcv_nxt;
}

static inline uint32_t least(uint32_t one, uint32_t other)
{
    return one < other ? one : other;
}

/* How far the edge can move right, or a negative number: beyond what there is room for already. */
static inline int32_t room_behind_edge(const struct tcb *tcb)
{
    return (int32_t)(tcb->rcv_nxt + tcb->rcv_buffer_bytes - tcb->rcv_unread_bytes - tcb->rcv_edge);
}

/*
 * The edge moves by a step that is worth a segment (RFC 9293 3.8.6.2.2; half of the buffer never is
 * less), and never left. The field
 * is rounded down by the scale, so the edge that the peer computes may go back by less than that;
 * it may still send up to the rightmost, which rcv_edge is (RFC 7323 2.4).
 */
uint16_t receiver_window(const struct tcb *tcb)
{
    uint32_t window = window_of(tcb);
    int32_t room = room_behind_edge(tcb);

    ASSERT_SLOW(tcb->mss <= tcb->rcv_buffer_bytes / 2);
    if (room >= (int32_t)tcb->mss) {
        window += (uint32_t)room;
    }
    return (uint16_t)least(window >> tcb->rcv_scale, WINDOW_FIELD_MAX);
}

void receiver_note_ack_sent(struct tcb *tcb, uint16_t window)
{
    uint32_t edge = tcb->rcv_nxt + ((uint32_t)window << tcb->rcv_scale);

    if (sequence_is_after(edge, tcb->rcv_edge)) {
        tcb->rcv_edge = edge;
    }
    tcb->ack_due = ACK_NONE;
}

static bool may_grow(const struct tcb *tcb, uint32_t bytes)
{
    uint32_t address = tcb->flow.remote_address;

    return !held_is_full_for(address) && share_allows(&grown, address, bytes);
}

/* Twice what the application takes in a round trip: so its peer can send as much again, and more,
 * before it hears of it. Looked at when it has taken so much that there may be something to do. */
static __attribute__((noinline)) void grow_buffer(struct tcb *tcb)
{
    uint32_t round_trip_us = tcb->srtt_us8 == 0 ? ROUND_TRIP_UNKNOWN_US : tcb->srtt_us8 / 8;
    uint32_t most = least(RECEIVER_BUFFER_MAX_BYTES, WINDOW_FIELD_MAX << tcb->rcv_scale);
    uint32_t now_us = tcp_now_us(), past_us = now_us - tcb->rcv_taken_since_us;
    uint32_t taken_bytes, wanted;

    if (round_trip_us < ROUND_TRIP_LEAST_US) {
        round_trip_us = ROUND_TRIP_LEAST_US;
    }
    if (past_us < round_trip_us || tcb->has_peer_fin) {
        return;
    }
    taken_bytes = (uint32_t)((uint64_t)tcb->rcv_taken_bytes * round_trip_us / past_us);
    wanted = least(2 * least(taken_bytes, most), most);
    tcb->rcv_taken_bytes = 0;
    tcb->rcv_taken_since_us = now_us;
    if (wanted > tcb->rcv_buffer_bytes && may_grow(tcb, wanted - tcb->rcv_buffer_bytes)) {
        share_take(&grown, tcb->flow.remote_address, wanted - tcb->rcv_buffer_bytes);
        tcb->rcv_buffer_bytes = wanted;
    }
}

/* The window can open by what is worth a segment of its own. */
static __attribute__((noinline)) void open_window(struct tcb *tcb)
{
    if (tcb->ack_due < ACK_NOW && !tcb->has_peer_fin) { /* behind that nothing wants a window */
        tcb->ack_due = ACK_NOW;
        tcp_event_unsettled(tcb);
    }
}

inline __attribute__((always_inline)) void receiver_consumed(struct tcb *tcb, uint32_t bytes)
{
    ASSERT_SLOW(bytes <= tcb->rcv_unread_bytes);
    tcb->rcv_unread_bytes -= bytes;
    tcb->rcv_taken_bytes += bytes;
    if (UNLIKELY(tcb->rcv_taken_bytes > tcb->rcv_buffer_bytes / 2)) {
        grow_buffer(tcb);
    }
    if (UNLIKELY(room_behind_edge(tcb) >= 2 * (int32_t)tcb->mss)) {
        open_window(tcb);
    }
}

/* --- Acknowledgements --- */

static inline void owe_ack(struct tcb *tcb, enum ack_due due)
{
    if (tcb->ack_due < due) {
        tcb->ack_due = (uint8_t)due;
    }
}

/* Bytes have come in order: every second segment of them is acknowledged at once (RFC 9293
 * 3.8.6.3). */
static inline void owe_ack_of_bytes(struct tcb *tcb)
{
    if (WITHOUT(HELD_ACKNOWLEDGMENTS)) {
        owe_ack(tcb, ACK_ALONE);
        return;
    }
    owe_ack(tcb, LIKELY(tcb->ack_due == ACK_NONE) ? ACK_FRESH : ACK_NOW);
}

bool receiver_needs_ack(struct tcb *tcb)
{
    if (tcb->ack_due == ACK_FRESH) {
        tcb->ack_due = ACK_DELAYED;
        tcb->ack_deadline_us = tcp_now_us() + RECEIVER_ACK_DELAY_US;
    }
    return tcb->ack_due >= ACK_NOW;
}

void receiver_owe_ack(struct tcb *tcb)
{
    tcb->ack_due = ACK_NOW;
}

void receiver_retry_ack(struct tcb *tcb)
{
    tcb->ack_deadline_us = tcp_now_us() + RECEIVER_ACK_RETRY_US;
}

/*
 * An acknowledgement that somebody asks for who may not be the peer (RFC 5961), or who may ask in
 * return: so many in a period, and no more. The count is the connection's own: one of all together
 * would tell a third party how many others have got (CVE-2016-5696).
 */
static void challenge(struct tcb *tcb)
{
    uint32_t now_us = tcp_now_us();

    if (tcb->challenge_count == 0 ||
        now_us - tcb->challenge_period_us >= RECEIVER_CHALLENGES_PERIOD_US) {
        tcb->challenge_period_us = now_us;
        tcb->challenge_count = 0;
    }
    if (tcb->challenge_count >= RECEIVER_CHALLENGES) {
        counter_increment(COUNTER_TCP_CHALLENGES_WITHHELD);
        return;
    }
    tcb->challenge_count++;
    counter_increment(COUNTER_TCP_CHALLENGES_SENT);
    owe_ack(tcb, ACK_NOW);
    tcp_event_unsettled(tcb);
}

static void refuse(struct tcb *tcb)
{
    counter_increment(COUNTER_DROP_PROTOCOL);
    challenge(tcb);
}

void receiver_expire(struct tcb *tcb)
{
    uint32_t now_us = tcp_now_us();

    if (tcb->ack_due == ACK_DELAYED && time_has_come(now_us, tcb->ack_deadline_us)) {
        tcb->ack_due = ACK_NOW;
    }
    if (tcb->loan != NULL && time_has_come(now_us, lend_deadline_us(tcb))) {
        lend_forget(tcb);
    }
}

bool receiver_deadline(const struct tcb *tcb, uint32_t *deadline_us)
{
    bool has_one = tcb->ack_due != ACK_NONE;

    if (has_one) {
        *deadline_us = tcb->ack_deadline_us;
    }
    if (UNLIKELY(tcb->loan != NULL) &&
        (!has_one || (int32_t)(lend_deadline_us(tcb) - *deadline_us) < 0)) {
        *deadline_us = lend_deadline_us(tcb);
        has_one = true;
    }
    return has_one;
}

unsigned receiver_put_sack(const struct tcb *tcb, uint8_t *option)
{
    uint32_t blocks[OPTION_SACK_BLOCKS_MOST][2];
    unsigned count;

    if (LIKELY(tcb->loan == NULL) || !tcb->has_sack) {
        return 0;
    }
    count = lend_sack_blocks(tcb, blocks, OPTION_SACK_BLOCKS_MOST);
    if (count == 0) {
        return 0;
    }
    option[0] = OPTION_NOP;
    option[1] = OPTION_NOP;
    option[2] = OPTION_SACK;
    option[3] = (uint8_t)(2 + 8 * count);
    for (unsigned i = 0; i < count; i++) {
        store_be32(option + 4 + 8 * i, blocks[i][0]);
        store_be32(option + 8 + 8 * i, blocks[i][1]);
    }
    return 4 + 8 * count;
}

/* --- Bytes and FIN --- */

/* The peer's FIN is the next in order (RFC 9293 3.10.7.4, eighth). */
static void take_fin(struct tcb *tcb)
{
    ASSERT(!tcb->has_peer_fin);
    tcb->rcv_nxt++;
    tcb->has_peer_fin = true;
    owe_ack(tcb, ACK_NOW);
    tcp_event_peer_closed(tcb);
    tcb_note_fin_sent(tcb);
    switch (tcb->state) {
    case TCB_ESTABLISHED:
        tcb_set_state(tcb, TCB_CLOSE_WAIT);
        break;
    case TCB_FIN_WAIT_1:
        tcb_set_state(tcb, TCB_CLOSING);
        break;
    case TCB_FIN_WAIT_2:
        tcb_enter_time_wait(tcb);
        break;
    default:
        PANIC("FIN in state %u", tcb->state);
    }
}

/* Too many bytes wait on this node, or too many of the peer's address, and these would: they are
 * lost as on any wire, and counted. */
static __attribute__((noinline)) bool has_no_room(struct tcb *tcb, bool is_beyond_hole)
{
    uint32_t address = tcb->flow.remote_address;

    if (!held_is_full_for(address)) {
        return false;
    }
    lend_make_room(address);
    if (!held_is_full_for(address) || (!is_beyond_hole && !tcp_application_is_behind(tcb))) {
        return false;
    }
    counter_increment(COUNTER_DROP_RECEIVE_FULL);
    return true;
}

/* Bytes or FIN that come next, and fit. */
__attribute__((always_inline)) static inline void take_text(struct tcb *tcb,
                                                            struct segment *segment)
{
    const struct packet *packet = segment->packet;
    uint32_t length_bytes = packet->payload_bytes;

    if (LIKELY(length_bytes != 0)) {
        if (UNLIKELY(tcb->is_orphan)) {
            tcb_abort(tcb, 0);
            return;
        }
        if ((tcb->rcv_unread_bytes != 0 && has_no_room(tcb, false)) ||
            UNLIKELY(!tcp_event_text(tcb, segment))) {
            return;
        }
        tcb->rcv_nxt += length_bytes;
        tcb->rcv_unread_bytes += length_bytes;
        owe_ack_of_bytes(tcb);
    }
    if ((packet->tcp_flags & TCP_FLAG_FIN) != 0) {
        take_fin(tcb);
    }
}

/* lwIP's lengths of packets have 16 bits, and what has waited may be more. */
static void hand_over(struct tcb *tcb, struct pbuf *packet)
{
    while (packet != NULL) {
        struct pbuf *rest = NULL;

        pbuf_split_64k(packet, &rest);
        tcp_event_received(tcb, packet);
        packet = rest;
    }
}

/* One for each segment behind a hole (RFC 5681 3.2): a peer without SACK counts them, so one that
 * is due already goes before the next is. To another one the last tells all. */
static void owe_duplicate_ack(struct tcb *tcb)
{
    if (tcb->ack_due == ACK_ALONE && !tcb->has_sack) {
        int error = segment_out_send(tcb, NULL, tcb->snd_max, 0, 0);

        (void)error; /* without room one goes for both */
    }
    owe_ack(tcb, ACK_ALONE);
}

/* Bytes or FIN that do not come next, or while others wait, or that do not fit. */
static void take_odd_text(struct tcb *tcb, const struct packet *packet)
{
    bool is_next = packet->sequence == tcb->rcv_nxt, had_hole = tcb->loan != NULL;
    struct lent_bytes in_order;

    if (tcb->is_orphan && packet->payload_bytes != 0 &&
        sequence_is_after(packet->sequence + packet->payload_bytes, tcb->rcv_nxt)) {
        tcb_abort(tcb, 0);
        return;
    }
    if (has_no_room(tcb, sequence_is_after(packet->sequence, tcb->rcv_nxt)) ||
        !lend_segment(tcb, packet, &in_order)) {
        return;
    }
    if (in_order.length_bytes == 0 && !in_order.has_fin) {
        owe_duplicate_ack(tcb);
        return;
    }
    tcb->rcv_nxt += in_order.length_bytes;
    tcb->rcv_unread_bytes += in_order.length_bytes;
    if (tcb->loan != NULL) {
        owe_ack(tcb, ACK_ALONE);
    } else if (is_next && !had_hole) {
        owe_ack_of_bytes(tcb);
    } else {
        owe_ack(tcb, ACK_NOW); /* the hole is filled */
    }
    hand_over(tcb, in_order.packet);
    if (in_order.has_fin) {
        take_fin(tcb);
    }
}

/* The same, once: that is long. */
static __attribute__((noinline)) void take_text_seldom(struct tcb *tcb, struct segment *segment)
{
    take_text(tcb, segment);
}

/* --- Segments --- */

/* Of our FIN. Returns whether the connection goes on. */
static bool take_acknowledgment_of_fin(struct tcb *tcb)
{
    tcb_note_fin_sent(tcb);
    switch (tcb->state) {
    case TCB_FIN_WAIT_1:
        tcb_set_state(tcb, TCB_FIN_WAIT_2);
        return true;
    case TCB_CLOSING:
        tcb_enter_time_wait(tcb);
        return false;
    case TCB_LAST_ACK:
        tcb_end(tcb, 0);
        return false;
    default:
        PANIC("FIN acknowledged in state %u", tcb->state);
    }
}

/* RFC 5961 3.2. */
static void take_reset(struct tcb *tcb, const struct packet *packet)
{
    if ((packet->tcp_flags & TCP_FLAG_SYN) != 0) {
        counter_increment(COUNTER_DROP_PROTOCOL); /* nothing means both */
    } else if (packet->sequence == tcb->rcv_nxt) {
        counter_increment(COUNTER_TCP_RESETS);
        tcb_end(tcb, ECONNRESET);
    } else if (sequence_is_within(packet->sequence, tcb->rcv_nxt, window_of(tcb))) {
        refuse(tcb);
    } else {
        counter_increment(COUNTER_DROP_PROTOCOL);
    }
}

/*
 * RFC 9293 3.10.7.4, first: whether something of it lies in the window. One without bytes may lie
 * at its right edge, too: a peer that has filled the window speaks from there, and after a loss
 * that is not where we are.
 */
static bool is_acceptable(const struct tcb *tcb, uint32_t sequence, uint32_t text)
{
    if (text == 0) {
        return sequence - tcb->rcv_nxt <= window_of(tcb);
    }
    return window_of(tcb) != 0 && sequence_is_after(sequence + text, tcb->rcv_nxt) &&
           sequence_is_before(sequence, tcb->rcv_edge);
}

/* RFC 5961 5.2: neither of what was never sent, nor older than what can be under way. */
static bool is_acknowledgment_acceptable(const struct tcb *tcb, uint32_t acknowledgment)
{
    return acknowledgment - tcb->snd_una <= tcb->snd_max - tcb->snd_una ||
           tcb->snd_una - acknowledgment <= tcb->snd_wnd_max;
}

static __attribute__((noinline)) void receive_unpredicted(struct tcb *tcb, struct segment *segment)
{
    const struct packet *packet = segment->packet;
    uint8_t tcp_flags = packet->tcp_flags;
    uint32_t text = packet->payload_bytes + ((tcp_flags & TCP_FLAG_FIN) != 0);
    struct tcp_options options;
    bool is_text_refused;

    if ((tcp_flags & TCP_FLAG_RST) != 0) {
        take_reset(tcb, packet);
        return;
    }
    if ((tcp_flags & TCP_FLAG_SYN) != 0) {
        refuse(tcb); /* RFC 5961 4.2: whatever its number */
        return;
    }
    if ((tcp_flags & TCP_FLAG_ACK) == 0) {
        counter_increment(COUNTER_DROP_PROTOCOL);
        return;
    }
    /* Bytes for a closed window are refused, and what they acknowledge is not. */
    is_text_refused = text != 0 && window_of(tcb) == 0 && packet->sequence == tcb->rcv_nxt;
    if (!is_text_refused && !is_acceptable(tcb, packet->sequence, text)) {
        challenge(tcb); /* a duplicate, mostly: no fault that counts */
        return;
    }
    if (!is_acknowledgment_acceptable(tcb, packet->acknowledgment)) {
        refuse(tcb);
        return;
    }
    if (packet->option_bytes != 0) {
        tcp_options_parse(&options, packet_options(packet), packet->option_bytes);
    }
    tcp_event_unsettled(tcb);
    if (sender_acknowledge(tcb, packet, packet->option_bytes != 0 ? &options : NULL) &&
        !take_acknowledgment_of_fin(tcb)) {
        return;
    }
    if (text == 0) {
        return;
    }
    if (is_text_refused) {
        challenge(tcb);
    } else if (tcb->has_peer_fin) {
        refuse(tcb); /* what lies behind a FIN is none of the stream */
    } else if (packet->sequence == tcb->rcv_nxt && text <= window_of(tcb) && tcb->loan == NULL) {
        take_text_seldom(tcb, segment);
    } else {
        take_odd_text(tcb, packet);
    }
}

/* Not in line: who finds no connection for a segment saves no registers for this. */
__attribute__((noinline)) void receiver_segment(struct tcb *tcb, struct segment *segment)
{
    const struct packet *packet = segment->packet;
    uint32_t text = packet->payload_bytes + (packet->tcp_flags & TCP_FLAG_FIN);
    bool is_plain, is_fin_acknowledged;

    _Static_assert(TCP_FLAG_FIN == 1, "it counts as much in the sequence");
    ASSERT_SLOW(tcb->state != TCB_CLOSED);
    /* An urgent pointer is passed over: its bytes are part of the stream (RFC 6093 6). */
    if (UNLIKELY((packet->tcp_flags & (TCP_FLAG_SYN | TCP_FLAG_RST | TCP_FLAG_ACK)) !=
                 TCP_FLAG_ACK) ||
        UNLIKELY(packet->option_bytes != 0) || UNLIKELY(packet->sequence != tcb->rcv_nxt) ||
        UNLIKELY(text > window_of(tcb)) ||
        UNLIKELY(packet->acknowledgment - tcb->snd_una > tcb->snd_max - tcb->snd_una) ||
        UNLIKELY(text != 0 && (tcb->loan != NULL || tcb->has_peer_fin))) {
        receive_unpredicted(tcb, segment);
        return;
    }
    is_plain = sender_is_plain(tcb, packet->acknowledgment);
    if (is_plain) {
        is_fin_acknowledged = sender_acknowledge_plain(tcb, packet);
    } else if (LIKELY(sender_is_idle(tcb))) {
        is_fin_acknowledged = false;
        sender_take_window(tcb, packet);
    } else {
        is_fin_acknowledged = sender_acknowledge(tcb, packet, NULL);
    }
    if (text == 0 && is_plain && !is_fin_acknowledged && sender_is_settled(tcb)) {
        return;
    }
    tcp_event_unsettled(tcb);
    if (UNLIKELY(is_fin_acknowledged) && !take_acknowledgment_of_fin(tcb)) {
        return;
    }
    if (text != 0) {
        take_text(tcb, segment);
    }
}
