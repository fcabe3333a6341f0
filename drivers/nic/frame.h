/* SPDX-License-Identifier: MIT */
/*
 * Ethernet frames on their way between a card's driver and whoever uses the card, on one node. A
 * frame has one owner at a time, who hands it over or releases it.
 */
#pragma once

#include "kernel/base.h"

#define FRAME_BUFFER_BYTES 2048u /* room for data in one receive buffer */
#define FRAME_MAX_BYTES    1514u /* longest frame without its CRC at an MTU of 1500 */

/* What the NIC has found out about a received frame. */
enum {
    FRAME_IP_CHECKSUM_GOOD = 1 << 0,
    FRAME_L4_CHECKSUM_GOOD = 1 << 1, /* TCP or UDP */
    FRAME_CHECKSUM_BAD = 1 << 2,     /* of IP, TCP or UDP: to be dropped and counted */
    FRAME_DAMAGED = 1 << 3,          /* on the wire, or too long: likewise; data is unusable */
    FRAME_LOOPED = 1 << 4,           /* of no NIC: from this machine to itself */
    /* Goes with FRAME_L4_CHECKSUM_GOOD: it has been on no wire, and its L4 field holds only the
     * pseudo-header's sum. Who sends the packet on makes a whole one of it. */
    FRAME_L4_CHECKSUM_PARTIAL = 1 << 5,
};

/* A received frame. Its data lies elsewhere, in one piece, in memory of the node whose queue
 * received it. */
struct frame {
    uint8_t *data;
    uint16_t length_bytes;                /* at most FRAME_BUFFER_BYTES */
    uint16_t flags;                       /* FRAME_... above */
    void (*release)(struct frame *frame); /* back to the driver; on the same node */
    void *release_context;                /* the driver's */
    /* The owner's, for whatever it must remember of the frame: a driver leaves it alone. */
    _Alignas(16) uint8_t owner_data[64];
};

/* One piece of a frame to send: in this node's memory or in the boot archive, and in one piece of
 * physical memory. */
struct frame_fragment {
    const void *data;
    uint32_t length_bytes;
};

/*
 * Work for the NIC. A checksum to insert: the IP field is 0, and the L4 field holds the
 * pseudo-header's sum already, not complemented. All headers are then in the first fragment, in
 * this node's memory, and a driver whose card does not insert checksums writes there
 * (drivers/nic/checksum.h).
 *
 * FRAME_SEGMENT_TCP: the frame is longer than the wire takes. Its TCP payload is sent in segments
 * of segment_bytes, the last one perhaps shorter, each behind a copy of the headers with lengths,
 * IP identification, sequence number and checksums made right; FIN and PSH only in the last. Goes
 * with both other flags of TCP, and here the pseudo-header's sum leaves the length out.
 */
enum {
    FRAME_INSERT_IP_CHECKSUM = 1 << 8,  /* where the 82599 has its bits: its driver does not ask */
    FRAME_INSERT_TCP_CHECKSUM = 1 << 9, /* for one after the other (ixgbe/tx.c) */
    FRAME_INSERT_UDP_CHECKSUM = 1 << 11,
    FRAME_SEGMENT_TCP = 1 << 15,
};

#define FRAME_FRAGMENT_MAX 16u

struct frame_to_send {
    struct frame_fragment fragments[FRAME_FRAGMENT_MAX];
    uint16_t fragment_count; /* 1 .. FRAME_FRAGMENT_MAX, none of them empty */
    uint16_t length_bytes;   /* sum of the fragments */
    union {
        struct {
            uint16_t offload;         /* FRAME_INSERT_..., FRAME_SEGMENT_TCP */
            uint8_t ip_header_offset; /* 14 without VLAN; only with offload */
            uint8_t ip_header_bytes;  /* only with offload */
        };
        uint32_t form; /* all three at a glance, offload in the low half */
    };
    union {
        struct {
            uint16_t segment_bytes;   /* only with FRAME_SEGMENT_TCP */
            uint8_t tcp_header_bytes; /* likewise */
        };
        uint32_t cut; /* both at a glance; what is left over is 0 */
    };
    /* Called once, in order of sending, when the NIC has read every fragment. May be NULL, and then
     * `context` is, too. */
    void (*done)(void *context);
    void *context;
};
