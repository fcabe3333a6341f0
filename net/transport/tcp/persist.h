/* SPDX-License-Identifier: MIT */
/*
 * A closed window (RFC 9293 3.8.6.1). When nothing is under way and the window keeps what is queued
 * from going, the connection is persisting (persist_interval_us != 0): a probe of one byte, or the
 * FIN, goes out again and again. It is part of what was sent from then on, but recovery does not
 * know of it: no answer to it means loss. When the window opens it is sent once more, with what
 * follows.
 */
#pragma once

#include "kernel/base.h"

struct tcb;

/* Nothing went, and nothing waits for the card: from now on, if it is the window that holds
 * something back. */
void persist_start(struct tcb *tcb);
/* The window is open, or nothing is left to send. */
void persist_stop(struct tcb *tcb);
/* The peer has said something. */
void persist_note_answer(struct tcb *tcb);
/* Its deadline has come: a probe, or the end of the connection. */
void persist_expire(struct tcb *tcb);
