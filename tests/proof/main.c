/* SPDX-License-Identifier: MIT */
/*
 * The program: see tests/proof/README.md.
 *
 *   proof NAME ...        explore these scenarios
 *   proof --all           all of them, the long ones too
 *   proof --list          the names of those that a test explores
 *   proof --coverage      what happens in them, as far as the first states show
 *   proof --replay=FILE   follow a trace
 *   --states=N            before these words: no more than so many states of each
 *   --unreduced           before these words: also orders that make no difference
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/proof/explore.h"
#include "tests/proof/image.h"
#include "tests/proof/scenarios.h"
#include "tests/proof/trace.h"

#define COVERAGE_STATES 200000u

static uint32_t state_max = UINT32_MAX;

static bool run(const struct scenario *scenario)
{
    struct exploration result;

    printf("%s: %s\n", scenario->name, scenario->what);
    result = explore(scenario, state_max);
    printf("%s: %u states, %llu choices, depth %u; %u quiet states, %u of them with every client "
           "served or gone; %u images of nodes, code run %u times: %s\n",
           scenario->name, result.state_count, (unsigned long long)result.choice_count,
           result.depth, result.quiet_count, result.settled_count, image_count(),
           image_step_count(),
           result.fault != NULL ? result.fault
                                : (result.is_whole ? "holds" : "holds as far as it was explored"));
    fflush(stdout);
    return result.fault == NULL && result.is_whole;
}

static void print_coverage(void)
{
    uint64_t delivered[MESSAGE_TYPE_MAX] = {0}, made[CHOICE_KIND_COUNT] = {0};

    for (unsigned i = 0; scenario_at(i) != NULL; i++) {
        struct exploration result = {.fault = NULL};

        if (!scenario_at(i)->is_long) {
            result = explore(scenario_at(i), COVERAGE_STATES);
        }
        for (unsigned type = 0; type < MESSAGE_TYPE_MAX; type++) {
            delivered[type] += result.delivered[type];
        }
        for (unsigned kind = 0; kind < CHOICE_KIND_COUNT; kind++) {
            made[kind] += result.made[kind];
        }
    }
    for (unsigned kind = 0; kind < CHOICE_KIND_COUNT; kind++) {
        printf("%s: %llu\n", choice_name((enum choice_kind)kind), (unsigned long long)made[kind]);
    }
    /* Those of the handshake. Nodes do not come back here. */
    for (unsigned type = LISTEN; type <= OFFER; type++) {
        printf("%s: %llu\n", message_name((uint16_t)type), (unsigned long long)delivered[type]);
    }
}

static bool run_all(bool is_list)
{
    bool is_good = true;

    for (unsigned i = 0; scenario_at(i) != NULL; i++) {
        if (!is_list) {
            is_good &= run(scenario_at(i));
        } else if (!scenario_at(i)->is_long) {
            printf("%s\n", scenario_at(i)->name);
        }
    }
    return is_good;
}

static bool obey(const char *word)
{
    const struct scenario *scenario = scenario_find(word);

    if (strncmp(word, "--states=", strlen("--states=")) == 0) {
        state_max = (uint32_t)strtoul(word + strlen("--states="), NULL, 10);
        return true;
    }
    if (strncmp(word, "--replay=", strlen("--replay=")) == 0) {
        return trace_replay(word + strlen("--replay="));
    }
    if (strcmp(word, "--unreduced") == 0) {
        machine_leaves_nothing_out = true;
        return true;
    }
    if (strcmp(word, "--coverage") == 0) {
        print_coverage();
        return true;
    }
    if (strcmp(word, "--list") == 0 || strcmp(word, "--all") == 0) {
        return run_all(strcmp(word, "--list") == 0);
    }
    if (scenario == NULL) {
        fprintf(stderr, "no scenario %s\n", word);
        exit(2);
    }
    return run(scenario);
}

int main(int argc, char **argv)
{
    bool is_good = true;

    for (int i = 1; i < argc; i++) {
        is_good &= obey(argv[i]);
    }
    return is_good ? 0 : 1;
}
