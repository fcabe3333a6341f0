/* SPDX-License-Identifier: MIT */
/*
 * File descriptors: numbers to objects, and who waits for them.
 *
 * Every object that a program can hold open starts with a struct descriptor. The object's file
 * gives it a table of operations; the calls of <unistd.h> and the ways to wait (poll, select,
 * epoll) know nothing else of it. Objects are the node's own, threads are cooperative: nothing
 * here is locked, and a call that has blocked finds out whether its descriptor was closed.
 */
#pragma once

#include <sys/types.h>

#include "kernel/base.h"

#define DESCRIPTOR_MAX          (1u << 20)
#define DESCRIPTOR_FIRST        3 /* 0, 1 and 2 are the log's */
/* For each number a node has that much memory: a connection of a program that keeps little of its
 * own takes about half of it. Chosen. */
#define DESCRIPTOR_MEMORY_BYTES 2048u

/* Readiness is told in poll()'s and epoll's events, whose values agree. */
#define READY_IN          0x001u
#define READY_OUT         0x004u
#define READY_ERROR       0x008u
#define READY_HANGUP      0x010u
#define READY_PEER_HANGUP 0x2000u
/* What a waiter is told whether it asked for it or not. */
#define READY_ALWAYS      (READY_ERROR | READY_HANGUP)

struct descriptor;
struct epoll_item;
struct iovec;
struct socket_calls;
struct thread;

struct descriptor_operations {
    /* What could be done now without blocking. NULL: it is always ready. */
    unsigned (*readiness)(const struct descriptor *descriptor);
    /* Somebody asks for readiness, and would wait for it: get what can be had (a listener claims
     * the connections that are available to it). NULL: nothing has to be got. */
    void (*claim)(struct descriptor *descriptor);
    /* As read() and write(), but -errno for an error; NULL: -EINVAL. */
    ssize_t (*read)(struct descriptor *descriptor, void *buffer, size_t bytes);
    /* All pieces at once, `bytes` in all. */
    ssize_t (*write)(struct descriptor *descriptor, const struct iovec *pieces, size_t count,
                     size_t bytes);
    /* The number is free already, nobody waits any more: let go of the object. */
    void (*close)(struct descriptor *descriptor);
    /* What <sys/socket.h> does with a socket that is not TCP's (libc/posix/other_socket.h). */
    const struct socket_calls *socket_calls;
};

/* A thread that waits for events on one descriptor; lies on that thread's stack or heap. */
struct waiter {
    struct thread *thread;
    unsigned events;
    bool is_closed; /* the descriptor was closed meanwhile, and this waiter is off its list */
    struct waiter *next;
};

struct descriptor {
    const struct descriptor_operations *operations;
    int fd; /* -1 while it has none */
    bool is_nonblocking;
    struct waiter *waiters;
    struct epoll_item *epoll_items; /* one for each epoll that watches it (epoll.c) */
};

void descriptor_initialise(struct descriptor *descriptor,
                           const struct descriptor_operations *operations);

/* So many numbers there are: by the node's memory, at most DESCRIPTOR_MAX. */
unsigned descriptor_limit(void);
/* Give it the lowest free number. Returns that, or -EMFILE, -ENOMEM. O(1). */
MUST_CHECK int descriptor_open(struct descriptor *descriptor);
/* NULL when nothing is open under this number. */
struct descriptor *descriptor_get(int fd);
/* It will be asked for: have its place fetched into the cache. */
void descriptor_expect(int fd);
/* The same if it has these operations, else NULL and *error is -EBADF or `otherwise`. */
struct descriptor *descriptor_get_kind(int fd, const struct descriptor_operations *operations,
                                       int otherwise, int *error);
/* Free the number, wake all who wait (they find it closed), leave every epoll, let it go. */
int descriptor_close(int fd);
/* The same of one that is open. */
void descriptor_close_open(struct descriptor *descriptor);

/* All that are open. */
void descriptors_close_all(void);
void descriptor_for_each(void (*visit)(struct descriptor *descriptor, void *context),
                         void *context);

/*
 * Before a call that need not wait says that there is nothing to be had, and when one that waits
 * had no need to: threads are cooperative, so without this a program that asks again and again
 * would let nobody run who could change the answer. descriptor_yield() lets everybody run now,
 * before a call that is made only to look (poll() without time). descriptor_yield_seldom() does
 * when there have been many calls since the node last had a round: those of servers that wait
 * elsewhere cost nothing.
 */
void descriptor_yield(void);
void descriptor_yield_seldom(void);

/* What could be done now without blocking, READY_... OR-ed. Changes nothing. */
static inline unsigned descriptor_readiness(const struct descriptor *descriptor)
{
    return descriptor->operations->readiness != NULL ? descriptor->operations->readiness(descriptor)
                                                     : READY_IN | READY_OUT;
}

/* Before the readiness is asked by a call that may wait for it: get what can be had. */
static inline void descriptor_claim(struct descriptor *descriptor)
{
    if (descriptor->operations->claim != NULL) {
        descriptor->operations->claim(descriptor);
    }
}

/* Some of `events` may have come true: wake the waiters and tell the epolls. */
void descriptor_notify(struct descriptor *descriptor, unsigned events);
/* Whether a thread is blocked until one of `events`, be it in an epoll. */
bool descriptor_is_awaited(const struct descriptor *descriptor, unsigned events);

/* Add a waiter; remove it, unless it has is_closed set: then it is off the list already. */
void descriptor_add_waiter(struct descriptor *descriptor, struct waiter *waiter);
void descriptor_remove_waiter(struct descriptor *descriptor, struct waiter *waiter);
/*
 * Block this thread until one of `events` may have come true, or `deadline_ns` (UINT64_MAX: never).
 * Returns 0, and the caller looks again; -ETIMEDOUT; or -EBADF when it was closed meanwhile, and
 * must not be touched any more.
 */
MUST_CHECK int descriptor_wait(struct descriptor *descriptor, unsigned events,
                               uint64_t deadline_ns);
/*
 * The same for a call that has found nothing. It may wait unless its descriptor is non-blocking or
 * its flags, as of recv() and send(), say MSG_DONTWAIT: then it is -EAGAIN, as when the deadline
 * has passed.
 */
MUST_CHECK int descriptor_wait_or_again(struct descriptor *descriptor, unsigned events, int flags,
                                        uint64_t deadline_ns);

/* When a wait of `timeout_ms` ends, on platform_now_ns()'s clock; negative: never. */
uint64_t deadline_after_ms(int timeout_ms);

/* Bytes in these pieces; `too_many` for more than IOV_MAX; -EINVAL when together they are longer
 * than a ssize_t tells. */
MUST_CHECK ssize_t iovec_total(const struct iovec *pieces, size_t count, int too_many);

/* The one place where a negative errno turns into -1 and errno. */
ssize_t call_result(ssize_t result);
