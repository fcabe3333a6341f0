/* SPDX-License-Identifier: MIT */
/*
 * The send half of connections over the card of tcp_card.h. Congestion control and loss recovery
 * are the test's: it says how much may go, and what is lost. Sequence numbers are written as
 * offsets from FIRST, and wrap early.
 */
#pragma once

#include "kernel/base.h"
#include "net/transport/tcp/tcb.h"
#include "tests/unit/world/tcp_card.h"

#define ISS   0xFFFFFF00u
#define FIRST (ISS + 1)
#define IRS   0x80000000u
#define MSS   CARD_MSS

extern struct tcb tcb, others[8];

/* What recovery says; the quota is what is left of tcb.cwnd. */
extern struct sending_given {
    bool is_probe_due, is_peer_silent, has_recovery_deadline;
    uint32_t recovery_deadline_us;
} given;

/* What they, and the connection above, have been told. */
extern struct sending_seen {
    bool is_limited, is_half_used, was_duplicate;
    unsigned idle_count, expire_count, mark_count, acknowledge_count, unsettled_count;
    uint32_t acknowledged_bytes;
    int end_error, abort_error;
} seen;

int sending_set_up(void **state);
/* All is given back. */
int sending_tear_down(void **state);
/* A connection whose peer has announced that window. */
void sending_open(struct tcb *of, uint32_t window_bytes);
/* Bytes of the archive. */
void sending_append(struct tcb *of, uint32_t length);
/* A pure acknowledgement, with the peer's next number. Returns whether it was FIN's. */
bool sending_acknowledge(uint32_t offset, uint32_t window_bytes);
/* What goes now, as `offset+length` and letters for its flags: P, F. */
const char *sending_go(struct tcb *of);
void sending_pass_ms(uint64_t ms);
