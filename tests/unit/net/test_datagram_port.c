/* SPDX-License-Identifier: MIT */
/* sources: net/datagrams/port.c tests/unit/world/application_world.c tests/unit/world/fake_return.c */
/*
 * Tests net/datagrams/port.c: how an application gets UDP ports and gives them back, while the
 * transport servers, which the test plays, refuse, die and come back.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "net/configuration.h"
#include "net/datagrams/port.h"
#include "net/returning.h"
#include "tests/unit/world/application_world.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/fake_return.h"

#define SPEAKER 0
#define OTHER   1
#define NUMBER  5353
#define UNKNOWN 1 /* settled() was not called */

static int settled_error;
static unsigned arrived_bytes;
static uint16_t refused_port;

static void settled(void *owner, int error)
{
    (void)owner;
    assert_int_equal(settled_error, UNKNOWN); /* once */
    settled_error = error;
}

static void arrived(void *owner, const struct datagram_arrived *datagram,
                    struct message_payload payload)
{
    (void)owner;
    assert_int_equal(datagram->local_port, NUMBER);
    arrived_bytes += (unsigned)payload.length_bytes;
}

static void refused(void *owner, uint32_t remote_address, uint16_t remote_port)
{
    (void)owner;
    (void)remote_address;
    refused_port = remote_port;
}

static const struct datagram_functions functions = {settled, arrived, refused};

static int start(void **state)
{
    (void)state;
    start_application_node();
    returning_start();
    datagrams_start();
    settled_error = UNKNOWN;
    arrived_bytes = 0;
    refused_port = 0;
    return 0;
}

static struct datagram_port *open_port(uint16_t number)
{
    int error;
    struct datagram_port *port = datagram_port_open(number, &functions, NULL, &error);

    assert_non_null(port);
    assert_int_equal(error, 0);
    return port;
}

/* Returns the request's number. */
static uint32_t expect(node_id_t ts, enum bind_port_kind kind, uint16_t number)
{
    const struct bind_port *message = fake_expect_message(ts, BIND_PORT);

    assert_int_equal(message->kind, kind);
    assert_int_equal(message->port, number);
    return message->request_number;
}

static void answer(node_id_t ts, uint32_t request_number, uint32_t error_number)
{
    const struct port_bound message = {
        .header = {.type = PORT_BOUND, .length_bytes = sizeof(message)},
        .request_number = request_number,
        .error_number = error_number,
    };

    fake_deliver(ts, &message.header);
    dispatch_round();
}

static void close_port(struct datagram_port *port, uint16_t number)
{
    datagram_port_close(port);
    (void)expect(SPEAKER, BIND_PORT_FREE, number);
    (void)expect(OTHER, BIND_PORT_FREE, number);
}

static struct datagram_port *bind_port(void)
{
    struct datagram_port *port = open_port(NUMBER);

    answer(SPEAKER, expect(SPEAKER, BIND_PORT_ASK, NUMBER), 0);
    answer(OTHER, expect(OTHER, BIND_PORT_TELL, NUMBER), 0);
    assert_int_equal(settled_error, 0);
    return port;
}

static void look_at_nodes(void)
{
    for (unsigned i = 0; i < 256; i++) {
        (void)dispatch_round(); /* now and then it looks at the others' states */
    }
}

static void kill(node_id_t node)
{
    fake_set_node_state(node, NODE_DEAD);
    look_at_nodes();
}

static void come_back(node_id_t node)
{
    fake_build_again(node);
    look_at_nodes();
}

/* --- Asking --- */

static void the_speaker_decides_and_the_others_are_told_before_it_is_bound(void **state)
{
    struct datagram_port *port = open_port(NUMBER);
    uint32_t number = expect(SPEAKER, BIND_PORT_ASK, NUMBER);

    (void)state;
    fake_expect_no_message(OTHER);
    answer(OTHER, number, 0); /* who was not asked */
    answer(SPEAKER, number + 1, 0);
    assert_int_equal(settled_error, UNKNOWN);
    answer(SPEAKER, number, 0);
    number = expect(OTHER, BIND_PORT_TELL, NUMBER);
    answer(SPEAKER, number, 0); /* twice */
    assert_false(datagram_port_is_bound(port));
    answer(OTHER, number, 0);
    assert_true(datagram_port_is_bound(port));
    assert_int_equal(settled_error, 0);
    close_port(port, NUMBER);
}

static void a_port_that_is_anothers_is_refused(void **state)
{
    uint32_t number;

    (void)state;
    (void)open_port(NUMBER);
    number = expect(SPEAKER, BIND_PORT_ASK, NUMBER);
    answer(SPEAKER, number, 5); /* no such answer */
    assert_int_equal(settled_error, UNKNOWN);
    answer(SPEAKER, number, EADDRINUSE);
    assert_int_equal(settled_error, -EADDRINUSE);
    (void)expect(SPEAKER, BIND_PORT_FREE, NUMBER);
    (void)expect(OTHER, BIND_PORT_FREE, NUMBER);
}

static void one_that_cannot_be_told_to_all_is_given_back(void **state)
{
    (void)state;
    (void)open_port(NUMBER);
    answer(SPEAKER, expect(SPEAKER, BIND_PORT_ASK, NUMBER), 0);
    answer(OTHER, expect(OTHER, BIND_PORT_TELL, NUMBER), ENOMEM);
    assert_int_equal(settled_error, -ENOMEM);
    (void)expect(SPEAKER, BIND_PORT_FREE, NUMBER);
    (void)expect(OTHER, BIND_PORT_FREE, NUMBER);
}

static void our_own_second_one_and_one_without_memory_are_refused_at_once(void **state)
{
    struct datagram_port *port = bind_port();
    int error;

    (void)state;
    assert_null(datagram_port_open(NUMBER, &functions, NULL, &error));
    assert_int_equal(error, -EADDRINUSE);
    fake_fail_allocations_after(0);
    assert_null(datagram_port_open(0, &functions, NULL, &error));
    assert_int_equal(error, -ENOMEM);
    fake_fail_allocations_after(-1);
    close_port(port, NUMBER);
}

static void a_chosen_port_is_another_one_when_it_is_in_use_and_not_for_ever(void **state)
{
    struct datagram_port *port = open_port(0);
    unsigned tries = 0;

    (void)state;
    for (;;) {
        uint16_t number;
        const struct bind_port *message = (const void *)fake_take_message(SPEAKER);

        if (message == NULL) {
            break;
        }
        if (message->kind == BIND_PORT_FREE) {
            continue;
        }
        assert_int_equal(message->kind, BIND_PORT_ASK);
        number = message->port;
        assert_in_range(number, DATAGRAM_CHOSEN_PORT_FIRST,
                        DATAGRAM_CHOSEN_PORT_FIRST + DATAGRAM_CHOSEN_PORT_COUNT - 1);
        if (settled_error == UNKNOWN) {
            assert_int_equal(datagram_port_number(port), number);
        }
        tries++;
        answer(SPEAKER, message->request_number, EADDRINUSE);
    }
    assert_in_range(tries, 2, 32);
    assert_int_equal(settled_error, -EADDRINUSE);
    while (fake_take_message(OTHER) != NULL) {
    }
}

/* --- Deaths and returns --- */

static void the_next_speaker_is_asked_when_the_first_dies(void **state)
{
    struct datagram_port *port = open_port(NUMBER);
    uint32_t number = expect(SPEAKER, BIND_PORT_ASK, NUMBER);

    (void)state;
    kill(SPEAKER);
    answer(OTHER, number, 0); /* not to that question */
    assert_int_equal(settled_error, UNKNOWN);
    answer(OTHER, expect(OTHER, BIND_PORT_ASK, NUMBER), 0);
    assert_int_equal(settled_error, 0); /* there is no other */
    datagram_port_close(port);
    (void)expect(OTHER, BIND_PORT_FREE, NUMBER);
}

static void who_dies_owes_no_answer_any_more(void **state)
{
    struct datagram_port *port = open_port(NUMBER);

    (void)state;
    answer(SPEAKER, expect(SPEAKER, BIND_PORT_ASK, NUMBER), 0);
    (void)expect(OTHER, BIND_PORT_TELL, NUMBER);
    kill(OTHER);
    assert_int_equal(settled_error, 0);
    datagram_port_close(port);
    (void)expect(SPEAKER, BIND_PORT_FREE, NUMBER);
}

static void who_comes_back_is_told_of_what_is_bound(void **state)
{
    struct datagram_port *port = bind_port();

    (void)state;
    kill(OTHER);
    come_back(OTHER);
    answer(OTHER, expect(OTHER, BIND_PORT_TELL, NUMBER), 0);
    assert_true(datagram_port_is_bound(port));
    close_port(port, NUMBER);
}

static void what_nobody_lived_to_hear_is_asked_again(void **state)
{
    struct datagram_port *port;

    (void)state;
    kill(SPEAKER);
    kill(OTHER);
    port = open_port(NUMBER);
    come_back(OTHER);
    answer(OTHER, expect(OTHER, BIND_PORT_ASK, NUMBER), 0);
    assert_int_equal(settled_error, 0);
    datagram_port_close(port);
    (void)expect(OTHER, BIND_PORT_FREE, NUMBER);
}

/* --- Datagrams --- */

static void datagrams_go_by_a_living_server(void **state)
{
    const struct datagram_piece pieces[] = {{"ab", 2}, {NULL, 0}, {"cdef", 4}};
    const struct datagram_way way = {.remote_address = 0x0100000A, .remote_port = 99};
    struct datagram_port *port = bind_port();
    const struct send_datagram *sent;
    struct message_payload payload;

    (void)state;
    assert_int_equal(datagram_send(port, &way, pieces, 5), 0); /* not all of it */
    dispatch_round();
    sent = fake_expect_message(SPEAKER, SEND_DATAGRAM); /* node 2 of two servers: the first */
    payload = fake_payload(sent, sizeof(*sent));
    assert_int_equal(sent->local_port, NUMBER);
    assert_int_equal(sent->remote_port, 99);
    assert_int_equal(payload.length_bytes, 5);
    assert_memory_equal(payload.bytes, "abcde", 5);
    kill(SPEAKER);
    assert_int_equal(datagram_send(port, &way, pieces, 1), 0);
    dispatch_round();
    (void)fake_expect_message(OTHER, SEND_DATAGRAM);
    kill(OTHER);
    assert_int_equal(datagram_send(port, &way, pieces, 1), -ENETDOWN);
    datagram_port_close(port);
}

static void what_comes_is_its_ports_or_nobodys(void **state)
{
    static uint8_t much[DATAGRAM_MAX_BYTES + 1];
    struct datagram_port *port = bind_port();
    struct datagram_arrived datagram = {.header = {.type = DATAGRAM_ARRIVED}, .local_port = NUMBER};
    struct datagram_refused refusal = {
        .header = {.type = DATAGRAM_REFUSED, .length_bytes = sizeof(refusal)},
        .remote_port = 99,
        .local_port = NUMBER,
    };

    (void)state;
    fake_deliver_payload(OTHER, &datagram.header, sizeof(datagram), "abc", 3);
    fake_deliver_payload(OTHER, &datagram.header, sizeof(datagram), much, sizeof(much));
    datagram.local_port++;
    fake_deliver_payload(OTHER, &datagram.header, sizeof(datagram), "abc", 3);
    fake_deliver(OTHER, &refusal.header);
    dispatch_round();
    assert_int_equal(arrived_bytes, 3);
    assert_int_equal(refused_port, 99);
    assert_int_equal(status_own_page->counters[COUNTER_DROP_BAD_MESSAGE], 1);
    close_port(port, NUMBER);
    datagram.local_port = NUMBER;
    fake_deliver_payload(OTHER, &datagram.header, sizeof(datagram), "abc", 3);
    refusal.local_port = 0;
    fake_deliver(OTHER, &refusal.header);
    dispatch_round();
    assert_int_equal(arrived_bytes, 3);
}

#define TEST(name) CONSERVED_TEST(name, start, NULL)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_speaker_decides_and_the_others_are_told_before_it_is_bound),
        TEST(a_port_that_is_anothers_is_refused),
        TEST(one_that_cannot_be_told_to_all_is_given_back),
        TEST(our_own_second_one_and_one_without_memory_are_refused_at_once),
        TEST(a_chosen_port_is_another_one_when_it_is_in_use_and_not_for_ever),
        TEST(the_next_speaker_is_asked_when_the_first_dies),
        TEST(who_dies_owes_no_answer_any_more),
        TEST(who_comes_back_is_told_of_what_is_bound),
        TEST(what_nobody_lived_to_hear_is_asked_again),
        TEST(datagrams_go_by_a_living_server),
        TEST(what_comes_is_its_ports_or_nobodys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
