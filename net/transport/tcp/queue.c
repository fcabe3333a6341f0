/* SPDX-License-Identifier: MIT */
/*
 * The queue of a connection: see queue.h. References and buffers come from pools, whose sizes
 * together are a fixed part of the node's memory: what is not used for one connection is used for
 * the next, and what peers that do not read make us keep never takes the rest of the node.
 */
#include "net/transport/tcp/queue.h"

#include <string.h>

#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/snapshot.h"
#include "net/transport/tcp/send_buffer.h"
#include "net/transport/tcp/sequence.h"
#include "net/transport/tcp/tcb.h"

/* Of the node's memory, for all that is queued. Chosen: connections, and what is received, want
 * some, too. A quarter of it is references, and a quarter small buffers. */
#define QUEUE_PART_OF_MEMORY 8u

/* A connection may have at least so much queued while there is memory, and at most: twice its
 * congestion window, so that the application writes the next while one is under way. Chosen: 16 MiB
 * are 160 ms at 100 MB/s. */
#define QUEUE_LEAST_BYTES (64 * 1024u)
#define QUEUE_MOST_BYTES  (16 * 1024 * 1024u)

/* References of one connection: 4 KiB each where it has the most queued. Who writes byte by byte
 * gets no further. */
#define REFERENCES_MOST 4096u

_Static_assert(sizeof(struct reference) == 48, "several millions may be in use");
POOL(references, "tcp_reference", struct reference, POOL_CHUNK);
/* --- References --- */

/* Takes the caller's hold of the buffer, if it gets one. */
__attribute__((always_inline)) static inline struct reference *
make_reference(const uint8_t *bytes, struct send_buffer *buffer, uint32_t length_bytes)
{
    struct reference *reference = pool_take(&references);

    if (UNLIKELY(reference == NULL)) {
        return NULL;
    }
    reference->next = NULL;
    reference->bytes = bytes;
    reference->buffer = buffer;
    reference->length_bytes = length_bytes;
    reference->flags = 0;
    reference->sent_count = 0;
    return reference;
}

static inline void release_reference(struct reference *reference)
{
    struct send_buffer *buffer = reference->buffer;

    pool_release(&references, reference);
    if (buffer != NULL) {
        send_buffer_release(buffer);
    }
}

static void release_list(struct reference *reference)
{
    while (reference != NULL) {
        struct reference *next = reference->next;

        release_reference(reference);
        reference = next;
    }
}

static inline void link_last(struct tcb *tcb, struct reference *reference)
{
    reference->sequence = tcb->snd_end;
    tcb->snd_end = reference_end(reference);
    if (tcb->queue_tail == NULL) {
        tcb->queue_head = reference;
    } else {
        tcb->queue_tail->next = reference;
    }
    tcb->queue_tail = reference;
    if (tcb->unsent == NULL) {
        tcb->unsent = reference;
    }
    tcb->reference_count++;
}

/* The queue is empty. */
static inline void link_only(struct tcb *tcb, struct reference *reference)
{
    ASSERT_SLOW(tcb->queue_head == NULL && tcb->reference_count == 0);
    reference->sequence = tcb->snd_end;
    tcb->snd_end += reference->length_bytes;
    tcb->queue_head = tcb->queue_tail = tcb->unsent = reference;
    tcb->reference_count = 1;
}

static void link_list(struct tcb *tcb, struct reference *reference)
{
    while (reference != NULL) {
        struct reference *next = reference->next;

        reference->next = NULL;
        link_last(tcb, reference);
        reference = next;
    }
}

void queue_open(struct tcb *tcb, uint32_t sequence)
{
    tcb->snd_una = sequence;
    tcb->snd_max = sequence;
    tcb->snd_end = sequence;
    tcb->has_fin = false;
    tcb->queue_head = NULL;
    tcb->queue_tail = NULL;
    tcb->unsent = NULL;
    tcb->reference_count = 0;
}

/* --- What may be queued --- */

static bool is_exhausted(void)
{
    return pool_is_exhausted(&references) || send_buffer_is_exhausted();
}

/* Those that have much queued get no more. */
bool queue_is_scarce(void)
{
    return references.kind.counts->objects > references.object_max / 2 || send_buffer_is_scarce();
}

uint32_t queue_room_bytes(const struct tcb *tcb)
{
    uint32_t queued_bytes = tcb->snd_end - tcb->snd_una;
    uint32_t most_bytes =
        tcb->cwnd < QUEUE_MOST_BYTES / QUEUE_WINDOWS ? QUEUE_WINDOWS * tcb->cwnd : QUEUE_MOST_BYTES;

    if (most_bytes < QUEUE_LEAST_BYTES || queue_is_scarce()) {
        most_bytes = QUEUE_LEAST_BYTES;
    }
    if (queued_bytes >= most_bytes || tcb->reference_count >= REFERENCES_MOST || is_exhausted()) {
        return 0;
    }
    return most_bytes - queued_bytes;
}

static bool may_append(const struct tcb *tcb, uint32_t length_bytes)
{
    ASSERT(!tcb->has_fin && length_bytes > 0);
    return length_bytes <= QUEUE_MOST_BYTES &&
           tcb->snd_end - tcb->snd_una <= QUEUE_MOST_BYTES - length_bytes &&
           tcb->reference_count < REFERENCES_MOST;
}

/* The last reference, if bytes behind its own become part of it: it has not been sent. */
static struct reference *extensible_tail(const struct tcb *tcb)
{
    return tcb->unsent != NULL ? tcb->queue_tail : NULL;
}

static void extend_tail(struct tcb *tcb, uint32_t length_bytes)
{
    tcb->queue_tail->length_bytes += length_bytes;
    tcb->snd_end += length_bytes;
}

/* --- Copies --- */

/* References to buffers of their own, filled. NULL without memory, or for nothing. */
static struct reference *copy_to_list(const uint8_t *bytes, uint32_t length_bytes)
{
    struct reference *list = NULL;
    struct reference **link = &list;

    while (length_bytes != 0) {
        struct send_buffer *buffer = send_buffer_take(length_bytes);
        struct reference *reference;
        uint32_t piece;

        if (UNLIKELY(buffer == NULL)) {
            goto give_back;
        }
        piece = length_bytes < buffer->room_bytes ? length_bytes : buffer->room_bytes;
        reference = make_reference(send_buffer_bytes(buffer), buffer, piece);
        if (UNLIKELY(reference == NULL)) {
            send_buffer_release(buffer);
            goto give_back;
        }
        memcpy(send_buffer_bytes(buffer), bytes, piece);
        buffer->used_bytes = (uint16_t)piece;
        *link = reference;
        link = &reference->next;
        bytes += piece;
        length_bytes -= piece;
    }
    return list;

give_back:
    release_list(list);
    return NULL;
}

/* How many of these bytes the buffer of the last reference takes: what is behind its bytes there
 * belongs to nobody else. Behind what is sent, all or none. */
static uint32_t room_in_tail(const struct tcb *tcb, uint32_t length_bytes)
{
    const struct reference *tail = tcb->queue_tail;
    uint32_t room_bytes;

    if (tail == NULL || tail->buffer == NULL) {
        return 0;
    }
    room_bytes = (uint32_t)tail->buffer->room_bytes - tail->buffer->used_bytes;
    if (room_bytes >= length_bytes) {
        return length_bytes;
    }
    return extensible_tail(tcb) != NULL ? room_bytes : 0;
}

/* Cannot fail for who has made sure of `another`, which the last reference needs if it is sent. */
static void fill_tail(struct tcb *tcb, const uint8_t *bytes, uint32_t length_bytes,
                      struct reference *another)
{
    struct send_buffer *buffer = tcb->queue_tail->buffer;
    uint8_t *place = send_buffer_bytes(buffer) + buffer->used_bytes;

    memcpy(place, bytes, length_bytes);
    buffer->used_bytes = (uint16_t)(buffer->used_bytes + length_bytes);
    if (another == NULL) {
        ASSERT_SLOW(tcb->queue_tail->bytes + tcb->queue_tail->length_bytes == place);
        extend_tail(tcb, length_bytes);
        return;
    }
    send_buffer_hold(buffer);
    another->bytes = place;
    another->buffer = buffer;
    link_last(tcb, another);
}

/* The common one: the head of a response, in a buffer of its own. */
static bool append_one(struct tcb *tcb, const uint8_t *bytes, uint32_t length_bytes)
{
    struct send_buffer *buffer = send_buffer_take_inline(length_bytes);
    struct reference *reference;

    if (UNLIKELY(buffer == NULL)) {
        return false;
    }
    reference = make_reference(send_buffer_bytes(buffer), buffer, length_bytes);
    if (UNLIKELY(reference == NULL)) {
        send_buffer_release(buffer);
        return false;
    }
    ASSERT_SLOW(length_bytes <= buffer->room_bytes);
    buffer->used_bytes = (uint16_t)length_bytes;
    memcpy(send_buffer_bytes(buffer), bytes, length_bytes);
    link_only(tcb, reference);
    return true;
}

/* In what room there is behind the last one, and in as many buffers as it needs. */
static bool append_many(struct tcb *tcb, const uint8_t *bytes, uint32_t length_bytes)
{
    uint32_t in_tail_bytes = room_in_tail(tcb, length_bytes);
    struct reference *list = NULL;
    struct reference *another = NULL;

    if (in_tail_bytes != 0 && extensible_tail(tcb) == NULL) {
        another = make_reference(NULL, NULL, in_tail_bytes);
        if (another == NULL) {
            return false;
        }
    }
    if (in_tail_bytes < length_bytes) {
        list = copy_to_list(bytes + in_tail_bytes, length_bytes - in_tail_bytes);
        if (list == NULL) {
            release_list(another);
            return false;
        }
    }
    if (in_tail_bytes != 0) {
        fill_tail(tcb, bytes, in_tail_bytes, another);
    }
    link_list(tcb, list);
    return true;
}

bool queue_append_copy(struct tcb *tcb, const uint8_t *bytes, uint32_t length_bytes)
{
    ASSERT_SLOW(!tcb->has_fin && length_bytes > 0);
    if (LIKELY(tcb->queue_tail == NULL && length_bytes <= SEND_BUFFER_LEAST_ROOM)) {
        return append_one(tcb, bytes, length_bytes);
    }
    return may_append(tcb, length_bytes) && append_many(tcb, bytes, length_bytes);
}

/* --- Bytes of the archive --- */

bool queue_append_archive(struct tcb *tcb, const uint8_t *bytes, uint32_t length_bytes)
{
    const struct reference *tail = extensible_tail(tcb);
    struct reference *reference;

    ASSERT_SLOW((uintptr_t)bytes - (uintptr_t)platform_archive_start() + length_bytes <=
                platform_archive_bytes());
    if (!may_append(tcb, length_bytes)) {
        return false;
    }
    if (tail != NULL && tail->buffer == NULL && tail->bytes + tail->length_bytes == bytes) {
        extend_tail(tcb, length_bytes);
        return true;
    }
    reference = make_reference(bytes, NULL, length_bytes);
    if (UNLIKELY(reference == NULL)) {
        return false;
    }
    link_last(tcb, reference);
    return true;
}

/* --- A program's memory --- */

bool queue_append_snapshot(struct tcb *tcb, struct send_buffer *buffer)
{
    const struct snapshot *snapshot = send_buffer_snapshot(buffer);
    struct reference *list = NULL;
    struct reference **link = &list;

    if (!may_append(tcb, snapshot->bytes)) {
        return false;
    }
    for (uint32_t offset = 0; offset < snapshot->bytes;) {
        uint32_t run_bytes;
        const uint8_t *bytes = snapshot_run(snapshot, offset, &run_bytes);
        struct reference *reference = make_reference(bytes, buffer, run_bytes);

        if (UNLIKELY(reference == NULL)) {
            release_list(list);
            return false;
        }
        send_buffer_hold(buffer);
        *link = reference;
        link = &reference->next;
        offset += run_bytes;
    }
    link_list(tcb, list);
    return true;
}

bool queue_append_fin(struct tcb *tcb)
{
    struct reference *tail = extensible_tail(tcb);

    ASSERT(!tcb->has_fin);
    if (tail != NULL) {
        tail->flags |= REFERENCE_FIN;
        tcb->snd_end++;
    } else {
        tail = make_reference(NULL, NULL, 0);
        if (tail == NULL) {
            return false;
        }
        tail->flags = REFERENCE_FIN;
        link_last(tcb, tail);
    }
    tcb->has_fin = true;
    return true;
}

/* --- What is sent, and acknowledged --- */

void queue_note_all_sent(struct tcb *tcb)
{
    tcb->unsent = NULL;
    tcb->snd_max = tcb->snd_end;
}

void queue_note_sent(struct tcb *tcb, struct reference *end)
{
    ASSERT_SLOW(tcb->unsent != end);
    ASSERT_SLOW(end == NULL || sequence_is_after(end->sequence, tcb->snd_max));
    tcb->unsent = end;
    tcb->snd_max = end->sequence;
}

static void cut_front(struct reference *reference, uint32_t length_bytes)
{
    ASSERT_SLOW(length_bytes <= reference->length_bytes);
    reference->bytes += length_bytes;
    reference->sequence += length_bytes;
    reference->length_bytes -= length_bytes;
}

static void release_some(struct tcb *tcb, uint32_t new_una)
{
    struct reference *head = tcb->queue_head, *unsent = tcb->unsent;

    while (head != unsent && !sequence_is_after(reference_end(head), new_una)) {
        struct reference *next = head->next;

        release_reference(head);
        tcb->reference_count--;
        head = next;
    }
    tcb->queue_head = head;
    if (head == NULL) {
        tcb->queue_tail = NULL;
    } else if (head->sequence != new_una) {
        ASSERT(head != unsent);
        cut_front(head, new_una - head->sequence);
    }
}

inline __attribute__((always_inline)) void queue_release_only(struct tcb *tcb)
{
    struct reference *only = tcb->queue_head;

    ASSERT_SLOW(only == tcb->queue_tail && tcb->unsent == NULL && tcb->snd_max == tcb->snd_end);
    tcb->snd_una = tcb->snd_end;
    tcb->queue_head = tcb->queue_tail = NULL;
    tcb->reference_count = 0;
    release_reference(only);
}

void queue_release(struct tcb *tcb, uint32_t new_una)
{
    ASSERT(new_una - tcb->snd_una - 1 < tcb->snd_max - tcb->snd_una);
    if (tcb->reference_count == 1 && new_una == tcb->snd_end) {
        queue_release_only(tcb);
    } else {
        tcb->snd_una = new_una;
        release_some(tcb, new_una);
    }
}

/* The part from `sequence` on becomes a reference of its own, sent and marked as the first. */
static struct reference *split(struct tcb *tcb, struct reference *first, uint32_t sequence)
{
    uint32_t offset = sequence - first->sequence;
    struct reference *second =
        make_reference(first->bytes + offset, first->buffer, first->length_bytes - offset);

    if (second == NULL) {
        return NULL;
    }
    if (second->length_bytes == 0) {
        second->bytes = NULL; /* only the FIN */
        second->buffer = NULL;
    } else if (second->buffer != NULL) {
        send_buffer_hold(second->buffer);
    }
    second->sequence = sequence;
    second->flags = first->flags;
    second->sent_us = first->sent_us;
    second->sent_count = first->sent_count;
    second->next = first->next;
    first->next = second;
    first->length_bytes = offset;
    first->flags &= (uint8_t)~REFERENCE_FIN;
    if (tcb->queue_tail == first) {
        tcb->queue_tail = second;
    }
    tcb->reference_count++;
    return second;
}

struct reference *queue_split(struct tcb *tcb, struct reference *from, uint32_t sequence)
{
    ASSERT_SLOW(from == NULL || !sequence_is_before(sequence, from->sequence));
    while (from != NULL && !sequence_is_after(reference_end(from), sequence)) {
        from = from->next;
    }
    return from == NULL || from->sequence == sequence ? from : split(tcb, from, sequence);
}

void queue_drop(struct tcb *tcb)
{
    if (UNLIKELY(tcb->queue_head != NULL)) { /* most end when all is acknowledged */
        release_list(tcb->queue_head);
        queue_open(tcb, tcb->snd_end);
    }
}

/* --- All connections --- */

uint64_t queue_memory_bytes(void)
{
    return references.kind.counts->objects * sizeof(struct reference) + send_buffer_memory_bytes();
}

static uint64_t quarter_bytes(void)
{
    return status_memory_bytes(platform_node()) / QUEUE_PART_OF_MEMORY / 4;
}

uint64_t queue_memory_limit_bytes(void)
{
    return QUEUE_REFERENCE_WEIGHT * quarter_bytes();
}

void queue_initialise(void)
{
    references.object_max = send_buffer_pool_max(&references, quarter_bytes());
    send_buffer_initialise(quarter_bytes(), 2 * quarter_bytes());
}
