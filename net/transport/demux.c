/* SPDX-License-Identifier: MIT */
/*
 * Demultiplexing and lwIP's lists of PCBs.
 *
 * Every segment passes transport_tcp_input(), which finds its connection by hash and lets lwIP's
 * own search meet a list of that one PCB, or an empty one. lwIP's real list of active PCBs holds
 * only those that its slow timer must visit; the idle ones are in the hash alone. The list stays
 * a list of lwIP's, which its slow timer walks and shortens by hand: this file keeps the back
 * links beside it, in the connections.
 *
 * There is one listening PCB. It takes the port of whatever SYN is let through: which ports are
 * served is the connection managers' knowledge.
 */
#include "net/transport/demux.h"

#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "net/configuration.h"
#include "net/transport/availability.h"
#include "net/transport/connection.h"
#include "net/transport/frames.h"
#include "net/transport/hash.h"
#include "net/transport/table.h"
#include "net/transport/timewait.h"

#include "net/transport/lwip/tcp.h"

#include "hooks.h"
#include "net/counters.h"

#define HASH_BUCKETS          32768u
/* The first retransmission comes after a second (RFC 6298 2.1), not lwIP's three. */
#define INITIAL_TIMEOUT_TICKS (1000 / TCP_SLOW_INTERVAL)

static struct connection **buckets;
static struct tcp_pcb_listen *listener;
static struct demux_assignment *assignment;

/* While lwIP works on a segment. */
static struct tcp_pcb *match; /* what its search shall find */
static struct tcp_pcb_listen *listen_match;
static bool is_search_armed;
static struct connection *current; /* NULL again when its PCB was freed meanwhile */
static uint32_t least_sequence;    /* TIME_WAIT's demand on the initial sequence number */
static bool has_least_sequence;

/* --- The hash --- */

static struct connection **bucket_of(const struct flow *flow)
{
    return &buckets[flow_hash(flow) & (HASH_BUCKETS - 1)];
}

struct connection *demux_find(const struct flow *flow)
{
    struct connection *connection = *bucket_of(flow);

    while (connection != NULL && !flow_equals(&connection->flow, flow)) {
        connection = connection->hash_next;
    }
    return connection;
}

static void hash_insert(struct connection *connection)
{
    struct connection **bucket = bucket_of(&connection->flow);

    connection->hash_next = *bucket;
    *bucket = connection;
    connection->is_hashed = true;
}

static void hash_remove(struct connection *connection)
{
    struct connection **link = bucket_of(&connection->flow);

    if (!connection->is_hashed) {
        return;
    }
    while (*link != connection) {
        link = &(*link)->hash_next;
    }
    *link = connection->hash_next;
    connection->is_hashed = false;
}

/* --- lwIP's lists --- */

static struct connection *connection_of(const struct tcp_pcb *pcb)
{
    return pcb->ext_args[0].data;
}

static void list_insert(struct connection *connection)
{
    struct tcp_pcb *pcb = connection->pcb;

    pcb->next = tcp_active_pcbs;
    if (pcb->next != NULL) {
        connection_of(pcb->next)->list_previous = pcb;
    }
    tcp_active_pcbs = pcb;
    connection->list_previous = NULL;
    connection->is_listed = true;
}

/* lwIP's slow timer has taken the PCB out by hand if its predecessor no longer points to it. */
static void list_remove(struct connection *connection)
{
    struct tcp_pcb *pcb = connection->pcb;
    struct tcp_pcb **link;

    if (!connection->is_listed) {
        return;
    }
    link = connection->list_previous == NULL ? &tcp_active_pcbs : &connection->list_previous->next;
    if (*link == pcb) {
        *link = pcb->next;
    }
    if (pcb->next != NULL) {
        connection_of(pcb->next)->list_previous = connection->list_previous;
    }
    connection->is_listed = false;
}

/* The PCB is about to be freed: the only reliable sign of a connection's end in lwIP. */
static void forget_pcb(u8_t id, void *data)
{
    struct connection *connection = data;

    (void)id;
    if (connection == NULL) {
        return; /* never became active */
    }
    list_remove(connection);
    hash_remove(connection);
    connection->pcb = NULL;
    if (current == connection) {
        current = NULL;
    }
    connection_mark_dirty(connection);
}

static err_t open_passively(u8_t id, struct tcp_pcb_listen *listening, struct tcp_pcb *pcb)
{
    struct connection *connection = connection_of(pcb);

    (void)id;
    (void)listening;
    if (connection == NULL) {
        counter_increment(COUNTER_DROP_NO_MEMORY);
        return ERR_MEM;
    }
    pcb->callback_arg = connection;
    connection->opened_ns = dispatch_now_ns();
    pcb->rto = pcb->sv = INITIAL_TIMEOUT_TICKS;
    tcp_nagle_disable(pcb);
    availability_assign(connection, assignment == NULL ? NULL : &assignment->acceptor);
    if (assignment != NULL) {
        assignment->was_taken = true;
    }
    current = connection;
    return ERR_OK;
}

static const struct tcp_ext_arg_callbacks connection_callbacks = {
    .destroy = forget_pcb,
    .passive_open = open_passively,
};

/* A PCB becomes active: give it its connection. Without memory for one it stays alone, and
 * open_passively() refuses it. */
static void attach_connection(struct tcp_pcb *pcb)
{
    struct connection *connection = connection_allocate();

    if (connection == NULL) {
        return;
    }
    connection->pcb = pcb;
    connection->flow = (struct flow){
        .remote_address = ip_addr_get_ip4_u32(&pcb->remote_ip),
        .local_address = ip_addr_get_ip4_u32(&pcb->local_ip),
        .remote_port = lwip_htons(pcb->remote_port),
        .local_port = lwip_htons(pcb->local_port),
    };
    pcb->ext_args[0].data = connection;
    pcb->ext_args[0].callbacks = &connection_callbacks;
    hash_insert(connection);
    list_insert(connection);
}

void transport_list_add(struct tcp_pcb **list, struct tcp_pcb *pcb)
{
    if (list == &tcp_active_pcbs) {
        attach_connection(pcb);
        return;
    }
    pcb->next = *list;
    *list = pcb;
}

void transport_list_remove(struct tcp_pcb **list, struct tcp_pcb *pcb)
{
    if (list == &tcp_active_pcbs) {
        if (connection_of(pcb) != NULL) {
            list_remove(connection_of(pcb));
            hash_remove(connection_of(pcb));
        }
        pcb->next = NULL;
        return;
    }
    while (*list != NULL && *list != pcb) {
        list = &(*list)->next;
    }
    if (*list == pcb) {
        *list = pcb->next;
    }
    pcb->next = NULL;
}

/* --- Parking --- */

/* Whether the slow timer counts something for this PCB. */
static bool needs_ticks(const struct tcp_pcb *pcb)
{
    return pcb->unsent != NULL || pcb->unacked != NULL || pcb->ooseq != NULL ||
           pcb->persist_backoff != 0 || (pcb->state != ESTABLISHED && pcb->state != CLOSE_WAIT) ||
           (pcb->flags & (TF_CLOSEPEND | TF_NAGLEMEMERR | TF_RTO)) != 0;
}

/* lwIP keeps no count of its own, only how often in a row, until something is acknowledged. */
static void count_retransmissions(struct connection *connection)
{
    uint8_t in_a_row = connection->pcb->nrtx;

    if (in_a_row > connection->retransmissions) {
        counter_add(COUNTER_TCP_RETRANSMITS, in_a_row - connection->retransmissions);
    }
    connection->retransmissions = in_a_row;
}

void demux_park(struct connection *connection)
{
    bool is_needed = needs_ticks(connection->pcb);

    count_retransmissions(connection);
    if (is_needed == connection->is_listed) {
        return;
    }
    if (is_needed) {
        list_insert(connection);
    } else {
        list_remove(connection);
    }
}

bool demux_park_all(void)
{
    struct tcp_pcb *pcb = tcp_active_pcbs;

    while (pcb != NULL) {
        struct tcp_pcb *next = pcb->next;

        demux_park(connection_of(pcb));
        pcb = next;
    }
    return demux_any_ticking();
}

bool demux_any_ticking(void)
{
    return tcp_active_pcbs != NULL;
}

/* --- What lwIP's tcp_input() meets --- */

struct tcp_pcb **transport_active_head(void)
{
    if (!is_search_armed) {
        return &tcp_active_pcbs;
    }
    is_search_armed = false;
    return &match;
}

struct tcp_pcb_listen **transport_listen_head(void)
{
    return &listen_match;
}

err_t transport_output_later(struct tcp_pcb *pcb)
{
    struct connection *connection = connection_of(pcb);

    connection_request_output(connection);
    return ERR_OK;
}

u32_t transport_initial_sequence(const ip_addr_t *local, u16_t local_port, const ip_addr_t *remote,
                                 u16_t remote_port)
{
    struct flow flow = {
        .remote_address = ip_addr_get_ip4_u32(remote),
        .local_address = ip_addr_get_ip4_u32(local),
        .remote_port = lwip_htons(remote_port),
        .local_port = lwip_htons(local_port),
    };
    uint32_t sequence = flow_initial_sequence(&flow, platform_now_ns());

    if (has_least_sequence && (int32_t)(sequence - least_sequence) <= 0) {
        sequence = least_sequence + TCP_WND;
    }
    return sequence;
}

/* --- Segment validation (RFC 5961) --- */

/* One challenge ACK a tick and connection: a limit for all together would be an oracle. */
static bool may_challenge(struct connection *connection)
{
    if (connection->challenge_tick == tcp_ticks) {
        return false;
    }
    connection->challenge_tick = tcp_ticks;
    return true;
}

static err_t refuse_segment(struct tcp_pcb *pcb, bool is_challenged)
{
    counter_increment(COUNTER_DROP_PROTOCOL);
    if (is_challenged && may_challenge(connection_of(pcb))) {
        tcp_ack_now(pcb);
        (void)transport_output_later(pcb);
    }
    return ERR_ABRT;
}

/* lwIP takes data from segments whose acknowledgement is impossible, or missing. */
err_t transport_check_segment(struct tcp_pcb *pcb, const struct tcp_hdr *header)
{
    uint8_t tcp_flags = TCPH_FLAGS(header);

    if (pcb->state == TCP_STATE_LISTEN || (tcp_flags & TCP_RST) != 0) {
        return ERR_OK;
    }
    if (pcb->state == SYN_RCVD) {
        bool is_both = (tcp_flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK);

        return is_both ? refuse_segment(pcb, false) : ERR_OK;
    }
    if (pcb->state < ESTABLISHED) {
        return ERR_OK;
    }
    if ((tcp_flags & TCP_SYN) != 0) {
        return refuse_segment(pcb, true);
    }
    if ((tcp_flags & TCP_ACK) == 0) {
        return refuse_segment(pcb, false);
    }
    if (TCP_SEQ_GT(header->ackno, pcb->snd_nxt) ||
        TCP_SEQ_LT(header->ackno, pcb->lastack - pcb->snd_wnd_max)) {
        return refuse_segment(pcb, true);
    }
    return ERR_OK;
}

/* --- Segments in --- */

static void answer_from_timewait(const struct flow *flow, struct timewait_numbers numbers)
{
    static struct tcp_pcb pcb; /* stands for the one that is gone; zero but for this */

    ip_addr_set_ip4_u32(&pcb.local_ip, flow->local_address);
    ip_addr_set_ip4_u32(&pcb.remote_ip, flow->remote_address);
    pcb.local_port = lwip_ntohs(flow->local_port);
    pcb.remote_port = lwip_ntohs(flow->remote_port);
    pcb.ttl = TCP_TTL;
    pcb.rcv_nxt = numbers.receive_next;
    pcb.snd_nxt = numbers.send_next;
    pcb.rcv_ann_wnd = TCP_MSS;
    (void)tcp_send_empty_ack(&pcb); /* lost or unsent: the peer asks again */
}

/* Returns whether the segment ends here. */
static bool meet_timewait(const struct flow *flow, const struct tcp_hdr *header, unsigned length)
{
    struct timewait_numbers numbers;
    unsigned header_bytes = TCPH_HDRLEN_BYTES(header);
    uint8_t tcp_flags = TCPH_FLAGS(header);
    struct timewait_segment segment = {
        .sequence = lwip_ntohl(header->seqno),
        .tcp_flags = tcp_flags,
        .length = (header_bytes < length ? length - header_bytes : 0) +
                  ((tcp_flags & TCP_SYN) != 0) + ((tcp_flags & TCP_FIN) != 0),
    };

    switch (timewait_judge(flow, &segment, dispatch_now_ns(), &numbers)) {
    case TIMEWAIT_UNKNOWN:
        return false;
    case TIMEWAIT_REOPEN:
        has_least_sequence = true;
        least_sequence = numbers.send_next;
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
        struct connection *connection = connection_of(pcb);
        struct timewait_numbers numbers = {pcb->rcv_nxt, pcb->snd_nxt};

        if ((pcb->flags & TF_ACK_NOW) != 0) {
            (void)tcp_send_empty_ack(pcb); /* lost: the peer sends its FIN again */
        }
        timewait_add(&connection->flow, numbers, dispatch_now_ns());
        tcp_tw_pcbs = pcb->next;
        tcp_free(pcb);
    }
}

/* Whether a SYN may open a connection. */
static bool admit(void)
{
    if (connection_half_open_count() >= HALF_OPEN_MAX) {
        counter_increment(COUNTER_DROP_SYN_LIMIT);
        return false;
    }
    return true;
}

/* For a segment without connection. Returns whether lwIP shall see it. */
static bool prepare_stranger(const struct flow *flow, struct pbuf *packet)
{
    const struct tcp_hdr *header = packet->payload;

    if (meet_timewait(flow, header, packet->tot_len)) {
        return false;
    }
    if (assignment == NULL && frames_pass_on(packet, flow->remote_port)) {
        return false;
    }
    if ((TCPH_FLAGS(header) & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN &&
        (assignment == NULL || !assignment->is_refused)) {
        if (!admit()) {
            return false;
        }
        listener->local_port = lwip_ntohs(flow->local_port);
        listen_match = listener;
    }
    return true;
}

void transport_tcp_input(struct pbuf *packet, struct netif *netif)
{
    const struct tcp_hdr *header = packet->payload;
    struct flow flow;

    if (packet->len < TCP_HLEN) {
        counter_increment(COUNTER_DROP_TRUNCATED);
        pbuf_free(packet);
        return;
    }
    flow = (struct flow){
        .remote_address = ip4_current_src_addr()->addr,
        .local_address = ip4_current_dest_addr()->addr,
        .remote_port = header->src,
        .local_port = header->dest,
    };
    current = demux_find(&flow);
    match = current == NULL ? NULL : current->pcb;
    listen_match = NULL;
    has_least_sequence = false;
    if (current == NULL && !prepare_stranger(&flow, packet)) {
        pbuf_free(packet);
        return;
    }
    is_search_armed = true;
    tcp_input(packet, netif);
    is_search_armed = false;
    drain_timewait();
    if (current != NULL) {
        connection_mark_dirty(current);
        current = NULL;
    }
}

void demux_set_assignment(struct demux_assignment *new_assignment)
{
    assignment = new_assignment;
}

void demux_initialise(void)
{
    size_t bytes = HASH_BUCKETS * sizeof(*buckets);
    struct tcp_pcb *pcb;

    flow_hash_initialise();
    buckets = platform_allocate_pages(bytes / PAGE_BYTES);
    ASSERT(buckets != NULL);
    timewait_initialise();

    pcb = tcp_new();
    ASSERT(pcb != NULL);
    pcb->ext_args[0].callbacks = &connection_callbacks;
    if (tcp_bind(pcb, IP4_ADDR_ANY, 1) != ERR_OK) {
        PANIC("lwIP refuses to bind");
    }
    listener = (struct tcp_pcb_listen *)tcp_listen(pcb);
    ASSERT(listener != NULL);
}
