/* SPDX-License-Identifier: MIT */
/*
 * Conditional and range requests (RFC 9110 13 and 14).
 */
#pragma once

#include <stddef.h>

#include "apps/httpd/ranges.h"
#include "apps/httpd/request.h"
#include "apps/httpd/site.h"

enum outcome {
    OUTCOME_WHOLE,         /* 200 */
    OUTCOME_PART,          /* 206: *ranges says which */
    OUTCOME_NOT_MODIFIED,  /* 304 */
    OUTCOME_FAILED,        /* 412 */
    OUTCOME_UNSATISFIABLE, /* 416 */
};

/* What the request's conditions make of a GET or HEAD of this file. */
enum outcome conditions_evaluate(const struct request *request, const char *head,
                                 const struct resource *resource, struct ranges *ranges);
