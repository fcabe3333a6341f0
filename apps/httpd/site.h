/* SPDX-License-Identifier: MIT */
/*
 * Web sites: paths to resources. Files lie in archives that stay mapped (archive.h); pages are
 * written when they are asked for. Everything is found by one look into a hash table, one for each
 * site: the default one, and one for each host with a folder of its own (settings.h).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "apps/httpd/encoding.h"
#include "apps/httpd/stream.h"

struct setting;
struct text;
struct ready_response;

#define SITE_DEFAULT 0u
#define SITE_MAX     64u

enum resource_kind {
    RESOURCE_FILE,
    RESOURCE_FOLDER, /* without the slash at its end: the client is sent there */
    RESOURCE_PAGE,
    RESOURCE_STREAM, /* written by somebody of its own */
    RESOURCE_MOVED,  /* the client is sent where `redirect` says */
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
    bool is_plain; /* a target of the same characters, whatever its host, means this */
    const uint8_t *content;
    size_t content_bytes;
    time_t mtime_s; /* since 1970, before the year 10000 */
    const char *type;
    uint64_t tag; /* hash of the content: the same on every node and after every boot */
    void (*write_page)(struct text *text);
    stream_begin begin_stream;
    struct ready_response *ready[PERSISTENCE_COUNT]; /* made when first asked for */
    uint32_t varies;    /* bits of enum request_field: with one of them the answer may differ */
    unsigned archive;   /* of those that were added, counted from 1; 0: none */
    const char *coding; /* Content-Encoding; NULL: none */
    const char *fields; /* more lines for its header, each with its end; NULL: none */
    struct resource *encoded[ENCODING_COUNT]; /* the same file, encoded; NULL: there is none */
    const struct setting *redirect;
};

/*
 * Of one path the last that was added counts: within an archive, as tar has it, and among archives
 * and pages.
 */

/* Put a copy of `resource` under this path, at most UINT16_MAX bytes. False without memory. */
bool site_add(unsigned site, const char *path, size_t bytes, const struct resource *resource);
/* To the default site. */
void site_add_page(const char *path, const char *type, void (*write_page)(struct text *text));
void site_add_stream(const char *path, const char *type, stream_begin begin);

/* NULL when there is nothing of this path. */
struct resource *site_find_in(unsigned site, const char *path, size_t bytes);
/* In the default site. */
struct resource *site_find(const char *path, size_t bytes);

/* All of a site's resources in the order of their paths, to be freed. NULL if there are none, and
 * without memory: *count is how many there are all the same. */
struct resource **site_list(unsigned site, size_t *count);

/* From here on no resource is plain: which site is meant has to be found out by the host. */
void site_have_hosts(void);
bool site_has_hosts(void);
