/* SPDX-License-Identifier: MIT */
/* sources: net/manager/manager.c net/manager/acceptors.c net/manager/offering.c net/manager/listeners.c net/manager/ports.c net/manager/waiting.c tests/unit/world/panic.c */
/* sources: net/manager/options.c net/manager/service.c net/manager/balance/balance.c net/manager/balance/offers.c net/manager/balance/weights.c net/manager/balance/naive.c net/manager/balance/unfiltered.c net/manager/balance/filtered.c net/manager/balance/tournament.c net/manager/balance/least.c */
/* sources: tests/unit/world/manager_messages.c net/messages.c */
/* sources: net/configuration.c net/placement.c libc/core/command_line.c libc/core/format.c */
/*
 * Several managers for unit tests: see managers_world.h.
 */
#include "tests/unit/world/managers_world.h"

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
#include "net/closed.h"
#include "net/manager/options.h"
#include "tests/unit/world/manager_messages.h"

struct configuration configuration;
struct server servers[SERVER_COUNT];
static struct delivery under_way[QUEUE_MAX]; /* between managers */
static unsigned sent_count, delivered_count;
struct delivery to_ts[QUEUE_MAX];
unsigned to_ts_count, seen_count;
uint64_t now_ns;
uint64_t service_ns = 1000;

void log_write(enum log_level level, const char *subsystem, const char *format, ...)
{
    (void)level;
    (void)subsystem;
    (void)format;
}

/* --- The nodes' dispatchers --- */

static struct delivery *built;

/* No transport server is there to whom a list of ports would say anything. */
static struct delivery told_ports;

static struct delivery *next_place(uint16_t type)
{
    if (type == PORTS_SERVED) {
        return &told_ports;
    }
    return manager_fixed_bytes(type) != 0 ? &under_way[sent_count++ % QUEUE_MAX]
                                          : &to_ts[to_ts_count++];
}

static void *reserve_posted(node_id_t to, uint16_t type, size_t fixed_bytes, void *context)
{
    const struct server *server = context;

    built = next_place(type);
    assert_true(sent_count - delivered_count <= QUEUE_MAX);
    assert_true(to_ts_count <= QUEUE_MAX);
    assert_true(fixed_bytes <= sizeof(built->bytes));
    memset(built, 0, sizeof(*built));
    built->from = (node_id_t)(server - servers);
    built->to = to;
    built->header.type = type;
    built->header.length_bytes = (uint16_t)fixed_bytes;
    return built->bytes;
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
    .reserve_posted = reserve_posted,
    .publish = publish,
    .count = count,
    .add = add,
    .set = set,
    .now_ns = read_clock,
    .exact_now_ns = read_clock,
    .wake_at = wake_at,
};

void deliver_all(void)
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

void listen_at(node_id_t application, node_id_t cm, uint32_t backlog)
{
    struct listen message = {.port = PORT, .listener_index = 7, .backlog = backlog};

    tell(application, cm, &message.header, LISTEN, sizeof(message));
}

void listen_everywhere(node_id_t application)
{
    for (node_id_t cm = 0; cm < SERVER_COUNT; cm++) {
        listen_at(application, cm, 1);
    }
}

void accept_at_own(node_id_t application, uint16_t request_number)
{
    struct accept_connection message = {
        .port = PORT, .listener_index = 7, .request_number = request_number};

    tell(application, configuration_own_cm(&configuration, application), &message.header,
         ACCEPT_CONNECTION, sizeof(message));
    deliver_all();
}

const struct delivery *next_to(node_id_t ts, uint16_t type)
{
    const struct delivery *delivery = &to_ts[seen_count++];

    assert_true(seen_count <= to_ts_count);
    assert_int_equal(delivery->to, ts);
    assert_int_equal(delivery->header.type, type);
    return delivery;
}

void no_more_to_any_ts(void)
{
    assert_int_equal(seen_count, to_ts_count);
}

struct acceptor syn_at(node_id_t cm)
{
    struct syn_arrived message = {
        .flow = {.local_port = __builtin_bswap16(PORT)},
    };

    tell(cm, cm, &message.header, SYN_ARRIVED, sizeof(message));
    return next_to(cm, ASSIGN_CONNECTION)->assign.acceptor;
}

void claim_times_out(node_id_t ts, struct acceptor acceptor, uint32_t connection_index)
{
    struct accept_timeout message = {
        .connection_index = connection_index, .acceptor = acceptor, .port = PORT};

    tell(ts, acceptor.node == NODE_NONE ? acceptor.assigned_by : acceptor.cm, &message.header,
         ACCEPT_TIMEOUT, sizeof(message));
    deliver_all();
}

void connection_closes(node_id_t ts, struct acceptor acceptor)
{
    struct connection_closed message = {
        .closed = {closed_connection_of(&acceptor, PORT, service_ns)}};

    tell(ts, acceptor.cm, &message.header, CONNECTION_CLOSED, sizeof(message));
}

void wake_all(void)
{
    for (node_id_t cm = 0; cm < SERVER_COUNT; cm++) {
        if (servers[cm].wake_ns <= now_ns) {
            servers[cm].wake_ns = UINT64_MAX;
            manager_send_offers(&servers[cm].manager);
        }
    }
    deliver_all();
}

struct listener *listener_at(node_id_t cm)
{
    return listener_find(&servers[cm].manager.listeners, PORT);
}

unsigned outstanding_at(node_id_t cm)
{
    unsigned total = 0;

    for (const struct listening_application *application = listener_at(cm)->applications;
         application != NULL; application = application->next) {
        total += application->outstanding;
    }
    return total;
}

int start_balanced_by(void **state, const char *line)
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
        servers[node].memory = malloc(listener_table_bytes(configuration.node_count));
        assert_non_null(servers[node].memory);
        memset(servers[node].memory, 0xA5, listener_table_bytes(configuration.node_count));
        manager_initialise(&servers[node].manager, node, &configuration, &options, &environment,
                           &servers[node], servers[node].memory);
    }
    return 0;
}

int start_three(void **state)
{
    return start_balanced_by(state, "balance=least");
}

int all_is_given_back(void **state)
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
