/* SPDX-License-Identifier: MIT */
/*
 * An entry of CONNECTION_CLOSED (messages.h), from what it is made of and back.
 */
#pragma once

#include "net/messages.h"

/* What `service` counts in: 32 bits are 68 s then, and a longer time is told as that. */
#define CLOSED_SERVICE_UNIT_NS 16u

/* `service_ns` 0: its application was never told of it. */
static inline struct closed_connection closed_connection_of(const struct acceptor *acceptor,
                                                            uint16_t port, uint64_t service_ns)
{
    uint64_t whole = service_ns / CLOSED_SERVICE_UNIT_NS;
    uint64_t units = whole == 0 && service_ns != 0 ? 1 : whole;

    return (struct closed_connection){
        .node = acceptor->node,
        .assigned_by = acceptor->assigned_by,
        .port = port,
        .listener_index = acceptor->listener_index,
        .is_granted = acceptor->grant != GRANT_NONE,
        .service = units < UINT32_MAX ? (uint32_t)units : UINT32_MAX,
    };
}

static inline uint64_t closed_connection_service_ns(const struct closed_connection *closed)
{
    return (uint64_t)closed->service * CLOSED_SERVICE_UNIT_NS;
}
