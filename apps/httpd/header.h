/* SPDX-License-Identifier: MIT */
/*
 * The header of a response, piece by piece (RFC 9112 4 and 5).
 */
#pragma once

#include <stdint.h>
#include <time.h>

#include "apps/httpd/date.h"
#include "apps/httpd/site.h"
#include "apps/httpd/text.h"

#define HEADER_ALLOWED_METHODS "GET, HEAD, OPTIONS"

/* What each response with status 200 starts with: its date stands at a fixed place. */
#define HEADER_OK_START "HTTP/1.1 200 OK\r\nDate: "

/* The second that Date tells from here on. */
void header_set_time(time_t now_s);
time_t header_time(void);
/* As Date writes it. */
const char *header_date(void);

/* What a status is called, or NULL for one that is not used here. */
const char *header_reason(uint16_t status);
/* A sentence for the page that goes with an error or a redirection. */
const char *header_explanation(uint16_t status);

/* Status line, Date, Server, Connection. */
void header_add_start(struct text *text, uint16_t status, enum persistence persistence);
/* Content-Type, Content-Length. */
void header_add_content(struct text *text, const char *type, size_t bytes);
/* Validators of a file, and the fields that go with them in a 304 too. */
void header_add_validators(struct text *text, const struct resource *file);
/* The same, with those that tell of the content which is sent. */
void header_add_file(struct text *text, const struct resource *file);
