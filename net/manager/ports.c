/* SPDX-License-Identifier: MIT */
/*
 * Ports that are served: see ports.h. A change is rare, and the whole list short: it is told anew
 * each time, so that nothing needs to be remembered of who knows what.
 */
#include "net/manager/ports.h"

#include "kernel/platform.h"
#include "net/manager/internal.h"

_Static_assert(sizeof(struct ports_served) <= CHANNEL_LINE_BYTES, "a message is a line");

/* The list to one of them; always at least one message. */
static void tell(struct manager *manager, node_id_t ts)
{
    struct listener *listener = listener_after(&manager->listeners, NULL);
    bool is_first = true;

    do {
        struct ports_served *message =
            manager_reserve_posted(manager, ts, PORTS_SERVED, sizeof(*message));

        for (unsigned i = 0; i < PORTS_SERVED_MAX && listener != NULL; i++) {
            message->ports[i] = listener->port;
            listener = listener_after(&manager->listeners, listener);
        }
        message->is_first = is_first;
        message->is_last = listener == NULL;
        manager_publish(manager);
        is_first = false;
    } while (listener != NULL);
}

void ports_tell(struct manager *manager)
{
    const struct configuration *configuration = manager->configuration;

    if (manager->is_learning) {
        return; /* manager_end_learning() tells */
    }
    for (struct listener *listener = listener_after(&manager->listeners, NULL); listener != NULL;
         listener = listener_after(&manager->listeners, listener)) {
        listener->is_told = true;
    }
    for (unsigned i = 0; i < configuration->ts_count; i++) {
        node_id_t ts = configuration->ts[i];

        if (!configuration_is_dead(configuration, ts) &&
            configuration_own_cm(configuration, ts) == manager->node) {
            tell(manager, ts);
        }
    }
}

void ports_note_listener(struct manager *manager, struct listener *listener)
{
    if (UNLIKELY(!listener->is_told)) {
        ports_tell(manager);
    }
}
