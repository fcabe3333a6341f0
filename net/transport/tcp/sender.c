/* SPDX-License-Identifier: MIT */
/*
 * Acknowledgements, FIN and time: see sender.h. What goes out: sender_output.c.
 */
#include "net/transport/tcp/sender.h"

#include <errno.h>

#include "kernel/platform.h"
#include "net/headers.h"
#include "net/packet.h"
#include "net/transport/tcp/blocked.h"
#include "net/transport/tcp/events.h"
#include "net/transport/tcp/loss_timer.h"
#include "net/transport/tcp/persist.h"
#include "net/transport/tcp/queue.h"
#include "net/transport/tcp/recovery.h"
#include "net/transport/tcp/sequence.h"
#include "net/transport/tcp/soon.h"
#include "net/transport/tcp/tcb.h"

/* --- Acknowledgements --- */

void sender_open(struct tcb *tcb, uint32_t iss, uint32_t window_bytes, uint32_t irs, uint16_t mss)
{
    ASSERT(mss > 0);
    tcb->mss = mss;
    tcb->snd_wnd = window_bytes;
    tcb->snd_wnd_max = window_bytes;
    tcb->snd_wl1 = irs; /* before any other segment of the peer */
    tcb->is_fin_due = false;
    queue_open(tcb, iss + 1);
}

/*
 * RFC 9293 3.10.7.4: from the latest segment. Of those with that number the one that acknowledges
 * most is none before this: what is older than snd_una has been refused. Returns whether the window
 * is another one now.
 */
static inline bool take_window(struct tcb *tcb, const struct packet *packet)
{
    uint32_t window_bytes, window_before = tcb->snd_wnd;

    if (UNLIKELY((int32_t)(packet->sequence - tcb->snd_wl1) < 0)) {
        return false;
    }
    window_bytes = (uint32_t)packet->window << tcb->snd_scale;
    tcb->snd_wl1 = packet->sequence;
    tcb->snd_wnd = window_bytes;
    if (UNLIKELY(window_bytes > tcb->snd_wnd_max)) {
        tcb->snd_wnd_max = window_bytes;
    }
    return window_bytes != window_before;
}

/* RFC 5681 2, where there is no SACK that would say more. Answers to probes of a closed window look
 * like that, and are none. */
static bool is_duplicate(const struct tcb *tcb, const struct packet *packet, bool is_window_change)
{
    return !tcb->has_sack && packet->acknowledgment == tcb->snd_una && packet->payload_bytes == 0 &&
           (packet->tcp_flags & (TCP_FLAG_SYN | TCP_FLAG_FIN)) == 0 && !is_window_change &&
           tcb->persist_interval_us == 0;
}

/* So many bytes are off the queue. Returns whether our FIN is among them. */
static inline bool note_acknowledged(struct tcb *tcb, uint32_t acknowledged_bytes)
{
    bool is_fin_acknowledged = sender_is_fin_acknowledged(tcb);

    acknowledged_bytes -= is_fin_acknowledged;
    if (LIKELY(acknowledged_bytes != 0)) {
        tcp_event_acknowledged(tcb, acknowledged_bytes);
    }
    return is_fin_acknowledged;
}

bool sender_acknowledge(struct tcb *tcb, const struct packet *packet,
                        const struct tcp_options *options)
{
    uint32_t flight_bytes = tcb->snd_max - tcb->snd_una, acknowledged_bytes;
    bool was_closed = tcb->snd_wnd < tcb->mss;
    bool is_window_change;

    if (packet->acknowledgment - tcb->snd_una > flight_bytes) {
        return false; /* older than what is known */
    }
    is_window_change = take_window(tcb, packet);
    if (tcb->persist_interval_us != 0) {
        persist_note_answer(tcb);
    }
    if (flight_bytes == 0 && tcb->recovery == NULL) {
        return false; /* nothing is under way, and no D-SACK is waited for */
    }
    if (was_closed && flight_bytes != 0 && packet->acknowledgment == tcb->snd_una &&
        tcb->snd_wnd >= tcb->mss && tcb->backoff_count != 0) {
        recovery_mark_all_lost(tcb); /* what was sent into the closed window: not at the time-out */
    }
    acknowledged_bytes =
        recovery_acknowledge(tcb, packet, options, is_duplicate(tcb, packet, is_window_change));
    ASSERT_SLOW(tcb->snd_una == packet->acknowledgment);
    if (acknowledged_bytes == 0) {
        return false;
    }
    if (tcb->persist_interval_us != 0 && tcb->snd_una == tcb->snd_end) {
        persist_stop(tcb); /* the probe was the last of it */
    }
    return note_acknowledged(tcb, acknowledged_bytes);
}

inline __attribute__((always_inline)) void sender_take_window(struct tcb *tcb,
                                                              const struct packet *packet)
{
    ASSERT_SLOW(sender_is_idle(tcb) && packet->acknowledgment == tcb->snd_una);
    (void)take_window(tcb, packet);
}

inline __attribute__((always_inline)) bool sender_acknowledge_plain(struct tcb *tcb,
                                                                    const struct packet *packet)
{
    uint32_t acknowledged_bytes = packet->acknowledgment - tcb->snd_una;

    ASSERT_SLOW(sender_is_plain(tcb, packet->acknowledgment));
    (void)take_window(tcb, packet);
    if (packet->acknowledgment != tcb->snd_end || tcb->reference_count != 1 ||
        tcb->recovery != NULL || !recovery_acknowledge_only(tcb)) {
        recovery_acknowledge_plain(tcb, packet);
    } else if (tcb->is_timer_brief) {
        tcb_end_brief_timer(tcb);
    }
    return note_acknowledged(tcb, acknowledged_bytes);
}

inline bool sender_is_settled(const struct tcb *tcb)
{
    return tcb->unsent == NULL && recovery_is_plain(tcb) &&
           (tcb->loss_timer == LOSS_TIMER_NONE || tcb_is_on_wheel(tcb, tcb->loss_deadline_us) ||
            (soon_is_listed(tcb) && soon_may_have_timer(tcb, tcb->loss_deadline_us, tcp_now_us())));
}

/* --- FIN --- */

void sender_close(struct tcb *tcb)
{
    tcb->is_fin_due = true; /* without memory output() tries again */
    if (!tcb->has_fin && !queue_append_fin(tcb)) {
        blocked_add(tcb);
    }
}

inline bool sender_has_sent_fin(const struct tcb *tcb)
{
    return tcb->has_fin && tcb->snd_max == tcb->snd_end;
}

bool sender_is_fin_acknowledged(const struct tcb *tcb)
{
    return tcb->has_fin && tcb->snd_una == tcb->snd_end;
}

/* --- Time --- */

void sender_expire(struct tcb *tcb)
{
    uint32_t deadline_us;

    if (!sender_deadline(tcb, &deadline_us) || !time_has_come(tcp_now_us(), deadline_us)) {
        return;
    }
    if (tcb->persist_interval_us != 0) {
        persist_expire(tcb);
    } else if (!recovery_expire(tcb)) {
        tcb_end(tcb, ETIMEDOUT);
    }
}

bool sender_deadline(const struct tcb *tcb, uint32_t *deadline_us)
{
    if (UNLIKELY(tcb->persist_interval_us != 0)) {
        *deadline_us = tcb->persist_deadline_us;
        return true;
    }
    return recovery_deadline(tcb, deadline_us);
}

/* --- Other --- */

void sender_lower_mss(struct tcb *tcb, uint16_t mss)
{
    ASSERT(mss > 0);
    if (mss < tcb->mss) {
        tcb->mss = mss;
        recovery_mark_all_lost(tcb);
    }
}

/* Inline, as the rest of a connection's end. */
__attribute__((always_inline)) inline void sender_drop(struct tcb *tcb)
{
    if (tcb->is_output_blocked) {
        blocked_remove(tcb);
    }
    persist_stop(tcb);
    queue_drop(tcb);
    recovery_drop(tcb);
}

void sender_initialise(void)
{
    blocked_initialise();
}
