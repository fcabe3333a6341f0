/* SPDX-License-Identifier: MIT */
/* Sockets (POSIX); Linux's values. IPv4, TCP and UDP. */
#pragma once

#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>

struct timespec;

typedef unsigned socklen_t;
typedef unsigned short sa_family_t;

struct sockaddr {
    sa_family_t sa_family;
    char sa_data[14];
};

struct sockaddr_storage {
    sa_family_t ss_family;
    _Alignas(8) char ss_data[120];
};

struct linger {
    int l_onoff;
    int l_linger;
};

/* For SO_SPLICE, as on OpenBSD. */
struct splice {
    int sp_fd;              /* the drain; -1: end it */
    off_t sp_max;           /* end it after so many bytes; 0: never */
    struct timeval sp_idle; /* and when nothing has come for so long; 0: never */
};

struct msghdr {
    void *msg_name;
    socklen_t msg_namelen;
    struct iovec *msg_iov;
    size_t msg_iovlen;
    void *msg_control;
    size_t msg_controllen;
    int msg_flags;
};

/* What mmsghdr has beside a message: how many bytes of it were sent or received. */
struct mmsghdr {
    struct msghdr msg_hdr;
    unsigned msg_len;
};

struct cmsghdr {
    size_t cmsg_len; /* with this header */
    int cmsg_level;
    int cmsg_type;
};

#define CMSG_ALIGN(bytes) (((bytes) + sizeof(size_t) - 1) & ~(sizeof(size_t) - 1))
#define CMSG_SPACE(bytes) (CMSG_ALIGN(sizeof(struct cmsghdr)) + CMSG_ALIGN(bytes))
#define CMSG_LEN(bytes)   (CMSG_ALIGN(sizeof(struct cmsghdr)) + (bytes))
#define CMSG_DATA(cmsg)   ((unsigned char *)((cmsg) + 1))
#define CMSG_FIRSTHDR(message)                                                                     \
    ((message)->msg_controllen >= sizeof(struct cmsghdr)                                           \
         ? (struct cmsghdr *)(message)->msg_control                                                \
         : (struct cmsghdr *)0)
#define CMSG_NXTHDR(message, cmsg) __cmsg_next(message, cmsg)

/* NULL behind the last. */
static inline struct cmsghdr *__cmsg_next(const struct msghdr *message, struct cmsghdr *cmsg)
{
    char *end = (char *)message->msg_control + message->msg_controllen;

    if (cmsg->cmsg_len < sizeof(*cmsg) ||
        CMSG_ALIGN(cmsg->cmsg_len) + sizeof(*cmsg) > (size_t)(end - (char *)cmsg)) {
        return (struct cmsghdr *)0;
    }
    return (struct cmsghdr *)(void *)((char *)cmsg + CMSG_ALIGN(cmsg->cmsg_len));
}

#define AF_UNSPEC 0
#define AF_UNIX   1
#define AF_INET   2
#define AF_INET6  10
#define PF_INET   AF_INET

#define SOCK_STREAM   1
#define SOCK_DGRAM    2
#define SOCK_NONBLOCK 04000
#define SOCK_CLOEXEC  02000000

#define SOL_SOCKET      1
#define SO_REUSEADDR    2
#define SO_TYPE         3
#define SO_ERROR        4
#define SO_BROADCAST    6
#define SO_SNDBUF       7
#define SO_RCVBUF       8
#define SO_KEEPALIVE    9
#define SO_LINGER       13
#define SO_REUSEPORT    15
#define SO_RCVTIMEO     20
#define SO_SNDTIMEO     21
#define SO_ACCEPTCONN   30
#define SO_PROTOCOL     38
#define SO_DOMAIN       39
/* The node that serves the connection, or, before connect(), shall. */
#define SO_INCOMING_CPU 49
/* OpenBSD's. */
#define SO_SPLICE       0x1023

#define MSG_OOB        0x01
#define MSG_PEEK       0x02
#define MSG_CTRUNC     0x08
#define MSG_TRUNC      0x20
#define MSG_DONTWAIT   0x40
#define MSG_WAITALL    0x100
#define MSG_EOF        0x200 /* FreeBSD's: then shutdown(SHUT_WR); Linux has no use for the value */
#define MSG_CLOSE      0x400 /* our own: then close(), if all of it was taken; likewise */
#define MSG_NOSIGNAL   0x4000
#define MSG_MORE       0x8000
#define MSG_WAITFORONE 0x10000 /* recvmmsg(): wait for the first only */

#define SHUT_RD   0
#define SHUT_WR   1
#define SHUT_RDWR 2

#define SOMAXCONN 4096

int socket(int domain, int type, int protocol);
int socketpair(int domain, int type, int protocol, int fds[2]);
int bind(int fd, const struct sockaddr *address, socklen_t bytes);
int connect(int fd, const struct sockaddr *address, socklen_t bytes);
int listen(int fd, int backlog);
int accept(int fd, struct sockaddr *restrict address, socklen_t *restrict bytes);
int accept4(int fd, struct sockaddr *restrict address, socklen_t *restrict bytes, int flags);
ssize_t recv(int fd, void *buffer, size_t bytes, int flags);
/* Our own: as recv(fd, buffer, bytes, 0), but what has come may be left where it lies. *data is
 * where it is, in `buffer` or elsewhere: to be read only, and until this thread's next call that
 * may wait. */
ssize_t recv_lent(int fd, void *buffer, size_t bytes, const void **data);
ssize_t recvfrom(int fd, void *restrict buffer, size_t bytes, int flags,
                 struct sockaddr *restrict address, socklen_t *restrict address_bytes);
ssize_t recvmsg(int fd, struct msghdr *message, int flags);
ssize_t send(int fd, const void *buffer, size_t bytes, int flags);
ssize_t sendto(int fd, const void *buffer, size_t bytes, int flags, const struct sockaddr *address,
               socklen_t address_bytes);
ssize_t sendmsg(int fd, const struct msghdr *message, int flags);
/* The time-out is looked at between messages only, as on Linux. */
int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout);
int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags);
int shutdown(int fd, int how);
int getsockname(int fd, struct sockaddr *restrict address, socklen_t *restrict bytes);
int getpeername(int fd, struct sockaddr *restrict address, socklen_t *restrict bytes);
int getsockopt(int fd, int level, int option, void *restrict value, socklen_t *restrict bytes);
int setsockopt(int fd, int level, int option, const void *value, socklen_t bytes);
