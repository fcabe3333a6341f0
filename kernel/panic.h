/* SPDX-License-Identifier: MIT */
/*
 * A node's end by failure: says what happened, marks the node dead, wakes the others, halts this
 * core. platform_panic() (kernel/platform.h) is the way in for software.
 */
#pragma once

struct trap_frame;

/* Have failed assertions of libc/core end here, too. */
void panic_initialise(void);

/* What the layer above has to do before a node that has failed says that it is dead: until then the
 * console's owner prints its lines, or it does itself. NULL: nothing. */
extern void (*panic_before_death)(void);

/* After an exception. */
_Noreturn void panic_exception(const struct trap_frame *frame);
