/* SPDX-License-Identifier: MIT */
/*
 * One HTTP/1.x request as it comes in: llhttp reads the syntax, this file keeps what the server
 * needs of it and applies the limits (RFC 9110, RFC 9112).
 *
 * The bytes of the request's head stay in the caller's buffer, from the head's first byte on;
 * what is kept are offsets into it, so the buffer may move between calls.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <llhttp.h>

#define REQUEST_HEAD_MAX_BYTES   16384   /* more: 431 */
#define REQUEST_TARGET_MAX_BYTES 8192    /* more: 414 */
#define REQUEST_BODY_MAX_BYTES   1048576 /* read and thrown away; more: 413 */

/* Header fields whose values matter here. */
enum request_field {
    FIELD_HOST,
    FIELD_EXPECT,
    FIELD_RANGE,
    FIELD_IF_RANGE,
    FIELD_IF_MATCH,
    FIELD_IF_NONE_MATCH,
    FIELD_IF_MODIFIED_SINCE,
    FIELD_IF_UNMODIFIED_SINCE,
    FIELD_COUNT,
    FIELD_OTHER = FIELD_COUNT,
};

/* Fields that make the answer depend on more than the path. */
#define REQUEST_CONDITIONS                                                                         \
    (1u << FIELD_RANGE | 1u << FIELD_IF_RANGE | 1u << FIELD_IF_MATCH | 1u << FIELD_IF_NONE_MATCH | \
     1u << FIELD_IF_MODIFIED_SINCE | 1u << FIELD_IF_UNMODIFIED_SINCE)

struct request_span {
    uint32_t offset; /* from the head's first byte */
    uint32_t bytes;
};

struct request {
    llhttp_t parser;
    const char *head; /* during request_parse() only */
    struct request_span target;
    struct request_span field;               /* the name being read */
    struct request_span values[FIELD_COUNT]; /* valid where `present` says so */
    uint32_t present;                        /* bit for each enum request_field */
    uint8_t method;                          /* enum llhttp_method; with has_head */
    uint8_t minor_version;                   /* of HTTP/1.x; with has_head */
    enum request_field current;
    bool is_in_value;
    bool has_head; /* complete: a body may follow */
    bool is_complete;
    bool is_keep_alive;
    bool has_body_fields; /* Content-Length, Transfer-Encoding or Upgrade */
    uint16_t status;      /* why it is refused, as an HTTP status; 0: not */
    uint32_t head_bytes;  /* up to the end of the last value read: all that spans refer to */
    uint64_t body_bytes;
};

enum request_progress {
    REQUEST_INCOMPLETE, /* all bytes were taken; more are needed */
    REQUEST_COMPLETE,
    REQUEST_REFUSED, /* answer `status` and close: where the next would begin is unknown */
};

/* Before the first request of a connection. */
void request_initialise(struct request *request);
/* Before every later one. */
void request_restart(struct request *request);

/*
 * Read on. `head` is the request's first byte, `data` the first byte not yet read: it follows
 * what was read before, or, once has_head is set, may be anywhere. *consumed: how many of
 * `bytes` belong to this request.
 */
enum request_progress request_parse(struct request *request, const char *head, const char *data,
                                    size_t bytes, size_t *consumed);

/* Whether the client waits for 100 Continue before it sends the body. */
bool request_expects_continue(const struct request *request);

static inline bool request_has(const struct request *request, enum request_field field)
{
    return (request->present & 1u << field) != 0;
}
