/* SPDX-License-Identifier: MIT */
/* sources: apps/httpd/site.c apps/httpd/archive.c apps/httpd/tag.c apps/httpd/encoding.c apps/httpd/settings.c */
/* sources: apps/httpd/settings_lookup.c apps/httpd/rules.c apps/httpd/listing.c apps/httpd/mime.c libc/core/tar.c */
/* sources: apps/httpd/text.c apps/httpd/date.c apps/httpd/authority.c apps/httpd/path.c apps/httpd/header.c */
/*
 * Tar archives for unit tests: see http_archive.h.
 */
#include "tests/unit/world/http_archive.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "apps/httpd/archive.h"

#define BLOCK 512u

static uint8_t archive[512 * 1024];
static size_t archive_bytes;

void add_file(const char *name, const char *content, size_t bytes)
{
    uint8_t *header = archive + archive_bytes;
    unsigned sum = 0;

    assert_true(archive_bytes + BLOCK + bytes + 3 * BLOCK <= sizeof(archive));
    memset(header, 0, BLOCK + bytes + BLOCK);
    memcpy(header, name, strlen(name));
    sprintf((char *)header + 124, "%011zo", bytes);
    sprintf((char *)header + 136, "%011o", 784111777u);
    memset(header + 148, ' ', 8);
    header[156] = name[strlen(name) - 1] == '/' ? '5' : '0';
    memcpy(header + 257, "ustar\00000", 8);
    for (size_t i = 0; i < BLOCK; i++) {
        sum += header[i];
    }
    sprintf((char *)header + 148, "%06o", sum);
    memcpy(header + BLOCK, content, bytes);
    archive_bytes += BLOCK + (bytes + BLOCK - 1) / BLOCK * BLOCK;
}

void add_text(const char *name, const char *content)
{
    add_file(name, content, strlen(content));
}

static int finish(int (*add)(const char *file_name))
{
    char name[] = "/tmp/test_http_files.XXXXXX";
    int fd = mkstemp(name);

    assert_true(fd >= 0);
    memset(archive + archive_bytes, 0, 2 * BLOCK);
    assert_int_equal(write(fd, archive, archive_bytes + 2 * BLOCK), archive_bytes + 2 * BLOCK);
    close(fd);
    archive_bytes = 0;
    int count = add(name);

    unlink(name);
    return count;
}

int finish_archive(void)
{
    return finish(archive_add);
}

int finish_root(void)
{
    return finish(archive_add_root);
}
