/* SPDX-License-Identifier: MIT */
/*
 * Demultiplexing. Connections are found by a hash of their flows; what is found nowhere is asked
 * for elsewhere in turn, the likeliest first.
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
#include "net/transport/admission.h"
#include "net/transport/connection.h"
#include "net/transport/counters.h"
#include "net/transport/hash.h"
#include "net/transport/kept.h"
#include "net/transport/server.h"
#include "net/transport/table.h"
#include "net/transport/tcp/half_open.h"
#include "net/transport/tcp/queue.h"
#include "net/transport/tcp/receiver.h"
#include "net/transport/tcp/segment.h"
#include "net/transport/tcp/segment_out.h"
#include "net/transport/tcp/timewait.h"

/* Chosen: chains of two when there are as many connections as can be. */
#define CONNECTIONS_PER_BUCKET 2u
#define BUCKETS_LEAST          64u /* 512 bytes */

/* With fewer connections their lines are in the cache, mostly: measured, half a MiB of them and of
 * what applications have. */
#define EXPECT_CONNECTIONS 512u
/* Of a batch, so that what is fetched is still there when it is wanted. */
#define EXPECTED_AT_ONCE   32u
/* In IPv4 without options: two addresses and two ports, as in struct flow. */
#define LIKELY_FLOW_OFFSET (ETHERNET_HEADER_BYTES + IPV4_SOURCE_OFFSET)

MEMORY_KIND(buckets_kind, "connection_buckets");

/*
 * Linear hashing: a bucket for each connection that there has been at a time, so that few of them
 * lie in few lines of the cache. (With buckets for all that can be, half of the time that a segment
 * takes here went into fetching its bucket.) There is room for `bucket_limit`.
 */
static struct tcb **buckets;
static uint32_t bucket_count, bucket_limit;
static uint32_t bucket_mask; /* the least power of two that is no smaller, less one */
static uint32_t hashed_count;

/* --- The hash --- */

static inline struct tcb **bucket_of(uint32_t flow_hash)
{
    uint32_t index = flow_hash & bucket_mask;

    return &buckets[index < bucket_count ? index : index & bucket_mask >> 1];
}

/* One bucket more, with those that belong there from the one that they have shared. */
static void add_bucket(void)
{
    if (bucket_count > bucket_mask) {
        bucket_mask = 2 * bucket_mask + 1;
    }
    struct tcb **added = &buckets[bucket_count];
    struct tcb **link = &buckets[bucket_count & bucket_mask >> 1];

    *added = NULL;
    bucket_count++;
    while (*link != NULL) {
        struct tcb *tcb = *link;

        if (bucket_of(flow_hash(&tcb->flow)) == added) {
            *link = tcb->hash_next;
            tcb->hash_next = *added;
            *added = tcb;
        } else {
            link = &tcb->hash_next;
        }
    }
}

/* Inline: once for each segment. */
static inline __attribute__((always_inline)) struct tcb *find(const struct flow *flow,
                                                              uint32_t flow_hash)
{
    struct tcb *tcb = *bucket_of(flow_hash);

    while (tcb != NULL && !flow_equals(&tcb->flow, flow)) {
        tcb = tcb->hash_next;
    }
    ASSERT_SLOW(tcb == NULL || (tcb->is_hashed && tcb->state != TCB_CLOSED));
    return tcb;
}

struct tcb *demux_find(const struct flow *flow)
{
    return find(flow, flow_hash(flow));
}

void demux_add(struct tcb *tcb)
{
    struct tcb **bucket;

    ASSERT_SLOW(!tcb->is_hashed);
    ASSERT_SLOW(find(&tcb->flow, flow_hash(&tcb->flow)) == NULL);
    if (UNLIKELY(++hashed_count > bucket_count) && bucket_count < bucket_limit) {
        add_bucket();
    }
    bucket = bucket_of(flow_hash(&tcb->flow));
    tcb->hash_next = *bucket;
    *bucket = tcb;
    tcb->is_hashed = true;
}

void demux_remove(struct tcb *tcb)
{
    struct tcb **link = bucket_of(flow_hash(&tcb->flow));

    ASSERT_SLOW(tcb->is_hashed);
    while (*link != tcb) {
        ASSERT_SLOW(*link != NULL);
        link = &(*link)->hash_next;
    }
    *link = tcb->hash_next;
    tcb->is_hashed = false;
    hashed_count--;
}

/* --- Segments of no connection --- */

/* A SYN goes with FIN or RST in no segment that means something (RFC 9293 3.10.7). */
static bool has_impossible_flags(uint8_t tcp_flags)
{
    return (tcp_flags & TCP_FLAG_SYN) != 0 && (tcp_flags & (TCP_FLAG_FIN | TCP_FLAG_RST)) != 0;
}

static void receive_syn(struct segment *segment, uint32_t least_iss, bool has_least_iss)
{
    switch (admission_of_port(swap16(segment->packet->flow.local_port))) {
    case ADMISSION_SERVED:
        half_open_syn(segment, least_iss, has_least_iss);
        break;
    case ADMISSION_REFUSED:
        segment_out_refuse(segment->packet);
        break;
    case ADMISSION_UNKNOWN:
        counter_increment(COUNTER_DROP_NO_MANAGER);
        break;
    }
}

/* What completes a handshake is an acknowledgement, mostly, and nothing else: the block has begun
 * with what that says. */
static bool says_more(const struct packet *completing, const struct tcb *opened)
{
    return !packet_is_bare_ack(completing) || completing->sequence != opened->rcv_nxt;
}

void demux_receive_stranger(struct segment *segment)
{
    const struct packet *packet = segment->packet;
    bool is_syn = packet->kind == PACKET_SYN;
    struct tcb *opened = NULL;
    uint32_t least_iss = 0;
    enum timewait_verdict verdict;

    if (!is_syn && half_open_segment(segment, &opened)) {
        if (opened != NULL && says_more(packet, opened)) {
            receiver_segment(opened, segment);
        }
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
    if (is_syn) {
        receive_syn(segment, least_iss, verdict == TIMEWAIT_REOPEN);
    } else if (!kept_pass_on(segment)) {
        segment_out_refuse(packet);
    }
}

/* --- Segments in --- */

/* Inline: once for each segment, in packet.c. */
__attribute__((always_inline)) inline bool demux_receive_known(struct segment *segment)
{
    const struct packet *packet = segment->packet;
    uint32_t hash = flow_hash(&packet->flow);
    struct tcb *tcb = find(&packet->flow, hash);

    ASSERT_SLOW(packet->kind == PACKET_SEGMENT || packet->kind == PACKET_SYN);
    if (UNLIKELY(tcb == NULL)) {
        segment->flow_hash = hash;
        return false;
    }
    receiver_segment(tcb, segment);
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

static void fetch_connection(struct tcb *tcb)
{
    const uint8_t *first = (const uint8_t *)connection_of_tcb(tcb);

    for (unsigned i = 0; i < CONNECTION_LINES_IN_USE; i++) {
        __builtin_prefetch(first + (size_t)i * CONNECTION_LINE_BYTES, 1);
    }
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
    struct tcb **found[EXPECTED_AT_ONCE];
    const struct tcb *tcbs[EXPECTED_AT_ONCE];
    uint32_t streams[EXPECTED_AT_ONCE];
    unsigned tcb_count = 0, stream_count = 0;
    struct tcb *tcb;

    for (unsigned i = 0; i < count; i++) {
        struct flow flow = likely_flow(frames[i]);

        found[i] = bucket_of(flow_hash(&flow));
        __builtin_prefetch(found[i]);
    }
    for (unsigned i = 0; i < count; i++) {
        if (*found[i] != NULL) {
            fetch_connection(*found[i]);
        }
    }
    for (unsigned i = 0; i < count; i++) {
        struct flow flow = likely_flow(frames[i]);

        tcb = *found[i];
        if (tcb == NULL) {
            continue;
        }
        if (flow_equals(&tcb->flow, &flow)) {
            __builtin_prefetch(tcb->queue_head, 1);
        } else if (tcb->hash_next != NULL) {
            tcb = tcb->hash_next;
            fetch_connection(tcb);
        }
        tcbs[tcb_count++] = tcb;
    }
    for (unsigned i = 0; i < tcb_count; i++) {
        stream_count = expect_queue(tcbs[i], streams, stream_count);
    }
    net_expect(streams, stream_count);
}

void transport_server_expect(struct frame *const *frames, unsigned count)
{
    if (hashed_count < EXPECT_CONNECTIONS) {
        return;
    }
    for (unsigned i = 0; i < count && count > 1; i += EXPECTED_AT_ONCE) {
        expect_batch(frames + i, count - i < EXPECTED_AT_ONCE ? count - i : EXPECTED_AT_ONCE);
    }
}

bool transport_server_expects_acknowledgment(const struct packet *packet)
{
    const struct tcb *tcb = find(&packet->flow, flow_hash(&packet->flow));

    return tcb != NULL && packet->acknowledgment - tcb->snd_una <= tcb->snd_max - tcb->snd_una;
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
}
