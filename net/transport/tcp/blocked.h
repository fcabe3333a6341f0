/* SPDX-License-Identifier: MIT */
/*
 * Connections that wait for room in the card's ring or a channel, for memory, or for their next
 * turn, in the order in which they have begun to.
 */
#pragma once

#include "kernel/base.h"

struct tcb;

/* No change if it is there already. */
void blocked_add(struct tcb *tcb);
void blocked_remove(struct tcb *tcb);
/* NULL: none. */
struct tcb *blocked_first(void);
uint32_t blocked_count(void);
void blocked_initialise(void);
