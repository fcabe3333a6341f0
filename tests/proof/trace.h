/* SPDX-License-Identifier: MIT */
/*
 * Traces: a way through the states as text, to read, to keep and to follow again.
 */
#pragma once

#include "tests/proof/machine.h"

/* Make the choice, and print it with what it sends. What does not hold then, or NULL. */
const char *trace_choice(struct machine *machine, struct choice choice);
/* The end of a trace: the fault, if there is one, and the state. */
void trace_end(const struct machine *machine, const char *fault);
/*
 * Follow a trace from a file: make its choices, whatever else its lines say, and print what comes
 * of them. False when there is no such file or scenario, or a choice cannot be made.
 */
bool trace_replay(const char *path);
