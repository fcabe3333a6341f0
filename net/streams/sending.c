/* SPDX-License-Identifier: MIT */
/*
 * Sending uses the credit that the TS has given: SEND carries a copy of the bytes, and names those
 * behind them that lie in the boot archive, which every node maps: a response's head and the file
 * go as one message, and the FIN with them.
 *
 * Where the TS is on this node much of what a program has allocated is named likewise, by a
 * snapshot of it (libc/core/snapshot.h): the program may write there as soon as this returns.
 */
#include "net/streams/sending.h"

#include <errno.h>
#include <string.h>

#include "kernel/message/send.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/ablation.h"
#include "libc/core/snapshot.h"
#include "net/streams/counters.h"
#include "net/streams/stream.h"
#include "net/streams/table.h"

/* Shorter pieces of the archive are cheaper to copy than to refer to: a reference costs the TS a
 * buffer and the NIC a descriptor. Chosen. */
#define ARCHIVE_REFERENCE_MIN_BYTES 1024

/* Shorter pieces of a program's memory are cheaper to copy. Measured: tests/bench/README.md. */
#define SNAPSHOT_LEAST_BYTES 8192

COUNTER_TABLE_DEFINE(stream_counters, STREAM_COUNTER_FIRST, STREAM_COUNTERS);

#define SEND_MAX_BYTES (MESSAGE_MAX_BYTES - sizeof(struct send))

static bool is_in_archive(const void *data, size_t bytes)
{
    /* Unsigned: an address below the start becomes a large offset. */
    uintptr_t offset = (uintptr_t)data - (uintptr_t)platform_archive_start();

    return offset < platform_archive_bytes() && bytes <= platform_archive_bytes() - offset;
}

/* Whether bytes of a piece are referred to. It may be empty, and nowhere. */
static bool is_reference(const void *data, size_t bytes)
{
    return !WITHOUT(ARCHIVE_REFERENCES) && bytes >= ARCHIVE_REFERENCE_MIN_BYTES &&
           is_in_archive(data, bytes);
}

/* What is still to be sent: the rest of a piece, and those behind it. */
struct unsent {
    const struct stream_piece *piece;
    size_t skip_bytes; /* of this piece: sent already */
    size_t bytes;      /* in all */
};

/* What of it goes into one message: so many bytes in front are copied, then come some of the
 * archive, which begin `archived_skip_bytes` into `archived`, or a snapshot's. */
struct part {
    size_t copied_bytes;
    const struct stream_piece *archived;
    size_t archived_skip_bytes, archived_bytes;
    struct snapshot *snapshot; /* of so many bytes; NULL: they are the archive's */
};

/* Of bytes that are a program's; NULL: they are to be copied. */
static inline struct snapshot *take_snapshot(const struct stream *stream, const void *data,
                                             size_t bytes)
{
    return bytes >= SNAPSHOT_LEAST_BYTES && snapshot_is_block(data) && stream->ts == platform_node()
               ? snapshot_take(data, bytes)
               : NULL;
}

/* At most `most` bytes, of which no more are copied than a message has room for. */
static struct part find_part(const struct stream *stream, const struct unsent *unsent, size_t most)
{
    struct part part = {.archived = unsent->piece, .archived_skip_bytes = unsent->skip_bytes};
    size_t bytes = unsent->bytes < most ? unsent->bytes : most;
    size_t copied_most = bytes < SEND_MAX_BYTES ? bytes : SEND_MAX_BYTES;

    while (part.copied_bytes < copied_most) {
        size_t piece_bytes = part.archived->bytes - part.archived_skip_bytes;
        size_t left = bytes - part.copied_bytes;
        const void *data = (const uint8_t *)part.archived->data + part.archived_skip_bytes;

        left = piece_bytes < left ? piece_bytes : left;
        if (is_reference(data, piece_bytes)) {
            part.archived_bytes = left;
            return part;
        }
        part.snapshot = take_snapshot(stream, data, left);
        if (part.snapshot != NULL) {
            part.archived_bytes = part.snapshot->bytes;
            return part;
        }
        part.copied_bytes += piece_bytes;
        part.archived_skip_bytes = 0;
        part.archived++;
    }
    part.copied_bytes = copied_most;
    return part;
}

/* From several pieces. Not inlined: with the rest of a send it would need too many registers. */
static __attribute__((noinline)) void copy_several(uint8_t *to, const struct unsent *unsent,
                                                   size_t bytes)
{
    const struct stream_piece *piece = unsent->piece;
    const uint8_t *data = (const uint8_t *)piece->data + unsent->skip_bytes;
    size_t part = piece->bytes - unsent->skip_bytes;

    while (part < bytes) {
        if (part != 0) { /* an empty piece may lie nowhere */
            memcpy(to, data, part);
        }
        to += part;
        bytes -= part;
        piece++;
        data = piece->data;
        part = piece->bytes;
    }
    memcpy(to, data, bytes);
}

static inline void copy_pieces(uint8_t *to, const struct unsent *unsent, size_t bytes)
{
    if (UNLIKELY(unsent->piece->bytes - unsent->skip_bytes < bytes)) {
        copy_several(to, unsent, bytes);
    } else if (bytes != 0) {
        memcpy(to, (const uint8_t *)unsent->piece->data + unsent->skip_bytes, bytes);
    }
}

static __attribute__((noinline)) int64_t send_nothing(struct stream *stream, size_t bytes,
                                                      enum close_kind end)
{
    if (bytes == 0) {
        if (end != CLOSE_NOT) {
            stream_shut_send(stream);
        }
        return 0;
    }
    if (stream->is_gone || stream->is_send_shut) {
        return stream->error != 0 ? -stream->error : -EPIPE;
    }
    stream->is_short_of_room = true;
    return -EAGAIN; /* no credit */
}

/* A place for a message with so many bytes that are copied; NULL: there is none. */
static inline struct send *begin_send(const struct stream *stream, size_t copied_bytes)
{
    struct send *message =
        message_reserve_payload(stream->ts, SEND, sizeof(*message), copied_bytes);

    if (LIKELY(message != NULL)) {
        message->connection_index = stream->connection_index;
        message->generation = stream->generation;
        message->consumed_bytes = stream->unreported_bytes;
        message->stream_index = stream->stream_index;
    }
    return message;
}

/* It is to send so many bytes in all, and perhaps the end behind them. */
static inline void note_sent(struct stream *stream, struct send *message, size_t bytes,
                             enum close_kind end)
{
    if (end != CLOSE_NOT) {
        message->close_kind = end;
        stream->is_send_shut = true;
        stream->is_gone = end == CLOSE_BOTH;
    }
    stream->send_credit_bytes -= (uint32_t)bytes;
    stream->unreported_bytes = 0; /* it goes along */
}

static inline void name_archived(struct send *message, const void *data, size_t bytes)
{
    message->archive_bytes = (uint32_t)bytes;
    message->archive_offset = (uintptr_t)data - (uintptr_t)platform_archive_start();
}

static inline void name_snapshot(struct send *message, const struct snapshot *snapshot)
{
    message->archive_bytes = snapshot->bytes;
    message->archive_offset = SEND_SNAPSHOT | snapshot->place.index;
}

static inline int64_t end_send(struct stream *stream, size_t bytes)
{
    message_publish();
    stream_end_claim_due(stream);
    return (int64_t)bytes;
}

static __attribute__((noinline)) int64_t send_part(struct stream *stream,
                                                   const struct unsent *unsent, enum close_kind end)
{
    if (stream->is_gone || stream->is_send_shut) {
        return send_nothing(stream, unsent->bytes, end);
    }
    const struct part part = find_part(stream, unsent, stream->send_credit_bytes);
    size_t bytes = part.copied_bytes + part.archived_bytes;

    if (bytes == 0) {
        return send_nothing(stream, unsent->bytes, end);
    }
    struct send *message = begin_send(stream, part.copied_bytes);
    if (UNLIKELY(message == NULL)) {
        if (part.snapshot != NULL) {
            snapshot_release(part.snapshot);
        }
        return stream_note_refusal(stream);
    }
    counter_add(COUNTER_SENT_COPIED, part.copied_bytes);
    if (part.snapshot != NULL) {
        counter_add(COUNTER_SENT_SNAPSHOT, part.archived_bytes);
        name_snapshot(message, part.snapshot);
    } else if (part.archived_bytes != 0) {
        name_archived(message, (const uint8_t *)part.archived->data + part.archived_skip_bytes,
                      part.archived_bytes);
    }
    note_sent(stream, message, bytes, bytes == unsent->bytes ? end : CLOSE_NOT);
    copy_pieces((uint8_t *)(message + 1), unsent, part.copied_bytes);
    return end_send(stream, bytes);
}

/* A piece that is copied, and perhaps so many bytes of the archive behind it: there is credit for
 * both. */
static inline int64_t send_whole(struct stream *stream, const struct stream_piece *copied,
                                 const struct stream_piece *archived, enum close_kind end)
{
    struct send *message = begin_send(stream, copied->bytes);
    size_t bytes = copied->bytes;

    if (UNLIKELY(message == NULL)) {
        return stream_note_refusal(stream);
    }
    if (archived != NULL) {
        name_archived(message, archived->data, archived->bytes);
        bytes += archived->bytes;
    }
    note_sent(stream, message, bytes, end);
    memcpy(message + 1, copied->data, copied->bytes);
    return end_send(stream, bytes);
}

static __attribute__((noinline)) int64_t send_several(struct stream *stream,
                                                      const struct stream_piece *pieces,
                                                      size_t bytes, enum close_kind end)
{
    if (LIKELY(bytes == pieces[0].bytes + pieces[1].bytes &&
               is_reference(pieces[1].data, pieces[1].bytes))) {
        return send_whole(stream, &pieces[0], &pieces[1], end);
    }
    const struct unsent unsent = {.piece = pieces, .bytes = bytes};
    return send_part(stream, &unsent, end);
}

int64_t stream_send(struct stream *stream, const struct stream_piece *pieces, size_t bytes,
                    enum close_kind end)
{
    size_t first_bytes = pieces->bytes;

    ASSERT_SLOW(stream->state == STREAM_OPEN && end != CLOSE_ABORT);
    /* A short piece, nearly always alone or with a file behind it, and credit for all: nothing has
     * to be chosen. */
    if (LIKELY(first_bytes < ARCHIVE_REFERENCE_MIN_BYTES && first_bytes != 0 &&
               bytes <= stream->send_credit_bytes && !stream->is_gone && !stream->is_send_shut)) {
        return bytes == first_bytes ? send_whole(stream, pieces, NULL, end)
                                    : send_several(stream, pieces, bytes, end);
    }
    const struct unsent unsent = {.piece = pieces, .bytes = bytes};
    return send_part(stream, &unsent, end);
}

int64_t stream_send_rest(struct stream *stream, const struct stream_piece *pieces, size_t bytes,
                         size_t from_bytes, enum close_kind end)
{
    struct unsent unsent = {.piece = pieces, .skip_bytes = from_bytes, .bytes = bytes - from_bytes};

    /* What is left begins in a piece that has some. */
    while (unsent.bytes != 0 && unsent.skip_bytes >= unsent.piece->bytes) {
        unsent.skip_bytes -= unsent.piece->bytes;
        unsent.piece++;
    }
    return send_part(stream, &unsent, end);
}
