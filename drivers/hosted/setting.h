/* SPDX-License-Identifier: MIT */
/*
 * What the clients behind the card in memory do, as README.md names it word by word.
 */
#pragma once

#include "kernel/base.h"

#define VISITORS_PARALLEL_MAX 1024u
#define VISITORS_PATH_BYTES   32

struct visitors_setting {
    uint64_t count;          /* requests to be answered */
    unsigned parallel;       /* connections at a time */
    unsigned per_connection; /* requests on one: more than 1 are kept alive */
    unsigned among;          /* each request is on one drawn among so many that stay open; 0: not
                                so. A multiple of `parallel` */
    unsigned loss_per_mille; /* frames that are lost, in either direction */
    unsigned flood;          /* frames of nobody's for each one of a client */
    bool is_flood_of_syns;   /* they are nothing else */
    uint64_t seed;           /* of losses and floods */
    bool is_halved;          /* a request comes in two parts, the second one later */
    bool is_checked;         /* checksums are made and checked, and each byte of a page is */
    char path[VISITORS_PATH_BYTES];
};

/* "count=1000,parallel=32,kept=10,among=64,loss=20,flood=1,seed=7,path=/1k,halved,syns,unchecked,
 * fail=KIND:1:1,rest=0.0", all optional. Returns 0, or -EINVAL with the word that is wrong in the
 * log. */
MUST_CHECK int visitors_parse(const char *words, struct visitors_setting *setting);
