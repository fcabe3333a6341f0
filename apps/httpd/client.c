/* SPDX-License-Identifier: MIT */
/*
 * Serving a client.
 *
 * A request that is known is looked at where it lies. All other input is read into one buffer for
 * all clients, and requests are read and answered in one struct work; only what is left over when a
 * client has to be waited for, part of a request or of a response, is kept in a buffer and a work
 * of its own. So an idle connection costs its struct client, and the usual short connection nothing
 * but that for a moment.
 */
#include "apps/httpd/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apps/httpd/access_log.h"
#include "apps/httpd/check.h"
#include "apps/httpd/host.h"
#include "apps/httpd/kept.h"
#include "apps/httpd/known.h"
#include "apps/httpd/sending.h"
#include "apps/httpd/waiting.h"

/* With fewer, they are in the cache, mostly: as net/transport/demux.c has it. */
#define EXPECT_CLIENTS 512u

/* What became of a client. */
enum progress {
    READY,   /* go on: more input can be handled */
    WAITING, /* for an event */
    CLOSED,  /* it is gone */
};

static int epoll_fd;
static unsigned count;
/* One that has closed, for the next: short connections often come one after the other. */
static struct client *spare;
static char shared_input[INPUT_MAX_BYTES];

void client_start(int epoll, unsigned idle_s)
{
    epoll_fd = epoll;
    waiting_start(idle_s);
    work_start();
}

void client_set_time(uint64_t now_ms)
{
    waiting_set_time(now_ms);
}

unsigned client_count(void)
{
    return count;
}

bool client_is_to_be_expected(void)
{
    return count >= EXPECT_CLIENTS;
}

void client_expect(const struct client *client)
{
    __builtin_prefetch(client, 1);
}

void client_expect_links(const struct client *client)
{
    __builtin_prefetch(client->previous, 1);
    __builtin_prefetch(client->next, 1);
}

/* --- Work --- */

static struct work *work_of(struct client *client)
{
    return client->work != NULL ? client->work : &work_shared;
}

/* Go on in a work of its own. */
static bool own_work(struct client *client)
{
    if (client->work == NULL) {
        client->work = work_take_shared();
    }
    return client->work != NULL;
}

/* A client that is waited for keeps its work if it is in the middle of some. */
static bool keep_work(struct client *client, enum client_wait wait)
{
    if (wait == WAIT_SEND || (wait == WAIT_REQUEST && client->input_bytes > 0)) {
        return own_work(client);
    }
    if (client->work != NULL) {
        check(client->work->response.owned == NULL);
        free(client->work);
        client->work = NULL;
    }
    return true;
}

static __attribute__((noinline)) void close_client(struct client *client)
{
    check(count > 0);
    waiting_leave(client);
    if (client->fd >= 0) { /* its last send has not closed it */
        close(client->fd); /* leaves the epoll too */
    }
    work_release_response(work_of(client));
    if (client->work != NULL || client->input != NULL) { /* rarely */
        free(client->work);
        free(client->input);
    }
    if (spare == NULL) {
        spare = client;
    } else {
        free(client);
    }
    count--;
}

/* For all events, edge-triggered: one call to the epoll serves until the connection is closed. */
static bool watch(struct client *client)
{
    struct epoll_event event = {
        .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
        .data.ptr = client,
    };

    client->is_watched = epoll_ctl(epoll_fd, EPOLL_CTL_ADD, client->fd, &event) == 0;
    return client->is_watched;
}

static __attribute__((noinline)) enum progress wait_for(struct client *client,
                                                        enum client_wait wait)
{
    if ((!client->is_watched && !watch(client)) || !keep_work(client, wait)) {
        host_count_turned_away();
        close_client(client);
        return CLOSED;
    }
    /* A request's time runs from its first byte: one that comes byte by byte gets no more. */
    if (client->wait != wait || wait != WAIT_REQUEST) {
        waiting_leave(client);
        waiting_join(client, wait);
    }
    return WAITING;
}

/* --- Sending --- */

static int send_response(struct client *client, struct response *response)
{
    enum sending_end end = !client->is_last      ? SENDING_GOES_ON
                           : client->must_linger ? SENDING_ENDS
                                                 : SENDING_CLOSES;

    return sending_response(&client->fd, response, end);
}

static enum progress discard_input(struct client *client)
{
    ssize_t received;

    do {
        received = recv(client->fd, shared_input, sizeof(shared_input), 0);
    } while (received > 0);
    if (received < 0 && errno == EAGAIN) {
        return WAITING;
    }
    close_client(client);
    return CLOSED;
}

/* After the last response. Unread bytes would turn a close into a reset, which can destroy the
 * response on its way: end our side, and read until the client ends its own (RFC 9112 9.6). */
static __attribute__((noinline)) enum progress finish(struct client *client)
{
    check(client->is_last && !client->is_sending && work_of(client)->response.owned == NULL);
    if (!client->must_linger) {
        close_client(client);
        return CLOSED;
    }
    shutdown(client->fd, SHUT_WR);
    if (wait_for(client, WAIT_LINGER) == CLOSED) {
        return CLOSED;
    }
    return discard_input(client);
}

static enum progress flush(struct client *client, struct work *work)
{
    int result = send_response(client, &work->response);

    if (result < 0) {
        close_client(client);
        return CLOSED;
    }
    client->is_sending = result == 0;
    if (client->is_sending) {
        return wait_for(client, WAIT_SEND);
    }
    work_release_response(work);
    return client->is_last ? finish(client) : READY;
}

/* --- Requests --- */

static inline void note_answer(struct client *client)
{
    client->has_requested = true;
    if (client->wait == WAIT_REQUEST || client->wait == WAIT_ENDING) {
        waiting_leave(client); /* the next request has its own time */
    }
}

/* A response has been made: send it. `may_linger`: bytes may come that are no request of ours. */
static enum progress send_answer(struct client *client, struct work *work,
                                 enum persistence persistence, bool may_linger)
{
    client->is_last = persistence == PERSIST_NOT || work->response.status == 503;
    client->must_linger = may_linger;
    note_answer(client);
    host_count_request();
    return flush(client, work);
}

/* The request's bytes are those before `at`; up to `end` more have come. */
static enum progress answer(struct client *client, struct work *work, const char *head,
                            const char *at, const char *end)
{
    const struct request *request = &work->request;
    enum persistence persistence = PERSIST_NOT;

    check(request->is_complete && !client->is_sending && work->response.owned == NULL);
    if (request->is_keep_alive && !host_is_ending(client->fd)) {
        persistence = request->minor_version >= 1 ? PERSIST_SILENTLY : PERSIST_EXPRESSLY;
    }
    struct resource *file = response_make(&work->response, request, head, persistence);
    if (file != NULL && request->is_repeated && !access_log_is_on &&
        (persistence == PERSIST_NOT) == !request->is_keep_alive) {
        known_remember(head, request->head_bytes, file, persistence);
    }
    access_log_note_request(client->fd, request, head, at, &work->response);
    if (UNLIKELY(sending_hand_over(epoll_fd, &client->fd, &work->response))) {
        close_client(client);
        return CLOSED;
    }
    return send_answer(client, work, persistence, at < end || request->method == HTTP_CONNECT);
}

/* A request that is known, whose answer is in more than one piece, or is sent in part. Nothing of
 * the request has to be read: the work stays as it is between two requests. */
static __attribute__((noinline)) enum progress answer_known(struct client *client,
                                                            const struct known *known, size_t sent)
{
    struct work *work = work_of(client);

    check(!client->is_sending && client->work == NULL && work->response.owned == NULL);
    response_make_file(&work->response, known->file, known->persistence);
    sending_note(&work->response, sent);
    return send_answer(client, work, known->persistence, false);
}

/* `head`: what has come of the request. */
static enum progress refuse(struct client *client, uint16_t status, const char *head, size_t bytes)
{
    struct work *work = work_of(client);

    assert(!client->is_sending && work->response.owned == NULL);
    response_make_refusal(&work->response, status, request_is_head(&work->request));
    client->is_last = true;
    client->must_linger = true;
    access_log_note(client->fd, head, bytes, &work->response);
    host_note_refusal(status);
    host_count_request();
    return flush(client, work);
}

/* Send the 100 that the client waits for before it sends the body (RFC 9110 10.1.1). */
static enum progress invite_body(struct client *client, struct work *work)
{
    static const char continue_text[] = "HTTP/1.1 100 Continue\r\n\r\n";

    assert(!client->is_sending && work->response.owned == NULL);
    work->response =
        (struct response){.head = continue_text, .head_bytes = sizeof(continue_text) - 1};
    work->request.present &= ~(1u << FIELD_EXPECT);
    return flush(client, work);
}

/*
 * Handle the requests in `bytes` from `buffer` on, of which `parsed` belong to the first one and
 * are parsed. READY: all of it was handled or kept, and more may be read.
 */
static __attribute__((noinline)) enum progress handle_input(struct client *client, char *buffer,
                                                            size_t parsed, size_t bytes)
{
    if (client->work == NULL) {
        work_clear_shared();
    }
    struct work *work = work_of(client);
    const char *head = buffer;
    char *at = buffer + parsed;
    const char *end = buffer + bytes;
    enum progress progress = READY;

    check(parsed <= bytes && bytes <= INPUT_MAX_BYTES);
    while (at < end && progress == READY) {
        enum request_progress parsing = work_parse(work, head, &at, end);
        if (parsing == REQUEST_REFUSED) {
            return refuse(client, work->request.status, head, (size_t)(end - head));
        }
        if (parsing == REQUEST_COMPLETE) {
            progress = answer(client, work, head, at, end);
            if (progress == CLOSED || client->is_last) {
                return progress;
            }
            head = at;
            work_restart(work);
            if (work != work_of(client)) { /* it waits, with a copy */
                work = client->work;
                work_restart(work);
            }
        } else if (request_expects_continue(&work->request)) {
            progress = invite_body(client, work);
            if (progress == CLOSED) {
                return CLOSED;
            }
            work = work_of(client);
        }
    }
    /* A body is dropped as it comes; its request's head is needed for the answer. */
    bool has_head = work->request.has_head;
    size_t kept = has_head ? work->request.head_bytes : (size_t)(end - head);
    if (kept == 0) {
        kept_drop(client);
    } else if (!kept_store(client, head, kept, has_head ? kept : (size_t)(at - head)) ||
               !own_work(client)) {
        host_count_turned_away();
        if (!client->is_sending) {
            return refuse(client, 503, head, (size_t)(end - head));
        }
        close_client(client);
        return CLOSED;
    }
    return progress;
}

static enum progress wait_for_request(struct client *client)
{
    bool is_idle = client->has_requested && client->input_bytes == 0;

    if (client->input_bytes == 0 && host_is_ending(client->fd)) {
        return client->wait == WAIT_ENDING ? WAITING : wait_for(client, WAIT_ENDING);
    }
    if (is_idle && client->work == NULL && waiting_is_idle(client)) {
        return WAITING; /* as nearly always between two requests */
    }
    return wait_for(client, is_idle ? WAIT_IDLE : WAIT_REQUEST);
}

/* Nothing was read: there is nothing yet, or no more. */
static __attribute__((noinline)) enum progress end_read(struct client *client, ssize_t received)
{
    if (received < 0 && errno == EAGAIN) {
        return wait_for_request(client);
    }
    close_client(client);
    return CLOSED;
}

/* A short read has emptied the socket: whatever comes next is a new event. */
static inline enum progress end_input(struct client *client, enum progress progress, bool is_short,
                                      bool must_reach_end)
{
    return progress == READY && is_short && !must_reach_end ? wait_for_request(client) : progress;
}

static __attribute__((noinline)) enum progress answer_last(struct client *client,
                                                           const struct known *known)
{
    size_t sent;

    if (!sending_known(client->fd, known, SENDING_CLOSES, &sent)) {
        return answer_known(client, known, sent);
    }
    host_count_request();
    client->fd = -1;
    close_client(client);
    return CLOSED;
}

static __attribute__((noinline)) enum progress handle_unknown(struct client *client,
                                                              const char *input, size_t bytes)
{
    if (input != shared_input) {
        memcpy(shared_input, input, bytes);
    }
    return handle_input(client, shared_input, client->input_parsed, bytes);
}

/* So much has been read, and nothing was left of earlier reads. */
static inline enum progress handle_read(struct client *client, const char *input, ssize_t received,
                                        bool must_reach_end)
{
    const struct known *known;
    enum progress progress = READY;
    size_t sent;

    check(client->input_bytes == 0 && !client->is_sending);
    if (received <= 0) {
        return end_read(client, received);
    }
    known = known_find(input, (size_t)received);
    if (known == NULL || (known->persistence != PERSIST_NOT && host_is_ending(client->fd))) {
        progress = handle_unknown(client, input, (size_t)received);
    } else if (known->persistence == PERSIST_NOT) {
        progress = answer_last(client, known);
    } else if (sending_known(client->fd, known, SENDING_GOES_ON, &sent)) {
        host_count_request();
        note_answer(client);
    } else {
        progress = answer_known(client, known, sent);
    }
    return end_input(client, progress, (size_t)received < sizeof(shared_input), must_reach_end);
}

/* Read behind what is left of the last read: the largest head fits. */
static __attribute__((noinline)) enum progress read_more(struct client *client, bool must_reach_end)
{
    size_t kept = client->input_bytes;
    size_t room = sizeof(shared_input) - kept;

    /* Without room a recv() of nothing would pass for the client's end. */
    check(kept < sizeof(shared_input));
    memcpy(shared_input, client->input, kept);
    ssize_t received = recv(client->fd, shared_input + kept, room, 0);
    if (received <= 0) {
        return end_read(client, received);
    }
    return end_input(
        client, handle_input(client, shared_input, client->input_parsed, kept + (size_t)received),
        (size_t)received < room, must_reach_end);
}

/* Read once and handle it. All in one but for what is rare: each request comes by here; and without
 * the stack's guard, for no array is on it. */
__attribute__((flatten, no_stack_protector)) static enum progress read_input(struct client *client,
                                                                             bool must_reach_end)
{
    if (client->input_bytes != 0) {
        return read_more(client, must_reach_end);
    }
    const void *input;
    ssize_t received = host_receive(client->fd, shared_input, sizeof(shared_input), &input);

    return handle_read(client, input, received, must_reach_end);
}

/* Go on reading until there is nothing to be done. */
static inline void serve_rest(struct client *client, enum progress progress, bool must_reach_end)
{
    while (progress == READY) {
        progress = read_input(client, must_reach_end);
    }
}

/* One whose response had to wait. */
static __attribute__((noinline)) void serve_on(struct client *client)
{
    enum progress progress = flush(client, client->work);

    /* Requests that came behind the one that was answered. */
    if (progress == READY && client->input_parsed < client->input_bytes) {
        size_t bytes = client->input_bytes;
        memcpy(shared_input, client->input, bytes);
        progress = handle_input(client, shared_input, client->input_parsed, bytes);
    }
    serve_rest(client, progress, true); /* events that came meanwhile were not looked at */
}

/* --- From outside --- */

void client_turn_away(int fd)
{
    struct response response;

    host_count_turned_away();
    /* What is there of the request would turn the close into a reset. */
    ssize_t received = recv(fd, shared_input, sizeof(shared_input), 0);
    response_make_overload(&response);
    access_log_note(fd, shared_input, received > 0 ? (size_t)received : 0, &response);
    /* A fresh connection has room for that. */
    (void)sending_response(&fd, &response, SENDING_CLOSES);
    if (fd >= 0) {
        close(fd);
    }
}

/* NULL: no memory. */
static struct client *create_client(int fd)
{
    struct client *client = spare != NULL ? spare : malloc(sizeof(*client));

    spare = NULL;
    if (client != NULL) {
        *client = (struct client){.fd = fd, .wait = WAIT_NOT};
        count++;
    }
    return client;
}

/* Its first read has brought so much; or that is `known`, and `sent` of the answer has been sent:
 * then what was read need not be there any more. */
static __attribute__((noinline)) void serve_first(int fd, const char *input, ssize_t received,
                                                  const struct known *known, size_t sent)
{
    struct client *client = create_client(fd);

    if (client != NULL) {
        serve_rest(client,
                   known != NULL ? answer_known(client, known, sent)
                                 : handle_read(client, input, received, false),
                   false);
    } else if (sent != 0) {
        host_count_turned_away();
        close(fd); /* in the middle of an answer nothing else can be said */
    } else {
        client_turn_away(fd);
    }
}

/* The usual short connection brings a request that is known, and is over with its answer. */
__attribute__((flatten)) void client_open(int fd)
{
    const void *input;
    ssize_t received;
    const struct known *known = NULL;
    size_t sent = 0;

    check(fd >= 0);
    received = host_receive(fd, shared_input, sizeof(shared_input), &input);
    if (received > 0) {
        known = known_find(input, (size_t)received);
        if (known != NULL && known->persistence != PERSIST_NOT) {
            known = NULL;
        } else if (known != NULL && sending_known(fd, known, SENDING_CLOSES, &sent)) {
            host_count_request();
            return;
        }
    }
    serve_first(fd, input, received, known, sent);
}

void client_handle_events(struct client *client, uint32_t events)
{
    check(client->is_watched && client->wait != WAIT_NOT);
    if (client->wait == WAIT_LINGER) {
        (void)discard_input(client); /* it waits on, or is gone */
    } else if (!client->is_sending) {
        serve_rest(client, READY, (events & (EPOLLRDHUP | EPOLLERR | EPOLLHUP)) != 0);
    } else if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0) {
        serve_on(client);
    } /* else more requests; first the answer that is under way */
}

/* A client that is not fast enough to make an event may have taken something all the same. */
static bool has_taken_more(struct client *client)
{
    struct response *response = &client->work->response;
    size_t left_bytes = response->head_bytes + response->body_bytes;

    (void)send_response(client, response); /* what it comes to is seen once more */
    return response->head_bytes + response->body_bytes < left_bytes;
}

static void give_up(struct client *client, enum client_wait wait)
{
    if (wait == WAIT_SEND && has_taken_more(client)) {
        serve_on(client);
        return;
    }
    /* Part of a request has come: tell its sender why nothing follows. */
    if (wait == WAIT_REQUEST && client->input_bytes > 0) {
        (void)refuse(client, 408, client->input, client->input_bytes); /* closed, or lingers */
    } else {
        close_client(client);
    }
}

int client_expire(void)
{
    return waiting_expire(give_up);
}
