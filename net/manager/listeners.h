/* SPDX-License-Identifier: MIT */
/*
 * What one CM knows of each listening port: the applications that serve it, which of them are on
 * the acceptor list, what other CMs offer, and which connections wait. Tables of fixed size:
 * what does not fit is refused.
 */
#pragma once

#include "kernel/base.h"
#include "kernel/limits.h"
#include "net/manager/balance/offers.h"
#include "net/manager/service.h"
#include "net/manager/waiting.h"
#include "net/messages.h"

/* Applications on all ports together, or two for each node if that is more. */
#define LISTENING_APPLICATION_LEAST 128u

/* One application on one port. */
struct listening_application {
    struct listener_table *table;
    struct listening_application *next; /* on the same port; or among the free ones */
    /* Neighbours on the acceptor list; only while is_accepting. */
    struct listening_application *next_acceptor, *previous_acceptor;
    node_id_t node;
    uint16_t listener_index; /* its own name for this listener */
    uint32_t backlog;
    bool is_accepting;
    bool is_own; /* it has been on the acceptor list: this CM is its own */
    /* What it is taken to need for a connection, 1 .. SERVICE_MAX_NS, and its weight by that. */
    uint64_t service_ns, weight;
    struct service_history *history; /* of our own; also of what other CMs assigned. manager.c's */
    uint32_t *outstanding_by_ts;     /* of our own, of each node. manager.c's */
    /* The fields above are written by listeners.c, those below by manager.c. */
    uint16_t request_number; /* of its last ACCEPT_CONNECTION */
    uint8_t granted_count;   /* connections that it has claimed in advance, 0 .. GRANT_MAX */
    bool wants_data;         /* and is to be told of when there is some */
    bool is_overdue;         /* its open connections show that it needs longer than it did */
    /* Connections assigned to it by this CM and not yet closed, in all and by their TS. */
    uint32_t outstanding;
    /* When this CM assigned the first of those since one was last closed; 0: none since then. */
    uint64_t unanswered_since_ns;
    uint64_t usual_gap_ns;            /* from then to a close: the longest of late */
    uint64_t assigned_count;          /* by this CM */
    uint64_t closed_for_others_count; /* that other CMs assigned */
};

struct listener {
    struct listener *next;                      /* of the same hash */
    uint16_t port;                              /* 0: this entry is free */
    struct listening_application *applications; /* our own first: those that messages are about */
    unsigned own_count;                         /* of them */
    uint32_t backlog;                           /* the applications' added up */
    /* The acceptor list. Who comes last to it stands last. */
    struct listening_application *first_acceptor, *last_acceptor;
    unsigned acceptor_count;
    uint64_t own_weight;                   /* the acceptors' added up */
    struct listening_application *fastest; /* of the acceptors; NULL when there is none */
    /* The fields above are written by listeners.c, those below by who is named. */
    struct offers offers;      /* balance/ */
    node_id_t last_offer_used; /* balance/least.c */
    /* What this CM has told the others: manager.c, as all that follows. */
    struct acceptor published;             /* node NODE_NONE: nothing */
    uint64_t published_ns;                 /* its service time, as it was sent */
    struct listening_application *offered; /* the same; NULL: none, or it has left */
    uint64_t next_offer_ns;                /* no other one before */
    bool is_offer_due;                     /* then */
    struct waiting_queue waiting;          /* waiting.c */
    bool is_told;                          /* ports.c: the TSs know that it is served */
};

#define LISTENER_HASH_SIZE 64u

/* All listeners of one CM. listeners.c alone writes its own fields. */
struct listener_table {
    struct listener listeners[LISTENER_MAX];
    struct listener *hash[LISTENER_HASH_SIZE];
    unsigned node_count;
    unsigned application_max;
    struct listening_application *applications;      /* application_max of them */
    struct service_history *histories;               /* of each */
    uint32_t *outstanding;                           /* of each, for each node */
    struct listening_application *free_applications; /* those that were used before */
    unsigned fresh_application;                      /* from here on never used */
};

/* Bytes that a table needs beside itself on a machine of so many nodes. */
size_t listener_table_bytes(unsigned node_count);
/* Make it empty; `memory` is so many bytes, whatever is in them, and
 * the table's from now on. */
void listener_table_initialise(struct listener_table *table, unsigned node_count, void *memory);

/* NULL when this CM knows of nobody who serves the port. O(1). */
struct listener *listener_find(const struct listener_table *table, uint16_t port);
/* Find it or make it; `port` is not 0. NULL when the table is full. */
struct listener *listener_obtain(struct listener_table *table, uint16_t port);
/* Give the entry back if there is no application and no offer left; true if it was. The caller
 * has emptied the queue of those who wait. */
bool listener_release_unused(struct listener_table *table, struct listener *listener);
/* Every listener in turn, beginning with NULL; NULL at the end. The one just visited may be
 * released. */
struct listener *listener_after(const struct listener_table *table,
                                const struct listener *previous);

struct listening_application *listener_find_application(const struct listener *listener,
                                                        node_id_t node, uint16_t listener_index);
/* Add it, or change its backlog (1 .. WAITING_MAX) if it is there. Returns 0, or -ENOMEM. */
MUST_CHECK int listener_add_application(struct listener_table *table, struct listener *listener,
                                        node_id_t node, uint16_t listener_index, uint32_t backlog);
/* Takes it off the acceptor list too. */
void listener_remove_application(struct listener_table *table, struct listener *listener,
                                 struct listening_application *application);

/* What it needs for a connection. O(1), but O(acceptors) if it was the fastest and is no longer. */
void listener_set_service(struct listener *listener, struct listening_application *application,
                          uint64_t service_ns);

/* On and off the acceptor list; a second time changes nothing. Its service time is set. Cost as
 * above. */
void listener_add_acceptor(struct listener *listener, struct listening_application *application);
void listener_remove_acceptor(struct listener *listener, struct listening_application *application);
