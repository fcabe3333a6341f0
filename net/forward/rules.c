/* SPDX-License-Identifier: MIT */
/*
 * The set of rules as this application has told it last: see rules.h. Its messages are posted, so
 * that none is lost; a transport server that comes back is told all of it again.
 */
#include "net/forward/rules.h"

#include <errno.h>
#include <string.h>

#include "kernel/message/dispatch.h"
#include "kernel/message/send.h"
#include "kernel/platform.h"
#include "net/configuration.h"
#include "net/messages.h"

static struct forward_port told[FORWARD_RULE_MAX];
static unsigned told_count;
static bool has_begun; /* to listen to deaths and returns */
static bool is_teller;

/* --- What may be told --- */

static bool is_first_of_its_kind(const struct forward_port *port, unsigned index)
{
    const struct forward_backend *backend = &port->backends[index];

    for (unsigned i = 0; i < index; i++) {
        if (port->backends[i].address == backend->address &&
            port->backends[i].port == backend->port) {
            return false;
        }
    }
    return true;
}

static bool is_valid(const struct forward_port *ports, unsigned index)
{
    const struct forward_port *port = &ports[index];

    if (port->port == 0 || port->algorithm >= FORWARD_ALGORITHM_COUNT || port->backend_count == 0 ||
        port->backend_count > FORWARD_BACKEND_MAX) {
        return false;
    }
    for (unsigned i = 0; i < index; i++) {
        if (ports[i].port == port->port) {
            return false;
        }
    }
    for (unsigned i = 0; i < port->backend_count; i++) {
        if (!forward_backend_is_valid(&port->backends[i]) || !is_first_of_its_kind(port, i)) {
            return false;
        }
    }
    return true;
}

/* --- Telling --- */

/* A message's worth, from that backend on. Returns how many went. */
static unsigned say_some(node_id_t ts, const struct forward_port *port, unsigned first,
                         uint8_t flags)
{
    struct forward_rule *message = message_reserve_posted(ts, FORWARD_RULE, sizeof(*message));
    unsigned count = port->backend_count - first;

    count = count < FORWARD_RULE_BACKENDS ? count : FORWARD_RULE_BACKENDS;
    message->port = port->port;
    message->algorithm = port->algorithm;
    message->flags = flags;
    message->backend_count = (uint8_t)count;
    memcpy(message->backends, port->backends + first, count * sizeof(port->backends[0]));
    message_publish();
    return count;
}

static void say_all(node_id_t ts)
{
    static const struct forward_port none;
    unsigned port_count = told_count > 0 ? told_count : 1;

    for (unsigned i = 0; i < port_count; i++) {
        const struct forward_port *port = told_count > 0 ? &told[i] : &none;
        unsigned said = 0;

        do {
            uint8_t flags = i == 0 && said == 0 ? FORWARD_RULE_FIRST : 0;

            if (i + 1 == port_count && port->backend_count - said <= FORWARD_RULE_BACKENDS) {
                flags |= FORWARD_RULE_LAST;
            }
            said += say_some(ts, port, said, flags);
        } while (said < port->backend_count);
    }
}

static void say_to_all(void)
{
    const struct configuration *configuration = configuration_current();

    for (unsigned i = 0; i < configuration->ts_count; i++) {
        if (!configuration_is_dead(configuration, configuration->ts[i])) {
            say_all(configuration->ts[i]);
        }
    }
}

/* Of the application's nodes, the first of those that live and were never away; who comes back
 * takes nothing from a successor. */
static node_id_t find_teller(void)
{
    const struct configuration *configuration = configuration_current();
    node_id_t teller = NODE_NONE;

    for (unsigned i = 0; i < configuration->application_count; i++) {
        node_id_t node = configuration->applications[i];

        if (!configuration_is_dead(configuration, node) &&
            (teller == NODE_NONE ||
             configuration->start_orders[node] < configuration->start_orders[teller])) {
            teller = node;
        }
    }
    return teller;
}

/* It was the one that tells, perhaps, and this one is the next. */
static void note_node_down(node_id_t node)
{
    bool was_teller = is_teller;

    (void)node;
    is_teller = find_teller() == platform_node();
    if (is_teller && !was_teller) {
        say_to_all();
    }
}

static void note_node_up(node_id_t node)
{
    if (is_teller && configuration_has_role(configuration_current(), node, ROLE_TS)) {
        say_all(node);
    }
}

int forward_rules_set(const struct forward_port *ports, unsigned count)
{
    if (count > FORWARD_RULE_MAX) {
        return -EINVAL;
    }
    for (unsigned i = 0; i < count; i++) {
        if (!is_valid(ports, i)) {
            return -EINVAL;
        }
    }
    if (count > 0) { /* else there may be none to copy from */
        memcpy(told, ports, count * sizeof(*ports));
    }
    told_count = count;
    if (!has_begun) {
        has_begun = true;
        dispatch_register_node_down(note_node_down);
        dispatch_register_node_up(note_node_up);
    }
    is_teller = find_teller() == platform_node();
    if (is_teller) {
        say_to_all();
    }
    return 0;
}
