/* SPDX-License-Identifier: MIT */
/*
 * The channels at which this node looks for messages.
 */
#include "kernel/message/channel.h"
#include "kernel/message/peer.h"
#include "kernel/message/peers.h"
#include "kernel/platform.h"

/* What says that a living node has sent something: the word to look at and what it will be then.
 * Beside each other, because every round and every sleep looks at all of them. */
static struct watched_channel {
    const uint32_t *word;
    uint32_t sequence;
    node_id_t node;
} channels[NODE_MAX];
static unsigned channel_count;

static void watch_channel(struct watched_channel *channel, node_id_t node)
{
    const struct channel_receiver *receiver = &peers[node].receiver;

    channel->word = channel_next_word(receiver);
    channel->sequence = channel_sequence(receiver->read_lines);
    channel->node = node;
}

void poll_present_nodes(void)
{
    channel_count = 0;
    for (unsigned node = 0; node < platform_node_count(); node++) {
        if (peers[node].is_present) {
            watch_channel(&channels[channel_count++], (node_id_t)node);
        }
    }
}

static inline bool has_message(const struct watched_channel *channel)
{
    return mailbox_load(channel->word) == channel->sequence;
}

unsigned peers_receive_all(void)
{
    struct watched_channel *end = channels + channel_count;
    unsigned count = 0;

    for (struct watched_channel *channel = channels; channel < end; channel++) {
        if (UNLIKELY(has_message(channel))) {
            count += receive_from(channel->node);
            watch_channel(channel, channel->node);
        }
    }
    return count;
}

bool peers_is_any_message_waiting(void)
{
    const struct watched_channel *end = channels + channel_count;

    for (const struct watched_channel *channel = channels; channel < end; channel++) {
        if (has_message(channel)) {
            return true;
        }
    }
    return false;
}
