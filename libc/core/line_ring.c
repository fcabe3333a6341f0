/* SPDX-License-Identifier: MIT */
/*
 * Lines in a ring of text: see line_ring.h. Whatever stands in the ring, no byte outside it is
 * touched.
 */
#include "libc/core/line_ring.h"

#include "libc/core/assert.h"

static char *byte_at(struct line_ring ring, uint32_t position)
{
    char *text = ring.text;

    return text + (position & (ring.bytes - 1));
}

static uint32_t readable_bytes(struct line_ring ring)
{
    return ring.bytes - LINE_RING_MARGIN_BYTES;
}

bool line_ring_is_overwritten(struct line_ring ring, uint32_t written, uint32_t position)
{
    return written - position > readable_bytes(ring);
}

/*
 * Starts of unread lines among the bytes that go out of a reader's reach with the next line. A
 * line starts behind a newline, the first one of all behind the zeros of an unused ring.
 */
static unsigned count_lines_lost(struct line_ring ring, uint32_t written, size_t length_bytes,
                                 uint32_t read)
{
    unsigned lost = 0;

    for (uint32_t i = 0; i < length_bytes; i++) {
        uint32_t position = written - readable_bytes(ring) + i;
        char before = *byte_at(ring, position - 1);

        if (position - read < written - read && (before == '\n' || before == '\0')) {
            lost++;
        }
    }
    return lost;
}

unsigned line_ring_write(struct line_ring ring, uint32_t written, const char *line,
                         size_t length_bytes, uint32_t read)
{
    CORE_ASSERT(length_bytes <= LINE_RING_MARGIN_BYTES);
    unsigned lost = count_lines_lost(ring, written, length_bytes, read);

    for (uint32_t i = 0; i < length_bytes; i++) {
        *byte_at(ring, written + i) = line[i];
    }
    return lost;
}

size_t line_ring_read(struct line_ring ring, uint32_t written, uint32_t *position, char *line,
                      size_t size)
{
    uint32_t next = *position;
    size_t length = 0;

    if (line_ring_is_overwritten(ring, written, next)) {
        /* Perhaps in the middle of a line: on behind the next newline, which may be the byte just
         * before. */
        next = written - readable_bytes(ring) - 1;
        while (next != written && *byte_at(ring, next) != '\n') {
            next++;
        }
        next += next != written;
    }
    while (next != written && length < size) {
        char character = *byte_at(ring, next++);

        line[length++] = character;
        if (character == '\n') {
            break;
        }
    }
    *position = next;
    return length;
}
