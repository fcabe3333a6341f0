/* SPDX-License-Identifier: MIT */
/*
 * Requests that repeat themselves. A client sends the same header fields, byte for byte, with
 * most of its requests, and only the target differs. What they mean is kept, and used again when
 * the same bytes come, so that llhttp need not read them anew.
 *
 * Nothing is recognised that llhttp has not read and accepted in exactly this form: fields as a
 * whole, and a request line of the plainest kind. All else goes to llhttp.
 */
#pragma once

#include "apps/httpd/request.h"

/* Longer fields are not kept. Chosen: browsers send some 500 bytes. */
#define REPEAT_FIELDS_MAX_BYTES 1024

/*
 * Whether `bytes` from `head` on start with a request without a body whose fields are known.
 * Then *request is complete, as if request_parse() had read it, and *consumed is its length.
 * `request` must be fresh (request_initialise() or request_restart()).
 */
bool repeat_recognise(struct request *request, const char *head, size_t bytes, size_t *consumed);
/* Keep the fields of this complete request of so many bytes, if they are worth it. */
void repeat_remember(const struct request *request, const char *head, size_t bytes);
