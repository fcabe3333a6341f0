/* SPDX-License-Identifier: MIT */
/*
 * All scenarios, from the tables of them.
 */
#include "tests/proof/scenarios.h"

#include <string.h>

static const struct scenario_list *const lists[] = {
    &plain_scenarios,
    &granted_scenarios,
    &long_scenarios,
};

const struct scenario *scenario_at(unsigned index)
{
    for (unsigned i = 0; i < ARRAY_COUNT(lists); i++) {
        if (index < lists[i]->count) {
            return &lists[i]->scenarios[index];
        }
        index -= lists[i]->count;
    }
    return NULL;
}

const struct scenario *scenario_find(const char *name)
{
    const struct scenario *scenario;

    for (unsigned i = 0; (scenario = scenario_at(i)) != NULL; i++) {
        if (strcmp(scenario->name, name) == 0) {
            return scenario;
        }
    }
    return NULL;
}
