/* SPDX-License-Identifier: MIT */
/*
 * Of its own file a node maps all, writable; of another's the status page and the ring that leads
 * here, and Linux lets it do no more than read them.
 */
#include "kernel/hosted/mailbox.h"

#include "kernel/hosted/linux.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"

static struct status_page *status_pages[NODE_MAX];
static uint8_t *own_rings;
static uint8_t *incoming_rings[NODE_MAX];

/* Of a ring in the file of the node that it comes from. */
static size_t ring_offset(node_id_t to)
{
    return sizeof(struct status_page) + to * linux_node.ring_bytes;
}

size_t hosted_mailbox_bytes(unsigned node_count, size_t ring_bytes)
{
    return sizeof(struct status_page) + node_count * ring_bytes;
}

void hosted_mailbox_initialise(void)
{
    node_id_t self = linux_node.node;
    uint8_t *own = linux_map_mailbox(
        self, 0, hosted_mailbox_bytes(linux_node.node_count, linux_node.ring_bytes));

    status_pages[self] = (struct status_page *)own;
    own_rings = own + sizeof(struct status_page);
    for (unsigned i = 0; i < linux_node.node_count; i++) {
        node_id_t node = (node_id_t)i;

        if (node != self) {
            status_pages[node] = linux_map_mailbox(node, 0, sizeof(struct status_page));
            incoming_rings[node] =
                linux_map_mailbox(node, ring_offset(self), linux_node.ring_bytes);
        }
    }
    status_pages[self]->memory_bytes = linux_node.memory_bytes;
}

struct status_page *platform_status_page(node_id_t node)
{
    ASSERT(node < linux_node.node_count);
    return status_pages[node];
}

void *platform_channel_ring(node_id_t from, node_id_t to)
{
    ASSERT(from != to && (from == linux_node.node || to == linux_node.node));
    return from == linux_node.node ? own_rings + to * linux_node.ring_bytes : incoming_rings[from];
}

size_t platform_channel_ring_bytes(void)
{
    return linux_node.ring_bytes;
}
