/* SPDX-License-Identifier: MIT */
/*
 * Bytes from one socket to another one by recv() and send(): what a program does that has nothing
 * else, and what splices are measured against.
 */
#pragma once

#include <stdint.h>

enum copy_state {
    COPY_WAITS, /* for either of the two */
    COPY_ENDED, /* all has come, is sent, and a FIN behind it */
    COPY_FAILED,
};

/* One way: what was received and found no room. Zeroes are a new one. */
struct copy {
    char *kept; /* NULL: nothing */
    uint32_t kept_from, kept_bytes;
};

/* As much as there is, and room for. Adds to *bytes what was sent. */
enum copy_state copy_move(struct copy *copy, int from, int to, uint64_t *bytes);
void copy_drop(struct copy *copy);
