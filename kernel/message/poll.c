/* SPDX-License-Identifier: MIT */
/*
 * The channels at which this node looks for messages: those that are open. Most of them have none
 * most of the time, and looks would be most of a round. So a channel on which nothing has come for
 * long is quiet: of those, a round looks at one, which bounds the wait at a node that never sleeps,
 * and whoever sends on one interrupts.
 */
#include "kernel/message/channel.h"
#include "kernel/message/peers.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/memory.h"

/* Rounds in which nothing has come, at least; at most twice as many. Chosen: so many looks cost
 * about as much as the interrupt, and the look at all nodes, that ends the quiet. */
#define QUIET_ROUNDS 1024

/* What says that a node has sent something: the word to look at and what it will be then. Beside
 * each other, because every round looks at many. */
struct watched_channel {
    const uint32_t *word;
    uint32_t sequence;
    struct peer *from;
    bool has_spoken; /* since the last sweep */
};

MEMORY_KIND(channels_kind, "polled_channels");
/* Room for all: the loud ones, an end that seems to have a message, the quiet ones. */
static struct watched_channel *channels;
static const uint32_t end_word = 1;
static unsigned loud_count;
static unsigned channel_count;
static unsigned next_quiet; /* how many behind the first */
static unsigned rounds_to_sweep;

/* On this node's page: whether who sends on this channel has to say so. */
static void set_quiet(node_id_t from, bool is_quiet)
{
    uint32_t *word = &status_own_page->quiet[from / 32];
    uint32_t bit = 1u << from % 32;

    mailbox_store(word, is_quiet ? *word | bit : *word & ~bit);
}

void poll_initialise(void)
{
    channels =
        memory_renew(&channels_kind, channels, (platform_node_count() + 1) * sizeof(*channels));
    channels[0] = (struct watched_channel){.word = &end_word, .sequence = end_word};
    loud_count = 0;
    channel_count = 0;
    next_quiet = 0;
    rounds_to_sweep = QUIET_ROUNDS;
}

static void watch_channel(struct watched_channel *channel, struct peer *from)
{
    const struct channel_receiver *receiver = &from->receiver;

    channel->word = channel_next_word(receiver);
    channel->sequence = channel_sequence(receiver->read_lines);
    channel->from = from;
    channel->has_spoken = true;
}

static void swap(struct watched_channel *first, struct watched_channel *second)
{
    struct watched_channel other = *first;

    *first = *second;
    *second = other;
}

static void make_loud(struct watched_channel *quiet)
{
    struct watched_channel *end = &channels[loud_count++];

    swap(quiet, end + 1);
    swap(end, end + 1);
}

static void make_quiet(struct watched_channel *loud)
{
    loud_count--;
    swap(loud, &channels[loud_count]);
    swap(&channels[loud_count], &channels[loud_count + 1]);
}

void poll_add(node_id_t node)
{
    ASSERT(channel_count < platform_node_count());
    watch_channel(&channels[++channel_count], &peers[node]);
    make_loud(&channels[channel_count]);
}

void poll_remove(node_id_t node)
{
    unsigned index = 0;

    while (index <= channel_count && channels[index].from != &peers[node]) {
        index++;
    }
    ASSERT(index <= channel_count);
    set_quiet(node, false);
    if (index < loud_count) {
        make_quiet(&channels[index]);
        index = loud_count + 1;
    }
    channels[index] = channels[channel_count--];
}

static inline bool has_message(const struct watched_channel *channel)
{
    return mailbox_load(channel->word) == channel->sequence;
}

/* Of those that are not quiet, this one first, or their end. */
static inline struct watched_channel *next_with_message(struct watched_channel *channel)
{
    while (!has_message(channel)) {
        channel++;
    }
    return channel;
}

static unsigned receive(struct watched_channel *channel)
{
    unsigned count = receive_from(channel->from);
    watch_channel(channel, channel->from);
    return count;
}

static void end_quiet(struct watched_channel *channel)
{
    set_quiet(channel->from->node, false);
    channel->has_spoken = true;
    make_loud(channel);
}

static unsigned look_at_one_quiet(void)
{
    next_quiet = next_quiet + 1 < channel_count - loud_count ? next_quiet + 1 : 0;
    struct watched_channel *channel = &channels[loud_count + 1 + next_quiet];

    if (LIKELY(!has_message(channel))) {
        return 0;
    }
    end_quiet(channel);
    return receive(&channels[loud_count - 1]);
}

void peers_look_at_quiet(void)
{
    for (unsigned i = loud_count + 1; i <= channel_count; i++) {
        if (has_message(&channels[i])) {
            end_quiet(&channels[i]); /* what it changes places with has been looked at */
        }
    }
}

/* Let those fall quiet on which nothing has come since the last sweep. */
static __attribute__((noinline)) void sweep(void)
{
    unsigned before = loud_count;

    rounds_to_sweep = QUIET_ROUNDS;
    for (unsigned i = loud_count; i-- > 0;) {
        if (!channels[i].has_spoken) {
            set_quiet(channels[i].from->node, true);
            make_quiet(&channels[i]);
        }
        channels[i].has_spoken = false;
    }
    if (loud_count != before) {
        /* The marks before the last look. Pairs with the fence in peers_ring_doorbells() between
         * publishing and is_quiet(): of sender and receiver at least one sees the other. */
        mailbox_fence();
        peers_look_at_quiet();
    }
}

unsigned peers_receive_all(void)
{
    struct watched_channel *next = channels;
    unsigned count = 0;

    while (UNLIKELY((next = next_with_message(next))->from != NULL)) {
        count += receive(next++);
    }
    if (loud_count < channel_count) {
        count += look_at_one_quiet();
    }
    if (UNLIKELY(--rounds_to_sweep == 0)) {
        sweep();
    }
    return count;
}

bool peers_is_any_message_waiting(void)
{
    return next_with_message(channels)->from != NULL;
}
