/* SPDX-License-Identifier: MIT */
/*
 * A dead link server's queue: see takeover.h. While one is taken the functions of this node's own
 * source are replaced, so that no other round pays for the question whether there is one.
 */
#include "net/link/takeover.h"

#include <errno.h>

#include "drivers/nic/nic.h"
#include "kernel/log.h"
#include "kernel/message/dispatch.h"
#include "net/configuration.h"

/* Frames taken in one round, as of the own queue. */
#define RECEIVE_BUDGET 64

static struct {
    struct nic_queue *queue; /* NULL: none is taken */
    unsigned index;
    node_id_t node;
    uint64_t frame_count;
    bool is_left; /* nothing more comes */
    bool is_leaving;
    struct dispatch_source *source; /* of this node's own queue */
    struct dispatch_source usual;   /* its functions without an adopted queue */
    unsigned (*deliver)(struct frame **frames, unsigned count);
} taken;

/* The queue of the node's link server, or one that no card has. */
static unsigned queue_of(const struct configuration *configuration, node_id_t node)
{
    unsigned index = 0;

    while (index < configuration->ls_count && configuration->ls[index] != node) {
        index++;
    }
    return index < configuration->ls_count ? index : NIC_QUEUE_MAX;
}

int link_takeover_stop(const struct configuration *configuration, struct nic_queue *own,
                       node_id_t node)
{
    unsigned index = queue_of(configuration, node);
    int result = index == NIC_QUEUE_MAX ? 0 : nic_queue_stop_other(own, index, node);

    if (result != 0 && result != -EINVAL && result != -ENODEV) {
        log_error("ls", "the NIC may still write to node%u: it stays down", node);
        dispatch_hold_node(node);
    }
    return result == -ENODEV ? result : 0;
}

static void give_back_source(void)
{
    taken.source->poll = taken.usual.poll;
    taken.source->prepare_sleep = taken.usual.prepare_sleep;
    taken.queue = NULL;
    log_info("ls", "%lu frames came to node%u's queue before they went elsewhere",
             taken.frame_count, taken.node);
}

static unsigned poll_both(void *context)
{
    static struct frame *frames[RECEIVE_BUDGET]; /* so that no stack needs a guard */
    unsigned count = nic_queue_receive(taken.queue, frames, RECEIVE_BUDGET);

    if (count > 0) {
        taken.frame_count += count;
        (void)taken.deliver(frames, count);
    } else if (taken.is_left) {
        give_back_source();
    }
    return count + taken.usual.poll(context);
}

/* The thread that steers keeps the node awake. */
static bool prepare_both(void *context)
{
    bool has_work = taken.usual.prepare_sleep(context);

    return has_work || nic_queue_is_pending(taken.queue);
}

void link_takeover_begin(const struct configuration *configuration, struct nic_queue *own,
                         node_id_t node, struct dispatch_source *source,
                         unsigned (*deliver)(struct frame **frames, unsigned count))
{
    unsigned index = queue_of(configuration, node);
    int result;

    if (index == NIC_QUEUE_MAX || taken.queue != NULL) {
        return; /* of those that die at a time, one */
    }
    result = nic_queue_adopt_other(own, index, &taken.queue);
    if (result != 0) {
        taken.queue = NULL;
        if (result != -ENOTSUP && result != -EINVAL) {
            log_warning("ls",
                        "what comes to node%u's queue until it is steered elsewhere is lost: "
                        "error %d",
                        node, -result);
        }
        return;
    }
    taken.index = index;
    taken.node = node;
    taken.frame_count = 0;
    taken.is_left = false;
    taken.deliver = deliver;
    taken.source = source;
    taken.usual = *source;
    source->poll = poll_both;
    source->prepare_sleep = prepare_both;
}

void link_takeover_end(void)
{
    if (taken.queue != NULL && !taken.is_left && !taken.is_leaving) {
        taken.is_leaving = true;
        taken.is_left = nic_queue_leave(taken.queue) == 0;
        taken.is_leaving = false;
    }
}

bool link_takeover_has(unsigned index)
{
    return taken.queue != NULL && !taken.is_left && taken.index == index;
}
