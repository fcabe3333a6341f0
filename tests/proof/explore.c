/* SPDX-License-Identifier: MIT */
/*
 * The states stand in the order in which they were found, which is the queue of those whose choices
 * are still to be made.
 */
#include "tests/proof/explore.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/proof/image.h"
#include "tests/proof/intern.h"
#include "tests/proof/trace.h"

#define WAY_MAX 1000u

struct origin {
    uint32_t state;
    struct choice choice;
};

static struct intern states = {.bytes = sizeof(struct machine)};
static struct origin *origins; /* by state */
static uint32_t origin_room;

static void note_origin(uint32_t state, struct origin origin)
{
    if (state >= origin_room) {
        origin_room = 2 * origin_room + 4096;
        origins = realloc(origins, origin_room * sizeof(*origins));
        if (origins == NULL) {
            exit(2);
        }
    }
    origins[state] = origin;
}

/* From the first state to that one, then `last`. */
static void print_way(uint32_t state, struct choice last, const char *fault)
{
    static struct choice way[WAY_MAX];
    unsigned length = 0;
    struct machine machine = *(const struct machine *)interned(&states, 0);

    way[length++] = last;
    for (; state != 0 && length < WAY_MAX; state = origins[state].state) {
        way[length++] = origins[state].choice;
    }
    printf("scenario %s\n", machine_scenario()->name);
    while (length-- > 0) {
        (void)trace_choice(&machine, way[length]);
    }
    trace_end(&machine, fault);
}

/* Whether each client has been served, or turned away, or is gone. */
static bool is_every_client_settled(const struct machine *machine)
{
    uint8_t taken = machine->taken_by_dead;

    for (unsigned node = 0; node < proof_node_count; node++) {
        if (machine_lives(machine, node)) {
            taken |= machine_view(machine, node)->taken;
        }
    }
    for (unsigned client = 0; client < machine_scenario()->client_count; client++) {
        unsigned ts = machine_ts_of(client);

        if (machine_lives(machine, ts) && (taken >> client & 1) == 0 &&
            machine_view(machine, ts)->clients[client] <= CLIENT_OPEN) {
            return false;
        }
    }
    return true;
}

static void note_state(struct exploration *result, const struct machine *machine)
{
    if (machine_is_quiet(machine)) {
        result->quiet_count++;
        result->settled_count += is_every_client_settled(machine);
    }
}

static void note_choice(struct exploration *result, const struct machine *machine,
                        struct choice choice)
{
    const struct packed_message *message = machine_message(machine, choice);

    result->choice_count++;
    result->made[choice.kind]++;
    if (message != NULL) {
        struct message_header header;

        memcpy(&header, message->bytes, sizeof(header));
        result->delivered[header.type]++;
    }
}

struct exploration explore(const struct scenario *scenario, uint32_t state_max)
{
    struct exploration result = {.is_whole = true};
    struct choice choices[CHOICE_MAX];
    struct machine machine;
    uint32_t next = 0, level_end = 1;

    intern_clear(&states);
    result.fault = machine_start(&machine, scenario);
    if (result.fault != NULL) {
        return result;
    }
    (void)intern(&states, &machine);
    for (; next < states.count && result.fault == NULL; next++) {
        const struct machine before = *(const struct machine *)interned(&states, next);
        unsigned count = machine_choices(&before, choices);

        if (next == level_end) {
            level_end = states.count;
            result.depth++;
        }
        note_state(&result, &before);
        for (unsigned i = 0; i < count && result.fault == NULL; i++) {
            bool is_new;

            machine = before;
            note_choice(&result, &before, choices[i]);
            result.fault = machine_apply(&machine, choices[i]);
            uint32_t number = result.fault == NULL ? intern_new(&states, &machine, &is_new) : 0;

            if (result.fault == NULL && is_new) {
                note_origin(number, (struct origin){next, choices[i]});
                result.fault = machine_judge(&machine);
            }
            if (result.fault != NULL) {
                print_way(next, choices[i], result.fault);
            }
        }
        if (states.count >= state_max) {
            result.is_whole = false;
            break;
        }
    }
    result.state_count = states.count;
    return result;
}
