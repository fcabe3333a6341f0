/* SPDX-License-Identifier: MIT */
/*
 * Messages by which one node steers another (order.h). What they say is another node's word: a log
 * level that makes no sense is reported and ignored.
 */
#include "apps/monitor/control.h"

#include <string.h>

#include "apps/monitor/log_option.h"
#include "apps/monitor/messages.h"
#include "apps/monitor/order.h"
#include "kernel/component.h"
#include "kernel/log.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/send.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "net/configuration.h"
#include "net/draining.h"

/* The receiver logs at other levels. No answer is owed. */
struct set_log {
    struct message_header header;
    char value[CONTROL_LOG_MAX_BYTES]; /* as of `log=`, zero-padded */
};

_Static_assert(sizeof(struct set_log) == CHANNEL_LINE_BYTES, "one line");

/* MESSAGE_SET_LOG. */
static void handle_set_log(node_id_t from, const struct message *message)
{
    const struct set_log *set_log = (const struct set_log *)message;

    if (order_is_rightful(from)) {
        /* It logs what it ignores. */
        (void)log_option_apply(set_log->value, strnlen(set_log->value, sizeof(set_log->value)));
    }
}

/* MESSAGE_STOP_NODE: the machine is being switched off, so nobody need take this for a failure. */
static void handle_stop(node_id_t from, const struct message *message)
{
    (void)message;
    if (!order_is_rightful(from)) {
        return;
    }
    counter_set(COUNTER_DISPATCH_ROUNDS, 0); /* nobody expects any from now on */
    platform_halt();
}

/* The receiver goes, or finishes. No answer: what comes of it stands on its status page. */
struct drain {
    struct message_header header;
    uint32_t is_machine; /* that ends */
    uint32_t is_staying; /* the receiver, after all */
};

/* MESSAGE_DRAIN. */
static void handle_drain(node_id_t from, const struct message *message)
{
    const struct drain *drain = (const struct drain *)message;

    if (order_is_rightful(from)) {
        (drain->is_machine != 0   ? draining_finish
         : drain->is_staying != 0 ? draining_stay
                                  : draining_begin)();
    }
}

static void register_handlers(void)
{
    dispatch_register_message(MESSAGE_DRAIN, sizeof(struct drain), handle_drain);
    dispatch_register_message(MESSAGE_STOP_NODE, sizeof(struct message_header), handle_stop);
    dispatch_register_message(MESSAGE_SET_LOG, sizeof(struct set_log), handle_set_log);
}

/* Whether a message about the whole machine goes there. */
static bool is_elsewhere(node_id_t node)
{
    return node != platform_node() && status_node_state(node) == NODE_RUNNING;
}

void control_set_log_elsewhere(const char *value, size_t length_bytes)
{
    for (unsigned i = 0; i < platform_node_count(); i++) {
        struct set_log *message;

        if (!is_elsewhere((node_id_t)i)) {
            continue;
        }
        message = message_reserve_posted((node_id_t)i, MESSAGE_SET_LOG, sizeof(*message));
        ASSERT(length_bytes > 0 && length_bytes <= sizeof(message->value));
        memcpy(message->value, value, length_bytes);
        message_publish();
    }
}

static void post_alone(node_id_t node, uint16_t type)
{
    ASSERT(node < platform_node_count());
    (void)message_reserve_posted(node, type, sizeof(struct message));
    message_publish();
}

void control_stop_elsewhere(void)
{
    for (unsigned i = 0; i < platform_node_count(); i++) {
        if (is_elsewhere((node_id_t)i)) {
            post_alone((node_id_t)i, MESSAGE_STOP_NODE);
        }
    }
}

static void post_drain(node_id_t node, bool is_machine, bool is_staying)
{
    struct drain *message = message_reserve_posted(node, MESSAGE_DRAIN, sizeof(*message));

    message->is_machine = is_machine;
    message->is_staying = is_staying;
    message_publish();
}

void control_drain(node_id_t node)
{
    post_drain(node, false, false);
}

void control_stay(node_id_t node)
{
    post_drain(node, false, true);
}

void control_finish_everywhere(void)
{
    for (node_id_t node = 0; node < platform_node_count(); node++) {
        if (configuration_current()->roles[node] != 0 && status_node_state(node) == NODE_RUNNING) {
            post_drain(node, true, false);
        }
    }
}

static const struct component control_component = {.steps = {[NODE_READY] = register_handlers}};
COMPONENT(control_component);
