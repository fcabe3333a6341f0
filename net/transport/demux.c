/* SPDX-License-Identifier: MIT */
/*
 * Demultiplexing. Connections and handshakes are found in the table of flows (flows.h); what is not
 * there is asked for elsewhere in turn, the likeliest first.
 */
#include "net/transport/demux.h"

#include <string.h>

#include "drivers/nic/frame.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/bytes.h"
#include "libc/core/memory.h"
#include "net/counters.h"
#include "net/expect.h"
#include "net/headers.h"
#include "net/transport/active.h"
#include "net/transport/admission.h"
#include "net/transport/connection.h"
#include "net/transport/counters.h"
#include "net/transport/flows.h"
#include "net/transport/forward/segment.h"
#include "net/transport/hash.h"
#include "net/transport/kept.h"
#include "net/transport/server.h"
#include "net/transport/table.h"
#include "net/transport/tcp/half_open.h"
#include "net/transport/tcp/half_open_table.h"
#include "net/transport/tcp/queue.h"
#include "net/transport/tcp/receiver.h"
#include "net/transport/tcp/segment.h"
#include "net/transport/tcp/segment_out.h"
#include "net/transport/tcp/timewait.h"

/* With fewer connections their lines are in the cache, mostly: measured, half a MiB of them and of
 * what applications have. */
#define EXPECT_CONNECTIONS 512u
/* Of a batch: as many as a link server takes in a round, so that the first of each pass, for which
 * nothing has been fetched long enough, are few. */
#define EXPECTED_AT_ONCE   64u
/* Of a chain, how many are looked at: one in some hundred stands behind them. */
#define EXPECTED_OF_CHAIN  4u
/* In IPv4 without options: two addresses and two ports, as in struct flow. */
#define LIKELY_FLOW_OFFSET (ETHERNET_HEADER_BYTES + IPV4_SOURCE_OFFSET)

/* --- Connections in the table of flows --- */

/* NULL: it has none, but half a handshake perhaps, or is forwarded. */
static inline struct tcb *tcb_of(struct flow_entry *entry)
{
    ASSERT_SLOW(entry == NULL || entry->state != TCB_CLOSED);
    return entry != NULL && entry->state < FLOW_NO_CONNECTION
               ? CONTAINER_OF(entry, struct tcb, entry)
               : NULL;
}

struct tcb *demux_find(const struct flow *flow)
{
    return tcb_of(flows_find(flow, flow_hash(flow)));
}

void demux_add(struct tcb *tcb, struct flow_entry *half_open)
{
    ASSERT_SLOW(!tcb->is_hashed);
    if (LIKELY(half_open != NULL)) {
        flows_replace(half_open, &tcb->entry);
    } else {
        flows_add(&tcb->entry, flow_hash(&tcb->flow));
    }
    tcb->is_hashed = true;
}

void demux_remove(struct tcb *tcb)
{
    ASSERT_SLOW(tcb->is_hashed);
    flows_remove(&tcb->entry);
    tcb->is_hashed = false;
}

/* --- Segments of no connection --- */

/* A SYN goes with FIN or RST in no segment that means something (RFC 9293 3.10.7). */
static bool has_impossible_flags(uint8_t tcp_flags)
{
    return (tcp_flags & TCP_FLAG_SYN) != 0 && (tcp_flags & (TCP_FLAG_FIN | TCP_FLAG_RST)) != 0;
}

/* A SYN to a port that is not served: forwarded, if it is the first of its flow, or refused. Where
 * nobody listens at all no manager says so. */
static __attribute__((noinline)) void turn_away(struct segment *syn, enum admission admission,
                                                bool is_first)
{
    if (is_first && forward_syn(syn)) {
        return;
    }
    if (admission == ADMISSION_REFUSED) {
        segment_out_refuse(syn->packet);
    } else {
        counter_increment(COUNTER_DROP_NO_MANAGER);
    }
}

/* Whether its port is served. If not, it is dealt with. */
static inline bool admit_syn(struct segment *syn, bool is_first)
{
    enum admission admission = admission_of_port(swap16(syn->packet->flow.local_port));

    if (LIKELY(admission == ADMISSION_SERVED)) {
        return true;
    }
    turn_away(syn, admission, is_first);
    return false;
}

/* What completes a handshake is an acknowledgement, mostly, and nothing else: the block has begun
 * with what that says. */
static bool says_more(const struct packet *completing, const struct tcb *opened)
{
    return !packet_is_bare_ack(completing) || completing->sequence != opened->rcv_nxt;
}

/* The caller gives the rest of it to the connection that there is now. */
static inline __attribute__((always_inline)) void begin(struct tcb *opened, struct segment *segment)
{
    if (opened != NULL && says_more(segment->packet, opened)) {
        receiver_segment(opened, segment);
    }
}

static inline void receive_half_open(struct half_open *entry, struct segment *segment)
{
    if (segment->packet->kind != PACKET_SYN) {
        begin(half_open_segment(entry, segment), segment);
    } else if (admit_syn(segment, false)) {
        half_open_syn_again(entry, segment);
    }
}

static __attribute__((noinline)) void receive_of_no_connection(struct flow_entry *entry,
                                                               struct segment *segment)
{
    if (entry->state == FLOW_HALF_OPEN) {
        receive_half_open(half_open_of(entry), segment);
    } else {
        forward_segment(entry, segment);
    }
}

void demux_receive_stranger(struct segment *segment)
{
    const struct packet *packet = segment->packet;
    bool is_syn = packet->kind == PACKET_SYN;
    struct tcb *opened = NULL;
    uint32_t least_iss = 0;
    enum timewait_verdict verdict;

    if (UNLIKELY(active_segment(segment))) {
        return;
    }
    if (!is_syn && half_open_cookie(segment, &opened)) {
        begin(opened, segment);
        return;
    }
    if (has_impossible_flags(packet->tcp_flags)) {
        counter_increment(COUNTER_DROP_PROTOCOL);
        return;
    }
    verdict = timewait_segment(segment, dispatch_now_ns(), &least_iss);
    if (verdict == TIMEWAIT_TAKEN) {
        return;
    }
    if (!is_syn) {
        if (!kept_pass_on(segment)) {
            segment_out_refuse(packet);
        }
    } else if (admit_syn(segment, true)) {
        half_open_syn(segment, least_iss, verdict == TIMEWAIT_REOPEN);
    }
}

/* --- Segments in --- */

/* Inline: once for each segment, in packet.c. */
__attribute__((always_inline)) inline bool demux_receive_known(struct segment *segment)
{
    const struct packet *packet = segment->packet;
    uint32_t hash = flow_hash(&packet->flow);
    struct flow_entry *entry = flows_find(&packet->flow, hash);

    ASSERT_SLOW(packet->kind == PACKET_SEGMENT || packet->kind == PACKET_SYN);
    if (UNLIKELY(entry == NULL)) {
        segment->flow_hash = hash;
        return false;
    }
    if (LIKELY(entry->state < FLOW_NO_CONNECTION)) {
        receiver_segment(tcb_of(entry), segment);
    } else {
        receive_of_no_connection(entry, segment);
    }
    return true;
}

void demux_receive(struct segment *segment)
{
    if (!demux_receive_known(segment)) {
        demux_receive_stranger(segment);
    }
}

/* --- Used by the link server on this node: see net/transport/server.h. --- */

/* As it stands in nearly all frames: a wrong one costs a line of the cache. */
static struct flow likely_flow(const struct frame *frame)
{
    struct flow flow = {0};

    if (LIKELY(frame->length_bytes >= LIKELY_FLOW_OFFSET + sizeof(flow))) {
        memcpy(&flow, frame->data + LIKELY_FLOW_OFFSET, sizeof(flow));
    }
    return flow;
}

/* A segment of the batch, and the entry in which its connection is looked for. */
struct expected {
    struct flow flow;
    struct flow_entry *entry;
};

/* The lines of a connection behind its first one, which has been there for its flow. */
static void fetch_connection(const struct tcb *tcb)
{
    const uint8_t *first = (const uint8_t *)CONTAINER_OF(tcb, struct connection, tcb);

    for (unsigned i = 1; i < CONNECTION_LINES_IN_USE; i++) {
        __builtin_prefetch(first + (size_t)i * CONNECTION_LINE_BYTES, 1);
    }
}

/* A step along the chains: of what is found there the connections are fetched, of the others the
 * next entries. Returns how many those are. */
static unsigned step_chains(struct expected *expected, unsigned count, struct tcb **tcbs,
                            unsigned *tcb_count)
{
    unsigned left = 0;

    for (unsigned i = 0; i < count; i++) {
        struct flow_entry *entry = expected[i].entry;

        if (!flow_equals(&entry->flow, &expected[i].flow)) {
            if (entry->next != NULL) {
                __builtin_prefetch(entry->next, 1);
                expected[left].flow = expected[i].flow;
                expected[left++].entry = entry->next;
            }
        } else if (tcb_of(entry) != NULL) {
            fetch_connection(tcb_of(entry));
            tcbs[(*tcb_count)++] = tcb_of(entry);
        }
    }
    return left;
}

/* Their buckets, and the first entries of these. Returns how many have one. */
static unsigned fetch_entries(struct frame *const *frames, unsigned count,
                              struct expected *expected)
{
    struct flow_entry **buckets[EXPECTED_AT_ONCE];
    struct flow last = {0};
    unsigned flow_count = 0, left = 0;

    for (unsigned i = 0; i < count; i++) {
        struct flow flow = likely_flow(frames[i]);

        if (flow_equals(&flow, &last)) { /* a long answer comes in one piece */
            continue;
        }
        last = expected[flow_count].flow = flow;
        buckets[flow_count] = flows_bucket(flow_hash(&flow));
        __builtin_prefetch(buckets[flow_count++]);
    }
    for (unsigned i = 0; i < flow_count; i++) {
        if (*buckets[i] != NULL) {
            __builtin_prefetch(*buckets[i], 1);
            expected[left].flow = expected[i].flow;
            expected[left++].entry = *buckets[i];
        }
    }
    return left;
}

/* What it has under way, which is acknowledged perhaps; and its application's side, if it is here.
 * Returns how many names of streams there are then. */
static unsigned expect_queue(const struct tcb *tcb, uint32_t *streams, unsigned stream_count)
{
    const struct connection *connection = CONTAINER_OF(tcb, struct connection, tcb);

    if (tcb->queue_head != NULL) {
        __builtin_prefetch(tcb->queue_head->buffer, 1);
    }
    if (connection->acceptor.node == platform_node()) {
        streams[stream_count++] = connection->stream_index;
    }
    return stream_count;
}

/* Each pass finds in the cache what the one before has had fetched. */
static void expect_batch(struct frame *const *frames, unsigned count)
{
    struct expected expected[EXPECTED_AT_ONCE];
    struct tcb *tcbs[EXPECTED_AT_ONCE];
    uint32_t streams[EXPECTED_AT_ONCE];
    unsigned left = fetch_entries(frames, count, expected);
    unsigned tcb_count = 0, stream_count = 0;

    for (unsigned i = 0; i < EXPECTED_OF_CHAIN && left > 0; i++) {
        left = step_chains(expected, left, tcbs, &tcb_count);
    }
    for (unsigned i = 0; i < tcb_count; i++) {
        __builtin_prefetch(tcbs[i]->queue_head, 1);
    }
    for (unsigned i = 0; i < tcb_count; i++) {
        stream_count = expect_queue(tcbs[i], streams, stream_count);
    }
    net_expect(streams, stream_count);
}

void transport_server_expect(struct frame *const *frames, unsigned count)
{
    if (flows_count() < EXPECT_CONNECTIONS) {
        return;
    }
    for (unsigned i = 0; i < count && count > 1; i += EXPECTED_AT_ONCE) {
        expect_batch(frames + i, count - i < EXPECTED_AT_ONCE ? count - i : EXPECTED_AT_ONCE);
    }
}

bool transport_server_expects_acknowledgment(const struct packet *packet)
{
    const struct tcb *tcb = demux_find(&packet->flow);

    return tcb != NULL && packet->acknowledgment - tcb->snd_una <= tcb->snd_max - tcb->snd_una;
}

void demux_initialise(void)
{
    flows_initialise(connection_table_limit());
}
