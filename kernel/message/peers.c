/* SPDX-License-Identifier: MIT */
/*
 * Messages to and from a node: see dispatch.h for the contract of sending, and peers.h. Messages to
 * this node are direct calls; messages to others go through channels, and those that are posted
 * may wait here for room. What others send is checked here, of the copy that handlers get.
 */
#include "kernel/message/peers.h"

#include <errno.h>
#include <string.h>

#include "kernel/log.h"
#include "kernel/message/channel.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "kernel/message/watch.h"
#include "kernel/platform.h"
#include "libc/core/memory.h"

/* Messages taken from one channel in a round, so that a busy sender does not keep other
 * senders and sources waiting. Chosen: half a ring of the smallest size holds four times as many.
 */
#define RECEIVE_BATCH 32

/* Handlers that send to their own node are called from inside the send: how deep that may go.
 * The protocols of net/messages.h reach four. */
#define SELF_DEPTH_MAX 8

/* Messages that may wait for one node. Chosen: more than what tens of thousands of connections that
 * end at once say of it; 8 MiB. A node that lets so many wait has hung, or might as well have. */
#define POSTED_PEER_MAX 65536u
/* Of all that wait, so many find a place when there is no other memory. Chosen: 36 KiB. */
#define POSTED_RESERVE  512u

struct posted {
    struct posted *next;
    uint64_t message[CHANNEL_LINE_BYTES / sizeof(uint64_t)]; /* the whole of it */
};

/* What is due to a node at the end of the round. */
#define DUE_MESSAGE 1u /* it has been sent something */
#define DUE_ROOM    2u /* its channel to us has room again */

/* Another node, as this one sees it. */
struct peer {
    struct channel_receiver receiver;
    struct channel_sender sender;
    struct posted *first_posted; /* oldest first */
    struct posted **posted_end;
    uint32_t posted_count;
    bool is_present;   /* exists, is not us, and neither has died nor been given up */
    bool is_condemned; /* has been given up, and not been forgotten yet */
    uint8_t due;       /* DUE_... */
};

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
static struct peer peers[NODE_MAX];
static struct handler handlers[MESSAGE_TYPE_MAX];

/* What says that a living node has sent something: the word to look at and what it will be then.
 * Beside each other, because every round and every sleep looks at all of them. */
static struct watched_channel {
    const uint32_t *word;
    uint32_t sequence;
    node_id_t node;
} channels[NODE_MAX];
static unsigned channel_count;

static node_id_t doorbells_due[NODE_MAX]; /* nodes with something due */
static unsigned doorbell_count;
static unsigned posted_count;  /* of all peers */
static uint64_t blocked_nodes; /* a bit each: a send of this round found no room */
static struct posted reserve[POSTED_RESERVE];
static struct posted *free_reserve;

static unsigned self_depth;
static bool has_handled_own; /* since doorbells were last rung */

/* --- Set-up --- */

static void watch_channel(struct watched_channel *channel, node_id_t node)
{
    const struct channel_receiver *receiver = &peers[node].receiver;

    channel->word = channel_next_word(receiver);
    channel->sequence = channel_sequence(receiver->read_lines);
    channel->node = node;
}

static void watch_living_nodes(void)
{
    channel_count = 0;
    for (unsigned node = 0; node < node_count; node++) {
        if (peers[node].is_present) {
            watch_channel(&channels[channel_count++], (node_id_t)node);
        }
    }
}

void peers_initialise(void)
{
    size_t ring_bytes = platform_channel_ring_bytes();

    self = platform_node();
    node_count = platform_node_count();
    memset(handlers, 0, sizeof(handlers));
    doorbell_count = 0;
    posted_count = 0;
    blocked_nodes = 0;
    self_depth = 0;
    has_handled_own = false;
    free_reserve = NULL;
    for (unsigned i = 0; i < POSTED_RESERVE; i++) {
        reserve[i].next = free_reserve;
        free_reserve = &reserve[i];
    }
    for (unsigned i = 0; i < NODE_MAX; i++) {
        struct peer *peer = &peers[i];
        node_id_t node = (node_id_t)i;

        *peer = (struct peer){.posted_end = &peer->first_posted};
        if (i >= node_count || node == self) {
            continue;
        }
        peer->is_present = true;
        channel_sender_initialise(&peer->sender, platform_channel_ring(self, node), ring_bytes,
                                  &platform_status_page(node)->acknowledged_lines[self], 0);
        channel_receiver_initialise(&peer->receiver, platform_channel_ring(node, self), ring_bytes,
                                    &status_own_page->acknowledged_lines[node], 0);
    }
    watch_living_nodes();
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

/* --- Receiving --- */

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

static void note_due(node_id_t node, uint8_t due)
{
    struct peer *peer = &peers[node];

    if (peer->due == 0) {
        ASSERT_SLOW(doorbell_count < node_count);
        doorbells_due[doorbell_count++] = node;
    }
    peer->due |= due;
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
        note_due(node, DUE_ROOM);
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

/* --- Sending --- */

static int note_blocked(node_id_t to)
{
    blocked_nodes |= UINT64_C(1) << to;
    return -EAGAIN;
}

/* Why nothing can be sent to this node now, or 0. */
static int check_destination(node_id_t to)
{
    if (UNLIKELY(to >= node_count || !peers[to].is_present)) {
        return -ENODEV;
    }
    return UNLIKELY(peers[to].first_posted != NULL) ? note_blocked(to) : 0;
}

static void note_sent(node_id_t to)
{
    counter_increment(COUNTER_CHANNEL_SENT);
    note_due(to, DUE_MESSAGE);
}

static int note_full(node_id_t to)
{
    counter_increment(COUNTER_CHANNEL_FULL);
    return note_blocked(to);
}

/* The handler runs inside the send, on the stack of whoever sends. */
static void handle_own(const struct message_header *header, const uint8_t *payload)
{
    ASSERT(self_depth < SELF_DEPTH_MAX);
    has_handled_own = true;
    self_depth++;
    handle(self, CONTAINER_OF(header, const struct message, header), (const uint8_t *)header,
           payload);
    self_depth--;
}

int message_send(node_id_t to, const struct message_header *header)
{
    ASSERT_SLOW(header->type > MESSAGE_PADDING && header->type < MESSAGE_TYPE_MAX);
    ASSERT_SLOW(header->length_bytes >= sizeof(*header));
    if (to == self) {
        handle_own(header, NULL);
        return 0;
    }
    const struct message *message = CONTAINER_OF(header, const struct message, header);
    int error = check_destination(to);

    if (error == 0) {
        error = channel_send(&peers[to].sender, message) == 0 ? 0 : note_full(to);
    }
    if (error == 0) {
        note_sent(to);
    }
    return error;
}

int message_send_payload(node_id_t to, struct message_header *header, size_t header_bytes,
                         const void *payload, size_t payload_bytes)
{
    size_t length_bytes = header_bytes + payload_bytes;

    ASSERT(header_bytes >= sizeof(*header) && length_bytes <= MESSAGE_MAX_BYTES);
    /* To this node, the payload begins where the handler looks for it; if there is one. */
    ASSERT_SLOW(to != self || handlers[header->type].fixed_bytes == header_bytes ||
                handlers[header->type].fixed_bytes == 0);
    header->length_bytes = (uint16_t)length_bytes;
    if (to == self) {
        handle_own(header, payload);
        return 0;
    }
    int error = check_destination(to);

    if (error != 0) {
        return error;
    }
    struct message *message = channel_reserve(&peers[to].sender, length_bytes);

    if (message == NULL) {
        return note_full(to);
    }
    /* All but the sequence, at which the receiver may be looking. */
    message->header.type = header->type;
    memcpy(message + 1, header + 1, header_bytes - sizeof(*header));
    memcpy((uint8_t *)message + header_bytes, payload, payload_bytes);
    channel_publish(&peers[to].sender);
    note_sent(to);
    return 0;
}

static struct posted *take_block(void)
{
    struct posted *block = memory_allocate(sizeof(*block));

    if (UNLIKELY(block == NULL) && free_reserve != NULL) {
        block = free_reserve;
        free_reserve = block->next;
    }
    return block;
}

/* The oldest of a node is done with: sent, or never to be. */
static void release_first_posted(struct peer *peer)
{
    struct posted *block = peer->first_posted;

    ASSERT(block != NULL && posted_count > 0 && peer->posted_count > 0);
    peer->first_posted = block->next;
    if (peer->first_posted == NULL) {
        peer->posted_end = &peer->first_posted;
    }
    peer->posted_count--;
    posted_count--;
    if (block >= reserve && block < reserve + POSTED_RESERVE) {
        block->next = free_reserve;
        free_reserve = block;
    } else {
        memory_release(block);
    }
}

static node_id_t most_posted(void)
{
    node_id_t most = 0;

    for (unsigned node = 1; node < node_count; node++) {
        if (peers[node].posted_count > peers[most].posted_count) {
            most = (node_id_t)node;
        }
    }
    return most;
}

/* For a message that has found no room. */
static __attribute__((noinline)) void post_later(node_id_t to, const struct message_header *header)
{
    struct peer *peer = &peers[to];
    struct posted *posted;

    ASSERT(to < node_count && header->length_bytes <= sizeof(posted->message));
    /* Each time round, one node fewer can be sent to. */
    do {
        posted = peer->posted_count < POSTED_PEER_MAX ? take_block() : NULL;
        if (LIKELY(posted != NULL)) {
            posted->next = NULL;
            memcpy(posted->message, header, header->length_bytes);
            *peer->posted_end = posted;
            peer->posted_end = &posted->next;
            peer->posted_count++;
            posted_count++;
            return;
        }
        watch_give_up(most_posted(), "lets too many messages wait");
    } while (message_send(to, header) == -EAGAIN);
}

void message_post(node_id_t to, const struct message_header *header)
{
    ASSERT_SLOW(header->length_bytes <= sizeof(((struct posted *)0)->message));
    if (UNLIKELY(message_send(to, header) == -EAGAIN)) {
        post_later(to, header);
    }
}

bool message_has_room(node_id_t to, size_t length_bytes)
{
    if (to == self) {
        return true;
    }
    if (check_destination(to) != 0) {
        return false;
    }
    if (!channel_has_room(&peers[to].sender, length_bytes)) {
        (void)note_blocked(to);
        return false;
    }
    return true;
}

static unsigned send_posted_to(node_id_t node)
{
    struct peer *peer = &peers[node];
    unsigned count = 0;

    while (peer->first_posted != NULL) {
        if (channel_send(&peer->sender, (struct message *)peer->first_posted->message) != 0) {
            (void)note_blocked(node);
            break;
        }
        note_sent(node);
        release_first_posted(peer);
        count++;
    }
    return count;
}

unsigned peers_send_posted(void)
{
    unsigned count = 0;

    if (LIKELY(posted_count == 0)) {
        return 0;
    }
    for (unsigned node = 0; node < node_count; node++) {
        count += send_posted_to((node_id_t)node);
    }
    return count;
}

static void ring_doorbell(node_id_t node)
{
    enum node_sleep sleep = status_node_sleep(node);

    if (sleep != NODE_AWAKE &&
        ((peers[node].due & DUE_MESSAGE) != 0 || sleep == NODE_SLEEPS_FOR_ROOM)) {
        platform_ring_doorbell(node);
        counter_increment(COUNTER_DOORBELLS);
    }
    peers[node].due = 0;
}

void peers_ring_doorbells(void)
{
    has_handled_own = false;
    if (doorbell_count == 0) {
        return;
    }
    /* What was published, and room that was freed, before the look at the sleep flags:
     * status_set_sleep() has the other half of this. */
    mailbox_fence();
    for (unsigned i = 0; i < doorbell_count; i++) {
        ring_doorbell(doorbells_due[i]);
    }
    doorbell_count = 0;
}

/* --- For the event loop --- */

void peers_begin_round(void)
{
    blocked_nodes = 0;
}

bool peers_is_blocked(void)
{
    return blocked_nodes != 0;
}

bool peers_is_anything_due(void)
{
    return doorbell_count != 0 || has_handled_own;
}

bool peers_has_room_come(void)
{
    for (uint64_t left = blocked_nodes; left != 0; left &= left - 1) {
        if (channel_has_progress(&peers[__builtin_ctzll(left)].sender)) {
            return true;
        }
    }
    return false;
}

bool peers_is_present(node_id_t node)
{
    return peers[node].is_present;
}

bool peers_is_condemned(node_id_t node)
{
    return peers[node].is_condemned;
}

bool peers_is_behind(node_id_t node, uint32_t *acknowledged_lines)
{
    struct channel_sender *sender = &peers[node].sender;
    bool is_behind = channel_unacknowledged_lines(sender) != 0;

    *acknowledged_lines = sender->acknowledged_lines;
    return is_behind;
}

void peers_condemn(node_id_t node)
{
    struct peer *peer = &peers[node];

    ASSERT(peer->is_present && node != self);
    peer->is_present = false;
    peer->is_condemned = true;
    while (peer->first_posted != NULL) {
        release_first_posted(peer);
    }
}

void peers_forget(node_id_t node)
{
    if (peers[node].is_present) {
        peers_condemn(node);
    }
    peers[node].is_condemned = false;
    watch_living_nodes();
}
