/* SPDX-License-Identifier: MIT */
/*
 * Rules of scaling: see scaling.h.
 */
#include "net/scaling.h"

#include "kernel/platform.h"

static const struct {
    enum role role;
    enum scaling_verdict verdict;
} last_ones[] = {
    {ROLE_LS, SCALING_LAST_LS},
    {ROLE_TS, SCALING_LAST_TS},
    {ROLE_CM, SCALING_LAST_CM},
    {ROLE_APPLICATION, SCALING_LAST_APPLICATION},
};

static bool is_last(const struct configuration *configuration, const struct node_set *staying,
                    node_id_t node, enum role role)
{
    NODE_SET_EACH(staying, other)
    {
        if (other != node && configuration_has_role(configuration, (node_id_t)other, role)) {
            return false;
        }
    }
    return true;
}

enum scaling_verdict scaling_judge(const struct configuration *configuration,
                                   const struct node_set *staying, node_id_t asking, node_id_t node)
{
    ASSERT(node < configuration->node_count);
    unsigned roles = configuration->roles[node];

    if (roles == 0) {
        return SCALING_IDLE;
    }
    if (!node_set_has(staying, node)) {
        return SCALING_NOT_RUNNING;
    }
    for (unsigned i = 0; i < ARRAY_COUNT(last_ones); i++) {
        if ((roles & last_ones[i].role) != 0 &&
            is_last(configuration, staying, node, last_ones[i].role)) {
            return last_ones[i].verdict;
        }
    }
    if (node == asking) {
        return SCALING_ASKS;
    }
    if (node == configuration->device_ls) {
        return SCALING_DRIVES_CARD;
    }
    return node == configuration->speaker ? SCALING_SPEAKS : SCALING_MAY_GO;
}

const char *scaling_reason(enum scaling_verdict verdict)
{
    static const char *const reasons[] = {
        [SCALING_MAY_GO] = "may go",
        [SCALING_NOT_RUNNING] = "does not run, or is on its way out",
        [SCALING_IDLE] = "has nothing to do, and sleeps as it is",
        [SCALING_ASKS] = "stays: you are talking to it",
        [SCALING_DRIVES_CARD] = "stays: it drives the network card",
        [SCALING_SPEAKS] = "stays: it speaks for the machine's address",
        [SCALING_LAST_LS] = "stays: without it there is no link server",
        [SCALING_LAST_TS] = "stays: without it there is no transport server",
        [SCALING_LAST_CM] = "stays: without it there is no connection manager",
        [SCALING_LAST_APPLICATION] = "stays: without it there is no application",
    };

    return reasons[verdict];
}

static unsigned count_kind(const struct configuration *configuration,
                           const struct node_set *staying, unsigned roles)
{
    unsigned count = 0;

    NODE_SET_EACH(staying, node)
    {
        count += configuration->roles[node] == roles;
    }
    return count;
}

/* NODE_NONE: no other may go. */
static node_id_t choose_one(const struct configuration *configuration, node_id_t asking,
                            const struct node_set *staying)
{
    node_id_t chosen = NODE_NONE;
    unsigned most = 0;

    NODE_SET_EACH(staying, node)
    {
        unsigned count = count_kind(configuration, staying, configuration->roles[node]);

        if (count >= most &&
            scaling_judge(configuration, staying, asking, (node_id_t)node) == SCALING_MAY_GO) {
            most = count;
            chosen = (node_id_t)node;
        }
    }
    return chosen;
}

bool scaling_choose(const struct configuration *configuration, node_id_t asking, unsigned count,
                    struct node_set *staying, struct node_set *going, unsigned *found)
{
    struct node_set left = *staying;
    struct node_set chosen = *going;
    node_id_t node;

    for (*found = 0; *found < count; ++*found) {
        node = choose_one(configuration, asking, &left);
        if (node == NODE_NONE) {
            return false;
        }
        node_set_remove(&left, node);
        node_set_add(&chosen, node);
    }
    *staying = left;
    *going = chosen;
    return true;
}
