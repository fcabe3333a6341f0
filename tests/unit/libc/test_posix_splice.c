/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/both_calls.c tests/unit/world/socket_world.c tests/unit/world/application_world.c */
/* flags: -D_GNU_SOURCE -include tests/unit/world/rename_sockets.h */
/*
 * Tests splice() and tee(): scripts are run on Talus and on the Linux of this machine, between
 * pipes and the sockets of a pair; and what waits, and TCP, on Talus alone.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "kernel/message/dispatch.h"
#include "kernel/thread/thread.h"
#include "tests/unit/world/both_calls.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/socket_world.h"

#define ON         const struct both_calls *on, struct record *record
#define PIPE_BYTES 65536
#define WAITS      1000 /* no result of a call */

static char much[2 * PIPE_BYTES];

/* --- Scripts --- */

struct both_ends {
    int fds[2];
};

static struct both_ends open_pipe(ON, int flags)
{
    struct both_ends ends = {{-1, -1}};

    (void)record;
    assert_int_equal(on->do_pipe2(ends.fds, flags), 0);
    return ends;
}

static struct both_ends open_pair(ON, int flags)
{
    struct both_ends ends = {{-1, -1}};

    (void)record;
    assert_int_equal(on->do_socketpair(AF_UNIX, SOCK_STREAM | flags, 0, ends.fds), 0);
    return ends;
}

static void close_both(ON, struct both_ends ends)
{
    tell_result(record, "close", on->do_close(ends.fds[0]));
    tell_result(record, "close", on->do_close(ends.fds[1]));
}

static void put(ON, int fd, const char *text)
{
    tell_result(record, "write", on->do_write(fd, text, strlen(text)));
}

static void take(ON, int fd)
{
    char text[64] = "";

    tell_result(record, "read", on->do_read(fd, text, sizeof(text) - 1));
    tell(record, "\"%s\"\n", text);
}

static void move(ON, int in, int out, size_t bytes, unsigned flags)
{
    tell_result(record, "splice", on->do_splice(in, NULL, out, NULL, bytes, flags));
}

static void refusal_script(ON)
{
    struct both_ends here = open_pipe(on, record, O_NONBLOCK);
    struct both_ends there = open_pipe(on, record, O_NONBLOCK);
    struct both_ends pair = open_pair(on, record, SOCK_NONBLOCK);
    int event = on->do_eventfd(1, EFD_NONBLOCK);
    loff_t offset = 0;

    move(on, record, 9999, 9999, 0, 0);
    move(on, record, 9999, here.fds[1], 1, 0);
    move(on, record, here.fds[0], 9999, 1, 0);
    move(on, record, here.fds[0], there.fds[1], 1, 16);
    move(on, record, here.fds[0], there.fds[1], 0, 16);
    move(on, record, here.fds[0], here.fds[1], 1, 0);
    move(on, record, here.fds[1], there.fds[1], 1, 0);
    move(on, record, here.fds[0], there.fds[0], 1, 0);
    move(on, record, pair.fds[0], pair.fds[1], 1, 0);
    move(on, record, event, here.fds[1], 1, 0);
    put(on, record, here.fds[1], "x");
    move(on, record, here.fds[0], event, 1, 0);
    tell_result(record, "in offset", on->do_splice(here.fds[0], &offset, there.fds[1], NULL, 1, 0));
    tell_result(record, "out offset",
                on->do_splice(here.fds[0], NULL, there.fds[1], &offset, 1, 0));
    tell_result(record, "socket's offset",
                on->do_splice(pair.fds[0], &offset, there.fds[1], NULL, 1, 0));
    tell_result(record, "socket's offset",
                on->do_splice(here.fds[0], NULL, pair.fds[1], &offset, 1, 0));
    tell_result(record, "wrong end's offset",
                on->do_splice(here.fds[1], &offset, pair.fds[1], NULL, 1, 0));
    tell_result(record, "tee", on->do_tee(here.fds[0], pair.fds[1], 1, 0));
    tell_result(record, "tee", on->do_tee(here.fds[0], here.fds[1], 1, 0));
    tell_result(record, "tee", on->do_tee(here.fds[1], there.fds[1], 1, 0));
    tell_result(record, "tee", on->do_tee(9999, there.fds[1], 1, 0));
    tell_result(record, "tee", on->do_tee(here.fds[0], there.fds[1], 1, 16));
    tell_result(record, "tee", on->do_tee(9999, there.fds[1], 0, 0));
    close_both(on, record, here);
    close_both(on, record, there);
    close_both(on, record, pair);
    tell_result(record, "close", on->do_close(event));
}

static void pipe_script(ON)
{
    struct both_ends here = open_pipe(on, record, 0), there = open_pipe(on, record, 0);

    move(on, record, here.fds[0], there.fds[1], 1, SPLICE_F_NONBLOCK);
    tell_result(record, "tee", on->do_tee(here.fds[0], there.fds[1], 1, SPLICE_F_NONBLOCK));
    put(on, record, here.fds[1], "abcdefgh");
    tell_result(record, "tee", on->do_tee(here.fds[0], there.fds[1], 3, 0));
    move(on, record, here.fds[0], there.fds[1], 2, SPLICE_F_MOVE | SPLICE_F_GIFT);
    move(on, record, here.fds[0], there.fds[1], 100, SPLICE_F_MORE);
    take(on, record, there.fds[0]);
    tell_result(record, "close", on->do_close(here.fds[1]));
    move(on, record, here.fds[0], there.fds[1], 1, 0);
    tell_result(record, "tee", on->do_tee(here.fds[0], there.fds[1], 1, 0));
    tell_result(record, "close", on->do_close(here.fds[0]));
    here = open_pipe(on, record, 0);
    put(on, record, here.fds[1], "left");
    tell_result(record, "close", on->do_close(there.fds[0]));
    move(on, record, here.fds[0], there.fds[1], 1, 0);
    tell_result(record, "tee", on->do_tee(here.fds[0], there.fds[1], 1, 0));
    take(on, record, here.fds[0]);
    tell_result(record, "close", on->do_close(there.fds[1]));
    close_both(on, record, here);
}

static void full_script(ON)
{
    struct both_ends here = open_pipe(on, record, 0), there = open_pipe(on, record, O_NONBLOCK);

    tell_result(record, "write", on->do_write(there.fds[1], much, sizeof(much)));
    put(on, record, here.fds[1], "abc");
    move(on, record, here.fds[0], there.fds[1], 3, 0);
    tell_result(record, "tee", on->do_tee(here.fds[0], there.fds[1], 3, 0));
    tell_result(record, "read", on->do_read(there.fds[0], much, PIPE_BYTES));
    move(on, record, here.fds[0], there.fds[1], 3, 0);
    take(on, record, there.fds[0]);
    close_both(on, record, here);
    close_both(on, record, there);
}

static void socket_script(ON)
{
    struct both_ends pipe = open_pipe(on, record, 0);
    struct both_ends left = open_pair(on, record, SOCK_NONBLOCK);
    struct both_ends right = open_pair(on, record, SOCK_NONBLOCK);

    move(on, record, left.fds[1], pipe.fds[1], 10, 0);
    put(on, record, left.fds[0], "abcdef");
    move(on, record, left.fds[1], pipe.fds[1], 2, 0);
    move(on, record, left.fds[1], pipe.fds[1], 10, 0);
    move(on, record, left.fds[1], pipe.fds[1], 10, SPLICE_F_NONBLOCK);
    move(on, record, pipe.fds[0], right.fds[0], 3, SPLICE_F_MORE);
    move(on, record, pipe.fds[0], right.fds[0], 10, 0);
    move(on, record, pipe.fds[0], right.fds[0], 10, SPLICE_F_NONBLOCK);
    take(on, record, right.fds[1]);
    /* The ends of what comes, and of who takes it. */
    put(on, record, left.fds[0], "last");
    tell_result(record, "shutdown", on->do_shutdown(left.fds[0], SHUT_WR));
    move(on, record, left.fds[1], pipe.fds[1], 100, 0);
    move(on, record, left.fds[1], pipe.fds[1], 100, 0);
    tell_result(record, "close", on->do_close(right.fds[1]));
    move(on, record, pipe.fds[0], right.fds[0], 10, 0);
    take(on, record, pipe.fds[0]);
    tell_result(record, "close", on->do_close(pipe.fds[1]));
    move(on, record, pipe.fds[0], left.fds[1], 10, 0);
    tell_result(record, "close", on->do_close(pipe.fds[0]));
    tell_result(record, "close", on->do_close(right.fds[0]));
    close_both(on, record, left);
}

#define ON_BOTH(script)                                                                            \
    static void script##_is_as_on_linux(void **state)                                              \
    {                                                                                              \
        (void)state;                                                                               \
        run_on_both(script);                                                                       \
    }
ON_BOTH(refusal_script)
ON_BOTH(pipe_script)
ON_BOTH(full_script)
ON_BOTH(socket_script)

/* --- What waits --- */

static struct call {
    int in, out;
    size_t bytes;
    unsigned flags;
    ssize_t result;
} call;

static void run_call(void *argument)
{
    ssize_t result = splice(call.in, NULL, call.out, NULL, call.bytes, call.flags);

    (void)argument;
    call.result = result < 0 ? -errno : result;
}

static void start_call(int in, int out, size_t count, unsigned flags)
{
    call = (struct call){.in = in, .out = out, .bytes = count, .flags = flags, .result = WAITS};
    assert_non_null(thread_create("call", run_call, NULL));
    dispatch_round();
    assert_int_equal(call.result, WAITS);
}

static void expect_result(ssize_t result)
{
    dispatch_round();
    dispatch_round();
    assert_int_equal(call.result, result);
}

static void it_waits_for_bytes_in_a_pipe_and_for_its_end(void **state)
{
    int here[2], there[2];

    (void)state;
    assert_int_equal(pipe2(here, 0), 0);
    assert_int_equal(pipe2(there, 0), 0);
    start_call(here[0], there[1], 10, 0);
    assert_int_equal(write(here[1], "abc", 3), 3);
    expect_result(3);
    start_call(here[0], there[1], 10, 0);
    assert_int_equal(close(here[1]), 0);
    expect_result(0);
    close(here[0]);
    close(there[0]);
    close(there[1]);
}

static void it_waits_for_room_in_a_pipe(void **state)
{
    int here[2], there[2];

    (void)state;
    assert_int_equal(pipe2(here, 0), 0);
    assert_int_equal(pipe2(there, O_NONBLOCK), 0);
    assert_int_equal(write(there[1], much, PIPE_BYTES), PIPE_BYTES);
    assert_int_equal(fcntl(there[1], F_SETFL, 0), 0);
    assert_int_equal(write(here[1], "abc", 3), 3);
    start_call(here[0], there[1], 10, 0);
    assert_int_equal(read(there[0], much, PIPE_BYTES), PIPE_BYTES);
    expect_result(3);
    assert_int_equal(read(there[0], much, 10), 3);
    /* Whoever would read it goes: then there is nothing to wait for. */
    assert_int_equal(fcntl(there[1], F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(write(there[1], much, PIPE_BYTES), PIPE_BYTES);
    assert_int_equal(fcntl(there[1], F_SETFL, 0), 0);
    assert_int_equal(write(here[1], "abc", 3), 3);
    start_call(here[0], there[1], 10, 0);
    assert_int_equal(close(there[0]), 0);
    expect_result(-EPIPE);
    close(there[1]);
    close(here[0]);
    close(here[1]);
}

/* SPLICE_F_NONBLOCK speaks of the pipe: what a socket's own mode is counts for the socket. */
static void it_waits_for_a_socket_that_may_block(void **state)
{
    int pipe_fds[2], pair[2];

    (void)state;
    assert_int_equal(pipe2(pipe_fds, 0), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    start_call(pair[0], pipe_fds[1], 10, SPLICE_F_NONBLOCK);
    assert_int_equal(write(pair[1], "abc", 3), 3);
    expect_result(3);
    assert_int_equal(read(pipe_fds[0], much, 10), 3);
    /* Out of the pipe it waits until all that is there has gone. */
    assert_int_equal(write(pipe_fds[1], much, PIPE_BYTES), PIPE_BYTES);
    assert_int_equal(send(pair[0], much, 1000, MSG_DONTWAIT), 1000);
    start_call(pipe_fds[0], pair[0], PIPE_BYTES, SPLICE_F_NONBLOCK);
    assert_int_equal(read(pair[1], much, PIPE_BYTES), PIPE_BYTES);
    expect_result(PIPE_BYTES);
    assert_int_equal(read(pair[1], much, PIPE_BYTES), 1000);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    close(pair[0]);
    close(pair[1]);
}

/* Any of the descriptors: nothing of what is gone is touched. */
static void it_may_be_closed_while_it_waits(void **state)
{
    (void)state;
    for (unsigned closed = 0; closed < 4; closed++) {
        int here[2], there[2];

        assert_int_equal(pipe2(here, 0), 0);
        assert_int_equal(pipe2(there, 0), 0);
        start_call(here[0], there[1], 10, 0);
        if (closed < 2) {
            assert_int_equal(close(closed == 0 ? here[0] : there[1]), 0);
        } else {
            assert_int_equal(close(there[0]), 0);
            assert_int_equal(close(there[1]), 0);
        }
        (void)write(here[1], "abc", 3);
        expect_result(-EBADF);
        close(here[1]);
        close(here[0]);
        close(there[0]);
        close(there[1]);
    }
}

/* --- TCP --- */

static void a_connections_bytes_go_through_a_pipe_to_itself(void **state)
{
    struct pair pair = open_connection("abcdef");
    const struct send *sent;
    int fds[2];

    (void)state;
    assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
    assert_int_equal(splice(pair.fd, NULL, fds[1], NULL, 4, 0), 4);
    assert_int_equal(splice(pair.fd, NULL, fds[1], NULL, 100, 0), 2);
    assert_fails(splice(pair.fd, NULL, fds[1], NULL, 100, 0), EAGAIN);
    while (fake_take_message(TS) != NULL) { /* what was consumed */
    }
    assert_int_equal(splice(fds[0], NULL, pair.fd, NULL, 100, 0), 6);
    dispatch_round();
    sent = fake_expect_message(TS, SEND);
    assert_int_equal(sent->header.length_bytes - sizeof(*sent), 6);
    assert_memory_equal(sent + 1, "abcdef", 6);
    close_by_peer(pair.stream_index, pair.generation);
    assert_int_equal(splice(pair.fd, NULL, fds[1], NULL, 100, 0), 0);
    assert_fails(splice(pair.listener, NULL, fds[1], NULL, 100, 0), ENOTCONN);
    close(fds[0]);
    close(fds[1]);
    close_pair(pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SOCKET_TEST(refusal_script_is_as_on_linux),
        SOCKET_TEST(pipe_script_is_as_on_linux),
        SOCKET_TEST(full_script_is_as_on_linux),
        SOCKET_TEST(socket_script_is_as_on_linux),
        SOCKET_TEST(it_waits_for_bytes_in_a_pipe_and_for_its_end),
        SOCKET_TEST(it_waits_for_room_in_a_pipe),
        SOCKET_TEST(it_waits_for_a_socket_that_may_block),
        SOCKET_TEST(it_may_be_closed_while_it_waits),
        SOCKET_TEST(a_connections_bytes_go_through_a_pipe_to_itself),
    };

    (void)signal(SIGPIPE, SIG_IGN); /* of Linux */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
