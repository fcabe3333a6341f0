/* SPDX-License-Identifier: MIT */
/* sources: net/manager/manager.c net/manager/acceptors.c net/manager/offering.c net/manager/listeners.c net/manager/ports.c net/manager/waiting.c */
/* sources: net/manager/options.c net/manager/figures.c net/manager/service.c net/manager/balance/balance.c net/manager/balance/offers.c net/manager/balance/weights.c net/manager/balance/naive.c net/manager/balance/unfiltered.c net/manager/balance/filtered.c net/manager/balance/tournament.c net/manager/balance/least.c */
/* sources: tests/unit/world/manager_messages.c net/messages.c */
/* sources: net/configuration.c net/placement.c libc/core/command_line.c libc/core/format.c */
/*
 * A connection manager's world for unit tests: see cm_world.h.
 */
#include "tests/unit/world/cm_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/log.h"
#include "kernel/platform.h"
#include "net/closed.h"
#include "net/manager/counters.h"
#include "net/manager/options.h"
#include "tests/unit/world/manager_messages.h"

/* --- What the CM asks of its node --- */

struct manager manager;
static void *memory; /* of its tables */
struct sent_message sent[SENT_MAX];
unsigned sent_count;
static unsigned seen_count;
struct sent_message told_ports[TOLD_PORTS_MAX];
unsigned told_ports_count;
static bool is_list_built;
uint64_t counters[COUNTER_MAX];
struct configuration configuration;
uint64_t now_ns, message_interval_ns, clock_step_ns, wake_ns;

void platform_panic(const char *file, int line, const char *format, ...)
{
    (void)format;
    fprintf(stderr, "panic at %s:%d\n", file, line);
    abort();
}

void log_write(enum log_level level, const char *subsystem, const char *format, ...)
{
    (void)level;
    (void)subsystem;
    (void)format;
}

/* Lists of ports are apart: most tests are about something else. */
static void *reserve_posted(node_id_t to, uint16_t type, size_t fixed_bytes, void *context)
{
    bool is_list = type == PORTS_SERVED;
    struct sent_message *slot =
        is_list ? &told_ports[told_ports_count % TOLD_PORTS_MAX] : &sent[sent_count];

    assert_ptr_equal(context, counters);
    assert_true(sent_count < SENT_MAX);
    assert_true(fixed_bytes <= sizeof(slot->bytes));
    is_list_built = is_list;
    memset(slot, 0, sizeof(*slot));
    slot->to = to;
    slot->header.type = type;
    slot->header.length_bytes = (uint16_t)fixed_bytes;
    return slot->bytes;
}

static void publish(void *context)
{
    assert_ptr_equal(context, counters);
    if (is_list_built) {
        told_ports_count++;
    } else {
        sent_count++;
    }
}

static void count(unsigned counter, void *context)
{
    assert_ptr_equal(context, counters);
    counters[counter]++;
}

static void add(unsigned counter, uint64_t amount, void *context)
{
    assert_ptr_equal(context, counters);
    counters[counter] += amount;
}

static void set(unsigned counter, uint64_t amount, void *context)
{
    assert_ptr_equal(context, counters);
    counters[counter] = amount;
}

static uint64_t read_clock(void *context)
{
    (void)context;
    return now_ns;
}

static uint64_t read_exact_clock(void *context)
{
    (void)context;
    now_ns += clock_step_ns;
    return now_ns;
}

static void wake_at(uint64_t time_ns, void *context)
{
    assert_ptr_equal(context, counters);
    wake_ns = time_ns;
}

static const struct manager_environment environment = {
    .reserve_posted = reserve_posted,
    .publish = publish,
    .count = count,
    .add = add,
    .set = set,
    .now_ns = read_clock,
    .exact_now_ns = read_exact_clock,
    .wake_at = wake_at,
};

/* --- The rest of the system --- */

void deliver(node_id_t from, struct message_header *message, uint16_t type, size_t bytes)
{
    message->type = type;
    message->length_bytes = (uint16_t)bytes;
    now_ns += message_interval_ns;
    deliver_to_manager(&manager, from, message);
}

void node_dies(node_id_t node)
{
    configuration_lose_node(&configuration, node);
    manager_forget_node(&manager, node);
}

void app_listens(node_id_t app, uint16_t port, uint32_t backlog)
{
    DELIVER(app, LISTEN, (struct listen){.port = port, .listener_index = 7, .backlog = backlog});
}

void app_stops_listening(node_id_t app, uint16_t port)
{
    DELIVER(app, UNLISTEN, (struct unlisten){.port = port, .listener_index = 7});
}

void app_accepts(node_id_t app, uint16_t port)
{
    DELIVER(app, ACCEPT_CONNECTION, (struct accept_connection){.port = port, .listener_index = 7});
}

void syn_arrives(node_id_t ts, uint16_t port)
{
    DELIVER(ts, SYN_ARRIVED,
            (struct syn_arrived){
                .flow = {.remote_address = 0x0200000A, .local_port = __builtin_bswap16(port)},
            });
}

void claim_times_out(node_id_t ts, struct acceptor acceptor, uint32_t connection_index)
{
    DELIVER(ts, ACCEPT_TIMEOUT,
            (struct accept_timeout){.connection_index = connection_index,
                                    .generation = connection_index + 100,
                                    .acceptor = acceptor,
                                    .port = PORT});
}

void connection_closes(node_id_t ts, struct acceptor acceptor)
{
    DELIVER(ts, CONNECTION_CLOSED,
            (struct connection_closed){.closed = {closed_connection_of(&acceptor, PORT, 1000)}});
}

void other_cm_offers(node_id_t app)
{
    DELIVER(OTHER_CM, OFFER,
            (struct offer){.acceptor = {.node = app, .listener_index = 7, .cm = OTHER_CM},
                           .port = PORT});
}

struct sent_message *next_sent(node_id_t to, uint16_t type)
{
    struct sent_message *message = &sent[seen_count++];

    assert_true(seen_count <= sent_count);
    assert_int_equal(message->header.type, type);
    assert_int_equal(message->to, to);
    return message;
}

void nothing_more_is_sent(void)
{
    assert_int_equal(sent_count, seen_count);
}

void see_all(void)
{
    sent_count = seen_count = 0;
}

void see_only_assignments(void)
{
    for (unsigned i = seen_count; i < sent_count; i++) {
        assert_int_equal(sent[i].header.type, ASSIGN_CONNECTION);
    }
    see_all();
}

struct acceptor assigned_to(node_id_t ts)
{
    return next_sent(ts, ASSIGN_CONNECTION)->assign.acceptor;
}

struct acceptor connection_opens(node_id_t ts)
{
    syn_arrives(ts, PORT);
    return assigned_to(ts);
}

void other_cm_is_offered(node_id_t app)
{
    const struct offer *offer = &next_sent(OTHER_CM, OFFER)->offer;

    assert_int_equal(offer->acceptor.node, app);
    assert_int_equal(offer->acceptor.cm, OUR_CM);
    assert_int_equal(offer->port, PORT);
}

void app_is_offered_in(node_id_t app, uint64_t service_ns)
{
    const struct offer *offer = &next_sent(OTHER_CM, OFFER)->offer;

    assert_int_equal(offer->acceptor.node, app);
    assert_int_equal(offer->service_ns, service_ns);
}

void connection_is_reassigned(node_id_t ts, uint32_t connection_index, node_id_t app)
{
    const struct reassign_connection *reassign = &next_sent(ts, REASSIGN_CONNECTION)->reassign;

    assert_int_equal(reassign->connection_index, connection_index);
    assert_int_equal(reassign->generation, connection_index + 100);
    assert_int_equal(reassign->acceptor.node, app);
    assert_int_equal(reassign->acceptor.grant, GRANT_NONE);
    assert_int_equal(reassign->port, PORT);
    assert_int_equal(reassign->is_refused, 0);
}

void connection_is_refused(node_id_t ts, uint32_t connection_index)
{
    const struct reassign_connection *reassign = &next_sent(ts, REASSIGN_CONNECTION)->reassign;

    assert_int_equal(reassign->connection_index, connection_index);
    assert_int_equal(reassign->acceptor.node, NODE_NONE);
    assert_int_equal(reassign->is_refused, 1);
}

const struct acceptor nobody = {.node = NODE_NONE, .cm = OUR_CM, .assigned_by = OUR_CM};

void one_app_serves(node_id_t app)
{
    app_listens(app, PORT, 8);
    app_accepts(app, PORT);
    other_cm_is_offered(app);
}

void both_apps_serve(void)
{
    one_app_serves(APP_A);
    app_listens(APP_B, PORT, 8);
    app_accepts(APP_B, PORT);
}

struct listener *listener_at(uint16_t port)
{
    return listener_find(&manager.listeners, port);
}

struct listening_application *application_of(node_id_t node)
{
    return listener_find_application(listener_at(PORT), node, 7);
}

void serve_one(uint64_t service_ns)
{
    struct acceptor acceptor = connection_opens(TS_A);

    now_ns += service_ns;
    DELIVER(
        TS_A, CONNECTION_CLOSED,
        (struct connection_closed){.closed = {closed_connection_of(&acceptor, PORT, service_ns)}});
}

void serve_until_median_is(uint64_t service_ns)
{
    for (unsigned i = 0; i < SERVICE_WINDOW; i++) {
        now_ns += SERVICE_SAMPLE_NS;
        serve_one(service_ns);
        see_all();
    }
    assert_int_equal(service_history_median_ns(application_of(APP_A)->history), service_ns);
}

void other_cm_offers_in(node_id_t app, uint64_t service_ns)
{
    DELIVER(OTHER_CM, OFFER,
            (struct offer){.acceptor = {.node = app, .listener_index = 7, .cm = OTHER_CM},
                           .port = PORT,
                           .service_ns = service_ns});
}

void wake(void)
{
    assert_int_not_equal(wake_ns, UINT64_MAX);
    if (wake_ns > now_ns) {
        now_ns = wake_ns;
    }
    wake_ns = UINT64_MAX;
    manager_send_offers(&manager);
}

int start_anew(void **state)
{
    return start_balanced_by(state, "balance=least");
}

int start_balanced_by(void **state, const char *line)
{
    struct manager_options options;
    char reason[64];

    (void)state;
    assert_int_equal(manager_options_parse(&options, line, 1, reason, sizeof(reason)), 0);
    now_ns = 1;
    message_interval_ns = NS_PER_MS;
    clock_step_ns = 0;
    wake_ns = UINT64_MAX;
    if (configuration_parse(&configuration, "pika=TS2LS2CM2 app=httpd:4", NODE_COUNT, reason,
                            sizeof(reason)) != 0) {
        return -1;
    }
    free(memory);
    memory = malloc(listener_table_bytes(configuration.node_count));
    assert_non_null(memory);
    memset(memory, 0xA5, listener_table_bytes(configuration.node_count));
    manager_initialise(&manager, OUR_CM, &configuration, &options, &environment, counters, memory);
    sent_count = 0;
    seen_count = 0;
    told_ports_count = 0;
    memset(counters, 0, sizeof(counters));
    return 0;
}

int start_tournament(void **state)
{
    int result = start_balanced_by(state, "net=dhcp");

    message_interval_ns = 0;
    return result;
}

/* Whatever the test has left: with all other nodes gone nothing is left of it. */
int all_is_given_back(void **state)
{
    unsigned free_applications = 0;

    (void)state;
    sent_count = seen_count = 0;
    for (node_id_t node = 0; node < configuration.node_count; node++) {
        if (node != OUR_CM && !configuration_is_dead(&configuration, node)) {
            node_dies(node);
        }
    }
    if (listener_after(&manager.listeners, NULL) != NULL || counters[COUNTER_OFFERS_KNOWN] != 0) {
        return -1;
    }
    for (const struct listening_application *application = manager.listeners.free_applications;
         application != NULL; application = application->next) {
        free_applications++;
    }
    return manager.waiting.free_count == manager.waiting.fresh &&
                   free_applications == manager.listeners.fresh_application
               ? 0
               : -1;
}
