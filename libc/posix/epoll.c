/* SPDX-License-Identifier: MIT */
/*
 * epoll: waiting for many descriptors at a cost that grows with those that are ready.
 *
 * An item ties one descriptor to one epoll. An item whose descriptor may have become ready stands
 * on its epoll's ready list; epoll_wait() asks each on the list what is true now, so a stale entry
 * costs one question and is never reported. A level-triggered item stays on the list as long as
 * it is ready; an edge-triggered one leaves it when it has been reported.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>

#include "kernel/platform.h"
#include "kernel/thread/thread.h"
#include "libc/core/memory.h"
#include "libc/posix/descriptor.h"
#include "libc/posix/epoll.h"

_Static_assert(EPOLLIN == READY_IN && EPOLLOUT == READY_OUT && EPOLLERR == READY_ERROR &&
                   EPOLLHUP == READY_HANGUP && EPOLLRDHUP == READY_PEER_HANGUP,
               "events pass unchanged");

struct epoll_item {
    struct descriptor *descriptor;
    struct epoll *epoll;
    uint32_t events; /* asked for, with EPOLLET and EPOLLONESHOT */
    uint32_t wanted; /* what may be reported: of these, and READY_ALWAYS; nothing of a one-shot item
                      * that was reported, and has not been set anew */
    bool is_listed;
    epoll_data_t data;
    struct epoll_item *next_of_descriptor;
    struct epoll_item *next_ready, *previous_ready;
};

/* Each connection of a server has one. */
_Static_assert(sizeof(struct epoll_item) <= 64, "the next of memory's classes is twice as large");

struct epoll {
    struct descriptor descriptor;
    struct epoll_item *ready_head, *ready_tail;
    struct waiter *blocked; /* threads in epoll_wait() */
    bool is_woken;          /* the first of these has been, and has not run yet */
};

static const struct descriptor_operations epoll_operations;

MEMORY_KIND(epoll_kind, "epoll");
MEMORY_KIND(item_kind, "epoll_item");

static void list_item(struct epoll_item *item)
{
    struct epoll *epoll = item->epoll;

    ASSERT_SLOW(!item->is_listed);
    item->is_listed = true;
    item->next_ready = NULL;
    item->previous_ready = epoll->ready_tail;
    if (epoll->ready_tail != NULL) {
        epoll->ready_tail->next_ready = item;
    } else {
        epoll->ready_head = item;
    }
    epoll->ready_tail = item;
}

static void unlist_item(struct epoll_item *item)
{
    struct epoll *epoll = item->epoll;

    ASSERT_SLOW(item->is_listed);
    item->is_listed = false;
    if (item->previous_ready != NULL) {
        item->previous_ready->next_ready = item->next_ready;
    } else {
        epoll->ready_head = item->next_ready;
    }
    if (item->next_ready != NULL) {
        item->next_ready->previous_ready = item->previous_ready;
    } else {
        epoll->ready_tail = item->previous_ready;
    }
}

static void wake_first(struct epoll *epoll)
{
    if (epoll->blocked != NULL) {
        epoll->is_woken = true;
        thread_wake(epoll->blocked->thread);
    }
}

/* Who waits in epoll_wait(), and who waits for the epoll itself. */
static __attribute__((noinline)) void tell_waiting(struct epoll *epoll)
{
    ASSERT_SLOW(epoll->descriptor.epoll_items == NULL);
    if (!epoll->is_woken) {
        wake_first(epoll);
    }
    if (epoll->descriptor.waiters != NULL) {
        descriptor_notify(&epoll->descriptor, READY_IN);
    }
}

/* Put it on the ready list, and wake who waits for that: once, however many items come. */
static inline void item_may_be_ready(struct epoll_item *item)
{
    struct epoll *epoll = item->epoll;

    if (!item->is_listed) {
        list_item(item);
    }
    if (!epoll->is_woken || epoll->descriptor.waiters != NULL) {
        tell_waiting(epoll);
    }
}

static __attribute__((noinline)) void notify_several(struct epoll_item *item, unsigned events)
{
    for (; item != NULL; item = item->next_of_descriptor) {
        if ((item->wanted & events) != 0) {
            item_may_be_ready(item);
        }
    }
}

void epoll_notify(struct descriptor *descriptor, unsigned events)
{
    struct epoll_item *item = descriptor->epoll_items;

    ASSERT_SLOW(item->descriptor == descriptor);
    if (UNLIKELY(item->next_of_descriptor != NULL)) {
        notify_several(item, events);
    } else if ((item->wanted & events) != 0) {
        item_may_be_ready(item);
    }
}

bool epoll_is_awaited(const struct descriptor *descriptor, unsigned events)
{
    for (const struct epoll_item *item = descriptor->epoll_items; item != NULL;
         item = item->next_of_descriptor) {
        if ((item->wanted & item->events & events) != 0 && item->epoll->blocked != NULL) {
            return true;
        }
    }
    return false;
}

/* Take an item off its epoll's list and let it go; its descriptor's list is the caller's. */
static void release_item(struct epoll_item *item)
{
    if (item->is_listed) {
        unlist_item(item);
    }
    memory_release(&item_kind, item);
}

void epoll_forget(struct descriptor *descriptor)
{
    while (descriptor->epoll_items != NULL) {
        struct epoll_item *item = descriptor->epoll_items;
        descriptor->epoll_items = item->next_of_descriptor;
        release_item(item);
    }
}

/* The link that points to the item of this descriptor in this epoll, or to the NULL at the end. */
static struct epoll_item **find_item(struct descriptor *descriptor, const struct epoll *epoll)
{
    struct epoll_item **link = &descriptor->epoll_items;

    while (*link != NULL && (*link)->epoll != epoll) {
        link = &(*link)->next_of_descriptor;
    }
    return link;
}

static uint32_t wanted_of(const struct epoll_event *event)
{
    return event->events | READY_ALWAYS;
}

static int add_item(struct epoll *epoll, struct descriptor *descriptor,
                    const struct epoll_event *event)
{
    struct epoll_item *item = memory_allocate(&item_kind, sizeof(*item));

    if (item == NULL) {
        return -ENOMEM;
    }
    *item = (struct epoll_item){.descriptor = descriptor,
                                .epoll = epoll,
                                .events = event->events,
                                .wanted = wanted_of(event),
                                .data = event->data,
                                .next_of_descriptor = descriptor->epoll_items};
    descriptor->epoll_items = item;
    /* What is ready already makes no more noise: the next epoll_wait() asks. */
    item_may_be_ready(item);
    return 0;
}

static struct epoll *get_epoll(int fd, int *error)
{
    return (struct epoll *)descriptor_get_kind(fd, &epoll_operations, -EINVAL, error);
}

static int control(int epoll_fd, int operation, int fd, const struct epoll_event *event)
{
    int error = 0;
    struct epoll *epoll = get_epoll(epoll_fd, &error);
    struct descriptor *descriptor = descriptor_get(fd);

    if (epoll == NULL) {
        return error;
    }
    if (descriptor == NULL) {
        return -EBADF;
    }
    if (descriptor->operations->readiness == NULL) {
        return -EPERM; /* as Linux says of files, which are always ready */
    }
    if (descriptor->operations == &epoll_operations) {
        return -EINVAL; /* an epoll in an epoll could form a ring */
    }
    struct epoll_item **link = find_item(descriptor, epoll);
    struct epoll_item *item = *link;
    switch (operation) {
    case EPOLL_CTL_ADD:
        return item != NULL ? -EEXIST : add_item(epoll, descriptor, event);
    case EPOLL_CTL_MOD:
        if (item == NULL) {
            return -ENOENT;
        }
        item->events = event->events;
        item->wanted = wanted_of(event);
        item->data = event->data;
        item_may_be_ready(item);
        return 0;
    case EPOLL_CTL_DEL:
        if (item == NULL) {
            return -ENOENT;
        }
        *link = item->next_of_descriptor;
        release_item(item);
        return 0;
    default:
        return -EINVAL;
    }
}

/* Back to the head of the list, items that have not been asked. */
static void put_back(struct epoll *epoll, struct epoll_item *first, struct epoll_item *last)
{
    first->previous_ready = NULL;
    last->next_ready = epoll->ready_head;
    if (epoll->ready_head != NULL) {
        epoll->ready_head->previous_ready = last;
    } else {
        epoll->ready_tail = last;
    }
    epoll->ready_head = first;
}

/* Ask each item on the list once; report what is true, up to `count` events. No question closes a
 * descriptor, so nobody looks for an item on the list while it is apart. */
static int collect_events(struct epoll *epoll, struct epoll_event *events, int count)
{
    struct epoll_item *item = epoll->ready_head;
    struct epoll_item *last = epoll->ready_tail;
    int found = 0;

    epoll->ready_head = NULL;
    epoll->ready_tail = NULL;
    while (item != NULL && found < count) {
        struct epoll_item *next = item->next_ready;
        /* Not listed before the question: what becomes ready meanwhile lists it again. */
        item->is_listed = false;
        descriptor_claim(item->descriptor);
        unsigned ready = descriptor_readiness(item->descriptor) & item->wanted;
        if (ready != 0) {
            events[found].events = ready;
            events[found].data = item->data;
            found++;
            if (item->events & EPOLLONESHOT) {
                item->wanted = 0;
            } else if (!(item->events & EPOLLET) && !item->is_listed) {
                list_item(item);
            }
        }
        item = next;
    }
    if (item != NULL) {
        put_back(epoll, item, last);
    }
    /* What is left is for another who waits: when it came, it was this thread that was woken. */
    if (UNLIKELY(epoll->blocked != NULL) && epoll->ready_head != NULL) {
        wake_first(epoll);
    }
    return found;
}

/* Nothing was found, and this call must not wait. */
static int look_again(int epoll_fd, struct epoll_event *events, int count)
{
    int error = 0;

    descriptor_yield();
    struct epoll *epoll = get_epoll(epoll_fd, &error); /* it may have been closed meanwhile */
    return epoll != NULL ? collect_events(epoll, events, count) : error;
}

static int wait_for_events(int epoll_fd, struct epoll_event *events, int count, int timeout_ms)
{
    uint64_t deadline_ns = timeout_ms > 0 ? deadline_after_ms(timeout_ms) : UINT64_MAX;

    if (count <= 0) {
        return -EINVAL;
    }
    for (;;) {
        int error = 0;
        struct epoll *epoll = get_epoll(epoll_fd, &error);
        if (epoll == NULL) {
            return error;
        }
        int found = collect_events(epoll, events, count);
        if (found > 0) {
            descriptor_yield_seldom();
            return found;
        }
        if (timeout_ms == 0) {
            return look_again(epoll_fd, events, count);
        }
        struct waiter waiter = {.thread = thread_self(), .next = epoll->blocked};
        epoll->blocked = &waiter;
        bool is_woken = true;
        if (deadline_ns == UINT64_MAX) {
            thread_block();
        } else {
            is_woken = thread_block_until(deadline_ns);
        }
        if (waiter.is_closed) {
            return -EBADF;
        }
        epoll->is_woken = false;
        struct waiter **link = &epoll->blocked;
        while (*link != &waiter) {
            ASSERT(*link != NULL);
            link = &(*link)->next;
        }
        *link = waiter.next;
        if (!is_woken) {
            return collect_events(epoll, events, count);
        }
    }
}

static unsigned epoll_readiness(const struct descriptor *descriptor)
{
    return ((const struct epoll *)descriptor)->ready_head != NULL ? READY_IN : 0;
}

static void forget_epoll(struct descriptor *descriptor, void *epoll)
{
    struct epoll_item **link = find_item(descriptor, epoll);
    struct epoll_item *item = *link;

    if (item != NULL) {
        *link = item->next_of_descriptor;
        release_item(item);
    }
}

/* An epoll has no list of its items, which would be two pointers in each: it ends once. */
static void epoll_close(struct descriptor *descriptor)
{
    struct epoll *epoll = (struct epoll *)descriptor;

    for (struct waiter *waiter = epoll->blocked; waiter != NULL; waiter = waiter->next) {
        waiter->is_closed = true;
        thread_wake(waiter->thread);
    }
    descriptor_for_each(forget_epoll, epoll);
    ASSERT(epoll->ready_head == NULL);
    ASSERT(epoll->ready_tail == NULL);
    memory_release(&epoll_kind, epoll);
}

static const struct descriptor_operations epoll_operations = {
    .readiness = epoll_readiness,
    .close = epoll_close,
};

int epoll_create1(int flags)
{
    if ((flags & ~EPOLL_CLOEXEC) != 0) {
        return (int)call_result(-EINVAL);
    }
    struct epoll *epoll = memory_allocate_zeroed(&epoll_kind, sizeof(*epoll));
    if (epoll == NULL) {
        return (int)call_result(-ENOMEM);
    }
    descriptor_initialise(&epoll->descriptor, &epoll_operations);
    int fd = descriptor_open(&epoll->descriptor);
    if (fd < 0) {
        memory_release(&epoll_kind, epoll);
    }
    return (int)call_result(fd);
}

int epoll_create(int size)
{
    return size > 0 ? epoll_create1(0) : (int)call_result(-EINVAL);
}

int epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event)
{
    return (int)call_result(control(epoll_fd, operation, fd, event));
}

int epoll_wait(int epoll_fd, struct epoll_event *events, int count, int timeout_ms)
{
    return (int)call_result(wait_for_events(epoll_fd, events, count, timeout_ms));
}
