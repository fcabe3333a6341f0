/* SPDX-License-Identifier: MIT */
/*
 * Evaluation of conditions in the order of RFC 9110 13.2.2.
 */
#include "apps/httpd/conditions.h"

#include <string.h>

#include "apps/httpd/check.h"
#include "apps/httpd/date.h"
#include "apps/httpd/header.h"
#include "apps/httpd/tag.h"

struct value {
    const char *at;
    size_t bytes;
};

static struct value value_of(const struct request *request, const char *head,
                             enum request_field field)
{
    const struct request_span *span = &request->values[field];

    check(request_has(request, field));
    return (struct value){head + span->offset, span->bytes};
}

/* --- Tags --- */

/* Whether a list of entity tags, or "*", names this one. `is_weak_enough`: W/ does not matter. */
static bool names_tag(struct value list, const char *tag, bool is_weak_enough)
{
    const size_t tag_bytes = strlen(tag);
    const char *end = list.at + list.bytes;

    if (list.bytes == 1 && *list.at == '*') {
        return true;
    }
    for (const char *at = list.at; at < end;) {
        bool is_weak = end - at >= 2 && at[0] == 'W' && at[1] == '/';
        if (is_weak) {
            at += 2;
        }
        if (at < end && *at == '"') {
            const char *close = memchr(at + 1, '"', (size_t)(end - at) - 1);
            if (close == NULL) {
                return false;
            }
            if ((size_t)(close + 1 - at) == tag_bytes && memcmp(at, tag, tag_bytes) == 0 &&
                (!is_weak || is_weak_enough)) {
                return true;
            }
            at = close + 1;
        } else {
            at++; /* commas, blanks, and what is no tag */
        }
    }
    return false;
}

/* A condition with what is no date does not apply. */
static bool parse_date(struct value value, time_t *seconds)
{
    return date_parse(value.at, value.bytes, header_time(), seconds);
}

/* If-Range: only the same content may be continued; the tag must be a strong one. */
static bool is_range_valid(struct value value, const char *tag, time_t mtime_s)
{
    time_t date_s;

    if (value.bytes > 0 && (value.at[0] == '"' || value.at[0] == 'W')) {
        return names_tag(value, tag, false);
    }
    return parse_date(value, &date_s) && date_s == mtime_s;
}

/* --- The order of RFC 9110 13.2.2 --- */

static bool has_precondition_failed(const struct request *request, const char *head,
                                    const char *tag, time_t mtime_s)
{
    time_t date_s;

    if (request_has(request, FIELD_IF_MATCH)) {
        return !names_tag(value_of(request, head, FIELD_IF_MATCH), tag, false);
    }
    return request_has(request, FIELD_IF_UNMODIFIED_SINCE) &&
           parse_date(value_of(request, head, FIELD_IF_UNMODIFIED_SINCE), &date_s) &&
           mtime_s > date_s;
}

static bool is_not_modified(const struct request *request, const char *head, const char *tag,
                            time_t mtime_s)
{
    time_t date_s;

    if (request_has(request, FIELD_IF_NONE_MATCH)) {
        return names_tag(value_of(request, head, FIELD_IF_NONE_MATCH), tag, true);
    }
    return request_has(request, FIELD_IF_MODIFIED_SINCE) &&
           parse_date(value_of(request, head, FIELD_IF_MODIFIED_SINCE), &date_s) &&
           mtime_s <= date_s;
}

enum outcome conditions_evaluate(const struct request *request, const char *head,
                                 const struct resource *resource, struct ranges *ranges)
{
    char tag[TAG_TEXT_BYTES];

    check(resource->kind == RESOURCE_FILE);
    tag_print(resource->tag, tag);
    if (has_precondition_failed(request, head, tag, resource->mtime_s)) {
        return OUTCOME_FAILED;
    }
    if (is_not_modified(request, head, tag, resource->mtime_s)) {
        return OUTCOME_NOT_MODIFIED;
    }
    /* Ranges are for GET (RFC 9110 14.2). */
    if (request->method != HTTP_GET || !request_has(request, FIELD_RANGE)) {
        return OUTCOME_WHOLE;
    }
    if (request_has(request, FIELD_IF_RANGE) &&
        !is_range_valid(value_of(request, head, FIELD_IF_RANGE), tag, resource->mtime_s)) {
        return OUTCOME_WHOLE;
    }
    const struct value value = value_of(request, head, FIELD_RANGE);
    switch (ranges_parse(value.at, value.bytes, resource->content_bytes, ranges)) {
    case RANGES_FOUND:
        return OUTCOME_PART;
    case RANGES_UNSATISFIABLE:
        return OUTCOME_UNSATISFIABLE;
    default:
        return OUTCOME_WHOLE;
    }
}
