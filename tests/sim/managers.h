/* SPDX-License-Identifier: MIT */
/*
 * The connection managers: those of net/manager/, each with an environment that carries its
 * messages through virtual time.
 */
#pragma once

#include "net/messages.h"

struct manager;
struct simulation;
struct server;
struct managers_message;

struct managers {
    struct server *servers; /* a CM each */
    void *memory;           /* their tables */
    size_t memory_bytes;
    /* Messages to and from CMs on their way. */
    struct managers_message *messages;
    uint32_t message_count, capacity, first_free;
    uint32_t built; /* the one that a CM is just filling in */
    uint64_t offers_received;
};

void managers_start(struct simulation *simulation);
void managers_release(struct managers *managers);

/* Messages to CMs, of which `message` is copied; its header is filled in. */
void managers_send(struct simulation *simulation, node_id_t from, node_id_t cm, uint16_t type,
                   void *message, size_t bytes);
struct manager *managers_cm(struct simulation *simulation, unsigned server);
/* What it takes a CM to handle an OFFER, on this machine: the shortest of several measurements, in
 * which CM 0 gets new ones from all others. To be called after the run; the simulation is then only
 * good for its release. */
/* offer_cost.c */
double managers_measure_offer_ns(struct simulation *simulation);
/* What this application's own CM estimates its service time at; 0 while it knows nothing. */
uint64_t managers_estimate_ns(const struct simulation *simulation, unsigned application);
