/* SPDX-License-Identifier: MIT */
/*
 * Which backend gets a new connection: round robin, least connections, or by a hash of the client's
 * address, each by weight.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "apps/forward/configuration.h"

/* What is known of a service's backends, by their places in it. */
struct backend_pool {
    const struct service *service;
    bool is_up[BACKEND_MAX];
    unsigned active[BACKEND_MAX]; /* connections */
    int credit[BACKEND_MAX];      /* of round robin: who has most is next */
};

#define BACKEND_NONE BACKEND_MAX

/* One that is up and none of `tried`, a bit for each place. BACKEND_NONE: there is none. */
unsigned backend_choose(struct backend_pool *pool, uint32_t client_address, uint32_t tried);
