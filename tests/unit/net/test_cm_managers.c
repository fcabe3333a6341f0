/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/cm_world.c */
/*
 * Tests net/manager/manager.c with net/manager/balance/least.c: several managers that share their
 * acceptors.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernel/message/status.h"
#include "net/counters.h"
#include "net/manager/listeners.h"
#include "tests/unit/world/cm_world.h"

/* --- Other CMs --- */

static void offers_are_sent_only_when_they_change(void **state)
{
    (void)state;
    both_apps_serve();
    nothing_more_is_sent();
    app_stops_listening(APP_B, PORT);
    nothing_more_is_sent();
    app_stops_listening(APP_A, PORT);
    other_cm_is_offered(NODE_NONE);
    nothing_more_is_sent();
}

static void without_an_acceptor_of_our_own_an_offer_is_taken(void **state)
{
    struct acceptor acceptor;

    (void)state;
    app_listens(APP_OF_OTHER, PORT, 8);
    other_cm_offers(APP_OF_OTHER);
    acceptor = connection_opens(TS_A);
    assert_int_equal(acceptor.node, APP_OF_OTHER);
    assert_int_equal(acceptor.listener_index, 7);
    assert_int_equal(acceptor.cm, OTHER_CM);
    assert_int_equal(acceptor.assigned_by, OUR_CM);
    assert_int_equal(counters[COUNTER_CM_ASSIGNED_REMOTE], 1);
    assert_int_equal(counters[COUNTER_CM_ASSIGNED], 0);
    one_app_serves(APP_A);
    assert_int_equal(connection_opens(TS_A).node, APP_A);
}

static void an_offer_ends_the_wait(void **state)
{
    (void)state;
    app_listens(APP_A, PORT, 8);
    offer_times_out(TS_B, nobody, 5);
    nothing_more_is_sent();
    other_cm_offers(APP_OF_OTHER);
    connection_is_reassigned(TS_B, 5, APP_OF_OTHER);
}

static void a_withdrawn_offer_is_not_taken(void **state)
{
    (void)state;
    app_listens(APP_OF_OTHER, PORT, 8);
    other_cm_offers(APP_OF_OTHER);
    other_cm_offers(NODE_NONE);
    assert_int_equal(connection_opens(TS_A).node, NODE_NONE);
}

/* LISTEN and OFFER come by different channels. */
static void an_offer_may_overtake_the_applications_listen(void **state)
{
    (void)state;
    other_cm_offers(APP_OF_OTHER);
    assert_int_equal(connection_opens(TS_A).node, APP_OF_OTHER);
    other_cm_offers(NODE_NONE);
    assert_null(listener_find(PORT));
    other_cm_offers(NODE_NONE);
    assert_null(listener_find(PORT));
    assert_int_equal(counters[COUNTER_DROP_BAD_MESSAGE], 0);
}

/* What another CM assigned to our application was never counted here. */
static void a_close_of_a_connection_that_another_cm_assigned_is_not_counted(void **state)
{
    const struct acceptor acceptor = {
        .node = APP_A, .listener_index = 7, .cm = OUR_CM, .assigned_by = OTHER_CM};

    (void)state;
    one_app_serves(APP_A);
    (void)connection_opens(TS_A);
    connection_closes(TS_A, acceptor);
    assert_int_equal(listener_find(PORT)->applications->outstanding, 1);
    /* But a claim that did not come says as much as any. */
    offer_times_out(TS_A, acceptor, 1);
    other_cm_is_offered(NODE_NONE);
    assert_int_equal(listener_find(PORT)->applications->outstanding, 1);
    assert_null(listener_find(PORT)->first_acceptor);
}

static void offers_of_several_managers_take_turns(void **state)
{
    char reason[64];
    static const node_id_t order[] = {1, 2, 3, 1};

    (void)state;
    assert_int_equal(configuration_parse(&configuration, "pika=TS4LS4CM4 app=httpd:4", 8, reason,
                                         sizeof(reason)),
                     0);
    for (node_id_t cm = 1; cm < 4; cm++) {
        DELIVER(cm, OFFER,
                (struct offer){.acceptor = {.node = (node_id_t)(4 + cm), .cm = cm}, .port = PORT});
    }
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(connection_opens(TS_A).cm, order[i]);
    }
    for (node_id_t cm = 1; cm < 4; cm++) {
        tell_node_down(cm);
    }
    assert_null(listener_find(PORT));
}

/* --- Two CMs, each in a process of its own, as each has a node of its own --- */

struct delivery {
    node_id_t from;
    struct sent_message message;
};

static void run_other_manager(int wire)
{
    struct delivery delivery;

    this_node = OTHER_CM;
    while (read(wire, &delivery, sizeof(delivery)) == sizeof(delivery)) {
        sent_count = 0;
        handlers[delivery.message.header.type].handler(
            delivery.from, (const struct message *)delivery.message.bytes);
        if (write(wire, &sent_count, sizeof(sent_count)) < 0 ||
            write(wire, sent, sent_count * sizeof(sent[0])) < 0) {
            _exit(1);
        }
    }
    _exit(0);
}

/* Deliver a message to the other CM; what it sends goes to ours or is left for the caller. */
static unsigned deliver_to_other(int wire, node_id_t from, const struct message_header *message,
                                 struct sent_message *answers)
{
    struct delivery delivery = {.from = from};
    unsigned count, left = 0;

    memcpy(delivery.message.bytes, message, message->length_bytes);
    assert_int_equal(write(wire, &delivery, sizeof(delivery)), sizeof(delivery));
    assert_int_equal(read(wire, &count, sizeof(count)), sizeof(count));
    for (unsigned i = 0; i < count; i++) {
        struct sent_message answer;

        assert_int_equal(recv(wire, &answer, sizeof(answer), MSG_WAITALL), sizeof(answer));
        if (answer.header.type == OFFER) {
            assert_int_equal(answer.to, OUR_CM);
            deliver(OTHER_CM, &answer.header, OFFER, answer.header.length_bytes);
        } else {
            answers[left++] = answer;
        }
    }
    return left;
}

/* Our connections go to the other CM's application while it accepts; when it does not claim one,
 * the other CM drops it, withdraws its offer, and takes up ours. */
static void two_managers_share_their_acceptors(void **state)
{
    struct sent_message answers[8];
    struct accept_timeout timeout = {
        .header = {.type = ACCEPT_TIMEOUT, .length_bytes = sizeof(timeout)},
        .connection_index = 11,
        .generation = 111,
        .port = PORT,
    };
    const struct listen listen = {
        .header = {.type = LISTEN, .length_bytes = sizeof(listen)},
        .port = PORT,
        .listener_index = 7,
        .backlog = 4,
    };
    const struct accept_connection accept = {
        .header = {.type = ACCEPT_CONNECTION, .length_bytes = sizeof(accept)},
        .port = PORT,
        .listener_index = 7,
    };
    int wires[2], status;
    pid_t other;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, wires), 0);
    other = fork();
    assert_true(other >= 0);
    if (other == 0) {
        close(wires[0]);
        run_other_manager(wires[1]);
    }
    close(wires[1]);

    /* Both CMs hear of both listeners. */
    app_listens(APP_A, PORT, 4);
    app_listens(APP_OF_OTHER, PORT, 4);
    assert_int_equal(deliver_to_other(wires[0], APP_A, &listen.header, answers), 0);
    assert_int_equal(deliver_to_other(wires[0], APP_OF_OTHER, &listen.header, answers), 0);
    assert_int_equal(deliver_to_other(wires[0], APP_OF_OTHER, &accept.header, answers), 0);

    syn_arrives(0, TS_A, PORT);
    timeout.acceptor = assigned_to(TS_A);
    assert_int_equal(timeout.acceptor.node, APP_OF_OTHER);
    assert_int_equal(timeout.acceptor.cm, OTHER_CM);

    /* The claim does not come. Nobody accepts now: the connection waits at the other CM. */
    assert_int_equal(deliver_to_other(wires[0], TS_A, &timeout.header, answers), 0);
    assert_int_equal(connection_opens(TS_A).node, NODE_NONE);

    /* Our application accepts; our offer reaches the other CM, which hands over who waits. */
    app_accepts(APP_A, PORT);
    const struct sent_message *our_offer = next_sent(OTHER_CM, OFFER);

    assert_int_equal(deliver_to_other(wires[0], OUR_CM, &our_offer->header, answers), 1);
    assert_int_equal(answers[0].to, TS_A);
    assert_int_equal(answers[0].header.type, REASSIGN_CONNECTION);
    assert_int_equal(answers[0].reassign.connection_index, 11);
    assert_int_equal(answers[0].reassign.acceptor.node, APP_A);
    assert_int_equal(answers[0].reassign.acceptor.cm, OUR_CM);
    assert_int_equal(answers[0].reassign.acceptor.assigned_by, OTHER_CM);

    close(wires[0]);
    assert_int_equal(waitpid(other, &status, 0), other);
    assert_int_equal(status, 0);
}

#define TEST(name) cmocka_unit_test_setup(name, start_anew)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(offers_are_sent_only_when_they_change),
        TEST(without_an_acceptor_of_our_own_an_offer_is_taken),
        TEST(an_offer_ends_the_wait),
        TEST(a_withdrawn_offer_is_not_taken),
        TEST(an_offer_may_overtake_the_applications_listen),
        TEST(a_close_of_a_connection_that_another_cm_assigned_is_not_counted),
        TEST(offers_of_several_managers_take_turns),
        TEST(two_managers_share_their_acceptors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
