/* SPDX-License-Identifier: MIT */
/*
 * Segments out: headers from a connection's own numbers, payload from where it lies, as one frame
 * for this node's link server or one message to another's. A long one is cut by the card.
 */
#pragma once

#include "kernel/base.h"
#include "net/messages.h"
#include "net/transport/tcp/options.h"

struct reference;
struct tcb;

/*
 * Send payload of the queue, from `sequence` in `first` on; or none, which is an ACK (or a FIN).
 * ACK and window are those of now; receiver_note_ack_sent() is called.
 *
 * length_bytes  at most what segment_out_fit() says
 * tcp_flags     FIN, PSH: ACK is added
 *
 * 0; -EAGAIN: no room, nothing happened, sender_poll_blocked() tries again; -ENODEV: lost, as on
 * any wire, no link server lives or no neighbour is known yet. Nothing waits here.
 */
MUST_CHECK int segment_out_send(struct tcb *tcb, const struct reference *first, uint32_t sequence,
                                uint32_t length_bytes, uint8_t tcp_flags);
/* How much of `most_bytes` that are queued, from the start of `first` on, one call takes: one
 * segment without a card that cuts longer ones; all of what it says and more: not always whole
 * ones. */
uint32_t segment_out_fit(const struct tcb *tcb, const struct reference *first, uint32_t most_bytes);

/* Whether it takes so much, all that is queued or less: a quick look that may be wrong if it says
 * no. */
bool segment_out_fits(const struct tcb *tcb, uint32_t length_bytes);

/* A segment without payload for a flow without a connection, or none any more: SYN-ACK, RST, the
 * answers of TIME_WAIT. Lost, and counted, when there is no room or neighbour. */
struct bare_segment {
    struct flow flow; /* as in received segments: remote is where it goes */
    uint32_t sequence, acknowledgment;
    uint16_t window; /* as it shall stand there */
    uint8_t tcp_flags;
    uint8_t option_bytes; /* a multiple of 4 */
    uint8_t options[TCP_OPTION_SYN_ACK_MAX_BYTES];
};
void segment_out_send_bare(const struct bare_segment *segment);
/* The same, in line in its caller. */
void segment_out_send_bare_inline(const struct bare_segment *segment);
/* The reset that a segment without connection gets (RFC 9293 3.10.7.1); none for a reset. Only so
 * many a second; both are counted. */
struct packet;
void segment_out_refuse(const struct packet *packet);

void segment_out_initialise(void);
