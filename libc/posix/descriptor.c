/* SPDX-License-Identifier: MIT */
/*
 * File descriptors: the table of numbers, waiting for one descriptor, and the calls that mean
 * the same for every kind (read, write, close, fcntl).
 *
 * POSIX wants the lowest free number. Free numbers are bits in three levels of words, so that the
 * lowest is found in a few steps however many are open; and the lowest one, when it was closed
 * last, is kept apart: descriptors often come and go one after the other.
 */
#include "libc/posix/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "kernel/message/dispatch.h"
#include "kernel/platform.h"
#include "kernel/thread/thread.h"
#include "libc/core/memory.h"
#include "libc/core/pages.h"
#include "libc/posix/epoll.h"
#include "libc/posix/log_stream.h"

#define WORD_BITS         64u
#define TABLE_START_COUNT 64u

/* Fewer would be of little use. */
#define LIMIT_LEAST 1024u

/* So many calls of one round that found nothing, or did not wait, are a program that runs in
 * circles. Chosen: a server has a few for each event, and some events in a round. */
#define YIELD_CALLS 64

/* As on Linux. */
#define ERROR_NUMBER_MAX 4095

MEMORY_KIND(table_kind, "descriptor_table");

/* table[fd], below table_count; grown by doubling. */
static struct descriptor **table;
static unsigned table_count;
static unsigned usable_count; /* of these: the limit may be less */

/* A free number that is lower than all others, or NONE. Its bit is that of one in use. */
#define NONE UINT32_MAX /* no int */
static unsigned spare = NONE;
/* A set bit is a free number below table_count, of which there is no other record. */
static uint64_t *unused;
static unsigned least; /* no bit below is set */
static unsigned word_count;
static unsigned first_word; /* with a free number; beyond the table: there is none in it */
/* A set bit is a word of the level below that has no free number, or no bit free. */
static uint64_t full_words[DESCRIPTOR_MAX / WORD_BITS / WORD_BITS];
static uint64_t full_groups[DESCRIPTOR_MAX / WORD_BITS / WORD_BITS / WORD_BITS];

_Static_assert(DESCRIPTOR_MAX % (WORD_BITS * WORD_BITS * WORD_BITS) == 0, "whole words");

unsigned descriptor_limit(void)
{
    uint64_t count = pages_total_bytes() / DESCRIPTOR_MEMORY_BYTES;

    return count < LIMIT_LEAST      ? LIMIT_LEAST
           : count < DESCRIPTOR_MAX ? (unsigned)count
                                    : DESCRIPTOR_MAX;
}

static unsigned find_first_word(void)
{
    for (unsigned i = 0; i < ARRAY_COUNT(full_groups); i++) {
        if (full_groups[i] != UINT64_MAX) {
            unsigned group = i * WORD_BITS + (unsigned)__builtin_ctzll(~full_groups[i]);
            return group * WORD_BITS + (unsigned)__builtin_ctzll(~full_words[group]);
        }
    }
    return DESCRIPTOR_MAX / WORD_BITS;
}

/* usable_count or above when there is none. */
static unsigned lowest_free_number(void)
{
    return LIKELY(first_word < word_count)
               ? first_word * WORD_BITS + (unsigned)__builtin_ctzll(unused[first_word])
               : table_count;
}

/* A word is full, or is full no more: rare, of its 64 numbers. */
static __attribute__((noinline)) void mark_full(unsigned word)
{
    unsigned group = word / WORD_BITS;

    full_words[group] |= 1ull << word % WORD_BITS;
    if (full_words[group] == UINT64_MAX) {
        full_groups[group / WORD_BITS] |= 1ull << group % WORD_BITS;
    }
    first_word = find_first_word();
}

static __attribute__((noinline)) void unmark_full(unsigned word)
{
    unsigned group = word / WORD_BITS;

    full_words[group] &= ~(1ull << word % WORD_BITS);
    full_groups[group / WORD_BITS] &= ~(1ull << group % WORD_BITS);
    if (word < first_word) {
        first_word = word;
    }
}

static void mark_used(unsigned fd)
{
    unsigned word = fd / WORD_BITS;

    ASSERT_SLOW(fd >= least && (unused[word] >> fd % WORD_BITS & 1) == 1);
    least = fd + 1;
    unused[word] &= unused[word] - 1; /* it is the lowest */
    if (UNLIKELY(unused[word] == 0)) {
        mark_full(word);
    }
}

static __attribute__((noinline)) void mark_free(unsigned fd)
{
    unsigned number = fd;

    if (spare != NONE && fd < spare) {
        number = spare;
        spare = fd;
    }
    least = number < least ? number : least;
    unsigned word = number / WORD_BITS;
    ASSERT_SLOW((unused[word] >> number % WORD_BITS & 1) == 0);
    if (UNLIKELY(unused[word] == 0)) {
        unmark_full(word);
    }
    unused[word] |= 1ull << number % WORD_BITS;
}

/* All numbers below usable_count are in use. */
static __attribute__((noinline)) int grow_table(void)
{
    unsigned limit = descriptor_limit();
    unsigned count = table_count == 0 ? TABLE_START_COUNT : 2 * table_count;

    if (usable_count == limit) {
        return -EMFILE;
    }
    ASSERT(usable_count == table_count && count <= DESCRIPTOR_MAX);
    struct descriptor **grown = memory_resize(&table_kind, table, count * sizeof(*table));
    if (grown == NULL) {
        return -ENOMEM;
    }
    table = grown;
    uint64_t *grown_unused =
        memory_resize(&table_kind, unused, count / WORD_BITS * sizeof(*unused));
    if (grown_unused == NULL) {
        return -ENOMEM;
    }
    unused = grown_unused;
    memset(table + table_count, 0, (count - table_count) * sizeof(*table));
    memset(unused + word_count, 0xFF, (count / WORD_BITS - word_count) * sizeof(*unused));
    if (table_count == 0) {
        unused[0] = UINT64_MAX << DESCRIPTOR_FIRST;
    }
    table_count = count;
    word_count = count / WORD_BITS;
    usable_count = count < limit ? count : limit;
    return 0;
}

void descriptor_initialise(struct descriptor *descriptor,
                           const struct descriptor_operations *operations)
{
    ASSERT_SLOW(operations->close != NULL);
    *descriptor = (struct descriptor){.operations = operations, .fd = -1};
}

/* There is no spare one. */
static __attribute__((noinline)) int take_lowest_number(void)
{
    unsigned fd = lowest_free_number();

    if (fd >= usable_count) {
        int error = grow_table();
        if (error != 0) {
            return error;
        }
        fd = lowest_free_number();
    }
    ASSERT_SLOW(fd < usable_count);
    mark_used(fd);
    return (int)fd;
}

int descriptor_open(struct descriptor *descriptor)
{
    int fd = (int)spare;

    ASSERT_SLOW(descriptor->fd < 0);
    spare = NONE;
    if (fd < 0) {
        fd = take_lowest_number();
        if (fd < 0) {
            return fd;
        }
    }
    ASSERT_SLOW(table[fd] == NULL);
    table[fd] = descriptor;
    descriptor->fd = fd;
    return fd;
}

struct descriptor *descriptor_get(int fd)
{
    return fd >= 0 && (unsigned)fd < table_count ? table[fd] : NULL;
}

void descriptor_expect(int fd)
{
    __builtin_prefetch(table + fd);
}

struct descriptor *descriptor_get_kind(int fd, const struct descriptor_operations *operations,
                                       int otherwise, int *error)
{
    struct descriptor *descriptor = descriptor_get(fd);

    if (UNLIKELY(descriptor == NULL)) {
        *error = -EBADF;
        return NULL;
    }
    if (UNLIKELY(descriptor->operations != operations)) {
        *error = otherwise;
        return NULL;
    }
    return descriptor;
}

void descriptor_close_open(struct descriptor *descriptor)
{
    int fd = descriptor->fd;

    ASSERT_SLOW(descriptor_get(fd) == descriptor);
    table[fd] = NULL;
    if (LIKELY(spare == NONE && (unsigned)fd < least)) {
        spare = (unsigned)fd;
    } else {
        mark_free((unsigned)fd);
    }
    descriptor->fd = -1;
    while (descriptor->waiters != NULL) {
        struct waiter *waiter = descriptor->waiters;
        descriptor->waiters = waiter->next;
        ASSERT(!waiter->is_closed);
        waiter->is_closed = true;
        thread_wake(waiter->thread);
    }
    if (descriptor->epoll_items != NULL) {
        epoll_forget(descriptor);
    }
    descriptor->operations->close(descriptor);
}

int descriptor_close(int fd)
{
    struct descriptor *descriptor = descriptor_get(fd);

    if (descriptor == NULL) {
        return -EBADF;
    }
    descriptor_close_open(descriptor);
    return 0;
}

void descriptor_for_each(void (*visit)(struct descriptor *descriptor, void *context), void *context)
{
    for (unsigned fd = 0; fd < table_count; fd++) {
        if (table[fd] != NULL) {
            visit(table[fd], context);
        }
    }
}

void descriptors_close_all(void)
{
    for (unsigned fd = 0; fd < table_count; fd++) {
        (void)descriptor_close((int)fd); /* most are not open */
    }
}

static __attribute__((noinline)) void notify_waiters(struct descriptor *descriptor, unsigned events)
{
    for (struct waiter *waiter = descriptor->waiters; waiter != NULL; waiter = waiter->next) {
        if ((waiter->events | READY_ALWAYS) & events) {
            thread_wake(waiter->thread);
        }
    }
    if (descriptor->epoll_items != NULL) {
        epoll_notify(descriptor, events);
    }
}

void descriptor_notify(struct descriptor *descriptor, unsigned events)
{
    if (UNLIKELY(descriptor->waiters != NULL)) {
        notify_waiters(descriptor, events);
    } else if (descriptor->epoll_items != NULL) {
        epoll_notify(descriptor, events);
    }
}

bool descriptor_is_awaited(const struct descriptor *descriptor, unsigned events)
{
    for (const struct waiter *waiter = descriptor->waiters; waiter != NULL; waiter = waiter->next) {
        if (waiter->events & events) {
            return true;
        }
    }
    return descriptor->epoll_items != NULL && epoll_is_awaited(descriptor, events);
}

void descriptor_add_waiter(struct descriptor *descriptor, struct waiter *waiter)
{
    ASSERT(waiter->thread != NULL); /* only threads can wait, not message handlers */
    ASSERT_SLOW(descriptor->fd >= 0);
    waiter->next = descriptor->waiters;
    descriptor->waiters = waiter;
}

void descriptor_remove_waiter(struct descriptor *descriptor, struct waiter *waiter)
{
    struct waiter **link = &descriptor->waiters;

    while (*link != waiter) {
        ASSERT(*link != NULL);
        link = &(*link)->next;
    }
    *link = waiter->next;
}

int descriptor_wait(struct descriptor *descriptor, unsigned events, uint64_t deadline_ns)
{
    struct waiter waiter = {.thread = thread_self(), .events = events};
    bool is_woken = true;

    descriptor_add_waiter(descriptor, &waiter);
    if (deadline_ns == UINT64_MAX) {
        thread_block();
    } else {
        is_woken = thread_block_until(deadline_ns);
    }
    /* The number and the object may belong to another by now: the waiter knows. */
    if (waiter.is_closed) {
        return -EBADF;
    }
    descriptor_remove_waiter(descriptor, &waiter);
    return is_woken ? 0 : -ETIMEDOUT;
}

int descriptor_wait_or_again(struct descriptor *descriptor, unsigned events, int flags,
                             uint64_t deadline_ns)
{
    int error;

    if (descriptor->is_nonblocking || (flags & MSG_DONTWAIT) != 0) {
        descriptor_yield_seldom();
        return -EAGAIN;
    }
    error = descriptor_wait(descriptor, events, deadline_ns);
    return error == -ETIMEDOUT ? -EAGAIN : error;
}

/* --- Letting others run --- */

void descriptor_yield(void)
{
    /* A message handler is no thread, and cannot. */
    if (thread_self() != NULL) {
        thread_yield();
    }
}

void descriptor_yield_seldom(void)
{
    static uint64_t round_ns;
    static unsigned call_count;

    if (dispatch_now_ns() != round_ns) {
        round_ns = dispatch_now_ns();
        call_count = 0;
    }
    if (++call_count >= YIELD_CALLS) {
        call_count = 0;
        descriptor_yield();
    }
}

uint64_t deadline_after_ms(int timeout_ms)
{
    return timeout_ms < 0 ? UINT64_MAX : platform_now_ns() + (uint64_t)timeout_ms * NS_PER_MS;
}

ssize_t call_result(ssize_t result)
{
    if (UNLIKELY(result < 0)) {
        ASSERT(result >= -ERROR_NUMBER_MAX);
        errno = (int)-result;
        return -1;
    }
    return result;
}

ssize_t read(int fd, void *buffer, size_t bytes)
{
    struct descriptor *descriptor = descriptor_get(fd);

    if (descriptor == NULL) {
        return call_result(fd == STDIN_FILENO ? 0 : -EBADF);
    }
    if (descriptor->operations->read == NULL) {
        return call_result(-EINVAL);
    }
    return call_result(descriptor->operations->read(descriptor, buffer, bytes));
}

/* A descriptor that is not open may still be the log's: its lines are made of bytes alone. */
static ssize_t write_to_log(int fd, const struct iovec *pieces, size_t count)
{
    ssize_t total = 0;

    for (size_t i = 0; i < count; i++) {
        ssize_t written = log_stream_write(fd, pieces[i].iov_base, pieces[i].iov_len);
        if (written < 0) {
            return written;
        }
        total += written;
    }
    return total;
}

static ssize_t write_pieces(int fd, const struct iovec *pieces, size_t count, size_t bytes)
{
    struct descriptor *descriptor = descriptor_get(fd);

    if (descriptor == NULL) {
        return call_result(write_to_log(fd, pieces, count));
    }
    if (descriptor->operations->write == NULL) {
        return call_result(-EBADF);
    }
    return call_result(descriptor->operations->write(descriptor, pieces, count, bytes));
}

ssize_t write(int fd, const void *buffer, size_t bytes)
{
    const struct iovec piece = {.iov_base = (void *)(uintptr_t)buffer, .iov_len = bytes};

    return write_pieces(fd, &piece, 1, bytes);
}

ssize_t iovec_total(const struct iovec *pieces, size_t count, int too_many)
{
    size_t total = 0;

    if (count > IOV_MAX) {
        return too_many;
    }
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].iov_len > SSIZE_MAX - total) {
            return -EINVAL;
        }
        total += pieces[i].iov_len;
    }
    return (ssize_t)total;
}

/* The pieces one after the other, until one is not filled. */
ssize_t readv(int fd, const struct iovec *pieces, int count)
{
    ssize_t bytes = count < 0 ? -EINVAL : iovec_total(pieces, (size_t)count, -EINVAL);
    ssize_t total = 0;

    if (bytes < 0) {
        return call_result(bytes);
    }
    for (int i = 0; i < count; i++) {
        ssize_t part = read(fd, pieces[i].iov_base, pieces[i].iov_len);
        if (part < 0) {
            return total > 0 ? total : -1;
        }
        total += part;
        if ((size_t)part < pieces[i].iov_len) {
            break;
        }
    }
    return total;
}

ssize_t writev(int fd, const struct iovec *pieces, int count)
{
    ssize_t bytes = count < 0 ? -EINVAL : iovec_total(pieces, (size_t)count, -EINVAL);

    return bytes < 0 ? call_result(bytes) : write_pieces(fd, pieces, (size_t)count, (size_t)bytes);
}

int close(int fd)
{
    return (int)call_result(descriptor_close(fd));
}

int fcntl(int fd, int command, ...)
{
    struct descriptor *descriptor = descriptor_get(fd);

    if (descriptor == NULL) {
        return (int)call_result(-EBADF);
    }
    if (command == F_GETFL) {
        return O_RDWR | (descriptor->is_nonblocking ? O_NONBLOCK : 0);
    }
    if (command == F_GETFD || command == F_SETFD) {
        return 0; /* nothing is ever executed that could inherit a descriptor */
    }
    if (command != F_SETFL) {
        return (int)call_result(-EINVAL);
    }
    va_list arguments;
    va_start(arguments, command);
    descriptor->is_nonblocking = (va_arg(arguments, int) & O_NONBLOCK) != 0;
    va_end(arguments);
    return 0;
}
