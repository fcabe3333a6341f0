/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/both_calls.c tests/unit/world/socket_world.c tests/unit/world/application_world.c */
/* flags: -D_GNU_SOURCE -include tests/unit/world/rename_sockets.h */
/*
 * Tests eventfd(), timerfd, pipe() and socketpair(): each script is run on Talus and on the Linux
 * of this machine, and must tell the same.
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

#include "tests/unit/world/both_calls.h"
#include "tests/unit/world/socket_world.h"

#define ON const struct both_calls *on, struct record *record

/* What is ready of all that can be asked for. */
static void tell_ready(ON, const char *who, int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP};
    int count = on->do_poll(&poll_fd, 1, 0);

    tell(record, "%s ready: %d %#x\n", who, count, poll_fd.revents);
}

static void tell_number(ON, int fd)
{
    uint64_t number = 0;

    tell_result(record, "read", on->do_read(fd, &number, sizeof(number)));
    tell(record, "number %llx\n", (unsigned long long)number);
}

static void add_number(ON, int fd, uint64_t number)
{
    tell_result(record, "write", on->do_write(fd, &number, sizeof(number)));
}

/* --- eventfd() --- */

static void event_script(ON)
{
    uint64_t numbers[2] = {1, 2};
    struct iovec pieces[2] = {{&numbers[0], 8}, {&numbers[1], 8}};
    int fd = on->do_eventfd(3, EFD_NONBLOCK);

    tell_ready(on, record, "new", fd);
    tell_number(on, record, fd);
    tell_number(on, record, fd);
    tell_ready(on, record, "empty", fd);
    add_number(on, record, fd, 5);
    add_number(on, record, fd, 0);
    add_number(on, record, fd, UINT64_MAX);
    add_number(on, record, fd, UINT64_MAX - 6);
    tell_ready(on, record, "near full", fd);
    add_number(on, record, fd, 1);
    tell_ready(on, record, "full", fd);
    add_number(on, record, fd, 1);
    tell_number(on, record, fd);
    tell_result(record, "short read", on->do_read(fd, numbers, 7));
    tell_result(record, "short write", on->do_write(fd, numbers, 7));
    tell_result(record, "writev", on->do_writev(fd, pieces, 2));
    tell_number(on, record, fd);
    tell_result(record, "close", on->do_close(fd));
    tell_result(record, "flags", on->do_eventfd(0, 0x40));

    fd = on->do_eventfd(2, EFD_NONBLOCK | EFD_SEMAPHORE);
    tell_number(on, record, fd);
    tell_number(on, record, fd);
    tell_number(on, record, fd);
    tell_result(record, "close", on->do_close(fd));
}

/* --- epoll on one of them: edges, levels --- */

static void tell_events(ON, int epoll)
{
    struct epoll_event event = {0};

    tell_result(record, "epoll_wait", on->do_epoll_wait(epoll, &event, 1, 0));
    tell(record, "events %#x\n", event.events);
}

static void epoll_script(ON)
{
    int epoll = on->do_epoll_create1(0);
    int fd = on->do_eventfd(0, EFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};

    tell_result(record, "add", on->do_epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
    tell_events(on, record, epoll);
    add_number(on, record, fd, 1);
    tell_events(on, record, epoll);
    tell_events(on, record, epoll);
    add_number(on, record, fd, 1);
    tell_events(on, record, epoll);
    event.events = EPOLLIN | EPOLLOUT;
    tell_result(record, "mod", on->do_epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event));
    tell_events(on, record, epoll);
    tell_events(on, record, epoll);
    tell_number(on, record, fd);
    tell_events(on, record, epoll);
    tell_result(record, "close", on->do_close(fd));
    tell_events(on, record, epoll);
    tell_result(record, "close", on->do_close(epoll));
}

/* --- timerfd --- */

static void tell_setting(ON, int fd)
{
    struct itimerspec value;

    tell_result(record, "gettime", on->do_timerfd_gettime(fd, &value));
    /* How much is left depends on how fast the test runs. */
    tell(record, "interval %ld.%09ld, %s\n", (long)value.it_interval.tv_sec,
         value.it_interval.tv_nsec,
         value.it_value.tv_sec != 0 || value.it_value.tv_nsec != 0 ? "set" : "not set");
}

static void set_timer(ON, int fd, int flags, long value_ns, long interval_ns)
{
    struct itimerspec value = {{0, interval_ns}, {0, value_ns}};
    struct itimerspec old;

    tell_result(record, "settime", on->do_timerfd_settime(fd, flags, &value, &old));
    tell(record, "was %s\n", old.it_value.tv_sec != 0 || old.it_value.tv_nsec != 0 ? "set" : "not");
}

static void timer_script(ON)
{
    struct itimerspec bad = {{0, 0}, {0, 1000000000}};
    char small[7];
    int fd = on->do_timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);

    tell_ready(on, record, "new", fd);
    tell_setting(on, record, fd);
    tell_number(on, record, fd);
    set_timer(on, record, fd, 0, 1000000, 0);
    on->pass_ms(5);
    tell_ready(on, record, "once", fd);
    tell_setting(on, record, fd);
    tell_result(record, "short", on->do_read(fd, small, sizeof(small)));
    tell_number(on, record, fd);
    tell_number(on, record, fd);
    tell_ready(on, record, "read", fd);

    set_timer(on, record, fd, 0, 999999999, 999999999);
    tell_ready(on, record, "long", fd);
    tell_setting(on, record, fd);
    set_timer(on, record, fd, 0, 0, 5);
    tell_setting(on, record, fd);
    tell_number(on, record, fd);
    set_timer(on, record, fd, TFD_TIMER_ABSTIME, 1, 0); /* long ago */
    on->pass_ms(1);
    tell_number(on, record, fd);
    set_timer(on, record, fd, 0, 1, 0);
    on->pass_ms(1);
    set_timer(on, record, fd, 0, 0, 0); /* what has expired is forgotten */
    tell_number(on, record, fd);
    tell_result(record, "bad", on->do_timerfd_settime(fd, 0, &bad, NULL));
    tell_result(record, "flags", on->do_timerfd_settime(fd, 8, &bad, NULL));
    tell_result(record, "write", on->do_write(fd, small, 7));
    tell_result(record, "close", on->do_close(fd));
    tell_result(record, "clock", on->do_timerfd_create(99, 0));
    fd = on->do_eventfd(0, 0);
    tell_result(record, "no timer", on->do_timerfd_gettime(fd, &bad));
    tell_result(record, "close", on->do_close(fd));
    tell_result(record, "closed", on->do_timerfd_gettime(fd, &bad));
}

/* --- pipe() --- */

static char block[65536];

static void pipe_script(ON)
{
    int fds[2];
    char text[8] = "";

    tell_result(record, "pipe", on->do_pipe2(fds, O_NONBLOCK));
    tell_ready(on, record, "reader", fds[0]);
    tell_ready(on, record, "writer", fds[1]);
    tell_result(record, "read", on->do_read(fds[0], text, 8));
    tell_result(record, "write", on->do_write(fds[1], "abc", 3));
    tell_ready(on, record, "reader", fds[0]);
    tell_result(record, "read", on->do_read(fds[0], text, 2));
    tell(record, "%.2s\n", text);
    tell_result(record, "nothing", on->do_read(fds[0], text, 0));
    tell_result(record, "nothing", on->do_write(fds[1], text, 0));
    tell_result(record, "wrong end", on->do_read(fds[1], text, 1));
    tell_result(record, "wrong end", on->do_write(fds[0], text, 1));
    tell_result(record, "no socket", on->do_recv(fds[0], text, 1, 0));
    tell_result(record, "read", on->do_read(fds[0], text, 8));

    tell_result(record, "fill", on->do_write(fds[1], block, sizeof(block)));
    tell_result(record, "full", on->do_write(fds[1], block, 1));
    tell_ready(on, record, "full writer", fds[1]);
    tell_result(record, "empty a page", on->do_read(fds[0], block, 4096));
    tell_ready(on, record, "writer", fds[1]);
    tell_result(record, "page", on->do_write(fds[1], block, 4096));
    tell_result(record, "full", on->do_write(fds[1], block, 4096));
    tell_result(record, "empty", on->do_read(fds[0], block, sizeof(block)));

    tell_result(record, "last", on->do_write(fds[1], "xy", 2));
    tell_result(record, "close", on->do_close(fds[1]));
    tell_ready(on, record, "reader", fds[0]);
    tell_result(record, "read", on->do_read(fds[0], text, 8));
    tell_ready(on, record, "reader at the end", fds[0]);
    tell_result(record, "end", on->do_read(fds[0], text, 8));
    tell_result(record, "close", on->do_close(fds[0]));

    tell_result(record, "pipe", on->do_pipe2(fds, O_NONBLOCK));
    tell_result(record, "close", on->do_close(fds[0]));
    tell_ready(on, record, "writer alone", fds[1]);
    tell_result(record, "broken", on->do_write(fds[1], "x", 1));
    tell_result(record, "close", on->do_close(fds[1]));
    tell_result(record, "flags", on->do_pipe2(fds, O_CREAT));
}

/* --- socketpair() --- */

static void open_pair(ON, int fds[2])
{
    tell_result(record, "socketpair",
                on->do_socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds));
}

static void close_both(ON, const int fds[2])
{
    tell_result(record, "close", on->do_close(fds[0]));
    tell_result(record, "close", on->do_close(fds[1]));
}

static void pair_script(ON)
{
    int fds[2], error = 7;
    char text[8] = "", more[8] = "";
    struct iovec pieces[2] = {{text, 2}, {more, 8}};
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 2};
    struct sockaddr_storage address = {0};
    socklen_t bytes = sizeof(address);

    open_pair(on, record, fds);
    tell_ready(on, record, "new", fds[0]);
    tell_result(record, "recv", on->do_recv(fds[0], text, 8, 0));
    tell_result(record, "send", on->do_send(fds[1], "hello", 5, MSG_NOSIGNAL));
    tell_ready(on, record, "with bytes", fds[0]);
    tell_result(record, "peek", on->do_recv(fds[0], text, 3, MSG_PEEK));
    tell_result(record, "recvmsg", on->do_recvmsg(fds[0], &message, 0));
    tell(record, "%.2s %.3s flags %#x\n", text, more, message.msg_flags);
    tell_result(record, "write", on->do_write(fds[0], "back", 4));
    tell_result(record, "readv", on->do_readv(fds[1], pieces, 2));
    tell(record, "%.2s %.2s\n", text, more);
    tell_result(record, "name", on->do_getsockname(fds[0], (struct sockaddr *)&address, &bytes));
    tell(record, "family %d, %u bytes\n", address.ss_family, bytes);
    bytes = sizeof(error);
    tell_result(record, "option", on->do_getsockopt(fds[0], SOL_SOCKET, SO_TYPE, &error, &bytes));
    tell(record, "type %d\n", error);

    tell_result(record, "shutdown", on->do_shutdown(fds[0], SHUT_WR));
    tell_ready(on, record, "shut", fds[0]);
    tell_ready(on, record, "told", fds[1]);
    tell_result(record, "end", on->do_recv(fds[1], text, 8, 0));
    tell_result(record, "send", on->do_send(fds[0], "x", 1, MSG_NOSIGNAL));
    tell_result(record, "send", on->do_send(fds[1], "x", 1, MSG_NOSIGNAL));
    tell_result(record, "recv", on->do_recv(fds[0], text, 8, 0));
    tell_result(record, "shutdown", on->do_shutdown(fds[0], 9));
    close_both(on, record, fds);
}

static void pair_end_script(ON)
{
    int fds[2], error = 7;
    char text[8] = "";
    socklen_t bytes = sizeof(error);

    open_pair(on, record, fds);
    tell_result(record, "send", on->do_send(fds[1], "xy", 2, 0));
    tell_result(record, "close", on->do_close(fds[1]));
    tell_ready(on, record, "left", fds[0]);
    tell_result(record, "recv", on->do_recv(fds[0], text, 8, 0));
    tell_result(record, "end", on->do_recv(fds[0], text, 8, 0));
    tell_result(record, "send", on->do_send(fds[0], "x", 1, MSG_NOSIGNAL));
    tell_result(record, "close", on->do_close(fds[0]));

    open_pair(on, record, fds);
    tell_result(record, "send", on->do_send(fds[1], "xy", 2, 0));
    tell_result(record, "send", on->do_send(fds[0], "lost", 4, 0));
    tell_result(record, "close", on->do_close(fds[1])); /* unread */
    tell_ready(on, record, "reset", fds[0]);
    tell_result(record, "recv", on->do_recv(fds[0], text, 8, 0));
    tell_result(record, "error", on->do_recv(fds[0], text, 8, 0));
    tell_result(record, "end", on->do_recv(fds[0], text, 8, 0));
    tell_result(record, "option", on->do_getsockopt(fds[0], SOL_SOCKET, SO_ERROR, &error, &bytes));
    tell(record, "error %d\n", error);
    tell_result(record, "close", on->do_close(fds[0]));

    tell_result(record, "listen", on->do_socketpair(AF_INET, SOCK_STREAM, 0, fds));
    open_pair(on, record, fds);
    tell_result(record, "listen", on->do_listen(fds[0], 1) < 0 ? 0 : 1);
    close_both(on, record, fds);
}

#define ON_BOTH(script)                                                                            \
    static void script##_is_as_on_linux(void **state)                                              \
    {                                                                                              \
        (void)state;                                                                               \
        run_on_both(script);                                                                       \
    }
ON_BOTH(event_script)
ON_BOTH(epoll_script)
ON_BOTH(timer_script)
ON_BOTH(pipe_script)
ON_BOTH(pair_script)
ON_BOTH(pair_end_script)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SOCKET_TEST(event_script_is_as_on_linux), SOCKET_TEST(epoll_script_is_as_on_linux),
        SOCKET_TEST(timer_script_is_as_on_linux), SOCKET_TEST(pipe_script_is_as_on_linux),
        SOCKET_TEST(pair_script_is_as_on_linux),  SOCKET_TEST(pair_end_script_is_as_on_linux),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
