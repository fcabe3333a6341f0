/* SPDX-License-Identifier: MIT */
/*
 * Acknowledgements that wait for something that takes them along (RFC 9293 3.8.6.3). All wait for
 * the same time, so they stand in a ring by age, apart from the wheel: most are taken along before,
 * and where an application on another node answers, each request has one. It is cheaper to let a
 * connection stand here for nothing than to move its timer to and fro.
 */
#pragma once

#include "kernel/base.h"

struct tcb;

void delayed_ack_initialise(void);
void delayed_ack_open(struct tcb *tcb);

/* Its acknowledgement is about to become ACK_DELAYED, and it does not stand here (is_ack_listed).
 * RECEIVER_ACK_DELAY_US later, or up to twice that for one that has sent it meanwhile and owes
 * another, it becomes due, and the connection is to be settled. Without room it does not stand
 * here afterwards either: then it needs a timer. Nobody takes one back: the next look finds that
 * it has gone, or the connection. */
void delayed_ack_add(struct tcb *tcb);
