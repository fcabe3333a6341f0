/* SPDX-License-Identifier: MIT */
#include "apps/httpd/access_line.h"

#include <string.h>
#include <strings.h>

#include "apps/httpd/check.h"
#include "libc/core/address.h"
#include "libc/core/format.h"

/* All but the three fields, at its longest: address, two names that are not known, date, status,
 * bytes of 20 digits, blanks and quotes. */
#define FIXED_MAX_BYTES                                                                            \
    (sizeof("255.255.255.255 - - [01/Jan/2026:00:00:00 +0000] \"\" 200 18446744073709551615 "      \
            "\"\" \"\"") -                                                                         \
     1)

_Static_assert(FIXED_MAX_BYTES + 16 <= ACCESS_LINE_LEAST_BYTES, "some of each field");

#define CUT    "..."
#define ABSENT "-"

struct span {
    const char *at;
    size_t bytes;
};

/* The line that begins at `at`, without its end; *next: the one behind it. */
static struct span take_line(const char *at, const char *end, const char **next)
{
    const char *feed = memchr(at, '\n', (size_t)(end - at));
    const char *line_end = feed != NULL ? feed : end;

    *next = feed != NULL ? feed + 1 : end;
    if (line_end > at && line_end[-1] == '\r') {
        line_end--;
    }
    return (struct span){at, (size_t)(line_end - at)};
}

/* Empty ones may come before it (RFC 9112 2.2). */
static struct span find_request_line(const char **at, const char *end)
{
    struct span line = {*at, 0};

    while (*at < end && line.bytes == 0) {
        line = take_line(*at, end, at);
    }
    return line;
}

static struct span trim(struct span value)
{
    while (value.bytes > 0 && (*value.at == ' ' || *value.at == '\t')) {
        value.at++;
        value.bytes--;
    }
    while (value.bytes > 0 &&
           (value.at[value.bytes - 1] == ' ' || value.at[value.bytes - 1] == '\t')) {
        value.bytes--;
    }
    return value;
}

/* The first field of that name, in the lines from `at` on. No bytes: there is none. */
static struct span find_field(const char *at, const char *end, const char *name)
{
    size_t name_bytes = strlen(name);

    while (at < end) {
        struct span line = take_line(at, end, &at);

        if (line.bytes == 0) {
            break; /* the end of the head */
        }
        if (line.bytes > name_bytes && line.at[name_bytes] == ':' &&
            strncasecmp(line.at, name, name_bytes) == 0) {
            return trim((struct span){line.at + name_bytes + 1, line.bytes - name_bytes - 1});
        }
    }
    return (struct span){at, 0};
}

static bool is_plain(char character)
{
    return character >= ' ' && character <= '~' && character != '"' && character != '\\';
}

static size_t escaped_bytes(char character)
{
    return is_plain(character) ? 1 : sizeof("\\xHH") - 1;
}

/* How many of its bytes can be written in so much room; less than all: with CUT behind them. */
static size_t count_fitting(struct span field, size_t most_bytes)
{
    size_t written = 0, fitting = 0;

    for (size_t i = 0; i < field.bytes; i++) {
        written += escaped_bytes(field.at[i]);
        if (written > most_bytes) {
            return fitting;
        }
        if (written + sizeof(CUT) - 1 <= most_bytes) {
            fitting = i + 1;
        }
    }
    return field.bytes;
}

static void append_field(struct output *output, struct span field, size_t most_bytes)
{
    size_t fitting = count_fitting(field, most_bytes);

    output_append_string(output, " \"");
    for (size_t i = 0; i < fitting; i++) {
        if (is_plain(field.at[i])) {
            output_append(output, &field.at[i], 1);
        } else {
            format_append(output, "\\x%02X", (unsigned char)field.at[i]);
        }
    }
    output_append_string(output, fitting < field.bytes ? CUT : field.bytes == 0 ? ABSENT : "");
    output_append_string(output, "\"");
}

static void append_client(struct output *output, const struct access_entry *entry)
{
    char address[ADDRESS_IPV4_TEXT_BYTES] = ABSENT;
    char date[sizeof("01/Jan/2026:00:00:00 +0000")] = "";
    struct tm broken_down;

    if (entry->address != 0) {
        address_print_ipv4(entry->address, address);
    }
    gmtime_r(&entry->time_s, &broken_down);
    (void)strftime(date, sizeof(date), "%d/%b/%Y:%H:%M:%S +0000", &broken_down); /* it fits */
    format_append(output, "%s - - [%s]", address, date);
}

void access_line_append(struct output *output, const struct access_entry *entry, size_t most_bytes)
{
    const char *at = entry->head, *end = entry->head + entry->head_bytes;
    struct span line = find_request_line(&at, end);
    size_t room_bytes = most_bytes - FIXED_MAX_BYTES;

    check(most_bytes >= ACCESS_LINE_LEAST_BYTES);
    append_client(output, entry);
    append_field(output, line, room_bytes / 2);
    format_append(output, " %u ", entry->status);
    if (entry->content_bytes != 0) {
        format_append(output, "%zu", entry->content_bytes);
    } else {
        output_append_string(output, ABSENT);
    }
    append_field(output, find_field(at, end, "Referer"), room_bytes / 4);
    append_field(output, find_field(at, end, "User-Agent"), room_bytes / 4);
}
