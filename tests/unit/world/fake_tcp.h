/* SPDX-License-Identifier: MIT */
/*
 * The neighbours of TCP's receive half, for its unit tests: a send half that acknowledges what it
 * is told to, segments out and events that are noted, frames that are kept by a copy. The clock is
 * dispatch's, set by the test.
 */
#pragma once

#include "kernel/base.h"
#include "net/messages.h"
#include "net/packet.h"
#include "net/transport/tcp/handshake.h"
#include "net/transport/tcp/tcb.h"

#define FAKE_MSS          1000u
#define FAKE_SND_WND      50000u
#define FAKE_STREAM_BYTES (512 * KIB)

/* What has happened since fake_tcp_open(), or since a test has set it to zero. */
struct fake_tcp {
    /* Events. */
    unsigned peer_closed_count, ended_count, unsettled_count;
    int ended_error;
    uint32_t stream_bytes;
    uint8_t stream[FAKE_STREAM_BYTES];
    bool is_behind; /* what tcp_application_is_behind() says */
    /* Segments out. */
    unsigned ack_count, data_count, reset_count;
    uint32_t ack_number, reset_sequence, reset_acknowledgment;
    uint16_t ack_window;
    unsigned sack_bytes;
    uint8_t sack[40];
    int send_error; /* what the next one returns, instead of being sent */
    /* The send half. */
    bool has_data; /* sender_output() has something to send: it goes, and the ACK with it */
    unsigned acknowledge_count, lower_mss_count, expire_count, drop_count;
    bool had_options;
    bool is_settled; /* what sender_is_settled() says */
    bool has_deadline;
    bool has_pinned_too_much; /* what pinned_visit() denies */
    uint32_t deadline_us;
    /* TIME-WAIT, the wheel. */
    unsigned timewait_count, wheel_count;
    uint32_t timewait_rcv_nxt, timewait_snd_nxt;
    bool is_fin_awaited;
    uint64_t wheel_ns;
    /* Kept frames. */
    bool is_out_of_memory; /* segment_keep() has none */
};
extern struct fake_tcp fake;

/* A clock at zero, memory, and nothing else. */
void fake_tcp_reset(void);
/* A connection that is ESTABLISHED: the peer's next byte is `irs` + 1, ours `iss` + 1, and nothing
 * is under way. */
void fake_tcp_open(struct tcb *tcb, uint32_t irs, uint32_t iss);
/* The send half has sent so many bytes. */
void fake_tcp_sent(struct tcb *tcb, uint32_t bytes);

/* A segment of the peer's, to receiver_segment(). The bytes of the stream have the values of
 * fake_tcp_byte() of their distance from irs + 1, as fake_tcp_open() was told. */
struct fake_segment {
    uint32_t sequence, acknowledgment;
    uint16_t window;
    uint8_t tcp_flags;
    uint8_t option_bytes;
    uint8_t options[40];
    uint16_t payload_bytes;
};
void fake_tcp_segment(struct tcb *tcb, struct fake_segment segment);
uint8_t fake_tcp_byte(uint32_t index);
/* Fails the test unless the application has got so many bytes, and the right ones. */
void fake_tcp_expect_stream(uint32_t bytes);
void fake_tcp_advance_us(uint32_t us);
/* The wheel visits it. */
void fake_tcp_expire(struct tcb *tcb);
