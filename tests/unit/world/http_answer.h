/* SPDX-License-Identifier: MIT */
/*
 * What httpd answers, without a connection, for unit tests: the whole text of it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct answer {
    uint16_t status;
    const char *head; /* zero-terminated, with the empty line at its end */
    const char *body;
    size_t body_bytes;
    const void *file; /* what response_make() has returned */
};

/* To a request of HTTP/1.1 with these words of its line and these lines of fields, each with its
 * end. It stays until the next call. */
const struct answer *answer_to(const char *method, const char *target, const char *fields);
/* A GET with a Host field. */
const struct answer *answer_from(const char *host, const char *target, const char *fields);

bool answer_has(const struct answer *answer, const char *line);
void assert_body(const struct answer *answer, const char *content);
