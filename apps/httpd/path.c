/* SPDX-License-Identifier: MIT */
/*
 * Decoding of paths.
 */
#include "apps/httpd/path.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    digit |= 0x20;
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* Past "http://authority" of an absolute-form target, or `target` itself. */
static const char *skip_authority(const char *target, const char *end)
{
    static const char *const schemes[] = {"http://", "https://"};

    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        size_t bytes = strlen(schemes[i]);
        if ((size_t)(end - target) > bytes && strncasecmp(target, schemes[i], bytes) == 0) {
            const char *slash = memchr(target + bytes, '/', (size_t)(end - target) - bytes);
            return slash != NULL ? slash : end;
        }
    }
    return target;
}

static bool is_parent(const char *segment, const char *end)
{
    return end - segment == 2 && segment[0] == '.' && segment[1] == '.';
}

/* One escape after its percent sign. Returns the byte or an error of path_decode(). */
static int decode_escape(const char *at, const char *end)
{
    int high = at < end ? hex_value(at[0]) : -1;
    int low = at + 1 < end ? hex_value(at[1]) : -1;

    if (high < 0 || low < 0) {
        return -EINVAL;
    }
    int byte = high << 4 | low;
    if (byte == 0) {
        return -EINVAL;
    }
    return byte == '/' ? -ENOENT : byte;
}

int path_decode(const char *target, size_t target_bytes, char *path)
{
    const char *end = target + target_bytes;
    const char *at = target;
    char *to = path;
    char *segment = path;

    if (at < end && *at != '/') {
        at = skip_authority(target, end);
        if (at == end) {
            *to++ = '/'; /* "http://host" alone means its root */
        } else if (*at != '/') {
            return -EINVAL;
        }
    }
    for (; at < end && *at != '?' && *at != '#'; at++) {
        int byte = (unsigned char)*at;
        if (byte == '%') {
            byte = decode_escape(at + 1, end);
            if (byte < 0) {
                return byte;
            }
            at += 2;
        } else if (byte == '/') {
            if (is_parent(segment, to)) {
                return -ENOENT;
            }
            segment = to + 1;
        }
        *to++ = (char)byte;
    }
    *to = '\0';
    return is_parent(segment, to) ? -ENOENT : (int)(to - path);
}
