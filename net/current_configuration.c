/* SPDX-License-Identifier: MIT */
/*
 * The configuration that this node runs in, and the deaths of nodes that change it.
 */
#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "net/configuration.h"

static struct configuration current;

static void note_node_down(node_id_t node)
{
    configuration_lose_node(&current, node);
}

void configuration_set_current(const struct configuration *configuration)
{
    ASSERT(configuration->node_count == platform_node_count());
    current = *configuration;
    dispatch_register_node_down(note_node_down);
}

const struct configuration *configuration_current(void)
{
    return &current;
}

/* By the status pages: whoever acts on a death has seen it there before. */
static bool is_first_living(const node_id_t *nodes, unsigned count, node_id_t node)
{
    for (unsigned i = 0; i < count; i++) {
        if (nodes[i] == node) {
            return true;
        }
        if (status_node_state(nodes[i]) != NODE_DEAD) {
            return false;
        }
    }
    return false;
}

bool configuration_may_speak(node_id_t node)
{
    return is_first_living(current.ts, current.ts_count, node);
}

bool configuration_may_drive_device(node_id_t node)
{
    return is_first_living(current.ls, current.ls_count, node);
}
