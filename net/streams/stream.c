/* SPDX-License-Identifier: MIT */
/*
 * Sending uses the credit that the TS has given: SEND carries a copy of the bytes, and names those
 * behind them that lie in the boot archive, which every node maps: a response's head and the file
 * go as one message, and the FIN with them. Reading returns credit: what has been read is told with
 * the next SEND or CLOSE, or alone when much has gathered.
 */
#include "net/streams/stream.h"

#include <errno.h>
#include <string.h>

#include "kernel/log.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/send.h"
#include "kernel/platform.h"
#include "libc/core/address.h"
#include "libc/core/bytes.h"
#include "net/counters.h"
#include "net/handlers.h"
#include "net/streams/listener.h"
#include "net/streams/table.h"

/* Read bytes are told alone above this: less than half of any TCP window in use, so the peer is
 * never stopped by it; more than one segment, so a download in is not a message a segment. */
#define CONSUMED_REPORT_BYTES (16 * KIB)

/* Shorter pieces of the archive are cheaper to copy than to refer to: a reference costs the TS a
 * buffer and the NIC a descriptor. Chosen. */
#define ARCHIVE_REFERENCE_MIN_BYTES 1024

#define SEND_MAX_BYTES (MESSAGE_MAX_BYTES - sizeof(struct send))

/* Streams whose last send found their channel full, until it has room again. */
static struct stream *channel_full_head;

/* Half of the window at least, so that a long response is not woken for every segment. */
static inline bool has_half_credit(const struct stream *stream)
{
    return 2 * (uint64_t)stream->send_credit_bytes >= stream->send_window_bytes;
}

static inline bool has_send_room(const struct stream *stream)
{
    return !stream->is_channel_full && has_half_credit(stream);
}

/* Of one that has ended or failed in part, or whose channel is full. */
static __attribute__((noinline)) unsigned readiness_otherwise(const struct stream *stream)
{
    unsigned ready = 0;

    if (stream->received.bytes != 0 || stream->is_receive_shut) {
        ready |= STREAM_CAN_READ;
    }
    if (stream->is_peer_closed) {
        ready |= STREAM_CAN_READ | STREAM_PEER_HAS_CLOSED;
    }
    if (stream->is_gone || (stream->is_peer_closed && stream->is_send_shut)) {
        ready |= STREAM_CAN_READ | STREAM_CAN_WRITE | STREAM_HAS_ENDED | STREAM_PEER_HAS_CLOSED;
    }
    if (stream->error != 0) {
        ready |= STREAM_HAS_FAILED;
    }
    if (has_send_room(stream)) {
        ready |= STREAM_CAN_WRITE;
    }
    return ready;
}

unsigned stream_readiness(const struct stream *stream)
{
    ASSERT_SLOW(stream->error == 0 || stream->is_gone);
    if (UNLIKELY(stream->is_gone || stream->is_peer_closed || stream->is_receive_shut ||
                 stream->is_channel_full)) {
        return readiness_otherwise(stream);
    }
    return (stream->received.bytes != 0 ? STREAM_CAN_READ : 0) |
           (has_half_credit(stream) ? STREAM_CAN_WRITE : 0);
}

const struct flow *stream_flow(const struct stream *stream)
{
    return &stream->flow;
}

int stream_take_error(struct stream *stream)
{
    int error = stream->error;

    ASSERT(error >= 0);
    stream->error = 0;
    return -error;
}

static void tell_owner(struct stream *stream, unsigned readiness)
{
    if (stream->changed != NULL) {
        stream->changed(stream->owner, readiness);
    }
}

/* A TS says why in numbers of errno, which end here (Linux's MAX_ERRNO). */
#define ERROR_NUMBER_MAX 4095u

/* Everything fails from here on, with `error` until that is told. */
static void fail_stream(struct stream *stream, int error)
{
    char address[ADDRESS_IPV4_TEXT_BYTES];

    ASSERT(error > 0);
    address_print_ipv4(stream->flow.remote_address, address);
    log_debug("socket", "connection from %s port %u failed, error %d", address,
              swap16(stream->flow.remote_port), error);
    stream_end_claim_due(stream);
    stream->is_gone = true;
    stream->error = error;
    stream->send_credit_bytes = 0;
    tell_owner(stream, STREAM_CAN_READ | STREAM_CAN_WRITE | STREAM_HAS_FAILED | STREAM_HAS_ENDED);
}

/* Tell the TS that it is closed in this way, unless the TS has forgotten it. */
static void post_close(struct stream *stream, enum close_kind kind)
{
    if (stream->is_gone) {
        return;
    }
    struct close *message = message_reserve_posted(stream->ts, CLOSE, sizeof(*message));

    message->connection_index = stream->connection_index;
    message->generation = stream->generation;
    message->consumed_bytes = stream->unreported_bytes;
    message->kind = kind;
    message->stream_index = stream->stream_index;
    message_publish();
    stream_end_claim_due(stream);
    stream->unreported_bytes = 0;
    stream->is_gone = kind != CLOSE_SEND_ONLY;
}

/* --- Receiving --- */

static __attribute__((noinline)) void report_consumed(struct stream *stream)
{
    if (stream->is_gone) {
        return;
    }
    struct consumed *message = message_reserve_posted(stream->ts, CONSUMED, sizeof(*message));

    message->connection_index = stream->connection_index;
    message->generation = stream->generation;
    message->consumed_bytes = stream->unreported_bytes;
    message->stream_index = stream->stream_index;
    message_publish();
    stream_end_claim_due(stream);
    stream->unreported_bytes = 0;
}

bool stream_has_received(const struct stream *stream)
{
    return stream->received.bytes != 0;
}

static inline void note_consumed(struct stream *stream, size_t bytes)
{
    ASSERT_SLOW(stream->state == STREAM_OPEN && bytes != 0);
    stream->unreported_bytes += (uint32_t)bytes;
    if (UNLIKELY(stream->unreported_bytes >= CONSUMED_REPORT_BYTES)) {
        report_consumed(stream);
    }
}

/* What is there is known beforehand, so nothing is left to do behind the copy. */
size_t stream_take(struct stream *stream, void *buffer, size_t bytes)
{
    size_t taken = bytes < stream->received.bytes ? bytes : stream->received.bytes;

    note_consumed(stream, taken);
    return received_take(&stream->received, buffer, taken, false);
}

size_t stream_take_lent(struct stream *stream, size_t most, const void **data)
{
    size_t bytes = stream->received.bytes;
    const void *lent = LIKELY(bytes <= most) ? received_take_lent(&stream->received) : NULL;

    if (UNLIKELY(lent == NULL)) {
        return 0;
    }
    *data = lent;
    note_consumed(stream, bytes);
    return bytes;
}

int64_t stream_receive(struct stream *stream, void *buffer, size_t bytes, bool is_peek)
{
    ASSERT_SLOW(stream->state == STREAM_OPEN);
    if (stream->received.bytes != 0 && bytes != 0) {
        return (int64_t)(is_peek ? received_take(&stream->received, buffer, bytes, true)
                                 : stream_take(stream, buffer, bytes));
    }
    if (bytes == 0) {
        return 0;
    }
    if (stream->error != 0) {
        return -stream->error;
    }
    return stream->is_peer_closed || stream->is_gone || stream->is_receive_shut ? 0 : -EAGAIN;
}

void stream_shut_receive(struct stream *stream)
{
    stream->is_receive_shut = true;
}

/* --- Sending --- */

static bool is_in_archive(const void *data, size_t bytes)
{
    /* Unsigned: an address below the start becomes a large offset. */
    uintptr_t offset = (uintptr_t)data - (uintptr_t)platform_archive_start();

    return offset < platform_archive_bytes() && bytes <= platform_archive_bytes() - offset;
}

/* Whether bytes of a piece are referred to. It may be empty, and nowhere. */
static bool is_reference(const void *data, size_t bytes)
{
    return bytes >= ARCHIVE_REFERENCE_MIN_BYTES && is_in_archive(data, bytes);
}

/* What is still to be sent: the rest of a piece, and those behind it. */
struct unsent {
    const struct stream_piece *piece;
    size_t skip_bytes; /* of this piece: sent already */
    size_t bytes;      /* in all */
};

/* What of it goes into one message: so many bytes in front are copied, then come some of the
 * archive, which begin `archived_skip_bytes` into `archived`. */
struct part {
    size_t copied_bytes;
    const struct stream_piece *archived;
    size_t archived_skip_bytes, archived_bytes;
};

/* At most `most` bytes, of which no more are copied than a message has room for. */
static struct part find_part(const struct unsent *unsent, size_t most)
{
    struct part part = {.archived = unsent->piece, .archived_skip_bytes = unsent->skip_bytes};
    size_t bytes = unsent->bytes < most ? unsent->bytes : most;
    size_t copied_most = bytes < SEND_MAX_BYTES ? bytes : SEND_MAX_BYTES;

    while (part.copied_bytes < copied_most) {
        size_t piece_bytes = part.archived->bytes - part.archived_skip_bytes;

        if (is_reference((const uint8_t *)part.archived->data + part.archived_skip_bytes,
                         piece_bytes)) {
            bytes -= part.copied_bytes;
            part.archived_bytes = piece_bytes < bytes ? piece_bytes : bytes;
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

/* Look again at each dispatch round: a channel that gets room tells nobody. */
static void wait_for_channel(struct stream *stream)
{
    if (!stream->is_channel_full) {
        stream->is_channel_full = true;
        stream->next_channel_full = channel_full_head;
        channel_full_head = stream;
    }
}

/* There was no place for a message. Returns -EAGAIN, or why the connection failed. */
static __attribute__((noinline)) int64_t note_refusal(struct stream *stream)
{
    int error = message_refusal(stream->ts);

    if (error == -EAGAIN) {
        wait_for_channel(stream);
        stream->is_short_of_room = true;
        return -EAGAIN;
    }
    fail_stream(stream, ECONNRESET); /* its TS is dead */
    return -ECONNRESET;
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

static inline int64_t end_send(struct stream *stream, size_t bytes)
{
    message_publish();
    stream_end_claim_due(stream);
    return (int64_t)bytes;
}

static __attribute__((noinline)) int64_t send_part(struct stream *stream,
                                                   const struct unsent *unsent, enum close_kind end)
{
    const struct part part = find_part(unsent, stream->send_credit_bytes);
    size_t bytes = part.copied_bytes + part.archived_bytes;

    if (stream->is_gone || stream->is_send_shut || bytes == 0) {
        return send_nothing(stream, unsent->bytes, end);
    }
    struct send *message = begin_send(stream, part.copied_bytes);
    if (UNLIKELY(message == NULL)) {
        return note_refusal(stream);
    }
    if (part.archived_bytes != 0) {
        message->archive_bytes = (uint32_t)part.archived_bytes;
        message->archive_offset = (uintptr_t)part.archived->data + part.archived_skip_bytes -
                                  (uintptr_t)platform_archive_start();
    }
    note_sent(stream, message, bytes, bytes == unsent->bytes ? end : CLOSE_NOT);
    copy_pieces((uint8_t *)(message + 1), unsent, part.copied_bytes);
    return end_send(stream, bytes);
}

int64_t stream_send(struct stream *stream, const struct stream_piece *pieces, size_t bytes,
                    enum close_kind end)
{
    ASSERT_SLOW(stream->state == STREAM_OPEN && end != CLOSE_ABORT);
    /* One short piece, and credit for it, as nearly always: nothing has to be chosen. */
    if (LIKELY(bytes == pieces->bytes && bytes < ARCHIVE_REFERENCE_MIN_BYTES &&
               bytes <= stream->send_credit_bytes && bytes != 0 && !stream->is_gone &&
               !stream->is_send_shut)) {
        struct send *message = begin_send(stream, bytes);

        if (UNLIKELY(message == NULL)) {
            return note_refusal(stream);
        }
        note_sent(stream, message, bytes, end);
        memcpy(message + 1, pieces->data, bytes);
        return end_send(stream, bytes);
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

void stream_shut_send(struct stream *stream)
{
    if (!stream->is_send_shut) {
        stream->is_send_shut = true;
        post_close(stream, CLOSE_SEND_ONLY);
    }
}

static void tell_room(struct stream *stream)
{
    stream->is_short_of_room = false;
    tell_owner(stream, STREAM_CAN_WRITE);
}

static unsigned poll_full_channels(void *context)
{
    struct stream **link = &channel_full_head;
    unsigned told = 0;

    (void)context;
    while (*link != NULL) {
        struct stream *stream = *link;
        ASSERT(stream->is_channel_full);
        if (!stream->is_gone && !message_ask_for_room(stream->ts, MESSAGE_MAX_BYTES)) {
            link = &stream->next_channel_full;
            continue;
        }
        *link = stream->next_channel_full;
        stream->is_channel_full = false;
        told++;
        tell_room(stream);
    }
    return told;
}

static void end_round(void *context)
{
    (void)context;
    received_end_round();
}

/* As long as a channel is full the dispatcher sleeps only for moments. */
static struct dispatch_source source = {.poll = poll_full_channels, .flush = end_round};

/* --- Closing --- */

static void forget_full_channel(struct stream *stream)
{
    struct stream **link = &channel_full_head;

    while (*link != stream) {
        ASSERT(*link != NULL);
        link = &(*link)->next_channel_full;
    }
    *link = stream->next_channel_full;
    stream->is_channel_full = false;
}

void stream_close(struct stream *stream, enum close_kind kind)
{
    ASSERT_SLOW(kind == CLOSE_BOTH || kind == CLOSE_ABORT);
    ASSERT_SLOW(stream->state != STREAM_FREE);
    if (stream->is_channel_full) {
        forget_full_channel(stream);
    }
    stream->changed = NULL;
    post_close(stream, kind);
    stream_destroy(stream);
}

/* --- What the TS says --- */

/* There was no memory for what has come: the byte stream has a hole. */
static __attribute__((noinline)) void lose_data(struct stream *stream)
{
    counter_increment(COUNTER_DROP_NO_MEMORY);
    post_close(stream, CLOSE_ABORT);
    fail_stream(stream, ENOBUFS);
    stream_listener_end_deferring(stream);
}

/* All in one: each request comes by it. */
__attribute__((flatten)) static void handle_data(node_id_t from, const struct message *message,
                                                 struct message_payload payload)
{
    const struct data *data = (const void *)message;
    struct stream *stream = stream_resolve(from, data->stream_index, data->generation);

    if (stream == NULL || stream->is_gone) {
        return;
    }
    if (UNLIKELY(received_keep(&stream->received, from, message, payload) != 0)) {
        lose_data(stream);
    } else if (LIKELY(stream->state == STREAM_OPEN)) {
        tell_owner(stream, STREAM_CAN_READ);
    } else {
        stream_listener_end_deferring(stream);
    }
}

static void handle_peer_closed(node_id_t from, const struct message *message)
{
    const struct peer_closed *closed = (const void *)message;
    struct stream *stream = stream_resolve(from, closed->stream_index, closed->generation);

    if (stream != NULL) {
        stream->is_peer_closed = true;
        tell_owner(stream, STREAM_CAN_READ | STREAM_PEER_HAS_CLOSED);
        stream_listener_end_deferring(stream);
    }
}

static void handle_connection_failed(node_id_t from, const struct message *message)
{
    const struct connection_failed *failed = (const void *)message;
    struct stream *stream = stream_resolve(from, failed->stream_index, failed->generation);
    uint32_t error = failed->error_number;

    /* EAGAIN would make a caller wait, for nothing. */
    if (error == 0 || error == EAGAIN || error > ERROR_NUMBER_MAX) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        error = ECONNRESET; /* whatever the reason: the connection has gone */
    }
    if (stream != NULL && !stream->is_gone) {
        fail_stream(stream, (int)error);
        stream_listener_end_deferring(stream);
    }
}

static void handle_send_credit(node_id_t from, const struct message *message)
{
    const struct send_credit *credit = (const void *)message;
    struct stream *stream = stream_resolve(from, credit->stream_index, credit->generation);

    if (stream == NULL || stream->is_gone) {
        return;
    }
    ASSERT_SLOW(!stream->is_channel_full || channel_full_head != NULL);
    bool had_room = has_send_room(stream);
    /* No more than is under way can have been acknowledged. */
    if (credit->send_window_bytes < stream->send_window_bytes ||
        credit->send_window_bytes > SEND_WINDOW_MAX_BYTES ||
        credit->bytes > credit->send_window_bytes - stream->send_credit_bytes) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        return;
    }
    stream->send_window_bytes = credit->send_window_bytes;
    stream->send_credit_bytes += credit->bytes;
    if (has_send_room(stream) && (!had_room || stream->is_short_of_room)) {
        tell_room(stream);
    }
}

static void lose_stream(struct stream *stream, void *node)
{
    if (stream->ts != *(const node_id_t *)node) {
        return;
    }
    if (stream->state != STREAM_OPEN) {
        stream_listener_lose(stream);
    } else if (!stream->is_gone) {
        fail_stream(stream, ECONNRESET);
    }
}

static void lose_node(node_id_t node)
{
    stream_for_each(lose_stream, &node);
    stream_listener_lose_node(node);
}

void streams_start(void)
{
    stream_listener_start();
    net_register_expecter(stream_expect);
    net_register_payload_message(DATA, handle_data);
    net_register_message(PEER_CLOSED, handle_peer_closed);
    net_register_message(CONNECTION_FAILED, handle_connection_failed);
    net_register_message(SEND_CREDIT, handle_send_credit);
    dispatch_register_node_down(lose_node);
    dispatch_register_source(&source);
}
