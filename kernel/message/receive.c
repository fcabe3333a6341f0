/* SPDX-License-Identifier: MIT */
/*
 * Messages to this node: who handles each type, and the poll of all channels. What others send is
 * checked here, of the copy that handlers get.
 */
#include <string.h>

#include "kernel/log.h"
#include "kernel/message/channel.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/peer.h"
#include "kernel/message/peers.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"

/* Messages taken from one channel in a round, so that a busy sender does not keep other
 * senders and sources waiting. Chosen: half a ring of the smallest size holds four times as many.
 */
#define RECEIVE_BATCH 32

/* Handlers that send to their own node are called from inside the send: how deep that may go.
 * The protocols of net/messages.h reach four. */
#define SELF_DEPTH_MAX 8

/* Of its functions a handler has one. */
struct handler {
    message_handler function;
    message_payload_handler payload_function;
    uint32_t fixed_bytes;
    uint32_t payload_max_bytes;
    uint64_t senders; /* a bit for each node that may send it */
};

_Static_assert(NODE_MAX <= 64, "a bit for each node");

static node_id_t self;
static unsigned node_count;
static struct handler handlers[MESSAGE_TYPE_MAX];

/* What says that a living node has sent something: the word to look at and what it will be then.
 * Beside each other, because every round and every sleep looks at all of them. */
static struct watched_channel {
    const uint32_t *word;
    uint32_t sequence;
    node_id_t node;
} channels[NODE_MAX];
static unsigned channel_count;

static unsigned self_depth;

static void watch_channel(struct watched_channel *channel, node_id_t node)
{
    const struct channel_receiver *receiver = &peers[node].receiver;

    channel->word = channel_next_word(receiver);
    channel->sequence = channel_sequence(receiver->read_lines);
    channel->node = node;
}

void receive_watch_present_nodes(void)
{
    channel_count = 0;
    for (unsigned node = 0; node < node_count; node++) {
        if (peers[node].is_present) {
            watch_channel(&channels[channel_count++], (node_id_t)node);
        }
    }
}

void receive_initialise(void)
{
    self = platform_node();
    node_count = platform_node_count();
    memset(handlers, 0, sizeof(handlers));
    self_depth = 0;
    receive_watch_present_nodes();
    ASSERT(channel_count == node_count - 1);
}

static void add_handler(uint16_t type, struct handler handler)
{
    ASSERT(type > MESSAGE_PADDING && type < MESSAGE_TYPE_MAX);
    ASSERT(handlers[type].fixed_bytes == 0);
    ASSERT(handler.fixed_bytes >= sizeof(struct message_header) &&
           handler.fixed_bytes <= CHANNEL_LINE_BYTES);
    handlers[type] = handler;
    handlers[type].senders = UINT64_MAX;
}

void dispatch_limit_senders(uint16_t type, uint64_t nodes)
{
    ASSERT(type < MESSAGE_TYPE_MAX && handlers[type].fixed_bytes != 0);
    handlers[type].senders = nodes;
}

void dispatch_register_message(uint16_t type, size_t bytes, message_handler handler)
{
    ASSERT(handler != NULL);
    add_handler(type, (struct handler){.function = handler, .fixed_bytes = (uint32_t)bytes});
}

void dispatch_register_payload_message(uint16_t type, size_t fixed_bytes,
                                       message_payload_handler handler)
{
    ASSERT(handler != NULL);
    add_handler(type, (struct handler){.payload_function = handler,
                                       .fixed_bytes = (uint32_t)fixed_bytes,
                                       .payload_max_bytes = MESSAGE_MAX_BYTES});
}

static __attribute__((noinline)) void refuse(node_id_t from, const struct message_header *header)
{
    counter_increment(COUNTER_DROP_BAD_MESSAGE);
    log_debug("dispatch", "message of type %u, %u bytes from node%u refused", header->type,
              header->length_bytes, from);
}

/* `payload` follows the fixed part, wherever that lies; NULL: behind `message` itself. */
static inline void handle(node_id_t from, const struct message *message, const uint8_t *place,
                          const uint8_t *payload)
{
    uint16_t type = message->header.type;
    const struct handler *handler = &handlers[type < MESSAGE_TYPE_MAX ? type : 0];
    uint32_t payload_bytes = message->header.length_bytes - handler->fixed_bytes;

    /* Without a handler fixed_bytes is 0, and no message is that short. */
    if (UNLIKELY(payload_bytes > handler->payload_max_bytes ||
                 (handler->senders >> from & 1) == 0)) {
        refuse(from, &message->header);
    } else if (handler->payload_function == NULL) {
        handler->function(from, message);
    } else {
        handler->payload_function(
            from, message,
            (struct message_payload){payload != NULL ? payload : place + handler->fixed_bytes,
                                     payload_bytes});
    }
}

static inline bool has_message(const struct watched_channel *channel)
{
    return mailbox_load(channel->word) == channel->sequence;
}

static unsigned receive_from(node_id_t node)
{
    struct peer *peer = &peers[node];
    unsigned count = 0;

    for (; count < RECEIVE_BATCH; count++) {
        struct channel_line line;
        const uint8_t *place = channel_receive(&peer->receiver, &line);

        if (place == NULL) {
            break;
        }
        handle(node, (const struct message *)&line, place, NULL);
        channel_release(&peer->receiver);
    }
    if (UNLIKELY(channel_take_freed_room(&peer->receiver))) {
        send_note_due(node, DUE_ROOM);
    }
    return count;
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

void receive_own(const struct message_header *header, const uint8_t *payload)
{
    ASSERT(self_depth < SELF_DEPTH_MAX);
    self_depth++;
    handle(self, CONTAINER_OF(header, const struct message, header), (const uint8_t *)header,
           payload);
    self_depth--;
}

bool receive_is_fixed_part(uint16_t type, size_t bytes)
{
    return handlers[type].fixed_bytes == bytes || handlers[type].fixed_bytes == 0;
}
