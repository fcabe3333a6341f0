/* SPDX-License-Identifier: MIT */
/*
 * Orders to a node: to stop, to fail, to say what it knows. They come from where a person gives
 * them, the console's owner. Any other node that sends one has gone wild.
 */
#pragma once

#include "kernel/log.h"
#include "kernel/message/status.h"

/* What is not rightful is counted as DROP_BAD_MESSAGE. */
static inline bool order_is_rightful(node_id_t from)
{
    bool is_rightful = from == log_console_owner();

    counter_add(COUNTER_DROP_BAD_MESSAGE, !is_rightful);
    return is_rightful;
}
