/* SPDX-License-Identifier: MIT */
/*
 * From an archive's entries to a site's resources.
 */
#include "apps/httpd/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apps/httpd/check.h"
#include "apps/httpd/date.h"
#include "apps/httpd/encoding.h"
#include "apps/httpd/mime.h"
#include "apps/httpd/rules.h"
#include "apps/httpd/settings.h"
#include "apps/httpd/site.h"
#include "apps/httpd/tag.h"
#include "libc/core/tar.h"

#define INDEX_NAME    "index.html"
#define SETTINGS_PATH "/httpd.cfg"
#define MACHINES_PATH "/etc/hosts"

static unsigned archive_count;

/* "./a//b" and "a/b" are "/a/b". Returns the length, or 0 for a name that leaves the site. */
static size_t normalise_name(const struct tar_entry *entry, char *path)
{
    const char *at = entry->name;
    const char *end = at + entry->name_bytes;
    size_t length = 0;

    while (at < end) {
        const char *slash = memchr(at, '/', (size_t)(end - at));
        size_t bytes = slash != NULL ? (size_t)(slash - at) : (size_t)(end - at);
        if (bytes == 2 && memcmp(at, "..", 2) == 0) {
            return 0;
        }
        if (bytes > 0 && !(bytes == 1 && *at == '.')) {
            path[length++] = '/';
            memcpy(path + length, at, bytes);
            length += bytes;
        }
        at += bytes + 1;
    }
    assert(length <= entry->name_bytes + 1);
    return length;
}

/* Where an entry goes: a site, and under which path there. */
struct place {
    unsigned site;
    const char *path;
    size_t bytes;
};

/* Every folder above this path, whether the archive names it or not. */
static bool add_folders(const struct place *place)
{
    const struct resource folder = {.kind = RESOURCE_FOLDER, .archive = archive_count};

    for (size_t i = 1; i < place->bytes; i++) {
        if (place->path[i] == '/' && !site_add(place->site, place->path, i, &folder)) {
            return false;
        }
    }
    return true;
}

static bool add_file(const struct tar_entry *entry, const struct place *place)
{
    const size_t index_bytes = strlen(INDEX_NAME);
    size_t folder_bytes = place->bytes - index_bytes;
    struct resource file = {
        .kind = RESOURCE_FILE,
        .content = entry->content,
        .content_bytes = entry->content_bytes,
        .mtime_s = (time_t)(entry->mtime_s < DATE_MAX_S ? entry->mtime_s : DATE_MAX_S),
        .type = mime_type(place->path, place->bytes),
        .tag = tag_of_content(entry->content, entry->content_bytes),
        .archive = archive_count,
    };

    if (!add_folders(place) || !site_add(place->site, place->path, place->bytes, &file)) {
        return false;
    }
    /* "/a/index.html" is also "/a/". */
    if (place->bytes > index_bytes && place->path[folder_bytes - 1] == '/' &&
        memcmp(place->path + folder_bytes, INDEX_NAME, index_bytes) == 0) {
        return site_add(place->site, place->path, folder_bytes, &file);
    }
    return true;
}

/* Nor what editors and compressors leave beside it. */
static bool is_settings(const char *path, size_t bytes)
{
    return bytes >= strlen(SETTINGS_PATH) &&
           memcmp(path, SETTINGS_PATH, strlen(SETTINGS_PATH)) == 0;
}

/* The machine reads it (libc/posix/hosts.c): it may name what is nobody else's affair. */
static bool is_machines(const char *path, size_t bytes)
{
    return bytes == strlen(MACHINES_PATH) && memcmp(path, MACHINES_PATH, bytes) == 0;
}

/* False if it goes nowhere. */
static bool find_place(struct place *place, struct settings *settings, const char *path,
                       size_t bytes)
{
    size_t prefix_bytes = 0;

    place->site =
        settings != NULL ? settings_site_of(settings, path, bytes, &prefix_bytes) : SITE_DEFAULT;
    place->path = path + prefix_bytes;
    place->bytes = bytes - prefix_bytes;
    return place->site != SETTINGS_NO_SITE && !is_settings(path, bytes) &&
           !is_settings(place->path, place->bytes) && !is_machines(path, bytes);
}

static int add_entries(const char *file_name, struct settings *settings, const void *archive,
                       size_t bytes)
{
    char path[TAR_NAME_MAX_BYTES + 2];
    struct tar_reader reader;
    struct tar_entry entry;
    struct place place;
    int file_count = 0;
    int result;

    tar_open(&reader, archive, bytes);
    while ((result = tar_next(&reader, &entry)) > 0) {
        size_t path_bytes = normalise_name(&entry, path);
        if (entry.type != TAR_FILE || path_bytes == 0 ||
            !find_place(&place, settings, path, path_bytes)) {
            continue;
        }
        if (!add_file(&entry, &place)) {
            fprintf(stderr, "%s: no memory for more than %d files\n", file_name, file_count);
            return file_count;
        }
        file_count++;
    }
    if (result < 0) {
        fprintf(stderr, "%s: broken after %d files, the rest is ignored\n", file_name, file_count);
    }
    return file_count;
}

/* Read the last httpd.cfg of the archive, if there is one. Returns 0 or -ENOMEM. */
static int read_settings(struct settings *settings, const void *archive, size_t bytes)
{
    char path[TAR_NAME_MAX_BYTES + 2];
    struct tar_reader reader;
    struct tar_entry entry;
    const void *text = NULL;
    size_t text_bytes = 0;

    tar_open(&reader, archive, bytes);
    while (tar_next(&reader, &entry) > 0) {
        size_t path_bytes = normalise_name(&entry, path);
        if (entry.type == TAR_FILE && path_bytes == strlen(SETTINGS_PATH) &&
            memcmp(path, SETTINGS_PATH, path_bytes) == 0) {
            text = entry.content;
            text_bytes = entry.content_bytes;
        }
    }
    int result = settings_read(settings, text != NULL ? text : "", text_bytes);
    if (result == 0 && (settings->folder_count > 1 || settings->name_count > 0)) {
        site_have_hosts();
    }
    return result;
}

static int add_mapped(const char *file_name, struct settings *settings, const void *archive,
                      size_t bytes)
{
    unsigned site_count = 1;
    bool is_without_memory = false;

    archive_count++;
    if (settings != NULL) {
        if (read_settings(settings, archive, bytes) != 0) {
            errno = ENOMEM; /* which host the files belong to is not known */
            return -1;
        }
        site_count = settings->site_count;
    }
    int file_count = add_entries(file_name, settings, archive, bytes);
    for (unsigned site = 0; site < site_count; site++) {
        is_without_memory |= encoding_link(site, archive_count) != 0;
    }
    is_without_memory |= settings != NULL && rules_apply(settings, archive_count) != 0;
    if (is_without_memory) {
        fprintf(stderr, "%s: no memory for some encoded files, or for some of httpd.cfg\n",
                file_name);
    }
    return file_count;
}

static int add_archive(const char *file_name, struct settings *settings)
{
    struct stat status;
    int file_count = -1;
    int fd = open(file_name, O_RDONLY);

    if (fd < 0) {
        return -1;
    }
    if (fstat(fd, &status) == 0) {
        size_t bytes = (size_t)status.st_size;
        /* Never unmapped: files are sent from where they lie in it. */
        const void *archive =
            bytes > 0 ? mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
        if (archive != MAP_FAILED) {
            file_count = add_mapped(file_name, settings, archive, bytes);
        }
    }
    int error = errno;
    close(fd);
    errno = error;
    return file_count;
}

int archive_add(const char *file_name)
{
    return add_archive(file_name, NULL);
}

int archive_add_root(const char *file_name)
{
    static struct settings settings;

    return add_archive(file_name, &settings);
}
