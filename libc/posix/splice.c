/* SPDX-License-Identifier: MIT */
/*
 * splice() and tee() of Linux. The bytes of a pipe lie in its ring: a socket's are received into
 * it, and sent from it, without another copy on the way.
 *
 * A call that has waited looks up its descriptors again: others may have closed them meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "libc/posix/descriptor.h"
#include "libc/posix/file.h"
#include "libc/posix/other_socket.h"
#include "libc/posix/pipe.h"
#include "libc/posix/socket.h"

#define FLAGS (SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_MORE | SPLICE_F_GIFT)

/* A call's two ends, as they were at its begin. */
struct ends {
    int in_fd, out_fd;
    struct descriptor *in, *out;
    struct pipe *in_pipe, *out_pipe; /* NULL: that end is something else */
    unsigned flags;
};

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static bool is_socket(int fd)
{
    int error;

    return other_socket(fd) != NULL || socket_get(fd, &error) != NULL;
}

static bool is_file(int fd)
{
    struct file_place place;

    return file_find_place(fd, NULL, &place) == 0;
}

/* 0 or -EBADF: also of a pipe's other end, and of a file as the one that is written to. */
static int find_ends(struct ends *ends)
{
    ends->in = descriptor_get(ends->in_fd);
    ends->out = descriptor_get(ends->out_fd);
    if (ends->in == NULL || ends->out == NULL) {
        return -EBADF;
    }
    ends->in_pipe = pipe_find(ends->in, true);
    ends->out_pipe = pipe_find(ends->out, false);
    return 0;
}

static int check_modes(const struct ends *ends)
{
    return pipe_find(ends->in, false) != NULL || pipe_find(ends->out, true) != NULL ||
                   is_file(ends->out_fd)
               ? -EBADF
               : 0;
}

/* Wait at one of them, unless it is a pipe's that must not. 0: look again. */
static int wait_at(struct ends *ends, struct descriptor *at, unsigned events, bool may_wait,
                   uint64_t deadline_ns)
{
    const struct ends before = *ends;

    if (!may_wait) {
        descriptor_yield_seldom();
        return -EAGAIN;
    }
    int error = descriptor_wait(at, events, deadline_ns);
    if (error == -EBADF || find_ends(ends) != 0 || ends->in != before.in ||
        ends->out != before.out) {
        return -EBADF;
    }
    return error == -ETIMEDOUT ? -EAGAIN : error;
}

static bool may_wait_for_pipes(const struct ends *ends)
{
    bool is_nonblocking = (ends->in_pipe != NULL && ends->in->is_nonblocking) ||
                          (ends->out_pipe != NULL && ends->out->is_nonblocking);

    return (ends->flags & SPLICE_F_NONBLOCK) == 0 && !is_nonblocking;
}

/* 0: there is some; or -EPIPE, -EAGAIN, -EBADF. */
static int await_room(struct ends *ends)
{
    for (;;) {
        if (!pipe_is_open(&ends->out_pipe->reader)) {
            return -EPIPE;
        }
        if (byte_queue_room(&ends->out_pipe->queue) > 0) {
            return 0;
        }
        int error = wait_at(ends, ends->out, READY_OUT, may_wait_for_pipes(ends), UINT64_MAX);
        if (error != 0) {
            return error;
        }
    }
}

/* 0: there are some, or never will be any; or -EAGAIN, -EBADF. */
static int await_bytes(struct ends *ends)
{
    while (ends->in_pipe->queue.count == 0 && pipe_is_open(&ends->in_pipe->writer)) {
        int error = wait_at(ends, ends->in, READY_IN, may_wait_for_pipes(ends), UINT64_MAX);
        if (error != 0) {
            return error;
        }
    }
    return 0;
}

/* SO_RCVTIMEO and SO_SNDTIMEO count from the call on. */
static uint64_t deadline_of(int fd, unsigned events)
{
    int error;
    const struct socket *socket = socket_get(fd, &error);

    return socket != NULL ? socket_deadline(socket, events) : UINT64_MAX;
}

/* --- Into a pipe --- */

static ssize_t receive_into(struct ends *ends, size_t bytes)
{
    uint64_t deadline_ns = deadline_of(ends->in_fd, READY_IN);
    size_t total = 0;

    while (total < bytes) {
        size_t room;
        int error = total > 0 ? 0 : await_room(ends);

        if (error != 0) {
            return error;
        }
        uint8_t *at = byte_queue_next_room(&ends->out_pipe->queue, &room);
        if (room == 0) {
            break;
        }
        ssize_t received = recv(ends->in_fd, at, least(room, bytes - total), MSG_DONTWAIT);
        if (received > 0) {
            byte_queue_note_put(&ends->out_pipe->queue, (size_t)received);
            pipe_note_put(ends->out_pipe);
            total += (size_t)received;
        } else if (received == 0 || total > 0) {
            break;
        } else if (errno != EAGAIN) {
            return -errno;
        } else {
            error = wait_at(ends, ends->in, READY_IN, !ends->in->is_nonblocking, deadline_ns);
            if (error != 0) {
                return error;
            }
        }
    }
    return (ssize_t)total;
}

static ssize_t read_into(struct ends *ends, loff_t *offset, size_t bytes)
{
    struct file_place place;
    int error = await_room(ends);

    if (error == 0) {
        error = file_find_place(ends->in_fd, offset, &place);
    }
    if (error != 0) {
        return error;
    }
    bytes = least(bytes, place.bytes);
    const struct iovec piece = {.iov_base = (void *)(uintptr_t)place.content, .iov_len = bytes};
    size_t total = byte_queue_put(&ends->out_pipe->queue, &piece, 0, bytes);
    if (total > 0) {
        file_advance(ends->in_fd, offset, total);
        pipe_note_put(ends->out_pipe);
    }
    return (ssize_t)total;
}

/* --- Out of one --- */

static ssize_t send_from(struct ends *ends, size_t bytes)
{
    uint64_t deadline_ns = deadline_of(ends->out_fd, READY_OUT);
    size_t total = 0;

    while (total < bytes) {
        size_t part;
        int error = total > 0 ? 0 : await_bytes(ends);

        if (error != 0) {
            return error;
        }
        const uint8_t *at = byte_queue_first_bytes(&ends->in_pipe->queue, &part);
        part = least(part, bytes - total);
        if (part == 0) {
            break;
        }
        ssize_t sent =
            send(ends->out_fd, at, part,
                 MSG_DONTWAIT | MSG_NOSIGNAL | (ends->flags & SPLICE_F_MORE ? MSG_MORE : 0));
        if (sent >= 0) {
            byte_queue_drop(&ends->in_pipe->queue, (size_t)sent);
            pipe_note_taken(ends->in_pipe);
            total += (size_t)sent;
            continue;
        }
        error = -errno;
        if (error == -EAGAIN) {
            error = wait_at(ends, ends->out, READY_OUT, !ends->out->is_nonblocking, deadline_ns);
        }
        if (error != 0) {
            return total > 0 ? (ssize_t)total : error;
        }
    }
    return (ssize_t)total;
}

/* --- From one to another --- */

static ssize_t move(struct ends *ends, size_t bytes, bool is_copy)
{
    for (;;) {
        int error = await_bytes(ends);

        if (error == 0) {
            error = await_room(ends); /* meanwhile another one may take the bytes */
        }
        if (error != 0) {
            return error;
        }
        size_t total = byte_queue_copy(&ends->out_pipe->queue, &ends->in_pipe->queue, bytes);
        if (total == 0 && pipe_is_open(&ends->in_pipe->writer)) {
            continue;
        }
        if (total > 0) {
            pipe_note_put(ends->out_pipe);
        }
        if (total > 0 && !is_copy) {
            byte_queue_drop(&ends->in_pipe->queue, total);
            pipe_note_taken(ends->in_pipe);
        }
        return (ssize_t)total;
    }
}

/* --- The calls --- */

static ssize_t splice_ends(struct ends *ends, loff_t *in_offset, loff_t *out_offset, size_t bytes)
{
    int error = find_ends(ends);

    if (error != 0) {
        return error;
    }
    bool is_in_pipe = ends->in_pipe != NULL || pipe_find(ends->in, false) != NULL;
    bool is_out_pipe = ends->out_pipe != NULL || pipe_find(ends->out, true) != NULL;
    if ((is_in_pipe && in_offset != NULL) || (is_out_pipe && out_offset != NULL)) {
        return -ESPIPE;
    }
    error = check_modes(ends);
    if (error != 0) {
        return error;
    }
    if (ends->in_pipe != NULL && ends->out_pipe != NULL) {
        return ends->in_pipe != ends->out_pipe ? move(ends, bytes, false) : -EINVAL;
    }
    if (ends->in_pipe != NULL) {
        return out_offset == NULL && is_socket(ends->out_fd) ? send_from(ends, bytes) : -EINVAL;
    }
    if (ends->out_pipe == NULL) {
        return -EINVAL;
    }
    if (is_file(ends->in_fd)) {
        return read_into(ends, in_offset, bytes);
    }
    return in_offset == NULL && is_socket(ends->in_fd) ? receive_into(ends, bytes) : -EINVAL;
}

ssize_t splice(int in, loff_t *in_offset, int out, loff_t *out_offset, size_t bytes, unsigned flags)
{
    struct ends ends = {.in_fd = in, .out_fd = out, .flags = flags};

    if (bytes == 0) {
        return 0;
    }
    if ((flags & ~(unsigned)FLAGS) != 0) {
        return call_result(-EINVAL);
    }
    return call_result(splice_ends(&ends, in_offset, out_offset, bytes));
}

static ssize_t tee_ends(struct ends *ends, size_t bytes)
{
    int error = find_ends(ends);

    if (error == 0) {
        error = check_modes(ends);
    }
    if (error != 0) {
        return error;
    }
    return ends->in_pipe != NULL && ends->out_pipe != NULL && ends->in_pipe != ends->out_pipe
               ? move(ends, bytes, true)
               : -EINVAL;
}

ssize_t tee(int in, int out, size_t bytes, unsigned flags)
{
    struct ends ends = {.in_fd = in, .out_fd = out, .flags = flags};

    if ((flags & ~(unsigned)FLAGS) != 0) {
        return call_result(-EINVAL);
    }
    return bytes == 0 ? 0 : call_result(tee_ends(&ends, bytes));
}
