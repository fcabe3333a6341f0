/* SPDX-License-Identifier: MIT */
/*
 * The clients' frames: made, taken apart and checked; and those that nobody answers for: losses and
 * floods, by the seed. Offsets and sums are this folder's own (RFC 791, 826, 9293, 1071): what
 * checks net/ must not stand on it.
 */
#pragma once

#include "drivers/hosted/visitors.h"

enum { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_PSH = 8, TCP_ACK = 16 };

struct segment {
    uint32_t client_address;
    uint16_t client_port;
    uint16_t server_port;
    uint32_t sequence;
    uint32_t acknowledgment;
    uint8_t flags;
    const void *payload; /* of one to send */
    uint32_t payload_bytes;
};

/* One from the server. */
struct received {
    const struct frame_to_send *frame;
    struct segment segment;
    uint32_t header_bytes; /* before the payload */
};

void packet_start(const struct visitors_setting *setting, const uint8_t server_mac[6]);
void packet_send(const struct segment *segment);

enum answer_kind {
    ANSWER_SEGMENT, /* of TCP, to a client */
    ANSWER_WRONG,   /* not what a correct host sends: the log says why */
    ANSWER_OTHER,   /* none of the clients' business; a question for the gateway is answered */
};
/* `is_checked`: both checksums are. */
enum answer_kind packet_take_apart(const struct frame_to_send *frame, bool is_checked,
                                   struct received *received);
/* Its payload without the first bytes, piece by piece. */
void packet_each_piece(const struct received *received, uint32_t skipped_bytes,
                       void (*take)(void *context, const uint8_t *bytes, size_t count),
                       void *context);

/* By the seed. */
uint64_t packet_random(void);
bool packet_is_lost(void);
/* So many frames of nobody's as the setting says for what the clients have sent since. */
void packet_flood(void);
uint64_t packet_flood_count(void);
