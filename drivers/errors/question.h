/* SPDX-License-Identifier: MIT */
/*
 * Nodes that hang: every node watches the next one that lives, so that each has a watcher, by two
 * words of its status page: its rounds, and its sleep flag. One that is awake and does not go round
 * is asked by an NMI whether it works, again and again. The answer is its own core's, by what it
 * knows itself: who has been asked several times in one and the same round, over half the time-out,
 * hangs. It panics, says where it was, and comes back. So no question harms a node that works,
 * whoever asks, and why: one whose core the host does not run takes no NMI, or several as one, and
 * a pause of the machine is one question of several.
 *
 * From the hang to the panic that takes one time-out to one and a half. A node that sleeps is
 * looked at ever more rarely, then not at all: an idle machine has no timer. When it wakes from a
 * sleep as long as that, it rings its watcher; one that hangs right behind a shorter sleep is
 * noticed later by at most what it has slept. One that is deaf to questions is the others' to judge
 * (kernel/message/watch.h), and so is one that starts.
 *
 * `node_timeout=MILLISECONDS` sets the time-out; 0: nobody is asked.
 */
#pragma once

#include "kernel/base.h"

/* On a core of its own, and on one that a host gives and takes. Chosen: README.md. */
#define QUESTION_TIMEOUT_BARE_MS    2
#define QUESTION_TIMEOUT_VIRTUAL_MS 1000

/* In half of the time-out. Chosen: a core that its host runs now and then takes so many NMIs in no
 * fewer turns, in which it goes round. */
#define QUESTION_COUNT 8u

extern uint64_t question_half_ns; /* half of the time-out; 0: never */

/* Ask another node. */
void question_ask(node_id_t node);
/* Whether some node says that it has asked this one of late: input, which can say no more. */
bool question_is_said(void);
/* The answer, in the middle of anything: whether this node works. `now_ns`: of a clock that does
 * not stand still. */
bool question_answer(uint64_t now_ns);
/* This node fails, and has to say so: it does not go round, and is given longer. */
void question_expect_no_rounds(void);
