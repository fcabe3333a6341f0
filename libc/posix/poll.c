/* SPDX-License-Identifier: MIT */
/*
 * poll() and select(): ask every descriptor, and if none is ready wait for all of them. The cost
 * grows with their number; epoll.c is for many.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/select.h>

#include "kernel/platform.h"
#include "kernel/thread/thread.h"
#include "libc/core/memory.h"
#include "libc/posix/descriptor.h"

#define POLL_FEW 16 /* so many waiters lie on the stack */

_Static_assert(POLLIN == READY_IN && POLLOUT == READY_OUT && POLLERR == READY_ERROR &&
                   POLLHUP == READY_HANGUP,
               "events pass unchanged");

MEMORY_KIND(poll_kind, "poll");

/* Claim what can be had on each descriptor, and see what is ready. Returns how many are. */
static int claim_and_ask_all(struct pollfd *fds, nfds_t count)
{
    int ready_count = 0;

    ASSERT(count <= DESCRIPTOR_MAX);
    for (nfds_t i = 0; i < count; i++) {
        fds[i].revents = 0;
        if (fds[i].fd < 0) {
            continue;
        }
        struct descriptor *descriptor = descriptor_get(fds[i].fd);
        if (descriptor == NULL) {
            fds[i].revents = POLLNVAL;
        } else {
            descriptor_claim(descriptor);
            fds[i].revents = (short)(descriptor_readiness(descriptor) &
                                     ((unsigned short)fds[i].events | READY_ALWAYS));
        }
        if (fds[i].revents != 0) {
            ready_count++;
        }
    }
    return ready_count;
}

/* Wait on all. Nothing was ready, so every fd that counts is open. True if woken. */
static bool wait_for_any(const struct pollfd *fds, nfds_t count, struct waiter *waiters,
                         uint64_t deadline_ns)
{
    bool is_woken = true;

    for (nfds_t i = 0; i < count; i++) {
        waiters[i] =
            (struct waiter){.thread = thread_self(), .events = (unsigned short)fds[i].events};
        if (fds[i].fd >= 0) {
            descriptor_add_waiter(descriptor_get(fds[i].fd), &waiters[i]);
        }
    }
    if (deadline_ns == UINT64_MAX) {
        thread_block();
    } else {
        is_woken = thread_block_until(deadline_ns);
    }
    for (nfds_t i = 0; i < count; i++) {
        if (fds[i].fd >= 0 && !waiters[i].is_closed) {
            descriptor_remove_waiter(descriptor_get(fds[i].fd), &waiters[i]);
        }
    }
    return is_woken;
}

static int poll_until(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    struct waiter few[POLL_FEW];
    struct waiter *waiters = few;
    uint64_t deadline_ns = deadline_after_ms(timeout_ms);
    int ready_count = claim_and_ask_all(fds, count);

    if (ready_count > 0) {
        descriptor_yield_seldom();
        return ready_count;
    }
    if (timeout_ms == 0) {
        descriptor_yield();
        return claim_and_ask_all(fds, count);
    }
    if (count > POLL_FEW) {
        waiters = memory_allocate(&poll_kind, count * sizeof(*waiters));
        if (waiters == NULL) {
            return -ENOMEM;
        }
    }
    bool is_woken;
    do {
        is_woken = wait_for_any(fds, count, waiters, deadline_ns);
        ready_count = claim_and_ask_all(fds, count);
    } while (ready_count == 0 && is_woken);
    if (waiters != few) {
        memory_release(&poll_kind, waiters);
    }
    return ready_count;
}

int poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    if (count > descriptor_limit()) {
        return (int)call_result(-EINVAL);
    }
    return (int)call_result(poll_until(fds, count, timeout_ms));
}

/* --- select() in terms of poll() --- */

static nfds_t sets_to_poll(int count, const fd_set *readable, const fd_set *writable,
                           const fd_set *exceptional, struct pollfd *fds)
{
    nfds_t found = 0;

    for (int fd = 0; fd < count; fd++) {
        short events = 0;
        if (readable != NULL && FD_ISSET(fd, readable)) {
            events |= POLLIN;
        }
        if (writable != NULL && FD_ISSET(fd, writable)) {
            events |= POLLOUT;
        }
        if (exceptional != NULL && FD_ISSET(fd, exceptional)) {
            events |= POLLPRI;
        }
        if (events != 0) {
            fds[found++] = (struct pollfd){.fd = fd, .events = events};
        }
    }
    return found;
}

/* Leave in `set`, if there is one, only those that have one of `events`; returns how many. */
static int keep_ready(fd_set *set, const struct pollfd *fds, nfds_t count, short asked,
                      short events)
{
    int kept = 0;

    if (set == NULL) {
        return 0;
    }
    FD_ZERO(set);
    for (nfds_t i = 0; i < count; i++) {
        if ((fds[i].events & asked) != 0 && (fds[i].revents & events) != 0) {
            FD_SET(fds[i].fd, set);
            kept++;
        }
    }
    return kept;
}

static int timeval_to_ms(const struct timeval *timeout)
{
    if (timeout == NULL) {
        return -1;
    }
    if (timeout->tv_sec >= INT32_MAX / 1000) {
        return INT32_MAX;
    }
    return (int)(timeout->tv_sec * 1000 + (timeout->tv_usec + 999) / 1000);
}

static bool is_time_good(const struct timeval *time)
{
    return time == NULL || (time->tv_sec >= 0 && time->tv_usec >= 0 && time->tv_usec < 1000000);
}

int select(int count, fd_set *restrict readable, fd_set *restrict writable,
           fd_set *restrict exceptional, struct timeval *restrict timeout)
{
    if (count < 0 || count > FD_SETSIZE || !is_time_good(timeout)) {
        return (int)call_result(-EINVAL);
    }
    struct pollfd *fds =
        memory_allocate(&poll_kind, (size_t)(count > 0 ? count : 1) * sizeof(*fds));
    if (fds == NULL) {
        return (int)call_result(-ENOMEM);
    }
    nfds_t polled = sets_to_poll(count, readable, writable, exceptional, fds);
    ASSERT(polled <= (nfds_t)count);
    int ready_count = poll_until(fds, polled, timeval_to_ms(timeout));
    for (nfds_t i = 0; i < polled && ready_count > 0; i++) {
        if (fds[i].revents & POLLNVAL) {
            ready_count = -EBADF;
        }
    }
    if (ready_count >= 0) {
        ready_count = keep_ready(readable, fds, polled, POLLIN, POLLIN | POLLHUP | POLLERR) +
                      keep_ready(writable, fds, polled, POLLOUT, POLLOUT | POLLERR) +
                      keep_ready(exceptional, fds, polled, POLLPRI, POLLPRI);
    }
    memory_release(&poll_kind, fds);
    return (int)call_result(ready_count);
}
