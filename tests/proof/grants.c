/* SPDX-License-Identifier: MIT */
/*
 * What must hold of connections claimed in advance, in quiet states: a CM gives out no more as
 * granted than were; and none is lost as long as an application keeps its place: what it has
 * granted and not been told of is with its CM, or with a connection that it has not been told of.
 */
#include <stdio.h>

#include "net/configuration.h"
#include "net/transport/state.h"
#include "tests/proof/machine.h"

static char text[120];

/* Connections granted by that application that it has not been told of. */
static unsigned count_untold(const struct machine *machine, node_id_t application)
{
    unsigned count = 0;

    for (unsigned ts = 0; ts < proof_node_count; ts++) {
        const struct node_view *view = machine_view(machine, ts);

        if (!machine_lives(machine, ts)) {
            continue;
        }
        for (unsigned i = 0; i < view->connection_count; i++) {
            const struct seen_connection *connection = &view->connections[i];

            count += connection->acceptor.node == application &&
                     connection->acceptor.grant != GRANT_NONE &&
                     connection->state < CONNECTION_ANNOUNCED;
        }
    }
    return count;
}

/* Whether it has had no place but this one, so that nothing can have been lost with another; nor by
 * being told of a connection as not granted, for want of room. */
static bool is_first_place(const struct machine *machine,
                           const struct seen_application *application)
{
    return machine_view(machine, application->node)->places_asked == 1 &&
           application->is_accepting && machine->dead == 0 && machine_scenario()->room == 0;
}

const char *machine_judge_grants(const struct machine *machine, unsigned cm)
{
    const struct node_view *view = machine_view(machine, cm);

    for (unsigned i = 0; i < view->application_count; i++) {
        const struct seen_application *application = &view->applications[i];
        unsigned said = machine_view(machine, application->node)->granted;
        unsigned known = application->granted_count;

        if (machine_view(machine, application->node)->own_cm != cm) {
            if (known != 0) {
                return "a CM has grants of an application that is another's";
            }
            continue;
        }
        known += count_untold(machine, application->node);
        if (known > said || (known < said && is_first_place(machine, application))) {
            (void)snprintf(text, sizeof(text),
                           "node %u takes %u connections as granted by node %u, which has granted "
                           "%u",
                           cm, known, application->node, said);
            return text;
        }
    }
    return NULL;
}
