/* SPDX-License-Identifier: MIT */
/*
 * What can be seen of a connection manager. Its only variable is its server's own: hence the file
 * is part of this one.
 */
#include "net/manager/server.c"
#include "tests/proof/node.h"

static void look_at_application(const struct listening_application *application,
                                struct node_view *view)
{
    struct seen_application *seen = &view->applications[view->application_count++];

    ASSERT(view->application_count <= SEEN_MAX);
    *seen = (struct seen_application){
        .node = application->node,
        .listener_index = application->listener_index,
        .is_accepting = application->is_accepting,
        .request_number = application->request_number,
        .granted_count = application->granted_count,
        .outstanding = application->outstanding,
    };
    /* Those that ask another CM for connections are not counted. */
    for (unsigned node = 0; node < proof_node_count && application->is_own; node++) {
        seen->outstanding_by_ts[node] = application->outstanding_by_ts[node];
    }
}

static void look_at_waiting(const struct listener *listener, struct node_view *view)
{
    uint16_t index = listener->waiting.first;

    for (uint32_t left = listener->waiting.count; left != 0; left--) {
        const struct waiting_entry *entry = &own_manager.waiting.entries[index];

        ASSERT(view->waiting_count < SEEN_MAX);
        view->waiting[view->waiting_count++] = (struct seen_waiting){
            .ts = entry->connection.ts,
            .index = entry->connection.connection_index,
            .generation = entry->connection.generation,
        };
        index = entry->next;
    }
}

bool manager_is_offer_due(void)
{
    return timer_is_set(&offer_timer);
}

void manager_look(struct node_view *view)
{
    const struct listener *listener = listener_find(&own_manager.listeners, PROOF_PORT);

    view->is_offer_due = manager_is_offer_due();
    if (listener == NULL) {
        return;
    }
    for (const struct listening_application *application = listener->applications;
         application != NULL; application = application->next) {
        look_at_application(application, view);
    }
    look_at_waiting(listener, view);
    view->published = listener->published.node;
    NODE_SET_EACH(&listener->offers.offering, node)
    {
        view->offering |= (uint8_t)(1u << node);
        view->offered[node] = listener->offers.known[node].acceptor.node;
    }
}
