/* SPDX-License-Identifier: MIT */
/*
 * Messages by which one node steers another. What they say is another node's word: a log level that
 * makes no sense is reported and ignored.
 */
#include "apps/monitor/control.h"

#include <string.h>

#include "apps/monitor/log_option.h"
#include "apps/monitor/messages.h"
#include "kernel/component.h"
#include "kernel/log.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/send.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"

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

    (void)from;
    /* It logs what it ignores. */
    (void)log_option_apply(set_log->value, strnlen(set_log->value, sizeof(set_log->value)));
}

/* MESSAGE_STOP_NODE: the machine is being switched off, so nobody need take this for a failure. */
static void handle_stop(node_id_t from, const struct message *message)
{
    (void)from;
    (void)message;
    platform_halt();
}

static void register_handlers(void)
{
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

static const struct component control_component = {.steps = {[NODE_READY] = register_handlers}};
COMPONENT(control_component);
