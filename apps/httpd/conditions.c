/* SPDX-License-Identifier: MIT */
/*
 * Evaluation of conditions in the order of RFC 9110 13.2.2.
 */
#include "apps/httpd/conditions.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "apps/httpd/check.h"
#include "libc/core/numbers.h"

struct value {
    const char *at;
    size_t bytes;
};

static struct value value_of(const struct request *request, const char *head,
                             enum request_field field)
{
    const struct request_span *span = &request->values[field];
    struct value value = {head + span->offset, span->bytes};

    check(request_has(request, field));
    while (value.bytes > 0 &&
           (value.at[value.bytes - 1] == ' ' || value.at[value.bytes - 1] == '\t')) {
        value.bytes--;
    }
    return value;
}

void conditions_print_tag(struct resource *resource, char *text)
{
    int bytes =
        snprintf(text, TAG_TEXT_BYTES, "\"%016llx\"", (unsigned long long)resource_tag(resource));

    assert(bytes == TAG_TEXT_BYTES - 1);
    (void)bytes;
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

/* --- Dates --- */

static bool parse_two_digits(const char *text, int *number)
{
    uint64_t value;

    if (number_parse(text, 2, 10, 99, &value) != 0) {
        return false;
    }
    *number = (int)value;
    return true;
}

/* IMF-fixdate, "Sun, 06 Nov 1994 08:49:37 GMT", the one form that is still generated (RFC 9110
 * 5.6.7). A condition with another date does not apply. */
static bool parse_date(struct value value, time_t *seconds)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    const char *at = value.at;
    struct tm date = {0};
    int century, year;

    if (value.bytes != 29 || at[3] != ',' || memcmp(at + 25, " GMT", 4) != 0 ||
        !parse_two_digits(at + 5, &date.tm_mday) || !parse_two_digits(at + 12, &century) ||
        !parse_two_digits(at + 14, &year) || !parse_two_digits(at + 17, &date.tm_hour) ||
        !parse_two_digits(at + 20, &date.tm_min) || !parse_two_digits(at + 23, &date.tm_sec)) {
        return false;
    }
    while (date.tm_mon < 12 && memcmp(months + 3 * date.tm_mon, at + 8, 3) != 0) {
        date.tm_mon++;
    }
    if (date.tm_mon == 12) {
        return false;
    }
    date.tm_year = 100 * century + year - 1900;
    *seconds = timegm(&date);
    return true;
}

/* --- Ranges --- */

/* Far beyond any file, and no sum of two overflows. */
#define POSITION_MAX (UINT64_MAX / 2)

/* False if none stands there. */
static bool parse_position(const char **at, const char *end, uint64_t *position)
{
    return number_take(at, end, 10, POSITION_MAX, position) != -EINVAL;
}

/* One range of bytes. What is malformed or several ranges is no range: the whole file answers. */
static enum outcome parse_range(struct value value, size_t content_bytes, struct byte_range *range)
{
    static const char unit[] = "bytes=";
    const char *at = value.at + strlen(unit);
    const char *end = value.at + value.bytes;
    uint64_t first, last;

    if (value.bytes <= strlen(unit) || strncasecmp(value.at, unit, strlen(unit)) != 0) {
        return OUTCOME_WHOLE;
    }
    bool has_first = parse_position(&at, end, &first);
    if (at == end || *at != '-') {
        return OUTCOME_WHOLE;
    }
    at++;
    bool has_last = parse_position(&at, end, &last);
    if (at != end || (!has_first && !has_last) || (has_first && has_last && last < first)) {
        return OUTCOME_WHOLE;
    }
    if (!has_first) { /* the last so many bytes */
        if (last == 0 || content_bytes == 0) {
            return OUTCOME_UNSATISFIABLE;
        }
        range->bytes = last < content_bytes ? (size_t)last : content_bytes;
        range->first = content_bytes - range->bytes;
        return OUTCOME_PART;
    }
    if (first >= content_bytes) {
        return OUTCOME_UNSATISFIABLE;
    }
    range->first = (size_t)first;
    range->bytes = content_bytes - range->first;
    if (has_last && last - first + 1 < range->bytes) {
        range->bytes = (size_t)(last - first + 1);
    }
    check(range->bytes >= 1);
    return OUTCOME_PART;
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
                                 struct resource *resource, struct byte_range *range)
{
    char tag[TAG_TEXT_BYTES];

    check(resource->kind == RESOURCE_FILE);
    conditions_print_tag(resource, tag);
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
    return parse_range(value_of(request, head, FIELD_RANGE), resource->content_bytes, range);
}
