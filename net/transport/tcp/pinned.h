/* SPDX-License-Identifier: MIT */
/*
 * Memory that peers keep us from using again: of what is to be sent to them, and is not
 * acknowledged, or cannot go, when the timer of their connection comes. It is counted anew with
 * each such visit, by remote address: what is acknowledged sooner costs nothing here.
 *
 * An address that has more of it than its part (net/transport/share.h) loses the connections that
 * keep the most: of those that have their turn, the ones above its average.
 */
#pragma once

#include "kernel/base.h"

struct tcb;

void pinned_initialise(void);
/* The timer of the connection has come, or it is to get more while memory is scarce. Returns
 * whether it may keep what it keeps. */
MUST_CHECK bool pinned_visit(struct tcb *tcb);
/* It is over. */
void pinned_forget(struct tcb *tcb);
