/* SPDX-License-Identifier: MIT */
/*
 * socketpair(): two streams of bytes between two descriptors of this node. Ends, errors and
 * readiness are those of Linux's AF_UNIX; descriptors cannot be passed through it.
 */
#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "libc/core/memory.h"
#include "libc/posix/byte_queue.h"
#include "libc/posix/other_socket.h"

struct pair;

struct end {
    struct descriptor descriptor; /* fd -1: closed */
    struct pair *pair;
    struct byte_queue received;
    bool is_read_shut; /* no more comes than what is here: shutdown() at either end, or its close()
                        */
    bool is_write_shut;
    int error; /* negative; told once */
};

struct pair {
    struct end ends[2];
};

MEMORY_KIND(pair_kind, "socketpair");

static struct end *end_of(const struct descriptor *descriptor)
{
    return CONTAINER_OF(descriptor, struct end, descriptor);
}

static struct end *peer_of(const struct end *end)
{
    return &end->pair->ends[end == &end->pair->ends[0]];
}

static bool is_open(const struct end *end)
{
    return end->descriptor.fd >= 0;
}

static void notify(struct end *end, unsigned events)
{
    if (is_open(end)) {
        descriptor_notify(&end->descriptor, events);
    }
}

static void release_pair(struct pair *pair)
{
    byte_queue_close(&pair->ends[0].received);
    byte_queue_close(&pair->ends[1].received);
    memory_release(&pair_kind, pair);
}

static unsigned end_readiness(const struct descriptor *descriptor)
{
    const struct end *end = end_of(descriptor);
    const struct end *peer = peer_of(end);
    unsigned ready = 0;

    if (end->received.count > 0 || end->is_read_shut) {
        ready |= READY_IN;
    }
    if (end->is_read_shut) {
        ready |= READY_PEER_HANGUP | (end->is_write_shut ? READY_HANGUP : 0);
    }
    if (!is_open(peer) || byte_queue_room(&peer->received) >= BYTE_QUEUE_BYTES / 4) {
        ready |= READY_OUT;
    }
    return ready | (end->error != 0 ? READY_ERROR : 0);
}

static int take_error(struct end *end)
{
    int error = end->error;

    end->error = 0;
    return error;
}

/* Up to `bytes`, from `skip` on, into the pieces. */
static size_t take(struct end *end, const struct msghdr *message, size_t skip, int flags)
{
    size_t total = 0;

    for (size_t i = 0; i < message->msg_iovlen; i++) {
        const struct iovec *piece = &message->msg_iov[i];

        if (skip >= piece->iov_len) {
            skip -= piece->iov_len;
            continue;
        }
        total += byte_queue_take(&end->received, (uint8_t *)piece->iov_base + skip,
                                 piece->iov_len - skip, (flags & MSG_PEEK) != 0);
        skip = 0;
        if ((flags & MSG_PEEK) != 0) {
            break; /* the next piece would be told the same bytes again */
        }
    }
    return total;
}

static ssize_t end_receive(struct descriptor *descriptor, struct msghdr *message, size_t bytes,
                           int flags)
{
    struct end *end = end_of(descriptor);
    bool is_all = (flags & MSG_WAITALL) != 0 && (flags & MSG_PEEK) == 0;
    size_t received = 0;

    if ((flags & MSG_OOB) != 0) {
        return -EOPNOTSUPP;
    }
    message->msg_namelen = 0;
    message->msg_controllen = 0;
    message->msg_flags = 0;
    while (received < bytes) {
        size_t part = take(end, message, received, flags);
        int error = 0;

        received += part;
        if (part > 0) {
            notify(peer_of(end), READY_OUT);
            if (!is_all) {
                break;
            }
            continue;
        }
        if (received == 0 && end->error != 0) {
            return take_error(end);
        }
        if (end->is_read_shut) {
            break;
        }
        error = descriptor_wait_or_again(&end->descriptor, READY_IN, flags, UINT64_MAX);
        if (error != 0) {
            return received > 0 ? (ssize_t)received : error;
        }
    }
    return (ssize_t)received;
}

static ssize_t end_send(struct descriptor *descriptor, const struct msghdr *message, size_t bytes,
                        int flags)
{
    struct end *end = end_of(descriptor);
    size_t sent = 0;

    if (message->msg_namelen > 0) {
        return -EISCONN;
    }
    do {
        struct end *peer = peer_of(end);
        int error = 0;

        if (end->is_write_shut || !is_open(peer)) {
            error = -EPIPE;
        } else if (byte_queue_room(&peer->received) > 0) {
            sent += byte_queue_put(&peer->received, message->msg_iov, sent, bytes);
            notify(peer, READY_IN);
        } else {
            error = descriptor_wait_or_again(&end->descriptor, READY_OUT, flags, UINT64_MAX);
        }
        if (error != 0) {
            return sent > 0 ? (ssize_t)sent : error;
        }
    } while (sent < bytes);
    return (ssize_t)sent;
}

static int end_shutdown(struct descriptor *descriptor, int how)
{
    struct end *end = end_of(descriptor);
    struct end *peer = peer_of(end);

    if (how != SHUT_RD) {
        end->is_write_shut = true;
        peer->is_read_shut = true;
    }
    if (how != SHUT_WR) {
        end->is_read_shut = true;
        peer->is_write_shut = true;
    }
    notify(end, READY_IN | READY_OUT | READY_HANGUP | READY_PEER_HANGUP);
    notify(peer, READY_IN | READY_OUT | READY_HANGUP | READY_PEER_HANGUP);
    return 0;
}

static int end_name(struct descriptor *descriptor, bool is_peers, struct sockaddr *address,
                    socklen_t *bytes)
{
    const sa_family_t family = AF_UNIX; /* and no path */

    (void)descriptor;
    (void)is_peers;
    other_store_address(&family, sizeof(family), address, bytes);
    return 0;
}

static int end_take_option(struct descriptor *descriptor, int level, int option, int *number)
{
    if (level != SOL_SOCKET || option != SO_ERROR) {
        return -ENOPROTOOPT;
    }
    *number = -take_error(end_of(descriptor));
    return 0;
}

static void end_close(struct descriptor *descriptor)
{
    struct end *end = end_of(descriptor);
    struct end *peer = peer_of(end);

    if (!is_open(peer)) {
        release_pair(end->pair);
        return;
    }
    peer->is_read_shut = peer->is_write_shut = true;
    if (end->received.count > 0) {
        peer->error = -ECONNRESET; /* what it has sent is lost */
    }
    notify(peer, READY_IN | READY_OUT | READY_ERROR | READY_HANGUP | READY_PEER_HANGUP);
}

static const struct socket_calls end_calls = {
    .type = SOCK_STREAM,
    .receive = end_receive,
    .send = end_send,
    .shutdown = end_shutdown,
    .name = end_name,
    .take_option = end_take_option,
};

static const struct descriptor_operations end_operations = {
    .readiness = end_readiness,
    .read = other_read,
    .write = other_write,
    .close = end_close,
    .socket_calls = &end_calls,
};

/* --- socketpair() --- */

static bool open_queues(struct pair *pair)
{
    if (!byte_queue_open(&pair->ends[0].received)) {
        return false;
    }
    if (!byte_queue_open(&pair->ends[1].received)) {
        byte_queue_close(&pair->ends[0].received);
        return false;
    }
    return true;
}

static struct pair *make_pair(bool is_nonblocking)
{
    struct pair *pair = memory_allocate_zeroed(&pair_kind, sizeof(*pair));

    if (pair == NULL) {
        return NULL;
    }
    if (!open_queues(pair)) {
        memory_release(&pair_kind, pair);
        return NULL;
    }
    for (unsigned i = 0; i < 2; i++) {
        descriptor_initialise(&pair->ends[i].descriptor, &end_operations);
        pair->ends[i].descriptor.is_nonblocking = is_nonblocking;
        pair->ends[i].pair = pair;
    }
    return pair;
}

static int open_pair(int domain, int type, int protocol, int fds[2])
{
    if (domain != AF_UNIX) {
        return domain == AF_INET ? -EOPNOTSUPP : -EAFNOSUPPORT;
    }
    if (protocol != 0 && protocol != AF_UNIX) {
        return -EPROTONOSUPPORT;
    }
    if ((type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) != SOCK_STREAM) {
        return -ESOCKTNOSUPPORT;
    }
    struct pair *pair = make_pair((type & SOCK_NONBLOCK) != 0);
    if (pair == NULL) {
        return -ENOMEM;
    }
    int first = descriptor_open(&pair->ends[0].descriptor);
    if (first < 0) {
        release_pair(pair);
        return first;
    }
    int second = descriptor_open(&pair->ends[1].descriptor);
    if (second < 0) {
        (void)descriptor_close(first); /* the last end: it releases the pair */
        return second;
    }
    fds[0] = first;
    fds[1] = second;
    return 0;
}

int socketpair(int domain, int type, int protocol, int fds[2])
{
    return (int)call_result(open_pair(domain, type, protocol, fds));
}
