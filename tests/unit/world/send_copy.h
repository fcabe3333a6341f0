/* SPDX-License-Identifier: MIT */
/*
 * For unit tests that have made a message beforehand: sent as if it had been built in place.
 */
#pragma once

#include <string.h>

#include "kernel/message/send.h"

static inline int send_copy_with(node_id_t to, const struct message_header *fixed,
                                 size_t fixed_bytes, const void *payload, size_t payload_bytes)
{
    uint8_t *place = message_reserve_payload(to, fixed->type, fixed_bytes, payload_bytes);

    if (place == NULL) {
        return message_refusal(to);
    }
    memcpy(place + sizeof(*fixed), fixed + 1, fixed_bytes - sizeof(*fixed));
    if (payload_bytes != 0) {
        memcpy(place + fixed_bytes, payload, payload_bytes);
    }
    message_publish();
    return 0;
}

static inline int send_copy(node_id_t to, const struct message_header *message)
{
    return send_copy_with(to, message, message->length_bytes, NULL, 0);
}

static inline void post_copy(node_id_t to, const struct message_header *message)
{
    struct message_header *place = message_reserve_posted(to, message->type, message->length_bytes);

    memcpy(place + 1, message + 1, message->length_bytes - sizeof(*message));
    message_publish();
}
