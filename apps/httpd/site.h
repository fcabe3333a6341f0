/* SPDX-License-Identifier: MIT */
/*
 * The web site: paths to resources. Files come from tar archives that stay mapped; pages are
 * written when they are asked for. Everything is found by one look into a hash table.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct text;
struct ready_response;

enum resource_kind {
    RESOURCE_FILE,
    RESOURCE_FOLDER, /* without the slash at its end: the client is sent there */
    RESOURCE_PAGE,
};

/* How a response tells whether the connection stays open; picks one of three ready headers. */
enum persistence {
    PERSIST_SILENTLY,  /* HTTP/1.1's default */
    PERSIST_EXPRESSLY, /* HTTP/1.0: Connection: keep-alive */
    PERSIST_NOT,       /* Connection: close */
    PERSISTENCE_COUNT,
};

struct resource {
    char *path; /* decoded, with the first slash, zero-terminated */
    uint32_t hash;
    uint16_t path_bytes;
    uint8_t kind;  /* enum resource_kind */
    bool is_plain; /* each character of `path` stands for itself in a request's target, too */
    const uint8_t *content;
    size_t content_bytes;
    time_t mtime_s; /* since 1970, before the year 10000 */
    const char *type;
    uint64_t tag; /* hash of the content: the same on every node and after every boot */
    void (*write_page)(struct text *text);
    struct ready_response *ready[PERSISTENCE_COUNT]; /* made when first asked for */
};

/*
 * Of one path the last that was added counts: within an archive, as tar has it, and among archives
 * and pages.
 */

/* Add the files of an archive. Returns how many, or -1 with errno when it cannot be opened; a
 * broken archive counts up to where it breaks, and says so on stderr. Reads all of it, and lets
 * others run meanwhile: before the first client is served. */
int site_add_archive(const char *file_name);
void site_add_page(const char *path, const char *type, void (*write_page)(struct text *text));
/* NULL when there is nothing of this path. */
struct resource *site_find(const char *path, size_t bytes);
