/* SPDX-License-Identifier: MIT */
/* sources: libc/posix/eventfd.c libc/posix/timerfd.c libc/posix/pipe.c libc/posix/socketpair.c libc/posix/byte_queue.c */
/* sources: libc/posix/file.c libc/posix/sendfile.c libc/posix/splice.c */
/* sources: tests/unit/world/socket_world.c tests/unit/world/application_world.c net/wall_clock.c */
/* flags: -D_GNU_SOURCE -include tests/unit/world/rename_sockets.h -Dopen=talus_open -Dopen64=talus_open64 -Dlseek=talus_lseek -Dfstat=talus_fstat -Dstat=talus_stat -Dmmap=talus_mmap -Dmunmap=talus_munmap -Dsendfile=talus_sendfile */
/*
 * Tests that eventfd(), timerfd, pipe() and socketpair() wait where they should, and sendfile().
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "kernel/message/dispatch.h"
#include "kernel/thread/thread.h"
#include "libc/posix/byte_queue.h"
#include "libc/posix/file.h"
#include "tests/unit/world/fake_memory.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/socket_world.h"

#define WAITS 1000 /* no result of a call */

static char bytes[2 * BYTE_QUEUE_BYTES];

/* A call in a thread of its own. */
static struct call {
    bool is_write;
    int fd;
    size_t bytes;
    ssize_t result;
} call;

static void run_call(void *argument)
{
    ssize_t result =
        call.is_write ? write(call.fd, bytes, call.bytes) : read(call.fd, bytes, call.bytes);

    (void)argument;
    call.result = result < 0 ? -errno : result;
}

static void start_call(bool is_write, int fd, size_t count)
{
    call = (struct call){.is_write = is_write, .fd = fd, .bytes = count, .result = WAITS};
    assert_non_null(thread_create("call", run_call, NULL));
    dispatch_round();
    assert_int_equal(call.result, WAITS);
}

static void expect_result(ssize_t result)
{
    dispatch_round();
    assert_int_equal(call.result, result);
}

static void eventfd_waits_for_a_number_and_for_room(void **state)
{
    uint64_t number = UINT64_MAX - 1;
    int fd = eventfd(0, 0);

    (void)state;
    start_call(false, fd, 8);
    assert_int_equal(eventfd_write(fd, 3), 0);
    expect_result(8);
    memcpy(&number, bytes, sizeof(number));
    assert_int_equal(number, 3);

    assert_int_equal(eventfd_write(fd, UINT64_MAX - 1), 0);
    start_call(true, fd, 8); /* 3 more */
    assert_int_equal(eventfd_read(fd, &number), 0);
    expect_result(8);
    assert_int_equal(eventfd_read(fd, &number), 0);
    assert_int_equal(number, 3);
    start_call(false, fd, 8);
    assert_int_equal(close(fd), 0);
    expect_result(-EBADF);
}

static void timerfd_waits_and_counts_what_has_passed(void **state)
{
    const struct itimerspec every_ms = {{0, 1000000}, {0, 1000000}};
    struct itimerspec left;
    uint64_t number;
    int fd = timerfd_create(CLOCK_REALTIME, 0);

    (void)state;
    assert_int_equal(timerfd_settime(fd, 0, &every_ms, NULL), 0);
    start_call(false, fd, 8);
    fake_advance_ns(3500000);
    dispatch_round();
    expect_result(8);
    memcpy(&number, bytes, sizeof(number));
    assert_int_equal(number, 3);
    assert_int_equal(timerfd_gettime(fd, &left), 0);
    assert_int_equal(left.it_value.tv_nsec, 500000);
    /* The next wakes as well. */
    start_call(false, fd, 8);
    fake_advance_ns(500000);
    dispatch_round();
    expect_result(8);
    memcpy(&number, bytes, sizeof(number));
    assert_int_equal(number, 1);
    assert_int_equal(close(fd), 0);
}

static void a_timer_that_was_read_before_its_handler_ran_still_wakes(void **state)
{
    const struct itimerspec every_ms = {{0, 1000000}, {0, 1000000}};
    int fd = timerfd_create(CLOCK_MONOTONIC, 0);

    (void)state;
    assert_int_equal(timerfd_settime(fd, 0, &every_ms, NULL), 0);
    fake_advance_ns(1000001);
    assert_int_equal(read(fd, bytes, 8), 8); /* no round in between */
    dispatch_round();
    start_call(false, fd, 8);
    fake_advance_ns(1000000);
    dispatch_round();
    expect_result(8);
    assert_int_equal(close(fd), 0);
}

static void a_late_absolute_time_counts_what_was_missed(void **state)
{
    const struct itimerspec early = {{0, 1000000}, {0, 1000000}};
    uint64_t number;
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);

    (void)state;
    fake_advance_ns(5 * NS_PER_MS);
    assert_int_equal(timerfd_settime(fd, TFD_TIMER_ABSTIME, &early, NULL), 0);
    assert_int_equal(read(fd, &number, 8), 8);
    assert_int_equal(number, 5);
    assert_int_equal(close(fd), 0);
}

static void a_pipe_waits_for_bytes_and_for_room(void **state)
{
    int fds[2];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    start_call(false, fds[0], 10);
    assert_int_equal(write(fds[1], "abc", 3), 3);
    expect_result(3);
    /* What fits at first, and the rest; a short write only as a whole. */
    start_call(true, fds[1], BYTE_QUEUE_BYTES + 5);
    assert_int_equal(read(fds[0], bytes, 100), 100);
    expect_result(BYTE_QUEUE_BYTES + 5);
    start_call(true, fds[1], 200);
    assert_int_equal(read(fds[0], bytes, 50), 50);
    expect_result(WAITS);
    assert_int_equal(read(fds[0], bytes, 55), 55);
    expect_result(200);
    start_call(true, fds[1], 100);
    assert_int_equal(close(fds[0]), 0);
    expect_result(-EPIPE);
    assert_int_equal(close(fds[1]), 0);

    assert_int_equal(pipe(fds), 0);
    start_call(false, fds[0], 10);
    assert_int_equal(close(fds[1]), 0);
    expect_result(0);
    assert_int_equal(close(fds[0]), 0);
}

static void an_end_of_a_pair_waits_for_bytes_and_for_room(void **state)
{
    int fds[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    start_call(false, fds[0], 10);
    assert_int_equal(send(fds[1], "abc", 3, 0), 3);
    expect_result(3);
    start_call(true, fds[1], BYTE_QUEUE_BYTES + 5);
    assert_int_equal(recv(fds[0], bytes, 100, 0), 100);
    expect_result(BYTE_QUEUE_BYTES + 5);
    start_call(true, fds[1], 200);
    assert_int_equal(close(fds[0]), 0);
    expect_result(95); /* for so much there was room */
    assert_int_equal(close(fds[1]), 0);

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    start_call(false, fds[0], 10);
    assert_int_equal(shutdown(fds[1], SHUT_WR), 0);
    expect_result(0);
    assert_int_equal(close(fds[0]), 0);
    assert_int_equal(close(fds[1]), 0);
}

static void nothing_is_left_where_memory_ends(void **state)
{
    int fds[2];

    (void)state;
    for (int count = 0; count < 2; count++) {
        fake_fail_allocations_after(count);
        assert_fails(pipe(fds), ENOMEM);
    }
    for (int count = 0; count < 3; count++) {
        fake_fail_allocations_after(count);
        assert_fails(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), ENOMEM);
    }
    fake_fail_allocations_after(0);
    assert_fails(eventfd(0, 0), ENOMEM);
    assert_fails(socket(AF_INET, SOCK_DGRAM, 0), ENOMEM);
    fake_fail_allocations_after(-1);
}

/* --- sendfile() --- */

static size_t print_digits(char *text, size_t size)
{
    const char *digits = "0123456789";

    if (size > 0) {
        (void)strncpy(text, digits, size - 1);
        text[size - 1] = '\0';
    }
    return strlen(digits);
}

static const struct generated_file digits_file = {.path = "/proc/digits", .print = print_digits};
GENERATED_FILE(digits_file);

static void sendfile_sends_from_a_place_or_from_where_the_file_is(void **state)
{
    int fds[2], file = open("/proc/digits", O_RDONLY);
    off_t offset = 7;

    (void)state;
    assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
    assert_int_equal(sendfile(fds[1], file, NULL, 4), 4);
    assert_int_equal(sendfile(fds[1], file, &offset, 100), 3);
    assert_int_equal(offset, 10);
    assert_int_equal(sendfile(fds[1], file, &offset, 100), 0);
    assert_int_equal(sendfile(fds[1], file, NULL, 0), 0);
    assert_int_equal(sendfile(fds[1], file, NULL, 1), 1);
    assert_int_equal(read(fds[0], bytes, 100), 8);
    assert_memory_equal(bytes, "01237894", 8);
    assert_int_equal(lseek(file, 0, SEEK_CUR), 5);
    offset = -1;
    assert_fails(sendfile(fds[1], file, &offset, 1), EINVAL);
    assert_fails(sendfile(fds[1], fds[0], NULL, 1), EINVAL);
    assert_fails(sendfile(file, file, NULL, 1), EBADF);
    assert_fails(sendfile(99, file, NULL, 1), EBADF);
    assert_fails(sendfile(fds[1], 99, NULL, 1), EBADF);
    assert_int_equal(close(fds[0]), 0);
    assert_fails(sendfile(fds[1], file, NULL, 1), EPIPE);
    assert_int_equal(lseek(file, 0, SEEK_CUR), 5);
    assert_int_equal(close(fds[1]), 0);
    assert_int_equal(close(file), 0);
}

/* --- splice() from a file; test_posix_splice.c has the rest --- */

static void splice_takes_from_a_file_what_a_pipe_has_room_for(void **state)
{
    int file = open("/proc/digits", O_RDONLY), fds[2];
    loff_t offset = 7;

    (void)state;
    assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
    assert_int_equal(splice(file, NULL, fds[1], NULL, 4, 0), 4);
    assert_int_equal(splice(file, &offset, fds[1], NULL, 100, 0), 3);
    assert_int_equal(offset, 10);
    assert_int_equal(splice(file, &offset, fds[1], NULL, 100, 0), 0);
    assert_int_equal(read(fds[0], bytes, 100), 7);
    assert_memory_equal(bytes, "0123789", 7);
    assert_int_equal(write(fds[1], bytes, BYTE_QUEUE_BYTES - 2), BYTE_QUEUE_BYTES - 2);
    assert_int_equal(splice(file, NULL, fds[1], NULL, 100, 0), 2);
    assert_fails(splice(file, NULL, fds[1], NULL, 100, 0), EAGAIN);
    assert_int_equal(lseek(file, 0, SEEK_CUR), 6);
    offset = -1;
    assert_int_equal(read(fds[0], bytes, 100), 100);
    assert_fails(splice(file, &offset, fds[1], NULL, 1, 0), EINVAL);
    assert_fails(splice(fds[0], NULL, file, NULL, 1, 0), EBADF);
    assert_fails(splice(file, NULL, file, NULL, 1, 0), EBADF);
    assert_int_equal(close(fds[0]), 0);
    assert_fails(splice(file, NULL, fds[1], NULL, 1, 0), EPIPE);
    assert_int_equal(close(fds[1]), 0);
    assert_int_equal(close(file), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SOCKET_TEST(eventfd_waits_for_a_number_and_for_room),
        SOCKET_TEST(timerfd_waits_and_counts_what_has_passed),
        SOCKET_TEST(a_timer_that_was_read_before_its_handler_ran_still_wakes),
        SOCKET_TEST(a_late_absolute_time_counts_what_was_missed),
        SOCKET_TEST(a_pipe_waits_for_bytes_and_for_room),
        SOCKET_TEST(an_end_of_a_pair_waits_for_bytes_and_for_room),
        SOCKET_TEST(nothing_is_left_where_memory_ends),
        SOCKET_TEST(sendfile_sends_from_a_place_or_from_where_the_file_is),
        SOCKET_TEST(splice_takes_from_a_file_what_a_pipe_has_room_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
