/* SPDX-License-Identifier: MIT */
/*
 * Demultiplexing. demux_receive() finds a segment's connection by hash; lwIP's own search in
 * tcp_input() begins at that PCB, or has nothing to look at (patches/0003-find-by-hash.patch).
 *
 * There is one listening PCB. It takes the port of whatever SYN is let through: which ports are
 * served is the connection managers' knowledge.
 */
#include "net/transport/demux.h"

#include <string.h>

#include "drivers/nic/frame.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "net/counters.h"
#include "net/headers.h"
#include "net/transport/availability.h"
#include "net/transport/connection.h"
#include "net/transport/frames.h"
#include "net/transport/hash.h"
#include "net/transport/held.h"
#include "net/transport/lwip/interface.h"
#include "net/transport/overload.h"
#include "net/transport/pcb.h"
#include "net/transport/server.h"
#include "net/transport/table.h"
#include "net/transport/timewait.h"

#include "net/transport/lwip/tcp.h"

#include "hooks.h"
#include "libc/core/bytes.h"
#include "libc/core/memory.h"

/* Chosen: chains of two when there are as many connections as can be. */
#define CONNECTIONS_PER_BUCKET 2u
#define BUCKETS_LEAST          64u /* 512 bytes */

MEMORY_KIND(buckets_kind, "connection_buckets");

/*
 * Linear hashing: a bucket for each connection that there has been at a time, so that few of them
 * lie in few lines of the cache. (With buckets for all that can be, half of the time that a segment
 * takes here went into fetching its bucket.) There is room for `bucket_limit`.
 */
static struct connection **buckets;
static uint32_t bucket_count, bucket_limit;
static uint32_t bucket_mask; /* the least power of two that is no smaller, less one */
static uint32_t hashed_count;
static struct tcp_pcb_listen *listener;

/*
 * The segment that lwIP works on: arguments and results for which its tcp_input() has no
 * parameter. demux_receive() fills this in right before that call and looks at it right after;
 * meanwhile lwIP asks for it by transport_found_pcb(), transport_found_listener() and
 * transport_initial_sequence(), and demux_add() and demux_remove() follow what it does. It means
 * nothing at other times.
 */
static struct {
    struct connection *connection; /* NULL when unknown, and again when TCP has forgotten it */
    struct tcp_pcb_listen *listener;
    struct demux_assignment *assignment;
    bool has_least_sequence;
    uint32_t least_sequence; /* TIME_WAIT's demand on the initial sequence number */
} under_way;

/* --- The hash --- */

static inline struct connection **bucket_of(const struct flow *flow)
{
    uint32_t index = flow_hash(flow) & bucket_mask;

    return &buckets[index < bucket_count ? index : index & bucket_mask >> 1];
}

/* One bucket more, with those connections that belong there from the one that they have shared. */
static void add_bucket(void)
{
    if (bucket_count > bucket_mask) {
        bucket_mask = 2 * bucket_mask + 1;
    }
    struct connection **added = &buckets[bucket_count];
    struct connection **link = &buckets[bucket_count & bucket_mask >> 1];

    *added = NULL;
    bucket_count++;
    while (*link != NULL) {
        struct connection *connection = *link;

        if (bucket_of(&connection->flow) == added) {
            *link = connection->hash_next;
            connection->hash_next = *added;
            *added = connection;
        } else {
            link = &connection->hash_next;
        }
    }
}

/* Inline: once or twice for each segment. */
static inline __attribute__((always_inline)) struct connection *find(const struct flow *flow)
{
    struct connection *connection = *bucket_of(flow);

    while (connection != NULL && !flow_equals(&connection->flow, flow)) {
        connection = connection->hash_next;
    }
    ASSERT_SLOW(connection == NULL || (connection->is_hashed && connection->pcb != NULL));
    return connection;
}

struct connection *demux_find(const struct flow *flow)
{
    return find(flow);
}

void demux_add(struct connection *connection)
{
    struct demux_assignment *assignment = under_way.assignment;

    ASSERT_SLOW(!connection->is_hashed);
    ASSERT_SLOW(demux_find(&connection->flow) == NULL);
    if (UNLIKELY(++hashed_count > bucket_count) && bucket_count < bucket_limit) {
        add_bucket();
    }
    struct connection **bucket = bucket_of(&connection->flow);

    connection->hash_next = *bucket;
    *bucket = connection;
    connection->is_hashed = true;

    under_way.connection = connection;
    availability_assign(connection, assignment == NULL ? NULL : &assignment->acceptor);
    if (assignment != NULL) {
        assignment->was_taken = true;
    }
}

void demux_remove(struct connection *connection)
{
    struct connection **link = bucket_of(&connection->flow);

    if (under_way.connection == connection) {
        under_way.connection = NULL;
    }
    if (!connection->is_hashed) {
        return;
    }
    while (*link != connection) {
        ASSERT_SLOW(*link != NULL);
        link = &(*link)->hash_next;
    }
    *link = connection->hash_next;
    connection->is_hashed = false;
    hashed_count--;
}

/* --- What lwIP's tcp_input() meets --- */

struct tcp_pcb *transport_found_pcb(void)
{
    ASSERT_SLOW(under_way.connection == NULL || under_way.connection->is_hashed);
    return under_way.connection == NULL ? NULL : under_way.connection->pcb;
}

struct tcp_pcb_listen *transport_found_listener(void)
{
    return under_way.listener;
}

err_t transport_output_later(struct tcp_pcb *pcb)
{
    connection_request_output(pcb_connection(pcb));
    return ERR_OK;
}

u32_t transport_initial_sequence(const ip_addr_t *local, u16_t local_port, const ip_addr_t *remote,
                                 u16_t remote_port)
{
    struct flow flow = {
        .remote_address = ip_addr_get_ip4_u32(remote),
        .local_address = ip_addr_get_ip4_u32(local),
        .remote_port = swap16(remote_port),
        .local_port = swap16(local_port),
    };
    uint32_t sequence = flow_initial_sequence(&flow, platform_now_ns());

    if (under_way.has_least_sequence && (int32_t)(sequence - under_way.least_sequence) <= 0) {
        sequence = under_way.least_sequence + TCP_WND;
    }
    return sequence;
}

/* --- Segments in --- */

static void answer_from_timewait(const struct flow *flow, struct timewait_numbers numbers)
{
    static struct tcp_pcb pcb; /* stands for the one that is gone; zero but for this */

    ip_addr_set_ip4_u32(&pcb.local_ip, flow->local_address);
    ip_addr_set_ip4_u32(&pcb.remote_ip, flow->remote_address);
    pcb.local_port = swap16(flow->local_port);
    pcb.remote_port = swap16(flow->remote_port);
    pcb.ttl = TCP_TTL;
    pcb.rcv_nxt = numbers.receive_next;
    pcb.snd_nxt = numbers.send_next;
    pcb.rcv_ann_wnd = numbers.window; /* which without TF_WND_SCALE is not scaled again */
    (void)tcp_send_empty_ack(&pcb);   /* lost or unsent: the peer asks again */
}

/* Returns whether the segment ends here. */
static bool meet_timewait(const struct flow *flow, const struct tcp_hdr *header, unsigned length)
{
    struct timewait_numbers numbers;
    unsigned header_bytes = TCPH_HDRLEN_BYTES(header);
    uint8_t tcp_flags = TCPH_FLAGS(header);
    struct timewait_segment segment = {
        .sequence = swap32(header->seqno),
        .tcp_flags = tcp_flags,
        .length = (header_bytes < length ? length - header_bytes : 0) +
                  ((tcp_flags & TCP_SYN) != 0) + ((tcp_flags & TCP_FIN) != 0),
    };

    switch (timewait_judge(flow, &segment, dispatch_now_ns(), &numbers)) {
    case TIMEWAIT_UNKNOWN:
        return false;
    case TIMEWAIT_REOPEN:
        under_way.has_least_sequence = true;
        under_way.least_sequence = numbers.send_next;
        return false;
    case TIMEWAIT_ANSWER:
        answer_from_timewait(flow, numbers);
        return true;
    case TIMEWAIT_IGNORE:
        return true;
    }
    return false;
}

/* The last segment of a connection has been processed: keep its numbers, let the PCB go. */
static void drain_timewait(void)
{
    while (tcp_tw_pcbs != NULL) {
        struct tcp_pcb *pcb = tcp_tw_pcbs;
        struct connection *connection = pcb_connection(pcb);
        struct timewait_numbers numbers = {
            .receive_next = pcb->rcv_nxt,
            .send_next = pcb->snd_nxt,
            .window = TCPWND_MIN16(RCV_WND_SCALE(pcb, pcb->rcv_ann_wnd)),
        };

        ASSERT_SLOW(connection != NULL && !connection->is_hashed);
        if ((pcb->flags & TF_ACK_NOW) != 0) {
            (void)tcp_send_empty_ack(pcb); /* lost: the peer sends its FIN again */
        }
        timewait_add(&connection->flow, numbers, dispatch_now_ns());
        tcp_tw_pcbs = pcb->next;
        tcp_free(pcb);
    }
}

/* Whether a SYN may open a connection; counts it if not. */
static bool admit_syn(void)
{
    if (connection_half_open_count() >= HALF_OPEN_MAX) {
        counter_increment(COUNTER_DROP_SYN_LIMIT);
        overload_note(OVERLOAD_HALF_OPEN, HALF_OPEN_MAX);
        return false;
    }
    if (connection_table_is_full()) {
        counter_increment(COUNTER_DROP_TABLE_FULL);
        overload_note(OVERLOAD_TABLE, connection_table_limit());
        return false;
    }
    return true;
}

/* A SYN goes with FIN or RST in no segment that means something (RFC 9293 3.10.7). */
static bool has_impossible_flags(uint8_t tcp_flags)
{
    return (tcp_flags & TCP_SYN) != 0 && (tcp_flags & (TCP_FIN | TCP_RST)) != 0;
}

/* For a segment without connection. Returns whether lwIP shall see it. */
static bool prepare_stranger(const struct flow *flow, const struct demux_assignment *assignment,
                             struct pbuf *segment)
{
    const struct tcp_hdr *header = segment->payload;
    unsigned header_bytes = TCPH_HDRLEN_BYTES(header);
    uint8_t tcp_flags = TCPH_FLAGS(header);
    bool is_syn = (tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN;

    if (header_bytes < TCP_HLEN || header_bytes > segment->tot_len) {
        counter_increment(COUNTER_DROP_TRUNCATED);
        return false;
    }
    if (has_impossible_flags(tcp_flags)) {
        counter_increment(COUNTER_DROP_PROTOCOL);
        return false;
    }
    if (meet_timewait(flow, header, segment->tot_len)) {
        return false;
    }
    if (assignment == NULL && frames_pass_on(segment, flow)) {
        return false;
    }
    if (is_syn && assignment == NULL) {
        frames_ask_manager(segment);
        return false;
    }
    if (is_syn && !assignment->is_refused) {
        if (!admit_syn()) {
            return false;
        }
        listener->local_port = swap16(flow->local_port);
        under_way.listener = listener;
    }
    return true;
}

/* Out-of-order bytes may be forgotten at any time (RFC 2018 8). All PCBs that have some are on
 * lwIP's list; at most one walk a tick. */
static void forget_out_of_order(void)
{
    static uint32_t last_tick;

    if (last_tick == tcp_ticks) {
        return;
    }
    last_tick = tcp_ticks;
    for (struct tcp_pcb *pcb = tcp_active_pcbs; pcb != NULL; pcb = pcb->next) {
        tcp_free_ooseq(pcb);
    }
}

/*
 * For a segment that is out of order, or any when too many bytes wait: its bytes would wait. Of
 * those beyond the next expected one a copy is made, so that they keep no frame. Takes the segment;
 * returns the one to go on with, or NULL if it is lost, and counted.
 */
static __attribute__((noinline)) struct pbuf *hold_segment(const struct connection *connection,
                                                           struct pbuf *segment)
{
    const struct tcp_hdr *header = segment->payload;
    uint32_t distance = swap32(header->seqno) - connection->pcb->rcv_nxt;
    struct pbuf *copy;

    if (TCPH_HDRLEN_BYTES(header) >= segment->tot_len && (TCPH_FLAGS(header) & TCP_FIN) == 0) {
        return segment; /* it has nothing that could wait */
    }
    if (held_is_full()) {
        forget_out_of_order();
    }
    if (held_is_full() && (distance != 0 || connection->received_head != NULL)) {
        counter_increment(COUNTER_DROP_RECEIVE_FULL);
        pbuf_free(segment);
        return NULL;
    }
    if (distance == 0 || distance >= connection->pcb->rcv_wnd) {
        return segment; /* nothing of it will be queued */
    }
    copy = held_copy(segment);
    if (copy == NULL) {
        counter_increment(COUNTER_DROP_NO_MEMORY);
    }
    pbuf_free(segment);
    return copy;
}

void demux_receive(struct pbuf *segment, struct demux_assignment *assignment)
{
    const struct tcp_hdr *header = segment->payload;
    struct connection *connection;
    struct flow flow;

    ASSERT_SLOW(segment->len >= TCP_HLEN);
    flow.remote_address = ip4_current_src_addr()->addr;
    flow.local_address = ip4_current_dest_addr()->addr;
    memcpy(&flow.remote_port, &header->src, sizeof(header->src) + sizeof(header->dest));
    ASSERT_SLOW(under_way.connection == NULL && under_way.assignment == NULL);
    connection = find(&flow);
    if (connection != NULL &&
        UNLIKELY(swap32(header->seqno) != connection->pcb->rcv_nxt || held_is_full())) {
        segment = hold_segment(connection, segment);
        if (segment == NULL) {
            return;
        }
    }
    under_way.connection = connection;
    under_way.listener = NULL;
    under_way.assignment = assignment;
    under_way.has_least_sequence = false;
    if (connection == NULL && !prepare_stranger(&flow, assignment, segment)) {
        under_way.assignment = NULL;
        pbuf_free(segment);
        return;
    }
    tcp_input(segment, interface_netif());
    drain_timewait();
    under_way.assignment = NULL;
    if (under_way.connection != NULL) {
        connection_mark_dirty(under_way.connection);
        under_way.connection = NULL;
    }
}

/* For the link server on this node: net/transport/server.h. */
bool transport_server_expects_acknowledgment(const struct frame *frame)
{
    const uint8_t *ip = frame->data + ETHERNET_HEADER_BYTES;
    const uint8_t *tcp = ip + IPV4_HEADER_MIN_BYTES;
    const struct connection *connection;
    struct flow flow;

    memcpy(&flow.remote_address, ip + IPV4_SOURCE_OFFSET, 4);
    memcpy(&flow.local_address, ip + IPV4_DESTINATION_OFFSET, 4);
    memcpy(&flow.remote_port, tcp + TCP_SOURCE_PORT_OFFSET, 4); /* both */
    connection = find(&flow);
    return connection != NULL && connection->pcb->state >= ESTABLISHED &&
           TCP_SEQ_LEQ(load_be32(tcp + TCP_ACKNOWLEDGMENT_OFFSET), connection->pcb->snd_nxt);
}

void demux_initialise(void)
{
    uint32_t count = connection_table_limit() / CONNECTIONS_PER_BUCKET;

    bucket_limit = 1u << (31 - __builtin_clz(count));
    bucket_count = BUCKETS_LEAST;
    bucket_mask = BUCKETS_LEAST - 1;
    hashed_count = 0;
    flow_hash_initialise();
    buckets = memory_allocate_pages(&buckets_kind, bucket_limit * sizeof(*buckets) / PAGE_BYTES);
    ASSERT(buckets != NULL);
    memset(buckets, 0, BUCKETS_LEAST * sizeof(*buckets)); /* the others when they are added */
    timewait_initialise();
    listener = pcb_listen();
}
