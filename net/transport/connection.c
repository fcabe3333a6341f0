/* SPDX-License-Identifier: MIT */
/*
 * What TCP tells of connections (tcp/events.h), and the end of the dispatch round: each connection
 * that something happened to is settled once. Then its application learns what has come, TCP sends
 * what it can, and a connection that is over is forgotten.
 */
#include "net/transport/connection.h"

#include <errno.h>

#include "kernel/message/dispatch.h"
#include "kernel/message/send.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/memory.h"
#include "net/configuration.h"
#include "net/counters.h"
#include "net/transport/availability.h"
#include "net/transport/counters.h"
#include "net/transport/demux.h"
#include "net/transport/frames.h"
#include "net/transport/held.h"
#include "net/transport/orphan.h"
#include "net/transport/splice.h"
#include "net/transport/stream.h"
#include "net/transport/table.h"
#include "net/transport/tcp/events.h"
#include "net/transport/tcp/handshake.h"
#include "net/transport/tcp/segment.h"
#include "net/transport/tcp/soon.h"

#include "lwip/pbuf.h"

/* With something due: to be settled at the end of the round. */
static struct connection *due_head, *due_tail;
/* Without room in the channel of their application: told more when it has room again, the one that
 * has waited longest first. A queue for each node: those of one application cost the others
 * nothing. */
MEMORY_KIND(blocked_kind, "blocked_connections");
static struct connection_link *blocked;
static struct node_set blocked_nodes; /* whose queue is not empty, and how many */
static unsigned blocked_node_count;

void connection_initialise(void)
{
    unsigned node_count = platform_node_count();

    blocked = memory_allocate(&blocked_kind, node_count * sizeof(*blocked));
    if (blocked == NULL) {
        PANIC("no memory for the queues of %u applications", node_count);
    }
    for (unsigned node = 0; node < node_count; node++) {
        connection_queue_initialise(&blocked[node]);
    }
}

/* --- Received bytes --- */

static void link_received(struct connection *connection, struct pbuf *packet)
{
    if (connection->received_tail == NULL) {
        connection->received_head = packet;
    } else {
        connection->received_tail->next = packet;
    }
    while (packet->next != NULL) {
        packet = packet->next;
    }
    connection->received_tail = packet;
}

/* Behind what waits already, packed together. The first packet goes along with
 * CONNECTION_AVAILABLE and is let go with the claim: until then it must not grow. */
static void pack_received(struct connection *connection, struct pbuf *packet)
{
    bool may_grow = connection->state == CONNECTION_CLAIMED ||
                    connection->received_tail != connection->received_head;

    packet = held_pack(connection->tcb.flow.remote_address,
                       may_grow ? connection->received_tail : NULL, packet);
    if (packet != NULL) {
        link_received(connection, packet);
    }
}

/* lwIP empties the front of a chain whose beginning has come before. */
static struct pbuf *skip_empty(struct pbuf *packet)
{
    while (packet->len == 0) {
        struct pbuf *next = packet->next;

        ASSERT(next != NULL); /* no packet comes without bytes */
        packet->next = NULL;
        pbuf_free(packet);
        packet = next;
    }
    return packet;
}

static void append_received(struct connection *connection, struct pbuf *packet)
{
    ASSERT_SLOW((connection->received_head == NULL) == (connection->received_tail == NULL));
    packet = skip_empty(packet);
    if (connection->received_tail == NULL) {
        connection->is_holding = false;
        link_received(connection, packet);
    } else if (LIKELY(!connection->is_holding)) {
        link_received(connection, packet);
    } else {
        pack_received(connection, packet);
    }
}

/* At the end of a round, with bytes that nobody has taken. One frame of a connection may wait as it
 * came: the claim is often on its way. What else waits is packed, what comes later as it comes. */
static void hold_received(struct connection *connection)
{
    struct pbuf *first = connection->received_head;
    struct pbuf *rest = first->next;

    if (connection->is_holding) {
        return;
    }
    connection->is_holding = true;
    if (rest == NULL && frames_held_count() <= FRAMES_HELD_FREELY) {
        return;
    }
    connection->received_head = connection->received_tail = NULL;
    first->next = NULL;
    link_received(connection, held_pack(connection->tcb.flow.remote_address, NULL, first));
    if (rest != NULL) {
        pack_received(connection, rest);
    }
}

struct pbuf *connection_take_received(struct connection *connection)
{
    struct pbuf *packet = connection->received_head;

    if (packet != NULL) {
        connection->received_head = packet->next;
        ASSERT_SLOW((packet->next == NULL) == (packet == connection->received_tail));
        if (packet->next == NULL) {
            connection->received_tail = NULL;
        }
        packet->next = NULL;
        packet->tot_len = packet->len;
    }
    return packet;
}

static void free_packet(void *packet)
{
    pbuf_free(packet);
}

struct message_loan connection_lend_received(const struct connection *connection)
{
    struct pbuf *packet = connection->received_head;

    if (packet == NULL) {
        return (struct message_loan){.bytes = ""};
    }
    return (struct message_loan){packet->payload, packet->len, free_packet, packet};
}

void connection_drop_received(struct connection *connection)
{
    while (connection->received_head != NULL) {
        pbuf_free(connection_take_received(connection));
    }
    ASSERT_SLOW(connection->received_tail == NULL);
}

/* --- What is due at the end of the round --- */

static inline void mark(struct connection *connection, uint8_t due)
{
    uint8_t due_before = connection->due;

    ASSERT_SLOW(connection->state != CONNECTION_FREE);
    ASSERT_SLOW((due_head == NULL) == (due_tail == NULL));
    connection->due = due_before | due | DUE_IN_LIST;
    if ((due_before & DUE_IN_LIST) != 0) {
        return;
    }
    connection->due_next = NULL;
    if (due_tail == NULL) {
        due_head = connection;
    } else {
        due_tail->due_next = connection;
    }
    due_tail = connection;
}

/* One that nobody has is looked at: it may be over. */
void connection_mark_dirty(struct connection *connection)
{
    mark(connection, connection->state == CONNECTION_DETACHED ? 0 : DUE_TELL);
}

void connection_request_output(struct connection *connection)
{
    mark(connection, DUE_OUTPUT);
}

/* One that waits for room in the channel of somebody else leaves that queue first. */
void connection_note_told(struct connection *connection)
{
    if (LIKELY(!connection_link_is_queued(&connection->blocked_link))) {
        connection->due &= (uint8_t) ~(DUE_TELL | DUE_CLAIM);
    }
}

void connection_set_spliced(struct connection *connection, uint8_t ends)
{
    ASSERT_SLOW((ends & (uint8_t)~DUE_IS_SPLICED) == 0);
    connection->due = (uint8_t)((connection->due & ~DUE_IS_SPLICED) | ends);
}

/* --- From the handshake to the end --- */

/* Inline: what a handshake says goes from its entry into the block, and is nowhere between. */
__attribute__((always_inline)) inline struct tcb *
connection_open(struct handshake *handshake, struct handshake_completion completion)
{
    uint32_t remote_address = handshake->flow.remote_address;
    struct connection *connection = connection_allocate(remote_address);

    if (UNLIKELY(connection == NULL)) {
        if (connection_admit(remote_address)) {
            counter_increment(COUNTER_DROP_NO_MEMORY);
        }
        return NULL;
    }
    connection->opened_ns = handshake->opened_ns;
    tcb_open(&connection->tcb, handshake, completion);
    demux_add(&connection->tcb, handshake->state == FLOW_HALF_OPEN ? &handshake->entry : NULL);
    availability_assign(connection, &handshake->acceptor, handshake->is_acceptor_due);
    counter_increment(COUNTER_TCP_ACCEPTED);
    if (!availability_begins_without_data(connection)) {
        connection_mark_dirty(connection);
    }
    return &connection->tcb;
}

/* Nobody waits for room in the channel to its application, who would be overtaken. */
static inline bool has_clear_way(const struct connection *connection)
{
    return blocked_node_count == 0 || !node_set_has(&blocked_nodes, connection->acceptor.node);
}

/* Its application may be told of it at once if it has not been, or at the end of the round. */
__attribute__((always_inline)) static inline void tell_of_received(struct connection *connection)
{
    if (connection->state == CONNECTION_ASSIGNED && connection->acceptor.node != NODE_NONE &&
        has_clear_way(connection) && availability_announce_at_once(connection)) {
        mark(connection, DUE_TELL | DUE_CLAIM);
    } else {
        connection_mark_dirty(connection);
    }
}

/* Until the end of the round, or longer. */
__attribute__((noinline)) void tcp_event_received(struct tcb *tcb, struct pbuf *packet)
{
    struct connection *connection = connection_of_tcb(tcb);

    if (UNLIKELY(connection->state == CONNECTION_DETACHED)) {
        pbuf_free(packet); /* on its way when the application closed */
        return;
    }
    append_received(connection, packet);
    tell_of_received(connection);
}

/* The request of a new connection, mostly. */
static __attribute__((noinline)) bool keep_text(struct tcb *tcb, struct segment *segment)
{
    struct connection *connection = connection_of_tcb(tcb);
    struct pbuf *packet = segment_keep(segment);

    if (UNLIKELY(packet == NULL)) {
        return false;
    }
    if (UNLIKELY(connection->received_head != NULL || connection->state == CONNECTION_DETACHED)) {
        tcp_event_received(tcb, packet);
        return true;
    }
    ASSERT_SLOW(packet->next == NULL && packet->len != 0);
    connection->is_holding = false;
    connection->received_head = connection->received_tail = packet;
    tell_of_received(connection);
    return true;
}

/* Whether what comes next may go to its application at once: it has been told all else. */
static inline bool is_next_to_tell(const struct connection *connection)
{
    return connection->state == CONNECTION_CLAIMED &&
           (connection->due & (DUE_TELL | DUE_IS_SOURCE)) == 0 &&
           connection->received_head == NULL && has_clear_way(connection);
}

/* The application's turn comes in this same round if it is on this node. Inline: once for each
 * segment with bytes. */
inline __attribute__((always_inline)) bool tcp_event_text(struct tcb *tcb, struct segment *segment)
{
    const struct connection *connection = connection_of_tcb(tcb);

    return (LIKELY(is_next_to_tell(connection)) &&
            LIKELY(stream_deliver_at_once(connection, segment))) ||
           keep_text(tcb, segment);
}

void tcp_event_peer_closed(struct tcb *tcb)
{
    struct connection *connection = connection_of_tcb(tcb);

    connection->has_peer_closed = true;
    if (connection->state != CONNECTION_DETACHED) {
        connection_mark_dirty(connection);
    }
}

void tcp_event_acknowledged(struct tcb *tcb, uint32_t bytes)
{
    struct connection *connection = connection_of_tcb(tcb);

    if (UNLIKELY(stream_note_acknowledged(connection, bytes))) {
        connection_mark_dirty(connection);
    }
}

/* The first one says why. */
static void note_error(struct connection *connection, unsigned error_number)
{
    ASSERT(error_number <= UINT16_MAX);
    if (connection->error_number == 0) {
        connection->error_number = (uint16_t)error_number;
    }
}

/* Inline: once for each connection. */
__attribute__((always_inline)) inline void tcp_event_ended(struct tcb *tcb, int error)
{
    struct connection *connection = connection_of_tcb(tcb);

    ASSERT(error >= 0);
    note_error(connection, (unsigned)error);
    demux_remove(tcb);
    orphan_forget(connection);
    connection_mark_dirty(connection);
}

void tcp_event_unsettled(struct tcb *tcb)
{
    connection_request_output(connection_of_tcb(tcb));
}

bool tcp_application_is_behind(const struct tcb *tcb)
{
    return CONTAINER_OF(tcb, const struct connection, tcb)->received_head != NULL;
}

void connection_abort(struct connection *connection, uint32_t error_number)
{
    note_error(connection, error_number);
    if (connection_has_tcp(connection)) {
        tcb_abort(&connection->tcb, (int)error_number);
        ASSERT(!connection_has_tcp(connection)); /* it has told of the end */
    }
    connection_mark_dirty(connection);
}

void connection_end(struct connection *connection, uint32_t error_number)
{
    tcb_end(&connection->tcb, (int)error_number);
}

void connection_detach(struct connection *connection)
{
    ASSERT(connection->state == CONNECTION_CLAIMED);
    connection_set_state(connection, CONNECTION_DETACHED);
    availability_report_closed(connection);
    connection_drop_received(connection);
    if (!connection_has_tcp(connection)) {
        connection_mark_dirty(connection);
    } else if (UNLIKELY(!soon_will_look(&connection->tcb))) {
        orphan_watch(connection);
    } /* what TCP has to do for the end is its own to mark */
}

/* It is an orphan since then, perhaps. */
void tcp_event_stays(struct tcb *tcb)
{
    struct connection *connection = connection_of_tcb(tcb);

    if (connection->state == CONNECTION_DETACHED &&
        !connection_link_is_queued(&connection->orphan_link)) {
        orphan_watch(connection);
    }
}

/* --- Settling --- */

/* Returns whether it was told all there is. */
static bool tell(struct connection *connection)
{
    switch (connection->state) {
    case CONNECTION_ASSIGNED:
        return !connection_has_tcp(connection) || availability_settle(connection);
    case CONNECTION_CLAIMED:
        if (UNLIKELY((connection->due & DUE_IS_SPLICED) != 0)) {
            splice_settle(connection);
        }
        return stream_deliver(connection);
    default:
        return true;
    }
}

/* In a state in which tell() may send something. */
static bool is_to_be_told(const struct connection *connection)
{
    return connection->state == CONNECTION_CLAIMED ||
           (connection->state == CONNECTION_ASSIGNED && connection_has_tcp(connection));
}

static void end_block(struct connection *connection)
{
    connection_queue_remove(&connection->blocked_link);
    if (connection_queue_is_empty(&blocked[connection->blocked_on])) {
        node_set_remove(&blocked_nodes, connection->blocked_on);
        blocked_node_count--;
    }
}

static void block(struct connection *connection)
{
    node_id_t node = connection->acceptor.node;

    ASSERT(node < platform_node_count()); /* whose channel is full */
    connection->blocked_on = node;
    connection_queue_append(&blocked[node], &connection->blocked_link);
    if (!node_set_has(&blocked_nodes, node)) {
        node_set_add(&blocked_nodes, node);
        blocked_node_count++;
    }
}

/* Tell it, unless it waits for its turn. Returns whether it was told all there is. */
static bool tell_in_turn(struct connection *connection)
{
    if (UNLIKELY(connection_link_is_queued(&connection->blocked_link))) {
        if (connection->blocked_on == connection->acceptor.node && is_to_be_told(connection)) {
            return false;
        }
        end_block(connection); /* it is another's now, or nobody's */
    }
    if (UNLIKELY(!tell(connection))) {
        block(connection);
        return false;
    }
    return true;
}

static bool is_unclaimed(const struct connection *connection)
{
    return connection->state != CONNECTION_CLAIMED && connection->state != CONNECTION_DETACHED;
}

/* TCP is done with it. An application may still have it: until it closes. */
static void settle_end(struct connection *connection)
{
    ASSERT(!connection_has_tcp(connection));
    if (UNLIKELY(is_unclaimed(connection)) && !availability_withdraw(connection)) {
        return; /* kept until it is claimed, or declined */
    }
    if (connection->state == CONNECTION_DETACHED && connection->due == 0) {
        counter_increment(COUNTER_TCP_CLOSED);
        connection_release(connection);
    } else if (connection->state == CONNECTION_DETACHED && splice_forget(connection)) {
        connection_mark_dirty(connection); /* now it may be released */
    }
}

/* Tell it what there is; what it is not told stays due, and is held. */
static __attribute__((noinline)) void settle_telling(struct connection *connection)
{
    if ((connection->due & DUE_CLAIM) != 0) {
        availability_settle_announced(connection);
    }
    connection->due &= (uint8_t) ~(DUE_TELL | DUE_CLAIM);
    if (!tell_in_turn(connection)) {
        connection->due |= DUE_TELL;
    }
    if (connection->received_head != NULL) {
        hold_received(connection);
    }
}

/* `kept`: what stays marked of that which is not done here. */
static inline void settle(struct connection *connection, uint8_t kept)
{
    uint8_t due = connection->due;

    connection->due = due & (DUE_TELL | DUE_CLAIM | DUE_IS_SPLICED | kept);
    if (UNLIKELY((due & DUE_TELL) != 0)) {
        settle_telling(connection);
    }
    if ((due & DUE_OUTPUT) != 0 && LIKELY(connection_has_tcp(connection))) {
        tcb_settle(&connection->tcb);
    }
    if (UNLIKELY(!connection_has_tcp(connection)) && (connection->due & DUE_TELL) == 0) {
        settle_end(connection);
    }
}

/* Whether something may be sent there; to a dead node everything may, and is lost. */
static bool ask_for_room(node_id_t node)
{
    return message_ask_for_room(node, MESSAGE_MAX_BYTES) ||
           configuration_is_dead(configuration_current(), node);
}

/* The one that has waited longest for a node that has room now, off its queue. NULL: none. */
static __attribute__((noinline)) struct connection *take_unblocked(void)
{
    NODE_SET_EACH(&blocked_nodes, node)
    {
        if (ask_for_room((node_id_t)node)) {
            struct connection *connection =
                CONTAINER_OF(blocked[node].next, struct connection, blocked_link);

            end_block(connection);
            return connection;
        }
    }
    return NULL;
}

/* One at a time as long as there is room: so one that stalls again costs one look a round. */
static __attribute__((noinline)) void settle_unblocked(void)
{
    struct connection *connection;

    while ((connection = take_unblocked()) != NULL) {
        settle(connection, DUE_IN_LIST);
    }
}

/* Those that waited come first. What settling one makes due of another stands behind the rest. */
void connection_settle_all(void)
{
    if (UNLIKELY(blocked_node_count != 0)) {
        settle_unblocked();
    }
    while (due_head != NULL) {
        struct connection *connection = due_head;

        due_head = due_tail = NULL;
        do {
            struct connection *next = connection->due_next;

            ASSERT_SLOW((connection->due & DUE_IN_LIST) != 0);
            settle(connection, 0);
            connection = next;
        } while (connection != NULL);
    }
}

static __attribute__((noinline)) bool is_any_unblocked(void)
{
    NODE_SET_EACH(&blocked_nodes, node)
    {
        if (ask_for_room((node_id_t)node)) {
            return true;
        }
    }
    return false;
}

bool connection_can_unblock(void)
{
    return UNLIKELY(blocked_node_count != 0) && is_any_unblocked();
}
