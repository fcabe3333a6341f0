/* SPDX-License-Identifier: MIT */
/*
 * The only place in net/manager/ that knows the dispatcher, and that has a manager of its own.
 */
#include "net/manager/server.h"

#include "kernel/log.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/send.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/memory.h"
#include "libc/core/timer.h"
#include "net/configuration.h"
#include "net/draining.h"
#include "net/handlers.h"
#include "net/manager/counters.h"
#include "net/manager/figures.h"
#include "net/manager/manager.h"
#include "net/manager/options.h"
#include "net/returning.h"
#include "net/service_times.h"
#include "net/status_text.h"

/* For what applications tell a CM that has come back: one that hangs must not keep it from its
 * work. Chosen: a hundred times what they need. */
#define LEARNING_PATIENCE_NS (100 * NS_PER_MS)

/* Service times are published for people, who look no oftener. */
#define PUBLISH_PERIOD_NS (250 * NS_PER_MS)

static struct manager own_manager;
static void *tables;             /* its */
static uint64_t publish_ns;      /* when service times are next published */
static struct timer offer_timer; /* when it has an offer to send that must wait */
/* This node has come back: the applications that have not told their listeners. */
static struct node_set untold;
static struct timer learning_timer;

/* --- What it asks of its node --- */

static void *reserve_posted(node_id_t to, uint16_t type, size_t fixed_bytes, void *context)
{
    (void)context;
    return message_reserve_posted(to, type, fixed_bytes);
}

static void publish(void *context)
{
    (void)context;
    message_publish();
}

static void count(unsigned counter, void *context)
{
    (void)context;
    counter_increment(counter);
}

static void add(unsigned counter, uint64_t amount, void *context)
{
    (void)context;
    counter_add(counter, amount);
}

static void set(unsigned counter, uint64_t value, void *context)
{
    (void)context;
    counter_set(counter, value);
}

static uint64_t now_ns(void *context)
{
    (void)context;
    return dispatch_now_ns();
}

static uint64_t exact_now_ns(void *context)
{
    (void)context;
    return platform_now_ns();
}

static void send_offers(struct timer *timer)
{
    (void)timer;
    manager_send_offers(&own_manager);
}

static void wake_at(uint64_t time_ns, void *context)
{
    (void)context;
    if (timer_start(&offer_timer, time_ns) != 0) {
        PANIC("no memory for the timer of offers");
    }
}

static const struct manager_environment environment = {
    .reserve_posted = reserve_posted,
    .publish = publish,
    .count = count,
    .add = add,
    .set = set,
    .now_ns = now_ns,
    .exact_now_ns = exact_now_ns,
    .wake_at = wake_at,
};

/* --- What its node tells it --- */

static void handle_listen(node_id_t from, const struct message *message)
{
    manager_handle_listen(&own_manager, from, message);
}

static void handle_unlisten(node_id_t from, const struct message *message)
{
    manager_handle_unlisten(&own_manager, from, message);
}

static void handle_accept_connection(node_id_t from, const struct message *message)
{
    manager_handle_accept_connection(&own_manager, from, message);
}

static void handle_give_up_place(node_id_t from, const struct message *message)
{
    manager_handle_give_up_place(&own_manager, from, message);
}

static void handle_syn_arrived(node_id_t from, const struct message *message)
{
    struct assign_connection *answer =
        message_reserve_posted(from, ASSIGN_CONNECTION, sizeof(*answer));

    manager_answer_syn(&own_manager, from, message, answer);
    message_publish();
}

static void handle_accept_timeout(node_id_t from, const struct message *message)
{
    manager_handle_accept_timeout(&own_manager, from, message);
}

/* Of an application with several ports one counts, the first that has been asked. */
static void publish_service_times(void)
{
    struct manager_cursor cursor = {0};
    struct manager_application application;
    struct node_set is_said = {{0}};

    while (manager_next_application(&own_manager, &cursor, &application)) {
        if (!node_set_has(&is_said, application.node) && application.sample_count != 0) {
            node_set_add(&is_said, application.node);
            service_times_publish(application.node, application.median_ns);
        }
    }
}

static void handle_connection_closed(node_id_t from, const struct message *message)
{
    manager_handle_connection_closed(&own_manager, from, message);
    if (UNLIKELY(dispatch_now_ns() >= publish_ns)) {
        publish_ns = dispatch_now_ns() + PUBLISH_PERIOD_NS;
        publish_service_times();
    }
}

static void handle_offer(node_id_t from, const struct message *message)
{
    manager_handle_offer(&own_manager, from, message);
}

/* --- Returns --- */

static void serve_again(void)
{
    if (returning_is_due(ROLE_CM)) {
        timer_stop(&learning_timer);
        returning_announce(ROLE_CM);
    }
}

static void note_told(node_id_t application)
{
    node_set_remove(&untold, application);
    if (node_set_is_empty(&untold)) {
        serve_again();
    }
}

static void handle_listeners_told(node_id_t from, const struct message *message)
{
    (void)message;
    note_told(from);
}

static void lose_patience(struct timer *timer)
{
    (void)timer;
    serve_again();
}

/* Those that live tell of their listeners unasked; one that starts later does anyway. */
static void begin_learning(const struct configuration *configuration)
{
    for (unsigned i = 0; i < configuration->application_count; i++) {
        if (!configuration_is_dead(configuration, configuration->applications[i])) {
            node_set_add(&untold, configuration->applications[i]);
        }
    }
    node_set_remove(&untold, platform_node());
    manager_begin_learning(&own_manager);
    if (node_set_is_empty(&untold) ||
        timer_start(&learning_timer, dispatch_now_ns() + LEARNING_PATIENCE_NS) != 0) {
        serve_again();
    }
}

static void note_serving(node_id_t node, enum role role)
{
    if (node == platform_node() && role == ROLE_CM) {
        manager_end_learning(&own_manager);
    }
}

static void note_going(node_id_t node)
{
    manager_note_draining(&own_manager, node);
}

static void handle_node_down(node_id_t node)
{
    manager_forget_node(&own_manager, node);
    note_told(node);
}

static void handle_node_up(node_id_t node)
{
    manager_greet_node(&own_manager, node);
}

MEMORY_KIND(tables_kind, "manager_tables");

void connection_manager_start(const struct configuration *configuration)
{
    static const struct draining_observer observer = {.goes = note_going, .stays = note_going};
    struct manager_options options;
    char balance_text[STATUS_TEXT_BYTES], reason[256];

    memory_release(&tables_kind, tables); /* if it is started anew */
    publish_ns = 0;
    tables = memory_allocate(&tables_kind, listener_table_bytes(configuration->node_count));
    if (tables == NULL) {
        PANIC("no memory for the tables of the listeners");
    }
    if (manager_options_parse(&options, platform_command_line(), platform_random(), reason,
                              sizeof(reason)) != 0 &&
        configuration->cm[0] == platform_node()) {
        log_warning("cm", "%s", reason); /* all have read the same */
    }
    manager_initialise(&own_manager, platform_node(), configuration, &options, &environment, NULL,
                       tables);
    timer_initialise(&offer_timer, send_offers);
    net_register_message(LISTEN, handle_listen);
    net_register_message(UNLISTEN, handle_unlisten);
    net_register_message(ACCEPT_CONNECTION, handle_accept_connection);
    net_register_message(GIVE_UP_PLACE, handle_give_up_place);
    net_register_message(LISTENERS_TOLD, handle_listeners_told);
    net_register_message(SYN_ARRIVED, handle_syn_arrived);
    net_register_message(ACCEPT_TIMEOUT, handle_accept_timeout);
    net_register_message(CONNECTION_CLOSED, handle_connection_closed);
    net_register_message(OFFER, handle_offer);
    dispatch_register_node_down(handle_node_down);
    dispatch_register_node_up(handle_node_up);
    returning_observe(note_serving);
    draining_observe(&observer);
    timer_initialise(&learning_timer, lose_patience);
    untold = (struct node_set){{0}};
    if (returning_is_due(ROLE_CM)) {
        begin_learning(configuration);
    }
    balance_print(&options.balance, balance_text, sizeof(balance_text));
    status_set_text(STATUS_TEXT_BALANCE, balance_text);
    counter_set(COUNTER_OFFER_PERIOD_NS, options.offer_period_ns);
}

const struct manager *connection_manager_own(void)
{
    return tables == NULL ? NULL : &own_manager;
}
