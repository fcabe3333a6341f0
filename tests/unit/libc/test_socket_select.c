/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/streams_world.c tests/unit/world/socket_world.c */
/* sources: tests/unit/world/application_world.c */
/* flags: -D_GNU_SOURCE -include tests/unit/world/rename_sockets.h -Wno-stringop-overflow */
/*
 * Tests select() of libc/.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel/message/dispatch.h"
#include "kernel/platform.h"
#include "kernel/thread/thread.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/socket_world.h"
#include "tests/unit/world/streams_world.h"

#define WAITING 1000

static struct timeval select_time;
static int select_result;

static void select_in_thread(void *argument)
{
    fd_set readable;

    FD_ZERO(&readable);
    FD_SET(*(int *)argument, &readable);
    select_result = select(*(int *)argument + 1, &readable, NULL, NULL, &select_time);
}

static void select_rounds_its_time_up_to_milliseconds(void **state)
{
    static const struct {
        struct timeval time;
        uint64_t ms;
    } cases[] = {{{0, 1}, 1}, {{0, 999}, 1}, {{0, 1000}, 1}, {{0, 1001}, 2}, {{2, 5000}, 2005}};

    (void)state;
    open_streams();
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        select_time = cases[i].time;
        select_result = WAITING;
        assert_non_null(thread_create("select", select_in_thread, &streams[0].fd));
        dispatch_round();
        assert_int_equal(select_result, WAITING);
        fake_advance_ns(cases[i].ms * NS_PER_MS - 1);
        run_rounds();
        assert_int_equal(select_result, WAITING);
        fake_advance_ns(1);
        run_rounds();
        assert_int_equal(select_result, 0);
    }
    close_streams();
}

static void select_counts_a_descriptor_in_each_set(void **state)
{
    struct timeval now = {0};
    fd_set readable, writable, exceptional;

    (void)state;
    open_streams();
    come(1);
    fail_connection(streams[2].stream_index, 1, ETIMEDOUT);
    FD_ZERO(&readable);
    for (unsigned i = 0; i < STREAMS; i++) {
        FD_SET(streams[i].fd, &readable);
    }
    writable = exceptional = readable;
    assert_int_equal(select(streams[2].fd + 1, &readable, &writable, &exceptional, &now), 5);
    assert_false(FD_ISSET(streams[0].fd, &readable));
    assert_true(FD_ISSET(streams[1].fd, &readable));
    assert_true(FD_ISSET(streams[2].fd, &readable)); /* the error can be read */
    for (unsigned i = 0; i < STREAMS; i++) {
        assert_true(FD_ISSET(streams[i].fd, &writable));
        assert_false(FD_ISSET(streams[i].fd, &exceptional));
    }
    /* Those from `count` on are not looked at. */
    FD_ZERO(&readable);
    FD_SET(streams[1].fd, &readable);
    assert_int_equal(select(streams[1].fd, &readable, NULL, NULL, &now), 0);
    assert_int_equal(select(0, NULL, NULL, NULL, &now), 0);
    assert_fails(select(-1, NULL, NULL, NULL, &now), EINVAL);
    assert_fails(select(FD_SETSIZE + 1, NULL, NULL, NULL, &now), EINVAL);
    FD_ZERO(&readable);
    assert_int_equal(select(FD_SETSIZE, &readable, NULL, NULL, &now), 0);
    fake_fail_allocations_after(0);
    assert_fails(select(1, &readable, NULL, NULL, &now), ENOMEM);
    fake_fail_allocations_after(-1);
    close_streams();
}

#define TEST(name) cmocka_unit_test_setup(name, start_sockets)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(select_rounds_its_time_up_to_milliseconds),
        TEST(select_counts_a_descriptor_in_each_set),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
