/* SPDX-License-Identifier: MIT */
/*
 * Messages from this node: see dispatch.h for the contract of sending. Messages to this node are
 * direct calls; messages to others go through channels, and those that are posted may wait here for
 * room. Doorbells are rung here, once a round.
 */
#include <errno.h>
#include <string.h>

#include "kernel/message/channel.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/peer.h"
#include "kernel/message/peers.h"
#include "kernel/message/status.h"
#include "kernel/message/watch.h"
#include "kernel/platform.h"
#include "libc/core/memory.h"

/* Messages that may wait for one node. Chosen: more than what tens of thousands of connections that
 * end at once say of it; 8 MiB. A node that lets so many wait has hung, or might as well have. */
#define POSTED_PEER_MAX 65536u
/* Of all that wait, so many find a place when there is no other memory. Chosen: 36 KiB. */
#define POSTED_RESERVE  512u

struct posted {
    struct posted *next;
    uint64_t message[CHANNEL_LINE_BYTES / sizeof(uint64_t)]; /* the whole of it */
};

static node_id_t self;
static unsigned node_count;

static node_id_t doorbells_due[NODE_MAX]; /* nodes with something due */
static unsigned doorbell_count;
static unsigned posted_count;  /* of all peers */
static uint64_t blocked_nodes; /* a bit each: a send of this round found no room */
static struct posted reserve[POSTED_RESERVE];
static struct posted *free_reserve;

static bool has_handled_own; /* since doorbells were last rung */

void send_initialise(void)
{
    self = platform_node();
    node_count = platform_node_count();
    doorbell_count = 0;
    posted_count = 0;
    blocked_nodes = 0;
    has_handled_own = false;
    free_reserve = NULL;
    for (unsigned i = 0; i < POSTED_RESERVE; i++) {
        reserve[i].next = free_reserve;
        free_reserve = &reserve[i];
    }
}

void send_note_due(node_id_t node, uint8_t due)
{
    struct peer *peer = &peers[node];

    if (peer->due == 0) {
        ASSERT_SLOW(doorbell_count < node_count);
        doorbells_due[doorbell_count++] = node;
    }
    peer->due |= due;
}

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
    send_note_due(to, DUE_MESSAGE);
}

static int note_full(node_id_t to)
{
    counter_increment(COUNTER_CHANNEL_FULL);
    return note_blocked(to);
}

int message_send(node_id_t to, const struct message_header *header)
{
    ASSERT_SLOW(header->type > MESSAGE_PADDING && header->type < MESSAGE_TYPE_MAX);
    ASSERT_SLOW(header->length_bytes >= sizeof(*header));
    if (to == self) {
        has_handled_own = true;
        receive_own(header, NULL);
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
    ASSERT_SLOW(to != self || receive_is_fixed_part(header->type, header_bytes));
    header->length_bytes = (uint16_t)length_bytes;
    if (to == self) {
        has_handled_own = true;
        receive_own(header, payload);
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

void send_drop_posted(node_id_t node)
{
    while (peers[node].first_posted != NULL) {
        release_first_posted(&peers[node]);
    }
}
