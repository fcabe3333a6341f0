/* SPDX-License-Identifier: MIT */
/*
 * Walks through a manager's tables.
 */
#include "net/manager/figures.h"

#include "net/manager/manager.h"

/* The next listener that is used; NULL after the last. */
static bool go_to_next_listener(const struct manager *manager, struct manager_cursor *cursor)
{
    *cursor =
        (struct manager_cursor){.listener = listener_after(&manager->listeners, cursor->listener)};
    if (cursor->listener != NULL) {
        cursor->application = cursor->listener->applications;
    }
    return cursor->listener != NULL;
}

bool manager_next_application(const struct manager *manager, struct manager_cursor *cursor,
                              struct manager_application *application)
{
    const struct listening_application *found;

    do {
        while (cursor->application == NULL) {
            if (!go_to_next_listener(manager, cursor)) {
                return false;
            }
        }
        found = cursor->application;
        cursor->application = found->next;
    } while (!found->is_own);
    *application = (struct manager_application){
        .port = cursor->listener->port,
        .listener_index = found->listener_index,
        .node = found->node,
        .is_accepting = found->is_accepting,
        .is_overdue = found->is_overdue,
        .is_offered = cursor->listener->offered == found,
        .sample_count = found->history->count,
        .median_ns = service_history_median_ns(found->history),
        .service_ns = found->service_ns,
        .open_count = found->outstanding,
        .assigned_count = found->assigned_count,
        .closed_for_others_count = found->closed_for_others_count,
    };
    return true;
}

bool manager_next_offer(const struct manager *manager, struct manager_cursor *cursor,
                        struct manager_offer *offer)
{
    unsigned cm = NODE_SET_LIMIT;

    if (cursor->listener != NULL) {
        cm = node_set_next(&cursor->listener->offers.offering, cursor->next_cm);
    }
    while (cm == NODE_SET_LIMIT) {
        if (!go_to_next_listener(manager, cursor)) {
            return false;
        }
        cm = node_set_next(&cursor->listener->offers.offering, 0);
    }
    cursor->next_cm = cm + 1;
    *offer = (struct manager_offer){
        .port = cursor->listener->port,
        .cm = (node_id_t)cm,
        .node = cursor->listener->offers.known[cm].acceptor.node,
        .counts = node_set_has(&cursor->listener->offers.counting, cm),
        .service_ns = cursor->listener->offers.known[cm].service_ns,
    };
    return true;
}
