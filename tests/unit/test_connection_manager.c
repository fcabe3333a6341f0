/* SPDX-License-Identifier: MIT */
/* sources: net/connection_manager.c net/listeners.c net/waiting.c net/balance.c */
/* sources: net/configuration.c kernel/command_line.c kernel/format.c */
/*
 * Tests net/connection_manager.c with listeners.c, waiting.c and balance.c. The test is the rest
 * of the system: it calls the CM's handlers with messages and looks at what the CM sends.
 *
 * Nodes 0 and 1 are composite servers, 2 to 5 run applications; the CM under test is node 0's,
 * so 2 and 4 are its own applications, and 3 and 5 those of node 1's CM.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernel/dispatch.h"
#include "kernel/log.h"
#include "kernel/platform.h"
#include "kernel/status.h"
#include "net/configuration.h"
#include "net/connection_manager.h"
#include "net/listeners.h"
#include "net/messages.h"
#include "net/waiting.h"

#define NODE_COUNT   6
#define OUR_CM       0
#define OTHER_CM     1
#define TS_A         0
#define TS_B         1
#define APP_A        2 /* own CM: ours */
#define APP_B        4
#define APP_OF_OTHER 3
#define PORT         80

/* --- What the CM asks of its node --- */

#define SENT_MAX 8192

struct sent_message {
    node_id_t to;
    union {
        struct message_header header;
        struct assign_connection assign;
        struct reassign_connection reassign;
        struct offer offer;
        uint8_t bytes[256];
    };
};

static struct sent_message sent[SENT_MAX];
static unsigned sent_count, seen_count;
static int send_result;
static node_id_t this_node = OUR_CM;
static struct status_page status_page;
struct status_page *status_own_page = &status_page;
static uint64_t *const counters = status_page.counters;
static struct {
    size_t minimum_bytes;
    message_handler handler;
} handlers[MESSAGE_TYPE_MAX];
static void (*tell_node_down)(node_id_t node);
static struct configuration configuration;

node_id_t platform_node(void)
{
    return this_node;
}

void platform_panic(const char *file, int line, const char *format, ...)
{
    (void)format;
    fprintf(stderr, "panic at %s:%d\n", file, line);
    abort();
}

void status_initialise(void)
{
}

void log_write(enum log_level level, const char *subsystem, const char *format, ...)
{
    (void)level;
    (void)subsystem;
    (void)format;
}

void dispatch_register_message(uint16_t type, size_t minimum_bytes, message_handler handler)
{
    handlers[type].minimum_bytes = minimum_bytes;
    handlers[type].handler = handler;
}

void dispatch_register_node_down(void (*node_down)(node_id_t node))
{
    tell_node_down = node_down;
}

void status_set_balance(const char *text)
{
    assert_true(strlen(text) < STATUS_BALANCE_BYTES);
}

int message_send_payload(node_id_t to, struct message_header *message, size_t header_bytes,
                         const void *payload, size_t payload_bytes)
{
    struct sent_message *slot = &sent[sent_count];

    if (send_result != 0) {
        return send_result;
    }
    assert_true(sent_count < SENT_MAX);
    assert_true(header_bytes + payload_bytes <= sizeof(slot->bytes));
    slot->to = to;
    memcpy(slot->bytes, message, header_bytes);
    memcpy(slot->bytes + header_bytes, payload, payload_bytes);
    slot->header.length_bytes = (uint16_t)(header_bytes + payload_bytes);
    sent_count++;
    return 0;
}

void message_post(node_id_t to, const struct message_header *message)
{
    struct sent_message *slot = &sent[sent_count++];

    assert_true(sent_count <= SENT_MAX);
    slot->to = to;
    memcpy(slot->bytes, message, message->length_bytes);
}

/* --- The rest of the system --- */

static void deliver(node_id_t from, struct message_header *message, uint16_t type, size_t bytes)
{
    message->type = type;
    message->length_bytes = (uint16_t)bytes;
    assert_non_null(handlers[type].handler);
    assert_true(bytes >= handlers[type].minimum_bytes);
    handlers[type].handler(from, (const struct message *)message);
}

#define DELIVER(from, type, ...)                                                                   \
    do {                                                                                           \
        __typeof__(__VA_ARGS__) message_ = __VA_ARGS__;                                            \
        deliver(from, &message_.header, type, sizeof(message_));                                   \
    } while (0)

static void app_listens(node_id_t app, uint16_t port, uint32_t backlog)
{
    DELIVER(app, LISTEN, (struct listen){.port = port, .listener_index = 7, .backlog = backlog});
}

static void app_stops_listening(node_id_t app, uint16_t port)
{
    DELIVER(app, UNLISTEN, (struct unlisten){.port = port, .listener_index = 7});
}

static void app_accepts(node_id_t app, uint16_t port)
{
    DELIVER(app, ACCEPT_CONNECTION, (struct accept_connection){.port = port, .listener_index = 7});
}

static const uint8_t syn_frame[] = "a SYN as it came from the wire";

static void syn_arrives(node_id_t ls, node_id_t ts, uint16_t port)
{
    uint8_t buffer[sizeof(struct syn_arrived) + sizeof(syn_frame)] __attribute__((aligned(8)));
    struct syn_arrived *syn = (struct syn_arrived *)buffer;

    *syn = (struct syn_arrived){
        .flow = {.remote_address = 0x0200000A, .local_port = __builtin_bswap16(port)},
        .ts = ts,
        .frame_flags = 5,
    };
    memcpy(syn->frame, syn_frame, sizeof(syn_frame));
    deliver(ls, &syn->header, SYN_ARRIVED, sizeof(buffer));
}

static void offer_times_out(node_id_t ts, struct acceptor acceptor, uint32_t connection_index)
{
    DELIVER(ts, ACCEPT_TIMEOUT,
            (struct accept_timeout){.connection_index = connection_index,
                                    .generation = connection_index + 100,
                                    .acceptor = acceptor,
                                    .port = PORT});
}

static void connection_closes(node_id_t ts, struct acceptor acceptor)
{
    DELIVER(ts, CONNECTION_CLOSED,
            (struct connection_closed){.acceptor = acceptor, .port = PORT, .service_ns = 1000});
}

static void other_cm_offers(node_id_t app)
{
    DELIVER(OTHER_CM, OFFER,
            (struct offer){.acceptor = {.node = app, .listener_index = 7, .cm = OTHER_CM},
                           .port = PORT});
}

static struct sent_message *next_sent(node_id_t to, uint16_t type)
{
    struct sent_message *message = &sent[seen_count++];

    assert_true(seen_count <= sent_count);
    assert_int_equal(message->header.type, type);
    assert_int_equal(message->to, to);
    return message;
}

static void nothing_more_is_sent(void)
{
    assert_int_equal(sent_count, seen_count);
}

static struct acceptor assigned_to(node_id_t ts)
{
    return next_sent(ts, ASSIGN_CONNECTION)->assign.acceptor;
}

static void other_cm_is_offered(node_id_t app)
{
    const struct offer *offer = &next_sent(OTHER_CM, OFFER)->offer;

    assert_int_equal(offer->acceptor.node, app);
    assert_int_equal(offer->acceptor.cm, OUR_CM);
    assert_int_equal(offer->port, PORT);
}

static void connection_is_reassigned(node_id_t ts, uint32_t connection_index, node_id_t app)
{
    const struct reassign_connection *reassign = &next_sent(ts, REASSIGN_CONNECTION)->reassign;

    assert_int_equal(reassign->connection_index, connection_index);
    assert_int_equal(reassign->generation, connection_index + 100);
    assert_int_equal(reassign->acceptor.node, app);
    assert_int_equal(reassign->port, PORT);
    assert_int_equal(reassign->is_refused, 0);
}

static void connection_is_refused(node_id_t ts, uint32_t connection_index)
{
    const struct reassign_connection *reassign = &next_sent(ts, REASSIGN_CONNECTION)->reassign;

    assert_int_equal(reassign->connection_index, connection_index);
    assert_int_equal(reassign->acceptor.node, NODE_NONE);
    assert_int_equal(reassign->is_refused, 1);
}

static const struct acceptor nobody = {.node = NODE_NONE, .cm = OUR_CM, .assigned_by = OUR_CM};

/* One application of ours on the acceptor list, and the other CM told. */
static void one_app_serves(node_id_t app)
{
    app_listens(app, PORT, 8);
    app_accepts(app, PORT);
    other_cm_is_offered(app);
}

/* Every table is empty again after each test: whoever was there has died. */
static int start_anew(void **state)
{
    char reason[64];

    (void)state;
    this_node = OUR_CM;
    send_result = 0;
    if (configuration_parse(&configuration, "pika=TS2LS2CM2 app=httpd:4", NODE_COUNT, reason,
                            sizeof(reason)) != 0) {
        return -1;
    }
    connection_manager_start(&configuration);
    for (node_id_t node = 1; node < NODE_COUNT; node++) {
        tell_node_down(node);
    }
    tell_node_down(OUR_CM);
    sent_count = 0;
    seen_count = 0;
    memset(counters, 0, sizeof(status_page.counters));
    return listener_after(NULL) == NULL ? 0 : -1;
}

/* --- Opening --- */

static void a_syn_goes_to_the_acceptor_with_its_frame(void **state)
{
    (void)state;
    one_app_serves(APP_A);
    syn_arrives(0, TS_B, PORT);

    const struct sent_message *message = next_sent(TS_B, ASSIGN_CONNECTION);

    assert_int_equal(message->assign.acceptor.node, APP_A);
    assert_int_equal(message->assign.acceptor.listener_index, 7);
    assert_int_equal(message->assign.acceptor.cm, OUR_CM);
    assert_int_equal(message->assign.acceptor.assigned_by, OUR_CM);
    assert_int_equal(message->assign.is_refused, 0);
    assert_int_equal(message->assign.frame_flags, 5);
    assert_int_equal(message->assign.flow.remote_address, 0x0200000A);
    assert_int_equal(message->header.length_bytes,
                     sizeof(struct assign_connection) + sizeof(syn_frame));
    assert_memory_equal(message->assign.frame, syn_frame, sizeof(syn_frame));
    assert_int_equal(counters[COUNTER_CM_ASSIGNED], 1);
    nothing_more_is_sent();
}

static void a_syn_for_a_port_that_nobody_serves_is_refused(void **state)
{
    (void)state;
    one_app_serves(APP_A);
    syn_arrives(0, TS_A, PORT + 1);

    const struct sent_message *message = next_sent(TS_A, ASSIGN_CONNECTION);

    assert_int_equal(message->assign.is_refused, 1);
    assert_int_equal(message->assign.acceptor.node, NODE_NONE);
    assert_memory_equal(message->assign.frame, syn_frame, sizeof(syn_frame));
    assert_int_equal(counters[COUNTER_CM_ASSIGNED], 0);
}

static void equal_acceptors_take_turns(void **state)
{
    (void)state;
    one_app_serves(APP_A);
    app_listens(APP_B, PORT, 8);
    app_accepts(APP_B, PORT);
    nothing_more_is_sent();
    for (unsigned i = 0; i < 4; i++) {
        syn_arrives(0, TS_A, PORT);
        assert_int_equal(assigned_to(TS_A).node, i % 2 == 0 ? APP_A : APP_B);
    }
}

static void the_acceptor_with_fewer_open_connections_is_chosen(void **state)
{
    struct acceptor acceptors[4];

    (void)state;
    one_app_serves(APP_A);
    app_listens(APP_B, PORT, 8);
    app_accepts(APP_B, PORT);
    for (unsigned i = 0; i < 4; i++) {
        syn_arrives(0, TS_A, PORT);
        acceptors[i] = assigned_to(TS_A);
    }
    /* B closes both of its own, so the next two are B's. */
    connection_closes(TS_A, acceptors[1]);
    connection_closes(TS_A, acceptors[3]);
    for (unsigned i = 0; i < 2; i++) {
        syn_arrives(0, TS_A, PORT);
        assert_int_equal(assigned_to(TS_A).node, APP_B);
    }
    syn_arrives(0, TS_A, PORT);
    syn_arrives(0, TS_A, PORT);
    assert_int_not_equal(assigned_to(TS_A).node, assigned_to(TS_A).node);
}

static void an_application_that_only_listens_is_not_an_acceptor(void **state)
{
    (void)state;
    app_listens(APP_A, PORT, 8);
    syn_arrives(0, TS_A, PORT);

    const struct sent_message *message = next_sent(TS_A, ASSIGN_CONNECTION);

    assert_int_equal(message->assign.acceptor.node, NODE_NONE);
    assert_int_equal(message->assign.acceptor.cm, OUR_CM);
    assert_int_equal(message->assign.is_refused, 0);
    nothing_more_is_sent();
}

static void accepting_twice_changes_nothing(void **state)
{
    (void)state;
    one_app_serves(APP_A);
    app_accepts(APP_A, PORT);
    nothing_more_is_sent();
    app_listens(APP_B, PORT, 8);
    app_accepts(APP_B, PORT);
    app_accepts(APP_A, PORT);
    syn_arrives(0, TS_A, PORT);
    syn_arrives(0, TS_A, PORT);
    assert_int_equal(assigned_to(TS_A).node, APP_A);
    assert_int_equal(assigned_to(TS_A).node, APP_B);
}

/* The peer sends its SYN again, and the turn then counts once. */
static void a_full_channel_drops_the_syn_and_counts_no_connection(void **state)
{
    (void)state;
    one_app_serves(APP_A);
    send_result = -EAGAIN;
    syn_arrives(0, TS_A, PORT);
    send_result = 0;
    nothing_more_is_sent();
    assert_int_equal(counters[COUNTER_DROP_CHANNEL_FULL], 1);
    assert_int_equal(counters[COUNTER_CM_ASSIGNED], 0);
    assert_int_equal(listener_find(PORT)->first_acceptor->outstanding, 0);
}

static void ports_are_served_apart(void **state)
{
    (void)state;
    one_app_serves(APP_A);
    app_listens(APP_B, PORT + 64, 8); /* the same place in the hash */
    app_accepts(APP_B, PORT + 64);
    (void)next_sent(OTHER_CM, OFFER);
    syn_arrives(0, TS_A, PORT);
    syn_arrives(0, TS_A, PORT + 64);
    assert_int_equal(assigned_to(TS_A).node, APP_A);
    assert_int_equal(assigned_to(TS_A).node, APP_B);
    app_stops_listening(APP_A, PORT);
    assert_null(listener_find(PORT));
    assert_non_null(listener_find(PORT + 64));
}

/* --- Claims that come late --- */

static void an_unclaimed_connection_goes_to_another_acceptor(void **state)
{
    struct acceptor acceptor;

    (void)state;
    one_app_serves(APP_A);
    app_listens(APP_B, PORT, 8);
    app_accepts(APP_B, PORT);
    syn_arrives(0, TS_A, PORT);
    acceptor = assigned_to(TS_A);
    assert_int_equal(acceptor.node, APP_A);
    offer_times_out(TS_A, acceptor, 3);
    other_cm_is_offered(APP_B);
    connection_is_reassigned(TS_A, 3, APP_B);
    /* A is off the list until it asks again. */
    syn_arrives(0, TS_A, PORT);
    syn_arrives(0, TS_A, PORT);
    assert_int_equal(assigned_to(TS_A).node, APP_B);
    assert_int_equal(assigned_to(TS_A).node, APP_B);
    app_accepts(APP_A, PORT);
    syn_arrives(0, TS_A, PORT);
    assert_int_equal(assigned_to(TS_A).node, APP_A);
    nothing_more_is_sent();
}

static void a_timed_out_offer_no_longer_counts_as_open(void **state)
{
    struct acceptor acceptor;

    (void)state;
    one_app_serves(APP_A);
    syn_arrives(0, TS_A, PORT);
    acceptor = assigned_to(TS_A);
    assert_int_equal(listener_find(PORT)->applications->outstanding, 1);
    offer_times_out(TS_A, acceptor, 3);
    assert_int_equal(listener_find(PORT)->applications->outstanding, 0);
    other_cm_is_offered(NODE_NONE);
    nothing_more_is_sent();
}

/* ACCEPT_CONNECTION and ACCEPT_TIMEOUT come by different channels: an application that found its
 * backlog full may ask again before the offer that it did not claim times out. */
static void who_asks_again_before_the_timeout_stays_on_the_list(void **state)
{
    struct accept_connection again = {.port = PORT, .listener_index = 7, .request_number = 1};
    struct acceptor first, second;

    (void)state;
    one_app_serves(APP_A);
    syn_arrives(0, TS_A, PORT);
    first = assigned_to(TS_A);
    DELIVER(APP_A, ACCEPT_CONNECTION, again);
    other_cm_is_offered(APP_A); /* with the new request's number */
    offer_times_out(TS_A, first, 3);
    connection_is_reassigned(TS_A, 3, APP_A);
    syn_arrives(0, TS_A, PORT);
    second = assigned_to(TS_A);
    assert_int_equal(second.node, APP_A);
    assert_int_equal(second.request_number, 1);
    /* One that was assigned since then and not claimed: now it is dropped. */
    offer_times_out(TS_A, second, 4);
    other_cm_is_offered(NODE_NONE);
    nothing_more_is_sent();
}

static void without_acceptors_connections_wait_in_order(void **state)
{
    (void)state;
    app_listens(APP_A, PORT, 8);
    for (uint32_t i = 0; i < 3; i++) {
        offer_times_out(i % 2 == 0 ? TS_A : TS_B, nobody, i);
    }
    nothing_more_is_sent();
    assert_int_equal(counters[COUNTER_CM_QUEUED], 3);
    app_accepts(APP_A, PORT);
    other_cm_is_offered(APP_A);
    connection_is_reassigned(TS_A, 0, APP_A);
    connection_is_reassigned(TS_B, 1, APP_A);
    connection_is_reassigned(TS_A, 2, APP_A);
    nothing_more_is_sent();
    assert_int_equal(counters[COUNTER_CM_ASSIGNED], 3);
    assert_int_equal(listener_find(PORT)->applications->outstanding, 3);
}

static void more_than_the_backlogs_do_not_wait(void **state)
{
    (void)state;
    app_listens(APP_A, PORT, 1);
    app_listens(APP_B, PORT, 2);
    for (uint32_t i = 0; i < 3; i++) {
        offer_times_out(TS_A, nobody, i);
    }
    nothing_more_is_sent();
    offer_times_out(TS_A, nobody, 3);
    connection_is_refused(TS_A, 3);
    assert_int_equal(counters[COUNTER_DROP_NO_MEMORY], 1);
    /* A larger backlog, told later, makes room. */
    app_listens(APP_A, PORT, 2);
    offer_times_out(TS_A, nobody, 4);
    nothing_more_is_sent();
}

static void the_pool_of_those_who_wait_is_bounded(void **state)
{
    (void)state;
    app_listens(APP_A, PORT, UINT32_MAX);
    for (uint32_t i = 0; i < WAITING_MAX; i++) {
        offer_times_out(TS_A, nobody, i);
    }
    nothing_more_is_sent();
    offer_times_out(TS_A, nobody, WAITING_MAX);
    connection_is_refused(TS_A, WAITING_MAX);
    app_accepts(APP_A, PORT);
    other_cm_is_offered(APP_A);
    for (uint32_t i = 0; i < WAITING_MAX; i++) {
        connection_is_reassigned(TS_A, i, APP_A);
    }
    offer_times_out(TS_A, nobody, 1);
    connection_is_reassigned(TS_A, 1, APP_A);
}

static void a_timeout_for_a_port_nobody_serves_any_more_is_refused(void **state)
{
    struct acceptor acceptor;

    (void)state;
    one_app_serves(APP_A);
    syn_arrives(0, TS_A, PORT);
    acceptor = assigned_to(TS_A);
    app_stops_listening(APP_A, PORT);
    other_cm_is_offered(NODE_NONE);
    offer_times_out(TS_A, acceptor, 3);
    connection_is_refused(TS_A, 3);
}

static void unlistening_gives_unclaimed_connections_to_others(void **state)
{
    struct acceptor acceptor;

    (void)state;
    one_app_serves(APP_A);
    app_listens(APP_B, PORT, 8);
    syn_arrives(0, TS_A, PORT);
    acceptor = assigned_to(TS_A);
    app_stops_listening(APP_A, PORT);
    other_cm_is_offered(NODE_NONE);
    offer_times_out(TS_A, acceptor, 3);
    nothing_more_is_sent();
    app_accepts(APP_B, PORT);
    other_cm_is_offered(APP_B);
    connection_is_reassigned(TS_A, 3, APP_B);
}

static void the_last_to_unlisten_refuses_those_who_wait(void **state)
{
    (void)state;
    app_listens(APP_A, PORT, 8);
    app_listens(APP_B, PORT, 8);
    offer_times_out(TS_A, nobody, 1);
    offer_times_out(TS_B, nobody, 2);
    app_stops_listening(APP_A, PORT);
    nothing_more_is_sent();
    app_stops_listening(APP_B, PORT);
    connection_is_refused(TS_A, 1);
    connection_is_refused(TS_B, 2);
    assert_null(listener_find(PORT));
}

/* An application that left and came back owes nothing for what it had before. */
static void closes_from_before_an_unlisten_are_not_counted(void **state)
{
    struct acceptor acceptor;

    (void)state;
    one_app_serves(APP_A);
    syn_arrives(0, TS_A, PORT);
    acceptor = assigned_to(TS_A);
    app_stops_listening(APP_A, PORT);
    other_cm_is_offered(NODE_NONE);
    connection_closes(TS_A, acceptor);
    one_app_serves(APP_A);
    connection_closes(TS_A, acceptor);
    assert_int_equal(listener_find(PORT)->applications->outstanding, 0);
    assert_int_equal(counters[COUNTER_DROP_BAD_MESSAGE], 0);
}

/* --- Other CMs --- */

static void offers_are_sent_only_when_they_change(void **state)
{
    (void)state;
    one_app_serves(APP_A);
    app_listens(APP_B, PORT, 8);
    app_accepts(APP_B, PORT);
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
    syn_arrives(0, TS_A, PORT);
    acceptor = assigned_to(TS_A);
    assert_int_equal(acceptor.node, APP_OF_OTHER);
    assert_int_equal(acceptor.listener_index, 7);
    assert_int_equal(acceptor.cm, OTHER_CM);
    assert_int_equal(acceptor.assigned_by, OUR_CM);
    assert_int_equal(counters[COUNTER_CM_ASSIGNED_REMOTE], 1);
    assert_int_equal(counters[COUNTER_CM_ASSIGNED], 0);
    one_app_serves(APP_A);
    syn_arrives(0, TS_A, PORT);
    assert_int_equal(assigned_to(TS_A).node, APP_A);
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
    syn_arrives(0, TS_A, PORT);
    assert_int_equal(assigned_to(TS_A).node, NODE_NONE);
}

/* LISTEN and OFFER come by different channels. */
static void an_offer_may_overtake_the_applications_listen(void **state)
{
    (void)state;
    other_cm_offers(APP_OF_OTHER);
    syn_arrives(0, TS_A, PORT);
    assert_int_equal(assigned_to(TS_A).node, APP_OF_OTHER);
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
    syn_arrives(0, TS_A, PORT);
    (void)assigned_to(TS_A);
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
        syn_arrives(0, TS_A, PORT);
        assert_int_equal(assigned_to(TS_A).cm, order[i]);
    }
    for (node_id_t cm = 1; cm < 4; cm++) {
        tell_node_down(cm);
    }
    assert_null(listener_find(PORT));
}

/* --- Dead nodes --- */

static void a_dead_application_is_forgotten(void **state)
{
    (void)state;
    one_app_serves(APP_A);
    app_listens(APP_B, PORT, 8);
    app_accepts(APP_B, PORT);
    tell_node_down(APP_A);
    other_cm_is_offered(APP_B);
    for (unsigned i = 0; i < 3; i++) {
        syn_arrives(0, TS_A, PORT);
        assert_int_equal(assigned_to(TS_A).node, APP_B);
    }
    tell_node_down(APP_B);
    other_cm_is_offered(NODE_NONE);
    assert_null(listener_find(PORT));
    nothing_more_is_sent();
}

static void an_unclaimed_offer_to_a_dead_application_is_reassigned(void **state)
{
    struct acceptor acceptor;

    (void)state;
    one_app_serves(APP_A);
    app_listens(APP_B, PORT, 8);
    app_accepts(APP_B, PORT);
    syn_arrives(0, TS_A, PORT);
    acceptor = assigned_to(TS_A);
    tell_node_down(APP_A);
    other_cm_is_offered(APP_B);
    offer_times_out(TS_A, acceptor, 9);
    connection_is_reassigned(TS_A, 9, APP_B);
}

static void the_offers_of_a_dead_manager_are_withdrawn(void **state)
{
    (void)state;
    app_listens(APP_A, PORT, 8);
    other_cm_offers(APP_OF_OTHER);
    tell_node_down(OTHER_CM);
    syn_arrives(0, TS_A, PORT);
    assert_int_equal(assigned_to(TS_A).node, NODE_NONE);
}

static void an_offer_of_a_dead_application_is_withdrawn(void **state)
{
    (void)state;
    app_listens(APP_A, PORT, 8);
    other_cm_offers(APP_OF_OTHER);
    tell_node_down(APP_OF_OTHER);
    syn_arrives(0, TS_A, PORT);
    assert_int_equal(assigned_to(TS_A).node, NODE_NONE);
}

static void connections_of_a_dead_ts_neither_wait_nor_count(void **state)
{
    struct listening_application *application;

    (void)state;
    app_listens(APP_A, PORT, 8);
    offer_times_out(TS_A, nobody, 1);
    offer_times_out(TS_B, nobody, 2);
    offer_times_out(TS_A, nobody, 3);
    offer_times_out(TS_B, nobody, 4);
    tell_node_down(TS_B);
    app_accepts(APP_A, PORT);
    other_cm_is_offered(APP_A);
    connection_is_reassigned(TS_A, 1, APP_A);
    connection_is_reassigned(TS_A, 3, APP_A);
    nothing_more_is_sent();
    syn_arrives(0, TS_B, PORT);
    syn_arrives(0, TS_B, PORT);
    application = listener_find(PORT)->applications;
    assert_int_equal(application->outstanding, 4);
    tell_node_down(TS_B);
    assert_int_equal(application->outstanding, 2);
}

/* --- Messages that cannot be right --- */

static void assert_refused_messages(unsigned count)
{
    assert_int_equal(counters[COUNTER_DROP_BAD_MESSAGE], count);
    nothing_more_is_sent();
}

static void messages_from_nodes_without_the_role_are_refused(void **state)
{
    const struct acceptor ours = {
        .node = APP_A, .listener_index = 7, .cm = OUR_CM, .assigned_by = OUR_CM};

    (void)state;
    one_app_serves(APP_A);
    app_listens(TS_B, PORT, 8);
    app_stops_listening(APP_B, PORT);
    app_accepts(TS_B, PORT);
    syn_arrives(APP_A, TS_A, PORT);
    offer_times_out(APP_A, ours, 1);
    connection_closes(APP_B, ours);
    DELIVER(APP_A, OFFER, (struct offer){.acceptor = {.node = APP_A, .cm = APP_A}, .port = PORT});
    DELIVER(OUR_CM, OFFER, (struct offer){.acceptor = {.node = APP_A}, .port = PORT});
    assert_refused_messages(8);
}

static void messages_that_name_impossible_things_are_refused(void **state)
{
    const struct acceptor ours = {
        .node = APP_A, .listener_index = 7, .cm = OUR_CM, .assigned_by = OUR_CM};
    struct acceptor acceptor = ours;

    (void)state;
    one_app_serves(APP_A);
    app_listens(APP_B, 0, 8);
    app_listens(APP_B, PORT, 0);
    app_accepts(APP_B, PORT);
    app_accepts(APP_A, PORT + 1);
    app_stops_listening(APP_A, PORT + 1);
    syn_arrives(0, NODE_COUNT, PORT);
    syn_arrives(0, APP_A, PORT);
    acceptor.node = NODE_COUNT;
    offer_times_out(TS_A, acceptor, 1);
    acceptor.node = TS_A;
    offer_times_out(TS_A, acceptor, 1);
    acceptor = ours;
    acceptor.cm = OTHER_CM;
    offer_times_out(TS_A, acceptor, 1);
    connection_closes(TS_A, acceptor);
    acceptor = ours;
    acceptor.assigned_by = NODE_NONE;
    connection_closes(TS_A, acceptor);
    connection_closes(TS_A, nobody);
    DELIVER(OTHER_CM, OFFER,
            (struct offer){.acceptor = {.node = NODE_COUNT, .cm = OTHER_CM}, .port = PORT});
    DELIVER(OTHER_CM, OFFER,
            (struct offer){.acceptor = {.node = APP_A, .cm = OUR_CM}, .port = PORT});
    DELIVER(OTHER_CM, OFFER, (struct offer){.acceptor = {.node = APP_A, .cm = OTHER_CM}});
    assert_refused_messages(16);
    assert_int_equal(listener_find(PORT)->applications->outstanding, 0);
}

/* An application asks its own CM: another one must not put it on its list. */
static void applications_of_another_manager_get_no_place_on_our_list(void **state)
{
    (void)state;
    app_listens(APP_OF_OTHER, PORT, 8);
    app_accepts(APP_OF_OTHER, PORT);
    assert_refused_messages(1);
}

static void a_syn_longer_than_any_is_refused(void **state)
{
    uint8_t buffer[sizeof(struct syn_arrived) + SYN_FRAME_MAX_BYTES + 1]
        __attribute__((aligned(8))) = {0};
    struct syn_arrived *syn = (struct syn_arrived *)buffer;

    (void)state;
    one_app_serves(APP_A);
    syn->flow.local_port = __builtin_bswap16(PORT);
    deliver(0, &syn->header, SYN_ARRIVED, sizeof(buffer));
    assert_refused_messages(1);
    deliver(0, &syn->header, SYN_ARRIVED, sizeof(buffer) - 1);
    assert_int_equal(assigned_to(TS_A).node, APP_A);
}

/* --- Full tables --- */

static void ports_beyond_the_table_are_not_served(void **state)
{
    (void)state;
    for (uint16_t i = 0; i < LISTENER_MAX; i++) {
        app_listens(APP_A, (uint16_t)(1000 + i), 8);
    }
    assert_int_equal(counters[COUNTER_DROP_NO_MEMORY], 0);
    app_listens(APP_A, 999, 8);
    other_cm_offers(APP_OF_OTHER);
    assert_int_equal(counters[COUNTER_DROP_NO_MEMORY], 2);
    syn_arrives(0, TS_A, 999);
    assert_int_equal(next_sent(TS_A, ASSIGN_CONNECTION)->assign.is_refused, 1);
    app_stops_listening(APP_A, 1000 + LISTENER_MAX / 2);
    app_listens(APP_A, 999, 8);
    syn_arrives(0, TS_A, 999);
    assert_int_equal(next_sent(TS_A, ASSIGN_CONNECTION)->assign.is_refused, 0);
}

static void applications_beyond_the_table_are_not_served(void **state)
{
    (void)state;
    for (uint16_t i = 0; i < LISTENING_APPLICATION_MAX; i++) {
        DELIVER(APP_A, LISTEN, (struct listen){.port = PORT, .listener_index = i, .backlog = 1});
    }
    assert_int_equal(counters[COUNTER_DROP_NO_MEMORY], 0);
    app_listens(APP_B, PORT, 8);
    app_listens(APP_B, PORT + 1, 8);
    assert_int_equal(counters[COUNTER_DROP_NO_MEMORY], 2);
    assert_null(listener_find(PORT + 1));
    DELIVER(APP_A, UNLISTEN, (struct unlisten){.port = PORT, .listener_index = 5});
    app_listens(APP_B, PORT, 8);
    app_accepts(APP_B, PORT);
    other_cm_is_offered(APP_B);
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
    syn_arrives(0, TS_A, PORT);
    assert_int_equal(assigned_to(TS_A).node, NODE_NONE);

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
        TEST(a_syn_goes_to_the_acceptor_with_its_frame),
        TEST(a_syn_for_a_port_that_nobody_serves_is_refused),
        TEST(equal_acceptors_take_turns),
        TEST(the_acceptor_with_fewer_open_connections_is_chosen),
        TEST(an_application_that_only_listens_is_not_an_acceptor),
        TEST(accepting_twice_changes_nothing),
        TEST(a_full_channel_drops_the_syn_and_counts_no_connection),
        TEST(ports_are_served_apart),
        TEST(an_unclaimed_connection_goes_to_another_acceptor),
        TEST(a_timed_out_offer_no_longer_counts_as_open),
        TEST(who_asks_again_before_the_timeout_stays_on_the_list),
        TEST(without_acceptors_connections_wait_in_order),
        TEST(more_than_the_backlogs_do_not_wait),
        TEST(the_pool_of_those_who_wait_is_bounded),
        TEST(a_timeout_for_a_port_nobody_serves_any_more_is_refused),
        TEST(unlistening_gives_unclaimed_connections_to_others),
        TEST(the_last_to_unlisten_refuses_those_who_wait),
        TEST(closes_from_before_an_unlisten_are_not_counted),
        TEST(offers_are_sent_only_when_they_change),
        TEST(without_an_acceptor_of_our_own_an_offer_is_taken),
        TEST(an_offer_ends_the_wait),
        TEST(a_withdrawn_offer_is_not_taken),
        TEST(an_offer_may_overtake_the_applications_listen),
        TEST(a_close_of_a_connection_that_another_cm_assigned_is_not_counted),
        TEST(offers_of_several_managers_take_turns),
        TEST(a_dead_application_is_forgotten),
        TEST(an_unclaimed_offer_to_a_dead_application_is_reassigned),
        TEST(the_offers_of_a_dead_manager_are_withdrawn),
        TEST(an_offer_of_a_dead_application_is_withdrawn),
        TEST(connections_of_a_dead_ts_neither_wait_nor_count),
        TEST(messages_from_nodes_without_the_role_are_refused),
        TEST(messages_that_name_impossible_things_are_refused),
        TEST(applications_of_another_manager_get_no_place_on_our_list),
        TEST(a_syn_longer_than_any_is_refused),
        TEST(ports_beyond_the_table_are_not_served),
        TEST(applications_beyond_the_table_are_not_served),
        TEST(two_managers_share_their_acceptors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
