/* SPDX-License-Identifier: MIT */
/*
 * Reading Range.
 */
#include "apps/httpd/ranges.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "apps/httpd/check.h"
#include "libc/core/numbers.h"

/* Far beyond any file, and no sum of two overflows. */
#define POSITION_MAX (UINT64_MAX / 2)

/* False if none stands there. */
static bool parse_position(const char **at, const char *end, uint64_t *position)
{
    return number_take(at, end, 10, POSITION_MAX, position) != -EINVAL;
}

/* "FIRST-LAST", "FIRST-" or "-SUFFIX" at *at. */
static enum ranges_result parse_range(const char **at, const char *end, size_t content_bytes,
                                      struct byte_range *range)
{
    uint64_t first, last;
    bool has_first = parse_position(at, end, &first);

    if (*at == end || **at != '-') {
        return RANGES_IGNORED;
    }
    ++*at;
    bool has_last = parse_position(at, end, &last);
    if ((!has_first && !has_last) || (has_first && has_last && last < first)) {
        return RANGES_IGNORED;
    }
    if (!has_first) { /* the last so many bytes */
        if (last == 0 || content_bytes == 0) {
            return RANGES_UNSATISFIABLE;
        }
        range->bytes = last < content_bytes ? (size_t)last : content_bytes;
        range->first = content_bytes - range->bytes;
        return RANGES_FOUND;
    }
    if (first >= content_bytes) {
        return RANGES_UNSATISFIABLE;
    }
    range->first = (size_t)first;
    range->bytes = content_bytes - range->first;
    if (has_last && last - first + 1 < range->bytes) {
        range->bytes = (size_t)(last - first + 1);
    }
    check(range->bytes >= 1);
    return RANGES_FOUND;
}

static bool is_near(const struct byte_range *one, const struct byte_range *other)
{
    return one->first <= other->first + other->bytes + RANGES_GAP_BYTES &&
           other->first <= one->first + one->bytes + RANGES_GAP_BYTES;
}

/* One that reaches from the start of either to the end of either. */
static struct byte_range join(struct byte_range one, struct byte_range other)
{
    size_t first = one.first < other.first ? one.first : other.first;
    size_t one_end = one.first + one.bytes;
    size_t other_end = other.first + other.bytes;

    return (struct byte_range){first, (one_end > other_end ? one_end : other_end) - first};
}

/* Those that are near it are joined with it, and stand where the first of them did. What is joined
 * may come near others. */
static void add_range(struct ranges *ranges, struct byte_range added)
{
    unsigned place = ranges->count;

    for (unsigned i = 0; i < ranges->count;) {
        if (!is_near(&ranges->at[i], &added)) {
            i++;
            continue;
        }
        added = join(ranges->at[i], added);
        memmove(&ranges->at[i], &ranges->at[i + 1],
                (ranges->count - i - 1) * sizeof(ranges->at[0]));
        ranges->count--;
        place = i < place ? i : place;
        i = 0;
    }
    place = place < ranges->count ? place : ranges->count;
    check(ranges->count < RANGES_MAX);
    memmove(&ranges->at[place + 1], &ranges->at[place],
            (ranges->count - place) * sizeof(ranges->at[0]));
    ranges->at[place] = added;
    ranges->count++;
}

/* Past blanks and empty elements of the list (RFC 9110 5.6.1.2). Whether a comma was there. */
static bool skip_separators(const char **at, const char *end)
{
    bool has_comma = false;

    for (; *at < end && (**at == ',' || **at == ' ' || **at == '\t'); ++*at) {
        has_comma |= **at == ',';
    }
    return has_comma;
}

enum ranges_result ranges_parse(const char *value, size_t bytes, size_t content_bytes,
                                struct ranges *ranges)
{
    static const char unit[] = "bytes=";
    const char *at = value + strlen(unit);
    const char *end = value + bytes;
    unsigned asked_count = 0;

    ranges->count = 0;
    if (bytes <= strlen(unit) || strncasecmp(value, unit, strlen(unit)) != 0) {
        return RANGES_IGNORED;
    }
    (void)skip_separators(&at, end);
    while (at < end) {
        struct byte_range range = {0};
        enum ranges_result result = parse_range(&at, end, content_bytes, &range);
        bool is_separated = skip_separators(&at, end);

        if (result == RANGES_IGNORED || (at < end && !is_separated) || ++asked_count > RANGES_MAX) {
            return RANGES_IGNORED;
        }
        if (result == RANGES_FOUND) {
            add_range(ranges, range);
        }
    }
    if (asked_count == 0) {
        return RANGES_IGNORED;
    }
    return ranges->count > 0 ? RANGES_FOUND : RANGES_UNSATISFIABLE;
}
