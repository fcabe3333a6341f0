/* SPDX-License-Identifier: MIT */
/*
 * Answers that are written as they come, by somebody of their own who gets the connection for it:
 * no client of the event loop waits for them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stream {
    /* Once: the descriptor is the stream's from here on, and so is the stream. */
    void (*start)(struct stream *stream, int fd);
};

struct stream_request {
    const char *query; /* behind the question mark */
    size_t query_bytes;
    bool is_chunked; /* the client knows HTTP/1.1 */
    bool is_head;    /* nothing is to be started */
};

/* One line, for people. */
#define STREAM_REASON_BYTES 256u

/* Returns 200, and *stream unless the request is of HEAD; or the status of a refusal, with its
 * reason. */
typedef uint16_t (*stream_begin)(const struct stream_request *request, struct stream **stream,
                                 char reason[STREAM_REASON_BYTES]);
