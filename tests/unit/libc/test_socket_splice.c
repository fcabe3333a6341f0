/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/socket_world.c tests/unit/world/application_world.c */
/* flags: -D_GNU_SOURCE -include tests/unit/world/rename_sockets.h */
/*
 * Tests SO_SPLICE as OpenBSD has it: libc/posix/socket_splice.c and net/streams/splicing.c. The
 * transport server is the test.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel/message/dispatch.h"
#include "net/counters.h"
#include "net/splice_messages.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/socket_world.h"

#define DRAIN_INDEX      8u
#define DRAIN_GENERATION 5u

struct both {
    struct pair source;
    int drain;
    uint32_t drain_stream;
};

static struct both open_both(const char *data)
{
    struct both both = {.source = open_connection(data)};

    make_available(DRAIN_INDEX, DRAIN_GENERATION, "");
    assert_int_equal(accept(both.source.listener, NULL, NULL), -1);
    both.drain_stream = expect_claim(DRAIN_INDEX, DRAIN_GENERATION);
    confirm(DRAIN_INDEX, DRAIN_GENERATION, both.drain_stream, "");
    both.drain = accept4(both.source.listener, NULL, NULL, SOCK_NONBLOCK);
    assert_true(both.drain >= 3);
    return both;
}

static void close_both(struct both both)
{
    assert_int_equal(close(both.drain), 0);
    while (fake_take_message(TS) != NULL) {
    }
    close_pair(both.source);
}

static int splice_with(const struct both *both, struct splice splice)
{
    int result;

    splice.sp_fd = both->drain;
    result = setsockopt(both->source.fd, SOL_SOCKET, SO_SPLICE, &splice, sizeof(splice));
    dispatch_round();
    return result;
}

static int splice(const struct both *both)
{
    int result =
        setsockopt(both->source.fd, SOL_SOCKET, SO_SPLICE, &both->drain, sizeof(both->drain));

    dispatch_round();
    return result;
}

static off_t spliced_bytes(int fd)
{
    off_t bytes = -1;
    socklen_t length = sizeof(bytes);

    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_SPLICE, &bytes, &length), 0);
    assert_int_equal(length, sizeof(bytes));
    return bytes;
}

static int error_of(int fd)
{
    int error = -1;
    socklen_t length = sizeof(error);

    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length), 0);
    return error;
}

static bool is_ready(int fd, short events)
{
    struct pollfd pollfd = {.fd = fd, .events = events};

    return poll(&pollfd, 1, 0) == 1;
}

static const struct splice_connections *expect_order(enum splice_order order)
{
    const struct splice_connections *message = fake_expect_message(TS, SPLICE_CONNECTIONS);

    assert_int_equal(message->order, order);
    assert_int_equal(message->source_index, 7);
    assert_int_equal(message->source_generation, 3);
    assert_int_equal(message->drain_index, DRAIN_INDEX);
    assert_int_equal(message->drain_generation, DRAIN_GENERATION);
    return message;
}

static void expect_sent(const char *text)
{
    const struct send *send = fake_expect_message(TS, SEND);
    struct message_payload payload = fake_payload(send, sizeof(*send));

    assert_int_equal(send->connection_index, DRAIN_INDEX);
    assert_int_equal(payload.length_bytes, strlen(text));
    assert_memory_equal(payload.bytes, text, payload.length_bytes);
}

static void tell(const struct both *both, struct splice_state state)
{
    state.header.type = SPLICE_STATE;
    state.header.length_bytes = sizeof(state);
    state.source_stream = both->source.stream_index;
    state.source_generation = both->source.generation;
    state.drain_stream = both->drain_stream;
    state.drain_generation = DRAIN_GENERATION;
    state.drain_window_bytes = WINDOW;
    fake_deliver(TS, &state.header);
    dispatch_round();
}

static void its_server_is_asked_and_nothing_is_ready_until_it_ends(void **state)
{
    struct both both = open_both("");
    uint32_t number;

    (void)state;
    assert_int_equal(splice(&both), 0);
    number = expect_order(SPLICE_BEGIN)->number;
    assert_false(is_ready(both.source.fd, POLLIN));
    assert_false(is_ready(both.drain, POLLOUT)); /* its credit is the server's now */
    assert_fails(send(both.drain, "x", 1, 0), EAGAIN);
    assert_fails(splice(&both), EBUSY);
    tell(&both,
         (struct splice_state){
             .state = SPLICE_ENDED, .bytes = 1234, .number = number, .drain_credit_bytes = 100});
    assert_true(is_ready(both.source.fd, POLLIN));
    assert_int_equal(spliced_bytes(both.source.fd), 1234);
    assert_int_equal(error_of(both.source.fd), 0);
    assert_int_equal(recv(both.source.fd, &(char){0}, 1, 0), 0);
    assert_fails(send(both.drain, "x", 1, 0), EPIPE); /* a FIN has gone there */
    close_both(both);
}

static void what_has_come_already_is_sent_first(void **state)
{
    struct both both = open_both("first");
    const struct splice_connections *order;

    (void)state;
    assert_int_equal(splice(&both), 0);
    expect_sent("first");
    order = expect_order(SPLICE_BEGIN);
    assert_int_equal(order->consumed_bytes, 5);
    close_both(both);
}

static void what_was_on_its_way_is_sent_before_the_server_is_asked_again(void **state)
{
    struct both both = open_both("");
    uint32_t number;

    (void)state;
    assert_int_equal(splice(&both), 0);
    number = expect_order(SPLICE_BEGIN)->number;
    deliver_data(both.source.stream_index, 3, "late", 4);
    assert_null(fake_take_message(TS));
    tell(&both, (struct splice_state){.state = SPLICE_HELD, .number = number});
    expect_sent("late");
    assert_int_equal(expect_order(SPLICE_BEGIN)->consumed_bytes, 4);
    assert_int_equal(spliced_bytes(both.source.fd), 4);
    close_both(both);
}

static void where_the_server_refuses_the_bytes_are_copied(void **state)
{
    struct both both = open_both("");
    const struct splice_state refused = {.state = SPLICE_REFUSED, .number = 1};
    struct splice_state answer = refused;

    (void)state;
    assert_int_equal(splice(&both), 0);
    answer.number = expect_order(SPLICE_BEGIN)->number;
    tell(&both, answer);
    deliver_data(both.source.stream_index, 3, "one", 3);
    expect_sent("one");
    assert_false(is_ready(both.source.fd, POLLIN));
    deliver_data(both.source.stream_index, 3, "two", 3);
    expect_sent("two");
    assert_int_equal(spliced_bytes(both.source.fd), 6);
    close_by_peer(both.source.stream_index, 3);
    dispatch_round();
    assert_int_equal(((const struct close *)fake_expect_message(TS, CLOSE))->kind, CLOSE_SEND_ONLY);
    assert_true(is_ready(both.source.fd, POLLIN));
    assert_int_equal(recv(both.source.fd, &(char){0}, 1, 0), 0);
    close_both(both);
}

/* The receiver's credit bounds what is taken from the sender. */
static void copies_stop_where_credit_ends_and_go_on_with_more(void **state)
{
    static char bytes[WINDOW + 500];
    struct both both = open_both("");
    const struct message *message;
    uint32_t number, sent = 0, consumed = 0;

    (void)state;
    assert_int_equal(splice(&both), 0);
    number = expect_order(SPLICE_BEGIN)->number;
    tell(&both, (struct splice_state){.state = SPLICE_REFUSED, .number = number});
    for (size_t at = 0; at < sizeof(bytes); at += 1000) {
        size_t length = sizeof(bytes) - at < 1000 ? sizeof(bytes) - at : 1000;

        deliver_data(both.source.stream_index, 3, bytes + at, length);
    }
    while ((message = fake_take_message(TS)) != NULL) {
        if (message->header.type == SEND) {
            sent += message->header.length_bytes - sizeof(struct send);
        } else if (message->header.type == CONSUMED) {
            consumed += ((const struct consumed *)message)->consumed_bytes;
        }
    }
    assert_int_equal(sent, WINDOW);
    assert_in_range(consumed, 0, WINDOW);
    give_credit(both.drain_stream, DRAIN_GENERATION, WINDOW);
    dispatch_round();
    message = fake_expect_message(TS, SEND);
    assert_int_equal(message->header.length_bytes - sizeof(struct send), 500);
    close_both(both);
}

static void a_limit_of_bytes_is_kept_and_told(void **state)
{
    struct both both = open_both("abcdef");

    (void)state;
    assert_int_equal(splice_with(&both, (struct splice){.sp_max = 4}), 0);
    expect_sent("abcd");
    assert_null(fake_take_message(TS));
    assert_true(is_ready(both.source.fd, POLLIN));
    assert_int_equal(error_of(both.source.fd), EFBIG);
    assert_int_equal(error_of(both.source.fd), 0); /* once */
    char rest[8];
    assert_int_equal(recv(both.source.fd, rest, sizeof(rest), 0), 2);
    assert_memory_equal(rest, "ef", 2);
    close_both(both);
}

static void limits_reach_the_server(void **state)
{
    struct both both = open_both("");
    const struct splice_connections *order;

    (void)state;
    assert_int_equal(splice_with(&both, (struct splice){.sp_max = 99, .sp_idle = {2, 500000}}), 0);
    order = expect_order(SPLICE_BEGIN);
    assert_int_equal(order->bytes_most, 99);
    assert_int_equal(order->idle_ms, 2500);
    tell(&both, (struct splice_state){.state = SPLICE_ENDED,
                                      .error_number = ETIMEDOUT,
                                      .number = order->number,
                                      .drain_credit_bytes = WINDOW});
    assert_true(is_ready(both.source.fd, POLLIN));
    assert_fails(recv(both.source.fd, &(char){0}, 1, 0), ETIMEDOUT);
    assert_fails(recv(both.source.fd, &(char){0}, 1, 0), EAGAIN);
    assert_true(is_ready(both.drain, POLLOUT));
    close_both(both);
}

static void without_a_drain_it_ends_and_the_source_is_read_as_before(void **state)
{
    struct both both = open_both("");
    uint32_t number;

    (void)state;
    assert_int_equal(splice(&both), 0);
    number = expect_order(SPLICE_BEGIN)->number;
    assert_int_equal(setsockopt(both.source.fd, SOL_SOCKET, SO_SPLICE, &(int){-1}, sizeof(int)), 0);
    assert_int_equal(expect_order(SPLICE_STOP)->number, number);
    tell(&both, (struct splice_state){.state = SPLICE_ENDED,
                                      .error_number = ECANCELED,
                                      .number = number,
                                      .drain_credit_bytes = 10});
    assert_int_equal(error_of(both.source.fd), 0);
    deliver_data(both.source.stream_index, 3, "mine", 4);
    assert_true(is_ready(both.source.fd, POLLIN));
    assert_int_equal(send(both.drain, "12345678901", 11, MSG_DONTWAIT), 10);
    close_both(both);
}

static void closed_source_gives_the_drain_its_credit_back(void **state)
{
    struct both both = open_both("");
    uint32_t number;

    (void)state;
    assert_int_equal(splice(&both), 0);
    number = expect_order(SPLICE_BEGIN)->number;
    assert_int_equal(close(both.source.fd), 0);
    assert_int_equal(expect_order(SPLICE_STOP)->number, number);
    (void)expect_close(CLOSE_BOTH);
    assert_fails(send(both.drain, "x", 1, 0), EAGAIN);
    tell(&both, (struct splice_state){.state = SPLICE_ENDED,
                                      .error_number = ECANCELED,
                                      .number = number,
                                      .drain_credit_bytes = 3});
    assert_int_equal(send(both.drain, "x", 1, 0), 1);
    assert_int_equal(close(both.drain), 0);
    (void)fake_expect_message(TS, SEND);
    (void)fake_expect_message(TS, CLOSE);
    close_listener(both.source.listener);
}

static void closed_drain_lets_the_source_be_read(void **state)
{
    struct both both = open_both("");
    uint32_t number;

    (void)state;
    assert_int_equal(splice(&both), 0);
    number = expect_order(SPLICE_BEGIN)->number;
    assert_int_equal(close(both.drain), 0);
    (void)expect_order(SPLICE_STOP);
    (void)fake_expect_message(TS, CLOSE);
    both.drain_stream = 0;
    tell(&both,
         (struct splice_state){.state = SPLICE_ENDED, .error_number = ECANCELED, .number = number});
    deliver_data(both.source.stream_index, 3, "mine", 4);
    assert_true(is_ready(both.source.fd, POLLIN));
    close_pair(both.source);
}

static void a_drain_that_fails_ends_it_with_its_error(void **state)
{
    struct both both = open_both("");

    (void)state;
    assert_int_equal(splice(&both), 0);
    (void)expect_order(SPLICE_BEGIN);
    fail_connection(both.drain_stream, DRAIN_GENERATION, ECONNRESET);
    dispatch_round();
    assert_true(is_ready(both.source.fd, POLLIN));
    assert_int_equal(error_of(both.source.fd), ECONNRESET);
    assert_int_equal(error_of(both.drain), ECONNRESET);
    assert_int_equal(close(both.drain), 0);
    close_pair(both.source);
}

static void answers_to_other_splices_change_nothing(void **state)
{
    struct both both = open_both("");
    uint32_t number;

    (void)state;
    assert_int_equal(splice(&both), 0);
    number = expect_order(SPLICE_BEGIN)->number;
    tell(&both, (struct splice_state){
                    .state = SPLICE_ENDED, .number = number + 1, .drain_credit_bytes = 100});
    tell(&both, (struct splice_state){.state = 9, .number = number});
    assert_false(is_ready(both.source.fd, POLLIN));
    assert_fails(send(both.drain, "x", 1, 0), EAGAIN);
    /* More credit than there is a window for: none. */
    tell(&both, (struct splice_state){.state = SPLICE_ENDED,
                                      .error_number = EFBIG,
                                      .number = number,
                                      .drain_credit_bytes = WINDOW + 1});
    assert_fails(send(both.drain, "x", 1, 0), EAGAIN);
    assert_int_equal(error_of(both.source.fd), EFBIG);
    close_both(both);
}

static void what_cannot_be_spliced_is_refused(void **state)
{
    struct both both = open_both("");
    int fresh = socket(AF_INET, SOCK_STREAM, 0);
    int datagrams = socket(AF_INET, SOCK_DGRAM, 0);
    int fd = both.source.fd;

    (void)state;
    assert_fails(setsockopt(fd, SOL_SOCKET, SO_SPLICE, &fd, sizeof(fd)), ELOOP);
    assert_fails(setsockopt(fd, SOL_SOCKET, SO_SPLICE, &fresh, sizeof(fresh)), ENOTCONN);
    assert_fails(setsockopt(fresh, SOL_SOCKET, SO_SPLICE, &fd, sizeof(fd)), ENOTCONN);
    assert_fails(setsockopt(fd, SOL_SOCKET, SO_SPLICE, &datagrams, sizeof(datagrams)),
                 EPROTONOSUPPORT);
    assert_fails(setsockopt(fd, SOL_SOCKET, SO_SPLICE, &(int){1000}, sizeof(int)), EBADF);
    assert_fails(setsockopt(fd, SOL_SOCKET, SO_SPLICE, &fd, 2), EINVAL);
    assert_fails(splice_with(&both, (struct splice){.sp_max = -1}), EINVAL);
    assert_fails(splice_with(&both, (struct splice){.sp_idle = {0, 1000000}}), EINVAL);
    assert_int_equal(spliced_bytes(fd), 0);
    assert_int_equal(close(fresh), 0);
    assert_int_equal(close(datagrams), 0);
    close_both(both);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SOCKET_TEST(its_server_is_asked_and_nothing_is_ready_until_it_ends),
        SOCKET_TEST(what_has_come_already_is_sent_first),
        SOCKET_TEST(what_was_on_its_way_is_sent_before_the_server_is_asked_again),
        SOCKET_TEST(where_the_server_refuses_the_bytes_are_copied),
        SOCKET_TEST(copies_stop_where_credit_ends_and_go_on_with_more),
        SOCKET_TEST(a_limit_of_bytes_is_kept_and_told),
        SOCKET_TEST(limits_reach_the_server),
        SOCKET_TEST(without_a_drain_it_ends_and_the_source_is_read_as_before),
        SOCKET_TEST(closed_source_gives_the_drain_its_credit_back),
        SOCKET_TEST(closed_drain_lets_the_source_be_read),
        SOCKET_TEST(a_drain_that_fails_ends_it_with_its_error),
        SOCKET_TEST(answers_to_other_splices_change_nothing),
        SOCKET_TEST(what_cannot_be_spliced_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
