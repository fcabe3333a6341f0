/* SPDX-License-Identifier: MIT */
/*
 * The byte stream. Bytes from the peer stay in the frame they came in until a channel has taken
 * them; they count against TCP's window until the application says CONSUMED. Bytes to the peer
 * are copied once, out of the channel into TCP's segments; those of the boot archive are sent
 * from where they lie.
 */
#include "net/transport/stream.h"

#include <errno.h>
#include <string.h>

#include "kernel/message/send.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/memory.h"
#include "net/counters.h"
#include "net/handlers.h"
#include "net/transport/availability.h"
#include "net/transport/connection.h"
#include "net/transport/table.h"

#include "lwip/pbuf.h"
#include "net/transport/lwip/tcp.h"

/* tcp_write() takes 16 bits; whole segments, so that none is cut short between two calls. */
#define WRITE_MAX_BYTES (44u * TCP_MSS)

_Static_assert(WRITE_MAX_BYTES <= UINT16_MAX, "fits the parameter");
_Static_assert(SEND_WINDOW_BYTES <= TCP_SND_BUF, "what the credit allows, lwIP's buffer takes");

/* Bytes that wait for room in lwIP's queue: a copy behind this struct, or in the archive. */
struct send_block {
    struct send_block *next;
    const uint8_t *bytes;
    uint32_t length_bytes;
    bool is_copy;
};

/* --- To the application --- */

MEMORY_KIND(backlog_kind, "tcp_backlog");

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

static int send_data(struct connection *connection)
{
    const struct message_loan loan = connection_lend_received(connection);
    struct data *message =
        message_reserve_loan(connection->acceptor.node, DATA, sizeof(*message), &loan);

    if (message == NULL) {
        return message_refusal(connection->acceptor.node);
    }
    message->stream_index = connection->stream_index;
    message->generation = connection->generation;
    (void)connection_take_received(connection);
    message_publish();
    return 0;
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
    message_publish();
    connection->credit_bytes = 0;
    return 0;
}

/* One message. Nothing has changed if it could not be sent. */
static int deliver_next(struct connection *connection, bool *is_complete)
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
    if (connection->has_peer_closed && !connection->is_told_peer_closed) {
        return send_peer_closed(connection);
    }
    if (connection->credit_bytes >= SEND_CREDIT_LEAST_BYTES) {
        return send_credit(connection);
    }
    *is_complete = true;
    return 0;
}

bool stream_deliver(struct connection *connection)
{
    bool is_complete = false;

    while (!is_complete && connection->state == CONNECTION_CLAIMED) {
        int error = deliver_next(connection, &is_complete);

        if (error == -EAGAIN) {
            return false;
        }
        if (error != 0) {
            return true; /* the node is dead: node_down takes its connections */
        }
    }
    return true;
}

/* --- To the peer --- */

void stream_drop_backlog(struct connection *connection)
{
    while (connection->backlog_head != NULL) {
        struct send_block *block = connection->backlog_head;

        connection->backlog_head = block->next;
        memory_release(&backlog_kind, block);
    }
    ASSERT_SLOW(connection->backlog_tail == NULL || connection->backlog_head == NULL);
    connection->backlog_tail = NULL;
}

/* Returns how many bytes lwIP took. */
static uint32_t write_some(struct tcp_pcb *pcb, const uint8_t *bytes, uint32_t length, bool is_copy)
{
    uint32_t written = 0;

    while (written < length) {
        uint32_t piece = length - written;
        u8_t flags = is_copy ? TCP_WRITE_FLAG_COPY : 0;

        if (piece > WRITE_MAX_BYTES) {
            piece = WRITE_MAX_BYTES;
        }
        /* What follows unsent bytes shares their segments, so leave room behind it for more. */
        if (piece < length - written || pcb->unsent != NULL) {
            flags |= TCP_WRITE_FLAG_MORE;
        }
        if (tcp_write(pcb, bytes + written, (u16_t)piece, flags) != ERR_OK) {
            break;
        }
        written += piece;
    }
    return written;
}

static void append_block(struct connection *connection, struct send_block *block)
{
    ASSERT(block->length_bytes > 0);
    ASSERT((connection->backlog_head == NULL) == (connection->backlog_tail == NULL));
    block->next = NULL;
    if (connection->backlog_tail == NULL) {
        connection->backlog_head = block;
    } else {
        connection->backlog_tail->next = block;
    }
    connection->backlog_tail = block;
}

static bool may_send(const struct connection *connection)
{
    return connection->pcb != NULL && connection->error_number == 0 &&
           !connection->is_send_closed && connection->close_due == 0;
}

static void write_bytes(struct connection *connection, const uint8_t *bytes, uint32_t length,
                        bool is_copy)
{
    uint32_t written = 0;
    struct send_block *block;

    ASSERT_SLOW(length > 0 && may_send(connection));
    if (connection->backlog_head == NULL) {
        written = write_some(connection->pcb, bytes, length, is_copy);
    }
    connection_request_output(connection);
    if (written == length) {
        return;
    }
    block = memory_allocate(&backlog_kind, sizeof(*block) + (is_copy ? length - written : 0));
    if (block == NULL) {
        connection_abort(connection, ENOMEM); /* a hole in the stream must not be sent */
        return;
    }
    block->is_copy = is_copy;
    block->length_bytes = length - written;
    block->bytes = bytes + written;
    if (is_copy) {
        memcpy(block + 1, bytes + written, length - written);
        block->bytes = (const uint8_t *)(block + 1);
    }
    append_block(connection, block);
}

static void finish_close(struct connection *connection)
{
    enum close_kind kind = (enum close_kind)connection->close_due;
    err_t error;

    ASSERT(kind == CLOSE_BOTH || kind == CLOSE_SEND_ONLY);
    ASSERT(connection->backlog_head == NULL); /* or the FIN would overtake it */
    connection->close_due = 0;
    connection->is_send_closed = true;
    error = kind == CLOSE_BOTH ? tcp_close(connection->pcb) : tcp_shutdown(connection->pcb, 0, 1);
    if (error != ERR_OK && connection->pcb != NULL) {
        connection_abort(connection, 0);
    }
}

bool stream_pump(struct connection *connection)
{
    bool has_written = false;

    ASSERT_SLOW(connection->pcb != NULL);
    while (connection->backlog_head != NULL) {
        struct send_block *block = connection->backlog_head;
        uint32_t written =
            write_some(connection->pcb, block->bytes, block->length_bytes, block->is_copy);

        ASSERT_SLOW(written <= block->length_bytes);
        has_written |= written != 0;
        block->bytes += written;
        block->length_bytes -= written;
        if (block->length_bytes != 0) {
            return has_written;
        }
        connection->backlog_head = block->next;
        if (block->next == NULL) {
            connection->backlog_tail = NULL;
        }
        memory_release(&backlog_kind, block);
    }
    if (connection->close_due != 0) {
        finish_close(connection);
    }
    return has_written;
}

/* --- Messages from the application --- */

/* The connection that an application's message is about, if it is that application's, or becomes it
 * by this message. NULL if not; counted unless it may happen. */
static struct connection *admit_message(node_id_t from, uint32_t index, uint32_t generation,
                                        uint32_t stream_index)
{
    struct connection *connection = connection_find(index, generation);
    bool is_over;

    if (connection != NULL &&
        ((connection->state == CONNECTION_CLAIMED && connection->acceptor.node == from) ||
         availability_claim_granted(connection, from, stream_index))) {
        return connection;
    }
    /* CONNECTION_FAILED and the message may cross: nobody's fault. */
    is_over = connection == NULL ? connection_has_been(index, generation)
                                 : connection->state == CONNECTION_DETACHED;
    if (!is_over) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
    }
    return NULL;
}

static void consume(struct connection *connection, uint32_t bytes)
{
    uint32_t most;

    if (bytes == 0 || connection->pcb == NULL) {
        return;
    }
    ASSERT_SLOW(connection->pcb->rcv_wnd <= TCP_WND_MAX(connection->pcb));
    most = TCP_WND_MAX(connection->pcb) - connection->pcb->rcv_wnd;
    bytes = bytes < most ? bytes : most;
    while (bytes != 0) {
        u16_t piece = bytes < UINT16_MAX ? (u16_t)bytes : UINT16_MAX;

        tcp_recved(connection->pcb, piece);
        bytes -= piece;
    }
    connection_mark_dirty(connection);
}

/* FIN behind what has been written, at the end of the round. */
static void shut_send(struct connection *connection)
{
    ASSERT_SLOW(may_send(connection));
    connection->close_due = CLOSE_SEND_ONLY;
    connection_mark_dirty(connection);
}

static bool is_send_possible(const struct send *send)
{
    size_t archive_bytes = platform_archive_bytes();

    return send->archive_offset <= archive_bytes &&
           send->archive_bytes <= archive_bytes - send->archive_offset &&
           (send->close_kind == 0 || send->close_kind == CLOSE_SEND_ONLY);
}

static void handle_send(node_id_t from, const struct message *message,
                        struct message_payload payload)
{
    const struct send *send = (const struct send *)message;
    struct connection *connection =
        admit_message(from, send->connection_index, send->generation, send->stream_index);

    if (connection == NULL) {
        return;
    }
    if (!is_send_possible(send)) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        return;
    }
    consume(connection, send->consumed_bytes);
    if (payload.length_bytes != 0 && may_send(connection)) {
        write_bytes(connection, payload.bytes, (uint32_t)payload.length_bytes, true);
    }
    /* Each may find that the one before had no memory, and has reset the connection. */
    if (send->archive_bytes != 0 && may_send(connection)) {
        write_bytes(connection, (const uint8_t *)platform_archive_start() + send->archive_offset,
                    send->archive_bytes, false);
    }
    if (send->close_kind != 0 && may_send(connection)) {
        shut_send(connection);
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
    connection_detach(connection);
    if (close->kind == CLOSE_ABORT) {
        connection_abort(connection, 0);
    } else if (connection->pcb != NULL) {
        connection->close_due = CLOSE_BOTH;
    }
}

void stream_begin(struct connection *connection, uint32_t stream_index, bool is_confirmation_due)
{
    ASSERT(connection->state == CONNECTION_CLAIMED && !connection->is_confirmation_due);
    ASSERT(is_confirmation_due || connection->pcb != NULL || connection->error_number != 0);
    connection->stream_index = stream_index;
    connection->is_confirmation_due = is_confirmation_due;
    connection_mark_dirty(connection);
}

void stream_note_acknowledged(struct connection *connection, uint32_t bytes)
{
    connection->credit_bytes += bytes;
}

void stream_initialise(void)
{
    net_register_payload_message(SEND, handle_send);
    net_register_message(CONSUMED, handle_consumed);
    net_register_message(CLOSE, handle_close);
}
