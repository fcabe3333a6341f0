/* SPDX-License-Identifier: MIT */
/*
 * Files that lie in an archive twice, as they are and encoded: `x.gz` or `x.br` beside `x`. A
 * client gets the one that its Accept-Encoding prefers (RFC 9110 12.5.3).
 */
#pragma once

#include <stddef.h>

struct resource;

/* A line of each file that there are encoded ones of, and of these. */
#define ENCODING_VARY "Vary: Accept-Encoding\r\n"

enum encoding {
    ENCODING_BROTLI, /* RFC 7932 */
    ENCODING_GZIP,
    ENCODING_COUNT,
};

/* Have the files of this archive in this site know their encoded ones, which are resources that no
 * path leads to. Returns 0, or -ENOMEM: some do. */
int encoding_link(unsigned site, unsigned archive);

/* The one that is preferred by this value of Accept-Encoding; the file itself without a value
 * (NULL). Of several as good the shortest. A client that wants none of them gets the file. */
struct resource *encoding_choose(struct resource *file, const char *value, size_t bytes);
