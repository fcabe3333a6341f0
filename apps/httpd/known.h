/* SPDX-License-Identifier: MIT */
/*
 * Requests that came before, byte for byte, and were answered with a file as it is. The same bytes
 * mean the same again: which file it is, and whether the connection stays open, need not be found
 * out anew. What a site has is settled before its first client is served.
 *
 * Only what repeat.c has recognised comes in here, so nothing that llhttp has not accepted.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "apps/httpd/site.h"

/* Longer heads are not kept. Chosen: browsers send some 500 bytes. */
#define KNOWN_HEAD_MAX_BYTES 768

struct known {
    struct resource *file;
    uint32_t head_bytes;          /* 0: this place is empty */
    enum persistence persistence; /* of its connection */
    char head[KNOWN_HEAD_MAX_BYTES];
};

/* The one whose head is exactly these bytes, or NULL. */
const struct known *known_find(const char *head, size_t bytes);
/* Keep a GET without conditions or body, if it is not too long. */
void known_remember(const char *head, size_t bytes, struct resource *file,
                    enum persistence persistence);
