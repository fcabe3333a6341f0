/* SPDX-License-Identifier: MIT */
/*
 * The transmission control block (RFC 9293 3.3.1) of a connection from the ACK that completes its
 * handshake until its end, or TIME_WAIT. It is the one truth: lwIP is lent the receive half of it
 * for a segment that is not in order (lend.h), and nothing of the send half ever.
 *
 * Sequence numbers are compared by difference (sequence.h). Times are microseconds of tcp_now_us(),
 * which wraps: compared by signed difference. Windows and amounts are in bytes.
 */
#pragma once

#include "kernel/base.h"
#include "net/messages.h"
#include "net/transport/flows.h"
#include "net/transport/tcp/wheel.h"

struct handshake;
struct handshake_completion;
struct loan;
struct reference;
struct recovery;
struct segment;

/*
 * RFC 9293 3.3.2, from the completed handshake on. What leads from each state to which:
 *
 *   state          our FIN goes   a FIN comes    our FIN is acknowledged
 *   ESTABLISHED    FIN_WAIT_1     CLOSE_WAIT
 *   FIN_WAIT_1                    CLOSING        FIN_WAIT_2
 *   FIN_WAIT_2                    (TIME-WAIT)
 *   CLOSE_WAIT     LAST_ACK
 *   CLOSING                                      (TIME-WAIT)
 *   LAST_ACK                                     CLOSED
 *
 * Any of them is CLOSED by a reset, a time-out, or tcb_abort(). TIME-WAIT is timewait.h's: the
 * block is CLOSED then, too.
 */
enum tcb_state {
    TCB_CLOSED = 0, /* none: never opened, or over */
    TCB_ESTABLISHED,
    TCB_FIN_WAIT_1,
    TCB_FIN_WAIT_2,
    TCB_CLOSE_WAIT,
    TCB_CLOSING,
    TCB_LAST_ACK,
    TCB_STATE_COUNT
};

/* An acknowledgement that the peer is to get. A segment with data carries it, too. */
enum ack_due {
    ACK_NONE,
    ACK_FRESH,   /* since this round: delayed at its end if nothing has taken it along */
    ACK_DELAYED, /* at ack_deadline_us */
    ACK_NOW,     /* at the end of the round */
    ACK_ALONE,   /* then, and before any data: it tells of a hole */
};

/*
 * By cache lines of struct connection, of which this is a part: what is read together lies
 * together. A kept-alive exchange needs lines 0 to 2, and a little of line 3. On each line the
 * fields stand in groups by the file that writes them; any file may read.
 */
struct tcb {
    /* === Line 0: which connection a segment is for, and whether it is what was expected. === */

    union {
        /* --- demux.c --- */
        struct flow_entry entry; /* in the table of flows */
        struct {
            /* --- tcb.c --- */
            struct flow flow;
            uint8_t state; /* enum tcb_state */

            /* --- demux.c --- */
            bool is_hashed : 1;

            /* --- tcb.c --- */
            bool is_orphan : 1; /* nobody reads any more: bytes that come are answered with RST */

            /* --- receiver.c --- */
            bool has_peer_fin : 1; /* and it is in rcv_nxt */

            /* --- soon.c --- */
            uint8_t soon; /* SOON_..., of the place as well as of the connection */

            /* --- receiver.c --- */
            uint8_t ack_due; /* enum ack_due */
        };
    };

    /* --- receiver.c --- */
    uint32_t rcv_nxt;
    uint32_t rcv_edge; /* the right edge of the window that the peer has been told */

    /* --- queue.c --- */
    uint32_t snd_una; /* oldest number that is not acknowledged */
    uint32_t snd_max; /* beyond the highest sent, FIN included: where `unsent` begins */

    /* --- sender.c --- */
    uint32_t snd_wnd; /* in bytes: scaled already */
    uint32_t snd_wl1; /* of the segment that said so; SND.WL2 would never be beyond snd_una */

    /* === Line 1: what is queued, and what each segment out wants. === */

    /* --- receiver.c --- */
    uint32_t rcv_buffer_bytes; /* how far rcv_edge may be from what the application has taken */

    /* --- tcb.c --- */
    uint8_t snd_scale, rcv_scale; /* RFC 7323 2 */
    uint16_t flow_sum;            /* segment_flow_sum(), for the headers of each segment out */

    /* --- recovery_block.c --- */
    struct recovery *recovery; /* from the first loss, SACK, time-out or congestion avoidance on */

    /* --- lend.c --- */
    struct loan *loan; /* lwIP's view of the receive half, while bytes wait beyond a hole */

    /* --- queue.c --- */
    struct reference *queue_head, *queue_tail; /* from snd_una on */
    struct reference
        *unsent;      /* the first that was never sent: nor was any after it. NULL: all were */
    uint32_t snd_end; /* beyond the highest queued, FIN included */
    uint16_t reference_count;
    bool has_fin; /* snd_end includes one */

    /* --- sender.c --- */
    bool is_fin_due; /* FIN shall follow what is queued; queue.c has it, or gets it soon */
    uint16_t mss;    /* of payload in a segment: the peer's, or the path's if that is less */

    /* --- segment_out.c --- */
    uint16_t neighbor; /* where the next hop stands in the cache of neighbours, or did */

    /* --- receiver.c --- */
    uint32_t rcv_unread_bytes; /* in order, and not yet taken by the application */

    /* === Line 2: how much may be sent, how long an answer takes, and the timer. === */

    /* --- congestion.c --- */
    uint32_t cwnd, ssthresh;
    uint32_t last_send_us;

    /* --- sender.c --- */
    uint32_t snd_wnd_max; /* the largest there was */

    /* --- round_trip.c --- */
    uint32_t srtt_us8;   /* eight times SRTT; 0: nothing measured */
    uint32_t rttvar_us4; /* four times RTTVAR */
    uint32_t rto_us;     /* with its back-off */
    uint32_t min_rtt_us; /* 0: nothing measured */
    uint8_t backoff_count : 7;

    /* --- tcb.c --- */
    uint8_t is_timer_brief : 1; /* cleared when all is acknowledged, tcb_end_brief_timer() */

    /* --- congestion.c --- */
    uint8_t cwnd_use; /* enum cwnd_use, of the last sender_output() */

    /* --- loss_timer.c --- */
    uint8_t loss_timer;      /* enum loss_timer: what the deadline is for */
    uint8_t silent_timeouts; /* since the peer has acknowledged something */

    /* --- tcb.c --- */
    uint32_t timer_us;        /* when `timer` is due, while it is on the wheel */
    struct wheel_entry timer; /* for the earliest of all deadlines, or earlier */

    /* === Line 3: deadlines and buffers, and what is seldom asked for. === */

    /* --- loss_timer.c --- */
    uint32_t loss_deadline_us;

    /* --- receiver.c --- */
    uint32_t ack_deadline_us;
    uint32_t rcv_taken_bytes; /* by the application, since rcv_taken_since_us */
    uint32_t rcv_taken_since_us;
    uint32_t challenge_period_us; /* when it began */
    uint8_t challenge_count;      /* RFC 5961 7: in this period */

    /* --- tcb.c --- */
    bool has_sack; /* both sides have offered it (RFC 2018) */

    /* --- newreno.c --- */
    uint8_t duplicate_acks;

    /* --- blocked.c --- */
    bool is_output_blocked; /* the card had no room: sender_poll_blocked() tries again */
    struct tcb *blocked_next, **blocked_link;

    /* --- persist.c --- */
    uint32_t persist_deadline_us;
    uint32_t persist_interval_us; /* 0: the window is not closed */
    uint8_t probe_count;          /* since it is */
    uint8_t unanswered_count;     /* of those, since the peer has said something */

    /* --- hystart.c --- */
    uint8_t hystart_round_samples, hystart_css_rounds;
    uint32_t hystart_round_end;
    uint32_t hystart_last_min_us, hystart_this_min_us, hystart_css_base_us;

    /* --- pinned.c --- */
    uint32_t pinned_bytes; /* of memory that its peer keeps, as counted at the last visit */
};

_Static_assert(offsetof(struct tcb, state) == offsetof(struct flow_entry, state) &&
                   offsetof(struct tcb, ack_due) < offsetof(struct flow_entry, next),
               "they lie where the entry has them, or room");
_Static_assert(TCB_STATE_COUNT <= FLOW_HALF_OPEN, "of the table's entries these are connections'");

/* Whether there is something to send for the first time, and the window has room for a segment. */
static inline bool tcb_has_new(const struct tcb *tcb)
{
    return tcb->unsent != NULL &&
           (int32_t)(tcb->snd_una + tcb->snd_wnd - tcb->snd_max) >= (int32_t)tcb->mss;
}

/* Whether its timer is due at that time, or earlier. */
static inline bool tcb_is_on_wheel(const struct tcb *tcb, uint32_t deadline_us)
{
    return wheel_is_set(&tcb->timer) && (int32_t)(deadline_us - tcb->timer_us) >= 0;
}

/* Microseconds of this round: wraps after 71 minutes. */
uint32_t tcp_now_us(void);

/*
 * A connection begins: all that the handshake has found out (handshake.h). The block is zero, or
 * as tcb_end() has left it. The segment that completed the handshake is handled as any other one
 * afterwards (receiver_segment()); the caller makes the flow known (demux_add()).
 */
void tcb_open(struct tcb *tcb, const struct handshake *handshake,
              struct handshake_completion completion);

/* The one place where a state changes: panics on what the table above does not have. */
void tcb_set_state(struct tcb *tcb, enum tcb_state state);
/* Take note in the state if our FIN has gone. */
void tcb_note_fin_sent(struct tcb *tcb);

/* FIN behind what is queued. Nothing may be appended afterwards. Calls again are ignored. */
void tcb_close_send(struct tcb *tcb);
/*
 * The application is gone: tcb_close_send(), and what comes from now on is answered with a reset
 * (RFC 9293 3.10.4, RFC 2525 2.17). With bytes that it has not taken that is now. May end it.
 */
void tcb_close(struct tcb *tcb);
/* Reset the peer, and end. `error`: what tcp_event_ended() shall say, 0 or an errno. */
void tcb_abort(struct tcb *tcb, int error);
/* It is over, without a word to the peer: gives back all that it holds, and tells so. */
void tcb_end(struct tcb *tcb, int error);
/* Our FIN is acknowledged, and the peer's has come, or is all that can: timewait.h keeps the
 * numbers, and it ends. */
void tcb_enter_time_wait(struct tcb *tcb);

/* At the end of a round in which something happened to it: data, FIN, an ACK if one is due, and the
 * timer for what comes next. May end it. */
void tcb_settle(struct tcb *tcb);
/* All has been acknowledged, and is_timer_brief: nothing else may want the timer now. */
void tcb_end_brief_timer(struct tcb *tcb);
/* Its next deadline, if it has one, goes on the wheel. */
void tcb_set_timer(struct tcb *tcb);
/* Its timer has expired: whatever is due by now, and then tcb_settle() at the end of the round is
 * asked for (tcp_event_unsettled()). Nothing is, mostly. */
void tcb_expire(struct tcb *tcb);
/* The address or the path has changed: segments of at most so many bytes of payload, and what is
 * under way again. Never more than before. */
void tcb_lower_mss(struct tcb *tcb, uint16_t mss);
