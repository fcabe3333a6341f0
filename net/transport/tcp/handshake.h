/* SPDX-License-Identifier: MIT */
/*
 * What a completed handshake says of a connection, whether it was remembered (half_open.h) or comes
 * back in a SYN cookie (cookie.h).
 */
#pragma once

#include "kernel/base.h"
#include "net/messages.h"

struct flow_entry;

/* What we say in every SYN-ACK. The scale serves windows of 8 MiB; the window is a multiple of its
 * unit, so that it is the same with and without. */
#define HANDSHAKE_MSS          1460u /* Ethernet's */
#define HANDSHAKE_SCALE        7u
#define HANDSHAKE_WINDOW_BYTES (511u << HANDSHAKE_SCALE)

struct handshake {
    struct flow_entry *half_open; /* whose place the connection takes; NULL: of a cookie */
    struct flow flow;
    uint32_t irs, iss;            /* the peer's initial sequence number, and ours */
    uint32_t rcv_window_bytes;    /* that the SYN-ACK has announced */
    uint32_t snd_window_bytes;    /* of the segment that completes it: scaled already */
    uint16_t mss;                 /* what the peer takes in a segment: within its bounds */
    uint8_t snd_scale, rcv_scale; /* 0 unless both sides have offered it; at most 14 */
    bool has_sack;
    bool is_repeated;       /* the SYN-ACK was sent more than once, so no round trip is known */
    uint64_t opened_ns;     /* when the SYN came; of a cookie: when that came back */
    uint32_t round_trip_us; /* 0: unknown */
    /* node NODE_NONE: nobody yet. Then a CM is to be asked: assigned_by, or, if that is NODE_NONE
     * as well, this node's own. */
    struct acceptor acceptor;
    bool is_acceptor_due; /* that CM has been asked, and will answer: ASSIGN_CONNECTION */
};
