/* SPDX-License-Identifier: MIT */
/*
 * CMs that come back: see returns.h.
 */
#include "net/streams/returns.h"

#include "kernel/message/dispatch.h"
#include "kernel/platform.h"
#include "net/configuration.h"
#include "net/returning.h"
#include "net/streams/listener_table.h"
#include "net/streams/requests.h"

/* A CM that comes back knows nothing: neither of listeners, nor who had asked for a place while it
 * was dead and no other CM lived. */
static void tell_listeners(node_id_t node)
{
    if (!configuration_has_role(configuration_current(), node, ROLE_CM)) {
        return;
    }
    for (unsigned i = 0; i < LISTENER_MAX; i++) {
        struct stream_listener *listener = stream_listeners[i];

        if (listener == NULL) {
            continue;
        }
        request_listen_from(node, listener->port, listener->index, listener->backlog);
        if (listener->is_on_list && listener->cm == node) {
            stream_listener_lose_place(listener);
        }
    }
    request_end_listening_from(node);
}

void stream_returns_change_lists(void)
{
    node_id_t own = configuration_own_cm(configuration_current(), platform_node());

    for (unsigned i = 0; i < LISTENER_MAX; i++) {
        if (stream_listeners[i] != NULL && stream_listeners[i]->is_on_list &&
            stream_listeners[i]->cm != own) {
            request_give_up_place(stream_listeners[i]->cm, stream_listeners[i]->port,
                                  stream_listeners[i]->index, stream_listeners[i]->request_number);
            stream_listener_lose_place(stream_listeners[i]);
        }
    }
}

/* The CM that this node began with serves again: from its successor's list to its own. */
static void note_serving(node_id_t node, enum role role)
{
    if (role == ROLE_CM && node == configuration_own_cm(configuration_current(), platform_node())) {
        stream_returns_change_lists();
    }
}

void stream_returns_start(void)
{
    dispatch_register_node_up(tell_listeners);
    returning_observe(note_serving);
}
