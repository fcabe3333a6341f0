/* SPDX-License-Identifier: MIT */
/*
 * Channels: one-way FIFOs of messages between two nodes (PIKA 4.2).
 *
 * A channel is a ring of 64-byte lines in pages that only its sender maps writable. A message
 * fills whole consecutive lines; the sequence word of its first line is written last. The
 * receiver's progress returns on the receiver's own status page. Line numbers run freely in 32
 * bits and wrap: sent - acknowledged lines are in flight, at most line_count.
 *
 * Memory ordering and the places where a machine without coherent caches would flush or
 * invalidate are in mailbox.h, used only here and in status.c.
 */
#pragma once

#include "kernel/base.h"
#include "kernel/message.h"

/* The sender's end. */
struct channel_sender {
    uint8_t *ring;
    uint32_t line_count;            /* power of two */
    uint32_t sent_lines;            /* free-running */
    uint32_t acknowledged_lines;    /* last seen */
    const uint32_t *acknowledgement; /* on the receiver's status page */
};

/* The receiver's end. */
struct channel_receiver {
    const uint8_t *ring;
    uint32_t line_count;
    uint32_t read_lines;       /* free-running; next line to look at */
    uint32_t *acknowledgement; /* on our own status page */
};

void channel_sender_initialise(struct channel_sender *sender, void *ring, size_t ring_bytes,
                               const uint32_t *acknowledgement, uint32_t first_line);
void channel_receiver_initialise(struct channel_receiver *receiver, const void *ring,
                                 size_t ring_bytes, uint32_t *acknowledgement,
                                 uint32_t first_line);

/*
 * Reserve room for one message of `length_bytes` (8 .. MESSAGE_MAX_BYTES, contiguous).
 *
 * Returns where to write it (type and payload; the length is filled in), or NULL when the lines
 * are not free: nothing has changed. Nothing is visible to the receiver before
 * channel_publish(). At most one reservation at a time. Never waits.
 */
MUST_CHECK struct message *channel_reserve(struct channel_sender *sender, size_t length_bytes);
void channel_publish(struct channel_sender *sender);

/*
 * Send a copy of one message. Returns 0, or -EAGAIN when its lines are not free: nothing was
 * sent. Never waits, rings no doorbell (dispatch does, once per round).
 */
MUST_CHECK int channel_send(struct channel_sender *sender, const struct message *message);

/*
 * The next message, read in place, or NULL. It stays valid until channel_release(), which frees
 * its lines for the sender. A message whose header is impossible (the sender is damaged) is
 * counted as DROP_BAD_MESSAGE and skipped.
 */
const struct message *channel_receive(struct channel_receiver *receiver);
void channel_release(struct channel_receiver *receiver);
