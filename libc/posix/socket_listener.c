/* SPDX-License-Identifier: MIT */
/*
 * Listening sockets. A connection that a TS offers goes through three queues of its listener:
 * offers (ours to claim), deferred (confirmed, waiting for data if the program asked for that)
 * and ready (for accept()).
 */
#include "libc/posix/socket_listener.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "kernel/memory/memory.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "kernel/thread/timer.h"
#include "libc/posix/socket.h"
#include "libc/posix/socket_stream.h"
#include "net/configuration.h"
#include "net/counters.h"

static struct listening_socket *listeners[LISTENER_MAX];
/* Expires when the first deferred connection of some listener has waited long enough. */
static struct timer defer_timer;

static void ask_for_connections(struct listening_socket *listener)
{
    const struct configuration *configuration = configuration_current();
    struct accept_connection message = {
        .header = {.type = ACCEPT_CONNECTION, .length_bytes = sizeof(message)},
        .port = listener->port,
        .listener_index = listener->index,
        .request_number = ++listener->request_number,
    };

    listener->is_on_list = true;
    message_post(configuration_own_cm(configuration, platform_node()), &message.header);
}

static void claim_connection(struct socket *connection)
{
    struct claim_connection message = {
        .header = {.type = CLAIM_CONNECTION, .length_bytes = sizeof(message)},
        .connection_index = connection->connection_index,
        .generation = connection->generation,
        .socket_index = connection->socket_index,
        .availability_number = connection->offer_number,
    };

    if (connection->queue != NULL) {
        socket_queue_remove(connection);
    }
    connection->state = SOCKET_CLAIMED;
    message_post(connection->ts, &message.header);
}

/* What a call that waits on the listener implies: be on the CM's list, claim what was offered. */
static unsigned listener_readiness(struct descriptor *descriptor)
{
    struct listening_socket *listener = (struct listening_socket *)descriptor;

    if (!listener->is_listening) {
        return READY_HANGUP | READY_OUT;
    }
    if (!listener->is_on_list) {
        ask_for_connections(listener);
    }
    while (listener->offers.head != NULL) {
        claim_connection(listener->offers.head);
    }
    return listener->ready.head != NULL ? READY_IN : 0;
}

/* Tell every CM that the port is, or is no longer, served. */
static void post_to_connection_managers(const struct message_header *message)
{
    const struct configuration *configuration = configuration_current();

    for (unsigned i = 0; i < configuration->cm_count; i++) {
        message_post(configuration->cm[i], message);
    }
}

static bool is_port_taken(uint16_t port)
{
    for (unsigned i = 0; i < LISTENER_MAX; i++) {
        if (listeners[i] != NULL && listeners[i]->port == port) {
            return true;
        }
    }
    return false;
}

int socket_listener_listen(struct listening_socket *listener, int backlog)
{
    uint32_t wanted = backlog < 1 ? 1 : (uint32_t)backlog;

    listener->backlog = wanted < SOMAXCONN ? wanted : SOMAXCONN;
    if (listener->is_listening) {
        return 0;
    }
    if (!listener->is_bound) {
        return -EINVAL; /* a port chosen by us could be found by no client */
    }
    if (is_port_taken(listener->port)) {
        return -EADDRINUSE;
    }
    uint16_t index = 0;
    while (index < LISTENER_MAX && listeners[index] != NULL) {
        index++;
    }
    if (index == LISTENER_MAX) {
        return -ENFILE;
    }
    listener->index = index;
    listener->is_listening = true;
    listeners[index] = listener;
    struct listen message = {
        .header = {.type = LISTEN, .length_bytes = sizeof(message)},
        .port = listener->port,
        .listener_index = index,
        .backlog = listener->backlog,
    };
    post_to_connection_managers(&message.header);
    return 0;
}

struct listening_socket *socket_listener_create(void)
{
    struct listening_socket *listener = memory_allocate_zeroed(sizeof(*listener));

    if (listener != NULL) {
        descriptor_initialise(&listener->descriptor, &socket_listener_operations);
    }
    return listener;
}

static void orphan_connection(struct socket *connection, void *listener)
{
    if (connection->listener != listener) {
        return;
    }
    connection->listener = NULL;
    if (connection->state == SOCKET_CLAIMED) {
        return; /* handle_confirmed() aborts it */
    }
    if (connection->state == SOCKET_CONFIRMED) {
        socket_post_close(connection, CLOSE_ABORT);
    }
    socket_destroy(connection);
}

static void listener_close(struct descriptor *descriptor)
{
    struct listening_socket *listener = (struct listening_socket *)descriptor;

    if (listener->is_listening) {
        struct unlisten message = {
            .header = {.type = UNLISTEN, .length_bytes = sizeof(message)},
            .port = listener->port,
            .listener_index = listener->index,
        };
        listeners[listener->index] = NULL;
        post_to_connection_managers(&message.header);
        socket_for_each(orphan_connection, listener);
    }
    memory_release(listener);
}

const struct descriptor_operations socket_listener_operations = {
    .readiness = listener_readiness,
    .close = listener_close,
};

/* The CM has dropped us, or will. Ask for a new place now if somebody waits, else when somebody
 * does: an application that does not accept shall not be on the list. */
static void lose_place(struct listening_socket *listener)
{
    listener->is_on_list = false;
    listener->has_refused = false;
    if (descriptor_is_awaited(&listener->descriptor, READY_IN)) {
        ask_for_connections(listener);
    } else {
        descriptor_notify(&listener->descriptor, READY_IN);
    }
}

/* --- accept() --- */

static int accept_connection(struct listening_socket *listener, int flags, struct flow *flow)
{
    struct socket *connection = listener->ready.head;
    int fd = descriptor_open(&connection->descriptor);

    if (fd < 0) {
        return fd;
    }
    socket_queue_remove(connection);
    connection->listener = NULL;
    connection->descriptor.is_nonblocking = (flags & SOCK_NONBLOCK) != 0;
    *flow = connection->flow;
    counter_increment(COUNTER_SOCKETS_ACCEPTED);
    if (listener->has_refused) {
        lose_place(listener);
    }
    return fd;
}

static int wait_and_accept(int listener_fd, int flags, struct flow *flow)
{
    for (;;) {
        int error = 0;
        struct listening_socket *listener = (struct listening_socket *)descriptor_get_kind(
            listener_fd, &socket_listener_operations, -EINVAL, &error);
        if (listener == NULL) {
            return error;
        }
        if (!listener->is_listening) {
            return -EINVAL;
        }
        if (listener_readiness(&listener->descriptor) & READY_IN) {
            return accept_connection(listener, flags, flow);
        }
        if (listener->descriptor.is_nonblocking) {
            return -EAGAIN;
        }
        error = descriptor_wait(&listener->descriptor, READY_IN, UINT64_MAX);
        if (error != 0) {
            return error;
        }
    }
}

int accept4(int fd, struct sockaddr *restrict address, socklen_t *restrict bytes, int flags)
{
    struct flow flow = {0};
    int accepted = (flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) != 0
                       ? -EINVAL
                       : wait_and_accept(fd, flags, &flow);

    if (accepted >= 0 && address != NULL) {
        socket_store_address(flow.remote_address, flow.remote_port, address, bytes);
    }
    return (int)call_result(accepted);
}

int accept(int fd, struct sockaddr *restrict address, socklen_t *restrict bytes)
{
    return accept4(fd, address, bytes, 0);
}

/* --- What the TSs say --- */

static bool has_room(const struct listening_socket *listener)
{
    return listener->undecided_count + listener->ready.count < listener->backlog;
}

static void handle_available(node_id_t from, const struct message *message)
{
    const struct connection_available *offer = (const void *)message;
    struct listening_socket *listener =
        offer->listener_index < LISTENER_MAX ? listeners[offer->listener_index] : NULL;
    size_t data_bytes = message->header.length_bytes - sizeof(*offer);

    if (listener == NULL || listener->port != ntohs(offer->flow.local_port)) {
        return; /* closed meanwhile: the offer will be made to another */
    }
    if (!has_room(listener)) {
        listener->has_refused = true;
        return;
    }
    struct socket *connection = socket_create(from, offer);
    if (connection == NULL || socket_append(connection, offer->data, data_bytes) != 0) {
        counter_increment(COUNTER_DROP_NO_MEMORY);
        if (connection != NULL) {
            socket_destroy(connection);
        }
        listener->has_refused = true;
        return;
    }
    socket_stream_initialise(connection);
    connection->listener = listener;
    listener->undecided_count++;
    if (descriptor_is_awaited(&listener->descriptor, READY_IN)) {
        claim_connection(connection);
    } else {
        socket_queue_append(&listener->offers, connection);
        descriptor_notify(&listener->descriptor, READY_IN);
    }
}

/* One offer has been decided; there is room for another. */
static void settle_offer(struct listening_socket *listener)
{
    listener->undecided_count--;
    if (listener->has_refused) {
        lose_place(listener);
    }
}

static void make_ready(struct socket *connection)
{
    struct listening_socket *listener = connection->listener;

    if (connection->queue != NULL) {
        socket_queue_remove(connection);
    }
    socket_queue_append(&listener->ready, connection);
    descriptor_notify(&listener->descriptor, READY_IN);
}

void socket_listener_stirred(struct socket *connection)
{
    if (connection->listener != NULL && connection->queue == &connection->listener->deferred) {
        make_ready(connection);
    }
}

/* Wait for data first, as TCP_DEFER_ACCEPT asks, but not for ever. */
static void defer_connection(struct socket *connection)
{
    struct listening_socket *listener = connection->listener;

    if (listener->deferred.count >= listener->backlog) {
        make_ready(listener->deferred.head); /* bounded: it has waited longest */
    }
    socket_queue_append(&listener->deferred, connection);
    if (!timer_is_set(&defer_timer) &&
        timer_start(&defer_timer, connection->confirmed_ns + listener->defer_ns) != 0) {
        make_ready(connection); /* no memory for a timer: as if it had waited */
    }
}

/* Let accept() have what has been deferred until `now_ns`; when the next one's time is over. */
static uint64_t end_deferring(uint64_t now_ns)
{
    uint64_t next_ns = UINT64_MAX;

    for (unsigned i = 0; i < LISTENER_MAX; i++) {
        struct listening_socket *listener = listeners[i];
        if (listener == NULL) {
            continue;
        }
        struct socket *first = listener->deferred.head;
        while (first != NULL && first->confirmed_ns + listener->defer_ns <= now_ns) {
            make_ready(first);
            first = listener->deferred.head;
        }
        if (first != NULL && first->confirmed_ns + listener->defer_ns < next_ns) {
            next_ns = first->confirmed_ns + listener->defer_ns;
        }
    }
    return next_ns;
}

static void defer_expired(struct timer *timer)
{
    uint64_t next_ns = end_deferring(platform_now_ns());

    if (next_ns != UINT64_MAX && timer_start(timer, next_ns) != 0) {
        (void)end_deferring(UINT64_MAX - 1); /* no memory for a timer: as if all had waited */
    }
}

static void handle_confirmed(node_id_t from, const struct message *message)
{
    const struct claim_confirmed *confirmed = (const void *)message;
    struct socket *connection = socket_find(from, confirmed->socket_index, confirmed->generation);
    size_t data_bytes = message->header.length_bytes - sizeof(*confirmed);

    if (connection == NULL || connection->state != SOCKET_CLAIMED) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        return;
    }
    struct listening_socket *listener = connection->listener;
    connection->state = SOCKET_CONFIRMED;
    if (listener == NULL || socket_append(connection, confirmed->data, data_bytes) != 0) {
        socket_post_close(connection, CLOSE_ABORT);
        socket_destroy(connection);
        if (listener != NULL) {
            counter_increment(COUNTER_DROP_NO_MEMORY);
            settle_offer(listener);
        }
        return;
    }
    connection->send_window_bytes = confirmed->send_window_bytes;
    connection->send_credit_bytes = confirmed->send_window_bytes;
    connection->confirmed_ns = dispatch_now_ns();
    settle_offer(listener);
    if (listener->defer_ns != 0 && connection->received_bytes == 0) {
        defer_connection(connection);
    } else {
        make_ready(connection);
    }
}

static void handle_rejected(node_id_t from, const struct message *message)
{
    const struct claim_rejected *rejected = (const void *)message;
    struct socket *connection = socket_find(from, rejected->socket_index, rejected->generation);

    if (connection == NULL || connection->state != SOCKET_CLAIMED) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        return;
    }
    struct listening_socket *listener = connection->listener;
    socket_destroy(connection);
    if (listener != NULL) {
        listener->undecided_count--;
        lose_place(listener);
    }
}

void socket_listener_lost(struct socket *connection)
{
    struct listening_socket *listener = connection->listener;
    bool is_undecided = connection->state != SOCKET_CONFIRMED;

    socket_destroy(connection);
    if (listener != NULL && is_undecided) {
        settle_offer(listener);
    }
}

void socket_listener_start(void)
{
    timer_initialise(&defer_timer, defer_expired);
    dispatch_register_message(CONNECTION_AVAILABLE, sizeof(struct connection_available),
                              handle_available);
    dispatch_register_message(CLAIM_CONFIRMED, sizeof(struct claim_confirmed), handle_confirmed);
    dispatch_register_message(CLAIM_REJECTED, sizeof(struct claim_rejected), handle_rejected);
}
