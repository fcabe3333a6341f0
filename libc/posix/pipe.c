/* SPDX-License-Identifier: MIT */
/*
 * pipe(): two descriptors and the bytes between them. What is at most PIPE_BUF long is written as a
 * whole or not at all. There are no signals: a write that nobody can read is EPIPE alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "libc/core/memory.h"
#include "libc/posix/byte_queue.h"
#include "libc/posix/descriptor.h"
#include "libc/posix/pipe.h"

_Static_assert(PIPE_BUF <= BYTE_QUEUE_BYTES, "it fits");

MEMORY_KIND(pipe_kind, "pipe");

static struct pipe *pipe_of_reader(const struct descriptor *reader)
{
    return CONTAINER_OF(reader, struct pipe, reader);
}

static struct pipe *pipe_of_writer(const struct descriptor *writer)
{
    return CONTAINER_OF(writer, struct pipe, writer);
}

/* When the second end has been closed. */
static void release_pipe(struct pipe *pipe)
{
    byte_queue_close(&pipe->queue);
    memory_release(&pipe_kind, pipe);
}

/* --- The end that reads --- */

static unsigned reader_readiness(const struct descriptor *reader)
{
    const struct pipe *pipe = pipe_of_reader(reader);

    return (pipe->queue.count > 0 ? READY_IN : 0) |
           (pipe_is_open(&pipe->writer) ? 0 : READY_HANGUP);
}

static ssize_t reader_read(struct descriptor *reader, void *buffer, size_t bytes)
{
    struct pipe *pipe = pipe_of_reader(reader);

    while (bytes > 0 && pipe->queue.count == 0) {
        if (!pipe_is_open(&pipe->writer)) {
            return 0;
        }
        int error = descriptor_wait_or_again(reader, READY_IN, 0, UINT64_MAX);
        if (error != 0) {
            return error;
        }
    }
    size_t taken = byte_queue_take(&pipe->queue, buffer, bytes, false);
    if (taken > 0) {
        pipe_note_taken(pipe);
    }
    return (ssize_t)taken;
}

static void reader_close(struct descriptor *reader)
{
    struct pipe *pipe = pipe_of_reader(reader);

    if (pipe_is_open(&pipe->writer)) {
        descriptor_notify(&pipe->writer, READY_OUT | READY_ERROR);
    } else {
        release_pipe(pipe);
    }
}

static const struct descriptor_operations reader_operations = {
    .readiness = reader_readiness,
    .read = reader_read,
    .close = reader_close,
};

/* --- The end that writes --- */

static unsigned writer_readiness(const struct descriptor *writer)
{
    const struct pipe *pipe = pipe_of_writer(writer);

    return (byte_queue_room(&pipe->queue) >= PIPE_BUF ? READY_OUT : 0) |
           (pipe_is_open(&pipe->reader) ? 0 : READY_ERROR);
}

static ssize_t writer_read(struct descriptor *writer, void *buffer, size_t bytes)
{
    (void)writer;
    (void)buffer;
    (void)bytes;
    return -EBADF;
}

static ssize_t writer_write(struct descriptor *writer, const struct iovec *pieces, size_t count,
                            size_t bytes)
{
    struct pipe *pipe = pipe_of_writer(writer);
    size_t written = 0;
    size_t whole = bytes <= PIPE_BUF ? bytes : 1;

    (void)count;
    while (written < bytes) {
        int error = 0;

        if (!pipe_is_open(&pipe->reader)) {
            error = -EPIPE;
        } else if (byte_queue_room(&pipe->queue) >= whole) {
            written += byte_queue_put(&pipe->queue, pieces, written, bytes);
            pipe_note_put(pipe);
        } else {
            error = descriptor_wait_or_again(writer, READY_OUT, 0, UINT64_MAX);
        }
        if (error != 0) {
            return written > 0 ? (ssize_t)written : error;
        }
    }
    return (ssize_t)written;
}

static void writer_close(struct descriptor *writer)
{
    struct pipe *pipe = pipe_of_writer(writer);

    if (pipe_is_open(&pipe->reader)) {
        descriptor_notify(&pipe->reader, READY_IN | READY_HANGUP);
    } else {
        release_pipe(pipe);
    }
}

static const struct descriptor_operations writer_operations = {
    .readiness = writer_readiness,
    .read = writer_read,
    .write = writer_write,
    .close = writer_close,
};

struct pipe *pipe_find(struct descriptor *descriptor, bool is_reader)
{
    if (is_reader) {
        return descriptor->operations == &reader_operations ? pipe_of_reader(descriptor) : NULL;
    }
    return descriptor->operations == &writer_operations ? pipe_of_writer(descriptor) : NULL;
}

void pipe_note_taken(struct pipe *pipe)
{
    if (pipe_is_open(&pipe->writer)) {
        descriptor_notify(&pipe->writer, READY_OUT);
    }
}

void pipe_note_put(struct pipe *pipe)
{
    descriptor_notify(&pipe->reader, READY_IN);
}

/* --- pipe() --- */

static int open_pipe(int fds[2], int flags)
{
    if ((flags & ~(O_NONBLOCK | O_CLOEXEC)) != 0) {
        return -EINVAL;
    }
    struct pipe *pipe = memory_allocate(&pipe_kind, sizeof(*pipe));
    if (pipe == NULL) {
        return -ENOMEM;
    }
    descriptor_initialise(&pipe->reader, &reader_operations);
    descriptor_initialise(&pipe->writer, &writer_operations);
    pipe->reader.is_nonblocking = pipe->writer.is_nonblocking = (flags & O_NONBLOCK) != 0;
    if (!byte_queue_open(&pipe->queue)) {
        memory_release(&pipe_kind, pipe);
        return -ENOMEM;
    }
    int reader = descriptor_open(&pipe->reader);
    if (reader < 0) {
        release_pipe(pipe);
        return reader;
    }
    int writer = descriptor_open(&pipe->writer);
    if (writer < 0) {
        (void)descriptor_close(reader); /* the last end: it releases the pipe */
        return writer;
    }
    fds[0] = reader;
    fds[1] = writer;
    return 0;
}

int pipe2(int fds[2], int flags)
{
    return (int)call_result(open_pipe(fds, flags));
}

int pipe(int fds[2])
{
    return pipe2(fds, 0);
}
