/* SPDX-License-Identifier: MIT */
/*
 * Closed connections on their way to the CMs: gathered, a line's worth for each CM, because a
 * message for each would be the half of what a CM handles. They are sent when the line is full,
 * and before the node sleeps. So a CM may count CLOSED_MAX - 1 connections of a TS too many as
 * long as that is busy.
 */
#pragma once

#include "kernel/base.h"

struct acceptor;

/* Before any connection. */
void closed_initialise(void);
/* Tell the acceptor's CM that its connection has ended; service_ns as in net/closed.h. */
void closed_report(const struct acceptor *acceptor, uint16_t port, uint64_t service_ns);
/* Before the node sleeps: send what has been gathered. */
void closed_send_all(void);
/* A node has died: what was gathered for it is nobody's, not its next incarnation's either. */
void closed_forget_manager(node_id_t node);
