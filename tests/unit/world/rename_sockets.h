/* SPDX-License-Identifier: MIT */
/*
 * Lets Talus' socket calls stand beside the host's C library in one unit test: each gets a name
 * of its own, in its sources, in the test, and in the host's headers alike. Included before
 * everything else (-include).
 */
#pragma once

#define accept          talus_accept
#define accept4         talus_accept4
#define bind            talus_bind
#define close           talus_close
#define connect         talus_connect
#define epoll_create    talus_epoll_create
#define epoll_create1   talus_epoll_create1
#define epoll_ctl       talus_epoll_ctl
#define epoll_wait      talus_epoll_wait
#define eventfd         talus_eventfd
#define eventfd_read    talus_eventfd_read
#define eventfd_write   talus_eventfd_write
#define fcntl           talus_fcntl
#define freeaddrinfo    talus_freeaddrinfo
#define gai_strerror    talus_gai_strerror
#define getaddrinfo     talus_getaddrinfo
#define gethostbyname   talus_gethostbyname
#define getnameinfo     talus_getnameinfo
#define getpeername     talus_getpeername
#define getsockname     talus_getsockname
#define getsockopt      talus_getsockopt
#define inet_aton       talus_inet_aton
#define listen          talus_listen
#define pipe            talus_pipe
#define pipe2           talus_pipe2
#define poll            talus_poll
#define read            talus_read
#define readv           talus_readv
#define recv            talus_recv
#define recvfrom        talus_recvfrom
#define recvmmsg        talus_recvmmsg
#define recvmsg         talus_recvmsg
#define select          talus_select
#define send            talus_send
#define sendmmsg        talus_sendmmsg
#define sendmsg         talus_sendmsg
#define sendto          talus_sendto
#define setsockopt      talus_setsockopt
#define shutdown        talus_shutdown
#define socket          talus_socket
#define socketpair      talus_socketpair
#define splice          talus_splice
#define tee             talus_tee
#define timerfd_create  talus_timerfd_create
#define timerfd_gettime talus_timerfd_gettime
#define timerfd_settime talus_timerfd_settime
#define write           talus_write
#define writev          talus_writev

/* FreeBSD's, OpenBSD's and our own, which the host's headers do not have. */
#define MSG_EOF   0x200
#define MSG_CLOSE 0x400
#define SO_SPLICE 0x1023

#ifndef __ASSEMBLER__
#include <sys/time.h>
#include <sys/types.h>

struct splice {
    int sp_fd;
    off_t sp_max;
    struct timeval sp_idle;
};

ssize_t recv_lent(int fd, void *buffer, size_t bytes, const void **data);
#endif
