/* SPDX-License-Identifier: MIT */
/*
 * Looking things up in what httpd.cfg says.
 */
#include "apps/httpd/settings.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "apps/httpd/authority.h"
#include "apps/httpd/check.h"

/* The longest name of a host (RFC 1035 2.3.4). */
#define NAME_MAX_BYTES 255

unsigned settings_site_of(struct settings *settings, const char *path, size_t bytes,
                          size_t *prefix_bytes)
{
    struct settings_folder *found = &settings->folders[0]; /* the root, in which each path lies */

    for (size_t i = 1; i < settings->folder_count; i++) {
        struct settings_folder *folder = &settings->folders[i];

        if (folder->bytes > found->bytes && folder->bytes < bytes && path[folder->bytes] == '/' &&
            memcmp(path, folder->path, folder->bytes) == 0) {
            found = folder;
        }
    }
    found->file_count++;
    *prefix_bytes = found->bytes;
    return found->site;
}

int settings_compare_names(const void *one, const void *other)
{
    const struct settings_name *a = one, *b = other;

    return a->bytes != b->bytes ? (a->bytes < b->bytes ? -1 : 1)
                                : memcmp(a->name, b->name, a->bytes);
}

static const struct settings_name *find_name(const struct settings *settings, const char *name,
                                             size_t bytes)
{
    const struct settings_name wanted = {.name = name, .bytes = bytes};

    return settings->name_count == 0 ? NULL
                                     : bsearch(&wanted, settings->names, settings->name_count,
                                               sizeof(wanted), settings_compare_names);
}

unsigned settings_site_of_host(const struct settings *settings, const char *host, size_t bytes)
{
    char name[NAME_MAX_BYTES];
    const struct settings_name *found;

    bytes = authority_host_bytes(host, bytes);
    if (bytes > 0 && host[bytes - 1] == '.') {
        bytes--; /* the root of all names */
    }
    if (bytes == 0 || bytes > sizeof(name)) {
        return SITE_DEFAULT;
    }
    for (size_t i = 0; i < bytes; i++) {
        name[i] = (char)tolower((unsigned char)host[i]);
    }
    found = find_name(settings, name, bytes);
    /* ".name" stands for all below it: the longest fits best. */
    for (size_t i = 1; found == NULL && i < bytes; i++) {
        if (name[i] == '.') {
            found = find_name(settings, name + i, bytes - i);
        }
    }
    return found != NULL ? found->site : SITE_DEFAULT;
}

bool settings_fits(const char *pattern, const char *path, size_t bytes)
{
    const char *star = strchr(pattern, '*');
    size_t pattern_bytes = strlen(pattern);

    if (star == NULL) {
        return pattern_bytes == bytes && memcmp(pattern, path, bytes) == 0;
    }
    size_t before = (size_t)(star - pattern);
    size_t behind = pattern_bytes - before - 1;
    return bytes >= before + behind && memcmp(pattern, path, before) == 0 &&
           memcmp(star + 1, path + bytes - behind, behind) == 0;
}
