/* SPDX-License-Identifier: MIT */
/*
 * A transfer over a wire in virtual time that loses what the test says: sender, queue, segments,
 * loss recovery and congestion control together over the card of tcp_card.h, against a small
 * receiver.
 */
#pragma once

#include "kernel/base.h"
#include "net/transport/tcp/tcb.h"

#define STREAM_MAX (512 * 1024u)
#define ONE_WAY_NS (10 * NS_PER_MS)

extern struct tcb tcb;

/* Of the segments that the card has cut, and of the receiver's acknowledgements: which are lost,
 * and how many there were, those among them. */
extern bool (*is_segment_lost)(unsigned ordinal);
extern bool (*is_ack_lost)(unsigned ordinal);
bool lose_none(unsigned ordinal);
extern unsigned segment_count, ack_count;

extern struct transfer_receiver {
    uint8_t bytes[STREAM_MAX];
    bool has[STREAM_MAX + 1]; /* the FIN behind the last byte */
    uint32_t next, fin;       /* offsets; UINT32_MAX: no FIN yet */
    uint32_t window_bytes;    /* it moves along, unless there is a right edge */
    uint32_t edge;
    bool has_sack;
    unsigned unacknowledged;
    uint32_t last_offset; /* of what has come last */
} receiver;
extern uint32_t stream_bytes; /* written so far */

void open_transfer(bool has_sack, uint32_t window_bytes);
void write_copy(uint32_t length);
void write_archive(uint32_t offset, uint32_t length);
/* Head, file, and some more, and FIN: 44 segments. */
void write_response(void);

/* One round of the node's. */
void do_round(void);
/* The next thing that happens: something arrives, or a time has come. Returns whether there was
 * any.
 */
bool pass_time(void);
bool is_wire_empty(void);
/* The receiver's delayed acknowledgement, if there is one. */
bool acknowledge_late(void);
void send_ack(void);
/* Until FIN is acknowledged: the very bytes have come, and nothing is kept. */
void finish_transfer(void);
