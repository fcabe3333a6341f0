/* SPDX-License-Identifier: MIT */
/*
 * What our own TCP's send half stands on: a card that takes frames, the cache of neighbours, a link
 * server on another node, the clock. Every frame is checked as it is taken, and its bytes once more
 * when the card has read them: nobody may have touched them in between.
 */
#pragma once

#include "kernel/base.h"
#include "net/messages.h"

#define CARD_ARCHIVE_BYTES (1024 * 1024u)
#define CARD_FRAMES_MAX    64u
#define CARD_MSS           1460u
#define CARD_MEMORY_BYTES  (64 * MIB) /* of the node */

/* In network byte order. */
#define CARD_LOCAL_ADDRESS    0x0100000Au
#define CARD_NEIGHBOR_ADDRESS 0x0500000Au
#define CARD_GATEWAY_ADDRESS  0xFE00000Au
#define CARD_FAR_ADDRESS      0x08080808u

/* A frame as it has been taken. */
struct card_frame {
    uint8_t headers[128];
    unsigned headers_bytes; /* all three */
    uint32_t sequence, acknowledgment;
    uint16_t window;
    uint8_t tcp_flags;
    unsigned option_bytes;
    unsigned segment_bytes; /* 0: not to be cut */
    unsigned fragment_count;
    uint32_t length_bytes; /* of the payload */
    uint8_t payload[65536];
};

/* A node with a card that cuts segments, room for any number of frames, all neighbours known. */
void card_reset(void);

extern uint8_t card_archive[CARD_ARCHIVE_BYTES];
extern uint64_t card_now_ns;
/* How many frames the ring, or the channel, takes beyond those that it has; large: any. */
extern unsigned card_room;
/* What a frame finds that there is no link server for. */
extern int card_error;
/* The link server is another node's. */
extern bool card_is_remote;
extern bool card_can_cut;
extern bool card_knows_neighbors;
/* What receiver_put_sack() says; whole words. */
extern unsigned card_sack_bytes;
extern uint16_t card_window;

/* What has happened since card_reset(). */
extern unsigned card_taken_count;   /* frames */
extern unsigned card_message_count; /* that they took, where the link server is another node's */
extern uint32_t card_asked_for;     /* the last neighbour */
extern unsigned card_acks_noted;
extern unsigned card_later_count; /* packets that wait for a neighbour */
extern uint8_t card_later[128];   /* the last of them */
extern unsigned card_later_bytes;

/* The oldest frame that the test has not looked at, or NULL; valid until the next call. */
const struct card_frame *card_take(void);
/* The same, but it must be there. */
const struct card_frame *card_expect(void);
/* The card has read that many frames more, the oldest first. */
void card_complete(unsigned count);
unsigned card_unread_count(void);
