/* SPDX-License-Identifier: MIT */
/*
 * SYN-SENT (RFC 9293 3.10.7.3): see active.h. Nothing of a connection exists before the handshake
 * is complete, as with passive opens (tcp/half_open.h).
 */
#include "net/transport/active.h"

#include <errno.h>

#include "kernel/message/dispatch.h"
#include "kernel/message/send.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/bytes.h"
#include "net/configuration.h"
#include "net/counters.h"
#include "net/handlers.h"
#include "net/headers.h"
#include "net/packet.h"
#include "net/transport/active_table.h"
#include "net/transport/availability.h"
#include "net/transport/connection.h"
#include "net/transport/counters.h"
#include "net/transport/demux.h"
#include "net/transport/ephemeral.h"
#include "net/transport/flows.h"
#include "net/transport/hash.h"
#include "net/transport/loopback.h"
#include "net/transport/lwip/interface.h"
#include "net/transport/neighbor.h"
#include "net/transport/stream.h"
#include "net/transport/table.h"
#include "net/transport/tcp/handshake.h"
#include "net/transport/tcp/options.h"
#include "net/transport/tcp/receiver.h"
#include "net/transport/tcp/segment.h"
#include "net/transport/tcp/segment_out.h"
#include "net/transport/tcp/sequence.h"
#include "net/transport/tcp/timewait.h"
#include "net/transport/virtual_address.h"

#include "lwip/netif.h"

/* --- What the application is told --- */

/* The flow is written by the caller, and so are the connection's names. */
static struct connection_opened *reserve_answer(node_id_t application, uint32_t stream_index)
{
    struct connection_opened *message =
        message_reserve_posted(application, CONNECTION_OPENED, sizeof(*message));

    message->stream_index = stream_index;
    return message;
}

static void tell_failure(node_id_t application, uint32_t stream_index, int error_number)
{
    struct connection_opened *message = reserve_answer(application, stream_index);

    message->error_number = (uint32_t)error_number;
    message_publish();
}

static void count_failure(int error_number)
{
    unsigned counter = COUNTER_OPENS_UNREACHABLE;

    if (error_number == ECONNREFUSED) {
        counter = COUNTER_OPENS_REFUSED;
    } else if (error_number == ETIMEDOUT) {
        counter = COUNTER_OPENS_TIMED_OUT;
    } else if (error_number == ENOBUFS || error_number == EADDRNOTAVAIL) {
        counter = COUNTER_OPENS_WITHOUT_ROOM;
    }
    counter_increment(counter);
}

static void end_opening(struct opening *opening)
{
    timer_stop(&opening->timer);
    active_table_remove(opening);
}

static void fail_opening(struct opening *opening, int error_number)
{
    count_failure(error_number);
    tell_failure(opening->application, opening->stream_index, error_number);
    end_opening(opening);
}

/* --- SYNs --- */

/* In SYN-RECEIVED it acknowledges the peer's. */
static void send_syn(struct opening *opening)
{
    struct bare_segment syn = {
        .flow = opening->flow,
        .sequence = opening->iss,
        .window = HANDSHAKE_WINDOW_BYTES, /* not scaled (RFC 7323 2.2) */
        .tcp_flags = TCP_FLAG_SYN,
    };
    bool has_scale = true, has_sack = true;

    if (opening->has_peer_syn) {
        syn.tcp_flags |= TCP_FLAG_ACK;
        syn.acknowledgment = opening->irs + 1;
        has_scale = opening->has_scale;
        has_sack = opening->has_sack;
    }
    syn.option_bytes = (uint8_t)tcp_options_put_syn_ack(syn.options, HANDSHAKE_MSS, has_scale,
                                                        HANDSHAKE_SCALE, has_sack);
    segment_out_send_bare(&syn);
}

/* The first one, or the next; and the time of the one after it. False: without memory for that. */
static bool send_next_syn(struct opening *opening)
{
    uint64_t wait_ns = ACTIVE_TIMEOUT_NS << opening->syn_count;

    if (timer_start(&opening->timer, dispatch_now_ns() + wait_ns) != 0) {
        return false;
    }
    counter_add(COUNTER_TCP_RETRANSMITS, opening->syn_count != 0);
    opening->syn_count++;
    send_syn(opening);
    return true;
}

/* Whether the first hop has been asked for long enough. */
static bool is_neighbor_silent(const struct opening *opening)
{
    return !loopback_is_own(opening->flow.remote_address) &&
           dispatch_now_ns() - opening->opened_ns >= NEIGHBOR_PATIENCE_NS &&
           neighbor_find(interface_next_hop(opening->flow.remote_address)) == NULL;
}

static void expire(struct timer *timer)
{
    struct opening *opening = CONTAINER_OF(timer, struct opening, timer);

    ASSERT(opening->is_used);
    if (is_neighbor_silent(opening)) {
        fail_opening(opening, EHOSTUNREACH);
    } else if (opening->syn_count == ACTIVE_SYNS) {
        fail_opening(opening, ETIMEDOUT);
    } else if (!send_next_syn(opening)) {
        fail_opening(opening, ENOBUFS);
    }
}

/* --- The connection --- */

/* As availability.c does it with one that was granted and is claimed at once; no manager knows of
 * it. NULL: there is no room. */
static struct connection *begin_connection(const struct opening *opening,
                                           const struct handshake *handshake,
                                           struct handshake_completion completion)
{
    const struct acceptor application = {
        .node = opening->application, .cm = NODE_NONE, .assigned_by = NODE_NONE};
    struct connection *connection = connection_allocate(handshake->flow.remote_address);

    if (connection == NULL) {
        return NULL;
    }
    tcb_open(&connection->tcb, handshake, completion);
    demux_add(&connection->tcb, NULL);
    availability_assign(connection, &application, false);
    connection_set_state(connection, CONNECTION_ANNOUNCED);
    connection_set_state(connection, CONNECTION_CLAIMED);
    stream_begin(connection, opening->stream_index, false);
    return connection;
}

static uint32_t round_trip_us(const struct opening *opening)
{
    uint64_t us = (dispatch_now_ns() - opening->opened_ns) / NS_PER_US;

    if (opening->syn_count > 1) {
        return 0; /* of which of them nobody knows (Karn; RFC 6298 3) */
    }
    return us > 0 ? (uint32_t)us : 1; /* less than a second */
}

static void tell_opened(const struct opening *opening, const struct connection *connection)
{
    struct connection_opened *message = reserve_answer(opening->application, opening->stream_index);

    message->connection_index = connection->place.index;
    message->generation = connection->generation;
    message->flow = connection->tcb.flow;
    message->send_window_bytes = SEND_WINDOW_BYTES;
    message_publish();
    counter_increment(COUNTER_OPENS_OPENED);
}

/* The peer's SYN and its acknowledgement of ours have come. NULL: no room, and it has failed. */
static struct tcb *complete(struct opening *opening, uint32_t snd_window_bytes)
{
    const struct handshake handshake = {
        .flow = opening->flow,
        .snd_scale = opening->has_scale ? opening->snd_scale : 0,
        .has_scale = opening->has_scale,
        .has_sack = opening->has_sack,
        .opened_ns = opening->opened_ns,
        .irs = opening->irs,
        .iss = opening->iss,
        .mss = opening->mss,
        .is_repeated = opening->syn_count > 1,
    };
    const struct handshake_completion completion = {.snd_window_bytes = snd_window_bytes,
                                                    .round_trip_us = round_trip_us(opening)};
    struct connection *connection = begin_connection(opening, &handshake, completion);

    if (connection == NULL) {
        fail_opening(opening, ENOBUFS);
        return NULL;
    }
    tell_opened(opening, connection);
    end_opening(opening);
    return &connection->tcb;
}

/* --- Segments, in the order of RFC 9293 3.10.7.3 --- */

static void take_syn(struct opening *opening, const struct packet *packet)
{
    struct tcp_options options;
    uint16_t mss;

    tcp_options_parse(&options, packet_options(packet), packet->option_bytes);
    mss = options.mss != 0 ? options.mss : TCP_OPTION_MSS_DEFAULT;
    opening->irs = packet->sequence;
    opening->mss = mss < HANDSHAKE_MSS ? mss : HANDSHAKE_MSS;
    opening->has_scale = options.has_scale;
    opening->snd_scale = options.scale;
    opening->has_sack = options.is_sack_permitted;
}

static void receive_syn_ack(struct opening *opening, const struct packet *packet)
{
    struct tcb *tcb;

    take_syn(opening, packet);
    tcb = complete(opening, packet->window); /* not scaled */
    if (tcb != NULL) {
        receiver_owe_ack(tcb);
        connection_request_output(connection_of_tcb(tcb));
    } else {
        segment_out_refuse(packet);
    }
}

/* The peer opens, too: RFC 9293 3.5, figure 7. */
static void receive_crossing_syn(struct opening *opening, const struct packet *packet)
{
    take_syn(opening, packet);
    opening->has_peer_syn = true;
    send_syn(opening);
}

static void receive_in_syn_sent(struct opening *opening, const struct packet *packet)
{
    bool has_ack = (packet->tcp_flags & TCP_FLAG_ACK) != 0;

    if (has_ack && packet->acknowledgment != opening->iss + 1) {
        segment_out_refuse(packet); /* none for a reset */
    } else if ((packet->tcp_flags & TCP_FLAG_RST) != 0) {
        if (has_ack) {
            fail_opening(opening, ECONNREFUSED);
        }
    } else if ((packet->tcp_flags & (TCP_FLAG_SYN | TCP_FLAG_FIN)) != TCP_FLAG_SYN) {
        counter_increment(COUNTER_DROP_PROTOCOL);
    } else if (has_ack) {
        receive_syn_ack(opening, packet);
    } else {
        receive_crossing_syn(opening, packet);
    }
}

/* After a crossing SYN: RFC 9293 3.10.7.4. */
static void receive_in_syn_received(struct opening *opening, struct segment *segment)
{
    const struct packet *packet = segment->packet;
    uint32_t distance = packet->sequence - (opening->irs + 1);
    bool is_syn = (packet->tcp_flags & TCP_FLAG_SYN) != 0;
    struct tcb *tcb;

    if ((packet->tcp_flags & TCP_FLAG_RST) != 0) {
        if (distance == 0 && !is_syn) {
            fail_opening(opening, ECONNREFUSED);
        }
    } else if ((packet->tcp_flags & TCP_FLAG_ACK) == 0 ||
               (is_syn ? packet->sequence != opening->irs : distance >= HANDSHAKE_WINDOW_BYTES)) {
        counter_increment(COUNTER_DROP_PROTOCOL);
    } else if (packet->acknowledgment != opening->iss + 1) {
        segment_out_refuse(packet);
    } else if (is_syn) {
        receive_syn_ack(opening, packet); /* its own, which says the same as its SYN */
    } else {
        tcb = complete(opening,
                       (uint32_t)packet->window << (opening->has_scale ? opening->snd_scale : 0));
        if (tcb != NULL) {
            receiver_segment(tcb, segment);
        } else {
            segment_out_refuse(packet);
        }
    }
}

bool active_segment(struct segment *segment)
{
    struct opening *opening;

    if (LIKELY(active_table_count() == 0)) {
        return false;
    }
    opening = active_table_find(&segment->packet->flow);
    if (opening == NULL) {
        return false;
    }
    if (opening->has_peer_syn) {
        receive_in_syn_received(opening, segment);
    } else {
        receive_in_syn_sent(opening, segment->packet);
    }
    return true;
}

/* Anybody can send such a message, but needs to know the number (RFC 5927 4.1). */
bool active_is_unreachable(const struct flow *flow, uint32_t sequence, int error_number)
{
    struct opening *opening = active_table_find(flow);

    if (opening == NULL || sequence != opening->iss) {
        return false;
    }
    fail_opening(opening, error_number);
    return true;
}

/* --- What applications ask for --- */

static bool is_in_use(const struct flow *flow)
{
    return flows_find(flow, flow_hash(flow)) != NULL || active_table_find(flow) != NULL;
}

/* Where it goes. 0 and 127.0.0.0/8 are this machine itself, as on Linux. Returns 0, or -errno. */
static int find_way(const struct open_connection *wanted, struct flow *flow)
{
    uint8_t first_byte = (uint8_t)wanted->remote_address;

    flow->local_address = netif_ip4_addr(interface_netif())->addr;
    flow->remote_address = wanted->remote_address;
    flow->remote_port = wanted->remote_port;
    flow->local_port = wanted->local_port;
    if (first_byte == 127 || wanted->remote_address == 0) {
        flow->remote_address = flow->local_address;
    }
    /* The router that gives out connections to one would have to send us our own packets. */
    if (virtual_address_is_ours(flow->remote_address)) {
        return -ENETUNREACH;
    }
    return flow->local_address == 0 || !interface_has_way(flow->remote_address) ? -ENETUNREACH : 0;
}

/* RFC 6528, and of a flow that is in TIME-WAIT beyond all that it has used. */
static uint32_t iss_of(const struct flow *flow, bool is_reopened, uint32_t least_iss)
{
    uint32_t iss = flow_initial_sequence(flow, dispatch_now_ns());

    return is_reopened && sequence_is_before(iss, least_iss) ? least_iss : iss;
}

static int begin_opening(node_id_t application, const struct open_connection *wanted)
{
    struct flow flow;
    uint32_t least_iss = 0;
    struct opening *opening;
    int state = find_way(wanted, &flow);

    if (state != 0) {
        return state;
    }
    if (!connection_admit(flow.remote_address)) {
        return -ENOBUFS;
    }
    state = flow.local_port == 0 ? ephemeral_choose(&flow, is_in_use, dispatch_now_ns(), &least_iss)
                                 : ephemeral_take(&flow, is_in_use, dispatch_now_ns(), &least_iss);
    if (state < 0) {
        return state;
    }
    opening = active_table_add(&flow);
    if (opening == NULL) {
        return -ENOBUFS;
    }
    if (opening->timer.expired == NULL) {
        timer_initialise(&opening->timer, expire); /* for good: an entry never goes */
    }
    opening->iss = iss_of(&flow, state == 1, least_iss);
    opening->application = application;
    opening->stream_index = wanted->stream_index;
    opening->opened_ns = dispatch_now_ns();
    if (state == 1) {
        timewait_forget(&flow);
    }
    if (!send_next_syn(opening)) {
        active_table_remove(opening);
        return -ENOBUFS;
    }
    return 0;
}

static void handle_open_connection(node_id_t from, const struct message *message)
{
    const struct open_connection *wanted = (const struct open_connection *)message;
    struct opening *opening = active_table_find_named(from, wanted->stream_index);
    int error;

    if (wanted->is_withdrawn != 0) {
        if (opening != NULL) {
            counter_increment(COUNTER_OPENS_WITHDRAWN);
            end_opening(opening);
        }
        return;
    }
    if (opening != NULL) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE); /* that name is another's */
        return;
    }
    error = begin_opening(from, wanted);
    if (error != 0) {
        count_failure(-error);
        tell_failure(from, wanted->stream_index, -error);
    }
}

/* --- The rest --- */

uint32_t active_count(void)
{
    return active_table_count();
}

static void forget_of(struct opening *opening, void *node)
{
    if (opening->application == *(const node_id_t *)node) {
        end_opening(opening);
    }
}

void active_lose_node(node_id_t node)
{
    active_table_for_each(forget_of, &node);
}

void active_initialise(void)
{
    ephemeral_initialise(configuration_current());
    active_table_initialise();
    net_register_message(OPEN_CONNECTION, handle_open_connection);
}
