/* SPDX-License-Identifier: MIT */
/*
 * A head and a body go in one call, and our end of the connection with them where the system has a
 * flag for that.
 */
#include "apps/httpd/sending.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apps/httpd/check.h"
#include "apps/httpd/host.h"
#include "apps/httpd/multipart.h"
#include "apps/httpd/stream.h"
#include "libc/core/base.h"

/* Linux has neither: there our end of the connection goes alone, by shutdown() or close(). */
#ifndef MSG_EOF
#define MSG_EOF 0
#endif
#ifndef MSG_CLOSE
#define MSG_CLOSE 0
#endif

static inline int flags_of(enum sending_end end)
{
    return MSG_NOSIGNAL | (end == SENDING_GOES_ON ? 0
                           : end == SENDING_ENDS  ? MSG_EOF
                                                  : MSG_EOF | MSG_CLOSE);
}

/* A shared head gets a new date while this client waits: it keeps a copy of the rest. */
static __attribute__((noinline)) bool own_head(struct response *response)
{
    if (response->owned != NULL || response->head_bytes == 0) {
        return true;
    }
    char *copy = malloc(response->head_bytes);
    if (copy == NULL) {
        return false;
    }
    memcpy(copy, response->head, response->head_bytes);
    response->head = copy;
    response->owned = copy;
    return true;
}

static __attribute__((noinline)) ssize_t send_both(int fd, const char *head, size_t head_bytes,
                                                   const uint8_t *body, size_t body_bytes,
                                                   int flags)
{
    struct iovec pieces[] = {
        {.iov_base = (void *)(uintptr_t)head, .iov_len = head_bytes},
        {.iov_base = (void *)(uintptr_t)body, .iov_len = body_bytes},
    };
    const struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 2};

    return sendmsg(fd, &message, flags);
}

static __attribute__((noinline)) ssize_t send_parts(int fd, const struct response *response,
                                                    int flags)
{
    struct iovec pieces[MULTIPART_PIECES_MAX];
    const struct msghdr message = {.msg_iov = pieces,
                                   .msg_iovlen = multipart_pieces(response, pieces)};

    return sendmsg(fd, &message, flags);
}

static inline void close_sent(int *fd)
{
    if (MSG_CLOSE == 0) {
        close(*fd);
    }
    *fd = -1;
}

void sending_note(struct response *response, size_t sent)
{
    size_t of_head = sent < response->head_bytes ? sent : response->head_bytes;
    size_t of_body = sent - of_head;

    check(of_body <= response->body_bytes);
    response->head += of_head;
    response->head_bytes -= of_head;
    if (of_body > 0) { /* a response without body has no pointer to it */
        if (!multipart_is(response)) {
            response->body += of_body;
        }
        response->body_bytes -= of_body;
    }
}

int sending_response(int *fd, struct response *response, enum sending_end end)
{
    const int flags = flags_of(end);

    while (response->head_bytes + response->body_bytes > 0) {
        ssize_t sent =
            response->body_bytes == 0 ? send(*fd, response->head, response->head_bytes, flags)
            : multipart_is(response)  ? send_parts(*fd, response, flags)
                                      : send_both(*fd, response->head, response->head_bytes,
                                                  response->body, response->body_bytes, flags);
        if (sent < 0) {
            return errno == EAGAIN && own_head(response) ? 0 : -1;
        }
        if ((size_t)sent == response->head_bytes + response->body_bytes) { /* nearly always */
            response->head_bytes = 0;
            response->body_bytes = 0;
            if (end == SENDING_CLOSES) {
                close_sent(fd);
            }
            return 1;
        }
        sending_note(response, (size_t)sent);
    }
    return 1;
}

bool sending_hand_over(int epoll_fd, int *fd, struct response *response)
{
    struct stream *stream = response->owned;

    if (LIKELY(response->head != NULL)) {
        return false;
    }
    response->owned = NULL;
    (void)epoll_ctl(epoll_fd, EPOLL_CTL_DEL, *fd, NULL); /* it may not have been there yet */
    host_count_request();
    stream->start(stream, *fd);
    *fd = -1;
    return true;
}

bool sending_known(int fd, const struct known *known, enum sending_end end, size_t *sent)
{
    size_t bytes, content_bytes;
    const char *text = response_text(known->file, known->persistence, &bytes, &content_bytes);

    *sent = 0;
    if (UNLIKELY(text == NULL)) {
        return false;
    }
    ssize_t result = content_bytes == 0 ? send(fd, text, bytes, flags_of(end))
                                        : send_both(fd, text, bytes, known->file->content,
                                                    content_bytes, flags_of(end));
    if (LIKELY(result == (ssize_t)(bytes + content_bytes))) {
        if (end == SENDING_CLOSES) {
            close_sent(&fd);
        }
        return true;
    }
    *sent = result > 0 ? (size_t)result : 0;
    return false;
}
