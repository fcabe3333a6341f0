/* SPDX-License-Identifier: MIT */
/*
 * Steps and runs: see memory_model.h.
 */
#include "tests/unit/world/memory_explorer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX   4096
#define STACK_BYTES (256 * KIB)

struct choice {
    unsigned chosen;
    unsigned count;
};

bool has_grown;
struct node nodes[MODEL_NODES];
struct node *current;
static uint8_t stacks[MODEL_NODES][STACK_BYTES] __attribute__((aligned(64)));
static jmp_buf explorer;
static const struct memory_model_program *program;
enum memory_model model;
struct memory_model_weakened weakened;
const char *fault;
static struct choice choices[DEPTH_MAX];
static unsigned choice_count;
static uint64_t *visited;
static size_t visited_size; /* a power of two */
static size_t visited_count;

_Noreturn void give_up(const char *reason)
{
    fprintf(stderr, "memory model: %s\n", reason);
    abort();
}

uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) + 0x9E3779B97F4A7C15u;
    hash = (hash ^ hash >> 30) * 0xBF58476D1CE4E5B9u;
    hash = (hash ^ hash >> 27) * 0x94D049BB133111EBu;
    return hash ^ hash >> 31;
}

__attribute__((noinline)) uint32_t explorer_wait(enum point point)
{
    current->point = point;
    if (_setjmp(current->where) == 0) {
        _longjmp(explorer, 1);
    }
    return current->result;
}

void memory_model_fail(const char *why)
{
    fault = why;
    (void)explorer_wait(AT_END);
    abort();
}

/* --- Steps --- */

static void end_later(struct node *node, unsigned index, unsigned choice)
{
    struct late_load late = node->later[index];

    node->later_count--;
    memmove(&node->later[index], &node->later[index + 1],
            (node->later_count - index) * sizeof(struct late_load));
    for (unsigned i = 0; i < node->buffered; i++) {
        node->buffer[i].loads_before -= index < node->buffer[i].loads_before;
    }
    if (words_choose(node, late.word, choice, false) != late.expected) {
        fault = "a payload is another one";
    }
}

static void resume(struct node *node)
{
    if (current != node) {
        current = node;
        program->switch_to((unsigned)(node - nodes));
    }
    if (_setjmp(explorer) != 0) {
        return;
    }
    if (node->has_started) {
        _longjmp(node->where, 1);
    }
    node->has_started = true;
    setcontext(&node->start);
}

static unsigned own_step_count(const struct node *node)
{
    switch (node->point) {
    case AT_LOAD:
        return words_choice_count(node, node->word);
    case AT_FENCE:
        return node->later_count == 0;
    case AT_SIGNAL:
        return 1;
    case AT_SLEEP:
        return node->signals_pending != 0;
    case AT_END:
        break;
    }
    return 0;
}

static void take_own_step(struct node *node, unsigned index)
{
    node->result = 0;
    if (node->point == AT_LOAD) {
        node->result = words_choose(node, node->word, index, node->is_acquire);
    } else if (node->point == AT_FENCE) {
        words_make_all_visible(node);
        words_raise_floor(node);
    } else if (node->point == AT_SIGNAL) {
        other_of(node)->signals_pending |= 1u << node->signal;
    } else if (node->point == AT_SLEEP) {
        node->result = node->signals_pending;
        node->signals_pending = 0;
        words_raise_floor(node); /* an interrupt: nothing was loaded beforehand */
    }
    node->history = mix(node->history, (uint64_t)node->point << 32 | node->result);
    resume(node);
}

/* Of all steps that can be taken now, takes number `wanted`; returns how many there are. */
static unsigned take_step(unsigned wanted)
{
    unsigned first = 0;

    for (unsigned n = 0; n < MODEL_NODES; n++) {
        struct node *node = &nodes[n];

        if (other_of(node)->goes_on) {
            continue;
        }
        unsigned count = own_step_count(node);

        if (wanted - first < count) {
            take_own_step(node, wanted - first);
            return 0;
        }
        first += count;
        for (unsigned i = 0; i < node->later_count; i++) {
            count = words_choice_count(node, node->later[i].word);
            if (wanted - first < count) {
                end_later(node, i, wanted - first);
                return 0;
            }
            first += count;
        }
    }
    return first;
}

static unsigned step_count(void)
{
    return take_step(UINT32_MAX);
}

/* --- Runs --- */

static uint64_t hash_node(const struct node *node, uint64_t hash)
{
    const struct node *writer = other_of(node);

    hash = mix(hash, node->history);
    hash = mix(hash, node->signals_pending);
    for (unsigned i = 0; i < node->buffered; i++) {
        const struct store *store = &node->buffer[i];

        hash = mix(hash, (uint64_t)store->word << 32 | store->value);
        hash = mix(hash, (uint64_t)store->loads_before << 1 | store->is_release);
    }
    hash = mix(hash, node->buffered);
    for (unsigned i = 0; i < node->later_count; i++) {
        hash = mix(hash, (uint64_t)node->later[i].word << 32 | node->later[i].expected);
    }
    hash = mix(hash, node->later_count);
    for (unsigned i = node->floor; i < writer->event_count; i++) {
        const struct store *event = &writer->events[i];

        hash = mix(hash, (uint64_t)event->word << 32 | event->value);
        hash = mix(hash, words_is_last_read(event, i + 1));
    }
    return mix(hash, writer->event_count - node->floor);
}

static bool insert(uint64_t *table, size_t size, uint64_t key)
{
    size_t place = key & (size - 1);

    while (table[place] != 0) {
        if (table[place] == key) {
            return false;
        }
        place = (place + 1) & (size - 1);
    }
    table[place] = key;
    return true;
}

/* Whether no run has been here before. */
static bool is_new_state(void)
{
    uint64_t key = hash_node(&nodes[1], hash_node(&nodes[0], words_hash())) | 1;

    if (2 * visited_count >= visited_size) {
        size_t size = visited_size != 0 ? 2 * visited_size : 4096;
        uint64_t *table = calloc(size, sizeof(*table));

        if (table == NULL) {
            give_up("no memory");
        }
        for (size_t i = 0; i < visited_size; i++) {
            if (visited[i] != 0) {
                (void)insert(table, size, visited[i]);
            }
        }
        free(visited);
        visited = table;
        visited_size = size;
    }
    bool is_new = insert(visited, visited_size, key);

    visited_count += is_new;
    return is_new;
}

static void run_current(void)
{
    program->run((unsigned)(current - nodes));
    give_up("a node has returned");
}

static void begin_run(void)
{
    words_reset();
    program->reset();
    current = NULL;
    for (unsigned n = 0; n < MODEL_NODES; n++) {
        struct node *node = &nodes[n];

        node->has_started = false;
        node->goes_on = false;
        node->history = 0;
        node->signals_pending = 0;
        node->buffered = 0;
        node->later_count = 0;
        node->event_count = 0;
        node->floor = 0;
        (void)getcontext(&node->start);
        node->start.uc_stack.ss_sp = stacks[n];
        node->start.uc_stack.ss_size = STACK_BYTES;
        makecontext(&node->start, run_current, 0);
    }
    for (unsigned n = 0; n < MODEL_NODES; n++) {
        resume(&nodes[n]);
    }
}

/* As the choices say, then by the first step each time, to a state that is known or the last. */
static void run_once(void)
{
    begin_run();
    for (unsigned depth = 0; fault == NULL; depth++) {
        if (depth == choice_count) {
            unsigned count = step_count();

            if (!is_new_state()) {
                return;
            }
            if (count == 0) {
                fault = program->judge();
                return;
            }
            if (depth == DEPTH_MAX) {
                give_up("a run does not end");
            }
            choices[choice_count++] = (struct choice){.count = count};
        }
        (void)take_step(choices[depth].chosen);
    }
}

/* Returns whether there is another run. */
static bool choose_next(void)
{
    while (choice_count != 0) {
        struct choice *last = &choices[choice_count - 1];

        if (++last->chosen < last->count) {
            return true;
        }
        choice_count--;
    }
    return false;
}

struct memory_model_result memory_model_explore(const struct memory_model_program *of,
                                                enum memory_model under,
                                                struct memory_model_weakened without)
{
    struct memory_model_result result;

    program = of;
    model = under;
    weakened = without;
    fault = NULL;
    /* Again, while a word turns out to be stored whose loads were taken for no steps. */
    do {
        result = (struct memory_model_result){.fault = NULL};
        has_grown = false;
        choice_count = 0;
        free(visited);
        visited = NULL;
        visited_size = 0;
        visited_count = 0;
        do {
            run_once();
            result.runs++;
        } while (fault == NULL && !has_grown && choose_next());
    } while (fault == NULL && has_grown);
    result.fault = fault;
    result.states = (unsigned)visited_count;
    return result;
}
