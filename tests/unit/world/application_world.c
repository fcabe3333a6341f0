/* SPDX-License-Identifier: MIT */
/* sources: net/expect.c net/handlers.c net/messages.c net/streams/listener.c net/streams/opening.c net/steering.c libc/core/command_line.c libc/core/format.c net/streams/received.c net/streams/requests.c net/streams/returns.c net/streams/grant_option.c net/streams/sending.c net/streams/splice_copy.c net/streams/splicing.c net/streams/stream.c net/streams/table.c net/streams/taken.c */
/* sources: net/configuration.c net/current_configuration.c net/placement.c net/returning.c net/draining.c tests/unit/world/fake_park.c net/streams/draining.c kernel/log.c */
/* sources: kernel/message/dispatch.c kernel/message/peers.c kernel/message/send.c kernel/message/receive.c kernel/message/poll.c kernel/message/opening.c kernel/message/watch.c kernel/message/channel.c kernel/message/status.c */
/* sources: libc/core/timer.c kernel/thread/thread.c kernel/thread/switch.S */
/* sources: tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
/*
 * The world of an application's node for unit tests: see application_world.h.
 */
#include "tests/unit/world/application_world.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/message/dispatch.h"
#include "kernel/message/peers.h"
#include "net/streams/stream.h"
#include "net/streams/table.h"
#include "tests/unit/world/fake_memory.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/thread_sanitizer.h"

struct configuration configuration;
node_id_t own_cm;

void start_application_node(void)
{
    char reason[128];

    fake_platform_reset(NODE, 4);
    dispatch_initialise();
    assert_int_equal(configuration_parse(&configuration, "pika=TS2LS2CM2 app=httpd:2", 4, reason,
                                         sizeof(reason)),
                     0);
    configuration_set_current(&configuration);
    own_cm = configuration_own_cm(&configuration, NODE);
}

/* --- What must be left --- */

static void count_stream(struct stream *stream, void *count)
{
    (void)stream;
    ++*(unsigned *)count;
}

static void run_once(const struct conserved_test *test)
{
    void *no_state = NULL;
    unsigned stream_count = 0;

    assert_true(test->set_up == NULL || test->set_up(&no_state) == 0);
    test->test(&no_state);
    assert_true(test->tear_down == NULL || test->tear_down(&no_state) == 0);
    /* What it has posted, threads that end, and time that is waited for no more. */
    fake_fail_allocations_after(-1);
    dispatch_round();
    assert_false(peers_is_own_waiting());
    stream_for_each(count_stream, &stream_count);
    assert_int_equal(stream_count, 0);
}

void run_conserved_test(void **state)
{
    const struct conserved_test *test = *state;

    run_once(test);
    unsigned blocks = fake_memory_blocks();
    unsigned threads = threads_begun();
    run_once(test);
    assert_int_equal(fake_memory_blocks(), blocks);
    assert_int_equal(threads_begun(), threads);
}

/* --- What the servers say --- */

static void make_available_with(uint32_t index, uint32_t generation, const char *data,
                                uint32_t send_window_bytes)
{
    struct connection_available message = {
        .header = {.type = CONNECTION_AVAILABLE},
        .connection_index = index,
        .generation = generation,
        .flow = {.remote_address = htonl(0x0A000001),
                 .remote_port = htons(4000),
                 .local_address = htonl(0x0A000002),
                 .local_port = htons(PORT)},
        .availability_number = 1,
        .send_window_bytes = send_window_bytes,
    };

    fake_deliver_payload(TS, &message.header, sizeof(message), data, strlen(data));
    dispatch_round();
}

void make_available(uint32_t index, uint32_t generation, const char *data)
{
    make_available_with(index, generation, data, 0);
}

void grant(uint32_t index, uint32_t generation, const char *data)
{
    make_available_with(index, generation, data, WINDOW);
}

void recall(uint32_t index, uint32_t generation)
{
    const struct recall_connection message = {
        .header = {.type = RECALL_CONNECTION, .length_bytes = sizeof(message)},
        .connection_index = index,
        .generation = generation,
        .availability_number = 1,
    };

    fake_deliver(TS, &message.header);
    dispatch_round();
}

void confirm(uint32_t index, uint32_t generation, uint32_t stream_index, const char *data)
{
    struct claim_confirmed message = {
        .header = {.type = CLAIM_CONFIRMED},
        .connection_index = index,
        .generation = generation,
        .stream_index = stream_index,
        .send_window_bytes = WINDOW,
    };

    fake_deliver_payload(TS, &message.header, sizeof(message), data, strlen(data));
    dispatch_round();
}

void deliver_data(uint32_t stream_index, uint32_t generation, const void *bytes, size_t length)
{
    struct data message = {
        .header = {.type = DATA}, .stream_index = stream_index, .generation = generation};

    fake_deliver_payload(TS, &message.header, sizeof(message), bytes, length);
    dispatch_round();
}

/* A message without payload about that stream; then a round. */
#define TELL(type_, ...)                                                                           \
    do {                                                                                           \
        __typeof__(__VA_ARGS__) message_ = __VA_ARGS__;                                            \
        message_.header =                                                                          \
            (struct message_header){.type = (type_), .length_bytes = sizeof(message_)};            \
        fake_deliver(TS, &message_.header);                                                        \
        dispatch_round();                                                                          \
    } while (0)

void reject(uint32_t index, uint32_t generation, uint32_t stream_index)
{
    TELL(CLAIM_REJECTED, (struct claim_rejected){.connection_index = index,
                                                 .generation = generation,
                                                 .stream_index = stream_index});
}

void close_by_peer(uint32_t stream_index, uint32_t generation)
{
    TELL(PEER_CLOSED, (struct peer_closed){.stream_index = stream_index, .generation = generation});
}

void fail_connection(uint32_t stream_index, uint32_t generation, uint32_t error_number)
{
    TELL(CONNECTION_FAILED, (struct connection_failed){.stream_index = stream_index,
                                                       .generation = generation,
                                                       .error_number = error_number});
}

void give_credit(uint32_t stream_index, uint32_t generation, uint32_t bytes)
{
    widen_window(stream_index, generation, bytes, WINDOW);
}

void widen_window(uint32_t stream_index, uint32_t generation, uint32_t bytes, uint32_t window_bytes)
{
    TELL(SEND_CREDIT, (struct send_credit){.stream_index = stream_index,
                                           .generation = generation,
                                           .bytes = bytes,
                                           .send_window_bytes = window_bytes});
}

/* --- What the application does --- */

int64_t send_bytes(struct stream *stream, const void *bytes, size_t length)
{
    const struct stream_piece piece = {bytes, length};
    int64_t part = stream_send(stream, &piece, length, CLOSE_NOT);
    int64_t sent = 0;

    while (part > 0) { /* as a socket does */
        sent += part;
        part = (size_t)sent < length
                   ? stream_send_rest(stream, &piece, length, (size_t)sent, CLOSE_NOT)
                   : 0;
    }
    return sent > 0 ? sent : part;
}

/* --- What it is told --- */

uint32_t expect_claim(uint32_t index, uint32_t generation)
{
    const struct claim_connection *claim = fake_expect_message(TS, CLAIM_CONNECTION);

    assert_int_equal(claim->connection_index, index);
    assert_int_equal(claim->generation, generation);
    assert_int_equal(claim->availability_number, 1);
    return claim->stream_index;
}

void expect_decline(uint32_t index, uint32_t generation)
{
    const struct decline_connection *decline = fake_expect_message(TS, DECLINE_CONNECTION);

    assert_int_equal(decline->connection_index, index);
    assert_int_equal(decline->generation, generation);
    assert_int_equal(decline->availability_number, 1);
}

/* The next message to a CM but for renewals of grants, which come as connections do. */
static const void *expect_of_cm(node_id_t cm, uint16_t type)
{
    const struct accept_connection *message;

    do {
        message = (const void *)fake_take_message(cm);
        assert_non_null(message);
    } while (message->header.type == ACCEPT_CONNECTION && message->is_renewal);
    assert_int_equal(message->header.type, type);
    return message;
}

void expect_listen(uint32_t backlog)
{
    for (unsigned i = 0; i < configuration.cm_count; i++) {
        const struct listen *told = expect_of_cm(configuration.cm[i], LISTEN);
        assert_int_equal(told->port, PORT);
        assert_int_equal(told->backlog, backlog);
    }
}

void expect_unlisten(void)
{
    for (unsigned i = 0; i < configuration.cm_count; i++) {
        const struct unlisten *told = expect_of_cm(configuration.cm[i], UNLISTEN);

        assert_int_equal(told->port, PORT);
    }
}

void expect_place_request(void)
{
    const struct accept_connection *request = expect_of_cm(own_cm, ACCEPT_CONNECTION);

    assert_int_equal(request->port, PORT);
}

const struct close *expect_close(enum close_kind kind)
{
    const struct close *message = fake_expect_message(TS, CLOSE);

    assert_int_equal(message->connection_index, 7);
    assert_int_equal(message->kind, kind);
    return message;
}
