/* SPDX-License-Identifier: MIT */
/*
 * One answer of a web server, as it comes in, piece by piece. It is input: its syntax is llhttp's
 * business, strictly (RFC 9110, 9112), its size is bounded, and its end is found exactly.
 *
 * A server that is loaded says the same again and again. So a head that is byte for byte the last
 * one of the same request means the same, and is not parsed: its body is counted off. A head is
 * kept if its length says all about the body's, and if it is short.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "llhttp.h"

#define ANSWER_HEAD_MAX_BYTES  65536u
#define ANSWER_KNOWN_MAX_BYTES 512u

/* Of the answers to one request. All zero: nothing. */
struct answer_known {
    uint32_t head_bytes; /* 0: no head is known */
    uint16_t status;
    bool keeps;
    uint64_t body_bytes;
    char head[ANSWER_KNOWN_MAX_BYTES];
    /* The body of the first good one, for those that are compared. */
    bool has_reference;
    uint64_t reference_bytes;
    uint64_t reference_hash;
};

enum answer_progress {
    ANSWER_INCOMPLETE,
    ANSWER_COMPLETE,
    ANSWER_BAD, /* no answer of a web server, or more than one */
};

struct answer {
    bool has_begun;
    bool is_known; /* its head is: `left_bytes` follow it. Else it is the parser's */
    bool is_hashed;
    bool is_whole;
    bool has_head;
    bool keeps;      /* the server keeps the connection */
    uint16_t status; /* once it is complete */
    uint64_t left_bytes;
    uint64_t body_bytes;    /* so far; of a known one, if it is hashed */
    uint64_t framing_bytes; /* all others, if it is parsed */
    uint64_t hash;
    llhttp_t parser;
};

/* Before the first byte. `is_hashed`: answer_is_like_first() will be asked. */
static inline void answer_start(struct answer *answer, bool is_hashed)
{
    answer->has_begun = false;
    answer->is_hashed = is_hashed;
}

/* More of it has come; not when it is complete. */
enum answer_progress answer_take(struct answer *answer, struct answer_known *known,
                                 const char *data, size_t bytes);
/* The server sends no more. */
enum answer_progress answer_end(struct answer *answer);
/* Of a complete one: whether its body is the one that came first. That of the first is. */
bool answer_is_like_first(const struct answer *answer, struct answer_known *known);
