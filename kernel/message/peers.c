/* SPDX-License-Identifier: MIT */
/*
 * Other nodes, as this one sees them: which there are, and who can be sent to.
 */
#include "kernel/message/peers.h"

#include "kernel/message/opening.h"
#include "kernel/message/peer.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"

static node_id_t self;
struct peer peers[NODE_MAX];

void peers_initialise(void)
{
    unsigned node_count = platform_node_count();

    self = platform_node();
    for (unsigned i = 0; i < NODE_MAX; i++) {
        struct peer *peer = &peers[i];
        node_id_t node = (node_id_t)i;

        *peer = (struct peer){.posted_end = &peer->first_posted, .node = node};
        if (i >= node_count || node == self) {
            continue;
        }
        peer->is_present = true;
    }
    send_initialise();
    receive_initialise();
    poll_initialise();
    opening_initialise();
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
    bool is_behind = channel_unacknowledged_lines(sender) != 0 || opening_is_awaited(node);

    *acknowledged_lines = sender->acknowledged_lines;
    return is_behind;
}

void peers_ring(node_id_t node)
{
    /* Perhaps it had no memory for a channel. */
    (opening_is_awaited(node) ? platform_send_attention : platform_ring_doorbell)(node);
}

void peers_condemn(node_id_t node)
{
    struct peer *peer = &peers[node];

    ASSERT(peer->is_present && node != self);
    peer->is_present = false;
    peer->is_condemned = true;
    while (peer->first_posted != NULL) {
        send_release_first_posted(node);
    }
}

void peers_forget(node_id_t node)
{
    if (peers[node].is_present) {
        peers_condemn(node);
    }
    peers[node].is_condemned = false;
    opening_close(node);
}
