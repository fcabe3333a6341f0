/* SPDX-License-Identifier: MIT */
/*
 * Decoding of paths.
 */
#include "apps/httpd/path.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "apps/httpd/authority.h"
#include "apps/httpd/check.h"
#include "libc/core/numbers.h"

/* "authority" of "http://authority" at the start of an absolute-form target, and its end; NULL if
 * it is none. */
static const char *find_authority(const char *target, const char *end, const char **authority_end)
{
    static const char *const schemes[] = {"http://", "https://"};

    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        size_t bytes = strlen(schemes[i]);
        if ((size_t)(end - target) > bytes && strncasecmp(target, schemes[i], bytes) == 0) {
            const char *authority = target + bytes;
            const char *at = authority;
            while (at < end && strchr("/?#", *at) == NULL) {
                at++;
            }
            *authority_end = at;
            return authority_is_good(authority, (size_t)(at - authority)) ? authority : NULL;
        }
    }
    return NULL;
}

const char *path_authority(const char *target, size_t bytes, size_t *authority_bytes)
{
    const char *end;
    const char *authority = find_authority(target, target + bytes, &end);

    *authority_bytes = authority != NULL ? (size_t)(end - authority) : 0;
    return authority;
}

bool path_is_target(const char *target, size_t bytes)
{
    size_t authority_bytes;

    return bytes > 0 && (*target == '/' || path_authority(target, bytes, &authority_bytes) != NULL);
}

static bool is_parent(const char *segment, const char *end)
{
    return end - segment == 2 && segment[0] == '.' && segment[1] == '.';
}

/* One escape after its percent sign. Returns the byte or an error of path_decode(). */
static int decode_escape(const char *at, const char *end)
{
    uint64_t byte;

    if (end - at < 2 || number_parse(at, 2, 16, UINT8_MAX, &byte) != 0 || byte == 0) {
        return -EINVAL;
    }
    return byte == '/' ? -ENOENT : (int)byte;
}

int path_decode(const char *target, size_t target_bytes, char *path)
{
    const char *end = target + target_bytes;
    const char *at = target;
    char *to = path;
    char *segment = path;

    if (at < end && *at != '/') {
        if (find_authority(target, end, &at) == NULL) {
            return -EINVAL;
        }
        if (at == end || *at != '/') {
            *to++ = '/'; /* "http://host" without a path means its root (RFC 9110 4.2.3) */
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
    check((size_t)(to - path) <= target_bytes);
    return is_parent(segment, to) ? -ENOENT : (int)(to - path);
}
