/* SPDX-License-Identifier: MIT */
/*
 * Frames in: from the link server, by reference or by message, through our checks to lwIP.
 * net/transport/server.h has the entry for the link server on the same node.
 */
#pragma once

#include "kernel/base.h"
#include "kernel/message/message.h"
#include "libc/core/node_set.h"

struct configuration;
struct flow;
struct frame;
struct frame_to_send;
struct message_loan;
struct pbuf;
struct segment;

/*
 * Frames of the own link server that wait here as they came: at most FRAMES_HELD_MAX, beyond which
 * a frame is copied and given back as it comes. So whatever waits, a card's queue has buffers:
 * it begins with some 250 more than its ring takes (drivers/ixgbe/ixgbe.h), of which a round needs
 * 64. Up to FRAMES_HELD_FREELY nobody copies anything to spare them.
 */
#define FRAMES_HELD_MAX    128u
#define FRAMES_HELD_FREELY 32u
/*
 * Beside those, frames that go out again from where they lie, and come back when the card has sent
 * them, whoever waits for what. Chosen: several rounds of them, for a card that is behind, and with
 * all others a small part of the buffers that a queue adds while there is memory.
 */
#define FRAMES_SENT_MAX    512u

uint32_t frames_held_count(void);

/* A segment's payload, for a message whose reader gives the frame back; frames_note_lent() once
 * there is room for that. False: too many wait. */
MUST_CHECK bool frames_lend(const struct segment *segment, struct message_loan *loan);
void frames_note_lent(struct segment *segment);
/* A frame that is to be sent as it lies: whom the card tells, and it is kept. False: too many are
 * on their way. */
MUST_CHECK bool frames_send(struct segment *segment, struct frame_to_send *frame);
/* A pbuf around a frame, which gives it back when it is freed. NULL: too many wait. */
struct pbuf *frames_wrap(struct frame *frame);
/* A pbuf with a copy. NULL, and counted, when there is no memory. */
struct pbuf *frames_copy(const uint8_t *bytes, size_t length_bytes);
/* A frame that another node has handed on. `others`: NULL, or a segment of a flow that may be kept
 * by these as well (kept.h). */
void frames_receive_message(struct message_payload frame, uint16_t frame_flags,
                            const struct node_set *others);

void frames_initialise(const struct configuration *configuration);
/*
 * For a packet that lwIP's IP layer has just handed up (fragments are reassembled, and options of
 * IP and ICMP are understood, on the speaker, whoever owns their flow): if the flow is another
 * server's, pass it on. Returns whether it was, or should have been; the packet stays the caller's.
 */
bool frames_pass_on(const struct pbuf *packet, const struct flow *flow);
/* The same, if it is known whose it is. */
bool frames_pass_to(const struct pbuf *packet, node_id_t owner);
