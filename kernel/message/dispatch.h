/* SPDX-License-Identifier: MIT */
/*
 * A node's event loop. A round is: messages from every channel (a bounded batch each), sources'
 * poll, expired timers, ready threads, sources' flush, doorbells; and before the timers and before
 * the flush, what this node has sent to itself. After one that found nothing the node sleeps.
 *
 * Handlers run in the dispatcher's context, never inside a send, and do not block. They get a
 * private copy of what another node wrote, but for a payload (message.h). How to send: send.h.
 */
#pragma once

#include "kernel/base.h"
#include "kernel/message/message.h"
#include "libc/core/node_set.h"

typedef void (*message_handler)(node_id_t from, const struct message *message);
typedef void (*message_payload_handler)(node_id_t from, const struct message *message,
                                        struct message_payload payload);

/* One handler for each type. A message without one, or not of these bytes (at most a line), is
 * counted as DROP_BAD_MESSAGE. */
void dispatch_register_message(uint16_t type, size_t bytes, message_handler handler);
/* The same for a type whose fixed part is followed by a payload of any length. */
void dispatch_register_payload_message(uint16_t type, size_t fixed_bytes,
                                       message_payload_handler handler);

/* Only these nodes and this one may send this type; of others it is counted as DROP_BAD_MESSAGE. */
void dispatch_limit_senders(uint16_t type, struct node_set nodes);

/* A source of work that must be polled. Any function may be NULL. */
struct dispatch_source {
    unsigned (*poll)(void *context); /* each round; returns how much work was done */
    void (*flush)(void *context);    /* end of a round in which anything was done */
    /* Before sleep: arm the wake-up, look once more, return true if there is work after all. */
    bool (*prepare_sleep)(void *context);
    void *context;
    struct dispatch_source *next[3]; /* dispatch.c's own: of those with each function */
};
/* Sources are polled and flushed in the order of registration. */
void dispatch_register_source(struct dispatch_source *source);

/* Called once on this node when another one is seen dead, or was built again unseen; and once when
 * it runs again in another incarnation (status_incarnation()), with new channels: not at a node's
 * first start, nor for one that ran before this node did. */
void dispatch_register_node_down(void (*node_down)(node_id_t node));
void dispatch_register_node_up(void (*node_up)(node_id_t node));
/* A dead node's memory is used again when all that live have let go of it: this one, once its
 * node_down functions have run, unless it holds the node, then or before, because a device that it
 * cannot stop may reach that memory. */
void dispatch_hold_node(node_id_t node);

/* The time of this round, or of the wake-up before it: for time-outs, which need no better. */
uint64_t dispatch_now_ns(void);

/* Forget whatever was registered, and all channels. Before any other call here. */
void dispatch_initialise(void);
/* Run for ever. */
_Noreturn void dispatch_run(void);
/* One round; returns how much work was done. For tests. */
unsigned dispatch_round(void);
/* After one that found nothing: sleep, unless a last look finds work. For tests. */
void dispatch_sleep(void);
