/* SPDX-License-Identifier: MIT */
/*
 * Names of the messages, for logs.
 */
#include "net/messages.h"

const char *message_name(uint16_t type)
{
    static const char *const names[] = {
#define X(type, name, from, to) [type] = #type,
        MESSAGE_TABLE(X)
#undef X
    };

    if (type >= ARRAY_COUNT(names) || names[type] == NULL) {
        return "?";
    }
    return names[type];
}
