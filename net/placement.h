/* SPDX-License-Identifier: MIT */
/*
 * Placement: nodes for the servers and applications that pika= and app= ask for. For
 * net/configuration.c, which reads those words.
 */
#pragma once

#include "net/configuration.h"

enum component { COMPONENT_TS, COMPONENT_LS, COMPONENT_CM, COMPONENT_COUNT };

/* One group of nodes: how many of them, from the first, have each component. */
struct term {
    unsigned counts[COMPONENT_COUNT];
};

/* pika=: a term each, in the order of their nodes. */
struct servers {
    struct term terms[COMPONENT_COUNT];
    unsigned term_count; /* 0: not said */
};

/* app= */
struct application_request {
    char name[APPLICATION_NAME_BYTES]; /* "" for none */
    unsigned count;                    /* 0: not said */
    bool is_on_ts;
};

/* Where a refusal says why. */
struct reason {
    char *text;
    size_t bytes;
};

/*
 * Settle what is left open, servers or the application's number and place, for a machine of
 * node_count nodes. Returns 0, or -EINVAL when it has too few: `reason` says so in one sentence.
 */
MUST_CHECK int placement_fit(struct servers *servers, struct application_request *request,
                             unsigned node_count, struct reason reason);
/* Give out the nodes. placement_fit() has settled both requests. */
void placement_build(struct configuration *configuration, const struct servers *servers,
                     const struct application_request *request, unsigned node_count);
