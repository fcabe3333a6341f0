/* SPDX-License-Identifier: MIT */
/*
 * Each session is in one of three lists: free; busy, in the order in which their requests began, so
 * that the first is the first to be late; or at rest, after it could get no connection in a closed
 * loop, which else would do nothing but try.
 */
#include "apps/webswamp/load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "apps/webswamp/clock.h"
#include "apps/webswamp/schedule.h"
#include "apps/webswamp/session.h"
#include "libc/core/base.h"

#define EVENT_BATCH 64
#define REST_NS     UINT64_C(10000000) /* chosen */

struct list {
    struct session *first, *last;
};

static struct {
    struct session_world world;
    struct schedule schedule;
    struct session *sessions;
    unsigned count;
    struct list free, busy, resting;
    uint64_t timeout_ns;
    uint64_t give_up_ns; /* what has not begun by then will not */
    bool has_met;        /* something has been heard of the server, or of its absence */
    int timer_fd;
    uint64_t armed_ns; /* SCHEDULE_NEVER: the timer is not set */
} load;

/* --- Lists --- */

static void append(struct list *list, struct session *session)
{
    session->next = NULL;
    session->previous = list->last;
    if (list->last != NULL) {
        list->last->next = session;
    } else {
        list->first = session;
    }
    list->last = session;
}

static void leave(struct list *list, struct session *session)
{
    if (session->previous != NULL) {
        session->previous->next = session->next;
    } else {
        list->first = session->next;
    }
    if (session->next != NULL) {
        session->next->previous = session->previous;
    } else {
        list->last = session->previous;
    }
}

/* --- Requests meet sessions --- */

/* One that is in no list. In an open loop it gets what is due until it is busy; in a closed one,
 * too, unless there is no connection to be had. */
static void employ(struct session *session)
{
    uint64_t intended_ns;

    while (schedule_take(&load.schedule, load.world.now_ns, &intended_ns)) {
        session->begun_ns = load.world.now_ns;
        switch (session_begin(session, &load.world, targets_next(), intended_ns)) {
        case SESSION_BUSY:
            append(&load.busy, session);
            return;
        case SESSION_HAS_FAILED:
            if (load.schedule.rate == 0) {
                append(&load.resting, session);
                return;
            }
            break;
        case SESSION_FREE:
            break;
        }
    }
    append(&load.free, session);
}

static void settle(struct session *session, enum session_outcome outcome)
{
    if (outcome == SESSION_BUSY) {
        return;
    }
    leave(&load.busy, session);
    if (outcome == SESSION_HAS_FAILED && load.schedule.rate == 0) {
        session->begun_ns = load.world.now_ns;
        append(&load.resting, session);
    } else {
        employ(session);
    }
}

/* The first connection goes alone. While the Ethernet address of the first hop is asked for, few
 * packets wait for it, and each SYN that is pushed out costs a second. */
static bool may_begin(void)
{
    return load.has_met || load.busy.first == NULL;
}

/* Those that are due now: each free session once. */
static void begin_due(void)
{
    struct session *last = load.free.last;
    struct session *session;
    bool was_last = last == NULL;

    while (!was_last && may_begin() &&
           schedule_next_ns(&load.schedule, load.world.now_ns) <= load.world.now_ns) {
        session = load.free.first;
        was_last = session == last;
        leave(&load.free, session);
        employ(session);
    }
}

static void handle(struct session *session, uint32_t events)
{
    load.has_met = true;
    if (session_is_free(session)) {
        (void)session_take_events(session, &load.world,
                                  events); /* it stays free, and where it is */
    } else {
        settle(session, session_take_events(session, &load.world, events));
    }
}

/* --- Time --- */

static bool is_past(uint64_t time_ns)
{
    return time_ns <= load.world.now_ns;
}

static void expire(void)
{
    struct session *session;

    while ((session = load.busy.first) != NULL && is_past(session->begun_ns + load.timeout_ns)) {
        load.has_met = true;
        settle(session, session_time_out(session, &load.world));
    }
    while ((session = load.resting.first) != NULL && is_past(session->begun_ns + REST_NS)) {
        leave(&load.resting, session);
        append(&load.free, session);
    }
    if (is_past(load.give_up_ns)) {
        load.world.result->errors[LOAD_ERROR_UNSENT] +=
            schedule_give_up(&load.schedule, load.world.now_ns);
        load.give_up_ns = SCHEDULE_NEVER;
    }
}

static uint64_t earlier(uint64_t one, uint64_t other)
{
    return one < other ? one : other;
}

/* When there is something to do, if nothing else happens. */
static uint64_t next_wake_ns(void)
{
    uint64_t wake_ns = load.give_up_ns;

    if (load.free.first != NULL && may_begin()) {
        wake_ns = earlier(wake_ns, schedule_next_ns(&load.schedule, load.world.now_ns));
    }
    if (load.busy.first != NULL) {
        wake_ns = earlier(wake_ns, load.busy.first->begun_ns + load.timeout_ns);
    }
    if (load.resting.first != NULL) {
        wake_ns = earlier(wake_ns, load.resting.first->begun_ns + REST_NS);
    }
    return wake_ns;
}

/* A timer that is set too early costs a look; one that were set for each request, a call each. */
static void arm(uint64_t wake_ns)
{
    struct itimerspec time = {.it_value = {.tv_sec = (time_t)(wake_ns / NS_PER_S),
                                           .tv_nsec = (long)(wake_ns % NS_PER_S)}};

    if (wake_ns < load.armed_ns &&
        timerfd_settime(load.timer_fd, TFD_TIMER_ABSTIME, &time, NULL) == 0) {
        load.armed_ns = wake_ns;
    }
}

static void take_timer(void)
{
    uint64_t expiries;

    if (read(load.timer_fd, &expiries, sizeof(expiries)) > 0) {
        load.armed_ns = SCHEDULE_NEVER;
    }
}

/* --- The loop --- */

static bool is_over(void)
{
    return load.busy.first == NULL &&
           schedule_next_ns(&load.schedule, load.world.now_ns) == SCHEDULE_NEVER;
}

static void run(void)
{
    struct epoll_event events[EVENT_BATCH];

    begin_due();
    while (!is_over()) {
        arm(next_wake_ns());
        int count = epoll_wait(load.world.epoll_fd, events, EVENT_BATCH, -1);

        load.world.now_ns = clock_ns();
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == &load.timer_fd) {
                take_timer();
            } else {
                handle(events[i].data.ptr, events[i].events);
            }
        }
        expire();
        begin_due();
    }
}

/* Returns 0, or -errno. */
static int open_all(const struct options *options)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &load.timer_fd};

    load.sessions = calloc(options->connections, sizeof(*load.sessions));
    load.world.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    load.timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (load.sessions == NULL) {
        return -ENOMEM;
    }
    if (load.world.epoll_fd < 0 || load.timer_fd < 0 ||
        epoll_ctl(load.world.epoll_fd, EPOLL_CTL_ADD, load.timer_fd, &event) != 0) {
        return -errno;
    }
    for (load.count = 0; load.count < options->connections; load.count++) {
        append(&load.free, &load.sessions[load.count]);
    }
    return 0;
}

static void close_all(void)
{
    for (unsigned i = 0; i < load.count; i++) {
        session_close(&load.sessions[i]);
    }
    free(load.sessions);
    if (load.timer_fd >= 0) {
        close(load.timer_fd);
    }
    if (load.world.epoll_fd >= 0) {
        close(load.world.epoll_fd);
    }
}

int load_run(const struct options *options, struct result *result)
{
    uint64_t last_ns;
    int error;

    memset(&load, 0, sizeof(load));
    load.timeout_ns = options->timeout_ns;
    load.armed_ns = SCHEDULE_NEVER;
    load.world = (struct session_world){
        .is_kept = options->is_kept,
        .is_verified = options->is_verified,
        .server = {.sin_family = AF_INET,
                   .sin_port = htons(options->port),
                   .sin_addr.s_addr = options->address},
        .result = result,
    };
    error = open_all(options);
    if (error == 0) {
        load.world.now_ns = clock_ns();
        result->start_ns = load.world.now_ns;
        schedule_start(&load.schedule, load.world.now_ns, options->duration_ns, options->count,
                       options->rate);
        last_ns = schedule_last_ns(&load.schedule);
        load.give_up_ns =
            last_ns == SCHEDULE_NEVER ? SCHEDULE_NEVER : last_ns + options->timeout_ns;
        run();
        result->end_ns = load.world.now_ns;
    }
    close_all();
    return error;
}
