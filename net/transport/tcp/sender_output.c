/* SPDX-License-Identifier: MIT */
/*
 * What goes out when: probes for the tail, what is lost, what is new. See sender.h.
 */
#include <errno.h>

#include "kernel/platform.h"
#include "libc/core/ablation.h"
#include "net/headers.h"
#include "net/transport/tcp/blocked.h"
#include "net/transport/tcp/congestion.h"
#include "net/transport/tcp/events.h"
#include "net/transport/tcp/persist.h"
#include "net/transport/tcp/piece.h"
#include "net/transport/tcp/queue.h"
#include "net/transport/tcp/recovery.h"
#include "net/transport/tcp/segment_out.h"
#include "net/transport/tcp/sender.h"
#include "net/transport/tcp/tcb.h"

/* Frames of one connection in a round, after which it is the others' turn. Chosen: a megabyte where
 * the card cuts segments. */
#define FRAMES_PER_ROUND 16u

/* Chosen: a millisecond, as SRTT is kept. */
#define LITTLE_US8 8000u

static uint32_t least(uint32_t left, uint32_t right)
{
    return left < right ? left : right;
}

/* --- What was lost --- */

/* Beyond the window nothing is sent again but one segment at its beginning: the peer may have
 * shrunk it (RFC 9293 3.8.6), and must answer that. */
static uint32_t window_room_from(const struct tcb *tcb, uint32_t sequence)
{
    uint32_t offset = sequence - tcb->snd_una;

    if (offset == 0 && tcb->snd_wnd < tcb->mss) {
        return tcb->mss;
    }
    return tcb->snd_wnd > offset ? tcb->snd_wnd - offset : 0;
}

/* Whole references, one behind the other, and of one that is too long whole segments. */
static enum outcome send_lost(struct tcb *tcb, struct reference *first, uint32_t quota_bytes)
{
    struct piece piece = {.first = first};
    uint32_t most_bytes = least(quota_bytes, window_room_from(tcb, first->sequence));
    const struct reference *reference = first;

    if (most_bytes == 0) {
        return OUTCOME_NOTHING;
    }
    while (reference != NULL && (reference->flags & REFERENCE_LOST) != 0 &&
           reference->length_bytes <= most_bytes - piece.length_bytes) {
        piece.length_bytes += reference->length_bytes;
        piece.has_fin = (reference->flags & REFERENCE_FIN) != 0;
        reference = reference->next;
    }
    if (reference != NULL && (reference->flags & REFERENCE_LOST) != 0 &&
        most_bytes - most_bytes % tcb->mss > piece.length_bytes) {
        piece.length_bytes = most_bytes - most_bytes % tcb->mss;
    }
    if (piece.length_bytes == 0 && !piece.has_fin) {
        return OUTCOME_NOTHING;
    }
    piece.is_last = most_bytes - piece.length_bytes < tcb->mss;
    return piece_send(tcb, piece_fit(tcb, piece), true);
}

/* --- What is new --- */

/* Where that begins: while the window was closed, with the probe. */
static struct reference *first_new(const struct tcb *tcb)
{
    return tcb->persist_interval_us != 0 ? tcb->queue_head : tcb->unsent;
}

/* Half of the largest window, if the peer's is that small: it acknowledges at once what fills half
 * of it, and might wait with the second segment otherwise. */
static uint32_t segment_bytes_of(const struct tcb *tcb)
{
    uint32_t half_bytes = tcb->snd_wnd_max / 2;

    return half_bytes >= tcb->mss ? tcb->mss : half_bytes + (half_bytes == 0);
}

/* Not a third of what may be under way, nor what goes in a millisecond. Where the round trip is
 * longer, what waits for more would be missing from each: acknowledgements come in bunches like
 * those of the frames that the card cuts, and let as much go again as went before. */
static bool is_little(const struct tcb *tcb, uint32_t bytes)
{
    uint32_t flight_bytes_max = least(tcb->cwnd, tcb->snd_wnd);

    return bytes < flight_bytes_max / 3 &&
           (uint64_t)bytes * tcb->srtt_us8 < flight_bytes_max * (uint64_t)LITTLE_US8;
}

/*
 * How much of what is queued goes when not all of it may. Whole segments; less than one only if the
 * window is all that keeps it, and lets half of the most go that it ever has (RFC 9293 3.8.6.2.1).
 * And little waits for more while acknowledgements are under way and nothing seems lost: the more
 * one transmission has, the less it costs.
 */
static uint32_t choose_part(const struct tcb *tcb, uint32_t flight_bytes, uint32_t window_bytes,
                            uint32_t quota_bytes)
{
    uint32_t usable_bytes = least(window_bytes, quota_bytes);
    uint32_t segment_bytes = segment_bytes_of(tcb);
    uint32_t part_bytes = usable_bytes - usable_bytes % segment_bytes;

    if (part_bytes == 0) {
        return usable_bytes == window_bytes && window_bytes >= (tcb->snd_wnd_max + 1) / 2
                   ? window_bytes
                   : 0;
    }
    if (flight_bytes != 0 && is_little(tcb, part_bytes) &&
        part_bytes < segment_out_fit(tcb, first_new(tcb), usable_bytes + 1) &&
        recovery_pipe_bytes(tcb) == flight_bytes) {
        return 0;
    }
    return part_bytes;
}

/* What the window leaves behind what is under way. */
static uint32_t window_room(const struct tcb *tcb, uint32_t flight_bytes)
{
    return tcb->snd_wnd > flight_bytes ? tcb->snd_wnd - flight_bytes : 0;
}

static struct piece cut_to_half_window(const struct tcb *tcb, struct piece piece)
{
    uint32_t segment_bytes = segment_bytes_of(tcb);

    if (segment_bytes < tcb->mss && piece.length_bytes > segment_bytes) {
        piece.length_bytes = segment_bytes;
        piece.has_fin = false;
        piece.is_last = false;
    }
    return piece;
}

static enum outcome send_new(struct tcb *tcb, struct reference *first, uint32_t quota_bytes)
{
    uint32_t flight_bytes = first->sequence - tcb->snd_una;
    uint32_t queued_bytes = tcb->snd_end - first->sequence;
    uint32_t payload_bytes = queued_bytes - tcb->has_fin;
    uint32_t window_bytes = window_room(tcb, flight_bytes);
    uint32_t usable_bytes = least(window_bytes, quota_bytes);
    struct piece piece = {first, payload_bytes, tcb->has_fin, false};

    if (WITHOUT(FIN_WITH_BYTES) && payload_bytes != 0) {
        piece.has_fin = false;
    }
    if (UNLIKELY(usable_bytes < queued_bytes)) {
        piece.has_fin = false;
        if (usable_bytes < payload_bytes) {
            piece.length_bytes = choose_part(tcb, flight_bytes, window_bytes, quota_bytes);
        }
        if (piece.length_bytes == 0) {
            return OUTCOME_NOTHING;
        }
        piece.is_last = usable_bytes - piece.length_bytes < tcb->mss;
    }
    if (UNLIKELY(tcb->snd_wnd_max < 2u * tcb->mss)) {
        piece = cut_to_half_window(tcb, piece);
    }
    if (UNLIKELY(tcb->persist_interval_us != 0)) {
        persist_stop(tcb);
    }
    return piece_send(tcb, piece_fit(tcb, piece), true);
}

/* --- Probes for the tail of what was sent (RFC 8985 7) --- */

/* What is lost and waits for its turn; or something new if there is, and the window lets it go; or
 * the last segment again. */
static enum outcome send_tail_probe(struct tcb *tcb)
{
    uint32_t flight_bytes = tcb->snd_max - tcb->snd_una;
    struct piece piece = {.first = tcb->unsent, .is_last = true};
    struct reference *lost = recovery_next_lost(tcb);
    uint32_t fin, offset;

    if (lost != NULL) {
        return send_lost(tcb, lost, tcb->mss);
    }
    if (tcb->unsent != NULL && tcb->snd_wnd > flight_bytes) {
        fin = tcb->has_fin;
        piece.length_bytes =
            least(least(tcb->snd_wnd - flight_bytes, tcb->mss), tcb->snd_end - tcb->snd_max - fin);
        piece.has_fin = piece.length_bytes == 0;
    } else {
        fin = sender_has_sent_fin(tcb);
        offset = flight_bytes - fin > tcb->mss ? flight_bytes - fin - tcb->mss : 0;
        piece.first = queue_split(tcb, tcb->queue_head, tcb->snd_una + offset);
        if (piece.first == NULL) {
            return piece_wait(tcb);
        }
        piece.length_bytes = flight_bytes - fin - offset;
        piece.has_fin = fin != 0;
    }
    return piece_send(tcb, piece_fit(tcb, piece), true);
}

/* --- All of it --- */

struct progress {
    enum outcome outcome; /* why it has stopped */
    unsigned frame_count; /* that have gone */
};

/* One that tells of a hole goes by itself: with data it would be no duplicate (RFC 5681 2), and its
 * SACK blocks would have no room. */
static enum outcome send_ack_first(struct tcb *tcb)
{
    return segment_out_send(tcb, NULL, tcb->snd_max, 0, 0) == -EAGAIN ? OUTCOME_REFUSED
                                                                      : OUTCOME_SENT;
}

/* What congestion control lets go. Nothing is lost, most often. */
static inline uint32_t quota_of(const struct tcb *tcb, bool is_plain)
{
    uint32_t flight_bytes = tcb->snd_max - tcb->snd_una;

    if (UNLIKELY(!is_plain)) {
        return recovery_quota_bytes(tcb);
    }
    return tcb->cwnd > flight_bytes ? tcb->cwnd - flight_bytes : 0;
}

/* Full: congestion control, and not the window, keeps what is queued from going. */
static inline enum cwnd_use cwnd_use(const struct tcb *tcb, bool is_plain)
{
    uint32_t flight_bytes = tcb->snd_max - tcb->snd_una;

    if (tcb->unsent != NULL && quota_of(tcb, is_plain) < window_room(tcb, flight_bytes)) {
        return CWND_FULL;
    }
    return flight_bytes > tcb->cwnd / 2 ? CWND_HALF : CWND_SPARE;
}

/* Whether nothing more may go, after something new has: not a whole segment, nor all that is left.
 * A quick look that may be wrong if it says no. */
static inline bool is_spent(const struct tcb *tcb)
{
    uint32_t flight_bytes = tcb->snd_max - tcb->snd_una;

    return tcb->snd_wnd_max >= 2u * tcb->mss &&
           (tcb->unsent == NULL || least(tcb->cwnd, tcb->snd_wnd) <
                                       flight_bytes + least(tcb->mss, tcb->snd_end - tcb->snd_max));
}

/* Nothing new goes while there is something lost that may not. */
static inline enum outcome send_next(struct tcb *tcb, bool is_plain)
{
    struct reference *lost = UNLIKELY(!is_plain) ? recovery_next_lost(tcb) : NULL;
    struct reference *first;

    if (UNLIKELY(lost != NULL)) {
        return send_lost(tcb, lost, recovery_quota_bytes(tcb));
    }
    first = first_new(tcb);
    return first == NULL ? OUTCOME_NOTHING : send_new(tcb, first, quota_of(tcb, is_plain));
}

static struct progress send_frames(struct tcb *tcb)
{
    struct progress progress = {OUTCOME_SENT, 0};
    bool is_plain = recovery_is_plain(tcb), is_over = false;

    while (progress.frame_count < FRAMES_PER_ROUND && !is_over) {
        progress.outcome = send_next(tcb, is_plain);
        if (progress.outcome != OUTCOME_SENT) {
            break;
        }
        progress.frame_count++;
        is_over = is_plain && is_spent(tcb);
    }
    if (progress.frame_count != 0) {
        congestion_on_send(tcb, cwnd_use(tcb, is_plain));
    }
    if (is_over) {
        progress.outcome = OUTCOME_NOTHING;
    } else if (progress.outcome == OUTCOME_SENT) {
        blocked_add(tcb);
        progress.outcome = OUTCOME_WAITS;
    } else if (progress.outcome == OUTCOME_NOTHING) {
        persist_start(tcb);
    }
    return progress;
}

/* What comes seldom, before the rest. Returns SENT when something went, and NOTHING. */
static enum outcome send_extras(struct tcb *tcb)
{
    enum outcome outcome = OUTCOME_NOTHING;

    if (tcb->is_fin_due && !tcb->has_fin && !queue_append_fin(tcb)) {
        blocked_add(tcb); /* what is queued goes */
    }
    if (recovery_is_probe_due(tcb)) {
        outcome = send_tail_probe(tcb);
    }
    if (outcome <= OUTCOME_NOTHING && tcb->ack_due == ACK_ALONE && first_new(tcb) != NULL) {
        outcome = send_ack_first(tcb);
    }
    return outcome;
}

static struct progress output(struct tcb *tcb)
{
    struct progress progress = {send_extras(tcb), 0};
    bool has_sent = progress.outcome == OUTCOME_SENT;

    if (progress.outcome > OUTCOME_NOTHING) {
        return progress;
    }
    if (first_new(tcb) != NULL || !recovery_is_plain(tcb)) {
        progress = send_frames(tcb);
    }
    progress.frame_count += has_sent;
    return progress;
}

/*
 * The common one: nothing is under way, and all that is queued goes as one frame. What send_new()
 * would find out in more steps; it does what this does not.
 */
static inline bool can_send_all(const struct tcb *tcb)
{
    uint32_t queued_bytes = tcb->snd_end - tcb->snd_una;

    return queued_bytes <= tcb->cwnd && queued_bytes <= tcb->snd_wnd &&
           (tcb->recovery == NULL || tcb->recovery->is_quiet) &&
           tcb->snd_wnd_max >= 2u * tcb->mss && tcb->persist_interval_us == 0 &&
           tcb->ack_due != ACK_ALONE && tcb->is_fin_due == tcb->has_fin &&
           !(WITHOUT(FIN_WITH_BYTES) && tcb->has_fin) && segment_out_fits(tcb, queued_bytes);
}

static inline enum sender_sent send_all(struct tcb *tcb, uint32_t now_us)
{
    uint32_t payload_bytes = tcb->snd_end - tcb->snd_una - tcb->has_fin;
    uint8_t tcp_flags = (tcb->has_fin ? TCP_FLAG_FIN : 0) | (payload_bytes != 0 ? TCP_FLAG_PSH : 0);
    struct reference *first = tcb->unsent;

    ASSERT_SLOW(first == tcb->queue_head && first->sequence == tcb->snd_una);
    if (UNLIKELY(segment_out_send(tcb, first, tcb->snd_una, payload_bytes, tcp_flags) == -EAGAIN)) {
        return SENT_NOTHING;
    }
    queue_note_all_sent(tcb);
    recovery_note_all_sent(tcb, now_us);
    congestion_on_send_all(tcb, now_us);
    return SENT_ALL;
}

/* Neither new nor lost nor a FIN: all that there was has gone. */
static inline bool has_nothing(const struct tcb *tcb)
{
    return tcb->unsent == NULL && recovery_is_plain(tcb) && tcb->is_fin_due == tcb->has_fin &&
           tcb->persist_interval_us == 0;
}

enum sender_sent sender_output(struct tcb *tcb)
{
    if (tcb->unsent != NULL && tcb->snd_max == tcb->snd_una && LIKELY(!tcb->is_output_blocked)) {
        uint32_t now_us = tcp_now_us();

        if (UNLIKELY(congestion_is_idle(tcb, now_us))) {
            congestion_after_idle(tcb);
        }
        if (LIKELY(can_send_all(tcb))) {
            return send_all(tcb, now_us);
        }
    } else if (has_nothing(tcb) || UNLIKELY(tcb->is_output_blocked)) {
        return SENT_NOTHING; /* or behind those that were first */
    }
    return output(tcb).frame_count != 0 ? SENT_SOME : SENT_NOTHING;
}

unsigned sender_poll_blocked(void)
{
    unsigned count = 0;

    for (uint32_t left = blocked_count(); left != 0; left--) {
        struct tcb *tcb = blocked_first();
        struct progress progress;

        blocked_remove(tcb);
        progress = output(tcb);
        count += progress.frame_count != 0;
        tcp_event_unsettled(tcb); /* its timer, and an acknowledgement by itself */
        if (progress.outcome == OUTCOME_REFUSED) {
            break;
        }
    }
    return count;
}
