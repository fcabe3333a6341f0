/* SPDX-License-Identifier: MIT */
/*
 * Responses. What is the same for every request of a file, its whole header and for a small file
 * the content behind it, is put together once and then only sent (after Cheetah, TOCS 2002);
 * only the date in it is renewed. Everything else is written when it is needed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "apps/httpd/site.h"

struct request;

/* What is to be sent: `head`, then `body`. */
struct response {
    uint16_t status;
    const char *head; /* NULL: `owned` is a struct stream, which is to have the connection */
    size_t head_bytes;
    const uint8_t *body; /* lies in a mapped archive, or is kept for ever; NULL: multipart.h */
    size_t body_bytes;
    void *owned; /* to be freed when all is sent; NULL: head is shared and may change later */
};

/* The second that Date tells from here on. */
void response_set_time(time_t now_s);

/*
 * The answer to a request whose head is at `head`. Never fails: without memory it is 503.
 *
 * Returns the file, perhaps an encoded one, if response_make_file() is what a request of the same
 * head gets, else NULL.
 */
struct resource *response_make(struct response *response, const struct request *request,
                               const char *head, enum persistence persistence);
/* A file as it is: the head, with the content if that is short; else *content_bytes of it are to
 * follow. It stays as it is until the next second. NULL: no memory. */
const char *response_text(struct resource *file, enum persistence persistence, size_t *bytes,
                          size_t *content_bytes);
/* The same, whatever becomes of it. */
void response_make_file(struct response *response, struct resource *file,
                        enum persistence persistence);
/* 503, at once and without memory; closes the connection. */
void response_make_overload(struct response *response);
/* The answer to a request that was refused with `status`; closes the connection. One of HEAD has no
 * content. */
void response_make_refusal(struct response *response, uint16_t status, bool is_head);
