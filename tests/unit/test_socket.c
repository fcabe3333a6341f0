/* SPDX-License-Identifier: MIT */
/* sources: libc/descriptor.c libc/socket.c libc/socket_table.c libc/socket_listener.c libc/socket_stream.c libc/poll.c libc/epoll.c net/address.c net/configuration.c kernel/command_line.c kernel/dispatch.c kernel/channel.c kernel/status.c kernel/log.c kernel/format.c kernel/timer.c kernel/thread.c kernel/switch.S tests/unit/fake_platform.c tests/unit/fake_memory.c */
/* flags: -D_GNU_SOURCE -include tests/unit/rename_sockets.h */
/*
 * Tests the sockets of libc/: node 2 of 4 runs the application, nodes 0 and 1, which the test
 * plays, are composite servers.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel/dispatch.h"
#include "kernel/platform.h"
#include "kernel/thread.h"
#include "libc/log_stream.h"
#include "net/configuration.h"
#include "net/messages.h"
#include "net/roles.h"
#include "tests/unit/fake_platform.h"

#define NODE   2
#define TS     1
#define PORT   80
#define WINDOW 8000 /* fits the ring of a channel */

static struct configuration configuration;
static node_id_t own_cm;

const struct configuration *configuration_current(void)
{
    return &configuration;
}

ssize_t log_stream_write(int fd, const void *text, size_t bytes)
{
    (void)text;
    return fd == STDOUT_FILENO ? (ssize_t)bytes : -EBADF;
}

static int set_up(void **state)
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

static void offer(uint32_t index, uint32_t generation, const char *data)
{
    struct connection_available message = {
        .header = {.type = CONNECTION_AVAILABLE},
        .connection_index = index,
        .generation = generation,
        .flow = {.remote_address = htonl(0x0A000001),
                 .remote_port = htons(4000),
                 .local_address = htonl(0x0A000002),
                 .local_port = htons(PORT)},
        .offer_number = 1,
    };

    fake_deliver_payload(TS, &message.header, sizeof(message), data, strlen(data));
    dispatch_round();
}

/* Take the claim of that connection; returns the application's name for it. */
static uint32_t expect_claim(uint32_t index, uint32_t generation)
{
    const struct claim_connection *claim = fake_expect_message(TS, CLAIM_CONNECTION);

    assert_int_equal(claim->connection_index, index);
    assert_int_equal(claim->generation, generation);
    assert_int_equal(claim->offer_number, 1);
    return claim->socket_index;
}

static void confirm(uint32_t index, uint32_t generation, uint32_t socket_index, const char *data)
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

static void reject(uint32_t index, uint32_t generation, uint32_t socket_index)
{
    struct claim_rejected message = {
        .header = {.type = CLAIM_REJECTED, .length_bytes = sizeof(message)},
        .connection_index = index,
        .generation = generation,
        .socket_index = socket_index,
    };

    fake_deliver(TS, &message.header);
    dispatch_round();
}

static void deliver_data(uint32_t socket_index, uint32_t generation, const void *bytes,
                         size_t length)
{
    struct data message = {
        .header = {.type = DATA}, .socket_index = socket_index, .generation = generation};

    fake_deliver_payload(TS, &message.header, sizeof(message), bytes, length);
    dispatch_round();
}

static void close_by_peer(uint32_t socket_index, uint32_t generation)
{
    struct peer_closed message = {
        .header = {.type = PEER_CLOSED, .length_bytes = sizeof(message)},
        .socket_index = socket_index,
        .generation = generation,
    };

    fake_deliver(TS, &message.header);
    dispatch_round();
}

static void fail_connection(uint32_t socket_index, uint32_t generation, int error)
{
    struct connection_failed message = {
        .header = {.type = CONNECTION_FAILED, .length_bytes = sizeof(message)},
        .socket_index = socket_index,
        .generation = generation,
        .error_number = (uint32_t)error,
    };

    fake_deliver(TS, &message.header);
    dispatch_round();
}

static void give_credit(uint32_t socket_index, uint32_t generation, uint32_t bytes)
{
    struct send_credit message = {
        .header = {.type = SEND_CREDIT, .length_bytes = sizeof(message)},
        .socket_index = socket_index,
        .generation = generation,
        .bytes = bytes,
    };

    fake_deliver(TS, &message.header);
    dispatch_round();
}

/* --- What most tests start from --- */

static int open_listener(int backlog)
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

static void close_listener(int fd)
{
    assert_int_equal(close(fd), 0);
    for (unsigned i = 0; i < configuration.cm_count; i++) {
        (void)fake_expect_message(configuration.cm[i], UNLISTEN);
    }
}

static void expect_ask(int listener)
{
    assert_int_equal(accept(listener, NULL, NULL), -1);
    assert_int_equal(errno, EAGAIN);
    const struct accept_connection *ask = fake_expect_message(own_cm, ACCEPT_CONNECTION);
    assert_int_equal(ask->port, PORT);
}

struct pair {
    int listener;
    int fd;
    uint32_t socket_index;
    uint32_t generation;
};

/* A connection (index 7, generation 3) that is accepted, non-blocking. */
static struct pair open_connection(const char *data)
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

static void close_pair(struct pair pair)
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

static const struct close *expect_close(enum close_kind kind)
{
    const struct close *message = fake_expect_message(TS, CLOSE);

    assert_int_equal(message->connection_index, 7);
    assert_int_equal(message->kind, kind);
    return message;
}

/* --- Listening and accepting --- */

static void a_port_is_served_by_one_listener_only(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    int first = open_listener(4);
    int second = socket(AF_INET, SOCK_STREAM, 0);

    (void)state;
    assert_int_equal(bind(second, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(second, 1), -1);
    assert_int_equal(errno, EADDRINUSE);
    close(second);
    close_listener(first);
}

static void unbound_and_foreign_sockets_are_refused(void **state)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    (void)state;
    assert_int_equal(listen(fd, 1), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(accept(fd, NULL, NULL), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(recv(fd, NULL, 0, 0), -1);
    assert_int_equal(errno, ENOTCONN);
    close(fd);
    assert_int_equal(close(fd), -1);
    assert_int_equal(errno, EBADF);
    assert_int_equal(socket(AF_INET6, SOCK_STREAM, 0), -1);
    assert_int_equal(errno, EAFNOSUPPORT);
    assert_int_equal(socket(AF_INET, SOCK_DGRAM, 0), -1);
    assert_int_equal(errno, EPROTONOSUPPORT);
}

static void descriptors_get_the_lowest_free_number(void **state)
{
    int fds[200];

    (void)state;
    for (int i = 0; i < 200; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(fds[i], 3 + i);
    }
    close(fds[150]);
    close(fds[5]);
    assert_int_equal(socket(AF_INET, SOCK_STREAM, 0), fds[5]);
    assert_int_equal(socket(AF_INET, SOCK_STREAM, 0), fds[150]);
    for (int i = 0; i < 200; i++) {
        close(fds[i]);
    }
}

static void accept_asks_once_claims_an_offer_and_returns_what_was_confirmed(void **state)
{
    struct sockaddr_in peer;
    socklen_t bytes = sizeof(peer);
    char text[16];
    int listener = open_listener(4);

    (void)state;
    expect_ask(listener);
    assert_int_equal(accept(listener, NULL, NULL), -1);
    fake_expect_no_message(own_cm);

    /* Nobody waits: the offer lies until the next accept(), which claims but must not return. */
    offer(7, 3, "GET ");
    fake_expect_no_message(TS);
    assert_int_equal(accept(listener, NULL, NULL), -1);
    assert_int_equal(errno, EAGAIN);
    uint32_t socket_index = expect_claim(7, 3);
    confirm(7, 3, socket_index, "/");

    int fd = accept(listener, (struct sockaddr *)&peer, &bytes);
    assert_true(fd > listener);
    assert_int_equal(bytes, sizeof(peer));
    assert_int_equal(peer.sin_addr.s_addr, htonl(0x0A000001));
    assert_int_equal(peer.sin_port, htons(4000));
    assert_int_equal(recv(fd, text, sizeof(text), 0), 5);
    assert_memory_equal(text, "GET /", 5);
    close(fd);
    assert_int_equal(expect_close(CLOSE_BOTH)->consumed_bytes, 5);
    close_listener(listener);
}

static void a_rejected_claim_asks_for_a_new_place(void **state)
{
    int listener = open_listener(4);

    (void)state;
    expect_ask(listener);
    offer(7, 3, "");
    assert_int_equal(accept(listener, NULL, NULL), -1);
    reject(7, 3, expect_claim(7, 3));
    fake_expect_no_message(own_cm);
    expect_ask(listener); /* only now: before, nobody wanted to accept */
    close_listener(listener);
}

/* What it cannot take it leaves to others; with room again, it wants more. */
static void offers_beyond_the_backlog_are_left_and_a_place_is_asked_for_again(void **state)
{
    int listener = open_listener(2);

    (void)state;
    expect_ask(listener);
    offer(1, 1, "");
    offer(2, 1, "");
    offer(3, 1, "");
    assert_int_equal(accept(listener, NULL, NULL), -1);
    uint32_t first = expect_claim(1, 1);
    uint32_t second = expect_claim(2, 1);
    fake_expect_no_message(TS);
    reject(1, 1, first);
    expect_ask(listener);
    confirm(2, 1, second, "");
    close(accept(listener, NULL, NULL));
    (void)fake_expect_message(TS, CLOSE);
    close_listener(listener);
}

static void connections_not_yet_accepted_are_reset_with_their_listener(void **state)
{
    int listener = open_listener(4);

    (void)state;
    expect_ask(listener);
    offer(1, 1, "");
    offer(2, 1, "");
    assert_int_equal(accept(listener, NULL, NULL), -1);
    uint32_t first = expect_claim(1, 1);
    uint32_t second = expect_claim(2, 1);
    confirm(1, 1, first, "");
    close_listener(listener);
    const struct close *reset = fake_expect_message(TS, CLOSE);
    assert_int_equal(reset->connection_index, 1);
    assert_int_equal(reset->kind, CLOSE_ABORT);
    confirm(2, 1, second, "too late");
    reset = fake_expect_message(TS, CLOSE);
    assert_int_equal(reset->connection_index, 2);
    assert_int_equal(reset->kind, CLOSE_ABORT);
}

static int accepted_fd;

static void accept_in_thread(void *argument)
{
    accepted_fd = accept(*(int *)argument, NULL, NULL);
}

static void a_blocked_accept_claims_an_offer_at_once(void **state)
{
    int listener = open_listener(4);

    (void)state;
    accepted_fd = 0;
    assert_int_equal(fcntl(listener, F_SETFL, 0), 0);
    assert_non_null(thread_create("accept", accept_in_thread, &listener));
    dispatch_round();
    (void)fake_expect_message(own_cm, ACCEPT_CONNECTION);
    offer(7, 3, "");
    uint32_t socket_index = expect_claim(7, 3);
    assert_int_equal(accepted_fd, 0);
    confirm(7, 3, socket_index, "");
    assert_true(accepted_fd > listener);
    close(accepted_fd);
    (void)expect_close(CLOSE_BOTH);
    close_listener(listener);
}

static void a_deferred_connection_waits_for_data_or_its_time(void **state)
{
    int seconds = 5;
    int listener = open_listener(4);

    (void)state;
    assert_int_equal(setsockopt(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof(seconds)),
                     0);
    expect_ask(listener);
    offer(1, 1, "");
    offer(2, 1, "");
    assert_int_equal(accept(listener, NULL, NULL), -1);
    uint32_t first = expect_claim(1, 1);
    uint32_t second = expect_claim(2, 1);
    confirm(1, 1, first, "");
    confirm(2, 1, second, "");
    assert_int_equal(accept(listener, NULL, NULL), -1);
    deliver_data(second, 1, "x", 1);
    int fd = accept(listener, NULL, NULL);
    assert_true(fd > 0);
    close(fd);
    assert_int_equal(((const struct close *)fake_expect_message(TS, CLOSE))->connection_index, 2);
    assert_int_equal(accept(listener, NULL, NULL), -1);
    fake_advance_ns(5 * NS_PER_S);
    dispatch_round();
    fd = accept(listener, NULL, NULL);
    assert_true(fd > 0);
    close(fd);
    assert_int_equal(((const struct close *)fake_expect_message(TS, CLOSE))->connection_index, 1);
    close_listener(listener);
}

/* --- The stream --- */

static void received_bytes_are_read_in_order_and_reported_with_the_next_send(void **state)
{
    struct pair pair = open_connection("ab");
    char text[8];

    (void)state;
    deliver_data(pair.socket_index, pair.generation, "cde", 3);
    assert_int_equal(recv(pair.fd, text, 4, MSG_PEEK), 4);
    assert_memory_equal(text, "abcd", 4);
    assert_int_equal(recv(pair.fd, text, 4, 0), 4);
    assert_memory_equal(text, "abcd", 4);
    assert_int_equal(read(pair.fd, text, 4), 1);
    assert_int_equal(text[0], 'e');
    assert_int_equal(recv(pair.fd, text, 4, 0), -1);
    assert_int_equal(errno, EAGAIN);
    fake_expect_no_message(TS);

    assert_int_equal(send(pair.fd, "hello", 5, MSG_NOSIGNAL), 5);
    const struct send *sent = fake_expect_message(TS, SEND);
    assert_int_equal(sent->connection_index, 7);
    assert_int_equal(sent->generation, 3);
    assert_int_equal(sent->consumed_bytes, 5);
    assert_int_equal(sent->header.length_bytes, sizeof(*sent) + 5);
    assert_memory_equal(sent->bytes, "hello", 5);
    assert_int_equal(write(pair.fd, "!", 1), 1);
    assert_int_equal(((const struct send *)fake_expect_message(TS, SEND))->consumed_bytes, 0);
    close_pair(pair);
}

static void much_that_was_read_is_reported_alone(void **state)
{
    struct pair pair = open_connection("");
    uint8_t bytes[3000] = {0};
    unsigned reported = 0;

    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        const struct message *message;
        deliver_data(pair.socket_index, pair.generation, bytes, sizeof(bytes));
        assert_int_equal(recv(pair.fd, bytes, sizeof(bytes), 0), sizeof(bytes));
        while ((message = fake_take_message(TS)) != NULL) {
            assert_int_equal(message->header.type, CONSUMED);
            reported += ((const struct consumed *)message)->consumed_bytes;
        }
    }
    assert_true(reported >= 20 * sizeof(bytes) - 16 * KIB && reported <= 20 * sizeof(bytes));
    close(pair.fd);
    reported += expect_close(CLOSE_BOTH)->consumed_bytes;
    assert_int_equal(reported, 20 * sizeof(bytes));
    close_listener(pair.listener);
}

static void send_stops_at_the_credit_and_epoll_tells_when_there_is_room(void **state)
{
    static uint8_t bytes[WINDOW + 1];
    struct pair pair = open_connection("");
    struct epoll_event event = {.events = EPOLLOUT | EPOLLET};
    int epoll = epoll_create1(0);
    size_t sent = 0;
    const struct message *message;

    (void)state;
    assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, pair.fd, &event), 0);
    assert_int_equal(epoll_wait(epoll, &event, 1, 0), 1);
    assert_int_equal(event.events, EPOLLOUT);
    assert_int_equal(epoll_wait(epoll, &event, 1, 0), 0);

    assert_int_equal(send(pair.fd, bytes, sizeof(bytes), 0), WINDOW);
    assert_int_equal(send(pair.fd, bytes, 1, 0), -1);
    assert_int_equal(errno, EAGAIN);
    while ((message = fake_take_message(TS)) != NULL) {
        assert_int_equal(message->header.type, SEND);
        sent += message->header.length_bytes - sizeof(struct send);
    }
    assert_int_equal(sent, WINDOW);

    /* A little room is not worth a turn of the program; half the window is. */
    give_credit(pair.socket_index, pair.generation, WINDOW / 2 - 1);
    assert_int_equal(epoll_wait(epoll, &event, 1, 0), 0);
    give_credit(pair.socket_index, pair.generation, 1);
    assert_int_equal(epoll_wait(epoll, &event, 1, 0), 1);
    assert_int_equal(event.events, EPOLLOUT);
    assert_int_equal(send(pair.fd, bytes, sizeof(bytes), 0), WINDOW / 2);
    close(epoll);
    close_pair(pair);
}

static void credit_that_cannot_be_is_refused(void **state)
{
    struct pair pair = open_connection("");

    (void)state;
    give_credit(pair.socket_index, pair.generation, UINT32_MAX);
    assert_int_equal(counter_read(NODE, COUNTER_DROP_BAD_MESSAGE), 1);
    close_pair(pair);
}

static void bytes_of_the_archive_are_sent_by_reference(void **state)
{
    static uint8_t archive[4096], *end = archive + 2048;
    struct pair pair = open_connection("");

    (void)state;
    memset(archive, 'a', sizeof(archive));
    fake_set_archive(archive, (size_t)(end - archive));
    assert_int_equal(send(pair.fd, archive + 100, 1900, 0), 1900);
    const struct send_archive *reference = fake_expect_message(TS, SEND_ARCHIVE);
    assert_int_equal(reference->archive_offset, 100);
    assert_int_equal(reference->length_bytes, 1900);
    /* Few bytes are cheaper to copy. */
    assert_int_equal(send(pair.fd, archive + 100, 20, 0), 20);
    assert_memory_equal(((const struct send *)fake_expect_message(TS, SEND))->bytes, archive + 100,
                        20);
    /* It ends outside: it is not the archive's. */
    assert_int_equal(send(pair.fd, end - 1, 1024, 0), 1024);
    (void)fake_expect_message(TS, SEND);
    close_pair(pair);
}

static void the_end_comes_after_what_was_sent_before_it(void **state)
{
    struct pair pair = open_connection("x");
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP};
    int epoll = epoll_create1(0);
    char text[4];

    (void)state;
    close_by_peer(pair.socket_index, pair.generation);
    assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, pair.fd, &event), 0);
    assert_int_equal(epoll_wait(epoll, &event, 1, 0), 1);
    assert_int_equal(event.events, EPOLLIN | EPOLLRDHUP);
    assert_int_equal(recv(pair.fd, text, sizeof(text), 0), 1);
    assert_int_equal(recv(pair.fd, text, sizeof(text), 0), 0);
    assert_int_equal(recv(pair.fd, text, sizeof(text), 0), 0);
    assert_int_equal(send(pair.fd, "y", 1, 0), 1); /* our side is still open */
    close(epoll);
    close_pair(pair);
}

static void a_failed_connection_tells_its_error_once_and_needs_no_close_message(void **state)
{
    struct pair pair = open_connection("x");
    char text[4];
    int error;
    socklen_t bytes = sizeof(error);

    (void)state;
    fail_connection(pair.socket_index, pair.generation, ETIMEDOUT);
    assert_int_equal(recv(pair.fd, text, sizeof(text), 0), 1);
    assert_int_equal(recv(pair.fd, text, sizeof(text), 0), -1);
    assert_int_equal(errno, ETIMEDOUT);
    assert_int_equal(recv(pair.fd, text, sizeof(text), 0), 0);
    assert_int_equal(send(pair.fd, "y", 1, 0), -1);
    assert_int_equal(errno, EPIPE);
    assert_int_equal(getsockopt(pair.fd, SOL_SOCKET, SO_ERROR, &error, &bytes), 0);
    assert_int_equal(error, 0);
    close(pair.fd);
    fake_expect_no_message(TS);
    close_listener(pair.listener);
}

static void kill_transport_server(void)
{
    fake_set_node_state(TS, NODE_DEAD);
}

static void sockets_of_a_dead_transport_server_are_reset(void **state)
{
    struct pair pair = open_connection("");
    struct pollfd poll_fd = {.fd = pair.fd, .events = POLLIN};
    char text[4];

    (void)state;
    offer(8, 1, ""); /* not yet accepted: it vanishes */
    fake_on_sleep(kill_transport_server);
    dispatch_sleep();
    assert_int_equal(poll(&poll_fd, 1, 0), 1);
    assert_true((poll_fd.revents & (POLLIN | POLLERR | POLLHUP)) == (POLLIN | POLLERR | POLLHUP));
    assert_int_equal(recv(pair.fd, text, sizeof(text), 0), -1);
    assert_int_equal(errno, ECONNRESET);
    close(pair.fd);
    assert_int_equal(accept(pair.listener, NULL, NULL), -1);
    assert_int_equal(errno, EAGAIN);
    close(pair.listener);
}

/* Its place in the table is used again at once; its name is not. */
static void what_comes_late_for_a_closed_socket_reaches_no_other(void **state)
{
    struct pair pair = open_connection("");
    char text[4];

    (void)state;
    close(pair.fd);
    (void)expect_close(CLOSE_BOTH);
    offer(9, pair.generation, "");
    assert_int_equal(accept(pair.listener, NULL, NULL), -1);
    uint32_t successor = expect_claim(9, pair.generation);
    assert_int_not_equal(successor, pair.socket_index);
    confirm(9, pair.generation, successor, "");
    int fd = accept4(pair.listener, NULL, NULL, SOCK_NONBLOCK);
    assert_int_equal(fd, pair.fd);
    deliver_data(pair.socket_index, pair.generation, "old", 3);
    close_by_peer(pair.socket_index, pair.generation);
    assert_int_equal(recv(fd, text, sizeof(text), 0), -1);
    assert_int_equal(errno, EAGAIN);
    deliver_data(0xFFFF, pair.generation, "bad", 3);
    assert_int_equal(counter_read(NODE, COUNTER_DROP_BAD_MESSAGE), 1);
    close_pair(pair);
}

static void shutdown_and_close_say_which_kind_of_close_they_mean(void **state)
{
    struct pair pair = open_connection("");
    struct linger linger = {.l_onoff = 1};

    (void)state;
    assert_int_equal(shutdown(pair.fd, SHUT_WR), 0);
    (void)expect_close(CLOSE_SEND_ONLY);
    assert_int_equal(send(pair.fd, "x", 1, 0), -1);
    assert_int_equal(errno, EPIPE);
    assert_int_equal(shutdown(pair.fd, SHUT_WR), 0);
    fake_expect_no_message(TS);
    assert_int_equal(setsockopt(pair.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
    close(pair.fd);
    (void)expect_close(CLOSE_ABORT);
    close_listener(pair.listener);
}

static void options_that_mean_nothing_here_are_refused(void **state)
{
    struct pair pair = open_connection("");
    int value = 1;

    (void)state;
    assert_int_equal(setsockopt(pair.fd, IPPROTO_TCP, TCP_NODELAY, &value, sizeof(value)), 0);
    assert_int_equal(setsockopt(pair.fd, SOL_SOCKET, SO_RCVBUF, &value, sizeof(value)), -1);
    assert_int_equal(errno, ENOPROTOOPT);
    assert_int_equal(setsockopt(1000, SOL_SOCKET, SO_RCVBUF, &value, sizeof(value)), -1);
    assert_int_equal(errno, EBADF);
    close_pair(pair);
}

/* --- Full channels --- */

static void a_full_channel_is_waited_for(void **state)
{
    static uint8_t bytes[4096];
    struct pair pair = open_connection("");
    struct epoll_event event = {.events = EPOLLOUT | EPOLLET};
    int epoll = epoll_create1(0);
    ssize_t sent;

    (void)state;
    assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, pair.fd, &event), 0);
    assert_int_equal(epoll_wait(epoll, &event, 1, 0), 1);
    for (unsigned i = 0; i < 1000; i++) {
        give_credit(pair.socket_index, pair.generation, sizeof(bytes));
        sent = send(pair.fd, bytes, sizeof(bytes), 0);
        if (sent < (ssize_t)sizeof(bytes)) {
            break;
        }
    }
    assert_true(sent < (ssize_t)sizeof(bytes)); /* the ring is full, not the credit used up */
    dispatch_round();
    assert_int_equal(epoll_wait(epoll, &event, 1, 0), 0);
    while (fake_take_message(TS) != NULL) {
    }
    dispatch_round();
    assert_int_equal(epoll_wait(epoll, &event, 1, 0), 1);
    assert_int_equal(send(pair.fd, bytes, 100, 0), 100);
    close(epoll);
    close_pair(pair);
}

/* --- Waiting --- */

static int wait_result;

static void poll_in_thread(void *argument)
{
    struct pollfd poll_fd = {.fd = *(int *)argument, .events = POLLIN};

    wait_result = poll(&poll_fd, 1, 1000) * 100 + poll_fd.revents;
}

static void poll_returns_at_data_or_at_its_time(void **state)
{
    struct pair pair = open_connection("");
    char text[4];

    (void)state;
    wait_result = -1;
    assert_non_null(thread_create("poll", poll_in_thread, &pair.fd));
    dispatch_round();
    assert_int_equal(wait_result, -1);
    deliver_data(pair.socket_index, pair.generation, "x", 1);
    assert_int_equal(wait_result, 100 + POLLIN);
    assert_int_equal(recv(pair.fd, text, 4, 0), 1);

    wait_result = -1;
    assert_non_null(thread_create("poll", poll_in_thread, &pair.fd));
    dispatch_round();
    fake_advance_ns(1001 * NS_PER_MS);
    dispatch_round();
    dispatch_round();
    assert_int_equal(wait_result, 0);
    close_pair(pair);
}

static void a_closed_descriptor_ends_a_wait_for_it(void **state)
{
    struct pair pair = open_connection("");

    (void)state;
    wait_result = -1;
    assert_non_null(thread_create("poll", poll_in_thread, &pair.fd));
    dispatch_round();
    close(pair.fd);
    dispatch_round();
    assert_int_equal(wait_result, 100 + POLLNVAL);
    (void)expect_close(CLOSE_BOTH);
    close_listener(pair.listener);
}

static void select_keeps_only_what_is_ready(void **state)
{
    struct pair pair = open_connection("");
    struct timeval now = {0};
    fd_set readable, writable;

    (void)state;
    FD_ZERO(&readable);
    FD_ZERO(&writable);
    FD_SET(pair.fd, &readable);
    FD_SET(pair.fd, &writable);
    assert_int_equal(select(pair.fd + 1, &readable, &writable, NULL, &now), 1);
    assert_false(FD_ISSET(pair.fd, &readable));
    assert_true(FD_ISSET(pair.fd, &writable));
    FD_SET(500, &readable);
    assert_int_equal(select(501, &readable, NULL, NULL, &now), -1);
    assert_int_equal(errno, EBADF);
    close_pair(pair);
}

static void epoll_repeats_a_level_and_tells_an_edge_once(void **state)
{
    struct pair pair = open_connection("x");
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 42};
    int epoll = epoll_create1(0);

    (void)state;
    assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, pair.fd, &event), 0);
    assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, pair.fd, &event), -1);
    assert_int_equal(errno, EEXIST);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(epoll_wait(epoll, &event, 1, 0), 1);
        assert_int_equal(event.data.u64, 42);
    }
    event.events = EPOLLIN | EPOLLET;
    assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_MOD, pair.fd, &event), 0);
    assert_int_equal(epoll_wait(epoll, &event, 1, 0), 1);
    assert_int_equal(epoll_wait(epoll, &event, 1, 0), 0);
    deliver_data(pair.socket_index, pair.generation, "y", 1);
    assert_int_equal(epoll_wait(epoll, &event, 1, 0), 1);
    assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_DEL, pair.fd, NULL), 0);
    deliver_data(pair.socket_index, pair.generation, "z", 1);
    assert_int_equal(epoll_wait(epoll, &event, 1, 0), 0);
    close(epoll);
    close_pair(pair);
}

static void epoll_wait_on_a_listener_asks_and_claims(void **state)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    int listener = open_listener(4);
    int epoll = epoll_create1(0);

    (void)state;
    assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event), 0);
    fake_expect_no_message(own_cm);
    assert_int_equal(epoll_wait(epoll, &event, 1, 0), 0);
    (void)fake_expect_message(own_cm, ACCEPT_CONNECTION);
    offer(7, 3, "");
    fake_expect_no_message(TS);
    assert_int_equal(epoll_wait(epoll, &event, 1, 0), 0);
    uint32_t socket_index = expect_claim(7, 3);
    confirm(7, 3, socket_index, "");
    assert_int_equal(epoll_wait(epoll, &event, 1, 0), 1);
    close(accept(listener, NULL, NULL));
    (void)expect_close(CLOSE_BOTH);
    close(epoll);
    close_listener(listener);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_port_is_served_by_one_listener_only),
        TEST(unbound_and_foreign_sockets_are_refused),
        TEST(descriptors_get_the_lowest_free_number),
        TEST(accept_asks_once_claims_an_offer_and_returns_what_was_confirmed),
        TEST(a_rejected_claim_asks_for_a_new_place),
        TEST(offers_beyond_the_backlog_are_left_and_a_place_is_asked_for_again),
        TEST(connections_not_yet_accepted_are_reset_with_their_listener),
        TEST(a_blocked_accept_claims_an_offer_at_once),
        TEST(a_deferred_connection_waits_for_data_or_its_time),
        TEST(received_bytes_are_read_in_order_and_reported_with_the_next_send),
        TEST(much_that_was_read_is_reported_alone),
        TEST(send_stops_at_the_credit_and_epoll_tells_when_there_is_room),
        TEST(credit_that_cannot_be_is_refused),
        TEST(bytes_of_the_archive_are_sent_by_reference),
        TEST(the_end_comes_after_what_was_sent_before_it),
        TEST(a_failed_connection_tells_its_error_once_and_needs_no_close_message),
        TEST(sockets_of_a_dead_transport_server_are_reset),
        TEST(what_comes_late_for_a_closed_socket_reaches_no_other),
        TEST(shutdown_and_close_say_which_kind_of_close_they_mean),
        TEST(options_that_mean_nothing_here_are_refused),
        TEST(a_full_channel_is_waited_for),
        TEST(poll_returns_at_data_or_at_its_time),
        TEST(a_closed_descriptor_ends_a_wait_for_it),
        TEST(select_keeps_only_what_is_ready),
        TEST(epoll_repeats_a_level_and_tells_an_edge_once),
        TEST(epoll_wait_on_a_listener_asks_and_claims),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
