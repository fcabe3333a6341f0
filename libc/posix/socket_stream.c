/* SPDX-License-Identifier: MIT */
/*
 * recv(), send() and shutdown() on a connection.
 *
 * Sending uses the credit that the TS has given: SEND carries a copy of the bytes; those that lie
 * in the boot archive, which every node maps, go as SEND_ARCHIVE without being touched. Reading
 * returns credit: what has been read is told with the next SEND or CLOSE, or alone when much has
 * gathered.
 */
#include "libc/posix/socket_stream.h"

#include <errno.h>
#include <sys/socket.h>

#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/posix/socket_listener.h"
#include "net/counters.h"

/* Read bytes are told alone above this: less than half of any TCP window in use, so the peer is
 * never stopped by it; more than one segment, so a download in is not a message a segment. */
#define CONSUMED_REPORT_BYTES (16 * KIB)

/* Shorter pieces of the archive are cheaper to copy than to refer to: a reference costs the TS a
 * buffer and the NIC a descriptor. Chosen. */
#define ARCHIVE_REFERENCE_MIN_BYTES 1024

#define SEND_MAX_BYTES (MESSAGE_MAX_BYTES - sizeof(struct send))

/* Connections whose last send found their channel full, until it has room again. */
static struct socket *channel_full_head;

static bool has_send_room(const struct socket *connection)
{
    /* Half of the window at least, so that a long response is not woken for every segment. */
    return !connection->is_channel_full &&
           2 * (uint64_t)connection->send_credit_bytes >= connection->send_window_bytes;
}

static unsigned stream_readiness(struct descriptor *descriptor)
{
    const struct socket *connection = (struct socket *)descriptor;
    unsigned ready = 0;

    if (connection->receive_head != NULL || connection->is_receive_shut) {
        ready |= READY_IN;
    }
    if (connection->is_peer_closed) {
        ready |= READY_IN | READY_PEER_HANGUP;
    }
    if (connection->is_gone || (connection->is_peer_closed && connection->is_send_shut)) {
        ready |= READY_IN | READY_OUT | READY_HANGUP | READY_PEER_HANGUP;
    }
    if (connection->error != 0) {
        ready |= READY_ERROR;
    }
    if (has_send_room(connection)) {
        ready |= READY_OUT;
    }
    return ready;
}

static int take_error(struct socket *connection)
{
    int error = connection->error;

    connection->error = 0;
    return -error;
}

/* Wait until one of `events`; -EAGAIN if this call may not, -EBADF if it was closed meanwhile. */
static int wait_for(struct socket *connection, unsigned events, int flags)
{
    if (connection->descriptor.is_nonblocking || (flags & MSG_DONTWAIT)) {
        return -EAGAIN;
    }
    return descriptor_wait(&connection->descriptor, events, UINT64_MAX);
}

/* --- Receiving --- */

static void report_consumed(struct socket *connection)
{
    struct consumed message = {
        .header = {.type = CONSUMED, .length_bytes = sizeof(message)},
        .connection_index = connection->connection_index,
        .generation = connection->generation,
        .consumed_bytes = connection->unreported_bytes,
    };

    if (!connection->is_gone) {
        connection->unreported_bytes = 0;
        message_post(connection->ts, &message.header);
    }
}

static size_t take_received(struct socket *connection, void *buffer, size_t bytes, int flags)
{
    bool is_peek = (flags & MSG_PEEK) != 0;
    size_t taken = socket_take(connection, buffer, bytes, is_peek);

    if (!is_peek) {
        connection->unreported_bytes += (uint32_t)taken;
        if (connection->unreported_bytes >= CONSUMED_REPORT_BYTES) {
            report_consumed(connection);
        }
    }
    return taken;
}

static ssize_t receive(struct socket *connection, void *buffer, size_t bytes, int flags)
{
    size_t received = 0;

    for (;;) {
        received +=
            take_received(connection, (uint8_t *)buffer + received, bytes - received, flags);
        /* A peek takes nothing, so that a second one would only find the same bytes again. */
        bool is_enough = received > 0 && (!(flags & MSG_WAITALL) || (flags & MSG_PEEK));
        if (received == bytes || is_enough) {
            return (ssize_t)received;
        }
        if (received == 0 && connection->error != 0) {
            return take_error(connection);
        }
        if (connection->is_peer_closed || connection->is_gone || connection->is_receive_shut) {
            return (ssize_t)received;
        }
        int error = wait_for(connection, READY_IN, flags);
        if (error != 0) {
            return received > 0 ? (ssize_t)received : error;
        }
    }
}

/* --- Sending --- */

static bool is_in_archive(const void *data, size_t bytes)
{
    /* Unsigned: an address below the start becomes a large offset. */
    uintptr_t offset = (uintptr_t)data - (uintptr_t)platform_archive_start();

    return offset < platform_archive_bytes() && bytes <= platform_archive_bytes() - offset;
}

static int send_reference(struct socket *connection, const void *data, uint32_t bytes)
{
    struct send_archive message = {
        .header = {.type = SEND_ARCHIVE, .length_bytes = sizeof(message)},
        .connection_index = connection->connection_index,
        .generation = connection->generation,
        .consumed_bytes = connection->unreported_bytes,
        .length_bytes = bytes,
        .archive_offset = (uintptr_t)data - (uintptr_t)platform_archive_start(),
    };

    return message_send(connection->ts, &message.header);
}

static int send_copy(struct socket *connection, const void *data, uint32_t bytes)
{
    struct send message = {
        .header = {.type = SEND},
        .connection_index = connection->connection_index,
        .generation = connection->generation,
        .consumed_bytes = connection->unreported_bytes,
    };

    return message_send_payload(connection->ts, &message.header, sizeof(message), data, bytes);
}

/* Look again at each dispatch round: a channel that gets room tells nobody. */
static void wait_for_channel(struct socket *connection)
{
    if (!connection->is_channel_full) {
        connection->is_channel_full = true;
        connection->next_channel_full = channel_full_head;
        channel_full_head = connection;
    }
}

/* Send one message's worth. Returns how many bytes went, or -EAGAIN. */
static ssize_t send_some(struct socket *connection, const void *data, size_t bytes)
{
    uint32_t unreported_bytes = connection->unreported_bytes;
    uint32_t part_bytes = connection->send_credit_bytes;
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
    /* Before the message: a TS on this node may return credit from inside the call. */
    connection->send_credit_bytes -= part_bytes;
    int error = is_reference ? send_reference(connection, data, part_bytes)
                             : send_copy(connection, data, part_bytes);
    if (error == 0) {
        connection->unreported_bytes -= unreported_bytes;
        return part_bytes;
    }
    connection->send_credit_bytes += part_bytes;
    if (error == -EAGAIN) {
        wait_for_channel(connection);
    } else {
        socket_fail(connection, ECONNRESET); /* its TS is dead */
    }
    return -EAGAIN;
}

static ssize_t send_stream(struct socket *connection, const void *data, size_t bytes, int flags)
{
    size_t sent = 0;

    while (sent < bytes) {
        if (UNLIKELY(connection->is_gone || connection->is_send_shut)) {
            int error = connection->error != 0 ? take_error(connection) : -EPIPE;
            return sent > 0 ? (ssize_t)sent : error;
        }
        ssize_t part = send_some(connection, (const uint8_t *)data + sent, bytes - sent);
        if (part > 0) {
            sent += (size_t)part;
            continue;
        }
        connection->is_short_of_room = true;
        int error = wait_for(connection, READY_OUT, flags);
        if (error != 0) {
            return sent > 0 ? (ssize_t)sent : error;
        }
    }
    return (ssize_t)sent;
}

static void tell_room(struct socket *connection)
{
    connection->is_short_of_room = false;
    descriptor_notify(&connection->descriptor, READY_OUT);
}

static unsigned poll_full_channels(void *context)
{
    struct socket **link = &channel_full_head;
    unsigned told = 0;

    (void)context;
    while (*link != NULL) {
        struct socket *connection = *link;
        if (!connection->is_gone && !message_has_room(connection->ts, MESSAGE_MAX_BYTES)) {
            link = &connection->next_channel_full;
            continue;
        }
        *link = connection->next_channel_full;
        connection->is_channel_full = false;
        told++;
        tell_room(connection);
    }
    return told;
}

/* As long as one is full the dispatcher sleeps only for moments. */
static struct dispatch_source full_channels = {.poll = poll_full_channels};

/* --- Closing --- */

static void forget_full_channel(struct socket *connection)
{
    for (struct socket **link = &channel_full_head; *link != NULL;
         link = &(*link)->next_channel_full) {
        if (*link == connection) {
            *link = connection->next_channel_full;
            return;
        }
    }
}

static void stream_close(struct descriptor *descriptor)
{
    struct socket *connection = (struct socket *)descriptor;

    if (connection->is_channel_full) {
        forget_full_channel(connection);
    }
    socket_post_close(connection, connection->is_linger_zero ? CLOSE_ABORT : CLOSE_BOTH);
    socket_destroy(connection);
}

static ssize_t stream_read(struct descriptor *descriptor, void *buffer, size_t bytes)
{
    return receive((struct socket *)descriptor, buffer, bytes, 0);
}

static ssize_t stream_write(struct descriptor *descriptor, const void *data, size_t bytes)
{
    return send_stream((struct socket *)descriptor, data, bytes, 0);
}

const struct descriptor_operations socket_stream_operations = {
    .readiness = stream_readiness,
    .read = stream_read,
    .write = stream_write,
    .close = stream_close,
};

void socket_stream_initialise(struct socket *connection)
{
    descriptor_initialise(&connection->descriptor, &socket_stream_operations);
}

/* --- What the TS says --- */

static void handle_data(node_id_t from, const struct message *message)
{
    const struct data *data = (const void *)message;
    struct socket *connection = socket_find(from, data->socket_index, data->generation);
    size_t data_bytes = message->header.length_bytes - sizeof(*data);

    if (connection == NULL || connection->is_gone) {
        return;
    }
    if (socket_append(connection, data->bytes, data_bytes) != 0) {
        counter_increment(COUNTER_DROP_NO_MEMORY);
        socket_post_close(connection, CLOSE_ABORT);
        socket_fail(connection, ENOBUFS);
    } else {
        descriptor_notify(&connection->descriptor, READY_IN);
    }
    socket_listener_stirred(connection);
}

static void handle_peer_closed(node_id_t from, const struct message *message)
{
    const struct peer_closed *closed = (const void *)message;
    struct socket *connection = socket_find(from, closed->socket_index, closed->generation);

    if (connection != NULL) {
        connection->is_peer_closed = true;
        descriptor_notify(&connection->descriptor, READY_IN | READY_PEER_HANGUP);
        socket_listener_stirred(connection);
    }
}

static void handle_failed(node_id_t from, const struct message *message)
{
    const struct connection_failed *failed = (const void *)message;
    struct socket *connection = socket_find(from, failed->socket_index, failed->generation);

    if (connection != NULL) {
        socket_fail(connection, failed->error_number != 0 ? (int)failed->error_number : ECONNRESET);
        socket_listener_stirred(connection);
    }
}

static void handle_send_credit(node_id_t from, const struct message *message)
{
    const struct send_credit *credit = (const void *)message;
    struct socket *connection = socket_find(from, credit->socket_index, credit->generation);

    if (connection == NULL || connection->is_gone) {
        return;
    }
    bool had_room = has_send_room(connection);
    if (credit->bytes > UINT32_MAX - connection->send_credit_bytes) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        return;
    }
    connection->send_credit_bytes += credit->bytes;
    if (has_send_room(connection) && (!had_room || connection->is_short_of_room)) {
        tell_room(connection);
    }
}

static void lose_connection(struct socket *connection, void *node)
{
    if (connection->ts != *(const node_id_t *)node) {
        return;
    }
    if (connection->descriptor.fd < 0) {
        socket_listener_lost(connection);
    } else if (!connection->is_gone) {
        socket_fail(connection, ECONNRESET);
    }
}

static void node_down(node_id_t node)
{
    socket_for_each(lose_connection, &node);
}

void socket_stream_start(void)
{
    dispatch_register_message(DATA, sizeof(struct data), handle_data);
    dispatch_register_message(PEER_CLOSED, sizeof(struct peer_closed), handle_peer_closed);
    dispatch_register_message(CONNECTION_FAILED, sizeof(struct connection_failed), handle_failed);
    dispatch_register_message(SEND_CREDIT, sizeof(struct send_credit), handle_send_credit);
    dispatch_register_node_down(node_down);
    dispatch_register_source(&full_channels);
}

/* --- The calls --- */

static struct socket *get_connection(int fd, int *error)
{
    struct descriptor *descriptor = descriptor_get(fd);

    if (UNLIKELY(descriptor == NULL)) {
        *error = -EBADF;
        return NULL;
    }
    if (UNLIKELY(descriptor->operations != &socket_stream_operations)) {
        *error = descriptor->operations == &socket_listener_operations ? -ENOTCONN : -ENOTSOCK;
        return NULL;
    }
    return (struct socket *)descriptor;
}

ssize_t recv(int fd, void *buffer, size_t bytes, int flags)
{
    int error = 0;
    struct socket *connection = get_connection(fd, &error);

    if (connection != NULL && (flags & MSG_OOB)) {
        return call_result(-EINVAL);
    }
    return call_result(connection != NULL ? receive(connection, buffer, bytes, flags) : error);
}

ssize_t send(int fd, const void *data, size_t bytes, int flags)
{
    int error = 0;
    struct socket *connection = get_connection(fd, &error);

    if (connection != NULL && (flags & MSG_OOB)) {
        return call_result(-EOPNOTSUPP);
    }
    return call_result(connection != NULL ? send_stream(connection, data, bytes, flags) : error);
}

int shutdown(int fd, int how)
{
    int error = 0;
    struct socket *connection = get_connection(fd, &error);

    if (connection == NULL) {
        return (int)call_result(error);
    }
    if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR) {
        return (int)call_result(-EINVAL);
    }
    if (how != SHUT_WR) {
        connection->is_receive_shut = true;
    }
    if (how != SHUT_RD && !connection->is_send_shut) {
        connection->is_send_shut = true;
        socket_post_close(connection, CLOSE_SEND_ONLY);
    }
    descriptor_notify(&connection->descriptor, READY_IN | READY_OUT | READY_HANGUP);
    return 0;
}
