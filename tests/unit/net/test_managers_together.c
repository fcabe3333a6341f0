/* SPDX-License-Identifier: MIT */
/* sources: net/manager/manager.c net/manager/acceptors.c net/manager/offering.c net/manager/listeners.c net/manager/waiting.c tests/unit/world/panic.c */
/* sources: net/manager/options.c net/manager/service.c net/manager/balance/balance.c net/manager/balance/offers.c net/manager/balance/weights.c net/manager/balance/naive.c net/manager/balance/unfiltered.c net/manager/balance/filtered.c net/manager/balance/tournament.c net/manager/balance/least.c */
/* sources: tests/unit/world/manager_messages.c net/messages.c */
/* sources: net/configuration.c net/placement.c libc/core/command_line.c libc/core/format.c */
/*
 * Tests net/manager/: several managers in one process. Each keeps its tables to itself, and they
 * meet in messages alone. Nodes 0 to 2 are composite servers, 3 to 5 run applications, whose own
 * CMs are 0 to 2. The test is every node's dispatcher: it carries the messages between managers,
 * and keeps those to a TS for the test to look at.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/log.h"
#include "kernel/platform.h"
#include "net/counters.h"
#include "net/manager/manager.h"
#include "net/manager/options.h"
#include "tests/unit/world/manager_messages.h"

#define SERVER_COUNT      3
#define NODE_COUNT        (2 * SERVER_COUNT)
#define APPLICATION_OF(n) ((node_id_t)(SERVER_COUNT + (n)))
#define PORT              80
#define QUEUE_MAX         4096

struct delivery {
    node_id_t from, to;
    union {
        struct message_header header;
        struct assign_connection assign;
        struct reassign_connection reassign;
        struct offer offer;
        uint8_t bytes[256];
    };
};

/* One node with its CM; its address is the context that the manager gives back. */
struct server {
    struct manager manager;
    void *memory; /* of its tables */
    uint64_t counters[COUNTER_MAX];
    uint64_t wake_ns; /* when it wants to be called; UINT64_MAX: never */
};

static struct configuration configuration;
static struct server servers[SERVER_COUNT];
static struct delivery under_way[QUEUE_MAX]; /* between managers */
static unsigned sent_count, delivered_count;
static struct delivery to_ts[QUEUE_MAX];
static unsigned to_ts_count, seen_count;
static uint64_t now_ns;            /* on all nodes' clocks; goes on with each message */
static uint64_t service_ns = 1000; /* of connections that close */

void log_write(enum log_level level, const char *subsystem, const char *format, ...)
{
    (void)level;
    (void)subsystem;
    (void)format;
}

/* --- The nodes' dispatchers --- */

static struct delivery *built;

static void *reserve(node_id_t to, uint16_t type, size_t fixed_bytes, size_t payload_bytes,
                     void *context)
{
    const struct server *server = context;

    built = manager_fixed_bytes(type) != 0 ? &under_way[sent_count++ % QUEUE_MAX]
                                           : &to_ts[to_ts_count++];
    assert_true(sent_count - delivered_count <= QUEUE_MAX);
    assert_true(to_ts_count <= QUEUE_MAX);
    assert_true(fixed_bytes + payload_bytes <= sizeof(built->bytes));
    memset(built, 0, sizeof(*built));
    built->from = (node_id_t)(server - servers);
    built->to = to;
    built->header.type = type;
    built->header.length_bytes = (uint16_t)(fixed_bytes + payload_bytes);
    return built->bytes;
}

static void *reserve_posted(node_id_t to, uint16_t type, size_t fixed_bytes, void *context)
{
    return reserve(to, type, fixed_bytes, 0, context);
}

/* Nothing is delivered meanwhile. */
static void publish(void *context)
{
    (void)context;
    assert_non_null(built);
    built = NULL;
}

static void count(unsigned counter, void *context)
{
    struct server *server = context;

    server->counters[counter]++;
}

static void add(unsigned counter, uint64_t amount, void *context)
{
    struct server *server = context;

    server->counters[counter] += amount;
}

static void set(unsigned counter, uint64_t amount, void *context)
{
    struct server *server = context;

    server->counters[counter] = amount;
}

static uint64_t read_clock(void *context)
{
    (void)context;
    return now_ns;
}

static void wake_at(uint64_t time_ns, void *context)
{
    struct server *server = context;

    server->wake_ns = time_ns;
}

static const struct manager_environment environment = {
    .reserve = reserve,
    .reserve_posted = reserve_posted,
    .publish = publish,
    .count = count,
    .add = add,
    .set = set,
    .now_ns = read_clock,
    .exact_now_ns = read_clock,
    .wake_at = wake_at,
};

/* Until the managers have nothing more to say to each other. */
static void deliver_all(void)
{
    while (delivered_count != sent_count) {
        struct delivery delivery = under_way[delivered_count++ % QUEUE_MAX];

        assert_true(delivery.to < SERVER_COUNT);
        deliver_to_manager(&servers[delivery.to].manager, delivery.from, &delivery.header);
    }
}

static void tell(node_id_t from, node_id_t cm, struct message_header *message, uint16_t type,
                 size_t bytes)
{
    message->type = type;
    message->length_bytes = (uint16_t)bytes;
    now_ns += NS_PER_MS;
    deliver_to_manager(&servers[cm].manager, from, message);
}

/* --- Applications, link servers and transport servers --- */

static void listen_at(node_id_t application, node_id_t cm, uint32_t backlog)
{
    struct listen message = {.port = PORT, .listener_index = 7, .backlog = backlog};

    tell(application, cm, &message.header, LISTEN, sizeof(message));
}

static void listen_everywhere(node_id_t application)
{
    for (node_id_t cm = 0; cm < SERVER_COUNT; cm++) {
        listen_at(application, cm, 1);
    }
}

static void accept_at_own(node_id_t application, uint16_t request_number)
{
    struct accept_connection message = {
        .port = PORT, .listener_index = 7, .request_number = request_number};

    tell(application, configuration_own_cm(&configuration, application), &message.header,
         ACCEPT_CONNECTION, sizeof(message));
    deliver_all();
}

static const struct delivery *next_to(node_id_t ts, uint16_t type)
{
    const struct delivery *delivery = &to_ts[seen_count++];

    assert_true(seen_count <= to_ts_count);
    assert_int_equal(delivery->to, ts);
    assert_int_equal(delivery->header.type, type);
    return delivery;
}

static void no_more_to_any_ts(void)
{
    assert_int_equal(seen_count, to_ts_count);
}

/* A SYN comes to that CM, which answers the TS on its own node. */
static struct acceptor syn_at(node_id_t cm)
{
    struct syn_arrived message = {
        .flow = {.local_port = __builtin_bswap16(PORT)},
        .ts = cm,
    };

    tell(cm, cm, &message.header, SYN_ARRIVED, sizeof(message));
    return next_to(cm, ASSIGN_CONNECTION)->assign.acceptor;
}

static void claim_times_out(node_id_t ts, struct acceptor acceptor, uint32_t connection_index)
{
    struct accept_timeout message = {
        .connection_index = connection_index, .acceptor = acceptor, .port = PORT};

    tell(ts, acceptor.node == NODE_NONE ? acceptor.assigned_by : acceptor.cm, &message.header,
         ACCEPT_TIMEOUT, sizeof(message));
    deliver_all();
}

static void connection_closes(node_id_t ts, struct acceptor acceptor)
{
    struct connection_closed message = {
        .acceptor = acceptor, .port = PORT, .service_ns = service_ns};

    tell(ts, acceptor.cm, &message.header, CONNECTION_CLOSED, sizeof(message));
}

/* The managers whose time has come send their offers. */
static void wake_all(void)
{
    for (node_id_t cm = 0; cm < SERVER_COUNT; cm++) {
        if (servers[cm].wake_ns <= now_ns) {
            servers[cm].wake_ns = UINT64_MAX;
            manager_send_offers(&servers[cm].manager);
        }
    }
    deliver_all();
}

static struct listener *listener_at(node_id_t cm)
{
    return listener_find(&servers[cm].manager.listeners, PORT);
}

/* What a CM counts as open at the applications on its list, all together. */
static unsigned outstanding_at(node_id_t cm)
{
    unsigned total = 0;

    for (const struct listening_application *application = listener_at(cm)->applications;
         application != NULL; application = application->next) {
        total += application->outstanding;
    }
    return total;
}

static int start_balanced_by(void **state, const char *line);

/* --- Tests --- */

static void one_managers_listeners_are_not_known_to_another(void **state)
{
    (void)state;
    listen_at(APPLICATION_OF(0), 0, 4);
    listen_at(APPLICATION_OF(1), 2, 4);
    assert_int_equal(listener_at(0)->applications->node, APPLICATION_OF(0));
    assert_null(listener_at(1));
    assert_int_equal(listener_at(2)->applications->node, APPLICATION_OF(1));
    assert_null(listener_at(2)->applications->next);
}

static void an_acceptor_gets_connections_from_every_manager(void **state)
{
    (void)state;
    listen_everywhere(APPLICATION_OF(0));
    accept_at_own(APPLICATION_OF(0), 0);
    for (node_id_t cm = 0; cm < SERVER_COUNT; cm++) {
        struct acceptor acceptor = syn_at(cm);

        assert_int_equal(acceptor.node, APPLICATION_OF(0));
        assert_int_equal(acceptor.cm, 0);
        assert_int_equal(acceptor.assigned_by, cm);
        assert_int_equal(servers[cm].counters[COUNTER_CM_ASSIGNED], cm == 0 ? 1 : 0);
        assert_int_equal(servers[cm].counters[COUNTER_CM_ASSIGNED_REMOTE], cm == 0 ? 0 : 1);
    }
    /* Each counts only what it has assigned to an application of its own. */
    assert_int_equal(outstanding_at(0), 1);
    assert_int_equal(outstanding_at(1), 0);
    assert_int_equal(outstanding_at(2), 0);
}

/* A connection of manager 2 goes to an application of manager 0, which does not claim it; manager 0
 * withdraws its offer from both others, lets the connection wait, and takes up manager 1's. */
static void an_unclaimed_connection_goes_from_manager_to_manager(void **state)
{
    const struct reassign_connection *reassign;
    struct acceptor acceptor;

    (void)state;
    listen_everywhere(APPLICATION_OF(0));
    listen_everywhere(APPLICATION_OF(1));
    accept_at_own(APPLICATION_OF(0), 0);
    acceptor = syn_at(2);
    assert_int_equal(acceptor.node, APPLICATION_OF(0));

    claim_times_out(2, acceptor, 11);
    no_more_to_any_ts();
    assert_int_equal(servers[0].counters[COUNTER_CM_QUEUED], 1);
    for (node_id_t cm = 0; cm < SERVER_COUNT; cm++) {
        assert_int_equal(syn_at(cm).node, NODE_NONE);
    }

    accept_at_own(APPLICATION_OF(1), 0);
    reassign = &next_to(2, REASSIGN_CONNECTION)->reassign;
    assert_int_equal(reassign->connection_index, 11);
    assert_int_equal(reassign->acceptor.node, APPLICATION_OF(1));
    assert_int_equal(reassign->acceptor.cm, 1);
    assert_int_equal(reassign->acceptor.assigned_by, 0);
    assert_int_equal(syn_at(2).node, APPLICATION_OF(1));
    no_more_to_any_ts();
}

static void a_used_up_pool_is_one_managers_own(void **state)
{
    const struct acceptor none = {.node = NODE_NONE, .cm = 0, .assigned_by = 0};
    const struct acceptor none_of_1 = {.node = NODE_NONE, .cm = 1, .assigned_by = 1};

    (void)state;
    listen_at(APPLICATION_OF(0), 0, WAITING_MAX);
    listen_at(APPLICATION_OF(0), 1, WAITING_MAX);
    for (uint32_t i = 0; i < WAITING_MAX; i++) {
        claim_times_out(0, none, i);
    }
    claim_times_out(1, none_of_1, 5);
    no_more_to_any_ts();
    assert_int_equal(listener_at(0)->waiting.count, WAITING_MAX);
    assert_int_equal(listener_at(1)->waiting.count, 1);
    claim_times_out(0, none, WAITING_MAX);
    assert_int_equal(next_to(0, REASSIGN_CONNECTION)->reassign.is_refused, 1);
    claim_times_out(1, none_of_1, 6);
    no_more_to_any_ts();
}

static void the_living_forget_a_dead_managers_offers(void **state)
{
    (void)state;
    listen_everywhere(APPLICATION_OF(0));
    listen_everywhere(APPLICATION_OF(2));
    accept_at_own(APPLICATION_OF(0), 0);
    manager_forget_node(&servers[1].manager, 0);
    deliver_all();
    assert_int_equal(syn_at(1).node, NODE_NONE);
    assert_int_equal(syn_at(2).node, APPLICATION_OF(0)); /* it has not seen it yet */
    manager_forget_node(&servers[2].manager, 0);
    deliver_all();
    assert_int_equal(syn_at(2).node, NODE_NONE);
    accept_at_own(APPLICATION_OF(2), 0);
    assert_int_equal(syn_at(1).node, APPLICATION_OF(2));
}

/* Any order of events: when every connection has been answered for, no manager counts one. */
static void play_random_connections(void)
{
    struct {
        struct acceptor acceptor;
        node_id_t ts;
    } open[64];
    unsigned open_count = 0;
    uint32_t random = 1;

    for (node_id_t n = 0; n < SERVER_COUNT; n++) {
        listen_everywhere(APPLICATION_OF(n));
    }
    for (uint32_t turn = 0; turn < 20000; turn++) {
        node_id_t node;
        unsigned pick;

        random = random * 1664525 + 1013904223;
        node = (node_id_t)((random >> 8) % SERVER_COUNT);
        pick = open_count == 0 ? 0 : (random >> 16) % open_count;
        service_ns = random >> 8; /* to 17 ms */
        wake_all();
        switch (random >> 29) {
        case 0:
            accept_at_own(APPLICATION_OF(node), (uint16_t)turn);
            break;
        case 1:
        case 2:
        case 3:
            if (open_count < ARRAY_COUNT(open)) {
                struct acceptor acceptor = syn_at(node);

                if (acceptor.node == NODE_NONE) {
                    claim_times_out(node, acceptor, turn);
                } else {
                    open[open_count].acceptor = acceptor;
                    open[open_count++].ts = node;
                }
            }
            break;
        case 4:
        case 5:
        case 6:
            if (open_count != 0) {
                claim_times_out(open[pick].ts, open[pick].acceptor, turn);
                open[pick] = open[--open_count];
            }
            break;
        default:
            if (open_count != 0) {
                connection_closes(open[pick].ts, open[pick].acceptor);
                open[pick] = open[--open_count];
            }
            break;
        }
        /* What was placed again is closed at once. */
        for (; seen_count < to_ts_count; seen_count++) {
            const struct delivery *delivery = &to_ts[seen_count];

            assert_int_equal(delivery->header.type, REASSIGN_CONNECTION);
            if (delivery->reassign.acceptor.node != NODE_NONE) {
                connection_closes(delivery->to, delivery->reassign.acceptor);
            }
        }
        seen_count = to_ts_count = 0;
    }
    while (open_count != 0) {
        open_count--;
        connection_closes(open[open_count].ts, open[open_count].acceptor);
    }
    for (node_id_t n = 0; n < SERVER_COUNT; n++) {
        assert_int_equal(outstanding_at(n), 0);
        assert_int_equal(servers[n].counters[COUNTER_DROP_BAD_MESSAGE], 0);
        assert_true(servers[n].counters[COUNTER_CM_ASSIGNED] > 100);
        assert_true(servers[n].counters[COUNTER_CM_QUEUED] > 100);
        assert_true(servers[n].counters[COUNTER_DROP_BACKLOG_FULL] > 10);
    }
}

static void nothing_stays_counted_after_many_random_connections(void **state)
{
    static const char *const schemes[] = {
        "balance=naive",        "balance=unfiltered:2", "balance=unfiltered:100",
        "balance=filtered:2",   "balance=tournament:2", "balance=tournament:1",
        "balance=tournament:7", "balance=least",
    };

    for (unsigned i = 0; i < ARRAY_COUNT(schemes); i++) {
        assert_int_equal(start_balanced_by(state, schemes[i]), 0);
        play_random_connections();
    }
}

/* With an application at manager 0 alone, the other two send all they get to it. */
static void managers_without_applications_take_part_under_every_scheme(void **state)
{
    static const char *const schemes[] = {"balance=naive", "balance=unfiltered:2",
                                          "balance=filtered:2", "balance=tournament:2",
                                          "balance=least"};

    for (unsigned i = 0; i < ARRAY_COUNT(schemes); i++) {
        assert_int_equal(start_balanced_by(state, schemes[i]), 0);
        listen_everywhere(APPLICATION_OF(0));
        accept_at_own(APPLICATION_OF(0), 0);
        for (unsigned turn = 0; turn < 300; turn++) {
            node_id_t cm = (node_id_t)(turn % SERVER_COUNT);
            struct acceptor acceptor = syn_at(cm);

            assert_int_equal(acceptor.node, APPLICATION_OF(0));
            assert_int_equal(acceptor.cm, 0);
            connection_closes(cm, acceptor);
            wake_all();
        }
        assert_int_equal(servers[1].counters[COUNTER_CM_ASSIGNED_REMOTE], 100);
    }
}

/* Of three applications one takes ten times as long. Its own manager then gives away most of what
 * it gets if the scheme balances, and nothing under the naive one. */
static void a_slow_application_gets_less_unless_the_scheme_is_naive(void **state)
{
    static const char *const schemes[] = {"balance=naive", "balance=unfiltered:2",
                                          "balance=filtered:2", "balance=tournament:2"};

    for (unsigned i = 0; i < ARRAY_COUNT(schemes); i++) {
        unsigned served[SERVER_COUNT] = {0};

        assert_int_equal(start_balanced_by(state, schemes[i]), 0);
        for (node_id_t n = 0; n < SERVER_COUNT; n++) {
            listen_everywhere(APPLICATION_OF(n));
            accept_at_own(APPLICATION_OF(n), 0);
        }
        for (unsigned turn = 0; turn < 3000; turn++) {
            node_id_t cm = (node_id_t)(turn % SERVER_COUNT);
            struct acceptor acceptor = syn_at(cm);

            served[acceptor.node - SERVER_COUNT]++;
            service_ns = acceptor.node == APPLICATION_OF(1) ? 2000000 : 200000;
            connection_closes(cm, acceptor);
            wake_all();
        }
        if (i == 0) {
            assert_int_equal(served[1], 1000);
        } else {
            assert_true(served[1] < 350);
            assert_true(served[1] > 10); /* it is sampled */
        }
        /* What is as fast as the others keeps to itself, but where nothing is filtered. */
        if (i != 1) {
            assert_int_equal(servers[0].counters[COUNTER_CM_ASSIGNED_REMOTE], 0);
        }
    }
}

static int start_balanced_by(void **state, const char *line)
{
    struct manager_options options;
    char reason[64];

    (void)state;
    assert_int_equal(manager_options_parse(&options, line, 1, reason, sizeof(reason)), 0);
    now_ns = 1;
    sent_count = delivered_count = 0;
    to_ts_count = seen_count = 0;
    if (configuration_parse(&configuration, "pika=TS3LS3CM3 app=httpd:3", NODE_COUNT, reason,
                            sizeof(reason)) != 0) {
        return -1;
    }
    for (node_id_t node = 0; node < SERVER_COUNT; node++) {
        memset(servers[node].counters, 0, sizeof(servers[node].counters));
        servers[node].wake_ns = UINT64_MAX;
        free(servers[node].memory);
        servers[node].memory = calloc(1, listener_table_bytes(configuration.node_count));
        assert_non_null(servers[node].memory);
        manager_initialise(&servers[node].manager, node, &configuration, &options, &environment,
                           &servers[node], servers[node].memory);
    }
    return 0;
}

static int start_three(void **state)
{
    return start_balanced_by(state, "balance=least");
}

/* Whatever the test has left: to a manager that is alone nothing is left of it. */
static int all_is_given_back(void **state)
{
    (void)state;
    for (node_id_t cm = 0; cm < SERVER_COUNT; cm++) {
        struct manager *manager = &servers[cm].manager;
        unsigned free_applications = 0;

        for (node_id_t node = 0; node < NODE_COUNT; node++) {
            to_ts_count = seen_count = 0;
            delivered_count = sent_count; /* the others do not hear of it */
            if (node != cm) {
                manager_forget_node(manager, node);
            }
        }
        for (const struct listening_application *application = manager->listeners.free_applications;
             application != NULL; application = application->next) {
            free_applications++;
        }
        if (listener_after(&manager->listeners, NULL) != NULL ||
            manager->waiting.free_count != manager->waiting.fresh ||
            free_applications != manager->listeners.fresh_application) {
            return -1;
        }
    }
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start_three, all_is_given_back)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_managers_listeners_are_not_known_to_another),
        TEST(an_acceptor_gets_connections_from_every_manager),
        TEST(an_unclaimed_connection_goes_from_manager_to_manager),
        TEST(a_used_up_pool_is_one_managers_own),
        TEST(the_living_forget_a_dead_managers_offers),
        TEST(nothing_stays_counted_after_many_random_connections),
        TEST(managers_without_applications_take_part_under_every_scheme),
        TEST(a_slow_application_gets_less_unless_the_scheme_is_naive),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
