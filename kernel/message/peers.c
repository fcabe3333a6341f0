/* SPDX-License-Identifier: MIT */
/*
 * Other nodes, as this one sees them: which there are, and who can be sent to.
 */
#include "kernel/message/peers.h"

#include "kernel/message/opening.h"
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
        peer->is_present = i < node_count && node != self;
    }
    send_initialise();
    receive_initialise();
    poll_initialise();
    opening_initialise();
}

void peers_condemn(node_id_t node)
{
    struct peer *peer = &peers[node];

    ASSERT(peer->is_present && node != self);
    peer->is_present = false;
    peer->is_condemned = true;
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
