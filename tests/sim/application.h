/* SPDX-License-Identifier: MIT */
/*
 * A web server as one process that serves a request after the other, and the part of
 * net/streams/listener.c that speaks for it: it claims what is available when it calls accept(),
 * asks its CM for a place on the list, declines what its backlog has no room for.
 */
#pragma once

#include "tests/sim/fifo.h"

struct simulation;

struct application {
    node_id_t cm;
    bool is_on_list;   /* the CM's acceptor list, as far as we know */
    bool has_declined; /* the CM drops us, or has */
    bool is_busy;
    uint16_t request_number;
    unsigned undecided_count; /* available, or claimed without an answer yet */
    struct fifo available;    /* connections, and the word that names each */
    struct fifo ready;        /* claimed, and ours */
    uint64_t served;
};

void applications_start(struct simulation *simulation);
void applications_release(struct simulation *simulation);

/* From TSs: events for network_send(), of a connection and the word that names its
 * CONNECTION_AVAILABLE (connections.h). */
void application_handle_available(void *simulation, uint32_t index, uint64_t word);
void application_handle_confirmed(void *simulation, uint32_t index, uint64_t word);
void application_handle_rejected(void *simulation, uint32_t index, uint64_t word);

/* Serve this connection, which is the application's own: it does nothing else meanwhile. */
void application_serve(struct simulation *simulation, unsigned application, uint32_t index);
