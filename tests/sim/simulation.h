/* SPDX-License-Identifier: MIT */
/*
 * One simulated machine: composite servers, each with the real connection manager and a model of
 * the transport server, and as many web servers. Clients open connections, each is served once, and
 * what happened stands in the statistics.
 *
 * Everything that happens is an event in virtual time. All state hangs from struct simulation, and
 * chance is its own, so that the same options give the same run.
 */
#pragma once

#include "net/configuration.h"
#include "tests/sim/application.h"
#include "tests/sim/connections.h"
#include "tests/sim/distribution.h"
#include "tests/sim/events.h"
#include "tests/sim/managers.h"
#include "tests/sim/network.h"
#include "tests/sim/statistics.h"

/* The port that all web servers serve. */
#define SIMULATION_PORT 80

enum clients {
    CLIENTS_CONSTANT, /* a connection after the other, at equal distances */
    CLIENTS_POISSON,
    CLIENTS_CLOSED, /* so many connections are open at a time: a new one for each that ends */
};

/* A web server takes so much longer for each request that it begins in this time. */
struct disturbance {
    unsigned application;
    uint64_t from_ns, to_ns, extra_ns;
};

/* What a composite server's processor spends; all 0: nothing, so that no server is ever busy. */
struct costs {
    uint64_t connection_ns;   /* TCP and connection management of one connection */
    uint64_t near_message_ns; /* one message to or from a node of the same socket */
    uint64_t far_message_ns;
    unsigned servers_per_socket; /* composite servers, each with its web server beside it */
};

struct simulation_options {
    unsigned server_count;
    /* The CMs' command line, "balance=tournament:2"; NULL for no CMs, but one accept queue that all
     * web servers share, first come, first served, as Linux has it. */
    const char *balance;
    uint64_t seed;
    enum clients clients;
    double connections_per_s; /* of all clients; not for CLIENTS_CLOSED */
    unsigned open_count;      /* CLIENTS_CLOSED */
    uint64_t duration_ns;     /* clients begin connections for so long */
    uint64_t calm_ns;         /* at the beginning only a quarter of that rate, for so long */
    struct distribution service;
    const struct disturbance *disturbances;
    size_t disturbance_count;
    uint64_t message_ns;   /* a message's way between two nodes */
    uint64_t handshake_ns; /* from the SYN until TCP's handshake is complete */
    uint64_t claim_timeout_ns;
    unsigned backlog; /* of each web server */
    struct costs costs;
    /* Called every so often while the clients are at work; NULL: never. */
    void (*observe)(struct simulation *simulation, void *context);
    void *observe_context;
    uint64_t observe_ns;
};

struct simulation {
    struct simulation_options options;
    struct configuration configuration;
    struct event_queue events;
    struct random arrivals, services, servers; /* each for its own, so that schemes meet the same */
    struct statistics statistics;
    struct network network;
    double next_arrival_ns;
    struct application *applications;
    struct connection_table connections;
    struct managers managers;
    struct shared_queue {
        struct fifo connections, idle; /* idle web servers, who has waited longest first */
    } shared_queue;
};

/* From the first connection to the end of the last one. What it returns is whole and checked
 * (statistics_check()); simulation_release() gives it back. */
struct simulation *simulation_run(const struct simulation_options *options);
void simulation_release(struct simulation *simulation);

static inline uint64_t simulation_now_ns(const struct simulation *simulation)
{
    return simulation->events.now_ns;
}

/* The composite servers are nodes 0 .., the web servers those after them. */
static inline node_id_t application_node(const struct simulation *simulation, unsigned application)
{
    return (node_id_t)(simulation->options.server_count + application);
}
