/* SPDX-License-Identifier: MIT */
/*
 * What memory_model.c, the words and the accesses to them, and memory_explorer.c, the runs, know of
 * each other.
 */
#pragma once

#include <setjmp.h>
#include <ucontext.h>

#include "tests/unit/world/memory_model.h"

#define BUFFER_MAX 64
#define EVENT_MAX  512
#define LATER_MAX  16

enum point { AT_LOAD, AT_FENCE, AT_SIGNAL, AT_SLEEP, AT_END };

/* A store that only its node sees yet, or one that has become visible. */
struct store {
    unsigned word;
    uint32_t value;
    bool is_release;
    unsigned loads_before; /* of the node's later ones: how many were begun before it */
};

struct late_load {
    unsigned word;
    uint32_t expected;
};

struct node {
    ucontext_t start;
    jmp_buf where;
    bool has_started;
    enum point point;
    unsigned word; /* AT_LOAD */
    bool is_acquire;
    bool goes_on;             /* nobody else's step comes before its next */
    unsigned signal;          /* AT_SIGNAL */
    uint32_t result;          /* of the step */
    uint64_t history;         /* hash of all results */
    unsigned signals_pending; /* a bit each */

    struct store buffer[BUFFER_MAX];
    unsigned buffered;
    struct late_load later[LATER_MAX];
    unsigned later_count;

    struct store events[EVENT_MAX]; /* its stores as they became visible */
    unsigned event_count;
    unsigned floor; /* so many of the other node's events it has surely seen */
};

extern struct node nodes[MODEL_NODES];
extern struct node *current;

/* Of the exploration. */
extern enum memory_model model;
extern struct memory_model_weakened weakened;
extern const char *fault;
/* A word has turned out to be stored whose loads were taken for no steps, or to be acquired: it
 * begins again. */
extern bool has_grown;

_Noreturn void give_up(const char *reason);
uint64_t mix(uint64_t hash, uint64_t value);

static inline struct node *other_of(const struct node *node)
{
    return node == &nodes[0] ? &nodes[1] : &nodes[0];
}

/* --- memory_model.c's --- */

void words_reset(void);
/* What a node that runs on from here may see, beside what struct node says. */
uint64_t words_hash(void);
bool words_is_last_read(const struct store *event, unsigned event_number);

/* What a load of the word may return: values that are visible, and then those that become so just
 * for it. No other store need ever become visible by itself: none is seen but by a load of its
 * word, or behind another store or a fence, which take it along. */
unsigned words_choice_count(const struct node *node, unsigned word);
uint32_t words_choose(struct node *node, unsigned word, unsigned choice, bool is_acquire);
void words_make_all_visible(struct node *node);
/* The node has seen all that is visible. */
void words_raise_floor(struct node *node);

/* --- memory_explorer.c's --- */

/* Let the explorer choose who goes on; returns the result of the step. */
uint32_t explorer_wait(enum point point);
