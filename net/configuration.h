/* SPDX-License-Identifier: MIT */
/*
 * Which roles run on which nodes: the paper's notation (PIKA 5.4) to a table. Every node works
 * it out for itself from the same command line, so nothing needs to be shared.
 *
 *   pika=TS2LS2CM2        composite: two nodes, each with TS, LS and CM
 *   pika=TS4LS4+CM2       separate nodes for the CMs
 *   pika=TS4LS4CM2        the CMs on a subset of the composite servers
 *   app=httpd:2           two nodes more, each with one web server
 *   app=httpd:2@ts        the same on the transport servers' own nodes
 *   app=none              servers only
 *
 * Nodes are given out in the order in which the terms stand, the applications last; nodes that
 * nothing asks for stay idle. Of components in one term, the one with the smaller number runs on
 * the first nodes of the term. Without pika=, the nodes that app= leaves are composite servers;
 * without app= (or without its number), those that pika= leaves run the application, or, when it
 * leaves none, the transport servers' own nodes do.
 */
#pragma once

#include "kernel/base.h"
#include "kernel/limits.h"

enum role {
    ROLE_LS = 1 << 0,
    ROLE_TS = 1 << 1,
    ROLE_CM = 1 << 2,
    ROLE_APPLICATION = 1 << 3,
};

/* How flows are shared out among TSs: net/steering.h. */
enum steering_scheme {
    STEERING_SOURCE12,
    STEERING_XOR6,
    /* What becomes of these two where no card tells more than 128 groups apart. */
    STEERING_SOURCE12_FOLDED,
    STEERING_XOR6_FOLDED,
};

#define APPLICATION_NAME_BYTES 16
#define APPLICATION_DEFAULT    "httpd"

struct configuration {
    uint16_t node_count;
    uint8_t steering;                         /* enum steering_scheme */
    uint8_t roles[NODE_MAX];                  /* enum role, OR-ed */
    char application[APPLICATION_NAME_BYTES]; /* one kind on all application nodes; "" for none */
    /* Nodes of each role in order, the dead as well: ls[i] owns queue i. Counts are
     * 0 .. node_count. */
    uint16_t ls_count, ts_count, cm_count, application_count;
    node_id_t ls[NODE_MAX], ts[NODE_MAX], cm[NODE_MAX], applications[NODE_MAX];
    /* By node, for those with a role: the CM and LS that it began with. */
    node_id_t first_cm[NODE_MAX], first_ls[NODE_MAX];

    /* --- Who serves now: written by the four calls below --- */
    struct node_set dead;
    /* They live again, and do not know enough yet to serve as TS, or as CM. */
    struct node_set returning_ts, returning_cm;
    struct node_set draining;        /* they live, and take nothing new: net/draining.h */
    uint32_t start_orders[NODE_MAX]; /* of those that came back; 0: never away */
    node_id_t own_cm[NODE_MAX], own_ls[NODE_MAX]; /* as below */
    node_id_t flow_owners[NODE_MAX];              /* of each of ts_count pieces of all flows */
    /* Living LSs through which no living TS sends, in order: number i takes in what belongs to
     * piece i modulo ts_count, beside the LS of that piece's owner. */
    uint16_t spare_ls_count;
    node_id_t spare_ls[NODE_MAX];
    node_id_t spare_of[NODE_MAX]; /* by node: the TS for which a spare LS takes in; NODE_NONE */
    /* Of those that live the one that has for longest, by start_orders, the first of several: who
     * comes back takes nothing from a successor. */
    node_id_t speaker;   /* of the TSs: ARP, DHCP, ICMP, fragments */
    node_id_t device_ls; /* of the LSs: what concerns the NIC as a whole */
};

/*
 * The configuration that `line` asks for on `node_count` nodes (1 .. NODE_MAX).
 *
 * Returns 0. -EINVAL when pika= or app= cannot be understood or does not fit: `reason` then
 * says why in one sentence, and `configuration` is the default for that many nodes:
 * 1 node: all roles on it; n nodes: n/2 composite servers, the rest web servers.
 */
MUST_CHECK int configuration_parse(struct configuration *configuration, const char *line,
                                   unsigned node_count, char *reason, size_t reason_bytes);
void configuration_default(struct configuration *configuration, unsigned node_count);
/* The notation again, e.g. "TS2LS2CM2 httpd:2", with TS before LS before CM: so terms may stand in
 * another order than in pika=. Cut to `size` bytes. */
void configuration_print(const struct configuration *configuration, char *text, size_t size);
/* "LS TS CM", "httpd", "idle": what one node runs. Cut likewise. */
void configuration_print_roles(const struct configuration *configuration, node_id_t node,
                               char *text, size_t size);

/*
 * That node is dead: what was its work is others' from now on. What a living node has stays its
 * own. The result depends on who is dead, not on the order in which that became known, so nodes
 * that know of the same deaths agree without a message. Where nobody lives who could have the work
 * it stays a dead node's, to which nothing can be sent.
 */
void configuration_lose_node(struct configuration *configuration, node_id_t node);
/* It lives again, as the so manieth, not 0, that came back: the same to all. Flows, and what others
 * ask of a CM, stay with those that have taken them over until it serves in that role again. */
void configuration_regain_node(struct configuration *configuration, node_id_t node,
                               uint32_t start_order);
void configuration_let_serve(struct configuration *configuration, node_id_t node, enum role role);
/* It lives, and is about to go: new flows, and what others ask of a CM or send through an LS, are
 * as if it were dead, for all but itself. It keeps the work that only one node may do. */
void configuration_let_drain(struct configuration *configuration, node_id_t node, bool is_draining);

/* The one that this node runs in: a copy of it is kept, once, before any server starts, with the
 * deaths that there have been, and follows deaths and returns before any server is told of them. A
 * node that has come back waits here for those that do so in the same moment. */
void configuration_set_current(const struct configuration *configuration);
const struct configuration *configuration_current(void);
/* That node serves in this role again, as it has said: for net/returning.c alone. */
void configuration_note_serving(node_id_t node, enum role role);
/* It drains, or no longer, as it has said: for net/draining.c alone. */
void configuration_note_draining(node_id_t node, bool is_draining);

/*
 * Whether that node may act as speaker, or as device_ls: all that would come before it are dead.
 * For what another node has said: it may know of a death that we have not been told of yet.
 */
bool configuration_may_speak(node_id_t node);
bool configuration_may_drive_device(node_id_t node);

/* Whether that node exists and has the role: also for what another node has said. */
static inline bool configuration_has_role(const struct configuration *configuration, node_id_t node,
                                          enum role role)
{
    return node < configuration->node_count && (configuration->roles[node] & role) != 0;
}

static inline bool configuration_is_dead(const struct configuration *configuration, node_id_t node)
{
    return node < NODE_MAX && node_set_has(&configuration->dead, node);
}

/* The CM that a node's SYNs and ACCEPT_CONNECTIONs go to: its own if it is one, else CMs in turn.
 * One that lives, if any does. */
static inline node_id_t configuration_own_cm(const struct configuration *configuration,
                                             node_id_t node)
{
    return configuration->own_cm[node];
}

/* The LS through which a TS sends: its own node if it is one, else LSs in turn. One that lives, if
 * any does. */
static inline node_id_t configuration_own_ls(const struct configuration *configuration,
                                             node_id_t node)
{
    return configuration->own_ls[node];
}

/* Whether frames of this TS's flows should reach that LS: its own one, or one beyond the number of
 * TSs, which are given out in turn. */
static inline bool configuration_is_ls_of(const struct configuration *configuration, node_id_t ls,
                                          node_id_t ts)
{
    return configuration->own_ls[ts] == ls || configuration->spare_of[ls] == ts;
}
