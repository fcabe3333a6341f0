/* SPDX-License-Identifier: MIT */
/*
 * Flows that are over but for what the peer may still say: 32 bytes each, found by a keyed hash,
 * forgotten in the order in which their times end. Most are in TIME-WAIT (RFC 9293 3.6.1); some in
 * FIN-WAIT-2, when nobody reads any more: all that is left of those is the peer's FIN, too. The
 * table grows by 2 MiB to a part of the node's memory, which it keeps; then the oldest are
 * overwritten, and counted. Nothing is refused for it.
 */
#pragma once

#include "kernel/base.h"
#include "net/messages.h"

struct segment;

#define TIMEWAIT_LIFETIME_NS    (60 * NS_PER_S) /* chosen: one MSL of 30 s, twice */
#define TIMEWAIT_PART_OF_MEMORY 16u

/* By how many the table grows: a power of two. Fuzz targets, which start a node for each input,
 * take fewer at a time (tests/fuzz/). */
#ifndef TIMEWAIT_BLOCK_ENTRIES
#define TIMEWAIT_BLOCK_ENTRIES 65536u
#endif

enum timewait_verdict {
    TIMEWAIT_UNKNOWN, /* not a flow of ours */
    TIMEWAIT_REOPEN,  /* a new connection may begin (RFC 6191 2, RFC 9293 3.10.7.4): the entry is
                         gone */
    TIMEWAIT_TAKEN,   /* answered, or passed over */
};

struct timewait_numbers {
    uint32_t rcv_nxt, snd_nxt;
    bool is_fin_awaited; /* FIN-WAIT-2: the peer's has not come yet */
};

void timewait_initialise(void);
/* Without memory for the first block the flow is not remembered, and that is counted. */
void timewait_add(const struct flow *flow, struct timewait_numbers numbers, uint64_t now_ns);
/* `least_iss`, with TIMEWAIT_REOPEN: our initial sequence number is to lie beyond it. */
enum timewait_verdict timewait_segment(const struct segment *segment, uint64_t now_ns,
                                       uint32_t *least_iss);
/* For an active open: the same of a flow of which nothing has come, which stays as it is: TAKEN is
 * in FIN-WAIT-2 still, and REOPEN in TIME-WAIT, from which we may open, too (RFC 9293 3.6.1). */
enum timewait_verdict timewait_look(const struct flow *flow, uint64_t now_ns, uint32_t *least_iss);
/* A flow that is reopened. */
void timewait_forget(const struct flow *flow);
/* Forget flows whose time is over, a few at a time. Each new one does so, too. */
void timewait_expire(uint64_t now_ns);
/* Flows that are remembered, and those whose time is over but which have not been forgotten. */
uint32_t timewait_count(void);
/* Those of them that wait for the peer's FIN. */
uint32_t timewait_fin_wait_count(void);
