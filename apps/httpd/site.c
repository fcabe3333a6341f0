/* SPDX-License-Identifier: MIT */
/*
 * The table of resources: open addressing, grown by doubling, filled once at the start.
 */
#include "apps/httpd/site.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apps/httpd/check.h"
#include "apps/httpd/date.h"
#include "apps/httpd/mime.h"
#include "apps/httpd/tar.h"
#include "libc/core/bytes.h"

#define INDEX_NAME        "index.html"
#define TABLE_START_COUNT 64u

/* So much is read between two chances for others to run. Chosen: a fraction of a millisecond. */
#define HASH_SLICE_BYTES 262144u

static struct resource **table;
static size_t table_count;
static size_t resource_count;

/* Bytes are hashed eight at a time, each mixed in by a multiplication with an odd constant (the
 * golden ratio's fraction) and a shift that brings the high bits down. */
static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * 0x9E3779B97F4A7C15ull;
    return hash ^ hash >> 32;
}

/* At most eight bytes as one word. */
static uint64_t load_few(const char *from, size_t bytes)
{
    if (bytes >= sizeof(uint32_t)) {
        return (uint64_t)load_le32(from + bytes - sizeof(uint32_t)) << 32 | load_le32(from);
    }
    return bytes == 0 ? 0
                      : (uint64_t)(uint8_t)from[bytes - 1] << 16 |
                            (uint64_t)(uint8_t)from[bytes / 2] << 8 | (uint8_t)from[0];
}

/* A client cannot add paths, so it cannot make them collide. */
static uint32_t hash_path(const char *path, size_t bytes)
{
    uint64_t hash = bytes;

    for (; bytes > sizeof(uint64_t); bytes -= sizeof(uint64_t)) {
        hash = mix(hash, load_le64(path));
        path += sizeof(uint64_t);
    }
    return (uint32_t)mix(hash, load_few(path, bytes));
}

/* The place where this path stands, or where it would be put. */
static struct resource **find_place(const char *path, size_t bytes, uint32_t hash)
{
    size_t place = hash & (table_count - 1);

    /* An empty place ends each search. */
    check(resource_count < table_count);
    while (table[place] != NULL) {
        const struct resource *resource = table[place];
        if (resource->hash == hash && resource->path_bytes == bytes &&
            memcmp(resource->path, path, bytes) == 0) {
            break;
        }
        place = (place + 1) & (table_count - 1);
    }
    return &table[place];
}

/* Make room for one more. At least a quarter of the places stays empty, so that a search ends soon.
 */
static bool grow_table(void)
{
    size_t old_count = table_count;
    struct resource **old = table;

    if (4 * (resource_count + 1) <= 3 * table_count) {
        return true;
    }
    size_t count = old_count != 0 ? 2 * old_count : TABLE_START_COUNT;
    struct resource **grown = calloc(count, sizeof(*grown));
    if (grown == NULL) {
        return false;
    }
    assert((count & (count - 1)) == 0 && resource_count < count);
    table = grown;
    table_count = count;
    for (size_t i = 0; i < old_count; i++) {
        if (old[i] != NULL) {
            *find_place(old[i]->path, old[i]->path_bytes, old[i]->hash) = old[i];
        }
    }
    free(old);
    return true;
}

/* Whether a target that is the same is decoded to this: it has no escape and no query. */
static bool is_plain(const char *path, size_t bytes)
{
    return memchr(path, '%', bytes) == NULL && memchr(path, '?', bytes) == NULL &&
           memchr(path, '#', bytes) == NULL;
}

/* Put a copy of `resource` under this path, in the place of what was there. */
static bool add_resource(const char *path, size_t bytes, const struct resource *resource)
{
    assert(bytes > 0 && bytes <= UINT16_MAX && path[0] == '/');
    if (!grow_table()) {
        return false;
    }
    uint32_t hash = hash_path(path, bytes);
    struct resource **place = find_place(path, bytes, hash);
    if (*place == NULL) {
        struct resource *added = malloc(sizeof(*added));
        char *copy = strndup(path, bytes);
        if (added == NULL || copy == NULL) {
            free(added);
            free(copy);
            return false;
        }
        *added = *resource;
        added->path = copy;
        added->path_bytes = (uint16_t)bytes;
        added->hash = hash;
        added->is_plain = is_plain(path, bytes);
        assert(added->path[0] == '/' && strlen(added->path) == bytes);
        *place = added;
        resource_count++;
    } else {
        char *own_path = (*place)->path;
        **place = *resource;
        (*place)->path = own_path;
        (*place)->path_bytes = (uint16_t)bytes;
        (*place)->hash = hash;
        (*place)->is_plain = is_plain(path, bytes);
    }
    return true;
}

struct resource *site_find(const char *path, size_t bytes)
{
    return table != NULL ? *find_place(path, bytes, hash_path(path, bytes)) : NULL;
}

/* --- Archives --- */

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

/* Every folder above this path, whether the archive names it or not. */
static bool add_folders(const char *path, size_t bytes)
{
    const struct resource folder = {.kind = RESOURCE_FOLDER};

    for (size_t i = 1; i < bytes; i++) {
        if (path[i] == '/' && !add_resource(path, i, &folder)) {
            return false;
        }
    }
    return true;
}

/* --- Content --- */

/* Of `slice` further on. */
static uint64_t hash_slice(uint64_t hash, const uint8_t *slice, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += sizeof(uint64_t)) {
        size_t left = bytes - i;
        uint64_t word = 0;
        memcpy(&word, slice + i, left < sizeof(word) ? left : sizeof(word));
        hash = mix(hash, word);
    }
    return hash;
}

static uint64_t hash_content(const uint8_t *content, size_t bytes)
{
    static size_t since_pause_bytes;
    uint64_t hash = mix(0, bytes);

    while (bytes > 0) {
        size_t slice_bytes = bytes < HASH_SLICE_BYTES ? bytes : HASH_SLICE_BYTES;
        hash = hash_slice(hash, content, slice_bytes);
        content += slice_bytes;
        bytes -= slice_bytes;
        since_pause_bytes += slice_bytes;
        if (since_pause_bytes >= HASH_SLICE_BYTES) {
            since_pause_bytes = 0;
            (void)poll(NULL, 0, 0); /* where threads do not interrupt each other, others run now */
        }
    }
    return hash;
}

static bool add_file(const struct tar_entry *entry, const char *path, size_t bytes)
{
    const size_t index_bytes = strlen(INDEX_NAME);
    struct resource file = {
        .kind = RESOURCE_FILE,
        .content = entry->content,
        .content_bytes = entry->content_bytes,
        .mtime_s = (time_t)(entry->mtime_s < DATE_MAX_S ? entry->mtime_s : DATE_MAX_S),
        .type = mime_type(path, bytes),
        .tag = hash_content(entry->content, entry->content_bytes),
    };

    if (!add_folders(path, bytes) || !add_resource(path, bytes, &file)) {
        return false;
    }
    /* "/a/index.html" is also "/a/". */
    if (bytes > index_bytes && path[bytes - index_bytes - 1] == '/' &&
        memcmp(path + bytes - index_bytes, INDEX_NAME, index_bytes) == 0) {
        return add_resource(path, bytes - index_bytes, &file);
    }
    return true;
}

static int add_entries(const char *file_name, const void *archive, size_t bytes)
{
    char path[TAR_NAME_MAX_BYTES + 2];
    struct tar_reader reader;
    struct tar_entry entry;
    int file_count = 0;
    int result;

    tar_open(&reader, archive, bytes);
    while ((result = tar_next(&reader, &entry)) > 0) {
        size_t path_bytes = normalise_name(&entry, path);
        if (entry.type != TAR_FILE || path_bytes == 0) {
            continue;
        }
        if (!add_file(&entry, path, path_bytes)) {
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

int site_add_archive(const char *file_name)
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
            file_count = add_entries(file_name, archive, bytes);
        }
    }
    int error = errno;
    close(fd);
    errno = error;
    return file_count;
}

void site_add_page(const char *path, const char *type, void (*write_page)(struct text *text))
{
    struct resource page = {
        .kind = RESOURCE_PAGE,
        .type = type,
        .write_page = write_page,
    };

    assert(write_page != NULL);
    if (!add_resource(path, strlen(path), &page)) {
        fprintf(stderr, "no memory for the page %s\n", path);
    }
}
