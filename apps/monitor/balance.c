/* SPDX-License-Identifier: MIT */
/*
 * A manager is asked by a message and tells one thing in each of its answers. What they say is
 * another node's word: it is printed and no more, and only as many lines as were asked for.
 */
#include "apps/monitor/balance.h"

#include "apps/monitor/messages.h"
#include "apps/monitor/order.h"
#include "apps/monitor/print.h"
#include "kernel/component.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/send.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/format.h"
#include "net/configuration.h"
#include "net/counters.h"
#include "net/manager/figures.h"
#include "net/manager/server.h"
#include "net/status_text.h"

/* Of a manager's applications, and of its offers; what is more is counted. Chosen: a screen's. */
#define TOLD_MAX 24u

/* So many answers may still come from each node. */
static uint8_t awaited[NODE_MAX];

/* --- What stands on status pages --- */

static unsigned long count_of(node_id_t node, unsigned counter)
{
    return counter_read(node, counter);
}

/* All managers have the same. */
static void print_scheme(void)
{
    char balance[STATUS_TEXT_BYTES];

    for (unsigned i = 0; i < platform_node_count(); i++) {
        status_copy_text((node_id_t)i, STATUS_TEXT_BALANCE, balance);
        if (balance[0] != '\0') {
            monitor_print("scheme: %s\n", balance);
            return;
        }
    }
}

static void print_counts(node_id_t node)
{
    const struct configuration *configuration = configuration_current();

    if (configuration_has_role(configuration, node, ROLE_CM)) {
        monitor_print(
            "node%-2u CM: assigned %lu here, %lu to other CMs; %lu waited for an acceptor\n", node,
            count_of(node, COUNTER_CM_ASSIGNED), count_of(node, COUNTER_CM_ASSIGNED_REMOTE),
            count_of(node, COUNTER_CM_QUEUED));
    }
    if (configuration_has_role(configuration, node, ROLE_TS)) {
        monitor_print(
            "node%-2u TS: claims: %lu confirmed, %lu rejected; %lu connections not claimed in "
            "time\n",
            node, count_of(node, COUNTER_CLAIMS_CONFIRMED), count_of(node, COUNTER_CLAIMS_REJECTED),
            count_of(node, COUNTER_ACCEPT_TIMEOUTS));
    }
    if (count_of(node, COUNTER_SOCKETS_ACCEPTED) != 0) {
        monitor_print("node%-2u application: %lu connections accepted\n", node,
                      count_of(node, COUNTER_SOCKETS_ACCEPTED));
    }
}

void balance_show(const char *argument)
{
    (void)argument;
    print_scheme();
    for (unsigned i = 0; i < platform_node_count(); i++) {
        print_counts((node_id_t)i);
    }
    for (unsigned i = 0; i < platform_node_count(); i++) {
        node_id_t node = (node_id_t)i;

        if (configuration_has_role(configuration_current(), node, ROLE_CM) &&
            status_node_state(node) == NODE_RUNNING) {
            awaited[node] = 2 * TOLD_MAX + 1;
            (void)message_reserve_posted(node, MESSAGE_ASK_BALANCE, sizeof(struct message));
            message_publish();
        }
    }
}

/* --- As the one who is asked --- */

static struct tell_balance *begin_telling(node_id_t to, enum told told)
{
    struct tell_balance *tell =
        message_reserve_posted(to, MESSAGE_TELL_BALANCE, sizeof(struct tell_balance));

    tell->told = (uint8_t)told;
    return tell;
}

static void tell_application(node_id_t to, const struct manager_application *application)
{
    struct tell_balance *tell = begin_telling(to, TOLD_APPLICATION);

    tell->port = application->port;
    tell->node = application->node;
    tell->is_accepting = application->is_accepting;
    tell->is_overdue = application->is_overdue;
    tell->is_offered = application->is_offered;
    tell->open = application->open_count;
    tell->sample_count = application->sample_count;
    tell->service_ns =
        application->median_ns != 0 ? application->median_ns : application->service_ns;
    tell->assigned = application->assigned_count;
    tell->closed_for_others = application->closed_for_others_count;
    message_publish();
}

static void tell_offer(node_id_t to, const struct manager_offer *offer)
{
    struct tell_balance *tell = begin_telling(to, TOLD_OFFER);

    tell->port = offer->port;
    tell->node = offer->node;
    tell->cm = offer->cm;
    tell->counts = offer->counts;
    tell->service_ns = offer->service_ns;
    message_publish();
}

/* MESSAGE_ASK_BALANCE. A node without a manager has nothing to tell. */
static void handle_ask(node_id_t from, const struct message *message)
{
    const struct manager *manager = connection_manager_own();
    struct manager_cursor applications = {0}, offers = {0};
    struct manager_application application;
    struct manager_offer offer;
    uint32_t application_count = 0, offer_count = 0, left_out = 0;

    (void)message;
    if (!order_is_rightful(from) || manager == NULL) {
        return;
    }
    while (manager_next_application(manager, &applications, &application)) {
        if (application_count++ < TOLD_MAX) {
            tell_application(from, &application);
        } else {
            left_out++;
        }
    }
    while (manager_next_offer(manager, &offers, &offer)) {
        if (offer_count++ < TOLD_MAX) {
            tell_offer(from, &offer);
        } else {
            left_out++;
        }
    }
    if (left_out != 0) {
        begin_telling(from, TOLD_LEFT_OUT)->count = left_out;
        message_publish();
    }
}

/* --- What is answered --- */

/* `310.2 us`. */
static void print_duration(char text[32], uint64_t duration_ns)
{
    if (duration_ns == 0) {
        format_text(text, 32, "an unknown time");
    } else {
        format_text(text, 32, "%lu.%lu us", duration_ns / 1000, duration_ns % 1000 / 100);
    }
}

static void print_application(node_id_t from, const struct tell_balance *tell)
{
    char service[32], median[32];

    print_duration(service, tell->service_ns);
    format_text(median, sizeof(median), "median of %u", tell->sample_count);
    monitor_print("node%-2u CM: port %u: node%u takes %s (%s%s), %u open; %lu assigned here, %lu "
                  "closed for other CMs%s%s\n",
                  from, tell->port, tell->node, service,
                  tell->sample_count != 0 ? median : "a guess",
                  tell->is_overdue != 0 ? ", now slower" : "", tell->open, tell->assigned,
                  tell->closed_for_others, tell->is_offered != 0 ? "; offered" : "",
                  tell->is_accepting != 0 ? "" : "; not accepting");
}

static void print_offer(node_id_t from, const struct tell_balance *tell)
{
    char service[32];

    print_duration(service, tell->service_ns);
    monitor_print("node%-2u CM: port %u: node%u offers node%u, which takes %s%s\n", from,
                  tell->port, tell->cm, tell->node, service,
                  tell->counts != 0 ? "" : "; not taken at present");
}

/* MESSAGE_TELL_BALANCE. */
static void handle_tell(node_id_t from, const struct message *message)
{
    const struct tell_balance *tell = (const struct tell_balance *)message;

    if (awaited[from] == 0 || tell->told > TOLD_LEFT_OUT) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        return;
    }
    awaited[from]--;
    switch ((enum told)tell->told) {
    case TOLD_APPLICATION:
        print_application(from, tell);
        break;
    case TOLD_OFFER:
        print_offer(from, tell);
        break;
    case TOLD_LEFT_OUT:
        monitor_print("node%-2u CM: and %u more\n", from, tell->count);
        break;
    }
}

static void register_handlers(void)
{
    dispatch_register_message(MESSAGE_ASK_BALANCE, sizeof(struct message_header), handle_ask);
    dispatch_register_message(MESSAGE_TELL_BALANCE, sizeof(struct tell_balance), handle_tell);
}

static const struct component balance_component = {.steps = {[NODE_READY] = register_handlers}};
COMPONENT(balance_component);
