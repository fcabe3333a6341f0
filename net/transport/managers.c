/* SPDX-License-Identifier: MIT */
#include "net/transport/managers.h"

#include "kernel/platform.h"
#include "net/configuration.h"
#include "net/transport/connection.h"

/* One that has come back knows no port until it says that it serves again. */
static bool serves(node_id_t cm)
{
    const struct configuration *configuration = configuration_current();

    return !configuration_is_dead(configuration, cm) &&
           !node_set_has(&configuration->returning_cm, cm);
}

node_id_t managers_find(node_id_t last)
{
    node_id_t cm = last;

    if (cm == NODE_NONE || !serves(cm)) {
        cm = configuration_own_cm(configuration_current(), platform_node());
    }
    return serves(cm) ? cm : NODE_NONE;
}

void managers_await(struct connection *connection)
{
    ASSERT(connection->state == CONNECTION_WAITING);
    if (!platform_can_park()) {
        connection_abort(connection, 0); /* none comes back */
    }
}

bool managers_is_awaited_by(const struct connection *connection)
{
    return connection->state == CONNECTION_WAITING && connection->acceptor.assigned_by == NODE_NONE;
}
