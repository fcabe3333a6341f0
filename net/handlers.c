/* SPDX-License-Identifier: MIT */
/*
 * Handlers, registered with what net/messages.h says of their messages.
 */
#include "net/handlers.h"

#include "net/configuration.h"
#include "net/messages.h"

static void limit_senders(uint16_t type)
{
    dispatch_limit_senders(type, net_message_senders(configuration_current(), type));
}

void net_register_message(uint16_t type, message_handler handler)
{
    dispatch_register_message(type, net_message_bytes(type), handler);
    limit_senders(type);
}

void net_register_payload_message(uint16_t type, message_payload_handler handler)
{
    dispatch_register_payload_message(type, net_message_bytes(type), handler);
    limit_senders(type);
}
