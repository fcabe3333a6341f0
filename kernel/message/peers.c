/* SPDX-License-Identifier: MIT */
/*
 * Other nodes, as this one sees them: which there are, and who can be sent to.
 */
#include "kernel/message/peers.h"

#include "kernel/message/peer.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"

static node_id_t self;
struct peer peers[NODE_MAX];

void peers_initialise(void)
{
    size_t ring_bytes = platform_channel_ring_bytes();
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
        channel_sender_initialise(&peer->sender, platform_channel_ring(self, node), ring_bytes,
                                  &platform_status_page(node)->acknowledged_lines[self], 0);
        channel_receiver_initialise(&peer->receiver, platform_channel_ring(node, self), ring_bytes,
                                    &status_own_page->acknowledged_lines[node], 0);
    }
    send_initialise();
    receive_initialise();
    poll_present_nodes();
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
        send_release_first_posted(node);
    }
}

void peers_forget(node_id_t node)
{
    if (peers[node].is_present) {
        peers_condemn(node);
    }
    peers[node].is_condemned = false;
    poll_present_nodes();
}
