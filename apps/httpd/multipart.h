/* SPDX-License-Identifier: MIT */
/*
 * Answers with several ranges of a file, multipart/byteranges (RFC 9110 14.6). Content is sent from
 * where it lies, between pieces of text that belong to the response.
 */
#pragma once

#include <stddef.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "apps/httpd/ranges.h"
#include "apps/httpd/response.h"
#include "apps/httpd/site.h"

/* A text before each range, the range, a text behind the last; and the header. */
#define MULTIPART_PIECES_MAX (2 * RANGES_MAX + 2)

/* 206 with these ranges, two or more. Without memory 503. */
void multipart_make(struct response *response, const struct resource *file,
                    const struct ranges *ranges, enum persistence persistence);

/* Whether its body is in several pieces, and which of them are left: returns how many. */
static inline bool multipart_is(const struct response *response)
{
    return response->body == NULL && response->body_bytes > 0;
}
unsigned multipart_pieces(const struct response *response,
                          struct iovec pieces[MULTIPART_PIECES_MAX]);
