/* SPDX-License-Identifier: MIT */
/*
 * The byte stream. Bytes from the peer stay in the frame they came in until a channel has taken
 * them; they count against TCP's window until the application says CONSUMED. Bytes to the peer
 * are copied once, out of the channel into TCP's queue; those of the boot archive, and of snapshots
 * that an application on this node has taken, are sent from where they lie.
 *
 * An application never has more under way than its credit, so its bytes are in TCP's queue as soon
 * as they come. One that sends more has not counted, and loses the connection.
 */
#include "net/transport/stream.h"

#include <errno.h>

#include "kernel/message/send.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/snapshot.h"
#include "net/counters.h"
#include "net/handlers.h"
#include "net/transport/availability.h"
#include "net/transport/connection.h"
#include "net/transport/counters.h"
#include "net/transport/frames.h"
#include "net/transport/table.h"
#include "net/transport/tcp/pinned.h"
#include "net/transport/tcp/queue.h"
#include "net/transport/tcp/receiver.h"
#include "net/transport/tcp/send_buffer.h"

/* --- To the application --- */

static int send_confirmation(struct connection *connection)
{
    const struct message_loan loan = connection_lend_received(connection);
    struct claim_confirmed *message =
        message_reserve_loan(connection->acceptor.node, CLAIM_CONFIRMED, sizeof(*message), &loan);

    if (message == NULL) {
        return message_refusal(connection->acceptor.node);
    }
    message->connection_index = connection->place.index;
    message->generation = connection->generation;
    message->stream_index = connection->stream_index;
    message->send_window_bytes = SEND_WINDOW_BYTES;
    connection->is_confirmation_due = false;
    (void)connection_take_received(connection);
    message_publish();
    return 0;
}

/* To be published. Returns whether there is room for it. Inlined, so that a loan is written once,
 * where it is read. */
__attribute__((always_inline)) static inline bool reserve_data(const struct connection *connection,
                                                               const struct message_loan *bytes)
{
    struct data *message =
        message_reserve_loan(connection->acceptor.node, DATA, sizeof(*message), bytes);

    if (UNLIKELY(message == NULL)) {
        return false;
    }
    message->stream_index = connection->stream_index;
    message->generation = connection->generation;
    return true;
}

static __attribute__((noinline)) int send_data(struct connection *connection)
{
    const struct message_loan loan = connection_lend_received(connection);

    if (!reserve_data(connection, &loan)) {
        return message_refusal(connection->acceptor.node);
    }
    (void)connection_take_received(connection);
    message_publish();
    return 0;
}

inline __attribute__((always_inline)) bool
stream_deliver_at_once(const struct connection *connection, struct segment *segment)
{
    struct message_loan loan;

    ASSERT_SLOW(connection->state == CONNECTION_CLAIMED && !connection->is_confirmation_due);
    ASSERT_SLOW(connection->received_head == NULL);
    if (UNLIKELY(!frames_lend(segment, &loan) || !reserve_data(connection, &loan))) {
        return false;
    }
    frames_note_lent(segment);
    message_publish();
    return true;
}

static int send_peer_closed(struct connection *connection)
{
    struct peer_closed *message =
        message_reserve(connection->acceptor.node, PEER_CLOSED, sizeof(*message));

    if (message == NULL) {
        return message_refusal(connection->acceptor.node);
    }
    message->stream_index = connection->stream_index;
    message->generation = connection->generation;
    message_publish();
    connection->is_told_peer_closed = true;
    return 0;
}

static int send_failure(struct connection *connection)
{
    struct connection_failed *message =
        message_reserve(connection->acceptor.node, CONNECTION_FAILED, sizeof(*message));

    if (message == NULL) {
        return message_refusal(connection->acceptor.node);
    }
    message->stream_index = connection->stream_index;
    message->generation = connection->generation;
    message->error_number = connection->error_number;
    message_publish();
    connection_set_state(connection, CONNECTION_DETACHED);
    availability_report_closed(connection);
    return 0;
}

static int send_credit(struct connection *connection)
{
    struct send_credit *message =
        message_reserve(connection->acceptor.node, SEND_CREDIT, sizeof(*message));

    if (message == NULL) {
        return message_refusal(connection->acceptor.node);
    }
    message->stream_index = connection->stream_index;
    message->generation = connection->generation;
    message->bytes = connection->credit_bytes;
    message->send_window_bytes = connection->window_bytes;
    message_publish();
    connection->allowance_bytes += connection->credit_bytes;
    connection->credit_bytes = 0;
    return 0;
}

/* Not while it has half of its window: nobody waits for more than that. */
static inline bool is_credit_due(const struct connection *connection)
{
    return connection->credit_bytes >= SEND_CREDIT_LEAST_BYTES &&
           connection->allowance_bytes < connection->window_bytes / 2;
}

/* Whether there is anything that it has not been told, beside that its bytes have gone. */
static inline bool has_more_news(const struct connection *connection)
{
    return connection->is_confirmation_due || connection->error_number != 0 ||
           connection->received_head != NULL ||
           (connection->has_peer_closed && !connection->is_told_peer_closed);
}

static bool has_news(const struct connection *connection)
{
    return has_more_news(connection) || is_credit_due(connection);
}

/* The first of that, in one message. Nothing has changed if it could not be sent. */
static int deliver_next(struct connection *connection)
{
    if (connection->is_confirmation_due) {
        return send_confirmation(connection);
    }
    if (connection->error_number != 0) {
        return send_failure(connection);
    }
    if (connection->received_head != NULL) {
        return send_data(connection);
    }
    return send_peer_closed(connection);
}

bool stream_deliver(struct connection *connection)
{
    int error = 0;

    while (error == 0 && connection->state == CONNECTION_CLAIMED && has_more_news(connection) &&
           (connection->due & DUE_IS_SOURCE) == 0) {
        error = deliver_next(connection);
    }
    if (error == 0 && connection->state == CONNECTION_CLAIMED && is_credit_due(connection)) {
        error = send_credit(connection);
    }
    /* Of another error the node is dead: node_down takes its connections. */
    return error != -EAGAIN;
}

/* --- To the peer --- */

static inline bool may_send(const struct connection *connection)
{
    return connection_has_tcp(connection) && !connection->is_send_closed;
}

/* While memory is scarce, who has more than his part does not take what is left. */
static inline bool is_within_part(struct connection *connection, uint32_t length_bytes)
{
    return LIKELY(length_bytes <= SEND_BUFFER_LEAST_ROOM || !queue_is_scarce()) ||
           pinned_visit(&connection->tcb);
}

/* The bytes that a message brings and those that it refers to. False, and it is reset: without
 * memory there would be a hole in the stream. */
static bool queue_bytes(struct connection *connection, const struct send *send,
                        struct message_payload payload)
{
    struct tcb *tcb = &connection->tcb;
    const uint8_t *archive = platform_archive_start();

    if (!is_within_part(connection, (uint32_t)payload.length_bytes)) {
        counter_increment(COUNTER_PINNED_RESET);
        connection_abort(connection, ENOBUFS);
        return false;
    }
    if ((payload.length_bytes == 0 ||
         queue_append_copy(tcb, payload.bytes, (uint32_t)payload.length_bytes)) &&
        (send->archive_bytes == 0 ||
         queue_append_archive(tcb, archive + send->archive_offset, send->archive_bytes))) {
        return true;
    }
    connection_abort(connection, ENOMEM);
    return false;
}

/* --- Messages from the application --- */

/* Of a message about none that is its sender's: CONNECTION_FAILED and the message may cross, which
 * is nobody's fault. */
static __attribute__((noinline)) void note_refused(const struct connection *connection,
                                                   uint32_t index, uint32_t generation)
{
    bool is_over = connection == NULL ? connection_has_been(index, generation)
                                      : connection->state == CONNECTION_DETACHED;

    if (!is_over) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
    }
}

/* Whether it is that application's, or becomes it by this message. Inline: for each message. */
static inline __attribute__((always_inline)) bool is_admitted(struct connection *connection,
                                                              node_id_t from, uint32_t stream_index)
{
    return LIKELY(connection != NULL) &&
           ((connection->state == CONNECTION_CLAIMED && connection->acceptor.node == from) ||
            availability_claim_granted(connection, from, stream_index));
}

/* The connection that an application's message is about. NULL if it is not its sender's; counted
 * unless it may happen. */
static inline __attribute__((always_inline)) struct connection *
admit_message(node_id_t from, uint32_t index, uint32_t generation, uint32_t stream_index)
{
    struct connection *connection = connection_find(index, generation);

    if (is_admitted(connection, from, stream_index)) {
        return connection;
    }
    note_refused(connection, index, generation);
    return NULL;
}

/* What it says beyond what it can have read changes nothing. */
__attribute__((always_inline)) static inline void consume_inline(struct connection *connection,
                                                                 uint32_t bytes)
{
    uint32_t most = connection->tcb.rcv_unread_bytes;

    if (connection_has_tcp(connection) && bytes != 0) {
        receiver_consumed(&connection->tcb, bytes < most ? bytes : most);
    }
}

static __attribute__((noinline)) void consume(struct connection *connection, uint32_t bytes)
{
    consume_inline(connection, bytes);
}

/* FIN behind what has been written, at the end of the round. */
static void shut_send(struct connection *connection)
{
    ASSERT_SLOW(may_send(connection));
    connection->is_send_closed = true;
    tcb_close_send(&connection->tcb); /* tells that it is unsettled */
}

static bool is_send_possible(const struct send *send)
{
    size_t archive_bytes = platform_archive_bytes();

    return send->archive_offset <= archive_bytes &&
           send->archive_bytes <= archive_bytes - send->archive_offset &&
           (send->close_kind == CLOSE_NOT || send->close_kind == CLOSE_SEND_ONLY ||
            send->close_kind == CLOSE_BOTH);
}

/* What it sends goes into TCP's queue, and perhaps the end of it. */
static inline void take_sent(struct connection *connection, const struct send *send,
                             struct message_payload payload)
{
    if (!may_send(connection)) {
        return; /* TCP has ended, and the application is told; or it has said FIN before */
    }
    if (payload.length_bytes + send->archive_bytes > connection->allowance_bytes) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        connection_abort(connection, ENOBUFS);
        return;
    }
    connection->allowance_bytes -= (uint32_t)payload.length_bytes + send->archive_bytes;
    /* What it was not told of while it had enough. Else the next acknowledgement tells. */
    if (UNLIKELY(connection->allowance_bytes < SEND_CREDIT_LEAST_BYTES) &&
        is_credit_due(connection)) {
        connection_mark_dirty(connection);
    }
    if (UNLIKELY(!queue_bytes(connection, send, payload))) {
        return;
    }
    if (send->close_kind == CLOSE_SEND_ONLY) {
        shut_send(connection);
    } else if (send->close_kind == CLOSE_NOT) {
        connection_request_output(connection);
    }
}

/* The application has forgotten it; what it has written still goes out, and the FIN behind it. */
static void close_both(struct connection *connection)
{
    connection_detach(connection);
    if (connection_has_tcp(connection)) {
        tcb_close(&connection->tcb);
    }
}

/* What a message of this node's application refers to, if it is a snapshot; else NULL. */
static struct snapshot *snapshot_of(node_id_t from, const struct send *send)
{
    struct snapshot *snapshot =
        from == platform_node() && (send->archive_offset & SEND_SNAPSHOT) != 0
            ? snapshot_find((uint32_t)send->archive_offset)
            : NULL;

    ASSERT_SLOW(snapshot == NULL || snapshot->bytes == send->archive_bytes);
    return snapshot;
}

static __attribute__((noinline)) void refuse_send(node_id_t from, const struct send *send)
{
    struct snapshot *snapshot = snapshot_of(from, send);

    if (snapshot != NULL) {
        snapshot_release(snapshot);
    }
    note_refused(connection_find(send->connection_index, send->generation), send->connection_index,
                 send->generation);
}

/* All of a snapshot, which becomes the queue's, or is released. */
static void queue_snapshot(struct connection *connection, struct snapshot *snapshot)
{
    struct send_buffer *buffer = send_buffer_of_snapshot(snapshot);

    if (buffer == NULL) {
        snapshot_release(snapshot);
        connection_abort(connection, ENOMEM);
        return;
    }
    if (may_send(connection)) {
        uint32_t bytes = snapshot->bytes;

        /* Of this node's own application, which counts. */
        ASSERT(bytes <= connection->allowance_bytes);
        connection->allowance_bytes -= bytes;
        if (is_credit_due(connection)) {
            connection_mark_dirty(connection);
        }
        if (!is_within_part(connection, bytes)) {
            counter_increment(COUNTER_PINNED_RESET);
            connection_abort(connection, ENOBUFS);
        } else if (queue_append_snapshot(&connection->tcb, buffer)) {
            connection_request_output(connection);
        } else {
            connection_abort(connection, ENOMEM);
        }
    }
    send_buffer_release(buffer);
}

static void handle_send(node_id_t from, const struct message *message,
                        struct message_payload payload);

/* One that does not refer to the archive: to a snapshot then, or it is refused. What it brings is
 * handled as of a message without one, and so is the end. */
static __attribute__((noinline)) void handle_other_send(struct connection *connection,
                                                        const struct send *send,
                                                        struct message_payload payload)
{
    const node_id_t from = connection->acceptor.node;
    struct snapshot *snapshot = snapshot_of(from, send);
    struct send part = *send;

    if (snapshot == NULL) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        return;
    }
    part.archive_offset = 0;
    part.archive_bytes = 0;
    part.close_kind = CLOSE_NOT;
    handle_send(from, (const struct message *)&part, payload);
    queue_snapshot(connection, snapshot);
    if (send->close_kind != CLOSE_NOT) {
        part.consumed_bytes = 0;
        part.close_kind = send->close_kind;
        payload.length_bytes = 0;
        handle_send(from, (const struct message *)&part, payload);
    }
}

static NO_STACK_GUARD void handle_send(node_id_t from, const struct message *message,
                                       struct message_payload payload)
{
    const struct send *send = (const struct send *)message;
    struct connection *connection = connection_find(send->connection_index, send->generation);

    if (UNLIKELY(!is_admitted(connection, from, send->stream_index))) {
        refuse_send(from, send);
        return;
    }
    if (UNLIKELY(!is_send_possible(send))) {
        handle_other_send(connection, send, payload);
        return;
    }
    consume_inline(connection, send->consumed_bytes);
    take_sent(connection, send, payload);
    if (send->close_kind == CLOSE_BOTH) {
        close_both(connection);
    }
}

static void handle_consumed(node_id_t from, const struct message *message)
{
    const struct consumed *consumed = (const struct consumed *)message;
    struct connection *connection = admit_message(from, consumed->connection_index,
                                                  consumed->generation, consumed->stream_index);

    if (connection != NULL) {
        consume(connection, consumed->consumed_bytes);
    }
}

static void handle_close(node_id_t from, const struct message *message)
{
    const struct close *close = (const struct close *)message;
    struct connection *connection =
        admit_message(from, close->connection_index, close->generation, close->stream_index);

    if (connection == NULL) {
        return;
    }
    if (close->kind == CLOSE_SEND_ONLY) {
        consume(connection, close->consumed_bytes);
        if (may_send(connection)) {
            shut_send(connection);
        }
        return;
    }
    if (close->kind != CLOSE_BOTH && close->kind != CLOSE_ABORT) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        return;
    }
    consume(connection, close->consumed_bytes);
    if (close->kind == CLOSE_BOTH) {
        close_both(connection);
    } else {
        connection_detach(connection);
        connection_abort(connection, 0);
    }
}

/* --- For splices --- */

struct connection *stream_find(node_id_t application, uint32_t index, uint32_t generation)
{
    struct connection *connection = connection_find(index, generation);

    if (connection != NULL && connection->state == CONNECTION_CLAIMED &&
        connection->acceptor.node == application) {
        return connection;
    }
    note_refused(connection, index, generation);
    return NULL;
}

void stream_consume(struct connection *connection, uint32_t bytes)
{
    consume(connection, bytes);
}

bool stream_can_send(const struct connection *connection)
{
    return connection->state == CONNECTION_CLAIMED && may_send(connection);
}

bool stream_append(struct connection *connection, const uint8_t *bytes, uint32_t length_bytes)
{
    ASSERT_SLOW(may_send(connection) && length_bytes <= connection->allowance_bytes);
    if (!is_within_part(connection, length_bytes) ||
        !queue_append_copy(&connection->tcb, bytes, length_bytes)) {
        return false;
    }
    connection->allowance_bytes -= length_bytes;
    connection_request_output(connection);
    return true;
}

void stream_end(struct connection *connection)
{
    shut_send(connection);
}

void stream_take_credit(struct connection *connection)
{
    connection->allowance_bytes += connection->credit_bytes;
    connection->credit_bytes = 0;
}

void stream_keep_peer_closed(struct connection *connection)
{
    connection->is_told_peer_closed = true;
}

/* --- From the first to the last --- */

void stream_begin(struct connection *connection, uint32_t stream_index, bool is_confirmation_due)
{
    ASSERT(connection->state == CONNECTION_CLAIMED && !connection->is_confirmation_due);
    ASSERT(is_confirmation_due || connection_has_tcp(connection) || connection->error_number != 0);
    connection->stream_index = stream_index;
    connection->is_confirmation_due = is_confirmation_due;
    connection->allowance_bytes = connection->window_bytes = SEND_WINDOW_BYTES;
    if (has_news(connection)) {
        connection_mark_dirty(connection);
    } else {
        connection_note_told(connection);
    }
}

/* By the congestion window, so that the next bytes are there while others are under way. */
static __attribute__((noinline)) void widen_window(struct connection *connection)
{
    uint32_t wanted = QUEUE_WINDOWS * connection->tcb.cwnd;

    if (wanted > SEND_WINDOW_MAX_BYTES) {
        wanted = SEND_WINDOW_MAX_BYTES;
    }
    if (wanted > connection->window_bytes && queue_room_bytes(&connection->tcb) != 0) {
        connection->credit_bytes += wanted - connection->window_bytes;
        connection->window_bytes = wanted;
    }
}

bool stream_note_acknowledged(struct connection *connection, uint32_t bytes)
{
    connection->credit_bytes += bytes;
    if (UNLIKELY(connection->tcb.cwnd > connection->window_bytes / QUEUE_WINDOWS)) {
        widen_window(connection);
    }
    return is_credit_due(connection);
}

void stream_initialise(void)
{
    net_register_payload_message(SEND, handle_send);
    net_register_message(CONSUMED, handle_consumed);
    net_register_message(CLOSE, handle_close);
}
