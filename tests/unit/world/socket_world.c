/* SPDX-License-Identifier: MIT */
/* sources: libc/posix/descriptor.c libc/posix/socket.c libc/posix/socket_options.c libc/posix/socket_transfer.c */
/* sources: net/streams/table.c net/streams/listener.c net/streams/stream.c net/streams/received.c */
/* sources: libc/posix/poll.c libc/posix/epoll.c net/address.c net/configuration.c net/placement.c */
/* sources: libc/core/command_line.c kernel/message/dispatch.c kernel/message/peers.c kernel/message/channel.c kernel/message/status.c kernel/log.c */
/* sources: libc/core/format.c kernel/thread/timer.c kernel/thread/thread.c kernel/thread/switch.S */
/* sources: tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
/*
 * The world of an application's sockets for unit tests: see socket_world.h.
 */
#include "tests/unit/world/socket_world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernel/message/dispatch.h"
#include "libc/posix/log_stream.h"
#include "libc/posix/socket.h"
#include "net/configuration.h"
#include "tests/unit/world/fake_platform.h"

struct configuration configuration;
node_id_t own_cm;

const struct configuration *configuration_current(void)
{
    return &configuration;
}

ssize_t log_stream_write(int fd, const void *text, size_t bytes)
{
    (void)text;
    return fd == STDOUT_FILENO ? (ssize_t)bytes : -EBADF;
}

int start_sockets(void **state)
{
    char reason[128];

    (void)state;
    fake_platform_reset(NODE, 4);
    dispatch_initialise();
    assert_int_equal(configuration_parse(&configuration, "pika=TS2LS2CM2 app=httpd:2", 4, reason,
                                         sizeof(reason)),
                     0);
    own_cm = configuration_own_cm(&configuration, NODE);
    sockets_start();
    return 0;
}

/* --- What the servers say --- */

void offer(uint32_t index, uint32_t generation, const char *data)
{
    struct connection_available message = {
        .header = {.type = CONNECTION_AVAILABLE},
        .connection_index = index,
        .generation = generation,
        .flow = {.remote_address = htonl(0x0A000001),
                 .remote_port = htons(4000),
                 .local_address = htonl(0x0A000002),
                 .local_port = htons(PORT)},
        .availability_number = 1,
    };

    fake_deliver_payload(TS, &message.header, sizeof(message), data, strlen(data));
    dispatch_round();
}

uint32_t expect_claim(uint32_t index, uint32_t generation)
{
    const struct claim_connection *claim = fake_expect_message(TS, CLAIM_CONNECTION);

    assert_int_equal(claim->connection_index, index);
    assert_int_equal(claim->generation, generation);
    assert_int_equal(claim->availability_number, 1);
    return claim->socket_index;
}

void confirm(uint32_t index, uint32_t generation, uint32_t socket_index, const char *data)
{
    struct claim_confirmed message = {
        .header = {.type = CLAIM_CONFIRMED},
        .connection_index = index,
        .generation = generation,
        .socket_index = socket_index,
        .send_window_bytes = WINDOW,
    };

    fake_deliver_payload(TS, &message.header, sizeof(message), data, strlen(data));
    dispatch_round();
}

void deliver_data(uint32_t socket_index, uint32_t generation, const void *bytes, size_t length)
{
    struct data message = {
        .header = {.type = DATA}, .socket_index = socket_index, .generation = generation};

    fake_deliver_payload(TS, &message.header, sizeof(message), bytes, length);
    dispatch_round();
}

/* A message without payload about that socket; then a round. */
#define TELL(type_, ...)                                                                           \
    do {                                                                                           \
        __typeof__(__VA_ARGS__) message_ = __VA_ARGS__;                                            \
        message_.header =                                                                          \
            (struct message_header){.type = (type_), .length_bytes = sizeof(message_)};            \
        fake_deliver(TS, &message_.header);                                                        \
        dispatch_round();                                                                          \
    } while (0)

void reject(uint32_t index, uint32_t generation, uint32_t socket_index)
{
    TELL(CLAIM_REJECTED, (struct claim_rejected){.connection_index = index,
                                                 .generation = generation,
                                                 .socket_index = socket_index});
}

void close_by_peer(uint32_t socket_index, uint32_t generation)
{
    TELL(PEER_CLOSED, (struct peer_closed){.socket_index = socket_index, .generation = generation});
}

void fail_connection(uint32_t socket_index, uint32_t generation, int error)
{
    TELL(CONNECTION_FAILED, (struct connection_failed){.socket_index = socket_index,
                                                       .generation = generation,
                                                       .error_number = (uint32_t)error});
}

void give_credit(uint32_t socket_index, uint32_t generation, uint32_t bytes)
{
    TELL(SEND_CREDIT, (struct send_credit){
                          .socket_index = socket_index, .generation = generation, .bytes = bytes});
}

/* --- What most tests start from --- */

int open_listener(int backlog)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    assert_true(fd >= 3);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, backlog), 0);
    for (unsigned i = 0; i < configuration.cm_count; i++) {
        const struct listen *told = fake_expect_message(configuration.cm[i], LISTEN);
        assert_int_equal(told->port, PORT);
        assert_int_equal(told->backlog, backlog);
    }
    return fd;
}

void close_listener(int fd)
{
    assert_int_equal(close(fd), 0);
    for (unsigned i = 0; i < configuration.cm_count; i++) {
        (void)fake_expect_message(configuration.cm[i], UNLISTEN);
    }
}

void expect_ask(int listener)
{
    assert_int_equal(accept(listener, NULL, NULL), -1);
    assert_int_equal(errno, EAGAIN);
    const struct accept_connection *ask = fake_expect_message(own_cm, ACCEPT_CONNECTION);
    assert_int_equal(ask->port, PORT);
}

struct pair open_connection(const char *data)
{
    struct pair pair = {.listener = open_listener(4), .generation = 3};

    expect_ask(pair.listener);
    offer(7, pair.generation, "");
    assert_int_equal(accept(pair.listener, NULL, NULL), -1);
    pair.socket_index = expect_claim(7, pair.generation);
    confirm(7, pair.generation, pair.socket_index, data);
    pair.fd = accept4(pair.listener, NULL, NULL, SOCK_NONBLOCK);
    assert_true(pair.fd >= 3);
    return pair;
}

void close_pair(struct pair pair)
{
    const struct message *message;

    assert_int_equal(close(pair.fd), 0);
    /* Whatever the test has left: the close is the last. */
    do {
        message = fake_take_message(TS);
        assert_non_null(message);
    } while (message->header.type != CLOSE);
    close_listener(pair.listener);
}

const struct close *expect_close(enum close_kind kind)
{
    const struct close *message = fake_expect_message(TS, CLOSE);

    assert_int_equal(message->connection_index, 7);
    assert_int_equal(message->kind, kind);
    return message;
}
