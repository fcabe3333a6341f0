/* SPDX-License-Identifier: MIT */
/*
 * Availability. A CM is asked for an acceptor when the SYN comes; when TCP's handshake is complete,
 * and the CM has answered, the acceptor is told of the connection, together with the data of the
 * same round. Whoever declines it, is slow, or cannot be told for want of room, loses it to another
 * acceptor; a claim that comes after that is rejected by its number.
 *
 * A connection that was granted is the acceptor's as soon as it is told of it: it may have taken
 * it, and acted upon it, before we hear of that. So it is given to somebody else only when the
 * acceptor declines it, as it is asked to at the time-out, or has died with all that it made of it.
 * When TCP ends before we hear, the connection is kept until we do, because its application must be
 * told.
 *
 * An acceptor that a living CM hands over is answered once: by ACCEPT_TIMEOUT, which asks for
 * another one, or by CONNECTION_CLOSED.
 */
#include "net/transport/availability.h"

#include <errno.h>

#include "kernel/message/dispatch.h"
#include "kernel/message/send.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/bytes.h"
#include "libc/core/timer.h"
#include "net/counters.h"
#include "net/handlers.h"
#include "net/transport/claim_option.h"
#include "net/transport/closed.h"
#include "net/transport/connection.h"
#include "net/transport/counters.h"
#include "net/transport/managers.h"
#include "net/transport/stream.h"
#include "net/transport/table.h"

#include "lwip/pbuf.h"

/* From CONNECTION_AVAILABLE until an unclaimed connection goes to somebody else. */
static uint64_t claim_timeout_ns;
/* ANNOUNCED, or ASSIGNED without room in the channel of the acceptor; oldest first: all have the
 * same time-out. */
static struct connection_link unclaimed;
static struct timer claim_timer;
/* ASSIGNED and is_awaiting_data, in the order in which they began to. */
static struct connection_link dataless;
static struct timer dataless_timer;
/* WAITING, in the order in which they began to. */
static struct connection_link waiting;
static struct timer waiting_timer;

static uint16_t local_port_of(const struct connection *connection)
{
    return swap16(connection->tcb.flow.local_port);
}

static void start_timer(struct timer *timer, uint64_t deadline_ns)
{
    if (timer_start(timer, deadline_ns) != 0) {
        PANIC("no memory for the timers of claims");
    }
}

/* --- To the CMs --- */

static void report_closed(const struct acceptor *acceptor, uint16_t port, uint64_t service_ns)
{
    if (acceptor->node != NODE_NONE && acceptor->cm != NODE_NONE) {
        closed_report(acceptor, port, service_ns);
    }
}

/* Inline: once for each connection. */
inline void availability_report_closed(struct connection *connection)
{
    uint64_t service_ns = 0;

    if (connection->is_announced) {
        uint64_t now_ns = dispatch_now_ns();

        ASSERT(connection->since_ns <= now_ns);
        service_ns = now_ns - connection->since_ns;
        service_ns += service_ns == 0; /* 0 would say that it was never told of */
    }
    report_closed(&connection->acceptor, local_port_of(connection), service_ns);
    connection->acceptor.node = NODE_NONE;
}

/* Nobody takes it: it is reset. */
static void refuse_unaccepted(struct connection *connection)
{
    counter_increment(COUNTER_UNACCEPTED);
    connection_abort(connection, 0);
}

/* No acceptor has been found in time for the first of those that wait. */
static void expire_waiting(struct timer *timer)
{
    while (!connection_queue_is_empty(&waiting)) {
        struct connection *connection = CONTAINER_OF(waiting.next, struct connection, claim_link);
        uint64_t end_ns = connection->since_ns + UNACCEPTED_MAX_NS;

        ASSERT(connection->state == CONNECTION_WAITING);
        if (end_ns > dispatch_now_ns()) {
            start_timer(timer, end_ns);
            return;
        }
        connection_queue_remove(&connection->claim_link);
        refuse_unaccepted(connection);
    }
}

static void wait_for_acceptor(struct connection *connection)
{
    connection_queue_remove(&connection->claim_link);
    connection->is_awaiting_data = false;
    connection->is_announced = false; /* the next one has not been told of it */
    connection_set_state(connection, CONNECTION_WAITING);
    connection->since_ns = dispatch_now_ns();
    connection_queue_append(&waiting, &connection->claim_link);
    if (!timer_is_set(&waiting_timer)) {
        start_timer(&waiting_timer, connection->since_ns + UNACCEPTED_MAX_NS);
    }
}

static void post_accept_timeout(node_id_t cm, const struct connection *connection,
                                const struct acceptor *acceptor)
{
    struct accept_timeout *message = message_reserve_posted(cm, ACCEPT_TIMEOUT, sizeof(*message));

    message->connection_index = connection->place.index;
    message->generation = connection->generation;
    message->acceptor = *acceptor;
    message->port = local_port_of(connection);
    message_publish();
}

/* Ask for another acceptor; the answer is REASSIGN_CONNECTION. */
static void ask_again(struct connection *connection)
{
    struct acceptor last = connection->acceptor;
    node_id_t asked = last.node == NODE_NONE ? last.assigned_by : last.cm;
    node_id_t cm = managers_find(asked);

    ASSERT(connection->state != CONNECTION_CLAIMED);
    connection->is_assignment_due = false;
    if (cm != asked) {
        last.node = NODE_NONE; /* the list that it was on is gone */
    }
    /* While it waits, it is known by whom. */
    connection->acceptor.node = NODE_NONE;
    connection->acceptor.assigned_by = cm;
    wait_for_acceptor(connection);
    if (cm == NODE_NONE) {
        managers_await(connection);
    } else if (dispatch_now_ns() - connection->opened_ns >= UNACCEPTED_MAX_NS) {
        /* One application after the other has let it pass: the last one is answered here. It has
         * been told, or is, by tell_too_late(): what it has granted is used up. */
        last.grant = GRANT_NONE;
        report_closed(&last, local_port_of(connection), 0);
        refuse_unaccepted(connection);
    } else {
        post_accept_timeout(cm, connection, &last);
    }
}

void availability_assign(struct connection *connection, const struct acceptor *acceptor,
                         bool is_due)
{
    ASSERT(!is_due || (acceptor->node == NODE_NONE && acceptor->assigned_by != NODE_NONE));
    connection->acceptor = *acceptor;
    connection->is_assignment_due = is_due;
    if (acceptor->node == NODE_NONE && acceptor->assigned_by == NODE_NONE) {
        node_id_t cm = configuration_own_cm(configuration_current(), platform_node());

        connection->acceptor.cm = connection->acceptor.assigned_by = cm;
    }
}

/* --- CONNECTION_AVAILABLE and its time-out --- */

static void start_claim_timer(void)
{
    struct connection *oldest = CONTAINER_OF(unclaimed.next, struct connection, claim_link);

    ASSERT(!connection_queue_is_empty(&unclaimed));
    start_timer(&claim_timer, oldest->since_ns + claim_timeout_ns);
}

/* From now on the acceptor has so long to claim it. */
static void wait_for_claim(struct connection *connection)
{
    connection_queue_remove(&connection->claim_link);
    connection->since_ns = dispatch_now_ns();
    connection_queue_append(&unclaimed, &connection->claim_link);
    if (!timer_is_set(&claim_timer)) {
        start_claim_timer();
    }
}

static void fill_availability(struct connection *connection, struct connection_available *message)
{
    connection->availability_number++;
    message->connection_index = connection->place.index;
    message->generation = connection->generation;
    message->flow = connection->tcb.flow;
    message->listener_index = connection->acceptor.listener_index;
    message->availability_number = connection->availability_number;
}

/* It may have been taken: see above. */
static bool is_out_of_hand(const struct connection *connection)
{
    return connection->state == CONNECTION_ANNOUNCED && connection->acceptor.grant != GRANT_NONE;
}

/* It leaves the queue: what there is to wait for now is the acceptor's answer, or its death. */
static void recall(struct connection *connection)
{
    struct recall_connection *message =
        message_reserve_posted(connection->acceptor.node, RECALL_CONNECTION, sizeof(*message));

    message->connection_index = connection->place.index;
    message->generation = connection->generation;
    message->listener_index = connection->acceptor.listener_index;
    message->availability_number = connection->availability_number;
    message_publish();
    connection_queue_remove(&connection->claim_link);
}

/* The acceptor, never told of it, loses its place on the list: it shall claim in vain for one. */
static void tell_too_late(struct connection *connection)
{
    struct connection_available *message =
        message_reserve_posted(connection->acceptor.node, CONNECTION_AVAILABLE, sizeof(*message));

    fill_availability(connection, message);
    message_publish();
}

/* A claimed connection only leaves the queue: the timer runs on and looks again. */
static void expire_unclaimed(struct timer *timer)
{
    uint64_t now_ns = dispatch_now_ns();

    (void)timer;
    while (!connection_queue_is_empty(&unclaimed)) {
        struct connection *connection = CONTAINER_OF(unclaimed.next, struct connection, claim_link);

        ASSERT(connection->state == CONNECTION_ANNOUNCED ||
               connection->state == CONNECTION_ASSIGNED);
        if (connection->since_ns + claim_timeout_ns > now_ns) {
            start_claim_timer();
            return;
        }
        counter_increment(COUNTER_ACCEPT_TIMEOUTS);
        if (is_out_of_hand(connection)) {
            recall(connection);
            continue;
        }
        if (connection->state == CONNECTION_ASSIGNED) {
            tell_too_late(connection);
        }
        ask_again(connection);
        connection_mark_dirty(connection); /* it waits for room no longer */
    }
}

__attribute__((always_inline)) static inline int send_availability(struct connection *connection)
{
    const struct message_loan loan = connection_lend_received(connection);
    struct connection_available *message = message_reserve_loan(
        connection->acceptor.node, CONNECTION_AVAILABLE, sizeof(*message), &loan);

    if (message == NULL) {
        return message_refusal(connection->acceptor.node);
    }
    connection->is_data_announced = loan.length_bytes != 0;
    fill_availability(connection, message);
    message->send_window_bytes = connection->acceptor.grant != GRANT_NONE ? SEND_WINDOW_BYTES : 0;
    if (connection->received_head != NULL) {
        pbuf_ref(connection->received_head); /* it stays until it is claimed */
    }
    message_publish();
    return 0;
}

static void note_announced(struct connection *connection)
{
    connection->is_announced = true;
    connection_set_state(connection, CONNECTION_ANNOUNCED);
}

static __attribute__((noinline)) bool announce(struct connection *connection)
{
    int error;

    ASSERT(connection->acceptor.node != NODE_NONE);
    error = send_availability(connection);
    if (error == -EAGAIN) {
        if (!connection_link_is_queued(&connection->claim_link)) {
            wait_for_claim(connection); /* a node that stands still makes no room */
        }
        return false;
    }
    if (error != 0) {
        ask_again(connection); /* the acceptor's node is dead */
        return true;
    }
    note_announced(connection);
    wait_for_claim(connection);
    return true;
}

/* --- Waiting for data --- */

static bool is_data_wanted(const struct connection *connection)
{
    return connection->acceptor.grant == GRANT_WITH_DATA && connection->received_head == NULL &&
           !connection->has_peer_closed;
}

/* So the request goes along with CONNECTION_AVAILABLE, although it has come a moment later. */
static void wait_for_data(struct connection *connection)
{
    if (connection->is_awaiting_data) {
        return;
    }
    connection->is_awaiting_data = true;
    connection->since_ns = dispatch_now_ns();
    connection_queue_append(&dataless, &connection->claim_link);
    if (!timer_is_set(&dataless_timer)) {
        start_timer(&dataless_timer, connection->since_ns + DATA_WAIT_NS);
    }
}

static void end_waiting_for_data(struct connection *connection)
{
    connection->is_awaiting_data = false;
    connection_queue_remove(&connection->claim_link);
}

bool availability_begins_without_data(struct connection *connection)
{
    ASSERT_SLOW(connection->state == CONNECTION_ASSIGNED);
    if (connection->acceptor.node == NODE_NONE || !is_data_wanted(connection)) {
        return false;
    }
    wait_for_data(connection);
    return true;
}

/* Nothing has come in time: told of as it is. */
static void expire_dataless(struct timer *timer)
{
    while (!connection_queue_is_empty(&dataless)) {
        struct connection *connection = CONTAINER_OF(dataless.next, struct connection, claim_link);
        uint64_t end_ns = connection->since_ns + DATA_WAIT_NS;

        ASSERT(connection->state == CONNECTION_ASSIGNED && connection->is_awaiting_data);
        if (end_ns > dispatch_now_ns()) {
            start_timer(timer, end_ns);
            return;
        }
        end_waiting_for_data(connection);
        connection->acceptor.grant = GRANT_AT_ONCE;
        connection_mark_dirty(connection);
    }
}

bool availability_settle(struct connection *connection)
{
    if (connection->state != CONNECTION_ASSIGNED) {
        return true;
    }
    if (connection->acceptor.node == NODE_NONE) {
        if (connection->is_assignment_due) {
            wait_for_acceptor(connection); /* a CM has been asked */
        } else {
            ask_again(connection);
        }
        return true;
    }
    if (is_data_wanted(connection)) {
        wait_for_data(connection);
        return true;
    }
    if (connection->is_awaiting_data) {
        end_waiting_for_data(connection);
    }
    return announce(connection);
}

__attribute__((always_inline)) inline bool
availability_announce_at_once(struct connection *connection)
{
    ASSERT_SLOW(connection->state == CONNECTION_ASSIGNED && connection->received_head != NULL);
    if (connection->acceptor.node == NODE_NONE || send_availability(connection) != 0) {
        return false;
    }
    end_waiting_for_data(connection);
    note_announced(connection);
    connection->since_ns = dispatch_now_ns();
    return true;
}

/* An application on this node has claimed it by now, and others have not heard of it yet. */
void availability_settle_announced(struct connection *connection)
{
    if (connection->state == CONNECTION_ANNOUNCED &&
        !connection_link_is_queued(&connection->claim_link)) {
        wait_for_claim(connection);
    }
}

__attribute__((noinline)) bool availability_withdraw(struct connection *connection)
{
    if (is_out_of_hand(connection)) {
        return false;
    }
    connection_queue_remove(&connection->claim_link);
    /* While it waits its last acceptor has been answered already. */
    if (connection->state != CONNECTION_WAITING) {
        availability_report_closed(connection);
    }
    connection_set_state(connection, CONNECTION_DETACHED);
    return true;
}

void availability_lose_manager(struct connection *connection)
{
    if (connection->state == CONNECTION_WAITING) {
        ask_again(connection);
    }
}

void availability_lose_application(struct connection *connection)
{
    switch (connection->state) {
    case CONNECTION_ASSIGNED:
    case CONNECTION_ANNOUNCED:
        ask_again(connection);
        connection_mark_dirty(connection); /* TCP may have ended, too */
        break;
    case CONNECTION_CLAIMED:
        connection_detach(connection);
        connection_abort(connection, 0);
        break;
    default:
        break;
    }
}

/* --- Messages --- */

/* As long as it waits. */
static void give_to(struct connection *connection, const struct acceptor *acceptor)
{
    ASSERT(connection->state == CONNECTION_WAITING && acceptor->node != NODE_NONE);
    connection->acceptor = *acceptor;
    connection->is_assignment_due = false;
    connection_queue_remove(&connection->claim_link);
    connection_set_state(connection, CONNECTION_ASSIGNED);
    connection_mark_dirty(connection);
}

void availability_take_assignment(struct connection *connection, const struct acceptor *acceptor,
                                  bool is_refused)
{
    ASSERT(connection->is_assignment_due && connection->acceptor.node == NODE_NONE);
    connection->is_assignment_due = false;
    if (is_refused) {
        connection_abort(connection, 0);
    } else if (connection->state == CONNECTION_ASSIGNED) {
        connection->acceptor = *acceptor; /* it is settled at the end of this round */
    } else if (acceptor->node != NODE_NONE) {
        give_to(connection, acceptor);
    } else {
        ask_again(connection); /* now it is one that waits at the CM */
    }
}

static void handle_reassign_connection(node_id_t from, const struct message *message)
{
    const struct reassign_connection *reassign = (const struct reassign_connection *)message;
    struct connection *connection =
        connection_find(reassign->connection_index, reassign->generation);

    if (!availability_is_acceptor_possible(&reassign->acceptor)) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        return;
    }
    if (connection == NULL || connection->state != CONNECTION_WAITING) {
        report_closed(&reassign->acceptor, reassign->port, 0);
        return;
    }
    ASSERT(connection->acceptor.node == NODE_NONE); /* while it waits */
    connection->acceptor = reassign->acceptor;
    if (reassign->is_refused != 0) {
        connection->acceptor.node = NODE_NONE;
        connection_abort(connection, 0);
        return;
    }
    if (reassign->acceptor.node == NODE_NONE) {
        connection->acceptor.assigned_by = from;
        return; /* still nobody: the CM keeps it in mind */
    }
    give_to(connection, &reassign->acceptor);
}

static void reject_claim(node_id_t to, const struct claim_connection *claim)
{
    struct claim_rejected *message = message_reserve_posted(to, CLAIM_REJECTED, sizeof(*message));

    message->connection_index = claim->connection_index;
    message->generation = claim->generation;
    message->stream_index = claim->stream_index;
    message_publish();
    counter_increment(COUNTER_CLAIMS_REJECTED);
}

static bool is_announced_to(const struct connection *connection, node_id_t application,
                            uint16_t availability_number)
{
    return connection->state == CONNECTION_ANNOUNCED && connection->acceptor.node == application &&
           connection->availability_number == availability_number;
}

static void claim(struct connection *connection, uint32_t stream_index)
{
    bool is_granted = connection->acceptor.grant != GRANT_NONE;

    counter_increment(is_granted ? COUNTER_CLAIMS_GRANTED : COUNTER_CLAIMS_CONFIRMED);
    connection_queue_remove(&connection->claim_link);
    connection_set_state(connection, CONNECTION_CLAIMED);
    if (connection->is_data_announced) {
        ASSERT_SLOW(connection->received_head != NULL);
        pbuf_free(connection_take_received(connection)); /* went along with CONNECTION_AVAILABLE */
        connection->is_data_announced = false;
    }
    stream_begin(connection, stream_index, !is_granted);
}

bool availability_claim_granted(struct connection *connection, node_id_t application,
                                uint32_t stream_index)
{
    if (!is_out_of_hand(connection) || connection->acceptor.node != application) {
        return false;
    }
    claim(connection, stream_index);
    return true;
}

static void handle_claim_connection(node_id_t from, const struct message *message)
{
    const struct claim_connection *claim_message = (const struct claim_connection *)message;
    struct connection *connection =
        connection_find(claim_message->connection_index, claim_message->generation);

    if (connection == NULL ||
        !is_announced_to(connection, from, claim_message->availability_number)) {
        reject_claim(from, claim_message);
        return;
    }
    ASSERT(connection_link_is_queued(&connection->claim_link) || is_out_of_hand(connection) ||
           (connection->due & DUE_CLAIM) != 0);
    claim(connection, claim_message->stream_index);
}

static void handle_decline_connection(node_id_t from, const struct message *message)
{
    const struct decline_connection *decline = (const struct decline_connection *)message;
    struct connection *connection = connection_find(decline->connection_index, decline->generation);

    if (connection == NULL) {
        counter_add(COUNTER_DROP_BAD_MESSAGE,
                    !connection_has_been(decline->connection_index, decline->generation));
        return;
    }
    /* Otherwise it comes too late: another has been told of it. */
    if (is_announced_to(connection, from, decline->availability_number)) {
        counter_increment(COUNTER_ACCEPTS_DECLINED);
        ask_again(connection);
        connection_mark_dirty(connection); /* if TCP has ended, nothing is left to wait for */
    }
}

void availability_initialise(void)
{
    claim_timeout_ns = claim_option_timeout_ns(platform_command_line());
    connection_queue_initialise(&unclaimed);
    timer_initialise(&claim_timer, expire_unclaimed);
    connection_queue_initialise(&dataless);
    timer_initialise(&dataless_timer, expire_dataless);
    connection_queue_initialise(&waiting);
    timer_initialise(&waiting_timer, expire_waiting);
    net_register_message(REASSIGN_CONNECTION, handle_reassign_connection);
    net_register_message(CLAIM_CONNECTION, handle_claim_connection);
    net_register_message(DECLINE_CONNECTION, handle_decline_connection);
}
