/* SPDX-License-Identifier: MIT */
/*
 * A small TCP of its own kind, as the peer of one under test, in virtual time: it sends a stream
 * and takes one, acknowledges each segment, sends again after a fixed time, and knows nothing of
 * rates. It shares no line with what it talks to. Segments are as in tcp_machine.h, streams as
 * well.
 */
#pragma once

#include "kernel/base.h"

#define SMALL_TCP_STREAM_MAX 200000u
#define SMALL_TCP_PORT       3u /* in what it sends */
#define SMALL_TCP_OTHER_PORT 4u

struct small_tcp {
    /* Settings. */
    void (*send)(struct small_tcp *peer, const uint8_t *tcp, size_t bytes);
    uint32_t iss, irs;
    uint32_t out_bytes;     /* it sends so many, and FIN */
    uint32_t window_bytes;  /* that it announces; not scaled */
    uint32_t in_flight_max; /* segments that it has under way */
    uint32_t mss;
    bool is_closing_last; /* its FIN follows the other's */
    /* What it knows: numbers count from the first byte of each stream. */
    uint32_t una, nxt, acknowledged_max; /* nxt, una: out_bytes + 1 when FIN is among it */
    uint32_t peer_window;
    uint32_t in_bytes;         /* in order so far */
    bool has_fin, has_fin_out; /* the other's is in order; its own is acknowledged */
    uint32_t fin_at;           /* where the other's is; UINT32_MAX: unknown */
    uint64_t again_us;         /* when it sends again */
    bool has_reset;
    bool has[SMALL_TCP_STREAM_MAX]; /* of what comes */
};

void small_tcp_receive(struct small_tcp *peer, const uint8_t *tcp, size_t bytes);
/* Send what may go, and again what has waited for too long. */
void small_tcp_run(struct small_tcp *peer);
/* Both streams are complete, and it has said and heard FIN. */
bool small_tcp_is_done(const struct small_tcp *peer);
