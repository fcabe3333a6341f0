/* SPDX-License-Identifier: MIT */
/*
 * The receive half of TCP, and the first look at each segment of a connection: header prediction
 * (in order, no options, nothing odd), then RFC 9293 3.10.7.4 and RFC 5961 for the rest; bytes
 * that do not come in order go to lwIP, which is lent this half (lend.h).
 */
#pragma once

#include "kernel/base.h"

struct segment;
struct tcb;

/* What may be received and not taken by the application: at first, and at most. Grown to twice what
 * it takes in a round trip. Chosen: the most is 335 Mb/s at 100 ms. */
#define RECEIVER_BUFFER_FIRST_BYTES (64 * KIB)
#define RECEIVER_BUFFER_MAX_BYTES   (4 * MIB)
/* The scale of our windows (RFC 7323 2), and what a SYN-ACK announces, unscaled. */
#define RECEIVER_SCALE              7u
#define RECEIVER_WINDOW_FIRST_BYTES 65535u
/* By how much all connections together may have grown: this part of the node's memory. Chosen: what
 * waits is bounded likewise (net/transport/held.h). */
#define RECEIVER_PART_OF_MEMORY     8u

#define RECEIVER_ACK_DELAY_US         10000u /* RFC 9293 3.8.6.3: less than 0.5 s; chosen */
#define RECEIVER_ACK_RETRY_US         1000u  /* after which one that found no room is tried again */
#define RECEIVER_CHALLENGES           10u    /* RFC 5961 7: so many */
#define RECEIVER_CHALLENGES_PERIOD_US 5000000u /* in so long */

void receiver_initialise(void);
/* `window_bytes`: what the SYN-ACK has announced. */
void receiver_open(struct tcb *tcb, uint32_t irs, uint32_t window_bytes, uint32_t now_us);
/* A segment of its flow, of kind PACKET_SEGMENT or PACKET_SYN, checksums verified. May end it. What
 * is refused is counted. */
void receiver_segment(struct tcb *tcb, struct segment *segment);
/* The application has taken so many bytes more, of those that it has got: the window opens. */
void receiver_consumed(struct tcb *tcb, uint32_t bytes);

/* The window for a segment that is about to go, as it stands in a header; the right edge never
 * moves left (RFC 9293 3.8.6). */
uint16_t receiver_window(const struct tcb *tcb);
/* A segment with ACK and that window has gone. */
void receiver_note_ack_sent(struct tcb *tcb, uint16_t window);
/* SACK blocks for the next segment, as an option of whole words, at most 40 bytes. Returns how
 * many bytes; 0: nothing waits beyond a hole. */
unsigned receiver_put_sack(const struct tcb *tcb, uint8_t *option);

/* At the end of a round, when all has gone that takes an ACK along: whether one is to be sent by
 * itself. One of a single segment is delayed. */
MUST_CHECK bool receiver_needs_ack(struct tcb *tcb);
/* The peer is to be acknowledged at the end of the round: its SYN-ACK, for which there is no
 * segment. */
void receiver_owe_ack(struct tcb *tcb);
/* There was no room for it: it stays due. */
void receiver_retry_ack(struct tcb *tcb);

/* A delayed ACK, and bytes that wait beyond a hole for too long. */
void receiver_expire(struct tcb *tcb);
bool receiver_deadline(const struct tcb *tcb, uint32_t *deadline_us);
void receiver_drop(struct tcb *tcb);
