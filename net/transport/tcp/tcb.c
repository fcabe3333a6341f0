/* SPDX-License-Identifier: MIT */
/*
 * The life of a connection: how it opens, which states it goes through, how it ends, and what is
 * done once at the end of each round in which something has happened to it. See tcb.h.
 */
#include "net/transport/tcp/tcb.h"

#include <errno.h>
#include <string.h>

#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "net/counters.h"
#include "net/headers.h"
#include "net/transport/counters.h"
#include "net/transport/tcp/congestion.h"
#include "net/transport/tcp/events.h"
#include "net/transport/tcp/handshake.h"
#include "net/transport/tcp/lend.h"
#include "net/transport/tcp/pinned.h"
#include "net/transport/tcp/receiver.h"
#include "net/transport/tcp/recovery.h"
#include "net/transport/tcp/segment_block.h"
#include "net/transport/tcp/segment_out.h"
#include "net/transport/tcp/sender.h"
#include "net/transport/tcp/sequence.h"
#include "net/transport/tcp/soon.h"
#include "net/transport/tcp/timewait.h"

/* Beyond the last timer's deadline. Chosen: less than the least of RTOs, so that a timer that is
 * left on the wheel serves many segments. */
#define AT_REST_US 100000u

/* So long after our FIN is acknowledged a peer that nobody listens to has an entry of TIME-WAIT's
 * table in the place of its block, if its FIN has not come. Chosen: most peers need a round trip.
 */
#define FIN_WAIT_2_US 1000000u
/* After which an ACK that found no room is tried again at the latest. */
#define ACK_RETRY_US  1000u

uint32_t tcp_now_us(void)
{
    return (uint32_t)(dispatch_now_ns() / NS_PER_US);
}

/* --- States --- */

/* The table in tcb.h. */
static const uint8_t successors[TCB_STATE_COUNT] = {
    [TCB_CLOSED] = 1u << TCB_ESTABLISHED,
    [TCB_ESTABLISHED] = 1u << TCB_FIN_WAIT_1 | 1u << TCB_CLOSE_WAIT | 1u << TCB_CLOSED,
    [TCB_FIN_WAIT_1] = 1u << TCB_FIN_WAIT_2 | 1u << TCB_CLOSING | 1u << TCB_CLOSED,
    [TCB_FIN_WAIT_2] = 1u << TCB_CLOSED,
    [TCB_CLOSE_WAIT] = 1u << TCB_LAST_ACK | 1u << TCB_CLOSED,
    [TCB_CLOSING] = 1u << TCB_CLOSED,
    [TCB_LAST_ACK] = 1u << TCB_CLOSED,
};

/* Inline as connection_set_state() is: the state is known where it is called. */
inline void tcb_set_state(struct tcb *tcb, enum tcb_state state)
{
    ASSERT_SLOW(tcb->state < TCB_STATE_COUNT);
    ASSERT((successors[tcb->state] >> state & 1) != 0);
    tcb->state = (uint8_t)state;
}

/* Inline: most have no FIN yet, and this is asked of each with each segment. */
inline void tcb_note_fin_sent(struct tcb *tcb)
{
    if (LIKELY(!sender_has_sent_fin(tcb))) {
        return;
    }
    if (tcb->state == TCB_ESTABLISHED) {
        tcb_set_state(tcb, TCB_FIN_WAIT_1);
    } else if (tcb->state == TCB_CLOSE_WAIT) {
        tcb_set_state(tcb, TCB_LAST_ACK);
    }
}

/* --- From the first to the last --- */

/* As it is before the first connection, and as end() leaves it for the next. */
static inline bool is_over(const struct tcb *tcb)
{
    return tcb->state == TCB_CLOSED && !tcb->is_hashed && !tcb->is_output_blocked &&
           tcb->queue_head == NULL && tcb->recovery == NULL && tcb->loan == NULL &&
           tcb->persist_interval_us == 0 && tcb->pinned_bytes == 0 && !wheel_is_set(&tcb->timer);
}

/* All other fields are set when a connection begins, or before they are read. In builds with slow
 * checks one that is not shows. */
static inline void spoil(struct tcb *tcb)
{
    static const struct {
        size_t from, to;
    } ranges[] = {
        {offsetof(struct tcb, ack_due), offsetof(struct tcb, recovery)},
        {offsetof(struct tcb, queue_tail), offsetof(struct tcb, timer)},
        {offsetof(struct tcb, loss_deadline_us), offsetof(struct tcb, is_output_blocked)},
        {offsetof(struct tcb, blocked_next), offsetof(struct tcb, persist_interval_us)},
        {offsetof(struct tcb, probe_count), offsetof(struct tcb, pinned_bytes)},
    };

    for (unsigned i = 0; HAS_SLOW_CHECKS && i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        memset((uint8_t *)tcb + ranges[i].from, 0xDB, ranges[i].to - ranges[i].from);
    }
}

/* Inline as connection_open() is. */
__attribute__((always_inline)) inline void
tcb_open(struct tcb *tcb, const struct handshake *handshake, struct handshake_completion completion)
{
    uint32_t now_us = tcp_now_us();
    /* All is read before something is written, so that the compiler may write neighbours at once.
     */
    const uint32_t irs = handshake->irs, iss = handshake->iss;
    const uint16_t mss = handshake->mss;
    const uint8_t snd_scale = handshake->snd_scale, rcv_scale = handshake_rcv_scale(handshake);
    const bool has_sack = handshake->has_sack, is_repeated = handshake->is_repeated;

    ASSERT_SLOW(is_over(tcb));
    spoil(tcb);
    tcb->flow = handshake->flow;
    tcb->flow_sum = segment_flow_sum(&tcb->flow);
    tcb->has_sack = has_sack;
    tcb->snd_scale = snd_scale;
    tcb->rcv_scale = rcv_scale;
    tcb->is_orphan = false;
    soon_open(tcb);
    receiver_open(tcb, irs, HANDSHAKE_WINDOW_BYTES, now_us);
    sender_open(tcb, iss, completion.snd_window_bytes, irs, mss);
    recovery_open(tcb, completion.round_trip_us, is_repeated);
    congestion_open(tcb, is_repeated, now_us);
    tcb_set_state(tcb, TCB_ESTABLISHED);
}

static inline __attribute__((always_inline)) void end(struct tcb *tcb, int error)
{
    tcb_set_state(tcb, TCB_CLOSED);
    pinned_forget(tcb);
    sender_drop(tcb);
    receiver_drop(tcb);
    wheel_clear(&tcb->timer);
    tcp_event_ended(tcb, error);
}

void tcb_end(struct tcb *tcb, int error)
{
    end(tcb, error);
}

void tcb_abort(struct tcb *tcb, int error)
{
    struct bare_segment reset = {
        .flow = tcb->flow,
        .sequence = tcb->snd_max,
        .acknowledgment = tcb->rcv_nxt,
        .tcp_flags = TCP_FLAG_RST | TCP_FLAG_ACK,
    };

    segment_out_send_bare(&reset);
    counter_increment(COUNTER_TCP_RESETS);
    tcb_end(tcb, error);
}

/* Inline: twice for most connections. */
inline void tcb_close_send(struct tcb *tcb)
{
    ASSERT(tcb->state != TCB_CLOSED);
    sender_close(tcb);
    tcp_event_unsettled(tcb);
}

void tcb_close(struct tcb *tcb)
{
    ASSERT(tcb->state != TCB_CLOSED && !tcb->is_orphan);
    if (tcb->rcv_unread_bytes != 0) {
        tcb_abort(tcb, 0);
        return;
    }
    tcb->is_orphan = true;
    if (UNLIKELY(tcb->loan != NULL)) {
        lend_forget(tcb); /* its hole will be bytes that nobody reads, and end the connection */
    }
    tcb_close_send(tcb);
}

/* Without room it stays due. */
static void send_ack(struct tcb *tcb)
{
    if (UNLIKELY(segment_out_send(tcb, NULL, tcb->snd_max, 0, 0) == -EAGAIN)) {
        receiver_retry_ack(tcb);
    }
}

void tcb_enter_time_wait(struct tcb *tcb)
{
    struct timewait_numbers numbers = {
        .rcv_nxt = tcb->rcv_nxt,
        .snd_nxt = tcb->snd_max,
        .is_fin_awaited = !tcb->has_peer_fin,
    };

    if (tcb->ack_due != ACK_NONE) {
        send_ack(tcb); /* without room: the peer sends its FIN again, and TIME-WAIT answers */
    }
    timewait_add(&tcb->flow, numbers, dispatch_now_ns());
    end(tcb, 0); /* in line: most end here */
}

void tcb_lower_mss(struct tcb *tcb, uint16_t mss)
{
    ASSERT(tcb->state != TCB_CLOSED);
    if (mss < tcb->mss) {
        sender_lower_mss(tcb, mss);
        tcp_event_unsettled(tcb);
    }
}

/* --- The end of a round, and the timer --- */

static inline bool is_waiting_for_fin(const struct tcb *tcb)
{
    return tcb->state == TCB_FIN_WAIT_2 && tcb->is_orphan;
}

/* But for that of a delayed acknowledgement that is looked at without (soon.h). */
static inline bool has_deadline(const struct tcb *tcb, uint32_t *nearest_us)
{
    bool has_one = sender_deadline(tcb, nearest_us);
    uint32_t deadline_us;

    if ((tcb->ack_due != ACK_DELAYED || !soon_is_listed(tcb) || tcb->loan != NULL) &&
        receiver_deadline(tcb, &deadline_us) &&
        (!has_one || (int32_t)(deadline_us - *nearest_us) < 0)) {
        *nearest_us = deadline_us;
        has_one = true;
    }
    if (is_waiting_for_fin(tcb) && !has_one) {
        *nearest_us = tcp_now_us() + FIN_WAIT_2_US; /* or when it was set for already */
        has_one = true;
    }
    return has_one;
}

/*
 * What comes long after the last one was due is set for a connection that was at rest, and will be
 * again when it has its acknowledgement: it is brief, and cleared then, while its neighbours on the
 * wheel are those of the same moment. Left there it would be visited when it has long left the
 * cache, and those beside it, too: of 300,000 connections that cost a third of a request. One that
 * sends often leaves its timer where it stands, and pays for a visit in some hundred requests.
 */
static void start_timer(struct tcb *tcb, uint32_t deadline_us)
{
    int32_t left_us = (int32_t)(deadline_us - tcp_now_us());

    tcb->is_timer_brief = (int32_t)(deadline_us - tcb->timer_us) > (int32_t)AT_REST_US;
    tcb->timer_us = deadline_us;
    wheel_set(&tcb->timer, dispatch_now_ns() + (left_us > 0 ? (uint64_t)left_us : 0) * NS_PER_US);
}

/* Whether it need not stand on the wheel yet: a look comes before the deadline. */
static inline bool is_left_for_look(struct tcb *tcb, uint32_t deadline_us, uint32_t now_us)
{
    return soon_may_have_timer(tcb, deadline_us, now_us) && (soon_is_listed(tcb) || soon_add(tcb));
}

/* Due at that time. */
static inline void set_timer(struct tcb *tcb, uint32_t deadline_us, uint32_t now_us)
{
    if (!is_left_for_look(tcb, deadline_us, now_us)) {
        start_timer(tcb, deadline_us);
    }
}

/* Or earlier: the visit there finds nothing due, and sets it anew. */
static inline void keep_timer(struct tcb *tcb)
{
    uint32_t nearest_us;

    if (has_deadline(tcb, &nearest_us) && !tcb_is_on_wheel(tcb, nearest_us)) {
        set_timer(tcb, nearest_us, tcp_now_us());
    }
}

void tcb_set_timer(struct tcb *tcb)
{
    keep_timer(tcb);
}

void tcb_end_brief_timer(struct tcb *tcb)
{
    uint32_t nearest_us;

    tcb->is_timer_brief = false;
    /* With bytes that are counted as pinned it needs a visit. */
    if (tcb->pinned_bytes == 0 && !has_deadline(tcb, &nearest_us)) {
        wheel_clear(&tcb->timer);
    }
}

/* Nothing is to be sent, and all that is new is an acknowledgement that may wait for the next look:
 * so a round ends whose bytes have gone to an application on another node. */
static inline bool is_ack_all(struct tcb *tcb)
{
    return tcb->ack_due == ACK_FRESH && tcb->state == TCB_ESTABLISHED && tcb->loan == NULL &&
           sender_is_settled(tcb) && (soon_is_listed(tcb) || soon_add(tcb));
}

void tcb_settle(struct tcb *tcb)
{
    enum sender_sent sent;

    if (tcb->state == TCB_CLOSED) {
        return;
    }
    if (is_ack_all(tcb) && !receiver_needs_ack(tcb)) { /* not yet: it is ACK_DELAYED now */
        return;
    }
    sent = sender_output(tcb);
    ASSERT_SLOW(tcb->state != TCB_CLOSED);
    if (tcb->has_fin) {
        tcb_note_fin_sent(tcb);
    }
    if (LIKELY(sent == SENT_ALL) && LIKELY(tcb->loan == NULL)) {
        ASSERT_SLOW(tcb->ack_due == ACK_NONE);
        if (UNLIKELY(!tcb_is_on_wheel(tcb, tcb->loss_deadline_us))) {
            set_timer(tcb, tcb->loss_deadline_us, tcb->last_send_us); /* which is now */
        }
        return;
    }
    if (tcb->ack_due == ACK_FRESH && !soon_is_listed(tcb)) {
        (void)soon_add(tcb); /* without room it needs its timer */
    }
    if (tcb->ack_due != ACK_NONE && receiver_needs_ack(tcb)) {
        send_ack(tcb);
    }
    keep_timer(tcb);
}

void tcb_expire(struct tcb *tcb)
{
    uint32_t nearest_us;

    ASSERT(tcb->state != TCB_CLOSED);
    if (is_waiting_for_fin(tcb)) {
        tcb_enter_time_wait(tcb);
        return;
    }
    if (!pinned_visit(tcb)) {
        counter_increment(COUNTER_PINNED_RESET);
        tcb_abort(tcb, ENOBUFS);
        return;
    }
    /* Most have got their acknowledgement since: nothing else happens to these. */
    if (!has_deadline(tcb, &nearest_us)) {
        return;
    }
    if (!time_has_come(tcp_now_us(), nearest_us)) {
        start_timer(tcb, nearest_us);
        return;
    }
    receiver_expire(tcb);
    tcp_event_unsettled(tcb);
    sender_expire(tcb);
}
