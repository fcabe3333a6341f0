/* SPDX-License-Identifier: MIT */
/*
 * A transport server is asked by a message and tells of one connection in each of its answers. What
 * they say is another node's word: it is printed and no more, and only as many lines as were asked
 * for.
 */
#include "apps/monitor/connections.h"

#include "apps/monitor/messages.h"
#include "apps/monitor/order.h"
#include "apps/monitor/print.h"
#include "kernel/component.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/send.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/bytes.h"
#include "net/transport/connection.h"
#include "net/transport/table.h"

/* What is more is counted. Chosen: with some left, what the console keeps of answers. */
#define TOLD_MAX 200u

/* So many answers may still come from each node. */
static uint8_t awaited[NODE_MAX];

_Static_assert(TOLD_MAX + 1 <= UINT8_MAX, "awaited");

void connections_show(node_id_t node)
{
    ASSERT(node < platform_node_count());
    if (status_node_state(node) != NODE_RUNNING) {
        monitor_print("node%u does not run\n", node);
        return;
    }
    awaited[node] = TOLD_MAX + 1;
    (void)message_reserve_posted(node, MESSAGE_ASK_CONNECTIONS, sizeof(struct message));
    message_publish();
}

/* --- As the one who is asked --- */

static bool has_application(const struct connection *connection)
{
    return connection->state == CONNECTION_ANNOUNCED || connection->state == CONNECTION_CLAIMED;
}

static void tell_connection(node_id_t to, const struct connection *connection)
{
    struct tell_connection *tell =
        message_reserve_posted(to, MESSAGE_TELL_CONNECTION, sizeof(*tell));

    tell->remote_address = connection->tcb.flow.remote_address;
    tell->remote_port = connection->tcb.flow.remote_port;
    tell->local_port = connection->tcb.flow.local_port;
    tell->state = connection->state;
    tell->application =
        has_application(connection) ? connection->acceptor.node : (node_id_t)NODE_NONE;
    message_publish();
}

static void tell_end(node_id_t to, uint32_t left_out)
{
    struct tell_connection *tell =
        message_reserve_posted(to, MESSAGE_TELL_CONNECTION, sizeof(*tell));

    tell->state = CONNECTION_FREE;
    tell->count = left_out;
    message_publish();
}

struct asked {
    node_id_t by;
    uint32_t count;
};

static void tell_if_not_too_many(struct connection *connection, void *context)
{
    struct asked *asked = context;

    if (asked->count++ < TOLD_MAX) {
        tell_connection(asked->by, connection);
    }
}

/* MESSAGE_ASK_CONNECTIONS. A node without a transport server has none. */
static void handle_ask(node_id_t from, const struct message *message)
{
    struct asked asked = {.by = from};

    (void)message;
    if (!order_is_rightful(from)) {
        return;
    }
    connection_for_each(tell_if_not_too_many, &asked);
    tell_end(from, asked.count > TOLD_MAX ? asked.count - TOLD_MAX : 0);
}

/* --- What is answered --- */

static void print_connection(node_id_t from, const struct tell_connection *tell)
{
    static const char *const states[CONNECTION_STATE_COUNT] = {
        [CONNECTION_ASSIGNED] = "assigned", [CONNECTION_ANNOUNCED] = "announced",
        [CONNECTION_WAITING] = "waiting",   [CONNECTION_CLAIMED] = "claimed",
        [CONNECTION_DETACHED] = "detached",
    };
    const uint8_t *address = (const uint8_t *)&tell->remote_address;

    monitor_print("node%-2u %u.%u.%u.%u:%u to port %u, %s", from, address[0], address[1],
                  address[2], address[3], swap16(tell->remote_port), swap16(tell->local_port),
                  states[tell->state]);
    if (tell->application != NODE_NONE) {
        monitor_print(", node%u's", tell->application);
    }
    monitor_print("\n");
}

/* MESSAGE_TELL_CONNECTION. */
static void handle_tell(node_id_t from, const struct message *message)
{
    const struct tell_connection *tell = (const struct tell_connection *)message;

    if (awaited[from] == 0 || tell->state >= CONNECTION_STATE_COUNT) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        return;
    }
    awaited[from]--;
    if (tell->state != CONNECTION_FREE) {
        print_connection(from, tell);
        return;
    }
    awaited[from] = 0;
    monitor_print("node%-2u and %u more\n", from, tell->count);
}

static void register_handlers(void)
{
    dispatch_register_message(MESSAGE_ASK_CONNECTIONS, sizeof(struct message_header), handle_ask);
    dispatch_register_message(MESSAGE_TELL_CONNECTION, sizeof(struct tell_connection), handle_tell);
}

static const struct component connections_component = {.steps = {[NODE_READY] = register_handlers}};
COMPONENT(connections_component);
