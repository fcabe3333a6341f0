/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/socket_world.c tests/unit/world/application_world.c libc/posix/exit.c */
/* flags: -D_GNU_SOURCE -include tests/unit/world/rename_sockets.h -Dexit=talus_exit */
/* flags: -D_exit=talus__exit */
/*
 * Tests the end of a program, and how many descriptors it can have.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel/log.h"
#include "kernel/message/dispatch.h"
#include "kernel/thread/thread.h"
#include "libc/posix/descriptor.h"
#include "tests/unit/world/fake_memory.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/socket_world.h"

_Noreturn void exit(int status);
_Noreturn void _exit(int status);

static bool has_returned;

static void end_program(void *status)
{
    exit(*(int *)status);
    has_returned = true;
}

static void end_program_at_once(void *status)
{
    _exit(*(int *)status);
    has_returned = true;
}

static int wait_result;

static void wait_for_ever(void *epoll)
{
    struct epoll_event event;
    int found = epoll_wait(*(int *)epoll, &event, 1, -1);

    wait_result = found < 0 ? -errno : found;
}

/* The node's servers and the peers used to wait for a program that was gone. */
static void a_program_that_ends_closes_what_it_has_open(void **state)
{
    struct pair pair = open_connection("unread");
    int epoll = epoll_create1(0);
    int unconnected = socket(AF_INET, SOCK_STREAM, 0);
    int status = 3;

    (void)state;
    assert_true(unconnected > 0);
    /* One that is ready to be accepted, and one that is only available. */
    make_available(8, 3, "");
    assert_int_equal(accept(pair.listener, NULL, NULL), -1);
    confirm(8, 3, expect_claim(8, 3), "");
    make_available(9, 3, "");
    wait_result = 0;
    assert_non_null(thread_create("waits", wait_for_ever, &epoll));
    dispatch_round();

    assert_non_null(thread_create("program", end_program, &status));
    dispatch_round();
    dispatch_round();
    assert_false(has_returned);
    assert_int_equal(wait_result, -EBADF);
    static const char line[] = "program: ended with status 3\n";
    const struct status_page *page = fake_status_page(NODE);
    assert_non_null(memmem(page, sizeof(*page), line, strlen(line)));

    bool is_closed = false, is_reset = false, is_unlistened = false;
    const struct message *message;
    while ((message = fake_take_message(TS)) != NULL) {
        const struct close *close_message = (const struct close *)message;
        bool is_close = message->header.type == CLOSE;
        is_closed |=
            is_close && close_message->connection_index == 7 && close_message->kind == CLOSE_BOTH;
        is_reset |=
            is_close && close_message->connection_index == 8 && close_message->kind == CLOSE_ABORT;
        is_unlistened |= message->header.type == UNLISTEN;
    }
    assert_true(is_closed && is_reset && is_unlistened);
}

static bool has_line(const char *line)
{
    const struct status_page *page = fake_status_page(NODE);

    return memmem(page, sizeof(*page), line, strlen(line)) != NULL;
}

static void run_program(void (*program)(void *status), int status)
{
    assert_non_null(thread_create("program", program, &status));
    dispatch_round();
    dispatch_round();
    assert_false(has_returned);
}

/* Where the log takes warnings only, a good end is not in it. */
static void a_program_that_fails_is_warned_of_and_a_good_end_is_told(void **state)
{
    (void)state;
    log_set_filter(LOG_WARNING, NULL);
    run_program(end_program, 0);
    assert_false(has_line("program: ended with status 0\n"));
    run_program(end_program, 1);
    assert_true(has_line("program: ended with status 1\n"));
    log_set_filter(LOG_INFO, NULL);
    run_program(end_program, 0);
    assert_true(has_line("program: ended with status 0\n"));
}

/* C11 7.22.4: exit() flushes what is open, _Exit() need not. */
static void exit_ends_lines_that_were_not_ended(void **state)
{
    (void)state;
    socket_line_ends = 0;
    run_program(end_program_at_once, 0);
    assert_int_equal(socket_line_ends, 0);
    run_program(end_program, 0);
    assert_int_equal(socket_line_ends, 1);
}

/* As many as memory has room for, exactly, and more than 65,536. */
static void descriptors_end_with_emfile_where_memory_sets_the_limit(void **state)
{
    const unsigned limit = 70001;
    int fd;

    (void)state;
    fake_memory_total_bytes = (uint64_t)limit * DESCRIPTOR_MEMORY_BYTES;
    assert_int_equal(descriptor_limit(), limit);
    for (unsigned i = DESCRIPTOR_FIRST; i < limit; i++) {
        fd = socket(AF_INET, SOCK_STREAM, 0);
        if (fd != (int)i) {
            fail_msg("%d instead of %u", fd, i);
        }
    }
    assert_int_equal(socket(AF_INET, SOCK_STREAM, 0), -1);
    assert_int_equal(errno, EMFILE);
    assert_int_equal(epoll_create1(0), -1);
    assert_int_equal(errno, EMFILE);
    /* The lowest free number, wherever it is: at both ends of words of each level. */
    static const int numbers[] = {69999, 65536, 65535, 4096, 4095, 64, 63, 3};
    for (unsigned i = 0; i < ARRAY_COUNT(numbers); i++) {
        assert_int_equal(close(numbers[i]), 0);
    }
    for (unsigned i = ARRAY_COUNT(numbers); i-- > 0;) {
        assert_int_equal(socket(AF_INET, SOCK_STREAM, 0), numbers[i]);
    }
    assert_int_equal(socket(AF_INET, SOCK_STREAM, 0), -1);
    descriptors_close_all();
}

/* Nothing is lost when accept() finds no number: the connection waits until there is one. */
static void without_a_descriptor_a_connection_waits_to_be_accepted(void **state)
{
    int listener = open_listener(4);
    int fd = -1, last_fd = -1;

    (void)state;
    expect_ask(listener);
    make_available(7, 3, "");
    assert_int_equal(accept(listener, NULL, NULL), -1);
    confirm(7, 3, expect_claim(7, 3), "");
    while ((fd = socket(AF_INET, SOCK_STREAM, 0)) >= 0) {
        last_fd = fd;
    }
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(accept(listener, NULL, NULL), -1);
        assert_int_equal(errno, EMFILE);
    }
    close(last_fd);
    assert_int_equal(accept(listener, NULL, NULL), last_fd);
    close(last_fd);
    (void)expect_close(CLOSE_BOTH);
    close_listener(listener);
    descriptors_close_all();
}

#define TEST(name) SOCKET_TEST(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_program_that_ends_closes_what_it_has_open),
        TEST(a_program_that_fails_is_warned_of_and_a_good_end_is_told),
        TEST(exit_ends_lines_that_were_not_ended),
        TEST(descriptors_end_with_emfile_where_memory_sets_the_limit),
        TEST(without_a_descriptor_a_connection_waits_to_be_accepted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
