/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/application_world.c tests/unit/world/fake_return.c */
/*
 * Tests net/streams/returns.c: CMs that die and come back, as an application that waits for
 * connections knows them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/message/dispatch.h"
#include "net/configuration.h"
#include "net/returning.h"
#include "net/streams/listener.h"
#include "net/streams/stream.h"
#include "tests/unit/world/application_world.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/fake_return.h"

#define BACKLOG 4

static struct stream_listener *listener;

/* It always waits. */
static void claim_again(void *owner, enum stream_listener_event event)
{
    (void)owner;
    if (event == LISTENER_CLAIMABLE) {
        stream_listener_claim(listener);
    }
}

static int start(void **state)
{
    (void)state;
    start_application_node();
    returning_start();
    streams_start();
    assert_int_equal(stream_listener_open(PORT, BACKLOG, claim_again, NULL, &listener), 0);
    expect_listen(BACKLOG);
    stream_listener_claim(listener);
    expect_place_request();
    return 0;
}

static int end(void **state)
{
    (void)state;
    stream_listener_close(listener);
    return 0;
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
    const struct listen *told;

    fake_build_again(node);
    look_at_nodes();
    told = fake_expect_message(node, LISTEN);
    assert_int_equal(told->port, PORT);
    assert_int_equal(told->backlog, BACKLOG);
}

static void expect_request_at(node_id_t cm)
{
    const struct accept_connection *request = fake_expect_message(cm, ACCEPT_CONNECTION);

    assert_int_equal(request->port, PORT);
    assert_false(request->is_renewal);
}

/* Until it says that it serves, its successor has the listener's place. */
static void a_manager_that_comes_back_is_told_of_listeners_and_then_asked_for_a_place(void **state)
{
    struct serves_again serves = {.header = {.type = SERVES_AGAIN, .length_bytes = sizeof(serves)},
                                  .role = ROLE_CM};
    node_id_t own = own_cm, other = own == 0 ? 1 : 0;
    const struct give_up_place *given_up;

    (void)state;
    kill(own);
    expect_request_at(other);
    come_back(own);
    (void)fake_expect_message(own, LISTENERS_TOLD);
    fake_expect_no_message(own);
    fake_deliver(own, &serves.header);
    look_at_nodes();
    given_up = fake_expect_message(other, GIVE_UP_PLACE);
    assert_int_equal(given_up->port, PORT);
    expect_request_at(own);
}

/* What was asked of a dead one nobody has heard: that application was on no list, for ever. */
static void a_place_that_was_asked_of_a_dead_manager_is_asked_for_again(void **state)
{
    node_id_t own = own_cm, other = own == 0 ? 1 : 0;

    (void)state;
    kill(other);
    while (fake_take_message(own) != NULL) {
    }
    kill(own);
    come_back(own);
    expect_request_at(own); /* before that is all: it serves with an acceptor */
    (void)fake_expect_message(own, LISTENERS_TOLD);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)
    const struct CMUnitTest tests[] = {
        TEST(a_manager_that_comes_back_is_told_of_listeners_and_then_asked_for_a_place),
        TEST(a_place_that_was_asked_of_a_dead_manager_is_asked_for_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
