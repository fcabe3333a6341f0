/* SPDX-License-Identifier: MIT */
/*
 * A part of net/messages.h, which includes it: messages about frames, the card, and addresses.
 */
#pragma once

#include "kernel/base.h"
#include "kernel/message/message.h"
#include "libc/core/node_set.h"
#include "net/name_messages.h"

/* A received frame whose owner is another TS (design 4, Steering). The frame follows. */
struct forward_frame {
    struct message_header header;
    uint16_t frame_flags;
    uint16_t reserved;
    uint32_t reserved_2;
};

/* A received frame of a flow that the first sender owns and has no connection of: it may be one
 * that another TS has kept. Whoever does not know it either hands it to the next of `others`; the
 * last one answers as to any stranger. The frame follows. */
struct forward_stranger {
    struct message_header header;
    struct node_set others; /* who has not been asked */
    uint16_t frame_flags;
    uint16_t reserved[3];
};

/* A frame to send through an LS on another node; its bytes follow, offload as in
 * drivers/nic/frame.h. */
struct transmit_frame {
    struct message_header header;
    uint16_t offload;
    uint8_t ip_header_offset;
    uint8_t ip_header_bytes;
    uint32_t reserved;
};

/* A piece of a segment's bytes: first some of those that follow the message, then some of the boot
 * archive, which every node maps. Either may be none. */
struct transmit_run {
    uint64_t archive_offset; /* offset + bytes within platform_archive_bytes() */
    uint16_t archive_bytes;
    uint16_t copied_bytes;
    uint32_t reserved;
};

#define TRANSMIT_RUN_MAX 3

/*
 * A TCP segment to send through an LS on another node, of IPv4 behind an Ethernet header without
 * tags. The NIC inserts all checksums (drivers/nic/frame.h) and, where the segment is longer than
 * its headers and segment_bytes, cuts it. So it may be much longer than the message: what follows,
 * at most FRAME_MAX_BYTES, is the headers and what is not in the archive.
 */
struct transmit_segment {
    struct message_header header;
    uint16_t segment_bytes; /* 0: not to be cut */
    uint8_t ip_header_bytes;
    uint8_t tcp_header_bytes;
    uint32_t reserved;
    struct transmit_run runs[TRANSMIT_RUN_MAX]; /* the first has all headers */
};

/* The LS that drives the NIC (configuration.device_ls) has brought it up: TSs learn the MAC address
 * and what the NIC can do. Sent again when the link goes up or down, or an LS has no queue after
 * all. To the speaker alone with the word that it make the machine's address known once more. */
struct nic_ready {
    struct message_header header;
    uint8_t mac[6];
    uint16_t is_announcement_wanted;
    struct node_set queues; /* numbers of LSs that have a queue, or will have */
    uint32_t is_link_up;
    uint32_t can_segment_tcp; /* frames may be sent with FRAME_SEGMENT_TCP */
};

/* What is asked of a queue, and answered. Some NICs must know where a queue is before it is used
 * (drivers/nic/nic.h): of those it is prepared first. */
enum queue_step {
    QUEUE_STEP_USE, /* open it, unless it has been prepared, and take frames from it */
    QUEUE_STEP_PREPARE,
};

/* The LS that drives the NIC asks another one for its own queue. Answer owed: QUEUE_ATTACHED,
 * also when it is open already: whoever takes the NIC over asks again. Until the answer comes, the
 * NIC puts nothing new into that queue. */
struct attach_queue {
    struct message_header header;
    uint64_t key[5]; /* a struct nic_queue_key (drivers/nic/nic.h) */
    uint32_t step;   /* enum queue_step */
    uint32_t reserved;
};

/* USE: the queue takes frames, and the NIC may steer flows to it. PREPARE: it is where the report
 * says. error_number as errno: it does not, or is nowhere. */
struct queue_attached {
    struct message_header header;
    uint16_t queue_index;
    uint16_t step; /* as asked for */
    uint32_t error_number;
    uint64_t report[2]; /* a struct nic_queue_report (drivers/nic/nic.h) */
};

/* The machine's IPv4 address, from DHCP or the command line; network byte order. 0: none. From the
 * speaker (configuration.speaker), as the three that follow. */
struct address_set {
    struct message_header header;
    uint32_t address;
    uint32_t netmask;
    uint32_t gateway;
    uint32_t reserved;
};

/* Find this neighbour's MAC address: a TS asks the speaker. Answer owed:
 * NEIGHBOR_SET when it is known; none when it does not answer. */
struct neighbor_request {
    struct message_header header;
    uint32_t address;
    uint32_t reserved;
};

struct neighbor_set {
    struct message_header header;
    uint32_t address;
    uint8_t mac[6];
    uint8_t is_valid; /* 0: forget it */
    uint8_t reserved[5];
};

/* The speaker has got or renewed its lease of the address: whoever speaks next goes on with it.
 * Addresses in network byte order, times in seconds from the server's word on; RFC 2131 4.4.5. */
struct dhcp_lease {
    struct message_header header;
    uint32_t address, netmask, gateway;
    uint32_t server;
    uint32_t ntp_server; /* 0: none */
    uint32_t lease_s;    /* UINT32_MAX: for ever */
    uint32_t renew_s;
    uint32_t rebind_s;
    uint32_t age_s;                         /* what has passed of them */
    uint32_t name_servers[NAME_SERVER_MAX]; /* 0: none */
};
