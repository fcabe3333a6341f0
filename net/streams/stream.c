/* SPDX-License-Identifier: MIT */
/*
 * Reading returns credit: what has been read is told with the next SEND or CLOSE, or alone when
 * much has gathered.
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
#include "net/streams/opening.h"
#include "net/streams/sending.h"
#include "net/streams/splicing.h"
#include "net/streams/table.h"

/* Read bytes are told alone above this: less than half of any TCP window in use, so the peer is
 * never stopped by it; more than one segment, so a download in is not a message a segment. */
#define CONSUMED_REPORT_BYTES (16 * KIB)

/* Streams whose last send found their channel full, until it has room again. */
static struct stream *channel_full_head;

/* Half of the window at least, so that a long response is not woken for every segment. */
static inline bool has_half_credit(const struct stream *stream)
{
    return 2 * (uint64_t)stream->send_credit_bytes >= stream->send_window_bytes;
}

static inline bool has_send_room(const struct stream *stream)
{
    return (stream->obstacles & STREAM_CHANNEL_FULL) == 0 && has_half_credit(stream);
}

bool stream_has_send_room(const struct stream *stream)
{
    return has_send_room(stream);
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
    return (stream->obstacles & STREAM_SPLICED) != 0 ? splicing_readiness(stream, ready) : ready;
}

unsigned stream_readiness(const struct stream *stream)
{
    ASSERT_SLOW(stream->error == 0 || stream->is_gone);
    if (UNLIKELY(stream->is_gone || stream->is_peer_closed || stream->is_receive_shut ||
                 stream->obstacles != 0)) {
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
    if (error == 0 && (stream->obstacles & STREAM_SPLICED) != 0) {
        error = splicing_take_error(stream);
    }
    return -error;
}

/* One that nobody has taken, or is spliced. */
static __attribute__((noinline)) void tell_otherwise(struct stream *stream, unsigned readiness)
{
    if ((stream->obstacles & STREAM_SPLICED) != 0) {
        splicing_note(stream, readiness);
    }
}

static inline void tell_owner(struct stream *stream, unsigned readiness)
{
    if (LIKELY(stream->changed != NULL)) {
        stream->changed(stream->owner, readiness);
    } else {
        tell_otherwise(stream, readiness);
    }
}

void stream_tell(struct stream *stream, unsigned readiness)
{
    tell_owner(stream, readiness);
}

void stream_fail(struct stream *stream, int error)
{
    char address[ADDRESS_IPV4_TEXT_BYTES];

    ASSERT(error > 0);
    address_print_ipv4(stream->flow.remote_address, address);
    log_debug("socket", "connection from %s port %u failed, error %d", address,
              swap16(stream->flow.remote_port), error);
    stream_end_claim_due(stream);
    if (stream->state == STREAM_OPENING) {
        stream_set_state(stream, STREAM_OPEN, NULL);
    }
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

void stream_report_consumed(struct stream *stream)
{
    report_consumed(stream);
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
    if (UNLIKELY((stream->obstacles & STREAM_SPLICED) != 0)) {
        int error = splicing_take_error(stream);

        if (error != 0) {
            return -error;
        }
    }
    return stream->is_peer_closed || stream->is_gone || stream->is_receive_shut ? 0 : -EAGAIN;
}

void stream_shut_receive(struct stream *stream)
{
    stream->is_receive_shut = true;
}

/* --- Sending --- */

/* Look again at each dispatch round: a channel that gets room tells nobody. */
static void wait_for_channel(struct stream *stream)
{
    if ((stream->obstacles & STREAM_CHANNEL_FULL) == 0) {
        stream->obstacles |= STREAM_CHANNEL_FULL;
        stream->next_channel_full = channel_full_head;
        channel_full_head = stream;
    }
}

__attribute__((noinline)) int64_t stream_note_refusal(struct stream *stream)
{
    int error = message_refusal(stream->ts);

    if (error == -EAGAIN) {
        wait_for_channel(stream);
        stream->is_short_of_room = true;
        return -EAGAIN;
    }
    stream_fail(stream, ECONNRESET); /* its TS is dead */
    return -ECONNRESET;
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
        ASSERT((stream->obstacles & STREAM_CHANNEL_FULL) != 0);
        if (!stream->is_gone && !message_ask_for_room(stream->ts, MESSAGE_MAX_BYTES)) {
            link = &stream->next_channel_full;
            continue;
        }
        *link = stream->next_channel_full;
        stream->obstacles &= (uint8_t)~STREAM_CHANNEL_FULL;
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
    stream->obstacles &= (uint8_t)~STREAM_CHANNEL_FULL;
}

static __attribute__((noinline)) void end_obstacles(struct stream *stream)
{
    if ((stream->obstacles & STREAM_CHANNEL_FULL) != 0) {
        forget_full_channel(stream);
    }
    if ((stream->obstacles & STREAM_SPLICED) != 0) {
        splicing_forget(stream);
    }
}

void stream_close(struct stream *stream, enum close_kind kind)
{
    ASSERT_SLOW(kind == CLOSE_BOTH || kind == CLOSE_ABORT);
    ASSERT_SLOW(stream->state != STREAM_FREE);
    if (UNLIKELY(stream->obstacles != 0)) {
        end_obstacles(stream);
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
    stream_fail(stream, ENOBUFS);
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
    int error = stream_error_of(failed->error_number);

    if (stream != NULL && !stream->is_gone) {
        stream_fail(stream, error);
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
    ASSERT_SLOW((stream->obstacles & STREAM_CHANNEL_FULL) == 0 || channel_full_head != NULL);
    bool had_room = has_send_room(stream);
    /* No more than is under way can have been acknowledged. */
    if (credit->send_window_bytes < stream->send_window_bytes ||
        credit->send_window_bytes > SEND_WINDOW_MAX_BYTES ||
        credit->bytes > credit->send_window_bytes - stream->send_credit_bytes) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        return;
    }
    stream->send_window_bytes = credit->send_window_bytes;
    if (UNLIKELY((stream->obstacles & STREAM_SPLICED) != 0) &&
        splicing_keeps_credit(stream, credit->bytes)) {
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
    if (stream->state < STREAM_OPEN) {
        stream_listener_lose(stream);
    } else if (!stream->is_gone) {
        stream_fail(stream, ECONNRESET);
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
    stream_opening_start();
    splicing_start();
    net_register_expecter(stream_expect);
    net_register_payload_message(DATA, handle_data);
    net_register_message(PEER_CLOSED, handle_peer_closed);
    net_register_message(CONNECTION_FAILED, handle_connection_failed);
    net_register_message(SEND_CREDIT, handle_send_credit);
    dispatch_register_node_down(lose_node);
    dispatch_register_source(&source);
}
