/* SPDX-License-Identifier: MIT */
/*
 * What the command line asks for. Every word of it is checked: a program that loads a server with
 * something else than was asked for is worse than one that does not start.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OPTIONS_CONNECTIONS_MAX 65536u
#define OPTIONS_TIMEOUT_MAX_S   3600u
#define OPTIONS_PATHS_MAX       64u
#define OPTIONS_PATH_BYTES      1024u /* the longest path, without a zero */
#define OPTIONS_FIELDS_MAX      8u
/* A name of 253 characters at most (RFC 1035 2.3.4), and the zero behind it. */
#define OPTIONS_NAME_BYTES      254u
#define OPTIONS_FIELD_BYTES     256u

struct options {
    unsigned connections;
    uint64_t duration_ns; /* 0: `count` is the limit */
    uint64_t count;       /* 0: `duration_ns` is */
    uint64_t rate;        /* requests a second; 0: as fast as answers come */
    uint64_t timeout_ns;
    uint64_t after_ns; /* from the program's start to the first request */
    bool is_kept;      /* connections, from request to request */
    bool is_verified;  /* each body is compared with the first of its path */
    bool is_random;    /* paths, in the order that `seed` makes; else in turn */
    uint32_t seed;
    uint32_t address; /* the server's, in network order; of one that has a name, to be asked for */
    uint16_t port;    /* in the machine's */
    char name[OPTIONS_NAME_BYTES];          /* "": the address was named */
    char authority[OPTIONS_NAME_BYTES + 6]; /* what stands between http:// and the path */
    const char *paths[OPTIONS_PATHS_MAX];
    unsigned path_count; /* at least 1 */
    const char *fields[OPTIONS_FIELDS_MAX];
    unsigned field_count;
};

/* False: nothing shall be loaded, and `reason` says why. The words stay in use. */
bool options_parse(struct options *options, int argc, char **argv, char *reason,
                   size_t reason_bytes);
void options_print_usage(void);
