/* SPDX-License-Identifier: MIT */
/*
 * A ring of recorded frames on one node, which writes and reads it: the newest push the oldest out.
 * Frames are numbered from 0 on; what they are stands in a table beside their bytes, so that a
 * number, which comes from outside, is all that finds one. No clock, no card and no message here.
 */
#pragma once

#include "drivers/nic/frame.h"
#include "kernel/base.h"

struct capture_entry {
    uint64_t time_ns;
    uint64_t position; /* of its first byte, counted freely */
    uint32_t original_bytes;
    uint16_t captured_bytes;
    uint8_t direction; /* CAPTURE_IN or CAPTURE_OUT */
    uint8_t reserved;
};

struct capture_ring {
    struct capture_entry *entries; /* number n at n modulo their count */
    uint8_t *bytes;                /* position p at p modulo their count */
    uint64_t entry_count;          /* both are powers of two */
    uint64_t byte_count;
    uint64_t first, next; /* numbers: of the oldest that is there, and of the one to come */
    uint64_t end;         /* behind the last byte */
};

/* A table's entry for so many bytes. Chosen: between an acknowledgement and a full frame. */
#define CAPTURE_BYTES_PER_ENTRY 128u
/* What a ring with room for so many bytes of frames, a power of two, takes of memory. */
#define CAPTURE_RING_MEMORY_BYTES(byte_count)                                                      \
    ((byte_count) + (byte_count) / CAPTURE_BYTES_PER_ENTRY * sizeof(struct capture_entry))

/* `memory` is of that size, aligned to 8. */
void capture_ring_initialise(struct capture_ring *ring, void *memory, uint64_t byte_count);

/* What a frame consists of, in order; the first `captured_bytes` are kept, at most UINT16_MAX and
 * less than the ring. Times never go back. */
void capture_ring_add(struct capture_ring *ring, uint64_t time_ns, unsigned direction,
                      uint32_t original_bytes, uint16_t captured_bytes,
                      const struct frame_fragment *fragments, unsigned fragment_count);
/* As if the last one had not been added; what it has pushed out stays out. */
void capture_ring_take_back(struct capture_ring *ring);

/* NULL when that number is not there (any more). */
const struct capture_entry *capture_ring_find(const struct capture_ring *ring, uint64_t number);
/* The first `bytes` of a frame that is there, at most captured_bytes. */
void capture_ring_copy(const struct capture_ring *ring, const struct capture_entry *entry,
                       uint8_t *to, size_t bytes);
