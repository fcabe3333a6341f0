/* SPDX-License-Identifier: MIT */
/*
 * Registering the handlers of net/messages.h: each message is taken only from nodes with a role
 * that the table there lets send it. Others' are counted as DROP_BAD_MESSAGE and never reach a
 * handler.
 */
#pragma once

#include "kernel/message/dispatch.h"

/* As dispatch_register_message() and dispatch_register_payload_message(), with the size of the
 * type's struct. */
void net_register_message(uint16_t type, message_handler handler);
void net_register_payload_message(uint16_t type, message_payload_handler handler);
