/* SPDX-License-Identifier: MIT */
/*
 * Sending uses the credit that the TS has given: SEND carries a copy of the bytes; those that lie
 * in the boot archive, which every node maps, go as SEND_ARCHIVE without being touched. Reading
 * returns credit: what has been read is told with the next SEND or CLOSE, or alone when much has
 * gathered.
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

static bool has_send_room(const struct stream *stream)
{
    /* Half of the window at least, so that a long response is not woken for every segment. */
    return !stream->is_channel_full &&
           2 * (uint64_t)stream->send_credit_bytes >= stream->send_window_bytes;
}

unsigned stream_readiness(const struct stream *stream)
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
    message_publish();
    stream->unreported_bytes = 0;
    stream->is_gone = kind != CLOSE_SEND_ONLY;
}

/* --- Receiving --- */

static void report_consumed(struct stream *stream)
{
    if (stream->is_gone) {
        return;
    }
    struct consumed *message = message_reserve_posted(stream->ts, CONSUMED, sizeof(*message));

    message->connection_index = stream->connection_index;
    message->generation = stream->generation;
    message->consumed_bytes = stream->unreported_bytes;
    message_publish();
    stream->unreported_bytes = 0;
}

int64_t stream_receive(struct stream *stream, void *buffer, size_t bytes, bool is_peek)
{
    ASSERT_SLOW(stream->state == STREAM_OPEN);
    if (stream->received.bytes != 0) {
        size_t taken = received_take(&stream->received, buffer, bytes, is_peek);
        if (!is_peek) {
            stream->unreported_bytes += (uint32_t)taken;
            if (stream->unreported_bytes >= CONSUMED_REPORT_BYTES) {
                report_consumed(stream);
            }
        }
        return (int64_t)taken;
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

static int send_reference(struct stream *stream, const void *data, uint32_t bytes)
{
    struct send_archive *message = message_reserve(stream->ts, SEND_ARCHIVE, sizeof(*message));

    if (message == NULL) {
        return message_refusal(stream->ts);
    }
    message->connection_index = stream->connection_index;
    message->generation = stream->generation;
    message->consumed_bytes = stream->unreported_bytes;
    message->length_bytes = bytes;
    message->archive_offset = (uintptr_t)data - (uintptr_t)platform_archive_start();
    message_publish();
    return 0;
}

static int send_copy(struct stream *stream, const void *data, uint32_t bytes)
{
    struct send *message = message_reserve_payload(stream->ts, SEND, sizeof(*message), bytes);

    ASSERT_SLOW(bytes <= SEND_MAX_BYTES);
    if (message == NULL) {
        return message_refusal(stream->ts);
    }
    message->connection_index = stream->connection_index;
    message->generation = stream->generation;
    message->consumed_bytes = stream->unreported_bytes;
    memcpy(message + 1, data, bytes);
    message_publish();
    return 0;
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

/* Send one message's worth. Returns how many bytes went, -EAGAIN, or why the connection failed. */
static int64_t send_some(struct stream *stream, const void *data, size_t bytes)
{
    uint32_t part_bytes = stream->send_credit_bytes;
    bool is_reference = bytes >= ARCHIVE_REFERENCE_MIN_BYTES && is_in_archive(data, bytes);

    if (part_bytes > bytes) {
        part_bytes = (uint32_t)bytes;
    }
    if (!is_reference && part_bytes > SEND_MAX_BYTES) {
        part_bytes = SEND_MAX_BYTES;
    }
    if (part_bytes == 0) {
        return -EAGAIN;
    }
    ASSERT_SLOW(!stream->is_gone);
    int error = is_reference ? send_reference(stream, data, part_bytes)
                             : send_copy(stream, data, part_bytes);
    if (error == 0) {
        stream->send_credit_bytes -= part_bytes;
        stream->unreported_bytes = 0; /* it went along */
        return part_bytes;
    }
    if (error == -EAGAIN) {
        wait_for_channel(stream);
        return -EAGAIN;
    }
    fail_stream(stream, ECONNRESET); /* its TS is dead */
    return -ECONNRESET;
}

int64_t stream_send(struct stream *stream, const void *data, size_t bytes)
{
    int64_t sent = 0;

    ASSERT_SLOW(stream->state == STREAM_OPEN);
    while ((size_t)sent < bytes) {
        int64_t part;
        if (UNLIKELY(stream->is_gone || stream->is_send_shut)) {
            part = stream->error != 0 ? -stream->error : -EPIPE;
        } else {
            part = send_some(stream, (const uint8_t *)data + sent, bytes - (size_t)sent);
        }
        if (part < 0) {
            if (part == -EAGAIN) {
                stream->is_short_of_room = true;
            }
            return sent > 0 ? sent : part;
        }
        sent += part;
    }
    ASSERT_SLOW((size_t)sent == bytes);
    return sent;
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

/* As long as one is full the dispatcher sleeps only for moments. */
static struct dispatch_source full_channels = {.poll = poll_full_channels};

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

static void handle_data(node_id_t from, const struct message *message,
                        struct message_payload payload)
{
    const struct data *data = (const void *)message;
    struct stream *stream = stream_resolve(from, data->stream_index, data->generation);

    if (stream == NULL || stream->is_gone) {
        return;
    }
    if (received_append(&stream->received, payload.bytes, payload.length_bytes) != 0) {
        counter_increment(COUNTER_DROP_NO_MEMORY);
        post_close(stream, CLOSE_ABORT);
        fail_stream(stream, ENOBUFS);
    } else {
        tell_owner(stream, STREAM_CAN_READ);
    }
    stream_listener_end_deferring(stream);
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
    if (credit->bytes > stream->send_window_bytes - stream->send_credit_bytes) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        return;
    }
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
    stream_listener_lose_manager(node);
}

void streams_start(void)
{
    stream_listener_start();
    net_register_payload_message(DATA, handle_data);
    net_register_message(PEER_CLOSED, handle_peer_closed);
    net_register_message(CONNECTION_FAILED, handle_connection_failed);
    net_register_message(SEND_CREDIT, handle_send_credit);
    dispatch_register_node_down(lose_node);
    dispatch_register_source(&full_channels);
}
