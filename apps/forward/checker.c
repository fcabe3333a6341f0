/* SPDX-License-Identifier: MIT */
#include "apps/forward/checker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apps/forward/health.h"
#include "apps/forward/host.h"
#include "apps/forward/session.h"

/* "HTTP/1.1 200" */
#define STATUS_BYTES  12u
#define STATUS_AT     9u
#define REQUEST_BYTES (CHECK_PATH_MAX + 96u)

/* Of a backend. */
struct probe {
    enum event_kind kind;
    struct backend_pool *pool;
    unsigned place;
    struct health health;
    int fd;          /* -1: none is under way */
    bool is_sent;    /* the request */
    uint64_t due_ms; /* when the next begins, or this one is given up */
    char answer[STATUS_BYTES];
    size_t answer_bytes;
};

static int epoll_fd;
static struct probe probes[BACKEND_MAX];
static unsigned probe_count;
static void (*observer)(void);

static const struct backend *backend_of(const struct probe *probe)
{
    return &probe->pool->service->backends[probe->place];
}

static void say(const struct probe *probe, const char *why)
{
    char address[INET_ADDRSTRLEN];
    const struct backend *backend = backend_of(probe);

    inet_ntop(AF_INET, &backend->address.sin_addr, address, sizeof(address));
    printf("backend %u, %s:%u, is %s\n", backend->number, address, ntohs(backend->address.sin_port),
           why);
}

static void note(struct probe *probe, bool is_good, const char *reason)
{
    const struct service *service = probe->pool->service;
    char why[64];

    switch (health_note(&probe->health, is_good, service->rise, service->fall)) {
    case HEALTH_STAYS:
        return;
    case HEALTH_COMES_UP:
        say(probe, "back");
        break;
    case HEALTH_GOES_DOWN:
        (void)snprintf(why, sizeof(why), "down: %s", reason);
        say(probe, why);
        break;
    }
    probe->pool->is_up[probe->place] = probe->health.is_up;
    forward_note_health(backend_of(probe)->number, probe->health.is_up);
    if (observer != NULL) {
        observer();
    }
}

/* With a reset: nothing of it shall stay at either end. */
static void end(struct probe *probe, bool is_good, const char *reason)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    if (probe->fd >= 0) {
        (void)setsockopt(probe->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
        (void)close(probe->fd);
        probe->fd = -1;
    }
    note(probe, is_good, reason);
}

static bool watch(struct probe *probe, uint32_t events, int operation)
{
    struct epoll_event event = {.events = events, .data.ptr = probe};

    return epoll_ctl(epoll_fd, operation, probe->fd, &event) == 0;
}

static void begin(struct probe *probe, uint64_t now_ms)
{
    const struct sockaddr_in *address = &backend_of(probe)->address;

    probe->due_ms = now_ms + probe->pool->service->interval_ms;
    probe->is_sent = false;
    probe->answer_bytes = 0;
    probe->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (probe->fd < 0) {
        return; /* for want of a descriptor: that says nothing of the backend */
    }
    if (connect(probe->fd, (const struct sockaddr *)address, sizeof(*address)) != 0 &&
        errno != EINPROGRESS) {
        end(probe, false, strerror(errno));
    } else if (!watch(probe, EPOLLOUT, EPOLL_CTL_ADD)) {
        (void)close(probe->fd);
        probe->fd = -1;
    }
}

static void ask(struct probe *probe)
{
    char request[REQUEST_BYTES], address[INET_ADDRSTRLEN];
    const struct backend *backend = backend_of(probe);
    int bytes;

    inet_ntop(AF_INET, &backend->address.sin_addr, address, sizeof(address));
    bytes = snprintf(request, sizeof(request),
                     "GET %s HTTP/1.0\r\nHost: %s\r\nUser-Agent: Talus\r\n\r\n",
                     probe->pool->service->check_path, address);
    probe->is_sent = true;
    if (send(probe->fd, request, (size_t)bytes, MSG_NOSIGNAL) != bytes ||
        !watch(probe, EPOLLIN, EPOLL_CTL_MOD)) {
        end(probe, false, "it takes no request");
    }
}

static void handle_connected(struct probe *probe)
{
    int error = 0;
    socklen_t length = sizeof(error);

    (void)getsockopt(probe->fd, SOL_SOCKET, SO_ERROR, &error, &length);
    if (error != 0) {
        end(probe, false, strerror(error));
    } else if (probe->pool->service->check == CHECK_HTTP) {
        ask(probe);
    } else {
        end(probe, true, "");
    }
}

static void handle_answer(struct probe *probe)
{
    ssize_t bytes =
        recv(probe->fd, probe->answer + probe->answer_bytes, STATUS_BYTES - probe->answer_bytes, 0);
    char status;

    if (bytes < 0 && errno == EAGAIN) {
        return;
    }
    if (bytes <= 0) {
        end(probe, false, "it ends without an answer");
        return;
    }
    probe->answer_bytes += (size_t)bytes;
    if (probe->answer_bytes < STATUS_BYTES) {
        return;
    }
    status = probe->answer[STATUS_AT];
    end(probe, memcmp(probe->answer, "HTTP/1.", 7) == 0 && (status == '2' || status == '3'),
        "its answer is neither 2xx nor 3xx");
}

void checker_handle(void *pointer, uint32_t events, uint64_t now_ms)
{
    struct probe *probe = pointer;

    (void)events;
    (void)now_ms;
    if (probe->fd < 0) {
        return;
    }
    if (probe->is_sent) {
        handle_answer(probe);
    } else {
        handle_connected(probe);
    }
}

int checker_expire(uint64_t now_ms)
{
    uint64_t nearest_ms = UINT64_MAX;

    for (unsigned i = 0; i < probe_count; i++) {
        struct probe *probe = &probes[i];

        if (probe->due_ms <= now_ms) {
            if (probe->fd >= 0) {
                end(probe, false, "no answer in time");
            }
            begin(probe, now_ms);
        }
        nearest_ms = probe->due_ms < nearest_ms ? probe->due_ms : nearest_ms;
    }
    return probe_count == 0 ? -1 : (int)(nearest_ms - now_ms);
}

void checker_observe(void (*changed)(void))
{
    observer = changed;
}

void checker_start(int fd, struct backend_pool *pools, unsigned count, uint64_t now_ms)
{
    epoll_fd = fd;
    for (unsigned i = 0; i < count; i++) {
        for (unsigned place = 0; place < pools[i].service->backend_count; place++) {
            pools[i].is_up[place] = true;
            forward_note_health(pools[i].service->backends[place].number, true);
            if (pools[i].service->check != CHECK_NONE) {
                probes[probe_count++] = (struct probe){.kind = EVENT_CHECK,
                                                       .pool = &pools[i],
                                                       .place = place,
                                                       .health.is_up = true,
                                                       .fd = -1,
                                                       .due_ms = now_ms};
            }
        }
    }
}
