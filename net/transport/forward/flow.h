/* SPDX-License-Identifier: MIT */
/*
 * Flows that are forwarded: what a client has begun with a port of ours, and what this server has
 * begun with a backend for it. Each of these two sides has an entry in the table of flows
 * (flows.h), so that a segment of either is found as one of a connection is.
 */
#pragma once

#include "kernel/base.h"
#include "kernel/platform.h"
#include "libc/core/pool.h"
#include "net/transport/flows.h"

/* Half-open ones at a time; one more takes the place of the oldest. Chosen, as HALF_OPEN_MAX is. */
#define FORWARD_HALF_OPEN_MAX 4096u

/*
 * How long nothing comes of a flow before it is forgotten. Established: RFC 5382 REQ-5, at least.
 * When one side has closed, and after the end: the same, of what it calls transitory. A handshake
 * has less than the four minutes that it wants for these: who is not answered asks again after 1,
 * 3, 7 and 15 s, and then is to find another backend.
 */
#define FORWARD_HALF_OPEN_NS   (10 * NS_PER_S)
#define FORWARD_ESTABLISHED_NS ((2 * 60 + 4) * 60 * NS_PER_S)
#define FORWARD_TRANSITORY_NS  (4 * 60 * NS_PER_S)

/* Whose segments come in a flow. */
enum forward_end { FORWARD_CLIENT, FORWARD_BACKEND, FORWARD_END_COUNT };

/*
 * SYN_SENT    -> ANSWERED     the backend's SYN-ACK
 * ANSWERED    -> ESTABLISHED  the client's acknowledgement of it
 * ESTABLISHED -> CLOSING      a FIN
 * any         -> OVER         both FINs are acknowledged, or a reset that its receiver believes
 * any         -> gone         its time is over, or its place is needed
 */
enum forward_phase {
    FORWARD_SYN_SENT,
    FORWARD_ANSWERED,
    FORWARD_ESTABLISHED,
    FORWARD_CLOSING,
    FORWARD_OVER,
};

struct forward_side {
    struct flow_entry entry; /* of the segments that come from it */
    /* --- segment.c --- */
    uint16_t tcp_delta, ip_delta; /* what its segments' sums change by: sum.h */
    uint16_t neighbor;            /* neighbor_find_at(), of its own next hop */
    uint32_t acknowledged;        /* the last number that it has acknowledged */
    uint32_t mark; /* the number behind its SYN, and when it has closed behind its FIN */
};

struct forward_flow {
    _Alignas(64) struct pool_object place;
    struct forward_side sides[FORWARD_END_COUNT];
    /* --- segment.c --- */
    uint32_t active_tick; /* when something came last: forward_tick() */
    uint8_t fins;         /* of each side: bit `end`, it has come; 2 + `end`, it is acknowledged */
    /* --- flow.c --- */
    uint8_t phase; /* enum forward_phase */
    bool is_used;
    bool is_counted;         /* among its client's */
    uint32_t target_id;      /* rules.h */
    uint32_t queued_tick;    /* since when it stands in its queue */
    uint32_t next, previous; /* in that: places, or none */
};

static inline bool forward_is_entry(const struct flow_entry *entry)
{
    return entry->state == FLOW_FORWARDED_CLIENT || entry->state == FLOW_FORWARDED_BACKEND;
}

static inline enum forward_end forward_end_of(const struct flow_entry *entry)
{
    return entry->state == FLOW_FORWARDED_CLIENT ? FORWARD_CLIENT : FORWARD_BACKEND;
}

static inline struct forward_flow *forward_flow_of(struct flow_entry *entry)
{
    enum forward_end end = forward_end_of(entry);

    ASSERT_SLOW(forward_is_entry(entry));
    return (struct forward_flow *)(void *)((uint8_t *)entry - offsetof(struct forward_flow, sides) -
                                           end * sizeof(struct forward_side));
}

/* Now, in units of 2^20 ns; compared signed. */
uint32_t forward_tick(void);

void forward_flows_initialise(void);
/*
 * One more, half-open, its two flows in the table; the rest of it is segment.c's to fill in. None
 * of the two is there yet, but one that is over may be with the backend: it is gone then.
 * NULL: refused, and counted.
 */
struct forward_flow *forward_flow_add(const struct flow *client, const struct flow *backend,
                                      uint32_t target_id);
/* Whether a flow with a backend is in use; not one that is over. */
bool forward_flow_is_in_use(const struct flow *flow);
void forward_flow_set_phase(struct forward_flow *flow, enum forward_phase phase);
void forward_flow_end(struct forward_flow *flow);
/* Those that are not over, and all. */
uint32_t forward_flow_count_live(void);
uint32_t forward_flow_count(void);
/* Whether a client's flow that is not over is such a one. */
bool forward_flow_has_any(bool (*is_such)(const struct flow *flow));
/* All of them, with those that are over. */
void forward_flow_end_all(void);
/* For the node's status page, before it sleeps. */
void forward_flow_publish_counts(void);
