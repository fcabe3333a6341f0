/* SPDX-License-Identifier: MIT */
/* sources: libc/core/tar.c */
/*
 * The input is a tar archive: each entry lies in it, and the reading ends. Half of the inputs
 * have their headers' checksums made right first, so that what stands behind them is reached.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libc/core/tar.h"
#include "tests/fuzz/fuzzer.h"

#define BLOCK           512u
#define CHECKSUM_OFFSET 148u

/* Each block that could be a header becomes one whose sum is right. */
static void seal_blocks(uint8_t *archive, size_t bytes)
{
    for (size_t at = 0; at + BLOCK <= bytes; at += BLOCK) {
        uint8_t *field = archive + at + CHECKSUM_OFFSET;
        unsigned sum = 0;

        memset(field, ' ', 8);
        for (unsigned i = 0; i < BLOCK; i++) {
            sum += archive[at + i];
        }
        for (unsigned i = 0; i < 6; i++) {
            field[5 - i] = (uint8_t)('0' + (sum >> 3 * i & 7));
        }
        field[6] = '\0';
    }
}

/* Whether all of it can be read: the sanitizers look. */
static unsigned add_up(const void *start, size_t bytes)
{
    unsigned sum = 0;

    for (size_t i = 0; i < bytes; i++) {
        sum += ((const uint8_t *)start)[i];
    }
    return sum;
}

void fuzz_one(const uint8_t *input, size_t bytes)
{
    bool is_sealed = bytes > 0 && (input[0] & 1) != 0;
    size_t archive_bytes = bytes > 0 ? bytes - 1 : 0;
    uint8_t *archive = malloc(archive_bytes + 1);
    static unsigned sum;
    struct tar_reader reader;
    struct tar_entry entry;
    size_t count = 0;
    int result;

    FUZZ_CHECK(archive != NULL);
    /* The archive ends where its allocation does. */
    uint8_t *start = archive + 1;
    if (archive_bytes > 0) {
        memcpy(start, input + 1, archive_bytes);
    }
    if (is_sealed) {
        seal_blocks(start, archive_bytes);
    }
    tar_open(&reader, start, archive_bytes);
    while ((result = tar_next(&reader, &entry)) == 1) {
        FUZZ_CHECK(++count <= archive_bytes / BLOCK);
        FUZZ_CHECK(entry.name_bytes <= TAR_NAME_MAX_BYTES);
        FUZZ_CHECK(entry.content_bytes == 0 ||
                   (entry.content >= start &&
                    entry.content_bytes <= (size_t)(start + archive_bytes - entry.content)));
        sum += add_up(entry.name, entry.name_bytes) + add_up(entry.content, entry.content_bytes);
    }
    FUZZ_CHECK(result == 0 || result == -EINVAL);
    free(archive);
    FUZZ_CHECK(fuzz_block_count() == 0);
}
