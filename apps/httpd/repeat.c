/* SPDX-License-Identifier: MIT */
/*
 * The memory of header fields: one set for each remainder of its length, because client programs
 * differ in the length of what they send more often than not. A later set of the same remainder
 * replaces the earlier one.
 */
#include "apps/httpd/repeat.h"

#include <string.h>

#include "apps/httpd/check.h"

#define MEMORY_COUNT 16

/* The plainest request line: METHOD, blank, TARGET, and this with 0 or 1 in the version's place. */
#define VERSION       " HTTP/1.x\r\n"
#define VERSION_BYTES (sizeof(VERSION) - 1)
#define MINOR_OFFSET  (sizeof(" HTTP/1.") - 1)

struct memory {
    uint32_t bytes; /* of the fields, with the empty line at their end; 0: none */
    uint8_t minor_version;
    bool is_keep_alive;
    uint32_t present;
    struct request_span values[FIELD_COUNT]; /* from the first field's first byte */
    char fields[REPEAT_FIELDS_MAX_BYTES];
};

static struct memory memories[MEMORY_COUNT];

/* What a path and a query are made of (RFC 3986). A byte each: a bit each costs twice as many
 * instructions a character. */
static const bool is_target_character[UINT8_MAX + 1] = {
    ['A' ... 'Z'] = true, ['a' ... 'z'] = true, ['0' ... '9'] = true, ['!'] = true, ['$'] = true,
    ['%'] = true,         ['&'] = true,         ['\''] = true,        ['('] = true, [')'] = true,
    ['*'] = true,         ['+'] = true,         [','] = true,         ['-'] = true, ['.'] = true,
    ['/'] = true,         [':'] = true,         [';'] = true,         ['='] = true, ['?'] = true,
    ['@'] = true,         ['_'] = true,         ['~'] = true,
};

/* A version that is plain. */
static bool read_version(const char *at, uint8_t *minor_version)
{
    *minor_version = (uint8_t)(at[MINOR_OFFSET] - '0');
    return memcmp(at, VERSION, MINOR_OFFSET) == 0 && *minor_version <= 1 &&
           memcmp(at + MINOR_OFFSET + 1, VERSION + MINOR_OFFSET + 1, 2) == 0;
}

/* The request line at `head`. Returns its length, or 0 for one that is not plain. */
static size_t read_line(const char *head, const char *end, uint8_t *method,
                        struct request_span *target, uint8_t *minor_version)
{
    const char *at = head;

    if (end - at > 4 && memcmp(at, "GET ", 4) == 0) {
        *method = HTTP_GET;
        at += 4;
    } else if (end - at > 5 && memcmp(at, "HEAD ", 5) == 0) {
        *method = HTTP_HEAD;
        at += 5;
    } else {
        return 0;
    }
    const char *start = at;
    if (*at != '/') {
        return 0;
    }
    while (at < end && is_target_character[(unsigned char)*at]) {
        at++;
    }
    target->offset = (uint32_t)(start - head);
    target->bytes = (uint32_t)(at - start);
    if (target->bytes > REQUEST_TARGET_MAX_BYTES || (size_t)(end - at) < VERSION_BYTES ||
        !read_version(at, minor_version)) {
        return 0;
    }
    return (size_t)(at + VERSION_BYTES - head);
}

static struct memory *place_of(size_t fields_bytes)
{
    return &memories[fields_bytes % MEMORY_COUNT];
}

bool repeat_recognise(struct request *request, const char *head, size_t bytes, size_t *consumed)
{
    uint8_t method, minor_version;
    struct request_span target;
    size_t line_bytes = read_line(head, head + bytes, &method, &target, &minor_version);
    const struct memory *memory = place_of(bytes - line_bytes);

    check(!request->has_head && !request->is_complete && request->present == 0);
    check(memory->bytes <= REPEAT_FIELDS_MAX_BYTES);
    /* Only when nothing follows: the fields' length is not known otherwise. */
    if (line_bytes == 0 || memory->bytes == 0 || memory->bytes != bytes - line_bytes ||
        memory->minor_version != minor_version ||
        memcmp(head + line_bytes, memory->fields, memory->bytes) != 0) {
        return false;
    }
    request->method = method;
    request->minor_version = minor_version;
    request->target = target;
    request->present = memory->present;
    request->is_keep_alive = memory->is_keep_alive;
    request->has_head = true;
    request->is_complete = true;
    request->is_repeated = true;
    request->head_bytes = (uint32_t)bytes;
    for (uint32_t left = memory->present; left != 0; left &= left - 1) {
        unsigned field = (unsigned)__builtin_ctz(left);

        check(field < FIELD_COUNT);
        check(memory->values[field].offset + memory->values[field].bytes <= memory->bytes);
        request->values[field].offset = memory->values[field].offset + (uint32_t)line_bytes;
        request->values[field].bytes = memory->values[field].bytes;
    }
    *consumed = bytes;
    return true;
}

void repeat_remember(const struct request *request, const char *head, size_t bytes)
{
    uint8_t method, minor_version;
    struct request_span target;
    size_t line_bytes = read_line(head, head + bytes, &method, &target, &minor_version);
    size_t fields_bytes = bytes - line_bytes;

    check(request->is_complete && line_bytes <= bytes);
    if (line_bytes == 0 || fields_bytes > REPEAT_FIELDS_MAX_BYTES || request->has_body_fields ||
        request->head_bytes + 4 != bytes || memcmp(head + bytes - 4, "\r\n\r\n", 4) != 0) {
        return;
    }
    struct memory *memory = place_of(fields_bytes);
    memory->bytes = (uint32_t)fields_bytes;
    memory->minor_version = minor_version;
    memory->is_keep_alive = request->is_keep_alive;
    memory->present = request->present;
    memcpy(memory->fields, head + line_bytes, fields_bytes);
    for (unsigned field = 0; field < FIELD_COUNT; field++) {
        if (request->present & 1u << field) {
            check(request->values[field].offset >= line_bytes);
            memory->values[field] = request->values[field];
            memory->values[field].offset -= (uint32_t)line_bytes;
        }
    }
}
