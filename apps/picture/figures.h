/* SPDX-License-Identifier: MIT */
/*
 * What a picture of the running system shows, gathered from the status pages of all nodes: it
 * disturbs none of them. Rates are what counters have grown since the look before, or since the
 * start at the first one.
 */
#pragma once

#include "apps/httpd/durations.h"
#include "kernel/base.h"
#include "kernel/limits.h"

/* A look within this time of another sees the same. */
#define FIGURES_LOOK_NS (500 * NS_PER_MS)

#define FIGURES_ARROW_MAX 64u
#define FIGURES_DROP_MAX  64u

/* Rates are in thousandths a second. */
struct node_figures {
    node_id_t node;
    uint8_t state; /* enum node_state */
    uint8_t roles; /* enum role, OR-ed; 0: it only sleeps */
    uint16_t busy_permille;
    uint64_t messages_rate; /* sent to other nodes */
    uint64_t requests_rate;
    uint64_t accepted_rate;
    uint64_t received_rate, sent_rate; /* frames */
    uint64_t assigned_rate;            /* connections that a CM has given out */
    uint64_t connections;              /* of a TS, that applications have claimed */
    uint64_t service_ns;               /* median time from offer to close; 0: not known */
    /* Since the start. */
    uint64_t messages, requests, accepted, received, sent;
    uint64_t memory_bytes;
};

/* What goes from one node to another, in lines of a channel: a message has one or more. */
struct arrow_figures {
    node_id_t from, to;
    uint64_t lines_rate;
};

struct drop_figures {
    const char *reason; /* `checksum"`: ends at the quote */
    uint64_t count;
    uint64_t rate;
};

struct figures {
    uint64_t now_ns;
    uint64_t period_ns; /* of the rates */
    bool is_since_start;
    const char *application; /* its name, wherever one runs */
    uint64_t connections;    /* that applications have claimed */
    /* Of all web servers. */
    struct durations minute;
    uint64_t minute_ns;
    uint64_t minute_requests[DURATION_SLOTS]; /* by slot, the oldest first; the last is not over */
    /* Those that count most, most first. */
    unsigned arrow_count;
    struct arrow_figures arrows[FIGURES_ARROW_MAX];
    uint64_t lines_rate; /* of all pairs */
    unsigned drop_count;
    struct drop_figures drops[FIGURES_DROP_MAX];
    unsigned node_count; /* nodes that were never started are no part of the system */
    struct node_figures nodes[];
};

/* A fresh look, or the last one if that is hardly over. NULL: no memory. Valid until the next. */
const struct figures *figures_look(void);
/* The last look once more, or a first one. */
const struct figures *figures_again(void);
