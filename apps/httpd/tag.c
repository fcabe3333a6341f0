/* SPDX-License-Identifier: MIT */
/*
 * Hashing content.
 */
#include "apps/httpd/tag.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "apps/httpd/check.h"

/* So much is read between two chances for others to run. Chosen: a fraction of a millisecond. */
#define SLICE_BYTES 262144u

/* Of `slice` further on. */
static uint64_t hash_slice(uint64_t hash, const uint8_t *slice, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += sizeof(uint64_t)) {
        size_t left = bytes - i;
        uint64_t word = 0;
        memcpy(&word, slice + i, left < sizeof(word) ? left : sizeof(word));
        hash = tag_mix(hash, word);
    }
    return hash;
}

uint64_t tag_of_content(const uint8_t *content, size_t bytes)
{
    static size_t since_pause_bytes;
    uint64_t hash = tag_mix(0, bytes);

    while (bytes > 0) {
        size_t slice_bytes = bytes < SLICE_BYTES ? bytes : SLICE_BYTES;
        hash = hash_slice(hash, content, slice_bytes);
        content += slice_bytes;
        bytes -= slice_bytes;
        since_pause_bytes += slice_bytes;
        if (since_pause_bytes >= SLICE_BYTES) {
            since_pause_bytes = 0;
            (void)poll(NULL, 0, 0); /* where threads do not interrupt each other, others run now */
        }
    }
    return hash;
}

void tag_print(uint64_t tag, char text[TAG_TEXT_BYTES])
{
    int bytes = snprintf(text, TAG_TEXT_BYTES, "\"%016llx\"", (unsigned long long)tag);

    assert(bytes == TAG_TEXT_BYTES - 1);
    (void)bytes;
}
