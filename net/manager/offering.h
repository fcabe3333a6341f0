/* SPDX-License-Identifier: MIT */
/*
 * What a manager offers to the other CMs (PIKA 3.3): of each port the fastest of its own acceptors.
 *
 * News is another acceptor, or a service time that differs by more than an eighth from what was
 * sent. For each port there is at most one offer in a period, to every CM that lives; a withdrawal
 * goes out at once, because what the others still assign waits in vain. Without news nothing is
 * sent, and no timer is set.
 */
#pragma once

#include "kernel/base.h"

struct listener;
struct manager;

/* Tell the others what is news for them, now or as soon as the period allows. */
void offering_publish(struct manager *manager, struct listener *listener);
/* The same from manager_send_offers(), at that time or later: while a message is under
 * construction. */
void offering_publish_later(struct manager *manager, struct listener *listener, uint64_t time_ns);
/* To one that has come back: all that the others know. */
void offering_tell(struct manager *manager, node_id_t cm);
/* Since then offers were what this node was busy with. */
void offering_count_time(struct manager *manager, uint64_t start_ns);
