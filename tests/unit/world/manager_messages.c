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

static const struct {
    size_t minimum_bytes;
    void (*handle)(struct manager *manager, node_id_t from, const struct message *message);
} received[MESSAGE_TYPE_AFTER_NET] = {
    [LISTEN] = {sizeof(struct listen), manager_handle_listen},
    [UNLISTEN] = {sizeof(struct unlisten), manager_handle_unlisten},
    [ACCEPT_CONNECTION] = {sizeof(struct accept_connection), manager_handle_accept_connection},
    [SYN_ARRIVED] = {sizeof(struct syn_arrived), manager_handle_syn_arrived},
    [ACCEPT_TIMEOUT] = {sizeof(struct accept_timeout), manager_handle_accept_timeout},
    [CONNECTION_CLOSED] = {sizeof(struct connection_closed), manager_handle_connection_closed},
    [OFFER] = {sizeof(struct offer), manager_handle_offer},
};

size_t manager_minimum_bytes(uint16_t type)
{
    return type < ARRAY_COUNT(received) ? received[type].minimum_bytes : 0;
}

void deliver_to_manager(struct manager *manager, node_id_t from,
                        const struct message_header *message)
{
    size_t minimum_bytes = manager_minimum_bytes(message->type);

    assert_int_not_equal(minimum_bytes, 0);
    assert_true(message->length_bytes >= minimum_bytes);
    received[message->type].handle(manager, from, (const struct message *)message);
}
