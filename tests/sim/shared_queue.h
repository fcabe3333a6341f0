/* SPDX-License-Identifier: MIT */
/*
 * What Linux has instead of connection managers (PIKA 5.3, Figure 5): one accept queue that all web
 * servers share. Who has waited longest goes first, among connections and among web servers that
 * call accept(), as Linux wakes exclusive waiters in turn.
 */
#pragma once

#include "tests/sim/fifo.h"

struct simulation;

/* This connection's handshake is complete. */
void shared_queue_put(struct simulation *simulation, uint32_t connection);
/* This web server calls accept(). */
void shared_queue_accept(struct simulation *simulation, unsigned application);
