/* SPDX-License-Identifier: MIT */
/*
 * Keeps the last ADDRESS_SET, and tells it to those parts of this node that asked.
 */
#include "net/address.h"

#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "net/configuration.h"
#include "net/handlers.h"

#define OBSERVER_MAX 2 /* the transport server and the application */

static struct address_set current;
static void (*observers[OBSERVER_MAX])(const struct address_set *address);
static unsigned observer_count;
static bool is_started;

static void handle_address_set(node_id_t from, const struct message *message)
{
    if (!configuration_may_speak(from)) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        return;
    }
    current = *(const struct address_set *)(const void *)message;
    for (unsigned i = 0; i < observer_count; i++) {
        observers[i](&current);
    }
}

void address_start(void)
{
    if (!is_started) {
        is_started = true;
        net_register_message(ADDRESS_SET, handle_address_set);
    }
}

void address_observe(void (*changed)(const struct address_set *address))
{
    ASSERT(observer_count < OBSERVER_MAX);
    for (unsigned i = 0; i < observer_count; i++) {
        ASSERT(observers[i] != changed); /* it would be told twice */
    }
    address_start();
    observers[observer_count++] = changed;
    if (current.header.type != 0) {
        changed(&current);
    }
}

const struct address_set *address_current(void)
{
    return &current;
}
