/* SPDX-License-Identifier: MIT */
/*
 * Channels: one-way FIFOs of messages between two nodes (PIKA 4.2).
 *
 * A channel is a ring of 64-byte lines in pages that only its sender maps writable. A message
 * fills whole consecutive lines; the sequence word of its first line is written last. The
 * receiver's progress returns on the receiver's own status page. Line numbers run freely in 32
 * bits and wrap: sent - acknowledged lines are in flight, at most line_count.
 *
 * The sequence word of a message that starts in line L is 2 L + 1: another one each time round
 * the ring, and never zero, so an untouched line is never taken for a message. A line may hold
 * payload of the round before, which is any bytes at all: before it publishes, the sender makes
 * sure that the line after the message does not look like a header. Memory ordering: mailbox.h.
 */
#pragma once

#include "kernel/base.h"
#include "kernel/message/mailbox.h"
#include "kernel/message/message.h"
#include "kernel/platform.h"

/* The sender's end. */
struct channel_sender {
    uint8_t *ring;
    uint32_t line_count;             /* power of two */
    uint32_t sent_lines;             /* free-running */
    uint32_t ready_lines;            /* from there on, none wraps; 0: channel_make_room() looks */
    uint32_t acknowledged_lines;     /* last seen */
    uint32_t reserved_lines;         /* 0 when nothing is reserved */
    const uint32_t *acknowledgement; /* on the receiver's status page */
};

/* The receiver's end. */
struct channel_receiver {
    const uint8_t *ring;
    uint32_t line_count;
    uint32_t read_lines;         /* free-running; next line to look at */
    uint32_t message_lines;      /* of the message being read */
    uint32_t acknowledged_lines; /* last told to the sender */
    uint32_t kept_count;         /* messages that are read after their release */
    bool has_made_room;          /* a quarter of the ring, at once; the reader clears it */
    uint32_t *acknowledgement;   /* on our own status page */
};

static inline bool channel_is_ring_size(size_t bytes)
{
    return IS_POWER_OF_TWO(bytes) && bytes >= CHANNEL_RING_MIN_BYTES &&
           bytes <= CHANNEL_RING_MAX_BYTES;
}

/* Where a channel starts: so that those of one node lie in different sets of a cache, whether they
 * come in or go out. Odd steps reach all sets, and neighbours are not fetched together. */
static inline uint32_t channel_first_line(node_id_t from, node_id_t to)
{
    return from * 67u + to * 41u;
}

/* `ring` is zeroed, page-aligned, and of a possible size. Both ends start at the same line. */
void channel_sender_initialise(struct channel_sender *sender, void *ring, size_t ring_bytes,
                               const uint32_t *acknowledgement, uint32_t first_line);
void channel_receiver_initialise(struct channel_receiver *receiver, const void *ring,
                                 size_t ring_bytes, uint32_t *acknowledgement, uint32_t first_line);

/* A ring without lines: there is never room. */
void channel_sender_close(struct channel_sender *sender);
static inline bool channel_sender_is_open(const struct channel_sender *sender)
{
    return sender->line_count != 0;
}

/* Make room for a message if there is none as far as is known: look at the receiver's progress, and
 * pad the ring's end if it does not fit before that. Returns whether there is room. */
bool channel_make_room(struct channel_sender *sender, size_t length_bytes);
/* Reserve room for one message of `length_bytes` (8 .. MESSAGE_MAX_BYTES, contiguous). Returns
 * where to write it, or NULL when the lines are not free. The caller writes type, payload and, as
 * it is, the length, and leaves header.sequence alone. The receiver sees nothing before
 * channel_publish(). A second reservation replaces the first. Never waits. */
MUST_CHECK struct message *channel_reserve(struct channel_sender *sender, size_t length_bytes);

/* How many lines the receiver has not acknowledged, after a look at its progress. */
uint32_t channel_unacknowledged_lines(struct channel_sender *sender);
/* Whether the receiver has made progress since this node last looked. */
bool channel_has_progress(const struct channel_sender *sender);

/* Send a copy of one message. Returns 0, or -EAGAIN when its lines are not free: nothing was sent.
 * Never waits, rings no doorbell (dispatch does, once per round). */
MUST_CHECK int channel_send(struct channel_sender *sender, const struct message *message);

/* The first line of a message, copied: its header and its fixed part. */
struct channel_line {
    uint64_t words[CHANNEL_LINE_BYTES / sizeof(uint64_t)];
};

/* The next message: its first line is copied to `line` and checked there. Returns where it lies,
 * for its payload, or NULL when there is none. It stays valid until channel_release(), which frees
 * its lines for the sender. A message whose header is impossible (the sender is damaged) is counted
 * as DROP_BAD_MESSAGE and its first line skipped. */
const uint8_t *channel_receive(struct channel_receiver *receiver, struct channel_line *line);
void channel_release(struct channel_receiver *receiver);
/* Keep the message that is being read, beyond its release: nothing is acknowledged until the second
 * has been called as often as the first has returned true; false: a quarter of the ring is due. */
bool channel_keep(struct channel_receiver *receiver);
void channel_end_keeping(struct channel_receiver *receiver);

/* Sequence word of a message that starts in this line. */
static inline uint32_t channel_sequence(uint32_t line_number)
{
    return 2 * line_number + 1;
}

/* The word that will hold channel_sequence(read_lines) once there is a message. */
static inline const uint32_t *channel_next_word(const struct channel_receiver *receiver)
{
    size_t index = receiver->read_lines & (receiver->line_count - 1);
    const uint8_t *place = receiver->ring + index * CHANNEL_LINE_BYTES;

    return &((const struct message_header *)place)->sequence;
}

/* --- channel.c's, and what each message passes through --- */

static inline struct message *channel_line_of(const struct channel_sender *sender,
                                              uint32_t line_number)
{
    size_t index = line_number & (sender->line_count - 1);

    return (struct message *)(sender->ring + index * CHANNEL_LINE_BYTES);
}

static inline uint32_t channel_lines_for(size_t length_bytes)
{
    return (uint32_t)((length_bytes + CHANNEL_LINE_BYTES - 1) / CHANNEL_LINE_BYTES);
}

/* Lines from this one to the ring's end: 1 .. line_count. */
static inline uint32_t channel_lines_to_end(uint32_t line_number, uint32_t line_count)
{
    return line_count - (line_number & (line_count - 1));
}

/* As channel_reserve(), but NULL also when channel_make_room() has to look for it. */
MUST_CHECK static inline struct message *channel_try_reserve(struct channel_sender *sender,
                                                             size_t length_bytes)
{
    uint32_t line_count = channel_lines_for(length_bytes);

    ASSERT_SLOW(length_bytes >= sizeof(struct message_header) && length_bytes <= MESSAGE_MAX_BYTES);
    if (UNLIKELY(line_count > sender->ready_lines)) {
        return NULL;
    }
    sender->reserved_lines = line_count;
    return channel_line_of(sender, sender->sent_lines);
}

/* The receiver will look at this line next. If payload of an earlier round left there just the word
 * that a header would have, spoil it. Hardly ever needed, so the line, which the receiver may hold
 * in its cache, is only read. If the ring is full now, the line is the oldest unread message's
 * header, whose sequence is that of a round ago: it stays as it is. */
static inline void channel_spoil_stale_sequence(struct message *line, uint32_t line_number)
{
    if (UNLIKELY(mailbox_load(&line->header.sequence) == channel_sequence(line_number))) {
        mailbox_store(&line->header.sequence, 0);
    }
}

/* Returns the line behind it. */
static inline const struct message *channel_publish(struct channel_sender *sender)
{
    uint32_t line_number = sender->sent_lines;
    struct message *message = channel_line_of(sender, line_number);
    struct message *next = channel_line_of(sender, line_number + sender->reserved_lines);

    /* What the receiver checks of a header is what we promise. */
    ASSERT_SLOW(sender->reserved_lines != 0 &&
                channel_lines_for(message->header.length_bytes) == sender->reserved_lines);
    sender->sent_lines += sender->reserved_lines;
    sender->ready_lines -= sender->reserved_lines;
    if (HAS_SLOW_CHECKS) {
        sender->reserved_lines = 0;
    }
    channel_spoil_stale_sequence(next, sender->sent_lines);
    mailbox_flush(message, message->header.length_bytes);
    /* Keeps the message, and a word spoilt behind it, before its sequence word. Pairs with the
     * acquire in channel_receive(). */
    mailbox_store_release(&message->header.sequence, channel_sequence(line_number));
    return next;
}

/* Behind channel_publish(), if more will follow soon: the cache fetches their lines, but at the end
 * of the ring. For one that is alone it is slower. Measured: 8 lines ahead streaming costs half;
 * with 4 it costs more, and with 16 messages that go both ways take each other's lines away. */
static inline void channel_expect_more(const struct message *next)
{
    __builtin_prefetch((const void *)((uintptr_t)next + 8 * CHANNEL_LINE_BYTES), 1);
}
