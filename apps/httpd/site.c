/* SPDX-License-Identifier: MIT */
/*
 * The tables of resources: open addressing, grown by doubling, filled once at the start.
 */
#include "apps/httpd/site.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/httpd/check.h"
#include "apps/httpd/fields.h"
#include "apps/httpd/tag.h"
#include "libc/core/bytes.h"
#include "libc/core/tar.h"

#define TABLE_START_COUNT 64u

static struct table {
    struct resource **places;
    size_t place_count; /* a power of two, or 0 */
    size_t resource_count;
} tables[SITE_MAX];

static bool has_hosts;

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
        hash = tag_mix(hash, load_le64(path));
        path += sizeof(uint64_t);
    }
    return (uint32_t)tag_mix(hash, load_few(path, bytes));
}

/* The place where this path stands, or where it would be put. */
static inline struct resource **find_place(const struct table *table, const char *path,
                                           size_t bytes, uint32_t hash)
{
    size_t place = hash & (table->place_count - 1);

    /* An empty place ends each search. */
    check(table->resource_count < table->place_count);
    while (table->places[place] != NULL) {
        const struct resource *resource = table->places[place];
        if (resource->hash == hash && resource->path_bytes == bytes &&
            memcmp(resource->path, path, bytes) == 0) {
            break;
        }
        place = (place + 1) & (table->place_count - 1);
    }
    return &table->places[place];
}

/* Make room for one more. At least a quarter of the places stays empty, so that a search ends soon.
 */
static bool grow(struct table *table)
{
    const struct table old = *table;

    if (4 * (old.resource_count + 1) <= 3 * old.place_count) {
        return true;
    }
    size_t count = old.place_count != 0 ? 2 * old.place_count : TABLE_START_COUNT;
    struct resource **grown = calloc(count, sizeof(*grown));
    if (grown == NULL) {
        return false;
    }
    assert((count & (count - 1)) == 0 && old.resource_count < count);
    table->places = grown;
    table->place_count = count;
    for (size_t i = 0; i < old.place_count; i++) {
        if (old.places[i] != NULL) {
            *find_place(table, old.places[i]->path, old.places[i]->path_bytes,
                        old.places[i]->hash) = old.places[i];
        }
    }
    free(old.places);
    return true;
}

/* Whether a target that is the same is decoded to this: it has no escape and no query. */
static bool is_plain(const char *path, size_t bytes)
{
    return !has_hosts && memchr(path, '%', bytes) == NULL && memchr(path, '?', bytes) == NULL &&
           memchr(path, '#', bytes) == NULL;
}

bool site_add(unsigned site, const char *path, size_t bytes, const struct resource *resource)
{
    assert(site < SITE_MAX && bytes > 0 && bytes <= UINT16_MAX && path[0] == '/');
    struct table *table = &tables[site];
    if (!grow(table)) {
        return false;
    }
    uint32_t hash = hash_path(path, bytes);
    struct resource **place = find_place(table, path, bytes, hash);
    char *own_path;
    if (*place == NULL) {
        struct resource *added = malloc(sizeof(*added));
        own_path = strndup(path, bytes);
        if (added == NULL || own_path == NULL) {
            free(added);
            free(own_path);
            return false;
        }
        *place = added;
        table->resource_count++;
    } else {
        own_path = (*place)->path;
    }
    **place = *resource;
    (*place)->path = own_path;
    (*place)->path_bytes = (uint16_t)bytes;
    (*place)->hash = hash;
    (*place)->is_plain = is_plain(path, bytes);
    (*place)->varies |= FIELDS_OF_CONDITIONS;
    assert(own_path[0] == '/' && strlen(own_path) == bytes);
    return true;
}

struct resource *site_find_in(unsigned site, const char *path, size_t bytes)
{
    check(site < SITE_MAX);
    const struct table *table = &tables[site];

    return table->places != NULL ? *find_place(table, path, bytes, hash_path(path, bytes)) : NULL;
}

/* Not by way of the other, that the table's address is a constant: each request for a file comes
 * by here. */
struct resource *site_find(const char *path, size_t bytes)
{
    const struct table *table = &tables[SITE_DEFAULT];

    return table->places != NULL ? *find_place(table, path, bytes, hash_path(path, bytes)) : NULL;
}

static void add_own(const char *path, const struct resource *page)
{
    if (!site_add(SITE_DEFAULT, path, strlen(path), page)) {
        fprintf(stderr, "no memory for the page %s\n", path);
    }
}

void site_add_page(const char *path, const char *type, void (*write_page)(struct text *text))
{
    assert(write_page != NULL);
    add_own(path,
            &(struct resource){.kind = RESOURCE_PAGE, .type = type, .write_page = write_page});
}

void site_add_stream(const char *path, const char *type, stream_begin begin)
{
    assert(begin != NULL);
    add_own(path, &(struct resource){.kind = RESOURCE_STREAM, .type = type, .begin_stream = begin});
}

static int compare_paths(const void *one, const void *other)
{
    return strcmp((*(struct resource *const *)one)->path, (*(struct resource *const *)other)->path);
}

struct resource **site_list(unsigned site, size_t *count)
{
    const struct table *table = &tables[site];
    struct resource **list = NULL;

    *count = table->resource_count;
    if (*count != 0) {
        list = malloc(*count * sizeof(struct resource *));
    }
    if (list == NULL) {
        return NULL;
    }
    size_t listed = 0;
    for (size_t i = 0; i < table->place_count; i++) {
        if (table->places[i] != NULL) {
            list[listed++] = table->places[i];
        }
    }
    assert(listed == *count);
    qsort(list, *count, sizeof(struct resource *), compare_paths);
    return list;
}

void site_have_hosts(void)
{
    has_hosts = true;
    for (size_t i = 0; i < tables[SITE_DEFAULT].place_count; i++) {
        if (tables[SITE_DEFAULT].places[i] != NULL) {
            tables[SITE_DEFAULT].places[i]->is_plain = false;
        }
    }
}

bool site_has_hosts(void)
{
    return has_hosts;
}
