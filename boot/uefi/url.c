/* SPDX-License-Identifier: MIT */
/*
 * Takes a URL apart in a copy; what it does not understand it refuses.
 */
#include "boot/uefi/url.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "libc/core/numbers.h"

#define GROUP_COUNT      (URL_IPV6_BYTES / 2)
#define GROUP_DIGITS_MAX 4

/* Behind the // of scheme://; NULL without. */
static const char *find_authority(const char *url)
{
    static const char mark[] = "://";
    const char *colon = url + strcspn(url, ":/?#");

    return colon != url && strncmp(colon, mark, sizeof(mark) - 1) == 0 ? colon + sizeof(mark) - 1
                                                                       : NULL;
}

/* Cut the last folder off a path that ends in front of a slash, if it has this name. */
static char *leave_folder(char *path, char *end, const char *name)
{
    char *start = end;

    while (start > path && start[-1] != '/') {
        start--;
    }
    return start > path && (size_t)(end - start) == strlen(name) &&
                   strncasecmp(start, name, strlen(name)) == 0
               ? start - 1
               : NULL;
}

bool url_read_root(char root[URL_BYTES_MAX], const char *url, size_t bytes)
{
    size_t length = strnlen(url, bytes);

    root[0] = '\0';
    if (length >= URL_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if (!isgraph((uint8_t)url[i])) {
            return false;
        }
    }
    char copy[URL_BYTES_MAX];

    memcpy(copy, url, length);
    copy[length] = '\0';
    const char *authority = find_authority(copy);

    if (authority == NULL || strchr("/?#", *authority) != NULL) {
        return false;
    }
    char *path = copy + (authority - copy) + strcspn(authority, "/?#");
    char *end = path + strcspn(path, "?#");

    while (end > path && *end != '/') {
        end--;
    }
    char *efi = leave_folder(path, end, "boot");
    char *tree = efi == NULL ? NULL : leave_folder(path, efi, "efi");

    end = tree == NULL ? end : tree;
    memcpy(root, copy, (size_t)(end - copy));
    root[end - copy] = '\0';
    return true;
}

bool url_read_host(char *host, size_t size, const char *url)
{
    const char *start = find_authority(url);

    if (start == NULL) {
        return false;
    }
    size_t length = strcspn(start, "/?#");

    if (length == 0 || length >= size) {
        return false;
    }
    memcpy(host, start, length);
    host[length] = '\0';
    return true;
}

/* One to four hexadecimal digits. Returns what stands behind them, or NULL. */
static const char *read_group(const char *text, uint16_t *group)
{
    const char *end = text;
    uint64_t number;

    if (number_take(&end, NULL, 16, UINT16_MAX, &number) != 0 || end - text > GROUP_DIGITS_MAX) {
        return NULL;
    }
    *group = (uint16_t)number;
    return end;
}

/* Groups up to a ], one :: among them stands for as many zeros as are missing (RFC 4291 2.2). */
static bool read_groups(uint16_t groups[GROUP_COUNT], const char *text)
{
    unsigned count = 0;
    unsigned gap = GROUP_COUNT + 1; /* none yet */

    if (strncmp(text, "::", 2) == 0) {
        gap = 0;
        text += 2;
    }
    while (*text != ']') {
        if (count == GROUP_COUNT || (text = read_group(text, &groups[count++])) == NULL) {
            return false;
        }
        if (strncmp(text, "::", 2) == 0 && gap > GROUP_COUNT) {
            gap = count;
            text += 2;
        } else if (*text == ':' && text[1] != ']') {
            text++;
        } else if (*text != ']') {
            return false;
        }
    }
    if (gap > GROUP_COUNT) {
        return count == GROUP_COUNT;
    }
    unsigned behind = count - gap;
    unsigned zeros = GROUP_COUNT - count;

    memmove(groups + gap + zeros, groups + gap, behind * sizeof(groups[0]));
    memset(groups + gap, 0, zeros * sizeof(groups[0]));
    return zeros > 0;
}

bool url_read_ipv6(uint8_t address[URL_IPV6_BYTES], const char *url, size_t bytes)
{
    char copy[URL_BYTES_MAX];
    uint16_t groups[GROUP_COUNT];
    size_t length = strnlen(url, bytes);

    if (length >= sizeof(copy)) {
        return false;
    }
    memcpy(copy, url, length);
    copy[length] = '\0';
    const char *host = find_authority(copy);

    if (host == NULL || *host != '[' || !read_groups(groups, host + 1)) {
        return false;
    }
    for (unsigned i = 0; i < GROUP_COUNT; i++) {
        address[2 * i] = (uint8_t)(groups[i] >> 8);
        address[2 * i + 1] = (uint8_t)groups[i];
    }
    return true;
}
