/* SPDX-License-Identifier: MIT */
/*
 * An account of what an application claims in advance, kept by what it says and hears: what it says
 * is added, each granted connection that it is told of taken off. A place that is lost changes
 * nothing: what was granted with it may still be on its way.
 */
#include "kernel/platform.h"
#include "net/messages.h"
#include "tests/proof/node.h"

static uint16_t places_asked;
static uint16_t granted;

void grants_note_sent(const struct message *message)
{
    const struct accept_connection *accept = (const void *)message;

    if (message->header.type == ACCEPT_CONNECTION) {
        places_asked = (uint16_t)(places_asked + (accept->is_renewal == 0));
        granted = (uint16_t)(granted + accept->grant_count);
    }
}

void grants_note_received(const struct message *message)
{
    const struct connection_available *available = (const void *)message;

    if (message->header.type != CONNECTION_AVAILABLE || available->send_window_bytes == 0) {
        return;
    }
    if (granted == 0) {
        node_fail("node %u is told of a connection as granted, and has granted none",
                  platform_node());
        return;
    }
    granted--;
}

void grants_look(struct node_view *view)
{
    view->places_asked = places_asked;
    view->granted = granted;
}
