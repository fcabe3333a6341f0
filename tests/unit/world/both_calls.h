/* SPDX-License-Identifier: MIT */
/*
 * The calls of two systems, Talus and the Linux that the tests run on, for scripts that are run on
 * both and must tell the same. The test is built with rename_sockets.h, so the plain names are
 * Talus' own; Linux's are reached by their names in the host's library.
 */
#pragma once

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/types.h>
#include <sys/uio.h>

/* X(name, result, arguments) */
#define BOTH_CALLS(X)                                                                              \
    X(accept, int, (int, struct sockaddr *, socklen_t *))                                          \
    X(bind, int, (int, const struct sockaddr *, socklen_t))                                        \
    X(close, int, (int))                                                                           \
    X(connect, int, (int, const struct sockaddr *, socklen_t))                                     \
    X(epoll_create1, int, (int))                                                                   \
    X(epoll_ctl, int, (int, int, int, struct epoll_event *))                                       \
    X(epoll_wait, int, (int, struct epoll_event *, int, int))                                      \
    X(eventfd, int, (unsigned, int))                                                               \
    X(freeaddrinfo, void, (struct addrinfo *))                                                     \
    X(getaddrinfo, int, (const char *, const char *, const struct addrinfo *, struct addrinfo **)) \
    X(getnameinfo, int,                                                                            \
      (const struct sockaddr *, socklen_t, char *, socklen_t, char *, socklen_t, int))             \
    X(getpeername, int, (int, struct sockaddr *, socklen_t *))                                     \
    X(getsockname, int, (int, struct sockaddr *, socklen_t *))                                     \
    X(getsockopt, int, (int, int, int, void *, socklen_t *))                                       \
    X(listen, int, (int, int))                                                                     \
    X(pipe2, int, (int *, int))                                                                    \
    X(poll, int, (struct pollfd *, nfds_t, int))                                                   \
    X(read, ssize_t, (int, void *, size_t))                                                        \
    X(readv, ssize_t, (int, const struct iovec *, int))                                            \
    X(recv, ssize_t, (int, void *, size_t, int))                                                   \
    X(recvfrom, ssize_t, (int, void *, size_t, int, struct sockaddr *, socklen_t *))               \
    X(recvmmsg, int, (int, struct mmsghdr *, unsigned, int, struct timespec *))                    \
    X(recvmsg, ssize_t, (int, struct msghdr *, int))                                               \
    X(send, ssize_t, (int, const void *, size_t, int))                                             \
    X(sendmmsg, int, (int, struct mmsghdr *, unsigned, int))                                       \
    X(sendmsg, ssize_t, (int, const struct msghdr *, int))                                         \
    X(sendto, ssize_t, (int, const void *, size_t, int, const struct sockaddr *, socklen_t))       \
    X(setsockopt, int, (int, int, int, const void *, socklen_t))                                   \
    X(shutdown, int, (int, int))                                                                   \
    X(socket, int, (int, int, int))                                                                \
    X(socketpair, int, (int, int, int, int *))                                                     \
    X(splice, ssize_t, (int, loff_t *, int, loff_t *, size_t, unsigned))                           \
    X(tee, ssize_t, (int, int, size_t, unsigned))                                                  \
    X(timerfd_create, int, (int, int))                                                             \
    X(timerfd_gettime, int, (int, struct itimerspec *))                                            \
    X(timerfd_settime, int, (int, int, const struct itimerspec *, struct itimerspec *))            \
    X(write, ssize_t, (int, const void *, size_t))                                                 \
    X(writev, ssize_t, (int, const struct iovec *, int))

struct both_calls {
#define X(name, result, arguments) result(*do_##name) arguments;
    BOTH_CALLS(X)
#undef X
    void (*pass_ms)(unsigned ms);
};

/* What a script tells: lines of text. */
struct record {
    char text[16384];
    size_t length;
};
__attribute__((format(printf, 2, 3))) void tell(struct record *record, const char *format, ...);
/* The result of a call, or its error's name. */
void tell_result(struct record *record, const char *call, ssize_t result);

/* What the test does for Talus between rounds, as the other nodes; NULL: nothing. */
extern void (*both_network)(void);
/* Run it on both; the records must be the same. */
void run_on_both(void (*script)(const struct both_calls *on, struct record *record));
