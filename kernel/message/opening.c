/* SPDX-License-Identifier: MIT */
/*
 * Channels come into being when they are first used (design, Mailboxes). A sender without one says
 * so on its status page, and sends the attention interrupt. The receiver, when it looks, takes
 * memory, says on its page where the ring is, and rings a sender that sleeps for room, which checks
 * that word and maps the ring. Without memory the receiver counts the wish and tries again at each
 * look. A node that makes no channel, or names a ring that cannot be, is given up (watch.h).
 */
#include "kernel/log.h"
#include "kernel/message/channel.h"
#include "kernel/message/peers.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/memory.h"

/* All rings to a node take at most this part of its memory, or CHANNEL_RING_MIN_BYTES each. */
#define RING_MEMORY_FRACTION 16

/* A word on a status page: where the ring is, and in its lowest bits the logarithm of its bytes. */
#define RING_ORDER_MASK ((uint64_t)PAGE_BYTES - 1)

static node_id_t self;
static size_t ring_bytes; /* of each channel to this node, while there is memory */

MEMORY_KIND(rings_kind, "channel_ring");

/* On this node's page: where the ring of the channel from that node is, zeroed, its first line
 * acknowledged; 0: none. Pairs with the acquire in ring_named_by(). */
static void name_ring(node_id_t from, uint64_t ring)
{
    mailbox_store64_release(&status_own_page->for_nodes[from].channel_ring, ring);
}

static uint64_t ring_named_by(node_id_t to)
{
    return mailbox_load64_acquire(&platform_status_page(to)->for_nodes[self].channel_ring);
}

/* The one that an earlier incarnation has left, or a new one. NULL: there is no memory. */
static const void *make_ring(node_id_t from, size_t *bytes)
{
    if (peers[from].left_ring != NULL) {
        *bytes = peers[from].left_bytes;
        return peers[from].left_ring;
    }
    bool is_refused = memory_is_refused(&rings_kind);
    const void *ring = NULL;

    for (*bytes = 2 * ring_bytes; ring == NULL && *bytes > CHANNEL_RING_MIN_BYTES;) {
        *bytes /= 2;
        ring = is_refused ? NULL : platform_ring_create(from, *bytes);
    }
    (void)memory_count_taken(&rings_kind, ring, *bytes); /* one, however many were tried */
    return ring;
}

static void open_from(node_id_t from)
{
    struct channel_receiver *receiver = &peers[from].receiver;
    size_t bytes;
    const void *ring = make_ring(from, &bytes);

    if (ring == NULL) {
        return;
    }
    /* We choose where it starts: where nothing that is left in the ring passes for a message. From
     * then on the sender sees to that (channel.h). */
    uint32_t line = channel_first_line(from, self);
    uint32_t end = line + (uint32_t)(bytes / CHANNEL_LINE_BYTES);

    do {
        channel_receiver_initialise(receiver, ring, bytes,
                                    &status_own_page->for_nodes[from].acknowledged_lines, line);
    } while (mailbox_load(channel_next_word(receiver)) == channel_sequence(line) && line++ != end);
    counter_add(COUNTER_CHANNELS_OPEN, 1);
    poll_add(from);
    name_ring(from, platform_ring_place(ring) | (unsigned)__builtin_ctzll(bytes));
    send_note_due(&peers[from], DUE_ROOM);
}

void opening_look_at(node_id_t from)
{
    if (peers[from].is_present && peers[from].receiver.ring == NULL &&
        mailbox_load(&platform_status_page(from)->for_nodes[self].is_channel_requested) != 0) {
        open_from(from);
    }
}

void opening_initialise(void)
{
    uint64_t most;

    self = platform_node();
    most = status_memory_bytes(self) / RING_MEMORY_FRACTION / platform_node_count();
    ring_bytes = CHANNEL_RING_MAX_BYTES;
    while (ring_bytes > CHANNEL_RING_MIN_BYTES && ring_bytes > most) {
        ring_bytes /= 2;
    }
    counter_set(COUNTER_CHANNELS_OPEN, 0);
    for (unsigned node = 0; node < platform_node_count(); node++) {
        channel_sender_close(&peers[node].sender);
    }
}

bool opening_has_come(node_id_t to)
{
    uint64_t ring = ring_named_by(to);

    return !channel_sender_is_open(&peers[to].sender) && ring != 0 &&
           ring != peers[to].refused_ring;
}

bool opening_is_awaited(node_id_t to)
{
    return peers[to].is_ring_requested && !channel_sender_is_open(&peers[to].sender);
}

/* Out of line: a sender with room never comes here. */
__attribute__((noinline)) bool opening_try(node_id_t to)
{
    struct peer *peer = &peers[to];
    uint64_t ring = ring_named_by(to);
    uint64_t order = ring & RING_ORDER_MASK;
    void *lines = NULL;

    if (channel_sender_is_open(&peer->sender)) {
        return false;
    }
    if (!peer->is_ring_requested) {
        peer->is_ring_requested = true;
        mailbox_store(&status_own_page->for_nodes[to].is_channel_requested, true);
        platform_send_attention(to);
    }
    /* A dead one may be built again in the memory where its rings were: see status_welcome(). */
    if (ring == 0 || ring == peer->refused_ring || status_node_state(to) == NODE_DEAD) {
        return false;
    }
    if (order < 32 && channel_is_ring_size(UINT64_C(1) << order)) {
        lines = platform_ring_attach(to, ring & ~RING_ORDER_MASK, UINT64_C(1) << order);
    }
    if (lines == NULL) {
        counter_increment(COUNTER_DROP_BAD_RING);
        log_error("dispatch", "node%u names a ring that cannot be: %#lx", to, ring);
        peer->refused_ring = ring;
        return false;
    }
    const uint32_t *progress = &platform_status_page(to)->for_nodes[self].acknowledged_lines;

    channel_sender_initialise(&peer->sender, lines, UINT64_C(1) << order, progress,
                              mailbox_load(progress));
    return true;
}

static void close_to(node_id_t to)
{
    struct peer *peer = &peers[to];

    if (channel_sender_is_open(&peer->sender)) {
        platform_ring_detach(to, (size_t)peer->sender.line_count * CHANNEL_LINE_BYTES);
        channel_sender_close(&peer->sender);
    }
    mailbox_store(&status_own_page->for_nodes[to].is_channel_requested, false);
    peer->is_ring_requested = false;
    peer->refused_ring = 0;
}

static void close_from(node_id_t from)
{
    struct peer *peer = &peers[from];

    if (peer->receiver.ring == NULL) {
        return;
    }
    poll_remove(from);
    name_ring(from, 0);
    /* Its ring is kept for its next incarnation and nothing else: what says that the node is dead
     * might still write there. */
    peer->left_ring = peer->receiver.ring;
    peer->left_bytes = (size_t)peer->receiver.line_count * CHANNEL_LINE_BYTES;
    peer->receiver = (struct channel_receiver){.ring = NULL};
    counter_set(COUNTER_CHANNELS_OPEN, counter_read(self, COUNTER_CHANNELS_OPEN) - 1);
}

void opening_close(node_id_t node)
{
    close_to(node);
    close_from(node);
}
