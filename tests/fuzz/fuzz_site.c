/* SPDX-License-Identifier: MIT */
/* sources: apps/httpd/request.c apps/httpd/conditions.c apps/httpd/ranges.c apps/httpd/response.c */
/* sources: apps/httpd/multipart.c apps/httpd/site.c apps/httpd/archive.c apps/httpd/tag.c apps/httpd/encoding.c */
/* sources: apps/httpd/settings.c apps/httpd/settings_lookup.c apps/httpd/rules.c apps/httpd/listing.c */
/* sources: apps/httpd/mime.c libc/core/tar.c apps/httpd/text.c apps/httpd/date.c apps/httpd/authority.c */
/* sources: apps/httpd/path.c apps/httpd/header.c */
/* flags: -D_GNU_SOURCE -Dopen=fake_open -Dfstat=fake_fstat -Dmmap=fake_mmap -Dclose=fake_close -Dfprintf=fake_fprintf */
/* library: llhttp */
/*
 * The input is an httpd.cfg, behind two bytes with its length, and then one request. The site has
 * the same files each time. Whatever the file says, a host has only what is its own, nobody gets
 * the file itself, and what is answered is a header and content as HTTP wants them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "apps/httpd/archive.h"
#include "apps/httpd/multipart.h"
#include "apps/httpd/request.h"
#include "apps/httpd/response.h"
#include "apps/httpd/settings.h"
#include "apps/httpd/site.h"
#include "tests/fuzz/fuzzer.h"

#define ARCHIVE_FD     9
#define BLOCK          512u
#define NOW_S          784111777
#define SETTINGS_BYTES 4096u
#define BIG_BYTES      3000u
#define PATH           "/httpd.cfg"

/* --- The archive --- */

static char archive[32 * BLOCK + SETTINGS_BYTES];
static size_t archive_bytes;

static struct {
    const char *path;
    const uint8_t *content;
} files[16];
static unsigned file_count;

int fake_open(const char *name, int flags, ...)
{
    (void)name;
    (void)flags;
    return ARCHIVE_FD;
}

int fake_close(int fd)
{
    FUZZ_CHECK(fd == ARCHIVE_FD);
    return 0;
}

int fake_fstat(int fd, struct stat *status)
{
    FUZZ_CHECK(fd == ARCHIVE_FD);
    status->st_size = (off_t)archive_bytes;
    return 0;
}

void *fake_mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    (void)address;
    (void)protection;
    (void)flags;
    FUZZ_CHECK(fd == ARCHIVE_FD && bytes == archive_bytes && offset == 0);
    return archive;
}

int fake_fprintf(FILE *file, const char *format, ...)
{
    (void)format;
    FUZZ_CHECK(file == stderr);
    return 0;
}

static void add_file(const char *path, const void *content, size_t bytes)
{
    char *header = archive + archive_bytes;
    unsigned sum = 0;

    FUZZ_CHECK(archive_bytes + 3 * BLOCK + bytes <= sizeof(archive) && file_count < 16);
    strcpy(header, path + 1);
    sprintf(header + 124, "%011zo", bytes);
    sprintf(header + 136, "%011o", (unsigned)NOW_S);
    memset(header + 148, ' ', 8);
    header[156] = '0';
    memcpy(header + 257, "ustar\00000", 8);
    for (size_t i = 0; i < BLOCK; i++) {
        sum += (uint8_t)header[i];
    }
    sprintf(header + 148, "%06o", sum);
    memcpy(header + BLOCK, content, bytes);
    files[file_count].path = path;
    files[file_count++].content = (const uint8_t *)header + BLOCK;
    archive_bytes += BLOCK + (bytes + BLOCK - 1) / BLOCK * BLOCK;
}

static void make_archive(const uint8_t *settings, size_t bytes)
{
    static char big[BIG_BYTES];

    memset(big, 'b', sizeof(big));
    add_file("/index.html", "<h1>root</h1>", 13);
    add_file("/404.html", "own", 3);
    add_file("/x.css", "p { color: red }", 16);
    add_file("/x.css.gz", "gz", 2);
    add_file("/x.css.br", "b", 1);
    add_file("/big", big, sizeof(big));
    add_file("/a/index.html", "a", 1);
    add_file("/a/b/x", "ab", 2);
    add_file("/a/b/" PATH, "of a folder", 11);
    add_file("/a b/c", "c", 1);
    add_file(PATH, settings, bytes);
}

/* --- What has to be true --- */

/* No file is in a site but the one that its path belongs to, and none has the file's own name. */
static void check_sites(const uint8_t *text, size_t bytes)
{
    struct settings settings;
    size_t count, prefix;

    FUZZ_CHECK(settings_read(&settings, text, bytes) == 0);
    FUZZ_CHECK(settings.site_count >= 1 && settings.site_count <= SITE_MAX);
    for (unsigned site = 0; site < settings.site_count; site++) {
        struct resource **list = site_list(site, &count);

        for (size_t i = 0; i < count; i++) {
            FUZZ_CHECK(list[i]->kind == RESOURCE_MOVED ||
                       strncmp(list[i]->path, PATH, strlen(PATH)) != 0);
            for (unsigned k = 0; k < file_count; k++) {
                if (list[i]->kind == RESOURCE_FILE && list[i]->content == files[k].content) {
                    FUZZ_CHECK(settings_site_of(&settings, files[k].path, strlen(files[k].path),
                                                &prefix) == site);
                }
            }
        }
        free(list);
    }
    settings_release(&settings);
}

/* A status line and lines "Name: value", of printable characters, and one empty line. Returns the
 * bytes up to its end. */
static size_t check_head(const struct response *response, size_t *content_bytes)
{
    const char *at = response->head;
    const char *end = at + response->head_bytes;
    unsigned lengths = 0;

    FUZZ_CHECK(response->head_bytes > 13 && memcmp(at, "HTTP/1.1 ", 9) == 0);
    for (unsigned line = 0;; line++) {
        const char *line_end = memmem(at, (size_t)(end - at), "\r\n", 2);

        FUZZ_CHECK(line_end != NULL);
        for (const char *byte = at; byte < line_end; byte++) {
            FUZZ_CHECK((uint8_t)*byte >= ' ' && *byte != 0x7F);
        }
        if (line_end == at) {
            break;
        }
        if (line > 0) {
            const char *colon = memchr(at, ':', (size_t)(line_end - at));
            FUZZ_CHECK(colon != NULL && colon > at && colon[1] == ' ');
        }
        if (line_end - at > 16 && strncasecmp(at, "Content-Length: ", 16) == 0) {
            *content_bytes = strtoul(at + 16, NULL, 10);
            lengths++;
        }
        at = line_end + 2;
    }
    FUZZ_CHECK(lengths <= 1);
    if (lengths == 0) {
        FUZZ_CHECK(response->status == 204 || response->status == 304);
        *content_bytes = 0;
    }
    return (size_t)(at + 2 - response->head);
}

static void check_response(struct response *response, bool is_head)
{
    struct iovec pieces[MULTIPART_PIECES_MAX];
    size_t content_bytes;
    size_t head_bytes = check_head(response, &content_bytes);
    size_t sent_bytes = response->head_bytes - head_bytes + response->body_bytes;

    FUZZ_CHECK(sent_bytes == (is_head ? 0 : content_bytes));
    if (multipart_is(response)) {
        size_t bytes = 0;

        for (unsigned i = multipart_pieces(response, pieces); i-- > 0;) {
            bytes += pieces[i].iov_len;
        }
        FUZZ_CHECK(bytes == response->head_bytes + response->body_bytes);
    }
}

static void ask(const uint8_t *text, size_t bytes)
{
    static char copy[REQUEST_HEAD_MAX_BYTES];
    struct request request;
    struct response response;
    size_t consumed;

    if (bytes > sizeof(copy)) {
        return;
    }
    memcpy(copy, text, bytes);
    request_initialise(&request);
    if (bytes == 0 || request_parse(&request, copy, copy, bytes, &consumed) != REQUEST_COMPLETE) {
        return;
    }
    bool is_head = request.method == HTTP_HEAD;
    struct resource *file = response_make(&response, &request, copy, PERSIST_SILENTLY);
    check_response(&response, is_head);
    free(response.owned);
    if (file != NULL) { /* the same request is known from here on */
        FUZZ_CHECK(file->kind == RESOURCE_FILE && !is_head && response.status == 200);
        response_make_file(&response, file, PERSIST_SILENTLY);
        check_response(&response, false);
    }
}

void fuzz_one(const uint8_t *bytes, size_t count)
{
    struct fuzz_input input = {.at = bytes, .left = count};
    size_t settings_bytes;
    const uint8_t *settings =
        fuzz_take_bytes(&input, fuzz_take16(&input) % (SETTINGS_BYTES + 1), &settings_bytes);

    make_archive(settings, settings_bytes);
    response_set_time(NOW_S);
    FUZZ_CHECK(archive_add_root("archive") >= 0);
    check_sites(settings, settings_bytes);
    ask(input.at, input.left);
}
