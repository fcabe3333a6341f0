/* SPDX-License-Identifier: MIT */
#include "apps/forward/segment.h"

#include <assert.h>

#include "net/forward/rules.h"

static_assert(SERVICE_MAX <= FORWARD_RULE_MAX && BACKEND_MAX <= FORWARD_BACKEND_MAX &&
                  WEIGHT_MAX <= FORWARD_WEIGHT_MAX,
              "all of it can be told");

static const uint8_t algorithms[] = {
    [BALANCE_ROUND_ROBIN] = FORWARD_ROUND_ROBIN,
    [BALANCE_LEAST] = FORWARD_LEAST_CONNECTIONS,
    [BALANCE_HASH] = FORWARD_CONSISTENT_HASH,
};

/* One that is down gets nothing new, and what it has goes on. */
static struct forward_port rule_of(const struct backend_pool *pool)
{
    const struct service *service = pool->service;
    struct forward_port rule = {.port = service->port,
                                .algorithm = algorithms[service->balance],
                                .backend_count = (uint8_t)service->backend_count};

    for (unsigned i = 0; i < service->backend_count; i++) {
        const struct backend *backend = &service->backends[i];

        rule.backends[i] = (struct forward_backend){
            .address = backend->address.sin_addr.s_addr,
            .port = ntohs(backend->address.sin_port),
            .weight = (uint16_t)(pool->is_up[i] ? backend->weight : 0),
        };
    }
    return rule;
}

bool segment_tell(const struct backend_pool *pools, unsigned count)
{
    static struct forward_port rules[SERVICE_MAX];
    unsigned rule_count = 0;

    for (unsigned i = 0; i < count; i++) {
        if (pools[i].service->mode == MODE_SEGMENT) {
            rules[rule_count++] = rule_of(&pools[i]);
        }
    }
    return rule_count == 0 || forward_rules_set(rules, rule_count) == 0;
}
