/* SPDX-License-Identifier: MIT */
/*
 * A ring of text, line by line, that its writer never waits with: the newest lines overwrite the
 * oldest. Byte numbers run freely in 32 bits; `written` is how many have been written so far. How a
 * reader sees the text and that number is the caller's affair.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a writer may be changing behind `written` while somebody reads: one line, chosen well above
 * the longest. The rest of the ring can be read. */
#define LINE_RING_MARGIN_BYTES 1024u

/* `bytes` is a power of two above LINE_RING_MARGIN_BYTES. */
struct line_ring {
    char *text;
    uint32_t bytes;
};

/*
 * Write a whole line, of at most LINE_RING_MARGIN_BYTES, behind byte `written`. Returns how many
 * lines a reader who has come to byte `read` can no longer reach.
 */
unsigned line_ring_write(struct line_ring ring, uint32_t written, const char *line,
                         size_t length_bytes, uint32_t read);
/*
 * Copy one line with its newline, of what fits `size` bytes, starting at byte *position, which
 * moves behind it; lines that were overwritten are passed over. Returns its length, 0 when there is
 * none. Believe it only if line_ring_is_overwritten() is false for where it began with a `written`
 * read afterwards: *position minus the length.
 */
size_t line_ring_read(struct line_ring ring, uint32_t written, uint32_t *position, char *line,
                      size_t size);
/* Whether the bytes from `position` on may be overwritten when so many have been written. */
bool line_ring_is_overwritten(struct line_ring ring, uint32_t written, uint32_t position);
