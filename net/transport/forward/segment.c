/* SPDX-License-Identifier: MIT */
/*
 * A segment goes on from where it lies: in the card's receive buffer, if it came from this node's
 * link server and goes out by that. Its checksums are not made anew but changed by what has changed
 * (RFC 1624 3), so that damage within this machine is found by its receiver, and a segment of any
 * length costs the same.
 *
 * What is known of a connection is only when it may be forgotten. A reset goes on whatever it says,
 * as its receiver looks at it (RFC 5961 3.2); here one at the very number that its receiver has
 * acknowledged ends the flow, and any other one in a possible window has nothing but the idle time
 * cut to four minutes (RFC 7857 2.2).
 */
#include "net/transport/forward/segment.h"

#include <errno.h>
#include <string.h>

#include "drivers/nic/frame.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/send.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/bytes.h"
#include "net/counters.h"
#include "net/headers.h"
#include "net/link/server.h"
#include "net/transport/card.h"
#include "net/transport/counters.h"
#include "net/transport/ephemeral.h"
#include "net/transport/forward/flow.h"
#include "net/transport/forward/quote.h"
#include "net/transport/forward/rules.h"
#include "net/transport/forward/sum.h"
#include "net/transport/frames.h"
#include "net/transport/hash.h"
#include "net/transport/loopback.h"
#include "net/transport/lwip/interface.h"
#include "net/transport/neighbor.h"
#include "net/transport/tcp/flood.h"
#include "net/transport/tcp/segment.h"
#include "net/transport/tcp/segment_out.h"
#include "net/transport/tcp/timewait.h"

#include "lwip/inet_chksum.h"
#include "lwip/netif.h"
#include "lwip/pbuf.h"

/* How far beyond a handshake's numbers an acknowledgement of it may be: data goes along with a SYN
 * (RFC 7413), or follows it at once. */
#define HANDSHAKE_RANGE 65536u
/* RFC 7323 2.3: no window is larger. */
#define WINDOW_RANGE    (1u << 30)

_Static_assert(IPV4_TTL_OFFSET % 2 == 0, "the first byte of a word of the checksum");

/* --- What is known of it --- */

static bool has(const struct packet *packet, uint8_t flags)
{
    return (packet->tcp_flags & flags) == flags;
}

/* Whether a reset tells its receiver the truth, for all we know. */
static bool ends_handshake(const struct forward_flow *flow, enum forward_end end,
                           const struct packet *packet)
{
    const struct forward_side *sides = flow->sides;

    if (end == FORWARD_CLIENT) {
        return packet->sequence == sides[FORWARD_CLIENT].mark;
    }
    return (has(packet, TCP_FLAG_ACK) &&
            packet->acknowledgment - sides[FORWARD_CLIENT].mark < HANDSHAKE_RANGE) ||
           (flow->phase == FORWARD_ANSWERED && packet->sequence == sides[FORWARD_BACKEND].mark);
}

static void note_reset(struct forward_flow *flow, enum forward_end end, const struct packet *packet)
{
    uint32_t distance = packet->sequence - flow->sides[!end].acknowledged;

    if (flow->phase < FORWARD_ESTABLISHED) {
        if (ends_handshake(flow, end, packet)) {
            forward_flow_set_phase(flow, FORWARD_OVER);
        }
    } else if (distance == 0) {
        forward_flow_set_phase(flow, FORWARD_OVER);
    } else if (flow->phase == FORWARD_ESTABLISHED && distance < WINDOW_RANGE) {
        forward_flow_set_phase(flow, FORWARD_CLOSING);
    }
}

static void note_handshake(struct forward_flow *flow, enum forward_end end,
                           const struct packet *packet)
{
    struct forward_side *sides = flow->sides;

    if (packet->kind == PACKET_SYN) {
        if (end == FORWARD_CLIENT && flow->phase == FORWARD_SYN_SENT) {
            sides[FORWARD_CLIENT].mark = packet->sequence + 1;
        }
    } else if (end == FORWARD_BACKEND && has(packet, TCP_FLAG_SYN | TCP_FLAG_ACK) &&
               packet->acknowledgment - sides[FORWARD_CLIENT].mark < HANDSHAKE_RANGE) {
        sides[FORWARD_BACKEND].mark = packet->sequence + 1;
        forward_flow_set_phase(flow, FORWARD_ANSWERED);
    } else if (end == FORWARD_CLIENT && flow->phase == FORWARD_ANSWERED &&
               has(packet, TCP_FLAG_ACK) &&
               packet->acknowledgment - sides[FORWARD_BACKEND].mark < HANDSHAKE_RANGE) {
        forward_flow_set_phase(flow, FORWARD_ESTABLISHED);
    }
}

static void note_fin(struct forward_flow *flow, enum forward_end end, const struct packet *packet)
{
    uint32_t behind = packet->sequence + packet->payload_bytes + 1;

    if (behind - flow->sides[!end].acknowledged >= WINDOW_RANGE) {
        return; /* its receiver will not take it either */
    }
    flow->sides[end].mark = behind;
    flow->fins |= (uint8_t)(1 << end);
    if (flow->phase == FORWARD_ESTABLISHED) {
        forward_flow_set_phase(flow, FORWARD_CLOSING);
    }
}

/* Whether the last of both FINs is acknowledged by this. */
static bool ends_both(struct forward_flow *flow, enum forward_end end, const struct packet *packet)
{
    const unsigned all = 0xF;

    if (has(packet, TCP_FLAG_ACK) && (flow->fins & 1 << !end) != 0 &&
        packet->acknowledgment == flow->sides[!end].mark) {
        flow->fins |= (uint8_t)(4 << !end);
    }
    return flow->fins == all;
}

/* All but the segments of an established connection. */
static __attribute__((noinline)) void note_turn(struct forward_flow *flow, enum forward_end end,
                                                const struct packet *packet)
{
    if (has(packet, TCP_FLAG_RST)) {
        note_reset(flow, end, packet);
        return;
    }
    if (flow->phase < FORWARD_ESTABLISHED) {
        note_handshake(flow, end, packet);
    }
    if (flow->phase == FORWARD_ESTABLISHED || flow->phase == FORWARD_CLOSING) {
        if (has(packet, TCP_FLAG_FIN)) {
            note_fin(flow, end, packet);
        }
        if (ends_both(flow, end, packet)) {
            forward_flow_set_phase(flow, FORWARD_OVER);
        }
    }
}

static inline void note(struct forward_flow *flow, enum forward_end end,
                        const struct packet *packet)
{
    const uint8_t turns = TCP_FLAG_SYN | TCP_FLAG_FIN | TCP_FLAG_RST;

    flow->active_tick = forward_tick();
    if ((packet->tcp_flags & (TCP_FLAG_ACK | TCP_FLAG_RST)) == TCP_FLAG_ACK) {
        flow->sides[end].acknowledged = packet->acknowledgment;
    }
    if (UNLIKELY(flow->phase != FORWARD_ESTABLISHED || (packet->tcp_flags & turns) != 0)) {
        note_turn(flow, end, packet);
    }
}

/* --- On its way --- */

static void release_copy(void *copy)
{
    pbuf_free(copy);
}

/* Through this node's link server, from where it lies, unless too many frames wait for the card. */
static inline int transmit_here(struct segment *segment, const uint8_t *ethernet, uint16_t bytes)
{
    struct frame_to_send frame; /* of its fragments one is looked at */
    int error;

    frame.fragments[0] = (struct frame_fragment){ethernet, bytes};
    frame.fragment_count = 1;
    frame.length_bytes = bytes;
    frame.form = 0;
    frame.cut = 0;
    if (UNLIKELY(!frames_send(segment, &frame))) {
        struct pbuf *copy = frames_copy(ethernet, bytes);

        if (copy == NULL) {
            return 0; /* lost, and counted */
        }
        frame.fragments[0].data = copy->payload;
        frame.done = release_copy;
        frame.context = copy;
    }
    error = link_server_transmit(&frame);
    if (UNLIKELY(error != 0)) {
        frame.done(frame.context);
    }
    return error;
}

static __attribute__((noinline)) int transmit_elsewhere(node_id_t link_server,
                                                        const uint8_t *ethernet, uint16_t bytes)
{
    struct transmit_frame *message =
        message_reserve_payload(link_server, TRANSMIT_FRAME, sizeof(*message), bytes);

    if (message == NULL) {
        return message_refusal(link_server);
    }
    memcpy(message + 1, ethernet, bytes);
    message_publish();
    return 0;
}

/* Other addresses, ports, time to live, and checksums by as much. What comes out of lwIP's IP layer
 * has a header that may have been changed there. */
static inline void rewrite(uint8_t *ip, const struct forward_side *from,
                           const struct forward_side *to, bool is_header_changed)
{
    uint8_t *tcp = ip + IPV4_HEADER_MIN_BYTES;
    uint64_t addresses;
    uint32_t ports = flow_ports(&to->entry.flow);

    /* As they stand in what comes from there: source and destination change places. */
    __builtin_memcpy(&addresses, &to->entry.flow, sizeof(addresses));
    store_le64(ip + IPV4_SOURCE_OFFSET, addresses << 32 | addresses >> 32);
    store_le32(tcp + TCP_SOURCE_PORT_OFFSET, ports << 16 | ports >> 16);
    ip[IPV4_TTL_OFFSET]--;
    sum_change(tcp + TCP_CHECKSUM_OFFSET, from->tcp_delta);
    if (LIKELY(!is_header_changed)) {
        sum_change(ip + IPV4_CHECKSUM_OFFSET, from->ip_delta);
    } else {
        sum_make(ip);
    }
}

/* It has been on no wire: the field holds the pseudo-header's sum, with which the segment's begins.
 */
static __attribute__((noinline)) void complete_checksum(uint8_t *tcp, uint16_t bytes)
{
    uint16_t checksum = inet_chksum(tcp, bytes);

    __builtin_memcpy(tcp + TCP_CHECKSUM_OFFSET, &checksum, sizeof(checksum));
}

static __attribute__((noinline)) void send_later(uint32_t next_hop, uint8_t *ip, uint16_t bytes)
{
    memset(ip + IPV4_CHECKSUM_OFFSET, 0, 2); /* the card makes them, of this one */
    interface_send_later(next_hop, ip, bytes);
}

static __attribute__((noinline)) void note_lost(int error)
{
    counter_increment(error == -EAGAIN ? COUNTER_DROP_TX_FULL : COUNTER_DROP_NO_DEVICE);
}

/* What has no room is lost, as on any wire: its sender sends it again. */
static inline void send_on(struct forward_flow *flow, enum forward_end end, struct segment *segment)
{
    const struct packet *packet = segment->packet;
    struct forward_side *to = &flow->sides[!end];
    uint8_t *ethernet =
        LIKELY(segment->frame != NULL) ? segment->frame->data : segment->buffer->payload;
    uint8_t *ip = ethernet + ETHERNET_HEADER_BYTES;
    uint16_t bytes = (uint16_t)(packet->payload_offset + packet->payload_bytes);
    uint32_t next_hop = interface_next_hop(to->entry.flow.remote_address);
    const uint8_t *link = neighbor_find_at(next_hop, &to->neighbor);
    int error;

    ASSERT_SLOW(ethernet == packet->bytes);
    if (UNLIKELY(ip[IPV4_TTL_OFFSET] <= 1)) {
        counter_increment(COUNTER_FORWARD_DROP_TTL);
        return;
    }
    if (UNLIKELY(bytes > FRAME_MAX_BYTES)) { /* out of fragments, from beyond a wider link */
        counter_increment(COUNTER_DROP_TRUNCATED);
        return;
    }
    if (UNLIKELY((packet->flags & FRAME_L4_CHECKSUM_PARTIAL) != 0)) {
        complete_checksum(ip + IPV4_HEADER_MIN_BYTES, (uint16_t)(bytes - PACKET_TCP_OFFSET));
    }
    rewrite(ip, &flow->sides[end], to, segment->frame == NULL);
    counter_increment(COUNTER_FORWARD_SEGMENTS_CLIENT + end);
    if (UNLIKELY(link == NULL)) {
        send_later(next_hop, ip, (uint16_t)(bytes - ETHERNET_HEADER_BYTES));
        return;
    }
    __builtin_memcpy(ethernet, link, ETHERNET_HEADER_BYTES);
    error = LIKELY(card_link_server() == platform_node())
                ? transmit_here(segment, ethernet, bytes)
                : transmit_elsewhere(card_link_server(), ethernet, bytes);
    if (UNLIKELY(error != 0)) {
        note_lost(error);
    }
}

/* --- Flows --- */

/* Of segments from there to the other side. */
static void set_deltas(struct forward_side *from, const struct forward_side *to)
{
    const struct flow *came = &from->entry.flow, *goes = &to->entry.flow;
    uint32_t addresses = 0, ports = 0;

    addresses = sum_replace(addresses, came->remote_address, goes->local_address);
    addresses = sum_replace(addresses, came->local_address, goes->remote_address);
    ports = sum_replace(ports, flow_ports(came), flow_ports(goes));
    from->tcp_delta = sum_fold(addresses + ports);
    from->ip_delta = sum_fold(addresses + SUM_MINUS_ONE);
}

/* Towards a backend from a port of ours, of a flow that nothing else has. 0, or a counter. */
static unsigned choose_flow(const struct forward_target *target, struct flow *flow)
{
    uint32_t least_iss;
    int state;

    *flow = (struct flow){
        .remote_address = target->backend.address,
        .local_address = netif_ip4_addr(interface_netif())->addr,
        .remote_port = swap16(target->backend.port),
    };
    if (loopback_is_own(flow->remote_address) || !interface_has_way(flow->remote_address)) {
        return COUNTER_FORWARD_REFUSED_BACKEND;
    }
    state = ephemeral_choose(flow, forward_flow_is_in_use, dispatch_now_ns(), &least_iss);
    if (state == 1) {
        timewait_forget(flow); /* the client's numbers are its own: RFC 6191's are the backend's */
    }
    return state < 0 ? COUNTER_FORWARD_REFUSED_PORT : 0;
}

static void refuse(const struct packet *packet, unsigned counter)
{
    counter_increment(counter);
    segment_out_refuse(packet);
}

static void begin(struct forward_service *service, struct segment *segment)
{
    const struct packet *packet = segment->packet;
    struct forward_target *target = forward_rules_choose(service, packet->flow.remote_address);
    struct flow backend;
    struct forward_flow *flow;
    unsigned counter;

    if (target == NULL) {
        refuse(packet, COUNTER_FORWARD_REFUSED_BACKEND);
        return;
    }
    counter = choose_flow(target, &backend);
    if (counter != 0) {
        refuse(packet, counter);
        return;
    }
    flow = forward_flow_add(&packet->flow, &backend, target->id);
    if (flow == NULL) {
        return;
    }
    target->flow_count++;
    set_deltas(&flow->sides[FORWARD_CLIENT], &flow->sides[FORWARD_BACKEND]);
    set_deltas(&flow->sides[FORWARD_BACKEND], &flow->sides[FORWARD_CLIENT]);
    flow->sides[FORWARD_CLIENT].mark = packet->sequence + 1;
    flow->sides[FORWARD_BACKEND].mark = 0;
    flow->sides[FORWARD_CLIENT].acknowledged = flow->sides[FORWARD_BACKEND].acknowledged = 0;
    flow->sides[FORWARD_CLIENT].neighbor = flow->sides[FORWARD_BACKEND].neighbor = 0;
    send_on(flow, FORWARD_CLIENT, segment);
}

bool forward_syn(struct segment *segment)
{
    const struct packet *packet = segment->packet;
    struct forward_service *service = forward_rules_find(swap16(packet->flow.local_port));

    if (service == NULL || packet_is_looped(packet)) {
        return false; /* what it is answered would have to come back by no wire */
    }
    if (flood_take_syn()) {
        begin(service, segment);
    }
    return true;
}

/* Whether the client has ended it, or was told of its end, and now begins another one. */
static bool is_begun_again(const struct forward_flow *flow, enum forward_end end,
                           const struct packet *packet)
{
    return packet->kind == PACKET_SYN && end == FORWARD_CLIENT &&
           (flow->phase == FORWARD_OVER || (flow->phase == FORWARD_CLOSING && flow->fins == 0));
}

/* Whether a backend has been asked for, by ARP, in vain, since its client's first SYN. */
static bool is_backend_silent(const struct forward_flow *flow, enum forward_end end,
                              const struct packet *packet)
{
    const uint32_t patience = (uint32_t)(NEIGHBOR_PATIENCE_NS >> 20) - 1;
    uint32_t backend = flow->sides[FORWARD_BACKEND].entry.flow.remote_address;

    return packet->kind == PACKET_SYN && end == FORWARD_CLIENT && flow->phase == FORWARD_SYN_SENT &&
           forward_tick() - flow->queued_tick >= patience &&
           neighbor_find(interface_next_hop(backend)) == NULL;
}

/* A SYN in a flow that there is. Returns whether it is dealt with. */
static __attribute__((noinline)) bool take_syn(struct forward_flow *flow, enum forward_end end,
                                               struct segment *segment)
{
    const struct packet *packet = segment->packet;

    if (is_begun_again(flow, end, packet)) {
        forward_flow_end(flow);
        if (!forward_syn(segment)) {
            segment_out_refuse(packet);
        }
        return true;
    }
    if (is_backend_silent(flow, end, packet)) {
        counter_increment(COUNTER_FORWARD_REFUSED_SILENT);
        quote_report_unreachable(packet);
        forward_flow_end(flow);
        return true;
    }
    return false;
}

void forward_segment(struct flow_entry *entry, struct segment *segment)
{
    struct forward_flow *flow = forward_flow_of(entry);
    enum forward_end end = forward_end_of(entry);

    if (UNLIKELY(segment->packet->kind == PACKET_SYN) && take_syn(flow, end, segment)) {
        return;
    }
    note(flow, end, segment->packet);
    send_on(flow, end, segment);
}
