/* SPDX-License-Identifier: MIT */
/*
 * The message of the log's way to a collector (apps/syslog/), a part of the table in
 * net/messages.h, which includes this file.
 */
#pragma once

#include "kernel/message/message.h"

/* clang-format off: a table */
#define LOG_MESSAGE_TABLE(X) X(LOG_SENT, log_sent, TS, TS)
/* clang-format on */

/* The speaker has sent the log of this node up to that byte: whoever speaks next goes on there. No
 * answer. */
struct log_sent {
    struct message_header header;
    uint32_t position;
    node_id_t node;
    uint16_t reserved;
};
