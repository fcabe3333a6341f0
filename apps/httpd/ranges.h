/* SPDX-License-Identifier: MIT */
/*
 * Which bytes of a file a Range field asks for (RFC 9110 14.1 and 14.2).
 */
#pragma once

#include <stddef.h>

/* A field with more of them is not obeyed. Chosen: readers of documents and of video ask for some
 * ten at most. */
#define RANGES_MAX 16u

/* Ranges are answered as one if they overlap, or so many bytes or fewer lie between them: that is
 * less than the header of one more part (RFC 9110 15.3.7.2). */
#define RANGES_GAP_BYTES 100u

struct byte_range {
    size_t first;
    size_t bytes; /* at least 1 */
};

struct ranges {
    unsigned count; /* 1 or more */
    struct byte_range at[RANGES_MAX];
};

enum ranges_result {
    RANGES_IGNORED,       /* it is not understood, or asks for too much: the whole file answers */
    RANGES_UNSATISFIABLE, /* the file has none of these bytes */
    RANGES_FOUND,         /* which the file has, none near another, in the order asked for */
};

enum ranges_result ranges_parse(const char *value, size_t bytes, size_t content_bytes,
                                struct ranges *ranges);
