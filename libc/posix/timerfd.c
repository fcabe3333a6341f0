/* SPDX-License-Identifier: MIT */
/*
 * timerfd_create() and its kin: a timer that is read. What has expired is counted when somebody
 * asks, by the time and the interval, so a timer that nobody reads costs one expiry: as on Linux it
 * goes on, and wakes again, when it has been read.
 *
 * A time of CLOCK_REALTIME becomes one of the node's own clock when it is set: if the date is moved
 * afterwards, the timer is not.
 */
#include <errno.h>
#include <string.h>
#include <sys/timerfd.h>

#include "kernel/platform.h"
#include "libc/core/pool.h"
#include "libc/core/timer.h"
#include "libc/posix/descriptor.h"
#include "net/wall_clock.h"

struct timer_object {
    struct pool_object place; /* a timer's place in the node's heap is its own for ever */
    struct descriptor descriptor;
    struct timer timer; /* set until the next expiry wakes who waits */
    clockid_t clock;
    bool is_running;
    int64_t deadline_ns; /* the first that has not been counted; may lie before the node's start */
    int64_t interval_ns; /* 0: once */
    uint64_t expired_count;
};

POOL(timers, "timerfd", struct timer_object, DESCRIPTOR_MAX);

static const struct descriptor_operations timer_operations;

static struct timer_object *timer_of(struct descriptor *descriptor)
{
    return CONTAINER_OF(descriptor, struct timer_object, descriptor);
}

/* Count what has expired since, and go on with the next. */
static void count_expiries(struct timer_object *object, int64_t now_ns)
{
    if (!object->is_running || now_ns < object->deadline_ns) {
        return;
    }
    if (object->interval_ns == 0) {
        object->expired_count = 1;
        object->is_running = false;
        return;
    }
    int64_t more = 1 + (now_ns - object->deadline_ns) / object->interval_ns;
    object->expired_count += (uint64_t)more;
    object->deadline_ns += more * object->interval_ns;
}

/* Wake who waits, at the next expiry. */
static void arm(struct timer_object *object)
{
    if (object->is_running) {
        int error = timer_start(&object->timer,
                                object->deadline_ns > 0 ? (uint64_t)object->deadline_ns : 0);
        ASSERT(error == 0); /* it has its place */
    }
}

static void timer_expired(struct timer *timer)
{
    struct timer_object *object = CONTAINER_OF(timer, struct timer_object, timer);

    descriptor_notify(&object->descriptor, READY_IN);
}

/* --- The descriptor --- */

static unsigned timer_readiness(const struct descriptor *descriptor)
{
    const struct timer_object *object = CONTAINER_OF(descriptor, struct timer_object, descriptor);
    bool is_due = object->is_running && (int64_t)platform_now_ns() >= object->deadline_ns;

    return object->expired_count > 0 || is_due ? READY_IN : 0;
}

static ssize_t timer_read(struct descriptor *descriptor, void *buffer, size_t bytes)
{
    struct timer_object *object = timer_of(descriptor);

    if (bytes < sizeof(object->expired_count)) {
        return -EINVAL;
    }
    for (;;) {
        count_expiries(object, (int64_t)platform_now_ns());
        arm(object);
        if (object->expired_count > 0) {
            break;
        }
        int error = descriptor_wait_or_again(descriptor, READY_IN, 0, UINT64_MAX);
        if (error != 0) {
            return error;
        }
    }
    memcpy(buffer, &object->expired_count, sizeof(object->expired_count));
    object->expired_count = 0;
    return sizeof(object->expired_count);
}

static ssize_t timer_write(struct descriptor *descriptor, const struct iovec *pieces, size_t count,
                           size_t bytes)
{
    (void)descriptor;
    (void)pieces;
    (void)count;
    (void)bytes;
    return -EINVAL;
}

static void timer_close(struct descriptor *descriptor)
{
    struct timer_object *object = timer_of(descriptor);

    timer_stop(&object->timer);
    pool_release(&timers, object);
}

static const struct descriptor_operations timer_operations = {
    .readiness = timer_readiness,
    .read = timer_read,
    .write = timer_write,
    .close = timer_close,
};

static int open_timer(clockid_t clock, int flags)
{
    if ((clock != CLOCK_MONOTONIC && clock != CLOCK_REALTIME) ||
        (flags & ~(TFD_NONBLOCK | TFD_CLOEXEC)) != 0) {
        return -EINVAL;
    }
    struct timer_object *object = pool_take(&timers);
    if (object == NULL) {
        return -ENOMEM;
    }
    if (!object->timer.has_place) {
        timer_initialise(&object->timer, timer_expired);
        if (!object->timer.has_place) {
            pool_release(&timers, object);
            return -ENOMEM;
        }
    }
    descriptor_initialise(&object->descriptor, &timer_operations);
    object->descriptor.is_nonblocking = (flags & TFD_NONBLOCK) != 0;
    object->clock = clock;
    object->is_running = false;
    object->interval_ns = 0;
    object->expired_count = 0;
    int fd = descriptor_open(&object->descriptor);
    if (fd < 0) {
        timer_close(&object->descriptor);
    }
    return fd;
}

int timerfd_create(clockid_t clock, int flags)
{
    return (int)call_result(open_timer(clock, flags));
}

/* --- Setting and asking --- */

static bool is_time(const struct timespec *time)
{
    return time->tv_sec >= 0 && time->tv_nsec >= 0 && time->tv_nsec < (long)NS_PER_S;
}

/* Half of what an int64_t counts, 146 years, is for ever: sums with it do not overflow. */
#define FOR_EVER_NS (INT64_MAX / 2)

static int64_t ns_of(const struct timespec *time)
{
    return time->tv_sec < FOR_EVER_NS / (int64_t)NS_PER_S
               ? time->tv_sec * (int64_t)NS_PER_S + time->tv_nsec
               : FOR_EVER_NS;
}

static struct timespec timespec_of(int64_t ns)
{
    return (struct timespec){.tv_sec = ns / (int64_t)NS_PER_S, .tv_nsec = ns % (int64_t)NS_PER_S};
}

/* On the node's clock. */
static int64_t deadline_of(const struct timer_object *object, const struct timespec *value,
                           bool is_absolute)
{
    uint64_t now_ns = platform_now_ns();
    uint64_t clock_ns = object->clock == CLOCK_REALTIME ? wall_clock_at(now_ns) : now_ns;

    return (int64_t)now_ns + ns_of(value) - (is_absolute ? (int64_t)clock_ns : 0);
}

static void tell(struct timer_object *object, struct itimerspec *value)
{
    int64_t now_ns = (int64_t)platform_now_ns();

    count_expiries(object, now_ns);
    arm(object);
    value->it_interval = timespec_of(object->interval_ns);
    value->it_value = timespec_of(object->is_running ? object->deadline_ns - now_ns : 0);
}

static int set_timer(int fd, int flags, const struct itimerspec *value, struct itimerspec *old)
{
    int error = 0;
    struct descriptor *descriptor = descriptor_get_kind(fd, &timer_operations, -EINVAL, &error);

    if (descriptor == NULL) {
        return error;
    }
    if ((flags & ~TFD_TIMER_ABSTIME) != 0 || !is_time(&value->it_value) ||
        !is_time(&value->it_interval)) {
        return -EINVAL;
    }
    struct timer_object *object = timer_of(descriptor);
    if (old != NULL) {
        tell(object, old);
    }
    timer_stop(&object->timer);
    object->expired_count = 0;
    object->interval_ns = ns_of(&value->it_interval);
    object->is_running = value->it_value.tv_sec != 0 || value->it_value.tv_nsec != 0;
    object->deadline_ns = deadline_of(object, &value->it_value, (flags & TFD_TIMER_ABSTIME) != 0);
    arm(object);
    return 0;
}

int timerfd_settime(int fd, int flags, const struct itimerspec *value, struct itimerspec *old)
{
    return (int)call_result(set_timer(fd, flags, value, old));
}

int timerfd_gettime(int fd, struct itimerspec *value)
{
    int error = 0;
    struct descriptor *descriptor = descriptor_get_kind(fd, &timer_operations, -EINVAL, &error);

    if (descriptor != NULL) {
        tell(timer_of(descriptor), value);
    }
    return (int)call_result(error);
}
