/* SPDX-License-Identifier: MIT */
/*
 * What a connection has to send and what is not acknowledged, in order: references to bytes, of the
 * boot archive or of buffers of ours, which are sent from where they lie, as often as needed. A
 * buffer is used again when neither a reference nor a frame on its way holds it. FIN is part of the
 * last reference, or is one of its own without bytes.
 *
 * A reference is one piece for loss recovery, too: it was sent as a whole, at one time, perhaps in
 * one frame with its neighbours, and is acknowledged, selectively acknowledged or lost as a whole.
 * It is split where that is not so: where sending stops, and at the edges of what the peer says.
 */
#pragma once

#include "kernel/base.h"
#include "libc/core/pool.h"

struct tcb;
struct send_buffer;

enum {
    REFERENCE_SACKED = 1 << 0,        /* the peer has it (RFC 2018) */
    REFERENCE_LOST = 1 << 1,          /* presumed lost, and not sent again since */
    REFERENCE_RETRANSMITTED = 1 << 2, /* sent more than once, the last time not lost yet */
    REFERENCE_FIN = 1 << 3,           /* a FIN behind its bytes: the last one's only */
};

struct reference {
    union {
        struct pool_object place; /* queue.c's */
        struct reference *next;   /* in the pool's link, which it needs only of free ones */
    };
    const uint8_t *bytes;       /* in the buffer; or where a snapshot has them */
    struct send_buffer *buffer; /* NULL: the boot archive's, which stay */
    uint32_t sequence;
    uint32_t length_bytes;
    uint32_t sent_us; /* last */
    uint8_t flags;
    uint8_t sent_count; /* 0: not yet. Stays at 255 */
};

/* The sequence number behind it. */
static inline uint32_t reference_end(const struct reference *reference)
{
    return reference->sequence + reference->length_bytes +
           ((reference->flags & REFERENCE_FIN) != 0);
}

/* Congestion windows that may be queued. Half of it is always there where an application waits for
 * the other half to be free; while a hole is being filled two windows lie behind it, the first of
 * them SACKed. */
#define QUEUE_WINDOWS 4u

void queue_open(struct tcb *tcb, uint32_t sequence);

/* Append. Bytes of small calls share a buffer while it has room. False: no memory, or far more than
 * queue_room_bytes() has allowed; nothing is changed. */
MUST_CHECK bool queue_append_copy(struct tcb *tcb, const uint8_t *bytes, uint32_t length_bytes);
/* All of a snapshot, whose buffer this is: its references hold it, as the caller does. */
MUST_CHECK bool queue_append_snapshot(struct tcb *tcb, struct send_buffer *buffer);
MUST_CHECK bool queue_append_archive(struct tcb *tcb, const uint8_t *bytes, uint32_t length_bytes);
/* What the application may be told to write next: by congestion window and memory. 0: later, when
 * something is acknowledged. */
uint32_t queue_room_bytes(const struct tcb *tcb);
/* FIN behind all that is queued. False: no memory for a reference of its own; try again later. */
MUST_CHECK bool queue_append_fin(struct tcb *tcb);

/* What is unsent has been, up to this reference, which is not the first of it: snd_max and `unsent`
 * move. It was split there beforehand (queue_split()), so whole references are sent or not. */
void queue_note_sent(struct tcb *tcb, struct reference *end);
/* All that is queued has been. */
void queue_note_all_sent(struct tcb *tcb);
/* Move snd_una to `new_una`, which lies in (snd_una, snd_max], and give back what lies before it.
 * A reference that is acknowledged in part is cut at its front. */
void queue_release(struct tcb *tcb, uint32_t new_una);
/* The same of all that is queued, which was sent and is one reference. */
void queue_release_only(struct tcb *tcb);
/* The reference that begins at this number, which lies in the queue: split there if need be. NULL
 * without memory, or at the end of the queue. */
struct reference *queue_split(struct tcb *tcb, struct reference *from, uint32_t sequence);
/* All of it. Frames on their way keep their buffers. */
void queue_drop(struct tcb *tcb);

/* More than half of all buffers or references are in use. */
bool queue_is_scarce(void);
/* Bytes of memory in buffers and references, of all connections. */
uint64_t queue_memory_bytes(void);
/* So many in buffers there may be; and as many in references, if each counts so often. */
#define QUEUE_REFERENCE_WEIGHT 3u
uint64_t queue_memory_limit_bytes(void);

void queue_initialise(void);
