/* SPDX-License-Identifier: MIT */
/*
 * The application of a whole node: see application.h.
 */
#include "tests/fuzz/world/application.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel/message/dispatch.h"
#include "kernel/platform.h"
#include "tests/fuzz/world/node.h"

#define STREAM_MAX 8u
#define BUFFER     4096u

static int listener = -1;
static int epoll_fd = -1;

/* What it has open: where in its stream each is. */
static struct {
    int fd;
    size_t sent_bytes;
} streams[STREAM_MAX];
static unsigned stream_count;

/* What it does next: in a round, as a program's thread would. What it has sent goes out at that
 * round's end. */
static void (*next_step)(struct fuzz_input *input);
static struct fuzz_input *next_input;

static unsigned take_step(void *context)
{
    void (*step)(struct fuzz_input * input) = next_step;

    (void)context;
    if (step == NULL) {
        return 0;
    }
    next_step = NULL;
    step(next_input);
    return 1;
}

static struct dispatch_source source = {.poll = take_step};
static bool is_registered;

static void do_in_round(void (*step)(struct fuzz_input *input), struct fuzz_input *input)
{
    next_step = step;
    next_input = input;
    node_run();
}

static void listen_again(int backlog)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(NODE_PORT)};

    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (listener >= 0 && (bind(listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
                          listen(listener, backlog) != 0)) {
        (void)close(listener);
        listener = -1;
    }
}

static void accept_next(void)
{
    int fd = stream_count < STREAM_MAX ? accept4(listener, NULL, NULL, SOCK_NONBLOCK) : -1;

    if (fd >= 0) {
        streams[stream_count].fd = fd;
        streams[stream_count++].sent_bytes = 0;
    }
}

static void forget(unsigned index)
{
    streams[index] = streams[--stream_count];
}

static void receive(unsigned index, size_t most, int flags)
{
    static uint8_t buffer[BUFFER];
    ssize_t bytes = recv(streams[index].fd, buffer, most % (BUFFER + 1), flags);

    FUZZ_CHECK(bytes <= (ssize_t)BUFFER);
}

/* The same bytes from memory, which is copied, and from the archive, which is not. */
static void send_next(unsigned index, size_t most, bool is_archive)
{
    static uint8_t buffer[BUFFER];
    size_t at = streams[index].sent_bytes;
    ssize_t bytes;

    if (is_archive && at < ARCHIVE_BYTES) {
        size_t left = ARCHIVE_BYTES - at;

        most *= 16;
        bytes = send(streams[index].fd, (const uint8_t *)platform_archive_start() + at,
                     most < left ? most : left, MSG_NOSIGNAL);
    } else {
        most %= BUFFER + 1;
        for (size_t i = 0; i < most; i++) {
            buffer[i] = stream_byte(at + i);
        }
        bytes = send(streams[index].fd, buffer, most, MSG_NOSIGNAL);
    }
    if (bytes > 0) {
        streams[index].sent_bytes += (size_t)bytes;
    }
}

static void wait_for_events(uint8_t how, unsigned index)
{
    struct epoll_event event = {.events = EPOLLIN | (how & 1 ? EPOLLET : 0) |
                                          (how & 2 ? EPOLLOUT : 0) | (how & 4 ? EPOLLRDHUP : 0)};
    struct epoll_event events[4];
    struct pollfd watched = {.fd = listener, .events = POLLIN | POLLOUT};

    if (epoll_fd < 0) {
        epoll_fd = epoll_create1(0);
        (void)epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event);
    }
    if (index < stream_count) {
        static const int operations[] = {EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL};

        (void)epoll_ctl(epoll_fd, operations[how >> 4 & 1 ? how % 3u : 0], streams[index].fd,
                        &event);
    }
    (void)epoll_wait(epoll_fd, events, 4, 0);
    (void)poll(&watched, 1, 0);
}

static void close_stream(unsigned index, uint8_t how)
{
    struct linger reset = {.l_onoff = 1};

    if ((how & 3) == 1) {
        (void)setsockopt(streams[index].fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    } else if ((how & 3) == 2) {
        (void)shutdown(streams[index].fd, (how >> 2) % 3);
        return;
    }
    (void)close(streams[index].fd);
    forget(index);
}

static void act_on_stream(uint8_t action, unsigned index, struct fuzz_input *input)
{
    if (index >= stream_count) {
        return;
    }
    switch (action) {
    case 0:
        receive(index, fuzz_take16(input), 0);
        break;
    case 1:
        receive(index, fuzz_take8(input), (fuzz_take8(input) & 1) != 0 ? MSG_PEEK : MSG_DONTWAIT);
        break;
    case 2:
        send_next(index, fuzz_take16(input), false);
        break;
    case 3:
        send_next(index, fuzz_take16(input), true);
        break;
    default:
        close_stream(index, fuzz_take8(input));
        break;
    }
}

/* What most servers do when a connection has come. */
static void serve(struct fuzz_input *input)
{
    uint8_t how = fuzz_take8(input);

    accept_next();
    for (unsigned i = stream_count; i-- > 0;) {
        receive(i, BUFFER, 0);
        send_next(i, 8u * how, (how & 1) != 0);
        if ((how & 2) != 0) {
            (void)close(streams[i].fd);
            forget(i);
        }
    }
}

static void act(struct fuzz_input *input)
{
    uint8_t action = fuzz_take8(input);

    switch (action >> 5) {
    case 0:
        accept_next();
        break;
    case 1:
    case 2:
        serve(input);
        break;
    case 3:
        wait_for_events(action, fuzz_take8(input) % STREAM_MAX);
        break;
    case 4:
        if ((action & 7) == 0) {
            (void)close(listener);
            listen_again(action >> 3 & 3);
        }
        break;
    default:
        act_on_stream(action & 7, (action >> 3) % (stream_count + 1), input);
        break;
    }
}

void application_act(struct fuzz_input *input)
{
    do_in_round(act, input);
}

static void begin(struct fuzz_input *input)
{
    (void)input;
    stream_count = 0;
    epoll_fd = -1;
    listen_again(4);
}

/* Asks for a place on the acceptors' list; claims what has come; takes what was claimed. */
static void accept_step(struct fuzz_input *input)
{
    (void)input;
    accept_next();
}

void application_start(void)
{
    if (!is_registered) {
        dispatch_register_source(&source);
        is_registered = true;
    }
    do_in_round(begin, NULL);
    do_in_round(accept_step, NULL);
}

static size_t answer_bytes;

static void answer(struct fuzz_input *input)
{
    (void)input;
    accept_next();
    FUZZ_CHECK(stream_count == 1);
    receive(0, 1, 0);
    send_next(0, answer_bytes, false);
    FUZZ_CHECK(streams[0].sent_bytes == answer_bytes);
    close_stream(0, 0);
}

void application_answer(size_t bytes)
{
    answer_bytes = bytes;
    do_in_round(accept_step, NULL);
    do_in_round(answer, NULL);
}
