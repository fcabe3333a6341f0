/* SPDX-License-Identifier: MIT */
/*
 * Reads a tar archive in memory: ustar (POSIX.1-1988), pax headers (POSIX.1-2001) for path, size
 * and mtime, and GNU's long names. The archive is input from outside: every number in it is
 * checked, nothing outside it is read, and a broken one ends the reading with an error.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define TAR_NAME_MAX_BYTES   4096
#define TAR_USTAR_NAME_BYTES (155 + 1 + 100)

enum tar_type {
    TAR_FILE,
    TAR_FOLDER,
    TAR_OTHER, /* links, devices: named, without content */
};

struct tar_entry {
    enum tar_type type;
    const char *name; /* not zero-terminated; valid until the next call */
    size_t name_bytes;
    const uint8_t *content; /* in the archive */
    size_t content_bytes;
    int64_t mtime_s; /* since 1970 */
};

struct tar_reader {
    const uint8_t *at;
    const uint8_t *end;
    char joined_name[TAR_USTAR_NAME_BYTES];
};

void tar_open(struct tar_reader *reader, const void *archive, size_t bytes);
/* Returns 1 with the next entry, 0 at the end, or -EINVAL: what follows cannot be trusted. */
int tar_next(struct tar_reader *reader, struct tar_entry *entry);
