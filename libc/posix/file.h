/* SPDX-License-Identifier: MIT */
/*
 * Files whose text is written when they are opened, and does not change afterwards. Whoever has one
 * to show adds it to the set `generated_files`.
 */
#pragma once

#include <stddef.h>

#include "libc/core/linker_set.h"

struct generated_file {
    const char *path; /* "/proc/..." */
    /* Returns the length that the whole text has; writes at most size - 1 bytes of it and a zero,
     * nothing if size is 0. */
    size_t (*print)(char *text, size_t size);
};

LINKER_SET_DECLARE(generated_files, struct generated_file);

#define GENERATED_FILE(file) LINKER_SET_ADD(generated_files, struct generated_file, file)
