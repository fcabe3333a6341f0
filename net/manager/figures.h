/* SPDX-License-Identifier: MIT */
/*
 * What a manager knows, for people: its own applications and other CMs' offers, one by one. Looking
 * changes nothing. Figures are of the moment; whoever walks through them lets no message in
 * between.
 */
#pragma once

#include "kernel/base.h"

struct listener;
struct listening_application;
struct manager;

/* Zeroed: before the first. */
struct manager_cursor {
    const struct listener *listener;
    const struct listening_application *application;
    unsigned next_cm;
};

/* One application of our own on one port: it has asked this CM for connections. */
struct manager_application {
    uint16_t port;
    uint16_t listener_index;
    node_id_t node;
    bool is_accepting;                /* it would take a connection now */
    bool is_overdue;                  /* service_ns comes of connections that are still open */
    bool is_offered;                  /* to the other CMs, as the fastest one */
    uint32_t sample_count;            /* of the median; at most SERVICE_WINDOW */
    uint64_t median_ns;               /* service time; 0 while none is known */
    uint64_t service_ns;              /* what it is chosen by: a guess while none is known */
    uint32_t open_count;              /* assigned by this CM, and not closed */
    uint64_t assigned_count;          /* by this CM, since it listens */
    uint64_t closed_for_others_count; /* that other CMs assigned */
};

/* The next one; false when there is none. */
bool manager_next_application(const struct manager *manager, struct manager_cursor *cursor,
                              struct manager_application *application);

/* What one other CM offers for one port. */
struct manager_offer {
    uint16_t port;
    node_id_t cm;
    node_id_t node;      /* of the application */
    bool counts;         /* it has passed the filter: connections may go there */
    uint64_t service_ns; /* 0: unknown */
};

/* The next one; false when there is none. */
bool manager_next_offer(const struct manager *manager, struct manager_cursor *cursor,
                        struct manager_offer *offer);
