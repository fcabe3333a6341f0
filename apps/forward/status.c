/* SPDX-License-Identifier: MIT */
#include "apps/forward/status.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apps/forward/session.h"

#define METRICS       "/proc/metrics"
#define BACKLOG       16
#define REQUEST_BYTES 4096
/* So long it may be without a request before it is accepted, and gets none. Chosen. */
#define DEFER_S       1

static struct {
    enum event_kind kind; /* what epoll names it by */
    int fd;
} listener = {EVENT_STATUS, -1};

int status_open(int epoll_fd, uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &listener};

    int defer_s = DEFER_S;

    listener.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener.fd < 0 ||
        setsockopt(listener.fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &defer_s, sizeof(defer_s)) != 0 ||
        bind(listener.fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(listener.fd, BACKLOG) != 0) {
        return -1;
    }
    return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener.fd, &event);
}

/* The request has come with the connection; whatever it is, this is the answer. Nothing waits for a
 * client: what there is no room for it does not get. */
static void answer(int fd)
{
    char request[REQUEST_BYTES], head[160];
    struct stat stat;
    int file = open(METRICS, O_RDONLY);
    int bytes;

    (void)recv(fd, request, sizeof(request), MSG_DONTWAIT);
    if (file < 0 || fstat(file, &stat) != 0) {
        (void)close(file);
        return;
    }
    bytes = snprintf(head, sizeof(head),
                     "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
                     "Content-Length: %lu\r\nConnection: close\r\n\r\n",
                     (unsigned long)stat.st_size);
    if (send(fd, head, (size_t)bytes, MSG_NOSIGNAL | MSG_MORE) == bytes) {
        off_t at = 0;
        ssize_t sent;

        do {
            sent = sendfile(fd, file, &at, (size_t)(stat.st_size - at));
        } while (sent > 0 && at < stat.st_size);
    }
    (void)close(file);
}

void status_handle(void)
{
    int fd = accept4(listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd >= 0) {
        answer(fd);
        (void)close(fd);
    }
}
