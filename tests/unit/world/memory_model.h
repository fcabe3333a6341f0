/* SPDX-License-Identifier: MIT */
/*
 * Explores what two nodes can do to each other through shared words, all of it: each order of their
 * steps, and each order in which a memory model lets their stores be seen.
 *
 * The nodes are coroutines over the real code. A step is a load of a word that the other node
 * writes, a fence, a signal to the other node, or a sleep. Stores are no steps: whether one has
 * become visible makes a difference only to a load of its word, which has a choice for each. A run
 * is repeated from its start for each choice (the code is deterministic between choices), and ends
 * when it comes to a state that an earlier one has been in. The state is hashed: what each node has
 * read so far, which says where it is; its buffered stores; and the words. Two states of one hash
 * (64 bits) would hide what follows, which among a million has a chance of 10^-7.
 *
 * MODEL_TSO     x86: stores wait in a buffer for each node and become visible in their order; loads
 *               are done in order; a fence waits for the buffer (SDM 3A 9.2).
 * MODEL_WEAKER  Stores become visible in any order, those to one word apart; a release waits for
 *               all stores and loads before it, and not the other way round. A load may return any
 *               value that its word has had since the node's last acquire or fence, but not an
 *               older one than it has returned before. A load for which memory_model_load_later()
 *               stands may be done after later stores. A fence orders all.
 *               What it does not do: let a store be seen before a load that decides whether it is
 *               made. No machine does so.
 */
#pragma once

#include "kernel/base.h"

enum memory_model { MODEL_TSO, MODEL_WEAKER };

#define MODEL_NODES 2

struct memory_model_program {
    void (*reset)(void);              /* all that the nodes change, but for shared words */
    void (*switch_to)(unsigned node); /* from now on this node's code runs */
    void (*run)(unsigned node);       /* the node; does not return */
    const char *(*judge)(void);       /* when nothing more can happen: what is wrong, or NULL */
};

struct memory_model_result {
    const char *fault; /* NULL: none */
    unsigned runs;
    unsigned states;
};

/* Before an exploration: forget the words; then, for each range of them, what its owner sees and
 * writes at `own`, and where the other node thinks that it lies. There stand the first values. */
void memory_model_clear(void);
void memory_model_share(unsigned owner, void *own, const void *others, size_t bytes);

/* Orderings that are taken out: of this function, on these nodes. */
struct memory_model_weakened {
    const char *function; /* NULL: none */
    unsigned nodes;       /* a bit each */
};

/* All runs, until one shows a fault. */
struct memory_model_result memory_model_explore(const struct memory_model_program *program,
                                                enum memory_model model,
                                                struct memory_model_weakened weakened);

/* --- For the nodes' code --- */

/* The word is loaded some time before the node's next release or fence is done; it is a fault if it
 * has another value then. */
void memory_model_load_later(const void *word, uint32_t expected);
/* End the run: this must not happen. */
_Noreturn void memory_model_fail(const char *fault);
/* Interrupt the other node; wait for an interrupt, and return which have come since the last: a bit
 * for each `kind`, 0 .. 7. One that came before is not lost. */
void memory_model_signal(unsigned kind);
unsigned memory_model_sleep(void);
