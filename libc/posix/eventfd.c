/* SPDX-License-Identifier: MIT */
/*
 * eventfd(): a counter that is added to by write() and taken by read(), all of it or, as a
 * semaphore, one. It never reaches UINT64_MAX.
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include "libc/core/memory.h"
#include "libc/posix/descriptor.h"

#define COUNT_MAX (UINT64_MAX - 1)

struct event {
    struct descriptor descriptor;
    uint64_t count;
    bool is_semaphore;
};

MEMORY_KIND(event_kind, "eventfd");

static unsigned event_readiness(const struct descriptor *descriptor)
{
    const struct event *event = (const struct event *)descriptor;

    return (event->count > 0 ? READY_IN : 0) | (event->count < COUNT_MAX ? READY_OUT : 0);
}

static ssize_t event_read(struct descriptor *descriptor, void *buffer, size_t bytes)
{
    struct event *event = (struct event *)descriptor;

    if (bytes < sizeof(event->count)) {
        return -EINVAL;
    }
    while (event->count == 0) {
        int error = descriptor_wait_or_again(descriptor, READY_IN, 0, UINT64_MAX);
        if (error != 0) {
            return error;
        }
    }
    uint64_t taken = event->is_semaphore ? 1 : event->count;
    event->count -= taken;
    memcpy(buffer, &taken, sizeof(taken));
    descriptor_notify(descriptor, READY_OUT);
    return sizeof(taken);
}

static ssize_t add(struct event *event, const struct iovec *piece)
{
    uint64_t more;

    if (piece->iov_len < sizeof(more)) {
        return -EINVAL;
    }
    memcpy(&more, piece->iov_base, sizeof(more));
    if (more == UINT64_MAX) {
        return -EINVAL;
    }
    while (more > COUNT_MAX - event->count) {
        int error = descriptor_wait_or_again(&event->descriptor, READY_OUT, 0, UINT64_MAX);
        if (error != 0) {
            return error;
        }
    }
    event->count += more;
    descriptor_notify(&event->descriptor, READY_IN);
    return sizeof(more);
}

/* As Linux: each piece is a number of its own. */
static ssize_t event_write(struct descriptor *descriptor, const struct iovec *pieces, size_t count,
                           size_t bytes)
{
    ssize_t total = 0;

    (void)bytes;
    for (size_t i = 0; i < count; i++) {
        ssize_t added = add((struct event *)descriptor, &pieces[i]);
        if (added < 0) {
            return total > 0 ? total : added;
        }
        total += added;
    }
    return total;
}

static void event_close(struct descriptor *descriptor)
{
    memory_release(&event_kind, descriptor);
}

static const struct descriptor_operations event_operations = {
    .readiness = event_readiness,
    .read = event_read,
    .write = event_write,
    .close = event_close,
};

static int open_event(unsigned value, int flags)
{
    if ((flags & ~(EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC)) != 0) {
        return -EINVAL;
    }
    struct event *event = memory_allocate(&event_kind, sizeof(*event));
    if (event == NULL) {
        return -ENOMEM;
    }
    *event = (struct event){.count = value, .is_semaphore = (flags & EFD_SEMAPHORE) != 0};
    descriptor_initialise(&event->descriptor, &event_operations);
    event->descriptor.is_nonblocking = (flags & EFD_NONBLOCK) != 0;
    int fd = descriptor_open(&event->descriptor);
    if (fd < 0) {
        event_close(&event->descriptor);
    }
    return fd;
}

int eventfd(unsigned value, int flags)
{
    return (int)call_result(open_event(value, flags));
}

int eventfd_read(int fd, eventfd_t *value)
{
    return read(fd, value, sizeof(*value)) == sizeof(*value) ? 0 : -1;
}

int eventfd_write(int fd, eventfd_t value)
{
    return write(fd, &value, sizeof(value)) == sizeof(value) ? 0 : -1;
}
