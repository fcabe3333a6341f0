/* SPDX-License-Identifier: MIT */
/*
 * Who has kept connections, and whether this node has.
 *
 * A node that comes back takes all others for such until each has answered its SERVES_AGAIN. One
 * that drains is such for all before its flows are others'.
 */
#include "net/transport/kept.h"

#include <string.h>

#include "kernel/message/dispatch.h"
#include "kernel/message/send.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/bytes.h"
#include "net/configuration.h"
#include "net/counters.h"
#include "net/draining.h"
#include "net/handlers.h"
#include "net/messages.h"
#include "net/returning.h"
#include "net/steering.h"
#include "net/transport/connection.h"
#include "net/transport/ephemeral.h"
#include "net/transport/forward/flow.h"
#include "net/transport/frames.h"
#include "net/transport/table.h"
#include "net/transport/tcp/half_open.h"
#include "net/transport/tcp/segment.h"

/* From one look for such connections to the next, at least: the table may be long. Chosen. */
#define SEARCH_INTERVAL_NS NS_PER_S
/* Entries looked at in a round. */
#define SEARCH_BATCH       256u

static const struct configuration *configuration;
static struct node_set keepers; /* who may have connections of this node's flows */
static bool is_keeping;         /* this one may have some of others' */
static unsigned owned_count;    /* pieces of all flows that are this node's */

static struct {
    bool is_running;
    uint32_t next_index;
    uint64_t not_before_ns;
} search;

static unsigned count_owned(void)
{
    unsigned count = 0;

    for (unsigned i = 0; i < configuration->ts_count; i++) {
        count += configuration->flow_owners[i] == platform_node();
    }
    return count;
}

static bool is_others(const struct flow *flow)
{
    unsigned group =
        steering_group(configuration, swap16(flow->remote_port), swap16(flow->local_port));

    return steering_owner(configuration, group) != platform_node();
}

/* --- Who keeps some --- */

static void post_kept(node_id_t ts)
{
    struct flows_kept *message = message_reserve_posted(ts, FLOWS_KEPT, sizeof(*message));

    message->is_keeping = is_keeping;
    message_publish();
}

static void note_serving(node_id_t node, enum role role)
{
    unsigned owned_before = owned_count;

    if (role != ROLE_TS) {
        return;
    }
    owned_count = count_owned();
    if (node == platform_node()) {
        return;
    }
    if (owned_count < owned_before && search.not_before_ns != UINT64_MAX) {
        is_keeping = true;
        search.is_running = false;
        search.not_before_ns = dispatch_now_ns() + SEARCH_INTERVAL_NS;
    }
    post_kept(node);
}

static void handle_flows_kept(node_id_t from, const struct message *message)
{
    const struct flows_kept *kept = (const struct flows_kept *)message;

    node_set_put(&keepers, from, kept->is_keeping != 0 && from != platform_node());
}

/* Its flows are its own still: no search before they are others'. */
static void note_keeping(node_id_t node)
{
    if (node != platform_node()) {
        node_set_add(&keepers, node);
        return;
    }
    is_keeping = true;
    search.is_running = false;
    search.not_before_ns = UINT64_MAX;
}

static void note_going(node_id_t node)
{
    owned_count = count_owned();
    if (node == platform_node()) {
        search.not_before_ns = dispatch_now_ns() + SEARCH_INTERVAL_NS;
    }
}

/* It has its flows again, and others what they have opened meanwhile. */
static void note_staying(node_id_t node)
{
    for (unsigned i = 0; i < configuration->ts_count && node == platform_node(); i++) {
        if (configuration->ts[i] != node &&
            !configuration_is_dead(configuration, configuration->ts[i])) {
            node_set_add(&keepers, configuration->ts[i]);
        }
    }
    if (configuration_has_role(configuration, node, ROLE_TS)) {
        note_serving(node, ROLE_TS);
    }
}

void kept_lose_node(node_id_t node)
{
    node_set_remove(&keepers, node);
    owned_count = count_owned();
}

/* --- Segments of theirs --- */

/* The first that can be asked; NODE_NONE if there is none. Another node's word: any set. */
static node_id_t take_next(struct node_set *others)
{
    NODE_SET_EACH(others, node)
    {
        node_set_remove(others, node);
        if (configuration_has_role(configuration, (node_id_t)node, ROLE_TS) &&
            !configuration_is_dead(configuration, (node_id_t)node) && node != platform_node()) {
            return (node_id_t)node;
        }
    }
    return NODE_NONE;
}

static void ask_in_vain(void)
{
    if (is_keeping && !search.is_running && dispatch_now_ns() >= search.not_before_ns) {
        search.is_running = true;
        search.next_index = 0;
    }
}

static void forward(const struct packet *packet, node_id_t to, const struct node_set *others)
{
    struct forward_stranger *message;

    if (sizeof(*message) + packet->length_bytes > MESSAGE_MAX_BYTES) {
        counter_increment(COUNTER_DROP_NOT_OURS);
        return;
    }
    message = message_reserve_payload(to, FORWARD_STRANGER, sizeof(*message), packet->length_bytes);
    if (message == NULL) {
        counter_increment(COUNTER_DROP_CHANNEL_FULL);
        return;
    }
    message->others = *others;
    message->frame_flags = packet->flags;
    memcpy(message + 1, packet->bytes, packet->length_bytes);
    message_publish();
    counter_increment(COUNTER_STEER_FORWARDED);
}

/* Who may know a flow that is unknown here: who keeps some, and who may have opened it. */
static struct node_set others_of(const struct packet *packet)
{
    node_id_t opener = ephemeral_owner(swap16(packet->flow.local_port));
    struct node_set others = keepers;

    if (opener != NODE_NONE) {
        node_set_add(&others, opener);
    }
    return others;
}

bool kept_pass_on(const struct segment *segment)
{
    struct node_set others =
        segment->others != NULL ? *segment->others : others_of(segment->packet);
    node_id_t next = take_next(&others);

    if (segment->others != NULL) {
        ask_in_vain();
    }
    if (LIKELY(next == NODE_NONE)) {
        return false;
    }
    forward(segment->packet, next, &others);
    return true;
}

static void handle_forward_stranger(node_id_t from, const struct message *message,
                                    struct message_payload frame)
{
    const struct forward_stranger *forwarded = (const struct forward_stranger *)message;

    (void)from;
    frames_receive_message(frame, forwarded->frame_flags, &forwarded->others);
}

/* --- Until the last one has ended --- */

static bool is_entry_others(uint32_t index)
{
    const struct connection *connection = connection_at(index);

    return connection != NULL && connection_has_tcp(connection) && is_others(&connection->tcb.flow);
}

static void end_keeping(void)
{
    is_keeping = false;
    for (unsigned i = 0; i < configuration->ts_count; i++) {
        if (configuration->ts[i] != platform_node()) {
            post_kept(configuration->ts[i]);
        }
    }
}

bool kept_is_searching(void)
{
    return search.is_running;
}

unsigned kept_poll(void)
{
    uint32_t size = connection_table_size();
    unsigned count = 0;

    if (!search.is_running) {
        return 0;
    }
    for (; count < SEARCH_BATCH && search.next_index < size; count++, search.next_index++) {
        if (is_entry_others(search.next_index)) {
            search.is_running = false;
            search.not_before_ns = dispatch_now_ns() + SEARCH_INTERVAL_NS;
            return count;
        }
    }
    if (search.next_index >= size) {
        search.is_running = false;
        search.not_before_ns = dispatch_now_ns() + SEARCH_INTERVAL_NS;
        if (!half_open_has_any(is_others) && !forward_flow_has_any(is_others)) {
            end_keeping();
        }
    }
    return count;
}

static const struct draining_observer observer = {
    .keeps = note_keeping, .goes = note_going, .stays = note_staying};

void kept_initialise(const struct configuration *current)
{
    configuration = current;
    keepers = (struct node_set){{0}};
    is_keeping = false;
    search.is_running = false;
    owned_count = count_owned();
    for (unsigned i = 0; i < current->ts_count && returning_is_due(ROLE_TS); i++) {
        if (current->ts[i] != platform_node()) {
            node_set_add(&keepers, current->ts[i]);
        }
    }
    returning_observe(note_serving);
    draining_observe(&observer);
    net_register_message(FLOWS_KEPT, handle_flows_kept);
    net_register_payload_message(FORWARD_STRANGER, handle_forward_stranger);
}
