/* SPDX-License-Identifier: MIT */
/*
 * Gathering closed connections: a message under construction for each node that is a CM, in this
 * node's memory, and a set of those that have something in it.
 */
#include "net/transport/closed.h"

#include <string.h>

#include "kernel/message/send.h"
#include "kernel/platform.h"
#include "libc/core/memory.h"
#include "net/closed.h"

struct gathered {
    struct closed_connection closed[CLOSED_MAX];
    unsigned count;
};

MEMORY_KIND(closed_kind, "closed_connections");

static struct gathered *gathered; /* of each node */
static struct node_set gathering; /* those that have any, and how many they are */
static unsigned gathering_count;

void closed_initialise(void)
{
    gathered = memory_allocate_zeroed(&closed_kind, platform_node_count() * sizeof(*gathered));
    if (gathered == NULL) {
        PANIC("no memory to report closed connections in");
    }
    gathering = (struct node_set){{0}};
    gathering_count = 0;
}

static void empty(node_id_t cm)
{
    if (gathered[cm].count != 0) {
        gathered[cm].count = 0;
        node_set_remove(&gathering, cm);
        gathering_count--;
    }
}

static void send_to(node_id_t cm)
{
    struct connection_closed *message =
        message_reserve_posted(cm, CONNECTION_CLOSED, sizeof(*message));

    ASSERT(gathered[cm].count > 0 && gathered[cm].count <= CLOSED_MAX);
    memcpy(message->closed, gathered[cm].closed,
           gathered[cm].count * sizeof(message->closed[0])); /* the rest is zero */
    message_publish();
    empty(cm);
}

/* Inline: once for each connection. */
inline void closed_report(const struct acceptor *acceptor, uint16_t port, uint64_t service_ns)
{
    node_id_t cm = acceptor->cm;
    struct gathered *some = &gathered[cm];

    ASSERT(cm < platform_node_count()); /* checked when it came */
    if (some->count == 0) {
        node_set_add(&gathering, cm);
        gathering_count++;
    }
    some->closed[some->count++] = closed_connection_of(acceptor, port, service_ns);
    if (some->count == CLOSED_MAX) {
        send_to(cm);
    }
}

void closed_send_all(void)
{
    for (unsigned cm = 0; gathering_count != 0; cm++) {
        cm = node_set_next(&gathering, cm);
        send_to((node_id_t)cm);
    }
}

void closed_forget_manager(node_id_t node)
{
    empty(node);
}
