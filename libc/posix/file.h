/* SPDX-License-Identifier: MIT */
/*
 * Open files for other calls; and files whose text is written when they are opened, and does not
 * change afterwards. Whoever has one to show adds it to the set `generated_files`.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "libc/core/linker_set.h"

struct generated_file {
    const char *path; /* "/proc/..." */
    /* Returns the length that the whole text has; writes at most size - 1 bytes of it and a zero,
     * nothing if size is 0. */
    size_t (*print)(char *text, size_t size);
};

LINKER_SET_DECLARE(generated_files, struct generated_file);

/* What is left of an open file, from *offset or, if that is NULL, from its own position on; until
 * the file is closed. Returns 0; -EBADF; -EINVAL: it is no file, or the offset is negative. */
struct file_place {
    const uint8_t *content;
    size_t bytes;
};
int file_find_place(int fd, const off_t *offset, struct file_place *place);
/* So many bytes of it were used: *offset is moved on, or the file's own position. */
void file_advance(int fd, off_t *offset, size_t bytes);

#define GENERATED_FILE(file) LINKER_SET_ADD(generated_files, struct generated_file, file)
