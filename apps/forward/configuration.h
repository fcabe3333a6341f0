/* SPDX-License-Identifier: MIT */
/*
 * What forward was told on its command line: services, each a port with the backends behind it.
 * All tables have a fixed size.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SERVICE_MAX    16u
#define BACKEND_MAX    16u /* of all services together: each has counters of its own */
#define WEIGHT_MAX     100u
#define CHECK_PATH_MAX 128u

enum mode {
    MODE_STREAM,  /* two connections, spliced */
    MODE_COPY,    /* two connections, whose bytes the program copies: for comparison */
    MODE_SEGMENT, /* one connection, end to end */
};

enum balance {
    BALANCE_ROUND_ROBIN,
    BALANCE_LEAST, /* connections, by weight */
    BALANCE_HASH,  /* of the client's address: the same backend as long as that lives */
};

enum check {
    CHECK_TCP,  /* it accepts a connection */
    CHECK_HTTP, /* and answers a GET with 2xx or 3xx */
    CHECK_NONE, /* it is always taken to be there */
};

struct backend {
    struct sockaddr_in address;
    unsigned weight; /* 1 .. WEIGHT_MAX */
    unsigned number; /* among all: its counters */
};

struct service {
    uint16_t port;
    enum mode mode;
    enum balance balance;
    enum check check;
    char check_path[CHECK_PATH_MAX];
    unsigned interval_ms, rise, fall; /* checks: how often; so many good, or bad, in a row */
    unsigned connect_ms;              /* how long a backend may take to accept */
    unsigned idle_s;                  /* a connection without a byte ends */
    unsigned proxy_version;           /* of the PROXY header; 0: none */
    struct backend *backends;
    unsigned backend_count;
};

struct forward_configuration {
    struct service services[SERVICE_MAX];
    unsigned service_count;
    struct backend backends[BACKEND_MAX]; /* those of a service lie together */
    unsigned backend_count;
    uint16_t status_port; /* 0: none */
};

/* The words behind the program's name. Returns false, and `reason` says which word and why, in at
 * most `size` bytes. */
bool configuration_read(struct forward_configuration *configuration, int argc, char **argv,
                        char *reason, size_t size);
