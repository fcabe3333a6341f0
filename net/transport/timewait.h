/* SPDX-License-Identifier: MIT */
/*
 * TIME_WAIT outside lwIP: 40 bytes a flow in place of a PCB, found by hash, forgotten in the
 * order in which they came. lwIP would keep each for two minutes, walk them all for every SYN,
 * and answer a client that uses its port again with a reset.
 */
#pragma once

#include "kernel/base.h"
#include "net/messages.h"

/* 2 x MSL on paper; chosen long enough for a lost last ACK to be asked for again a few times. */
#define TIMEWAIT_LIFETIME_NS (2 * NS_PER_S)
/* Power of two; the oldest is forgotten first. Fuzz targets, which start a node for each input,
 * have fewer (tests/fuzz/). */
#ifndef TIMEWAIT_MAX
#define TIMEWAIT_MAX 32768u
#endif

enum timewait_verdict {
    TIMEWAIT_UNKNOWN, /* not a flow of ours */
    TIMEWAIT_REOPEN,  /* a new connection may begin (RFC 9293 3.10.7.4); the entry is gone */
    TIMEWAIT_ANSWER,  /* acknowledge with the numbers returned */
    TIMEWAIT_IGNORE,
};

struct timewait_numbers {
    uint32_t receive_next;
    uint32_t send_next;
    uint16_t window; /* as it stands in a header: scaled as the connection did */
};

/* What of a segment matters. */
struct timewait_segment {
    uint32_t sequence;
    uint8_t tcp_flags; /* as in the header */
    uint32_t length;   /* payload, and one each for SYN and FIN */
};

void timewait_initialise(void);
/* Forget flows whose time is over, a few at a time; returns how many are left, those included. */
uint32_t timewait_expire(uint64_t now_ns);
void timewait_add(const struct flow *flow, struct timewait_numbers numbers, uint64_t now_ns);
enum timewait_verdict timewait_judge(const struct flow *flow,
                                     const struct timewait_segment *segment, uint64_t now_ns,
                                     struct timewait_numbers *numbers);
