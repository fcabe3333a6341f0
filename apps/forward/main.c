/* SPDX-License-Identifier: MIT */
/*
 * forward: a TCP forwarder and load balancer (systems of the exokernel: Ganger et al., TOCS 2002).
 *
 * In mode stream a client's connection and a backend's are spliced (SO_SPLICE): this program opens,
 * chooses and ends, and sees no byte of them. In mode segment transport servers forward by its
 * rules, and it only checks backends. One thread, one event loop; nothing in it waits but
 * epoll_wait().
 */
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "apps/forward/checker.h"
#include "apps/forward/configuration.h"
#include "apps/forward/host.h"
#include "apps/forward/segment.h"
#include "apps/forward/session.h"
#include "apps/forward/status.h"

#define BACKLOG      4096
#define EVENT_BATCH  64
#define ACCEPT_BATCH 256
#define REASON_BYTES 160

/* Descriptors that are not sessions': the log's, listeners, the epoll, checks, a status page. */
#define DESCRIPTOR_RESERVE (16u + SERVICE_MAX + BACKEND_MAX)

/* When accept() fails for lack of something, nothing tells when it would not: look again. */
#define ACCEPT_RETRY_MS 100

struct listener {
    enum event_kind kind;
    int fd;
    struct backend_pool *pool;
    bool has_more; /* edge-triggered: it tells of each connection once */
};

static struct forward_configuration configuration;
static struct backend_pool pools[SERVICE_MAX];
static struct listener listeners[SERVICE_MAX];
static unsigned listener_count;

static void print_usage(void)
{
    printf("forward --listen PORT --backends ADDRESS:PORT[*WEIGHT],... and, of each service,\n"
           "      [--mode stream|copy|segment]        connections spliced, copied, end to end\n"
           "      [--balance round-robin|least|hash]  hash: of the client's address\n"
           "      [--check tcp|http:/PATH|none] [--interval MS] [--rise N] [--fall N]\n"
           "      [--connect-timeout MS] [--idle SECONDS] [--proxy none|v1|v2]\n"
           "      [--status PORT]                     counters, for Prometheus\n");
}

static uint64_t read_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* --- Listeners --- */

static bool open_listener(int epoll_fd, struct backend_pool *pool)
{
    struct listener *listener = &listeners[listener_count];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(pool->service->port)};
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = listener};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    *listener = (struct listener){.kind = EVENT_LISTENER, .fd = fd, .pool = pool};
    if (fd < 0) {
        return false;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)); /* only a convenience */
    if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(fd, BACKLOG) != 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        return false;
    }
    listener_count++;
    return true;
}

/* Returns in how many milliseconds to come again, or -1. */
static int accept_clients(struct listener *listener, uint64_t now_ms)
{
    for (unsigned i = 0; i < ACCEPT_BATCH; i++) {
        int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            session_open(listener->pool, fd, now_ms);
        } else if (errno == EAGAIN) {
            listener->has_more = false;
            return -1;
        } else if (errno != ECONNABORTED && errno != EINTR) {
            return ACCEPT_RETRY_MS; /* no descriptor or no memory */
        }
    }
    return 0;
}

static int sooner(int one_ms, int other_ms)
{
    return one_ms < 0 || (other_ms >= 0 && other_ms < one_ms) ? other_ms : one_ms;
}

static int accept_all(uint64_t now_ms)
{
    int again_ms = -1;

    for (unsigned i = 0; i < listener_count; i++) {
        if (listeners[i].has_more) {
            again_ms = sooner(again_ms, accept_clients(&listeners[i], now_ms));
        }
    }
    return again_ms;
}

/* --- The event loop --- */

static void handle_event(const struct epoll_event *event, uint64_t now_ms)
{
    switch (*(const enum event_kind *)event->data.ptr) {
    case EVENT_LISTENER:
        ((struct listener *)event->data.ptr)->has_more = true;
        break;
    case EVENT_SIDE:
        session_handle(event->data.ptr, event->events, now_ms);
        break;
    case EVENT_CHECK:
        checker_handle(event->data.ptr, event->events, now_ms);
        break;
    case EVENT_STATUS:
        status_handle();
        break;
    }
}

static void run(int epoll_fd)
{
    struct epoll_event events[EVENT_BATCH];
    uint64_t now_ms = read_clock();
    int accept_ms = -1;

    for (;;) {
        int timeout_ms = sooner(sooner(session_expire(now_ms), checker_expire(now_ms)), accept_ms);
        int count = epoll_wait(epoll_fd, events, EVENT_BATCH, timeout_ms);

        now_ms = read_clock();
        for (int i = 0; i < count; i++) {
            handle_event(&events[i], now_ms);
        }
        accept_ms = accept_all(now_ms);
        session_end_round();
    }
}

/* --- The start --- */

static unsigned find_session_most(void)
{
    long descriptors = sysconf(_SC_OPEN_MAX);

    if (descriptors < 0 || descriptors > INT_MAX) {
        return INT_MAX / 2; /* without a limit memory is one */
    }
    return descriptors > (long)DESCRIPTOR_RESERVE + 2
               ? (unsigned)(descriptors - (long)DESCRIPTOR_RESERVE) / 2
               : 1;
}

static bool start_services(int epoll_fd)
{
    for (unsigned i = 0; i < configuration.service_count; i++) {
        struct service *service = &configuration.services[i];

        pools[i] = (struct backend_pool){.service = service};
        /* A port that is listened on is the listener's. */
        if (service->mode != MODE_SEGMENT && !open_listener(epoll_fd, &pools[i])) {
            fprintf(stderr, "port %u: %s\n", service->port, strerror(errno));
            return false;
        }
        forward_announce(service->port, service->backend_count);
    }
    if (configuration.status_port != 0 && status_open(epoll_fd, configuration.status_port) != 0) {
        fprintf(stderr, "port %u: %s\n", configuration.status_port, strerror(errno));
        return false;
    }
    return true;
}

static void tell_rules(void)
{
    if (!segment_tell(pools, configuration.service_count)) {
        fprintf(stderr, "a backend's address is no other host's: nothing is forwarded\n");
    }
}

int main(int argc, char **argv)
{
    char reason[REASON_BYTES];
    int epoll_fd;

    if (!configuration_read(&configuration, argc, argv, reason, sizeof(reason))) {
        fprintf(stderr, "%s\n", reason);
        print_usage();
        return EXIT_FAILURE;
    }
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0 || !start_services(epoll_fd)) {
        return EXIT_FAILURE;
    }
    session_start(epoll_fd);
    session_set_most(find_session_most());
    checker_start(epoll_fd, pools, configuration.service_count, read_clock());
    checker_observe(tell_rules);
    tell_rules();
    forward_announce_all(configuration.status_port);
    run(epoll_fd);
    return EXIT_SUCCESS;
}
