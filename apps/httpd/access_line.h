/* SPDX-License-Identifier: MIT */
/*
 * A line of the access log, in the combined format that Apache and nginx write and all tools read:
 *
 *   host ident user [date] "request line" status bytes "referer" "user agent"
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "libc/core/output.h"

struct access_entry {
    uint32_t address; /* of the client, in network byte order; 0: it is gone */
    time_t time_s;
    const char *head; /* what has come of the request, as it came */
    size_t head_bytes;
    unsigned status;
    size_t content_bytes; /* of the answer; 0 is written as `-` */
};

/* The shortest limit: what the rest of a line takes, and some of each field. */
#define ACCESS_LINE_LEAST_BYTES 160

/*
 * Append it, at most `most_bytes`, ACCESS_LINE_LEAST_BYTES or more.
 *
 * What the client has sent is input: quotes, backslashes, control characters and bytes beyond ASCII
 * become `\xHH`, as nginx has it. The request line gets half of the room that there is for such
 * fields, the two others a quarter each; one that is longer is cut, and ends in `...` then.
 */
void access_line_append(struct output *output, const struct access_entry *entry, size_t most_bytes);
