/* SPDX-License-Identifier: MIT */
/*
 * Messages to managers in unit tests: see manager_messages.h.
 */
#include "tests/unit/world/manager_messages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/message/counters.h"

/* As net/manager/server.c has it. */
static void handle_syn_arrived(struct manager *manager, node_id_t from,
                               const struct message *message)
{
    const struct manager_environment *environment = manager->environment;
    struct assign_connection *answer =
        environment->reserve_posted(from, ASSIGN_CONNECTION, sizeof(*answer), manager->context);

    manager_answer_syn(manager, from, message, answer);
    environment->publish(manager->context);
}

static const struct {
    size_t fixed_bytes;
    void (*handle)(struct manager *manager, node_id_t from, const struct message *message);
} received[MESSAGE_TYPE_AFTER_NET] = {
    [LISTEN] = {sizeof(struct listen), manager_handle_listen},
    [UNLISTEN] = {sizeof(struct unlisten), manager_handle_unlisten},
    [ACCEPT_CONNECTION] = {sizeof(struct accept_connection), manager_handle_accept_connection},
    [SYN_ARRIVED] = {sizeof(struct syn_arrived), handle_syn_arrived},
    [ACCEPT_TIMEOUT] = {sizeof(struct accept_timeout), manager_handle_accept_timeout},
    [CONNECTION_CLOSED] = {sizeof(struct connection_closed), manager_handle_connection_closed},
    [OFFER] = {sizeof(struct offer), manager_handle_offer},
};

size_t manager_fixed_bytes(uint16_t type)
{
    return type < ARRAY_COUNT(received) ? received[type].fixed_bytes : 0;
}

void deliver_to_manager(struct manager *manager, node_id_t from,
                        const struct message_header *message)
{
    size_t fixed_bytes = manager_fixed_bytes(message->type);
    const struct message *whole = (const struct message *)message;

    assert_int_not_equal(fixed_bytes, 0);
    assert_int_equal(fixed_bytes, net_message_bytes(message->type));
    struct node_set senders = net_message_senders(manager->configuration, message->type);

    if (!node_set_has(&senders, from)) {
        manager->environment->count(COUNTER_DROP_BAD_MESSAGE, manager->context);
        return; /* as the dispatcher does */
    }
    assert_int_equal(message->length_bytes, fixed_bytes);
    received[message->type].handle(manager, from, whole);
}
