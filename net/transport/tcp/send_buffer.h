/* SPDX-License-Identifier: MIT */
/*
 * Buffers of bytes that are to be sent, with a count of who holds them: references of a queue, and
 * frames that the card has not read yet. One is used again when nobody holds it.
 *
 * They have two sizes, since a frame or reference keeps the whole of one, however little it
 * carries: small ones for the heads of responses, large ones for streams of bytes.
 *
 * What is sent of a program's memory lies there, and its buffer is but the count of who holds the
 * snapshot.
 */
#pragma once

#include "kernel/base.h"
#include "kernel/platform.h"
#include "libc/core/pool.h"

/* With the struct. Chosen: heads of responses have 200 to 300 bytes. */
#define SEND_BUFFER_SMALL_BYTES 512u
#define SEND_BUFFER_LARGE_BYTES 2048u

/* For a segment's headers in front of the bytes: those of Ethernet, IPv4 and TCP without options,
 * and what makes the bytes begin at a word. */
#define SEND_BUFFER_HEADROOM_BYTES 56u

struct snapshot;

/* The bytes follow, unless it is a snapshot's. */
struct send_buffer {
    struct pool_object place;
    uint16_t holder_count; /* a reference for each byte, and a frame for each block, at most */
    bool is_leading;       /* the card reads headers in the headroom */
    uint16_t room_bytes;   /* all of it: tells its size */
    uint16_t used_bytes;   /* from its start on */
    uint8_t headroom[SEND_BUFFER_HEADROOM_BYTES];
};

/* Of either size. */
#define SEND_BUFFER_LEAST_ROOM (SEND_BUFFER_SMALL_BYTES - sizeof(struct send_buffer))

static inline uint8_t *send_buffer_bytes(struct send_buffer *buffer)
{
    return (uint8_t *)(buffer + 1);
}

/* For so many bytes, or some of them: its room tells. Where one size has run out it is of the
 * other. NULL without memory. The caller holds it. */
struct send_buffer *send_buffer_take(uint32_t length_bytes);
/* The same, in line in its caller. */
struct send_buffer *send_buffer_take_inline(uint32_t length_bytes);

/* One for this snapshot, which goes with it. NULL without memory: the snapshot stays the caller's.
 */
struct send_buffer *send_buffer_of_snapshot(struct snapshot *snapshot);
struct snapshot *send_buffer_snapshot(const struct send_buffer *buffer);

static inline void send_buffer_hold(struct send_buffer *buffer)
{
    ASSERT_SLOW(buffer->holder_count > 0 && buffer->holder_count < UINT16_MAX);
    buffer->holder_count++;
}

void send_buffer_give_back(struct send_buffer *buffer);

static inline void send_buffer_release(struct send_buffer *buffer)
{
    ASSERT_SLOW(buffer->holder_count > 0);
    if (--buffer->holder_count == 0) {
        send_buffer_give_back(buffer);
    }
}

/* Whether a frame may begin in the headroom and go on with these bytes: they are the first, and
 * no frame does so that the card has not read. */
static inline bool send_buffer_may_lead(const struct send_buffer *buffer, const uint8_t *bytes)
{
    return bytes == (const uint8_t *)(buffer + 1) && !buffer->is_leading;
}

/* A frame does, and holds the buffer until the card has read it. */
static inline void send_buffer_lead(struct send_buffer *buffer)
{
    buffer->is_leading = true;
    send_buffer_hold(buffer);
}

static inline void send_buffer_end_leading(struct send_buffer *buffer)
{
    ASSERT_SLOW(buffer->is_leading);
    buffer->is_leading = false;
    send_buffer_release(buffer);
}

/* None is left. */
bool send_buffer_is_exhausted(void);
/* More than half of the large ones are in use. */
bool send_buffer_is_scarce(void);
uint64_t send_buffer_memory_bytes(void);
void send_buffer_initialise(uint64_t small_memory_bytes, uint64_t large_memory_bytes);
/* The most objects of a pool that so much memory has; at least a chunk of them. */
uint32_t send_buffer_pool_max(const struct pool *pool, uint64_t memory_bytes);
