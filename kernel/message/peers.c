/* SPDX-License-Identifier: MIT */
/*
 * Other nodes, as this one sees them: which there are, and who can be sent to.
 */
#include "kernel/message/peers.h"

#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/memory.h"

MEMORY_KIND(peers_kind, "peers");

struct peer *peers;

void peers_initialise(void)
{
    peers = memory_renew(&peers_kind, peers, platform_node_count() * sizeof(*peers));
    for (unsigned node = 0; node < platform_node_count(); node++) {
        struct peer *peer = &peers[node];

        peer->posted_end = &peer->first_posted;
        peer->node = (node_id_t)node;
        peer->is_present = node != platform_node();
        peer->incarnation = status_incarnation((node_id_t)node);
    }
    send_initialise();
    receive_initialise();
    poll_initialise();
    opening_initialise();
}

void peers_condemn(node_id_t node)
{
    struct peer *peer = &peers[node];

    ASSERT(peer->is_present);
    peer->is_present = false;
    peer->is_condemned = true;
    peer->sender.ready_lines = 0;
    while (peer->first_posted != NULL) {
        send_release_first_posted(peer);
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
