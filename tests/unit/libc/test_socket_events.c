/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/streams_world.c tests/unit/world/socket_world.c */
/* sources: tests/unit/world/application_world.c */
/* flags: -D_GNU_SOURCE -include tests/unit/world/rename_sockets.h -Wno-stringop-overflow */
/*
 * Tests poll() and epoll of libc/ with two of everything: descriptors, waiters, epolls.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel/message/dispatch.h"
#include "kernel/platform.h"
#include "kernel/thread/thread.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/socket_world.h"
#include "tests/unit/world/streams_world.h"

#define MANY 40u

static int watch(int epoll, unsigned number, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.u64 = 100 + number};

    return epoll_ctl(epoll, EPOLL_CTL_ADD, streams[number].fd, &event);
}

static int change(int epoll, unsigned number, uint32_t events, uint64_t data)
{
    struct epoll_event event = {.events = events, .data.u64 = data};

    return epoll_ctl(epoll, EPOLL_CTL_MOD, streams[number].fd, &event);
}

/* --- epoll --- */

static void several_that_are_ready_are_told_each_with_its_own_data(void **state)
{
    struct epoll_event events[STREAMS + 1] = {0};
    int epoll = epoll_create1(0);

    (void)state;
    open_streams();
    for (unsigned i = 0; i < STREAMS; i++) {
        assert_int_equal(watch(epoll, i, EPOLLIN), 0);
    }
    assert_int_equal(epoll_wait(epoll, events, STREAMS + 1, 0), 0);
    come(2);
    come(0);
    assert_int_equal(epoll_wait(epoll, events, STREAMS + 1, 0), 2);
    assert_int_equal(events[0].data.u64, 102); /* in the order in which they became ready */
    assert_int_equal(events[1].data.u64, 100);
    assert_int_equal(events[0].events, EPOLLIN);
    assert_int_equal(events[1].events, EPOLLIN);
    assert_int_equal(events[2].events, 0); /* nothing is written behind them */
    read_all(2);
    assert_int_equal(epoll_wait(epoll, events, STREAMS + 1, 0), 1);
    assert_int_equal(events[0].data.u64, 100);
    read_all(0);
    assert_int_equal(epoll_wait(epoll, events, STREAMS + 1, 0), 0);
    close(epoll);
    close_streams();
}

/* A call with little room takes turns: nobody who is ready waits for ever. */
static void a_call_with_room_for_one_takes_turns(void **state)
{
    struct epoll_event event;
    unsigned told[STREAMS] = {0};
    int epoll = epoll_create1(0);

    (void)state;
    open_streams();
    for (unsigned i = 0; i < STREAMS; i++) {
        assert_int_equal(watch(epoll, i, EPOLLIN), 0);
        come(i);
    }
    for (unsigned i = 0; i < 4 * STREAMS; i++) {
        assert_int_equal(epoll_wait(epoll, &event, 1, 0), 1);
        assert_in_range(event.data.u64, 100, 100 + STREAMS - 1);
        told[event.data.u64 - 100]++;
    }
    for (unsigned i = 0; i < STREAMS; i++) {
        assert_int_equal(told[i], 4);
    }
    close(epoll);
    close_streams();
}

static void a_one_shot_is_told_once_until_it_is_armed_again(void **state)
{
    struct epoll_event event;
    int epoll = epoll_create1(0);

    (void)state;
    open_streams();
    assert_int_equal(watch(epoll, 0, EPOLLIN | EPOLLONESHOT), 0);
    come(0);
    assert_int_equal(epoll_wait(epoll, &event, 1, 0), 1);
    assert_int_equal(event.data.u64, 100);
    come(0);
    assert_int_equal(epoll_wait(epoll, &event, 1, 0), 0);
    fail_connection(streams[0].stream_index, 1, ETIMEDOUT); /* not even that */
    assert_int_equal(epoll_wait(epoll, &event, 1, 0), 0);
    assert_int_equal(change(epoll, 0, EPOLLIN | EPOLLONESHOT, 7), 0);
    assert_int_equal(epoll_wait(epoll, &event, 1, 0), 1);
    assert_int_equal(event.data.u64, 7);
    assert_int_equal(event.events, EPOLLIN | EPOLLERR | EPOLLHUP);
    assert_int_equal(epoll_wait(epoll, &event, 1, 0), 0);
    close(epoll);
    close_streams();
}

/* Whether it was first, last or in the middle of the lists, and whether it was ready. */
static void one_that_leaves_takes_nobody_with_it(void **state)
{
    struct epoll_event events[STREAMS];

    (void)state;
    for (unsigned leaving = 0; leaving < STREAMS; leaving++) {
        for (unsigned kind = 0; kind < 4; kind++) {
            int epoll = epoll_create1(0);

            open_streams();
            for (unsigned i = 0; i < STREAMS; i++) {
                assert_int_equal(watch(epoll, i, EPOLLIN), 0);
            }
            assert_int_equal(epoll_wait(epoll, events, STREAMS, 0), 0);
            for (unsigned i = 0; i < STREAMS && kind % 2 == 0; i++) {
                come(i);
            }
            if (kind < 2) {
                assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_DEL, streams[leaving].fd, NULL), 0);
                assert_fails(epoll_ctl(epoll, EPOLL_CTL_DEL, streams[leaving].fd, NULL), ENOENT);
                assert_fails(change(epoll, leaving, EPOLLIN, 0), ENOENT);
            } else {
                assert_int_equal(close(streams[leaving].fd), 0);
            }
            for (unsigned i = 0; i < STREAMS && kind % 2 == 1; i++) {
                if (i != leaving) {
                    come(i);
                }
            }
            assert_int_equal(epoll_wait(epoll, events, STREAMS, 0), STREAMS - 1);
            for (unsigned i = 0; i < STREAMS - 1; i++) {
                assert_int_not_equal(events[i].data.u64, 100 + leaving);
            }
            assert_int_not_equal(events[0].data.u64, events[1].data.u64);
            if (kind < 2) {
                assert_int_equal(watch(epoll, leaving, EPOLLIN), 0); /* it may come back */
            } else {
                streams[leaving].fd = socket(AF_INET, SOCK_STREAM, 0);
            }
            close(epoll);
            close_streams();
        }
    }
}

static void two_epolls_watch_one_descriptor_each_for_itself(void **state)
{
    struct epoll_event event;
    int first = epoll_create1(0), second = epoll_create1(EPOLL_CLOEXEC);

    (void)state;
    open_streams();
    assert_int_equal(watch(first, 0, EPOLLIN | EPOLLET), 0);
    assert_int_equal(watch(second, 0, EPOLLIN | EPOLLET), 0);
    come(0);
    assert_int_equal(epoll_wait(first, &event, 1, 0), 1);
    assert_int_equal(epoll_wait(first, &event, 1, 0), 0);
    assert_int_equal(epoll_wait(second, &event, 1, 0), 1);
    assert_int_equal(close(first), 0);
    come(0);
    assert_int_equal(epoll_wait(second, &event, 1, 0), 1);
    assert_int_equal(epoll_wait(second, &event, 1, 0), 0);
    close(second);
    close_streams();
}

static void what_epoll_cannot_watch_is_refused(void **state)
{
    struct epoll_event event = {.events = EPOLLIN};
    int epoll = epoll_create(1), other = epoll_create1(0);

    (void)state;
    open_streams();
    assert_true(epoll >= 0);
    assert_fails(epoll_create(0), EINVAL);
    assert_fails(epoll_create(-1), EINVAL);
    assert_fails(epoll_create1(1), EINVAL);
    assert_fails(epoll_ctl(epoll, EPOLL_CTL_ADD, other, &event), EINVAL);
    assert_fails(epoll_ctl(epoll, EPOLL_CTL_ADD, 1000, &event), EBADF);
    assert_fails(epoll_ctl(1000, EPOLL_CTL_ADD, streams[0].fd, &event), EBADF);
    assert_fails(epoll_ctl(streams[0].fd, EPOLL_CTL_ADD, streams[1].fd, &event), EINVAL);
    assert_fails(epoll_ctl(epoll, 77, streams[0].fd, &event), EINVAL);
    assert_fails(epoll_wait(epoll, &event, 0, 0), EINVAL);
    assert_fails(epoll_wait(epoll, &event, -1, 0), EINVAL);
    assert_fails(epoll_wait(streams[0].fd, &event, 1, 0), EINVAL);
    assert_fails(epoll_wait(1000, &event, 1, 0), EBADF);
    fake_fail_allocations_after(0);
    assert_fails(epoll_ctl(epoll, EPOLL_CTL_ADD, streams[0].fd, &event), ENOMEM);
    fake_fail_allocations_after(-1);
    assert_int_equal(epoll_wait(epoll, &event, 1, 0), 0);
    close(other);
    close(epoll);
    close_streams();
}

/* --- Waiting --- */

struct wait {
    int epoll, timeout_ms;
    int result; /* -errno for an error; WAITING while it waits */
    uint64_t data;
};

#define WAITING 1000

static void wait_in_thread(void *argument)
{
    struct wait *wait = argument;
    struct epoll_event event = {0};
    int found = epoll_wait(wait->epoll, &event, 1, wait->timeout_ms);

    wait->data = event.data.u64;
    wait->result = found < 0 ? -errno : found;
}

static void start_waiting(struct wait *wait, int epoll, int timeout_ms)
{
    *wait = (struct wait){.epoll = epoll, .timeout_ms = timeout_ms, .result = WAITING};
    assert_non_null(thread_create("wait", wait_in_thread, wait));
    dispatch_round();
    assert_int_equal(wait->result, WAITING);
}

static void epoll_wait_waits_for_an_event_or_its_time(void **state)
{
    struct wait wait;
    int epoll = epoll_create1(0);

    (void)state;
    open_streams();
    assert_int_equal(watch(epoll, 0, EPOLLIN), 0);
    start_waiting(&wait, epoll, -1);
    fake_advance_ns(3600 * NS_PER_S);
    run_rounds();
    assert_int_equal(wait.result, WAITING);
    come(0);
    run_rounds();
    assert_int_equal(wait.result, 1);
    assert_int_equal(wait.data, 100);
    read_all(0);

    start_waiting(&wait, epoll, 5);
    fake_advance_ns(5 * NS_PER_MS - 1);
    run_rounds();
    assert_int_equal(wait.result, WAITING);
    fake_advance_ns(1);
    run_rounds();
    assert_int_equal(wait.result, 0);

    /* Nobody is left on the list of those who wait. */
    come(0);
    run_rounds();
    read_all(0);
    start_waiting(&wait, epoll, 5);
    come(0);
    run_rounds();
    assert_int_equal(wait.result, 1);
    close(epoll);
    close_streams();
}

/* A wake that was for nothing: what was ready has been read before the thread ran. */
static void epoll_wait_goes_on_when_nothing_is_there_any_more(void **state)
{
    struct wait wait;
    int epoll = epoll_create1(0);
    struct epoll_event event;

    (void)state;
    open_streams();
    assert_int_equal(watch(epoll, 0, EPOLLIN | EPOLLET), 0);
    assert_int_equal(watch(epoll, 1, EPOLLIN), 0);
    start_waiting(&wait, epoll, 1000);
    assert_int_equal(change(epoll, 0, EPOLLIN | EPOLLET, 9), 0); /* wakes it to ask */
    run_rounds();
    assert_int_equal(wait.result, WAITING);
    come(1);
    run_rounds();
    assert_int_equal(wait.result, 1);
    assert_int_equal(wait.data, 101);
    assert_int_equal(epoll_wait(epoll, &event, 1, 0), 1);
    close(epoll);
    close_streams();
}

static void closing_an_epoll_ends_all_waits_for_it(void **state)
{
    struct wait waits[2];
    int epoll = epoll_create1(0);

    (void)state;
    open_streams();
    assert_int_equal(watch(epoll, 0, EPOLLIN), 0);
    start_waiting(&waits[0], epoll, -1);
    start_waiting(&waits[1], epoll, 1000);
    close(epoll);
    run_rounds();
    assert_int_equal(waits[0].result, -EBADF);
    assert_int_equal(waits[1].result, -EBADF);
    come(0); /* and nobody is told any more */
    run_rounds();
    close_streams();
}

/* A listener with nobody in accept() claims for those who wait in an epoll, and only for them. */
static void a_listener_claims_for_whoever_waits_in_an_epoll(void **state)
{
    struct wait wait;
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 200};
    int epoll = epoll_create1(0);

    (void)state;
    open_streams();
    assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event), 0);
    assert_int_equal(epoll_wait(epoll, &event, 1, 0), 0);
    make_available(7, 1, "");
    fake_expect_no_message(TS); /* nobody waits */
    start_waiting(&wait, epoll, -1);
    reject(7, 1, expect_claim(7, 1));
    run_rounds();
    assert_int_equal(wait.result, WAITING);
    expect_place_request(); /* it wants another */
    make_available(8, 1, "");
    run_rounds();
    confirm(8, 1, expect_claim(8, 1), "");
    run_rounds();
    assert_int_equal(wait.result, 1);
    assert_int_equal(wait.data, 200);
    close(epoll);
    close_streams();
}

/* --- poll() --- */

static struct pollfd polled[MANY];
static nfds_t polled_count;
static int poll_timeout_ms, poll_result;

static void poll_in_thread(void *argument)
{
    (void)argument;
    poll_result = poll(polled, polled_count, poll_timeout_ms);
    if (poll_result < 0) {
        poll_result = -errno;
    }
}

static void start_polling(int timeout_ms)
{
    poll_timeout_ms = timeout_ms;
    poll_result = WAITING;
    assert_non_null(thread_create("poll", poll_in_thread, NULL));
    dispatch_round();
    assert_int_equal(poll_result, WAITING);
}

static void poll_asks_each_for_what_it_wants(void **state)
{
    struct pollfd fds[5];

    (void)state;
    open_streams();
    come(1);
    fds[0] = (struct pollfd){.fd = streams[0].fd, .events = POLLIN, .revents = 77};
    fds[1] = (struct pollfd){.fd = streams[1].fd, .events = POLLIN | POLLOUT};
    fds[2] = (struct pollfd){.fd = -1, .events = POLLIN, .revents = 77};
    fds[3] = (struct pollfd){.fd = 1000, .events = POLLIN};
    fds[4] = (struct pollfd){.fd = streams[1].fd, .events = POLLOUT};
    assert_int_equal(poll(fds, 5, 0), 3);
    assert_int_equal(fds[0].revents, 0);
    assert_int_equal(fds[1].revents, POLLIN | POLLOUT);
    assert_int_equal(fds[2].revents, 0);
    assert_int_equal(fds[3].revents, POLLNVAL);
    assert_int_equal(fds[4].revents, POLLOUT);
    assert_int_equal(poll(fds, 1, 0), 0);
    assert_int_equal(poll(fds, 0, 0), 0);
    assert_fails(poll(fds, 65537, 0), EINVAL);
    close_streams();
}

/* Few lie on the stack, more need memory: the last and the first wake it alike. */
static void poll_waits_for_any_of_few_and_of_many(void **state)
{
    static const nfds_t counts[] = {3, 16, 17, MANY};

    (void)state;
    open_streams();
    for (size_t i = 0; i < ARRAY_COUNT(counts); i++) {
        for (unsigned place = 0; place < 2; place++) {
            polled_count = counts[i];
            for (nfds_t j = 0; j < polled_count; j++) {
                polled[j] = (struct pollfd){.fd = j == 1 ? -1 : streams[1].fd, .events = POLLIN};
            }
            polled[place == 0 ? 0 : polled_count - 1].fd = streams[2].fd;
            start_polling(-1);
            come(0); /* of nobody's interest */
            run_rounds();
            assert_int_equal(poll_result, WAITING);
            come(2);
            run_rounds();
            assert_int_equal(poll_result, 1);
            assert_int_equal(polled[place == 0 ? 0 : polled_count - 1].revents, POLLIN);
            read_all(2);
            read_all(0);
        }
    }
    fake_fail_allocations_after(0);
    poll_result = poll(polled, 17, -1);
    assert_int_equal(poll_result, -1);
    assert_int_equal(errno, ENOMEM);
    fake_fail_allocations_after(-1);
    close_streams();
}

/* Who waits for something else wants no connection. */
static void a_listener_does_not_claim_for_whoever_waits_for_something_else(void **state)
{
    (void)state;
    open_streams();
    polled_count = 1;
    polled[0] = (struct pollfd){.fd = listener, .events = POLLOUT};
    start_polling(-1);
    make_available(7, 1, "");
    run_rounds();
    fake_expect_no_message(TS);
    assert_int_equal(poll_result, WAITING);
    close_streams();
    run_rounds();
    assert_int_equal(poll_result, 1);
    assert_int_equal(polled[0].revents, POLLNVAL);
}

static void poll_ends_at_its_time_to_the_nanosecond(void **state)
{
    (void)state;
    open_streams();
    polled_count = 1;
    polled[0] = (struct pollfd){.fd = streams[0].fd, .events = POLLIN};
    start_polling(1);
    fake_advance_ns(NS_PER_MS - 1);
    run_rounds();
    assert_int_equal(poll_result, WAITING);
    fake_advance_ns(1);
    run_rounds();
    assert_int_equal(poll_result, 0);
    assert_int_equal(polled[0].revents, 0);
    /* Not woken by what it does not ask for, but by an error always. */
    polled[0].events = POLLOUT;
    assert_int_equal(poll(polled, 1, 0), 1);
    polled[0].events = 0;
    start_polling(-1);
    come(0);
    run_rounds();
    assert_int_equal(poll_result, WAITING);
    fail_connection(streams[0].stream_index, 1, ETIMEDOUT);
    run_rounds();
    assert_int_equal(poll_result, 1);
    assert_true((polled[0].revents & POLLERR) != 0);
    close_streams();
}

#define TEST(name) cmocka_unit_test_setup(name, start_sockets)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(several_that_are_ready_are_told_each_with_its_own_data),
        TEST(a_call_with_room_for_one_takes_turns),
        TEST(a_one_shot_is_told_once_until_it_is_armed_again),
        TEST(one_that_leaves_takes_nobody_with_it),
        TEST(two_epolls_watch_one_descriptor_each_for_itself),
        TEST(what_epoll_cannot_watch_is_refused),
        TEST(epoll_wait_waits_for_an_event_or_its_time),
        TEST(epoll_wait_goes_on_when_nothing_is_there_any_more),
        TEST(closing_an_epoll_ends_all_waits_for_it),
        TEST(a_listener_claims_for_whoever_waits_in_an_epoll),
        TEST(poll_asks_each_for_what_it_wants),
        TEST(poll_waits_for_any_of_few_and_of_many),
        TEST(a_listener_does_not_claim_for_whoever_waits_for_something_else),
        TEST(poll_ends_at_its_time_to_the_nanosecond),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
