/* SPDX-License-Identifier: MIT */
/*
 * Of its own file a node maps all, writable; of another's the status page and, once there is a
 * channel, the ring that leads here, and Linux lets it do no more than read them.
 */
#include "kernel/hosted/mailbox.h"

#include "kernel/hosted/linux.h"
#include "kernel/message/channel.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"

static struct status_page *status_pages[NODE_MAX];

/* Of a ring in the file of the node that it comes from. What nobody touches of it takes no memory.
 */
static size_t ring_offset(node_id_t to)
{
    return STATUS_PAGE_BYTES(linux_node.node_count) + to * CHANNEL_RING_MAX_BYTES;
}

size_t hosted_mailbox_bytes(unsigned node_count)
{
    return STATUS_PAGE_BYTES(node_count) + node_count * CHANNEL_RING_MAX_BYTES;
}

void hosted_mailbox_initialise(void)
{
    for (unsigned i = 0; i < linux_node.node_count; i++) {
        node_id_t node = (node_id_t)i;

        status_pages[node] =
            linux_map_mailbox(node, 0,
                              node == linux_node.node ? hosted_mailbox_bytes(linux_node.node_count)
                                                      : STATUS_PAGE_BYTES(linux_node.node_count));
    }
    status_pages[linux_node.node]->memory_bytes = linux_node.memory_bytes;
}

struct status_page *platform_status_page(node_id_t node)
{
    ASSERT(node < linux_node.node_count);
    return status_pages[node];
}

const void *platform_ring_create(node_id_t from, size_t bytes)
{
    ASSERT(from != linux_node.node && channel_is_ring_size(bytes));
    return linux_map_mailbox(from, ring_offset(linux_node.node), bytes);
}

uint64_t platform_ring_place(const void *ring)
{
    (void)ring; /* it lies in the sender's file, where it always lies */
    return ring_offset(linux_node.node);
}

void *platform_ring_attach(node_id_t to, uint64_t place, size_t bytes)
{
    ASSERT(to != linux_node.node);
    if (place != ring_offset(to) || !channel_is_ring_size(bytes)) {
        return NULL;
    }
    return (uint8_t *)status_pages[linux_node.node] + place;
}

void platform_ring_detach(node_id_t to, size_t bytes)
{
    (void)to; /* the file is this node's own */
    (void)bytes;
}
