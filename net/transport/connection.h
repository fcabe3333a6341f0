/* SPDX-License-Identifier: MIT */
/*
 * The transport server's connections: what it knows of each beside lwIP's PCB, and the table
 * that gives them the names used in messages.
 *
 * A connection exists from the SYN until TCP has forgotten it *and* its application has closed
 * or been told of its end. lwIP's callbacks only change it and mark it dirty; everything that
 * sends, messages as well as segments, happens in connection_settle_all() at the end of the
 * dispatch round. So no handler is ever called from inside lwIP, and what came in one round
 * leaves in as few segments and messages as it can.
 */
#pragma once

#include "kernel/base.h"
#include "net/messages.h"
#include "net/transport/state.h"

struct pbuf;
struct send_block;
struct tcp_pcb;

/* Bounds the table; beyond it a SYN is not taken. */
#define CONNECTION_MAX 131072u

struct connection_link {
    struct connection_link *next, *previous;
};

struct connection {
    struct tcp_pcb *pcb; /* NULL when TCP is done with it */
    struct connection *hash_next;
    struct tcp_pcb *list_previous; /* on lwIP's list of PCBs that its slow timer visits */
    struct flow flow;
    uint32_t index;
    uint32_t generation; /* counts the uses of this entry */
    uint8_t state;       /* enum connection_state */
    bool is_hashed;
    bool is_listed;
    bool is_dirty;
    bool wants_output;   /* tcp_output() is due at the end of the round */
    bool confirm_is_due; /* CLAIM_CONFIRMED has not been sent yet */
    bool has_peer_closed;
    bool peer_closed_was_told;
    uint8_t close_is_due; /* enum close_kind, once the backlog is written; 0: none */
    bool is_send_closed;
    bool has_initial_window;
    uint16_t availability_number;
    uint8_t retransmissions; /* in a row, as lwIP counts them: those already counted */
    uint32_t challenge_tick; /* when the last challenge ACK went out, in lwIP's slow ticks */
    uint32_t error_number;   /* why TCP gave up; 0 while it has not */

    struct acceptor acceptor;
    uint32_t socket_index;
    uint64_t opened_ns;    /* when the SYN came */
    uint64_t announced_ns; /* when CONNECTION_AVAILABLE was sent; 0: never */

    /* Received and not yet given to the application, linked by `next` alone: the total lengths
     * in these pbufs mean nothing. */
    struct pbuf *received_head, *received_tail;
    uint32_t announced_bytes; /* of received_head: went along with CONNECTION_AVAILABLE */

    struct send_block *backlog_head, *backlog_tail; /* what lwIP's queue had no room for */
    uint32_t credit_bytes; /* acknowledged by the peer, not yet told to the application */

    struct connection *dirty_next;
    struct connection_link claim_link; /* claim time-outs, in order */
    uint64_t ack_deadline_ns;
    struct connection_link ack_link; /* delayed acknowledgements, in order */
};

/* --- The table --- */

/* A new connection in state HALF_OPEN. NULL when the table is full or memory is short. */
struct connection *connection_allocate(void);
/* Frees the entry and what it still holds. It must not be hashed, listed or dirty. */
void connection_release(struct connection *connection);
/* The live connection of that name; NULL if there is none. */
struct connection *connection_find(uint32_t index, uint32_t generation);
/* Whether there was one of that name, or is. */
bool connection_has_been(uint32_t index, uint32_t generation);
/* By index alone, for walks over 0 .. connection_table_size() - 1. NULL if the entry is free. */
struct connection *connection_at(uint32_t index);
uint32_t connection_table_size(void);

/* --- End of the round --- */

void connection_mark_dirty(struct connection *connection);
/* Received bytes, a frame at a time. Taking from an empty queue, and returning NULL, is allowed. */
struct pbuf *connection_take_received(struct connection *connection);
void connection_return_received(struct connection *connection, struct pbuf *packet);
void connection_drop_received(struct connection *connection);
/* Tell applications, CMs and the peer what has changed. */
void connection_settle_all(void);
/* Some could not be settled for lack of room in a channel, and now there is some. */
bool connection_can_unblock(void);

/* Reset it; an application that has claimed it is told of `error_number` unless that is 0. */
void connection_abort(struct connection *connection, uint32_t error_number);
/* Its application is done with it: only TCP goes on. */
void connection_detach(struct connection *connection);

/* --- Intrusive queues --- */

static inline void connection_queue_initialise(struct connection_link *queue)
{
    queue->next = queue->previous = queue;
}

static inline bool connection_link_is_queued(const struct connection_link *link)
{
    return link->next != NULL;
}

static inline void connection_queue_append(struct connection_link *queue,
                                           struct connection_link *link)
{
    link->next = queue;
    link->previous = queue->previous;
    queue->previous->next = link;
    queue->previous = link;
}

static inline void connection_queue_remove(struct connection_link *link)
{
    if (connection_link_is_queued(link)) {
        link->previous->next = link->next;
        link->next->previous = link->previous;
        link->next = link->previous = NULL;
    }
}
