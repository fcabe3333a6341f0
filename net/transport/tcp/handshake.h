/* SPDX-License-Identifier: MIT */
/*
 * What a completed handshake says of a connection, whether it was remembered (half_open.h) or comes
 * back in a SYN cookie (cookie.h).
 */
#pragma once

#include "kernel/base.h"
#include "net/messages.h"
#include "net/transport/flows.h"

/* What we say in every SYN-ACK. The scale serves windows of 8 MiB; the window is a multiple of its
 * unit, so that it is the same with and without. */
#define HANDSHAKE_MSS          1460u /* Ethernet's */
#define HANDSHAKE_SCALE        7u
#define HANDSHAKE_WINDOW_BYTES (511u << HANDSHAKE_SCALE)

/* The greater part of an entry, from which a connection takes it as it is: nothing is copied
 * between.
 */
struct handshake {
    union {
        struct flow_entry entry; /* FLOW_HALF_OPEN: in the table of flows */
        struct {
            struct flow flow;
            uint8_t state;
            uint8_t snd_scale; /* 0 unless both sides have offered it; at most 14 */
            bool has_scale;    /* both have */
            bool has_sack;     /* likewise */
        };
    };
    uint64_t opened_ns; /* when the SYN came; of a cookie: when that came back */
    uint32_t irs, iss;  /* the peer's initial sequence number, and ours */
    uint16_t mss;       /* what the peer takes in a segment: within its bounds */
    /* node NODE_NONE: nobody yet. Then a CM is to be asked: assigned_by, or, if that is NODE_NONE
     * as well, this node's own. */
    struct acceptor acceptor;
    bool is_acceptor_due; /* that CM has been asked, and will answer: ASSIGN_CONNECTION */
    bool is_repeated;     /* the SYN-ACK was sent more than once, so no round trip is known */
    uint8_t queue;        /* half_open_table.c's */
};

_Static_assert(offsetof(struct handshake, state) == offsetof(struct flow_entry, state) &&
                   offsetof(struct handshake, has_sack) < offsetof(struct flow_entry, next),
               "they lie where the entry has them, or room");

/* What the segment says that completes it. */
struct handshake_completion {
    uint32_t snd_window_bytes; /* scaled already */
    uint32_t round_trip_us;    /* 0: unknown */
};

static inline uint8_t handshake_rcv_scale(const struct handshake *handshake)
{
    return handshake->has_scale ? HANDSHAKE_SCALE : 0;
}
