/* SPDX-License-Identifier: MIT */
/*
 * recvmmsg() and sendmmsg(): several messages in one call.
 */
#include <sys/socket.h>
#include <time.h>

#include "kernel/platform.h"
#include "libc/posix/descriptor.h"

#define MESSAGES_MAX 1024u /* as Linux' UIO_MAXIOV */

int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    unsigned sent = 0;

    for (; sent < count && sent < MESSAGES_MAX; sent++) {
        ssize_t bytes = sendmsg(fd, &messages[sent].msg_hdr, flags);
        if (bytes < 0) {
            return sent > 0 ? (int)sent : -1;
        }
        messages[sent].msg_len = (unsigned)bytes;
    }
    return (int)sent;
}

int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout)
{
    uint64_t deadline_ns = UINT64_MAX;
    unsigned received = 0;

    if (timeout != NULL) {
        deadline_ns =
            platform_now_ns() + (uint64_t)timeout->tv_sec * NS_PER_S + (uint64_t)timeout->tv_nsec;
    }
    while (received < count && received < MESSAGES_MAX) {
        ssize_t bytes = recvmsg(fd, &messages[received].msg_hdr, flags & ~MSG_WAITFORONE);
        if (bytes < 0) {
            return received > 0 ? (int)received : -1;
        }
        messages[received++].msg_len = (unsigned)bytes;
        if ((flags & MSG_WAITFORONE) != 0) {
            flags |= MSG_DONTWAIT;
        }
        if (platform_now_ns() >= deadline_ns) {
            break;
        }
    }
    return (int)received;
}
