/* SPDX-License-Identifier: MIT */
/*
 * Lines that are set in, comments, and what stands behind FAULT are for people: a replay passes
 * over them.
 */
#include "tests/proof/trace.h"

#include <stdio.h>
#include <string.h>

#include "tests/proof/scenarios.h"

#define LINE_BYTES 512u

const char *trace_choice(struct machine *machine, struct choice choice)
{
    const struct machine before = *machine;
    const char *fault = machine_apply(machine, choice);
    char text[4096];

    if (fault != NULL) {
        machine_sent_count = 0;
        *machine = before;
    }
    machine_print_choice(&before, choice, text, sizeof(text));
    printf("%s", text);
    return fault != NULL ? fault : machine_judge(machine);
}

void trace_end(const struct machine *machine, const char *fault)
{
    if (fault != NULL) {
        printf("FAULT: %s\n", fault);
    }
    machine_print_state(machine);
}

static bool is_possible(const struct machine *machine, struct choice choice)
{
    struct choice choices[CHOICE_MAX];
    unsigned count = machine_all_choices(machine, choices);

    for (unsigned i = 0; i < count; i++) {
        if (memcmp(&choices[i], &choice, sizeof(choice)) == 0) {
            return true;
        }
    }
    return false;
}

/* The first line that is no comment names the scenario. */
static bool begin(FILE *file, struct machine *machine)
{
    char line[LINE_BYTES], name[40];
    const struct scenario *scenario = NULL;

    while (scenario == NULL && fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "scenario %39s", name) == 1) {
            scenario = scenario_find(name);
        }
    }
    if (scenario == NULL || machine_start(machine, scenario) != NULL) {
        return false;
    }
    printf("scenario %s\n", scenario->name);
    return true;
}

static bool follow(FILE *file)
{
    struct machine machine;
    struct choice choice;
    const char *fault = NULL;
    char line[LINE_BYTES];

    if (!begin(file, &machine)) {
        printf("no such scenario\n");
        return false;
    }
    while (fault == NULL && fgets(line, sizeof(line), file) != NULL) {
        if (line[0] == ' ' || !machine_parse_choice(line, &choice)) {
            continue;
        }
        if (!is_possible(&machine, choice)) {
            printf("not possible: %s", line);
            trace_end(&machine, NULL);
            return false;
        }
        fault = trace_choice(&machine, choice);
    }
    trace_end(&machine, fault);
    return true;
}

bool trace_replay(const char *path)
{
    FILE *file = fopen(path, "r");
    bool is_good;

    if (file == NULL) {
        printf("cannot read %s\n", path);
        return false;
    }
    is_good = follow(file);
    fclose(file);
    return is_good;
}
