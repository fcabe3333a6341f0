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

#include "apps/httpd/fields.h"

#define REQUEST_HEAD_MAX_BYTES     16384   /* more: 431 */
#define REQUEST_TARGET_MAX_BYTES   8192    /* more: 414 */
#define REQUEST_BODY_MAX_BYTES     1048576 /* read and thrown away; more: 413 */
/* What frames a chunked body, its sizes, extensions and trailers: so much at a time; more: 413, in
 * trailers 431. And so much again in all, beside what small chunks need; more: 413. */
#define REQUEST_FRAMING_MAX_BYTES  16384
#define REQUEST_FRAMING_EACH_BYTES 16 /* for each byte of content */

struct request_span {
    uint32_t offset; /* from the head's first byte */
    uint32_t bytes;
};

struct request {
    llhttp_t parser;
    const char *head; /* during request_parse() only */
    struct request_span target;
    struct request_span name, value;         /* of the field being read */
    struct request_span values[FIELD_COUNT]; /* without blanks around; valid where `present` says */
    uint32_t present;                        /* bit for each enum request_field with a value */
    uint32_t named;                          /* the same for each that was named: once at most */
    uint8_t method;                          /* enum llhttp_method; with has_head */
    uint8_t minor_version;                   /* of HTTP/1.x; with has_head */
    enum request_field current;
    bool is_name_whole;
    bool has_close; /* Connection: close */
    bool has_head;  /* complete: a body may follow */
    bool is_complete;
    bool is_keep_alive;
    bool is_repeated;     /* recognised by repeat.c: its head_bytes are all of it */
    bool has_body_fields; /* Content-Length, Transfer-Encoding or Upgrade */
    uint16_t status;      /* why it is refused, as an HTTP status; 0: not */
    uint32_t head_bytes;  /* up to the end of the last value read: all that spans refer to */
    uint64_t body_bytes;
    const char *unframed;   /* during request_parse(): behind the last content, or its start */
    uint64_t framing_bytes; /* that are neither head nor content */
    uint32_t framing_run;   /* of these, since the last content */
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
 * `bytes` belong to this request. Tabs in the head's fields become blanks.
 */
enum request_progress request_parse(struct request *request, const char *head, char *data,
                                    size_t bytes, size_t *consumed);

/* Whether the client waits for 100 Continue before it sends the body. */
bool request_expects_continue(const struct request *request);

/* Whether it is one of HEAD, as far as it has come. */
static inline bool request_is_head(const struct request *request)
{
    return request->parser.method == HTTP_HEAD;
}

static inline bool request_has(const struct request *request, enum request_field field)
{
    return (request->present & 1u << field) != 0;
}
