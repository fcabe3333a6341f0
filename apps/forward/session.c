/* SPDX-License-Identifier: MIT */
/*
 * Sessions: see session.h.
 */
#include "apps/forward/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apps/forward/copy.h"
#include "apps/forward/host.h"
#include "apps/forward/proxy_header.h"

enum { CLIENT, BACKEND };

struct session;

struct side {
    enum event_kind kind;
    struct session *session;
    int fd;
    bool is_over;  /* all that comes here has been passed on */
    bool is_quiet; /* nothing has come in its last time */
    off_t counted; /* of the bytes of its splice */
    struct copy copy;
};

struct session {
    struct side sides[2];
    struct backend_pool *pool;
    unsigned place; /* the backend's */
    uint32_t tried;
    struct sockaddr_in client;
    uint64_t deadline_ms; /* while it connects */
    bool is_connecting, is_over;
    struct session *next, *previous; /* of those that connect; or, over, of those to be freed */
};

static int epoll_fd;
static unsigned session_most, sessions;
/* By deadline. */
static struct session *connecting_head, *connecting_tail;
static struct session *over;

void session_start(int fd)
{
    epoll_fd = fd;
}

void session_set_most(unsigned count)
{
    session_most = count;
}

unsigned session_count(void)
{
    return sessions;
}

static const struct backend *backend_of(const struct session *session)
{
    return &session->pool->service->backends[session->place];
}

/* --- Those that connect --- */

static void start_waiting(struct session *session, uint64_t now_ms)
{
    session->is_connecting = true;
    session->deadline_ms = now_ms + session->pool->service->connect_ms;
    session->previous = connecting_tail;
    while (session->previous != NULL && session->previous->deadline_ms > session->deadline_ms) {
        session->previous = session->previous->previous; /* of a service that waits longer */
    }
    session->next = session->previous != NULL ? session->previous->next : connecting_head;
    *(session->previous != NULL ? &session->previous->next : &connecting_head) = session;
    *(session->next != NULL ? &session->next->previous : &connecting_tail) = session;
}

static void stop_waiting(struct session *session)
{
    if (!session->is_connecting) {
        return;
    }
    session->is_connecting = false;
    if (session->previous != NULL) {
        session->previous->next = session->next;
    } else {
        connecting_head = session->next;
    }
    if (session->next != NULL) {
        session->next->previous = session->previous;
    } else {
        connecting_tail = session->previous;
    }
}

/* --- What is counted --- */

static void count_bytes(const struct side *side, uint64_t bytes)
{
    const struct session *session = side->session;

    forward_count_bytes(backend_of(session)->number, side == &session->sides[CLIENT], bytes);
}

/* By the splice from this side, as far as it is known. Returns how many since the last look. */
static off_t count_spliced(struct side *side)
{
    off_t bytes = 0, before = side->counted;
    socklen_t length = sizeof(bytes);

    if (side->fd >= 0 && side->session->pool->service->mode == MODE_STREAM &&
        getsockopt(side->fd, SOL_SOCKET, SO_SPLICE, &bytes, &length) == 0 && bytes > before) {
        side->counted = bytes;
        count_bytes(side, (uint64_t)(bytes - before));
    }
    return side->counted - before;
}

/* --- Ends --- */

static void close_side(struct side *side, bool is_reset)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    if (side->fd < 0) {
        return;
    }
    if (is_reset) {
        (void)setsockopt(side->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    }
    (void)close(side->fd);
    side->fd = -1;
}

static void leave_backend(struct session *session)
{
    if (session->place != BACKEND_NONE) {
        session->pool->active[session->place]--;
        forward_count_end(backend_of(session)->number);
        session->place = BACKEND_NONE;
    }
}

/* Others' events of this round may still name it. */
static void end(struct session *session, bool is_reset)
{
    if (session->is_over) {
        return;
    }
    stop_waiting(session);
    for (unsigned i = 0; session->place != BACKEND_NONE && i < 2; i++) {
        (void)count_spliced(&session->sides[i]);
    }
    leave_backend(session);
    for (unsigned i = 0; i < 2; i++) {
        close_side(&session->sides[i], is_reset);
        copy_drop(&session->sides[i].copy);
    }
    session->is_over = true;
    session->next = over;
    over = session;
}

void session_end_round(void)
{
    while (over != NULL) {
        struct session *session = over;

        over = session->next;
        free(session);
        sessions--;
    }
}

/* --- Moving --- */

static struct side *other_side(struct side *side)
{
    return &side->session->sides[side == &side->session->sides[CLIENT] ? BACKEND : CLIENT];
}

static bool watch(struct side *side, uint32_t events, int operation)
{
    struct epoll_event event = {.events = events, .data.ptr = side};

    return epoll_ctl(epoll_fd, operation, side->fd, &event) == 0;
}

/* What comes here goes to the other side from now on. */
static bool splice_side(struct side *side)
{
    struct splice splice = {.sp_fd = other_side(side)->fd,
                            .sp_idle.tv_sec = (time_t)side->session->pool->service->idle_s};

    side->counted = 0;
    return setsockopt(side->fd, SOL_SOCKET, SO_SPLICE, &splice, sizeof(splice)) == 0;
}

static int error_of(int fd)
{
    int error = 0;
    socklen_t length = sizeof(error);

    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 ? error : errno;
}

/* All has gone this way. */
static void end_way(struct side *side)
{
    side->is_over = true;
    (void)epoll_ctl(epoll_fd, EPOLL_CTL_DEL, side->fd, NULL); /* it would go on to say so */
    if (other_side(side)->is_over) {
        end(side->session, false);
    }
}

/* Nothing has come on this side for a while. A session is idle when that is so of both. */
static void note_idle(struct side *side, off_t bytes)
{
    const struct side *other = other_side(side);

    side->is_quiet = bytes == 0;
    if ((side->is_quiet && (other->is_quiet || other->is_over)) || !splice_side(side)) {
        end(side->session, true);
    }
}

static void handle_end_of_splice(struct side *side)
{
    int error = error_of(side->fd);
    char byte;

    if (error == ETIMEDOUT) {
        note_idle(side, count_spliced(side));
    } else if (error != 0) {
        end(side->session, true);
    } else if (recv(side->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0) {
        (void)count_spliced(side);
        end_way(side);
    } /* else it has not ended */
}

static void handle_copy(struct side *side)
{
    uint64_t bytes = 0;
    struct side *other = other_side(side);
    enum copy_state state = copy_move(&side->copy, side->fd, other->fd, &bytes);

    count_bytes(side, bytes);
    if (state == COPY_FAILED) {
        end(side->session, true);
    } else if (state == COPY_ENDED) {
        side->is_over = true;
        if (other->is_over) {
            end(side->session, false);
        }
    }
}

/* Edge-triggered: whichever side has changed, both ways may go on. */
static void handle_moving_copy(struct side *side)
{
    struct session *session = side->session;

    for (unsigned i = 0; i < 2 && !session->is_over; i++) {
        if (!session->sides[i].is_over) {
            handle_copy(&session->sides[i]);
        }
    }
}

static void start_moving(struct session *session)
{
    struct side *client = &session->sides[CLIENT], *backend = &session->sides[BACKEND];

    if (session->pool->service->mode == MODE_COPY) {
        if (!watch(client, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, EPOLL_CTL_ADD) ||
            !watch(backend, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, EPOLL_CTL_MOD)) {
            end(session, true);
            return;
        }
        handle_moving_copy(client);
        return;
    }
    if (!splice_side(client) || !splice_side(backend) || !watch(client, EPOLLIN, EPOLL_CTL_ADD) ||
        !watch(backend, EPOLLIN, EPOLL_CTL_MOD)) {
        end(session, true);
    }
}

/* --- Connecting --- */

static int open_backend(struct session *session)
{
    int cpu = -1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    socklen_t length = sizeof(cpu);
    const struct sockaddr_in *address = &backend_of(session)->address;

    if (fd < 0) {
        return -1;
    }
    /* Where the client's connection is: only there the two can be spliced without a copy. */
    if (getsockopt(session->sides[CLIENT].fd, SOL_SOCKET, SO_INCOMING_CPU, &cpu, &length) == 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_INCOMING_CPU, &cpu, sizeof(cpu));
    }
    if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0 &&
        errno != EINPROGRESS) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

/* The next backend that may have it, or none is left. */
static void try_next(struct session *session, uint64_t now_ms)
{
    struct backend_pool *pool = session->pool;

    for (;;) {
        session->place = backend_choose(pool, session->client.sin_addr.s_addr, session->tried);
        if (session->place == BACKEND_NONE) {
            forward_count_refused();
            end(session, true);
            return;
        }
        session->tried |= 1u << session->place;
        pool->active[session->place]++;
        forward_count_begin(backend_of(session)->number);
        session->sides[BACKEND].fd = open_backend(session);
        if (session->sides[BACKEND].fd >= 0 &&
            watch(&session->sides[BACKEND], EPOLLOUT, EPOLL_CTL_ADD)) {
            start_waiting(session, now_ms);
            return;
        }
        close_side(&session->sides[BACKEND], false);
        leave_backend(session);
    }
}

static void try_another(struct session *session, uint64_t now_ms)
{
    forward_count_retry();
    stop_waiting(session);
    close_side(&session->sides[BACKEND], true);
    leave_backend(session);
    try_next(session, now_ms);
}

/* The first bytes of a new connection: there is room for them. */
static bool send_proxy_header(struct session *session)
{
    char header[PROXY_HEADER_MAX];
    struct sockaddr_in server = {.sin_family = AF_INET};
    socklen_t length = sizeof(server);
    unsigned version = session->pool->service->proxy_version;
    size_t bytes;

    if (version == 0) {
        return true;
    }
    (void)getsockname(session->sides[CLIENT].fd, (struct sockaddr *)&server, &length);
    bytes = proxy_header_write(header, version, &session->client, &server);
    return send(session->sides[BACKEND].fd, header, bytes, MSG_NOSIGNAL) == (ssize_t)bytes;
}

static void handle_connecting(struct session *session, uint64_t now_ms)
{
    if (error_of(session->sides[BACKEND].fd) != 0) {
        try_another(session, now_ms);
        return;
    }
    stop_waiting(session);
    if (send_proxy_header(session)) {
        start_moving(session);
    } else {
        end(session, true);
    }
}

int session_expire(uint64_t now_ms)
{
    while (connecting_head != NULL && connecting_head->deadline_ms <= now_ms) {
        try_another(connecting_head, now_ms);
    }
    return connecting_head != NULL ? (int)(connecting_head->deadline_ms - now_ms) : -1;
}

/* --- From the first to the last --- */

void session_open(struct backend_pool *pool, int client_fd, uint64_t now_ms)
{
    struct session *session = sessions < session_most ? calloc(1, sizeof(*session)) : NULL;
    socklen_t length = sizeof(session->client);

    if (session == NULL) {
        struct side side = {.fd = client_fd};

        forward_count_refused();
        close_side(&side, true);
        return;
    }
    sessions++;
    for (unsigned i = 0; i < 2; i++) {
        session->sides[i] = (struct side){.kind = EVENT_SIDE, .session = session, .fd = -1};
    }
    session->sides[CLIENT].fd = client_fd;
    session->pool = pool;
    session->place = BACKEND_NONE;
    if (getpeername(client_fd, (struct sockaddr *)&session->client, &length) != 0) {
        end(session, true); /* it has gone already */
        return;
    }
    try_next(session, now_ms);
}

void session_handle(void *pointer, uint32_t events, uint64_t now_ms)
{
    struct side *side = pointer;
    struct session *session = side->session;

    (void)events;
    if (session->is_over || side->fd < 0) {
        return;
    }
    if (session->is_connecting) {
        handle_connecting(session, now_ms);
    } else if (session->pool->service->mode == MODE_COPY) {
        handle_moving_copy(side);
    } else if (!side->is_over) {
        handle_end_of_splice(side);
    }
}
