/* SPDX-License-Identifier: MIT */
/*
 * The configuration that this node runs in, and the deaths and returns of nodes that change it.
 *
 * A node that comes back looks at the others when it runs. If one of those comes back too, it first
 * waits until that one runs or is dead. So of two that come back together at least one sees the
 * other, and knows by the order in which they were built whose the work for all is.
 */
#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "net/configuration.h"

/* For a node on its way back; a thousand times what it needs. One that takes longer counts as dead
 * until this node is told otherwise. */
#define START_PATIENCE_NS (100 * NS_PER_MS)

static struct configuration current;
static uint32_t incarnations[NODE_MAX]; /* of each node, as `current` knows it */

void configuration_note_serving(node_id_t node, enum role role)
{
    if (configuration_has_role(&current, node, role)) {
        configuration_let_serve(&current, node, role);
    }
}

void configuration_note_draining(node_id_t node, bool is_draining)
{
    configuration_let_drain(&current, node, is_draining);
}

static void note_node_down(node_id_t node)
{
    configuration_lose_node(&current, node);
}

static void note_node_up(node_id_t node)
{
    uint32_t start_order = status_start_order(node); /* any number */

    incarnations[node] = status_incarnation(node);
    configuration_regain_node(&current, node, start_order != 0 ? start_order : 1);
}

static bool is_coming_back(node_id_t node)
{
    return status_node_state(node) == NODE_STARTING && status_start_order(node) != 0;
}

/* At this node's start. Whoever has come back before is taken to serve: if it does not yet, it gets
 * some things early. */
static void look_at(node_id_t node)
{
    uint64_t end_ns = platform_now_ns() + START_PATIENCE_NS;

    while (is_coming_back(node) && platform_now_ns() < end_ns) {
        __builtin_ia32_pause();
    }
    uint32_t start_order = status_start_order(node);

    incarnations[node] = status_incarnation(node);
    if (status_node_state(node) == NODE_DEAD || is_coming_back(node)) {
        configuration_lose_node(&current, node);
    } else if (start_order != 0) {
        configuration_regain_node(&current, node, start_order);
        if (node != platform_node()) {
            configuration_note_serving(node, ROLE_TS);
            configuration_note_serving(node, ROLE_CM);
        }
    }
}

void configuration_set_current(const struct configuration *configuration)
{
    ASSERT(configuration->node_count == platform_node_count());
    current = *configuration;
    for (unsigned node = 0; node < current.node_count; node++) {
        look_at((node_id_t)node);
    }
    dispatch_register_node_down(note_node_down);
    dispatch_register_node_up(note_node_up);
}

const struct configuration *configuration_current(void)
{
    return &current;
}

/* By the status pages: whoever acts on a death has seen it there before. One that has come back
 * since is dead as well, until we are told of it. */
static bool is_living(node_id_t node)
{
    return !configuration_is_dead(&current, node) && status_node_state(node) != NODE_DEAD &&
           status_incarnation(node) == incarnations[node];
}

static bool is_eldest_living(const node_id_t *nodes, unsigned count, node_id_t node)
{
    bool is_among_them = false;

    for (unsigned i = 0; i < count; i++) {
        uint32_t order = current.start_orders[nodes[i]];

        if (nodes[i] == node) {
            is_among_them = true;
        } else if (is_living(nodes[i]) && (is_among_them ? order < current.start_orders[node]
                                                         : order <= current.start_orders[node])) {
            return false;
        }
    }
    return is_among_them;
}

bool configuration_may_speak(node_id_t node)
{
    return is_eldest_living(current.ts, current.ts_count, node);
}

bool configuration_may_drive_device(node_id_t node)
{
    return is_eldest_living(current.ls, current.ls_count, node);
}
