/* SPDX-License-Identifier: MIT */
/*
 * From a request that is due to its answer: see session.h. Events are edge-triggered, so that a
 * connection is set up once: what there is to read is read until the answer is whole or there is
 * nothing.
 */
#include "apps/webswamp/session.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apps/webswamp/clock.h"
#include "apps/webswamp/host.h"

/* Of what a server sends at a time. */
#define BUFFER_BYTES 65536u

/* So many before others have their turn: a body may come faster than it is read. */
#define READS_MAX 64u

#define HANGUP (EPOLLERR | EPOLLHUP)
#define EVENTS (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)

static char buffer[BUFFER_BYTES];

void session_close(struct session *session)
{
    if (session->state != SESSION_CLOSED) {
        close(session->fd);
        session->state = SESSION_CLOSED;
    }
}

static enum session_outcome fail(struct session *session, struct session_world *world,
                                 enum load_error error)
{
    bool was_opening = session->state == SESSION_CONNECTING || session->state == SESSION_CLOSED;

    world->result->errors[error]++;
    world->now_ns = clock_ns();
    session_close(session);
    return was_opening ? SESSION_HAS_FAILED : SESSION_FREE;
}

static enum session_outcome fail_by(struct session *session, struct session_world *world,
                                    int error_number)
{
    bool is_opening = session->state == SESSION_CONNECTING || session->state == SESSION_CLOSED;

    return fail(session, world, load_error_of(error_number, is_opening));
}

/* --- Answers --- */

/* The answer is whole. `has_ended`: the server has closed. */
static enum session_outcome complete(struct session *session, struct session_world *world,
                                     bool has_ended)
{
    struct result *result = world->result;
    const struct answer *answer = &session->answer;

    world->now_ns = clock_ns();
    result->responses++;
    histogram_note(&result->latencies, world->now_ns - session->intended_ns);
    if (answer->status >= 400) {
        result->errors[LOAD_ERROR_STATUS]++;
    } else if (world->is_verified && !answer_is_like_first(answer, &session->target->known)) {
        result->errors[LOAD_ERROR_MISMATCH]++;
    }
    session->has_served = true;
    if (!has_ended && answer->keeps && world->is_kept && session->state == SESSION_RECEIVING) {
        session->state = SESSION_KEPT;
    } else if (!has_ended && !answer->keeps) {
        session->state = SESSION_ENDING;
        return SESSION_BUSY;
    } else {
        session_close(session);
    }
    return SESSION_FREE;
}

/* There may be more to read, which no event will tell: have it told once more. */
static enum session_outcome give_way(struct session *session, struct session_world *world)
{
    struct epoll_event event = {.events = EVENTS, .data.ptr = session};

    return epoll_ctl(world->epoll_fd, EPOLL_CTL_MOD, session->fd, &event) == 0
               ? SESSION_BUSY
               : fail_by(session, world, errno);
}

/* `has_ended`: the event has said that the server sends no more. */
static enum session_outcome receive(struct session *session, struct session_world *world,
                                    bool has_ended)
{
    for (unsigned i = 0; i < READS_MAX; i++) {
        enum answer_progress progress;
        const void *data;
        ssize_t bytes = load_host_receive(session->fd, buffer, sizeof(buffer), &data);

        if (bytes < 0 && errno == EAGAIN) {
            return SESSION_BUSY;
        }
        if (bytes < 0) {
            return fail_by(session, world, errno);
        }
        if (bytes == 0) {
            return answer_end(&session->answer) == ANSWER_COMPLETE
                       ? complete(session, world, true)
                       : fail(session, world, LOAD_ERROR_CLOSED);
        }
        world->result->bytes += (uint64_t)bytes;
        progress = answer_take(&session->answer, &session->target->known, data, (size_t)bytes);
        if (progress == ANSWER_COMPLETE) {
            return complete(session, world, has_ended);
        }
        if (progress == ANSWER_BAD) {
            return fail(session, world, LOAD_ERROR_BAD_ANSWER);
        }
    }
    return give_way(session, world);
}

/* Nothing but the connection's end may come. */
static enum session_outcome await_end(struct session *session, struct session_world *world)
{
    const void *data;
    ssize_t bytes = load_host_receive(session->fd, buffer, sizeof(buffer), &data);

    if (bytes < 0 && errno == EAGAIN) {
        return session->state == SESSION_KEPT ? SESSION_FREE : SESSION_BUSY;
    }
    if (bytes > 0) {
        return fail(session, world, LOAD_ERROR_BAD_ANSWER);
    }
    session_close(session);
    return SESSION_FREE;
}

/* --- Requests --- */

/* Returns 0 if it goes on, or an errno. */
static int send_request(struct session *session)
{
    const struct target *target = session->target;
    size_t rest = target->request_bytes - session->sent_bytes;
    ssize_t bytes = send(session->fd, target->request + session->sent_bytes, rest, MSG_NOSIGNAL);

    if (bytes < 0 && errno != EAGAIN) {
        return errno;
    }
    session->sent_bytes += bytes > 0 ? (size_t)bytes : 0;
    session->state = bytes == (ssize_t)rest ? SESSION_RECEIVING : SESSION_SENDING;
    return 0;
}

/* Returns 0, or an errno. */
static int open_connection(struct session *session, struct session_world *world)
{
    struct epoll_event event = {.events = EVENTS, .data.ptr = session};

    session->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (session->fd < 0) {
        return errno;
    }
    session->state = SESSION_CONNECTING;
    session->has_served = false;
    if (connect(session->fd, (const struct sockaddr *)&world->server, sizeof(world->server)) != 0 &&
        errno != EINPROGRESS) {
        return errno;
    }
    /* One that is connected at once is told of, too. */
    return epoll_ctl(world->epoll_fd, EPOLL_CTL_ADD, session->fd, &event) != 0 ? errno : 0;
}

/* Returns 0, or an errno. */
static int take_connection(struct session *session, struct session_world *world, uint32_t events)
{
    socklen_t bytes = sizeof(int);
    int error = 0;

    if ((events & HANGUP) != 0 &&
        getsockopt(session->fd, SOL_SOCKET, SO_ERROR, &error, &bytes) == 0 && error != 0) {
        return error;
    }
    if ((events & (EPOLLOUT | HANGUP)) != 0) {
        world->result->opened++;
        session->state = SESSION_SENDING;
    }
    return 0;
}

/* --- From outside --- */

enum session_outcome session_begin(struct session *session, struct session_world *world,
                                   struct target *target, uint64_t intended_ns)
{
    int error = 0;

    world->result->requests++;
    session->intended_ns = intended_ns;
    session->target = target;
    session->sent_bytes = 0;
    answer_start(&session->answer, world->is_verified);
    /* If the server has closed one that was kept, the request has not reached it: RFC 9112 9.3.1.
     */
    if (session->state == SESSION_KEPT && send_request(session) != 0) {
        session_close(session);
    }
    if (session->state == SESSION_CLOSED) {
        error = open_connection(session, world);
    }
    return error != 0 ? fail_by(session, world, error) : SESSION_BUSY;
}

enum session_outcome session_take_events(struct session *session, struct session_world *world,
                                         uint32_t events)
{
    bool has_ended = (events & (EPOLLRDHUP | HANGUP)) != 0;
    int error = 0;

    if (session->state == SESSION_CLOSED) {
        return SESSION_FREE; /* no event is left of what was closed */
    }
    if (session->state == SESSION_ENDING || session->state == SESSION_KEPT) {
        return await_end(session, world);
    }
    if (session->state == SESSION_CONNECTING) {
        error = take_connection(session, world, events);
    }
    if (error == 0 && session->state == SESSION_SENDING) {
        error = send_request(session);
    }
    if (error != 0) {
        return fail_by(session, world, error);
    }
    /* An answer may come before the request is whole, which then is no longer sent: a refusal. */
    return session->state != SESSION_CONNECTING && (events & ~EPOLLOUT) != 0
               ? receive(session, world, has_ended)
               : SESSION_BUSY;
}

enum session_outcome session_time_out(struct session *session, struct session_world *world)
{
    if (session->state == SESSION_ENDING) {
        session_close(session); /* it has its answer */
        return SESSION_FREE;
    }
    return fail(session, world,
                session->state == SESSION_CONNECTING ? LOAD_ERROR_CONNECT_TIMEOUT
                                                     : LOAD_ERROR_TIMEOUT);
}
