/* SPDX-License-Identifier: MIT */
/* sources: net/transport/tcp/sender.c net/transport/tcp/sender_output.c net/transport/tcp/piece.c net/transport/tcp/persist.c net/transport/tcp/blocked.c */
#include "tests/unit/world/tcp_sending.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

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
#include "net/transport/tcp/segment_block.h"
#include "net/transport/tcp/segment_out.h"
#include "net/transport/tcp/sender.h"
#include "net/transport/tcp/tcb.h"

struct tcb tcb, others[8];

/* --- Congestion control and loss recovery --- */

struct sending_given given;
struct sending_seen seen;

uint32_t recovery_acknowledge(struct tcb *of, const struct packet *packet,
                              const struct tcp_options *options, bool is_duplicate)
{
    uint32_t bytes = packet->acknowledgment - of->snd_una;

    (void)options;
    seen.acknowledge_count++;
    seen.was_duplicate = is_duplicate;
    if (bytes != 0) {
        queue_release(of, packet->acknowledgment);
    }
    return bytes;
}

void recovery_acknowledge_plain(struct tcb *of, const struct packet *packet)
{
    (void)recovery_acknowledge(of, packet, NULL, false);
}

/* Always another case. */
bool recovery_acknowledge_only(struct tcb *of)
{
    assert_int_equal(of->reference_count, 1);
    return false;
}

uint32_t recovery_pipe_bytes(const struct tcb *of)
{
    return of->snd_max - of->snd_una;
}

uint32_t recovery_quota_bytes(const struct tcb *of)
{
    uint32_t flight_bytes = 0;

    for (const struct reference *i = of->queue_head; i != of->unsent; i = i->next) {
        flight_bytes += (i->flags & REFERENCE_LOST) != 0 ? 0 : i->length_bytes;
    }
    return of->cwnd > flight_bytes ? of->cwnd - flight_bytes : 0;
}

struct reference *recovery_next_lost(const struct tcb *of)
{
    for (struct reference *i = of->queue_head; i != of->unsent; i = i->next) {
        if ((i->flags & REFERENCE_LOST) != 0) {
            return i;
        }
    }
    return NULL;
}

void recovery_note_sent(struct tcb *of, struct reference *first, const struct reference *end)
{
    (void)of;
    assert_true(first != end);
    for (struct reference *i = first; i != end; i = i->next) {
        assert_non_null(i);
        i->sent_count++;
        i->flags &= (uint8_t)~REFERENCE_LOST;
    }
    given.is_probe_due = false;
}

void recovery_note_all_sent(struct tcb *of, uint32_t now_us)
{
    assert_int_equal(now_us, tcp_now_us());
    recovery_note_sent(of, of->queue_head, NULL);
}

bool recovery_is_probe_due(const struct tcb *of)
{
    (void)of;
    return given.is_probe_due;
}

bool recovery_deadline(const struct tcb *of, uint32_t *deadline_us)
{
    (void)of;
    *deadline_us = given.recovery_deadline_us;
    return given.has_recovery_deadline;
}

bool recovery_expire(struct tcb *of)
{
    (void)of;
    seen.expire_count++;
    return !given.is_peer_silent;
}

void recovery_mark_all_lost(struct tcb *of)
{
    seen.mark_count++;
    for (struct reference *i = of->queue_head; i != of->unsent; i = i->next) {
        i->flags |= REFERENCE_LOST;
    }
}

void recovery_drop(struct tcb *of)
{
    (void)of;
}

void congestion_after_idle(struct tcb *of)
{
    (void)of;
    seen.idle_count++;
}

void congestion_on_send(struct tcb *of, enum cwnd_use use)
{
    (void)of;
    seen.is_limited = use == CWND_FULL;
    seen.is_half_used = use != CWND_SPARE;
}

/* --- The connection above --- */

void tcp_event_acknowledged(struct tcb *of, uint32_t bytes)
{
    (void)of;
    seen.acknowledged_bytes += bytes;
}

void tcp_event_unsettled(struct tcb *of)
{
    (void)of;
    seen.unsettled_count++;
}

/* Nobody has set any. */
void tcb_end_brief_timer(struct tcb *of)
{
    (void)of;
    PANIC("a timer that is not brief is to end");
}

void tcb_end(struct tcb *of, int error)
{
    seen.end_error = error;
    sender_drop(of);
}

void tcb_abort(struct tcb *of, int error)
{
    seen.abort_error = error;
    sender_drop(of);
}

/* --- Steps --- */

void sending_open(struct tcb *of, uint32_t window_bytes)
{
    *of = (struct tcb){
        .flow = {.remote_address = CARD_NEIGHBOR_ADDRESS, .local_address = CARD_LOCAL_ADDRESS},
        .has_sack = true,
        .rcv_nxt = IRS + 1,
        .rto_us = 200000,
        .cwnd = 1 << 20,
    };
    of->flow_sum = segment_flow_sum(&of->flow);
    sender_open(of, ISS, window_bytes, IRS, MSS);
}

int sending_set_up(void **state)
{
    (void)state;
    card_reset();
    queue_initialise();
    segment_out_initialise();
    sender_initialise();
    given = (struct sending_given){0};
    seen = (struct sending_seen){0};
    sending_open(&tcb, 1 << 20);
    for (unsigned i = 0; i < ARRAY_COUNT(others); i++) {
        sending_open(&others[i], 1 << 20);
    }
    return 0;
}

int sending_tear_down(void **state)
{
    (void)state;
    memory_fault = NULL;
    sender_drop(&tcb);
    for (unsigned i = 0; i < ARRAY_COUNT(others); i++) {
        sender_drop(&others[i]);
    }
    card_complete(card_unread_count());
    assert_int_equal(queue_memory_bytes(), 0);
    assert_int_equal(sender_poll_blocked(), 0);
    return 0;
}

void sending_append(struct tcb *of, uint32_t length)
{
    assert_true(queue_append_archive(of, card_archive + (of->snd_end - FIRST) % 1000, length));
}

/* A pure acknowledgement, with the peer's next number. Returns whether it was FIN's. */
bool sending_acknowledge(uint32_t offset, uint32_t window_bytes)
{
    struct packet packet = {
        .kind = PACKET_SEGMENT,
        .sequence = IRS + 1,
        .acknowledgment = FIRST + offset,
        .window = (uint16_t)(window_bytes >> tcb.snd_scale),
        .tcp_flags = TCP_FLAG_ACK,
    };

    if (FIRST + offset - tcb.snd_una <= tcb.snd_max - tcb.snd_una &&
        sender_is_plain(&tcb, packet.acknowledgment)) {
        return sender_acknowledge_plain(&tcb, &packet);
    }
    return sender_acknowledge(&tcb, &packet, NULL);
}

/* What goes now, as `offset+length` and letters for its flags, from FIRST on. */
const char *sending_go(struct tcb *of)
{
    static char text[512];
    bool has_sent = sender_output(of);
    const struct card_frame *frame;
    size_t length = 0;

    text[0] = '\0';
    while ((frame = card_take()) != NULL) {
        length +=
            (size_t)snprintf(text + length, sizeof(text) - length, "%s%u+%u%s%s",
                             length == 0 ? "" : " ", frame->sequence - FIRST, frame->length_bytes,
                             (frame->tcp_flags & TCP_FLAG_PSH) != 0 ? "P" : "",
                             (frame->tcp_flags & TCP_FLAG_FIN) != 0 ? "F" : "");
    }
    assert_int_equal(has_sent, length != 0);
    return text;
}

void sending_pass_ms(uint64_t ms)
{
    card_now_ns += ms * NS_PER_MS;
}
