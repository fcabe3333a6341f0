/* SPDX-License-Identifier: MIT */
/*
 * The configuration that this node runs in.
 */
#include "kernel/platform.h"
#include "net/configuration.h"

static struct configuration current;

void configuration_set_current(const struct configuration *configuration)
{
    ASSERT(configuration->node_count == platform_node_count());
    current = *configuration;
}

const struct configuration *configuration_current(void)
{
    return &current;
}
