/* SPDX-License-Identifier: MIT */
/*
 * Messages from this node, those that wait for room, and doorbells, once a round.
 */
#include "kernel/message/send.h"

#include <errno.h>
#include <string.h>

#include "kernel/message/channel.h"
#include "kernel/message/peers.h"
#include "kernel/message/status.h"
#include "kernel/message/watch.h"
#include "kernel/platform.h"
#include "libc/core/memory.h"
#include "libc/core/reserve.h"

/* Messages that may wait for one node. Chosen: more than what tens of thousands of connections that
 * end at once say of it; 8 MiB. A node that lets so many wait has hung, or might as well have. */
#define POSTED_PEER_MAX 65536u
/* Messages that wait for a node's channel to be opened, of those that a full channel would refuse.
 * Chosen: as many as a server may well pass on in one round. */
#define OPENING_MAX     64u
/* Of all that wait, so many find a place when there is no other memory. Chosen: 36 KiB. */
#define POSTED_RESERVE  512u

static struct peer *first_due;        /* of those with something due */
static struct peer *first_waiting;    /* of those for whom something is posted, or was of late */
static struct node_set blocked_nodes; /* those without room for a send of this round */
static bool is_any_blocked;           /* else what stands there is of a round before */
static struct posted reserved_blocks[POSTED_RESERVE];
static struct reserve blocks;

MEMORY_KIND(posted_kind, "posted_message");

/* Of the message under construction, if it is not in the own ring. */
static struct {
    struct peer *peer;
    struct posted *posted;       /* if it is BUILT_TO_WAIT: there */
    void (*done)(void *context); /* with its payload, if that was lent; or NULL */
    void *context;
} built;
static struct posted lost; /* there, if its node is dead */

struct own_ring own_ring;
_Alignas(CHANNEL_LINE_BYTES) uint8_t own_ring_bytes[OWN_RING_BYTES];

void send_initialise(void)
{
    first_due = NULL;
    first_waiting = NULL;
    is_any_blocked = false;
    own_ring = (struct own_ring){
        .end = own_ring_bytes,
        .limit = own_ring_bytes + OWN_RING_BYTES,
        .node = platform_node(),
    };
    reserve_initialise(&blocks, &posted_kind, reserved_blocks, sizeof(reserved_blocks[0]),
                       POSTED_RESERVE);
}

static void note_blocked(node_id_t node)
{
    blocked_nodes = is_any_blocked ? blocked_nodes : (struct node_set){{0}};
    is_any_blocked = true;
    node_set_add(&blocked_nodes, node);
}

void send_note_due(struct peer *peer, uint8_t due)
{
    if (peer->due == 0) {
        peer->next_due = first_due;
        first_due = peer;
    }
    peer->due |= due;
}

/* Whether the channel may be used: the node is there, and nothing older waits for it. As long as it
 * may not, no room is known in it: so who looks for room first need not ask. */
static bool may_send(const struct peer *peer)
{
    return peer->is_present && peer->first_posted == NULL;
}

static struct message *begin_in_channel(struct peer *peer, struct message *message)
{
    ASSERT_SLOW(may_send(peer));
    built.peer = peer;
    built.done = NULL;
    own_ring.building = BUILT_IN_CHANNEL;
    return message;
}

static struct message *begin_to_wait(struct peer *peer, struct posted *posted)
{
    built.peer = peer;
    built.posted = posted;
    built.done = NULL;
    own_ring.building = BUILT_TO_WAIT;
    return (struct message *)posted->message;
}

/* The first messages to a node wait for its channel, like those that are posted. NULL: it is open,
 * so many wait, or there is no memory. */
static struct message *wait_for_channel(struct peer *peer, size_t length_bytes)
{
    size_t bytes = length_bytes < CHANNEL_LINE_BYTES ? CHANNEL_LINE_BYTES : length_bytes;
    struct posted *posted = NULL;

    if (opening_is_awaited(peer->node) && peer->posted_count < OPENING_MAX) {
        posted = memory_allocate(&posted_kind, offsetof(struct posted, message) + bytes);
    }
    return posted == NULL ? NULL : begin_to_wait(peer, posted);
}

/* When there is no room as far as is known: whether there is, after a look at what the receiver has
 * read, and at whether it has opened the channel. */
static bool find_room(node_id_t to, size_t length_bytes)
{
    struct channel_sender *sender;

    if (to == own_ring.node || message_refusal(to) != -EAGAIN) {
        return false; /* the own ring has room again before anybody sleeps */
    }
    sender = &peers[to].sender;
    if (may_send(&peers[to]) && (channel_make_room(sender, length_bytes) ||
                                 (opening_try(to) && channel_make_room(sender, length_bytes)))) {
        return true;
    }
    note_blocked(to);
    return false;
}

static __attribute__((noinline)) struct message *reserve_slowly(node_id_t to, size_t length_bytes)
{
    struct message *message = NULL;

    if (find_room(to, length_bytes)) {
        return begin_in_channel(&peers[to], channel_try_reserve(&peers[to].sender, length_bytes));
    }
    if (message_refusal(to) == -EAGAIN) {
        message = wait_for_channel(&peers[to], length_bytes);
        if (message == NULL) {
            counter_increment(COUNTER_CHANNEL_FULL);
        }
    }
    return message;
}

struct message *send_reserve(node_id_t to, size_t length_bytes)
{
    struct peer *peer = &peers[to < platform_node_count() ? to : own_ring.node];
    struct message *message = channel_try_reserve(&peer->sender, length_bytes);

    return LIKELY(message != NULL) ? begin_in_channel(peer, message)
                                   : reserve_slowly(to, length_bytes);
}

struct message *send_reserve_loan(node_id_t to, size_t fixed_bytes, const struct message_loan *loan)
{
    struct message *message = send_reserve(to, fixed_bytes + loan->length_bytes);

    if (message != NULL) {
        memcpy((uint8_t *)message + fixed_bytes, loan->bytes, loan->length_bytes);
        built.done = loan->done;
        built.context = loan->context;
    }
    return message;
}

/* It goes behind all that waits for the node, or nowhere: the node has gone. */
static void wait_for_room(struct peer *peer, struct posted *posted)
{
    if (posted == &lost) {
        return;
    }
    posted->next = NULL;
    peer->sender.ready_lines = 0;
    *peer->posted_end = posted;
    peer->posted_end = &posted->next;
    peer->posted_count++;
    if (peer == &peers[own_ring.node]) {
        own_ring.limit = own_ring_bytes; /* what comes later waits, too */
    } else if (!peer->is_waiting) {
        peer->is_waiting = true;
        peer->next_waiting = first_waiting;
        first_waiting = peer;
    }
}

static inline void note_sent(struct peer *peer, const struct message *next)
{
    counter_increment(COUNTER_CHANNEL_SENT);
    if ((peer->due & DUE_MESSAGE) != 0) {
        channel_expect_more(next); /* as it seems */
    } else {
        send_note_due(peer, DUE_MESSAGE);
    }
}

void send_publish(void)
{
    struct peer *peer = built.peer;
    enum message_place place = own_ring.building;

    ASSERT(place >= BUILT_IN_CHANNEL);
    own_ring.building = BUILT_NOWHERE;
    if (LIKELY(place == BUILT_IN_CHANNEL)) {
        note_sent(peer, channel_publish(&peer->sender));
    } else {
        wait_for_room(peer, built.posted);
    }
    if (built.done != NULL) {
        built.done(built.context);
    }
}

/* The other node that lets most wait. */
static node_id_t find_slowest(void)
{
    node_id_t slowest = NODE_NONE;
    uint32_t most = 0;

    for (const struct peer *peer = first_waiting; peer != NULL; peer = peer->next_waiting) {
        if (peer->posted_count > most) {
            slowest = peer->node;
            most = peer->posted_count;
        }
    }
    return slowest;
}

/* A place for one that finds no room, however many nodes have to be given up for it. */
static struct posted *find_block(node_id_t to)
{
    while (message_refusal(to) == -EAGAIN) {
        bool may_wait = to == own_ring.node || peers[to].posted_count < POSTED_PEER_MAX;
        struct posted *block = may_wait ? reserve_take(&blocks) : NULL;

        if (LIKELY(block != NULL)) {
            return block;
        }
        node_id_t slowest = find_slowest();
        if (slowest == NODE_NONE) {
            PANIC("no memory for messages that wait");
        }
        watch_give_up(slowest, "lets too many messages wait");
    }
    return &lost;
}

struct message *send_reserve_posted(node_id_t to, size_t length_bytes)
{
    struct message *message = send_reserve(to, length_bytes);

    if (UNLIKELY(message == NULL)) {
        message =
            begin_to_wait(&peers[to < platform_node_count() ? to : own_ring.node] /* or nobody's */,
                          find_block(to));
    }
    return message;
}

int message_refusal(node_id_t to)
{
    return to == own_ring.node || (to < platform_node_count() && peers[to].is_present) ? -EAGAIN
                                                                                       : -ENODEV;
}

bool message_ask_for_room(node_id_t to, size_t length_bytes)
{
    if (to == own_ring.node) {
        return own_ring.end + OWN_ROUND_UP(length_bytes) <= own_ring.limit;
    }
    return find_room(to, length_bytes);
}

void send_release_first_posted(struct peer *peer)
{
    struct posted *block = peer->first_posted;

    ASSERT(block != NULL && peer->posted_count > 0);
    peer->first_posted = block->next;
    if (peer->first_posted == NULL) {
        peer->posted_end = &peer->first_posted;
        if (peer->node == own_ring.node) {
            own_ring.limit = own_ring_bytes + OWN_RING_BYTES;
        }
    }
    peer->posted_count--;
    reserve_release(&blocks, block);
}

static unsigned send_posted_to(struct peer *peer)
{
    unsigned count = 0;

    while (peer->first_posted != NULL) {
        if (channel_send(&peer->sender, (struct message *)peer->first_posted->message) == 0) {
            note_sent(peer, channel_line_of(&peer->sender, peer->sender.sent_lines));
            send_release_first_posted(peer);
            count++;
        } else if (!opening_try(peer->node)) {
            note_blocked(peer->node);
            peer->sender.ready_lines = 0;
            break;
        }
    }
    return count;
}

unsigned peers_send_posted(void)
{
    struct peer **link = &first_waiting;
    unsigned count = 0;

    is_any_blocked = false;
    while (UNLIKELY(*link != NULL)) {
        struct peer *peer = *link;

        count += send_posted_to(peer);
        peer->is_waiting = peer->first_posted != NULL;
        if (peer->is_waiting) {
            link = &peer->next_waiting;
        } else {
            *link = peer->next_waiting;
        }
    }
    return count;
}

static void ring_doorbell(struct peer *peer)
{
    node_id_t node = peer->node;
    enum node_sleep sleep = status_node_sleep(node);
    bool is_message = (peer->due & DUE_MESSAGE) != 0;
    node_id_t self = own_ring.node;
    uint32_t quiet = mailbox_load(&platform_status_page(node)->quiet[self / 32]); /* poll.c */

    if (is_message && (quiet >> self % 32 & 1) != 0) {
        platform_send_attention(node);
        counter_increment(COUNTER_DOORBELLS);
    } else if (sleep != NODE_AWAKE && (is_message || sleep == NODE_SLEEPS_FOR_ROOM)) {
        platform_ring_doorbell(node);
        counter_increment(COUNTER_DOORBELLS);
    }
    peer->due = 0;
}

void peers_ring_doorbells(void)
{
    if (first_due == NULL) {
        return;
    }
    /* What was published, and room that was freed, before the look at the sleep flags:
     * status_set_sleep() has the other half of this. */
    mailbox_fence();
    for (; first_due != NULL; first_due = first_due->next_due) {
        ring_doorbell(first_due);
    }
}

bool peers_is_anything_due(void)
{
    return first_due != NULL || peers_is_own_waiting();
}

bool peers_is_blocked(void)
{
    return is_any_blocked;
}

bool peers_has_room_come(void)
{
    NODE_SET_EACH(&blocked_nodes, node)
    {
        if (channel_has_progress(&peers[node].sender) || opening_has_come((node_id_t)node)) {
            return true;
        }
    }
    return false;
}
