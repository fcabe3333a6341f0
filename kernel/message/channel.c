/* SPDX-License-Identifier: MIT */
/*
 * Channels over mailbox pages: see channel.h for the ring's form.
 *
 * Invariants. The receiver only ever looks at the sequence word of the line where the next message
 * will start. A message never wraps: when it would, a padding message fills the ring's last
 * lines. acknowledged_lines stands between messages, so the line at it holds a header.
 */
#include "kernel/message/channel.h"

#include <errno.h>
#include <string.h>

#include "kernel/message/status.h"
#include "kernel/platform.h"

void channel_sender_initialise(struct channel_sender *sender, void *ring, size_t ring_bytes,
                               const uint32_t *acknowledgement, uint32_t first_line)
{
    ASSERT(channel_is_ring_size(ring_bytes) && (uintptr_t)ring % PAGE_BYTES == 0);
    *sender = (struct channel_sender){
        .ring = ring,
        .line_count = (uint32_t)(ring_bytes / CHANNEL_LINE_BYTES),
        .sent_lines = first_line,
        .acknowledged_lines = first_line,
        .acknowledgement = acknowledgement,
    };
}

void channel_sender_close(struct channel_sender *sender)
{
    static const uint32_t nothing;

    *sender = (struct channel_sender){.acknowledgement = &nothing};
}

void channel_receiver_initialise(struct channel_receiver *receiver, const void *ring,
                                 size_t ring_bytes, uint32_t *acknowledgement, uint32_t first_line)
{
    ASSERT(channel_is_ring_size(ring_bytes) && (uintptr_t)ring % PAGE_BYTES == 0);
    *receiver = (struct channel_receiver){
        .ring = ring,
        .line_count = (uint32_t)(ring_bytes / CHANNEL_LINE_BYTES),
        .read_lines = first_line,
        .acknowledged_lines = first_line,
        .acknowledgement = acknowledgement,
    };
    mailbox_store_release(acknowledgement, first_line);
}

/* The word is another node's: one that is not between what we knew and what we sent is damaged. */
static void update_acknowledged(struct channel_sender *sender)
{
    /* Pairs with the release in acknowledge(): lines are read before we write them again. */
    uint32_t acknowledged = mailbox_load_acquire(sender->acknowledgement);

    if (LIKELY(acknowledged - sender->acknowledged_lines <=
               sender->sent_lines - sender->acknowledged_lines)) {
        sender->acknowledged_lines = acknowledged;
    } else {
        counter_increment(COUNTER_DROP_BAD_ACKNOWLEDGEMENT);
    }
    ASSERT_SLOW(sender->sent_lines - sender->acknowledged_lines <= sender->line_count);
}

/* Lines that are free as far as is known. */
static uint32_t count_free(const struct channel_sender *sender)
{
    return sender->line_count - (sender->sent_lines - sender->acknowledged_lines);
}

static void publish_padding(struct channel_sender *sender, uint32_t line_count)
{
    struct message_header *padding = &channel_line_of(sender, sender->sent_lines)->header;

    padding->type = MESSAGE_PADDING;
    padding->length_bytes = (uint16_t)(line_count * CHANNEL_LINE_BYTES);
    sender->reserved_lines = line_count;
    channel_publish(sender);
}

bool channel_make_room(struct channel_sender *sender, size_t length_bytes)
{
    uint32_t line_count = channel_lines_for(length_bytes);
    uint32_t left = channel_lines_to_end(sender->sent_lines, sender->line_count);
    uint32_t padding = line_count > left ? left : 0;

    if (line_count <= sender->ready_lines) {
        return true;
    }
    if (padding + line_count > count_free(sender)) {
        update_acknowledged(sender);
        if (padding + line_count > count_free(sender)) {
            return false;
        }
    }
    if (padding != 0) {
        publish_padding(sender, padding);
        left = sender->line_count;
    }
    sender->ready_lines = left < count_free(sender) ? left : count_free(sender);
    return true;
}

struct message *channel_reserve(struct channel_sender *sender, size_t length_bytes)
{
    return channel_make_room(sender, length_bytes) ? channel_try_reserve(sender, length_bytes)
                                                   : NULL;
}

uint32_t channel_unacknowledged_lines(struct channel_sender *sender)
{
    update_acknowledged(sender);
    return sender->sent_lines - sender->acknowledged_lines;
}

bool channel_has_progress(const struct channel_sender *sender)
{
    return mailbox_load(sender->acknowledgement) != sender->acknowledged_lines;
}

int channel_send(struct channel_sender *sender, const struct message *message)
{
    struct message *copy = channel_reserve(sender, message->header.length_bytes);

    if (copy == NULL) {
        return -EAGAIN;
    }
    /* Not the header's sequence: the receiver may be looking at it. */
    copy->header.type = message->header.type;
    copy->header.length_bytes = message->header.length_bytes;
    memcpy(copy + 1, message + 1, message->header.length_bytes - sizeof(*copy));
    channel_publish(sender);
    return 0;
}

static inline bool is_acknowledgement_due(const struct channel_receiver *receiver)
{
    return receiver->read_lines - receiver->acknowledged_lines >= receiver->line_count / 4;
}

static __attribute__((noinline)) void acknowledge(struct channel_receiver *receiver)
{
    if (receiver->kept_count == 0) {
        receiver->has_made_room |= is_acknowledgement_due(receiver);
        receiver->acknowledged_lines = receiver->read_lines;
        /* Keeps our reads of these lines before the sender's next writes. Pairs with the acquire in
         * update_acknowledged(). */
        mailbox_store_release(receiver->acknowledgement, receiver->read_lines);
    }
}

/* The sender reads the acknowledgement only when it runs out of lines, so it is written rarely: a
 * quarter of the ring at a time, and when all has been read. The first bounds how long a sender
 * waits for room; the second lets it see an idle channel as empty. */
static void skip_lines(struct channel_receiver *receiver, uint32_t line_count)
{
    receiver->read_lines += line_count;
    ASSERT_SLOW(receiver->read_lines - receiver->acknowledged_lines <= receiver->line_count);
    if (UNLIKELY(is_acknowledgement_due(receiver))) {
        acknowledge(receiver);
    }
}

const uint8_t *channel_receive(struct channel_receiver *receiver, struct channel_line *line)
{
    /* Bounded: a sound sender pads once in a ring; a damaged one has a ring of lines at most. */
    for (uint32_t i = 0; i <= receiver->line_count; i++) {
        uint32_t next = receiver->read_lines;
        uint32_t left_lines = channel_lines_to_end(next, receiver->line_count);
        const uint32_t *word = channel_next_word(receiver);
        const uint8_t *place = (const uint8_t *)word - offsetof(struct message_header, sequence);

        /* Pairs with the release in channel_publish(): what follows is the whole message. */
        if (mailbox_load_acquire(word) != channel_sequence(next)) {
            break;
        }
        mailbox_copy_line(line->words, (const uint64_t *)place);
        /* The header of the copy, which is in a register. */
        uint16_t type = (uint16_t)line->words[0];
        uint16_t length_bytes = (uint16_t)(line->words[0] >> 16);
        mailbox_invalidate(place, length_bytes);

        if (UNLIKELY(length_bytes < sizeof(struct message_header) ||
                     length_bytes > MESSAGE_MAX_BYTES ||
                     channel_lines_for(length_bytes) > left_lines)) {
            counter_increment(COUNTER_DROP_BAD_MESSAGE);
            skip_lines(receiver, 1);
        } else if (UNLIKELY(type == MESSAGE_PADDING)) {
            skip_lines(receiver, channel_lines_for(length_bytes));
        } else {
            receiver->message_lines = channel_lines_for(length_bytes);
            return place;
        }
    }
    if (receiver->acknowledged_lines != receiver->read_lines) {
        acknowledge(receiver);
    }
    return NULL;
}

void channel_release(struct channel_receiver *receiver)
{
    ASSERT_SLOW(receiver->message_lines != 0);
    skip_lines(receiver, receiver->message_lines);
    if (HAS_SLOW_CHECKS) {
        receiver->message_lines = 0;
    }
}

bool channel_keep(struct channel_receiver *receiver)
{
    bool may_keep = !is_acknowledgement_due(receiver);

    ASSERT_SLOW(receiver->message_lines != 0);
    receiver->kept_count += may_keep;
    return may_keep;
}

void channel_end_keeping(struct channel_receiver *receiver)
{
    ASSERT_SLOW(receiver->kept_count != 0);
    if (--receiver->kept_count == 0) {
        acknowledge(receiver);
    }
}
