/* SPDX-License-Identifier: MIT */
/*
 * The ring of a capture.
 */
#include "net/link/capture_ring.h"

#include <string.h>

#include "kernel/platform.h"

void capture_ring_initialise(struct capture_ring *ring, void *memory, uint64_t byte_count)
{
    ASSERT(IS_POWER_OF_TWO(byte_count) && byte_count > CAPTURE_BYTES_PER_ENTRY);
    *ring = (struct capture_ring){
        .bytes = memory,
        .byte_count = byte_count,
        .entries = (struct capture_entry *)((uint8_t *)memory + byte_count),
        .entry_count = byte_count / CAPTURE_BYTES_PER_ENTRY,
    };
}

static struct capture_entry *entry_at(const struct capture_ring *ring, uint64_t number)
{
    return &ring->entries[number & (ring->entry_count - 1)];
}

/* Push out what lies where so many bytes more shall be. */
static void make_room(struct capture_ring *ring, uint16_t bytes)
{
    while (ring->first != ring->next &&
           (ring->next - ring->first == ring->entry_count ||
            ring->end + bytes - entry_at(ring, ring->first)->position > ring->byte_count)) {
        ring->first++;
    }
}

static void write_bytes(struct capture_ring *ring, const uint8_t *from, size_t bytes)
{
    size_t at = ring->end & (ring->byte_count - 1);
    size_t before_wrap = ring->byte_count - at < bytes ? ring->byte_count - at : bytes;

    memcpy(ring->bytes + at, from, before_wrap);
    memcpy(ring->bytes, from + before_wrap, bytes - before_wrap);
    ring->end += bytes;
}

void capture_ring_add(struct capture_ring *ring, uint64_t time_ns, unsigned direction,
                      uint32_t original_bytes, uint16_t captured_bytes,
                      const struct frame_fragment *fragments, unsigned fragment_count)
{
    size_t left_bytes = captured_bytes;

    ASSERT_SLOW(captured_bytes <= original_bytes && captured_bytes < ring->byte_count);
    make_room(ring, captured_bytes);
    *entry_at(ring, ring->next) = (struct capture_entry){
        .time_ns = time_ns,
        .position = ring->end,
        .original_bytes = original_bytes,
        .captured_bytes = captured_bytes,
        .direction = (uint8_t)direction,
    };
    for (unsigned i = 0; i < fragment_count && left_bytes != 0; i++) {
        size_t bytes =
            fragments[i].length_bytes < left_bytes ? fragments[i].length_bytes : left_bytes;

        write_bytes(ring, fragments[i].data, bytes);
        left_bytes -= bytes;
    }
    ASSERT_SLOW(left_bytes == 0);
    ring->next++;
}

void capture_ring_take_back(struct capture_ring *ring)
{
    ASSERT(ring->first != ring->next);
    ring->next--;
    ring->end = entry_at(ring, ring->next)->position;
}

const struct capture_entry *capture_ring_find(const struct capture_ring *ring, uint64_t number)
{
    return number >= ring->first && number < ring->next ? entry_at(ring, number) : NULL;
}

void capture_ring_copy(const struct capture_ring *ring, const struct capture_entry *entry,
                       uint8_t *to, size_t bytes)
{
    size_t at = entry->position & (ring->byte_count - 1);
    size_t before_wrap = ring->byte_count - at < bytes ? ring->byte_count - at : bytes;

    ASSERT_SLOW(bytes <= entry->captured_bytes);
    memcpy(to, ring->bytes + at, before_wrap);
    memcpy(to + before_wrap, ring->bytes, bytes - before_wrap);
}
