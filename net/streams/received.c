/* SPDX-License-Identifier: MIT */
/*
 * A list of chunks, and perhaps a loan in front of it. A chunk is released as soon as its last byte
 * has been read, so every chunk on the list has bytes to read. A loan is off then, too, but its
 * lender has it back at the end of the round: who has not copied it may look at it till then.
 *
 * A program that waits for input runs in the round in which it comes: what it reads costs one copy
 * and no memory. Loans are short, so one small table has those of all connections.
 *
 * A channel gets no room while some of its lines are lent, so they must be copied at the end of the
 * round also if there is no memory. So no more is lent than a spare of fixed size can hold.
 */
#include "net/streams/received.h"

#include <errno.h>
#include <string.h>

#include "kernel/message/send.h"
#include "kernel/platform.h"
#include "libc/core/memory.h"

/* Small enough for memory's small classes, large enough for a common request's head. Chosen. */
#define CHUNK_MIN_BYTES (256 - sizeof(struct received_chunk))

struct received_chunk {
    struct received_chunk *next;
    uint32_t length_bytes;
    uint32_t read_bytes; /* of these, from the start */
    uint32_t capacity_bytes;
    uint32_t reserved;
    uint8_t bytes[];
};

MEMORY_KIND(chunk_kind, "stream_received");

/* So many in a round; what else comes in it is copied. Chosen: twice what a card's poll returns. */
#define LOAN_MAX 64u

static struct loan {
    struct message_loan lent;
    struct received *received; /* whose it is; NULL: it has been read, or copied */
    uint32_t read_bytes;       /* of these, from the start */
    bool is_remote;            /* of another node's lines: there is a place in the spare for it */
} loans[LOAN_MAX];
static unsigned loan_count; /* of this round, with those that have been read */

_Static_assert(LOAN_MAX <= UINT8_MAX, "a number fits loan_number");

/* Chosen: as many requests as there may be loans, of some hundred bytes each. */
#define SPARE_BYTES (32 * KIB)

/* Chunks without memory, one behind the other. What has been read is free when all has. */
static struct {
    _Alignas(struct received_chunk) uint8_t bytes[SPARE_BYTES];
    uint32_t end;          /* of the chunks that are there */
    uint32_t promised_end; /* with those that this round's loans may need */
    uint32_t chunk_count;
} spare;

static struct loan *loan_of(const struct received *received)
{
    struct loan *loan = &loans[received->loan_number - 1];

    ASSERT_SLOW(received->loan_number != 0 && received->loan_number <= loan_count);
    ASSERT_SLOW(loan->received == received);
    return loan;
}

static inline void finish_loan(const struct loan *loan)
{
    if (loan->lent.done != NULL) {
        loan->lent.done(loan->lent.context);
    }
}

/* It has been read, or copied. */
static inline void leave_loan(struct received *received, struct loan *loan)
{
    ASSERT_SLOW(loan == loan_of(received));
    received->loan_number = 0;
    loan->received = NULL;
}

static struct received_chunk *new_chunk(size_t length_bytes)
{
    size_t capacity_bytes = length_bytes > CHUNK_MIN_BYTES ? length_bytes : CHUNK_MIN_BYTES;
    struct received_chunk *chunk = memory_allocate(&chunk_kind, sizeof(*chunk) + capacity_bytes);

    if (chunk != NULL) {
        *chunk = (struct received_chunk){.capacity_bytes = (uint32_t)capacity_bytes};
    }
    return chunk;
}

static uint32_t spare_bytes_for(size_t length_bytes)
{
    return (uint32_t)ALIGN_UP(sizeof(struct received_chunk) + length_bytes,
                              _Alignof(struct received_chunk));
}

static struct received_chunk *take_spare(size_t length_bytes)
{
    struct received_chunk *chunk = (struct received_chunk *)&spare.bytes[spare.end];

    spare.end += spare_bytes_for(length_bytes);
    ASSERT(spare.end <= spare.promised_end);
    spare.chunk_count++;
    *chunk = (struct received_chunk){.capacity_bytes = (uint32_t)length_bytes};
    return chunk;
}

static void release_chunk(struct received_chunk *chunk)
{
    if (LIKELY((uintptr_t)chunk - (uintptr_t)spare.bytes >= SPARE_BYTES)) {
        memory_release(&chunk_kind, chunk);
    } else if (--spare.chunk_count == 0) {
        spare.promised_end -= spare.end;
        spare.end = 0;
    }
}

static struct received_chunk *add_chunk(struct received *received, size_t length_bytes)
{
    struct received_chunk *chunk = new_chunk(length_bytes);

    if (chunk == NULL) {
        return NULL;
    }
    if (received->head == NULL) {
        received->head = chunk;
    } else {
        received->tail->next = chunk;
    }
    received->tail = chunk;
    return chunk;
}

/* Not inlined: most bytes are lent, and need no registers saved for this. */
__attribute__((noinline)) int received_append(struct received *received, const void *bytes,
                                              size_t length_bytes)
{
    struct received_chunk *tail = received->head != NULL ? received->tail : NULL;

    ASSERT_SLOW((received->head != NULL || received->loan_number != 0) == (received->bytes != 0));
    if (length_bytes == 0) {
        return 0;
    }
    ASSERT_SLOW(received->bytes <= RECEIVED_MAX_BYTES);
    if (length_bytes > RECEIVED_MAX_BYTES - received->bytes) {
        return -EMSGSIZE;
    }
    if (tail == NULL || tail->capacity_bytes - tail->length_bytes < length_bytes) {
        tail = add_chunk(received, length_bytes);
        if (tail == NULL) {
            return -ENOMEM;
        }
    }
    ASSERT_SLOW(tail->next == NULL);
    ASSERT_SLOW(length_bytes <= tail->capacity_bytes - tail->length_bytes);
    memcpy(tail->bytes + tail->length_bytes, bytes, length_bytes);
    tail->length_bytes += (uint32_t)length_bytes;
    received->bytes += (uint32_t)length_bytes;
    return 0;
}

static inline int note_loan(struct received *received, struct loan *loan, size_t length_bytes)
{
    loan->received = received;
    loan->read_bytes = 0;
    received->loan_number = (uint8_t)++loan_count;
    received->bytes = (uint32_t)length_bytes;
    return 0;
}

/* Not inlined: as received_append(). */
static __attribute__((noinline)) int keep_remote(struct received *received, node_id_t from,
                                                 struct message_payload payload)
{
    struct loan *loan = &loans[loan_count];
    uint32_t end = spare.promised_end + spare_bytes_for(payload.length_bytes);

    if (UNLIKELY(end > SPARE_BYTES || !message_keep_lines(from, payload, &loan->lent))) {
        return received_append(received, payload.bytes, payload.length_bytes);
    }
    spare.promised_end = end;
    loan->is_remote = true;
    return note_loan(received, loan, payload.length_bytes);
}

int received_keep(struct received *received, node_id_t from, const struct message *message,
                  struct message_payload payload)
{
    if (received->bytes == 0 && payload.length_bytes != 0 && loan_count < LOAN_MAX) {
        struct loan *loan = &loans[loan_count];

        if (from != platform_node()) {
            return keep_remote(received, from, payload);
        }
        if (message_keep_loan(message, &loan->lent)) {
            loan->is_remote = false;
            return note_loan(received, loan, payload.length_bytes);
        }
    }
    return received_append(received, payload.bytes, payload.length_bytes);
}

/* A copy of the rest takes its place. */
static bool copy_loan(struct received *received)
{
    struct loan *loan = loan_of(received);
    size_t length_bytes = loan->lent.length_bytes - loan->read_bytes;
    struct received_chunk *chunk = new_chunk(length_bytes);

    if (UNLIKELY(chunk == NULL) && loan->is_remote) {
        chunk = take_spare(length_bytes);
    }
    if (chunk == NULL) {
        return false;
    }
    memcpy(chunk->bytes, (const uint8_t *)loan->lent.bytes + loan->read_bytes, length_bytes);
    chunk->length_bytes = (uint32_t)length_bytes;
    chunk->next = received->head;
    if (received->head == NULL) {
        received->tail = chunk;
    }
    received->head = chunk;
    leave_loan(received, loan);
    return true;
}

static __attribute__((noinline)) void end_loans(void)
{
    unsigned left_count = 0;

    for (unsigned i = 0; i < loan_count; i++) {
        struct received *received = loans[i].received;

        if (received != NULL && !copy_loan(received)) {
            loans[left_count] = loans[i];
            received->loan_number = (uint8_t)++left_count;
        } else {
            finish_loan(&loans[i]);
        }
    }
    loan_count = left_count;
    spare.promised_end = spare.end;
}

void received_end_round(void)
{
    if (loan_count != 0) {
        end_loans();
    }
}

static size_t take_lent(struct received *received, uint8_t *to, size_t length_bytes, bool is_peek)
{
    struct loan *loan = loan_of(received);
    size_t part = loan->lent.length_bytes - loan->read_bytes;

    if (part > length_bytes) {
        part = length_bytes;
    }
    memcpy(to, (const uint8_t *)loan->lent.bytes + loan->read_bytes, part);
    if (!is_peek) {
        loan->read_bytes += (uint32_t)part;
        if (loan->read_bytes == loan->lent.length_bytes) {
            leave_loan(received, loan);
        }
    }
    return part;
}

static size_t take_chunks(struct received *received, uint8_t *to, size_t length_bytes, bool is_peek)
{
    size_t taken = 0;

    for (struct received_chunk *chunk = received->head; chunk != NULL && taken < length_bytes;) {
        struct received_chunk *next = chunk->next;
        size_t part = chunk->length_bytes - chunk->read_bytes;
        ASSERT_SLOW(part > 0);
        if (part > length_bytes - taken) {
            part = length_bytes - taken;
        }
        memcpy(to + taken, chunk->bytes + chunk->read_bytes, part);
        taken += part;
        if (!is_peek) {
            chunk->read_bytes += (uint32_t)part;
            if (chunk->read_bytes == chunk->length_bytes) {
                received->head = next;
                release_chunk(chunk);
            }
        }
        chunk = next;
    }
    return taken;
}

static __attribute__((noinline)) size_t take_part(struct received *received, uint8_t *to,
                                                  size_t length_bytes, bool is_peek)
{
    size_t taken = 0;

    /* A byte in another node's line is read once. */
    if (received->loan_number != 0 && is_peek && loan_of(received)->is_remote) {
        (void)copy_loan(received);
    }
    if (received->loan_number != 0) {
        taken = take_lent(received, to, length_bytes, is_peek);
    }
    taken += take_chunks(received, to + taken, length_bytes - taken, is_peek);
    if (!is_peek) {
        ASSERT_SLOW(taken <= received->bytes);
        received->bytes -= (uint32_t)taken;
        ASSERT_SLOW((received->head != NULL || received->loan_number != 0) ==
                    (received->bytes != 0));
    }
    return taken;
}

/* All that has come lies in one loan, as nearly always: half the instructions of take_part(). */
static inline bool is_whole_loan(const struct received *received)
{
    return LIKELY(received->loan_number != 0 && received->head == NULL);
}

static inline const void *take_whole_loan(struct received *received, struct loan *loan)
{
    received->bytes = 0;
    leave_loan(received, loan);
    return (const uint8_t *)loan->lent.bytes + loan->read_bytes;
}

size_t received_take(struct received *received, void *buffer, size_t length_bytes, bool is_peek)
{
    size_t all_bytes = received->bytes;

    if (is_whole_loan(received) && LIKELY(length_bytes >= all_bytes && !is_peek)) {
        memcpy(buffer, take_whole_loan(received, loan_of(received)), all_bytes);
        return all_bytes;
    }
    return take_part(received, buffer, length_bytes, is_peek);
}

const void *received_take_lent(struct received *received)
{
    if (!is_whole_loan(received)) {
        return NULL;
    }
    struct loan *loan = loan_of(received);
    return UNLIKELY(loan->is_remote) ? NULL : take_whole_loan(received, loan);
}

void received_drop(struct received *received)
{
    if (received->loan_number != 0) {
        leave_loan(received, loan_of(received));
    }
    while (received->head != NULL) {
        struct received_chunk *chunk = received->head;
        received->head = chunk->next;
        release_chunk(chunk);
    }
    received->bytes = 0;
}
