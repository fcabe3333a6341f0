/* SPDX-License-Identifier: MIT */
/*
 * Nodes are given out in the order of the terms, the applications last.
 */
#include "net/placement.h"

#include <errno.h>
#include <string.h>

#include "kernel/platform.h"
#include "libc/core/format.h"

static const uint8_t component_roles[COMPONENT_COUNT] = {
    [COMPONENT_TS] = ROLE_TS,
    [COMPONENT_LS] = ROLE_LS,
    [COMPONENT_CM] = ROLE_CM,
};

static unsigned larger_of(unsigned a, unsigned b)
{
    return a > b ? a : b;
}

static unsigned term_node_count(const struct term *term)
{
    return larger_of(larger_of(term->counts[COMPONENT_TS], term->counts[COMPONENT_LS]),
                     term->counts[COMPONENT_CM]);
}

static unsigned servers_node_count(const struct servers *servers)
{
    unsigned count = 0;

    for (unsigned i = 0; i < servers->term_count; i++) {
        count += term_node_count(&servers->terms[i]);
    }
    return count;
}

static unsigned servers_ts_count(const struct servers *servers)
{
    unsigned count = 0;

    for (unsigned i = 0; i < servers->term_count; i++) {
        count += servers->terms[i].counts[COMPONENT_TS];
    }
    return count;
}

static void composite_servers(struct servers *servers, unsigned count)
{
    memset(servers, 0, sizeof(*servers));
    ASSERT(count >= 1);
    servers->term_count = 1;
    servers->terms[0] = (struct term){{count, count, count}};
}

/* Without pika=: composite servers on all nodes that the applications leave. */
static int choose_servers(struct servers *servers, const struct application_request *request,
                          unsigned node_count, struct reason reason)
{
    unsigned application_nodes = request->count != 0 ? request->count : node_count - node_count / 2;

    if (request->name[0] == '\0' || request->is_on_ts || node_count == 1) {
        application_nodes = 0;
    }
    if (application_nodes >= node_count) {
        (void)format_text(reason.text, reason.bytes,
                          "app=%s:%u leaves no node for the servers, the machine has %u",
                          request->name, request->count, node_count);
        return -EINVAL;
    }
    composite_servers(servers, node_count - application_nodes);
    return 0;
}

/* Settle what app= leaves open, and refuse what needs more nodes than the servers leave. */
static int place_application(const struct servers *servers, struct application_request *request,
                             unsigned node_count, struct reason reason)
{
    unsigned server_nodes = servers_node_count(servers);
    unsigned ts_count = servers_ts_count(servers);

    if (request->name[0] == '\0') {
        return 0;
    }
    if (request->count == 0) {
        request->is_on_ts |= server_nodes == node_count;
        request->count = request->is_on_ts ? ts_count : node_count - server_nodes;
    }
    if (request->is_on_ts && request->count > ts_count) {
        (void)format_text(reason.text, reason.bytes,
                          "app=%s:%u@ts needs as many transport servers, there are %u",
                          request->name, request->count, ts_count);
        return -EINVAL;
    }
    if (!request->is_on_ts && server_nodes + request->count > node_count) {
        (void)format_text(reason.text, reason.bytes,
                          "%u nodes for servers and %u for %s are more than the machine has, %u",
                          server_nodes, request->count, request->name, node_count);
        return -EINVAL;
    }
    return 0;
}

int placement_fit(struct servers *servers, struct application_request *request, unsigned node_count,
                  struct reason reason)
{
    if (servers->term_count == 0 && choose_servers(servers, request, node_count, reason) != 0) {
        return -EINVAL;
    }
    if (servers_node_count(servers) > node_count) {
        (void)format_text(reason.text, reason.bytes,
                          "pika= needs more nodes than the machine has, %u", node_count);
        return -EINVAL;
    }
    return place_application(servers, request, node_count, reason);
}

static void add_node(struct configuration *configuration, enum role role, node_id_t node)
{
    ASSERT(node < configuration->node_count);
    ASSERT((configuration->roles[node] & role) == 0);
    configuration->roles[node] |= role;
    switch (role) {
    case ROLE_TS:
        configuration->ts[configuration->ts_count++] = node;
        break;
    case ROLE_LS:
        configuration->ls[configuration->ls_count++] = node;
        break;
    case ROLE_CM:
        configuration->cm[configuration->cm_count++] = node;
        break;
    case ROLE_APPLICATION:
        configuration->applications[configuration->application_count++] = node;
        break;
    }
}

/* For each node of a role the CM and LS of its own; those without one take them in turn. */
static void find_own_servers(struct configuration *configuration, const node_id_t *nodes,
                             unsigned count)
{
    ASSERT(configuration->cm_count != 0);
    ASSERT(configuration->ls_count != 0);
    for (unsigned i = 0; i < count; i++) {
        node_id_t node = nodes[i];
        bool is_cm = (configuration->roles[node] & ROLE_CM) != 0;
        bool is_ls = (configuration->roles[node] & ROLE_LS) != 0;

        configuration->first_cm[node] =
            is_cm ? node : configuration->cm[i % configuration->cm_count];
        configuration->first_ls[node] =
            is_ls ? node : configuration->ls[i % configuration->ls_count];
    }
}

/* The first from nodes[first] on, around the end, that is none of `absent`; NODE_NONE if all are.
 */
static node_id_t first_present(const struct node_set *absent, const node_id_t *nodes,
                               unsigned count, unsigned first)
{
    for (unsigned i = 0; i < count; i++) {
        node_id_t node = nodes[(first + i) % count];

        if (!node_set_has(absent, node)) {
            return node;
        }
    }
    return NODE_NONE;
}

/* The first from nodes[first] on that serves; one that is about to, or to go, if none does;
 * nodes[first] itself if none lives. */
static node_id_t serving_from(const struct configuration *configuration,
                              const struct node_set *returning, const node_id_t *nodes,
                              unsigned count, unsigned first)
{
    struct node_set absent = configuration->dead;
    node_id_t node;

    node_set_add_all(&absent, returning);
    node_set_add_all(&absent, &configuration->draining);
    node = first_present(&absent, nodes, count, first);
    if (node == NODE_NONE) {
        node = first_present(&configuration->dead, nodes, count, first);
    }
    return node == NODE_NONE ? nodes[first % count] : node;
}

/* Those whose first server does not serve share the others out in turn. */
static node_id_t server_now(const struct configuration *configuration, node_id_t of,
                            node_id_t first, const struct node_set *returning,
                            const node_id_t *nodes, unsigned count)
{
    bool is_going = node_set_has(&configuration->draining, first) && first != of;

    return configuration_is_dead(configuration, first) || node_set_has(returning, first) || is_going
               ? serving_from(configuration, returning, nodes, count, of)
               : first;
}

/* The one that has lived for longest; nodes[0] if none lives. */
static node_id_t eldest(const struct configuration *configuration, const node_id_t *nodes,
                        unsigned count)
{
    node_id_t found = NODE_NONE;

    for (unsigned i = 0; i < count; i++) {
        if (!configuration_is_dead(configuration, nodes[i]) &&
            (found == NODE_NONE ||
             configuration->start_orders[nodes[i]] < configuration->start_orders[found])) {
            found = nodes[i];
        }
    }
    return found == NODE_NONE ? nodes[0] : found;
}

/* Link servers beyond those through which transport servers send. */
static void find_spare_link_servers(struct configuration *configuration)
{
    struct node_set used = {{0}};

    for (unsigned i = 0; i < configuration->ts_count; i++) {
        node_id_t ts = configuration->ts[i];

        if (!configuration_is_dead(configuration, ts)) {
            node_set_add(&used, configuration->own_ls[ts]);
        }
    }
    configuration->spare_ls_count = 0;
    for (unsigned node = 0; node < NODE_MAX; node++) {
        configuration->spare_of[node] = NODE_NONE;
    }
    for (unsigned i = 0; i < configuration->ls_count; i++) {
        node_id_t ls = configuration->ls[i];

        if (!node_set_has(&used, ls) && !configuration_is_dead(configuration, ls) &&
            !node_set_has(&configuration->draining, ls)) {
            unsigned piece = configuration->spare_ls_count % configuration->ts_count;

            configuration->spare_of[ls] = configuration->flow_owners[piece];
            configuration->spare_ls[configuration->spare_ls_count++] = ls;
        }
    }
}

static void find_servers_now(struct configuration *configuration)
{
    static const struct node_set nobody; /* an LS without a queue sends by others' (card.h) */
    const struct configuration *c = configuration;

    for (node_id_t node = 0; node < c->node_count; node++) {
        if (c->roles[node] != 0) {
            configuration->own_cm[node] =
                server_now(c, node, c->first_cm[node], &c->returning_cm, c->cm, c->cm_count);
            configuration->own_ls[node] =
                server_now(c, node, c->first_ls[node], &nobody, c->ls, c->ls_count);
        }
    }
    for (unsigned i = 0; i < c->ts_count; i++) {
        configuration->flow_owners[i] = serving_from(c, &c->returning_ts, c->ts, c->ts_count, i);
    }
    configuration->speaker = eldest(c, c->ts, c->ts_count);
    configuration->device_ls = eldest(c, c->ls, c->ls_count);
    find_spare_link_servers(configuration);
}

void placement_build(struct configuration *configuration, const struct servers *servers,
                     const struct application_request *request, unsigned node_count)
{
    node_id_t next = 0;

    ASSERT(servers->term_count >= 1);
    ASSERT(servers->term_count <= COMPONENT_COUNT);
    ASSERT(node_count <= NODE_MAX);
    memset(configuration, 0, sizeof(*configuration));
    configuration->node_count = (uint16_t)node_count;
    for (unsigned i = 0; i < servers->term_count; i++) {
        const struct term *term = &servers->terms[i];

        for (unsigned component = 0; component < COMPONENT_COUNT; component++) {
            for (unsigned n = 0; n < term->counts[component]; n++) {
                add_node(configuration, component_roles[component], (node_id_t)(next + n));
            }
        }
        next = (node_id_t)(next + term_node_count(term));
    }
    ASSERT(configuration->ts_count != 0);
    ASSERT(!request->is_on_ts || request->count <= configuration->ts_count);
    memcpy(configuration->application, request->name, sizeof(configuration->application));
    for (unsigned n = 0; n < request->count; n++) {
        add_node(configuration, ROLE_APPLICATION,
                 request->is_on_ts ? configuration->ts[n] : (node_id_t)(next + n));
    }
    /* Last the roles whose turn counts most: an application's CM, then a TS's LS. */
    find_own_servers(configuration, configuration->cm, configuration->cm_count);
    find_own_servers(configuration, configuration->ls, configuration->ls_count);
    find_own_servers(configuration, configuration->applications, configuration->application_count);
    find_own_servers(configuration, configuration->ts, configuration->ts_count);
    find_servers_now(configuration);
}

void configuration_lose_node(struct configuration *configuration, node_id_t node)
{
    ASSERT(node < configuration->node_count);
    node_set_add(&configuration->dead, node);
    node_set_remove(&configuration->returning_ts, node);
    node_set_remove(&configuration->returning_cm, node);
    node_set_remove(&configuration->draining, node);
    find_servers_now(configuration);
}

void configuration_regain_node(struct configuration *configuration, node_id_t node,
                               uint32_t start_order)
{
    ASSERT(node < configuration->node_count && start_order != 0);
    node_set_remove(&configuration->dead, node);
    node_set_put(&configuration->returning_ts, node,
                 configuration_has_role(configuration, node, ROLE_TS));
    node_set_put(&configuration->returning_cm, node,
                 configuration_has_role(configuration, node, ROLE_CM));
    configuration->start_orders[node] = start_order;
    find_servers_now(configuration);
}

void configuration_let_serve(struct configuration *configuration, node_id_t node, enum role role)
{
    ASSERT(configuration_has_role(configuration, node, role));
    ASSERT(role == ROLE_TS || role == ROLE_CM);
    node_set_remove(role == ROLE_TS ? &configuration->returning_ts : &configuration->returning_cm,
                    node);
    find_servers_now(configuration);
}

void configuration_let_drain(struct configuration *configuration, node_id_t node, bool is_draining)
{
    ASSERT(node < configuration->node_count);
    node_set_put(&configuration->draining, node, is_draining);
    find_servers_now(configuration);
}
