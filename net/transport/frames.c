/* SPDX-License-Identifier: MIT */
/*
 * Frames in. A frame becomes a pbuf without a copy: the pbuf lives in the frame's owner_data and
 * gives the frame back when lwIP, or the connection it waits in, lets go of it. What lwIP would
 * read before it checks lengths is checked here.
 */
#include "net/transport/frames.h"

#include <errno.h>
#include <string.h>

#include "drivers/nic/counters.h"
#include "drivers/nic/frame.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/bytes.h"
#include "net/configuration.h"
#include "net/counters.h"
#include "net/headers.h"
#include "net/messages.h"
#include "net/steering.h"
#include "net/transport/address.h"
#include "net/transport/demux.h"
#include "net/transport/held.h"
#include "net/transport/lwip/interface.h"
#include "net/transport/server.h"
#include "net/transport/timer.h"

#include "hooks.h"
#include "lwip/ip.h"
#include "lwip/pbuf.h"
#include "lwip/prot/ethernet.h"
#include "lwip/prot/udp.h"
#include "lwip/stats.h"

#define FORWARDED_MAX_BYTES (MESSAGE_MAX_BYTES - sizeof(struct forward_frame))

_Static_assert(sizeof(struct pbuf_custom) <= sizeof(((struct frame *)0)->owner_data),
               "a frame carries its own pbuf");

static const struct configuration *configuration;
static bool is_first; /* the transport server of all that is not a whole TCP segment */
static uint32_t held_count;

/* Of lwIP's flags for a pbuf, one that it leaves free: another node has forwarded this segment. */
#define PACKET_FORWARDED 0x80u

/* What a CM has said of the packet that ip4_input() works on, which has no parameter for it: set
 * right before that call and NULL again after it. transport_tcp_input() gets it back from here. */
static struct demux_assignment *beyond_ip;

/* What of lwIP's statistics has been counted. With each of the others, lwIP counts one in `all`. */
static struct {
    STAT_COUNTER all, checksum, length, protocol, not_ours, fragments, crowded_out;
} counted;

/* --- Checks --- */

static void drop(struct pbuf *packet, unsigned reason)
{
    counter_increment(reason);
    pbuf_free(packet);
}

/* Whether the header of the protocol above IP is there, as far as lwIP reads it unasked. */
static bool has_l4_header(const uint8_t *ip, unsigned ip_bytes)
{
    unsigned bytes = ip_bytes - IPV4_HEADER_MIN_BYTES;

    switch (ip[IPV4_PROTOCOL_OFFSET]) {
    case IPV4_PROTOCOL_TCP:
        return bytes >= TCP_HEADER_MIN_BYTES;
    case IP_PROTO_UDP:
        return bytes >= UDP_HLEN;
    default:
        return true;
    }
}

/* In network byte order. Neither a group's nor everybody's (RFC 1122 3.2.1.3). */
static bool is_host(uint32_t address, const struct netif *netif)
{
    uint32_t netmask = netif_ip4_netmask(netif)->addr;
    uint8_t first_byte = (uint8_t)address;
    bool is_on_link = ((address ^ netif_ip4_addr(netif)->addr) & netmask) == 0;

    return first_byte != 0 && first_byte < 224 &&
           !(is_on_link && (address | netmask) == UINT32_MAX);
}

/*
 * Whether nothing is left for lwIP's IP layer to decide: a whole TCP segment for our address from
 * a host's, with checksums that the NIC has verified.
 */
static bool is_plain_segment(const struct pbuf *packet, uint16_t flags)
{
    const unsigned good = FRAME_IP_CHECKSUM_GOOD | FRAME_L4_CHECKSUM_GOOD;
    const struct ip_hdr *ip = packet->payload;
    const struct netif *netif = interface_netif();

    return (flags & good) == good && IPH_PROTO(ip) == IPV4_PROTOCOL_TCP &&
           (IPH_OFFSET(ip) & PP_HTONS(IPV4_FRAGMENT_MASK)) == 0 &&
           ip->dest.addr == netif_ip4_addr(netif)->addr && ip->dest.addr != 0 &&
           is_host(ip->src.addr, netif);
}

/* As ip4_input() hands it on. */
static void receive_segment(struct pbuf *packet, unsigned ip_bytes,
                            struct demux_assignment *assignment)
{
    const struct ip_hdr *ip = packet->payload;
    struct netif *netif = interface_netif();

    ASSERT_SLOW(packet->next == NULL && ip_bytes <= packet->len);
    ASSERT_SLOW(ip_bytes >= IPV4_HEADER_MIN_BYTES + TCP_HEADER_MIN_BYTES);
    ip_data.current_iphdr_dest.addr = ip->dest.addr;
    ip_data.current_iphdr_src.addr = ip->src.addr;
    ip_data.current_netif = netif;
    ip_data.current_input_netif = netif;
    ip_data.current_ip4_header = ip;
    ip_data.current_ip_header_tot_len = IPV4_HEADER_MIN_BYTES;
    packet->payload = (uint8_t *)packet->payload + IPV4_HEADER_MIN_BYTES;
    packet->len = packet->tot_len = (u16_t)(ip_bytes - IPV4_HEADER_MIN_BYTES);
    demux_receive(packet, assignment);
}

/* Called by ip4_input() for a segment, from its TCP header on. */
void transport_tcp_input(struct pbuf *packet, struct netif *netif)
{
    (void)netif;
    demux_receive(packet, beyond_ip);
}

static void receive_ipv4(struct pbuf *packet, uint16_t flags, struct demux_assignment *assignment)
{
    const uint8_t *ip = packet->payload;
    unsigned ip_bytes;

    if (packet->len < IPV4_HEADER_MIN_BYTES) {
        drop(packet, COUNTER_DROP_TRUNCATED);
        return;
    }
    ip_bytes = load_be16(ip + IPV4_LENGTH_OFFSET);
    if (ip[0] != (4 << 4 | IPV4_HEADER_MIN_BYTES / 4)) {
        /* Another version, a header shorter than a header, or options, which we do not take. */
        drop(packet, COUNTER_DROP_MALFORMED);
        return;
    }
    if (ip_bytes < IPV4_HEADER_MIN_BYTES) {
        drop(packet, COUNTER_DROP_MALFORMED);
        return;
    }
    if (ip_bytes > packet->len) {
        drop(packet, COUNTER_DROP_TRUNCATED);
        return;
    }
    if ((load_be16(ip + IPV4_FRAGMENT_OFFSET) & IPV4_FRAGMENT_MASK) != 0) {
        if (!is_first) {
            drop(packet, COUNTER_DROP_NOT_OURS);
            return;
        }
        /* It has come from a link server elsewhere, not from the owner of its flow: the whole
         * segment may have to go on to that one. */
        packet->flags &= (u8_t)~PACKET_FORWARDED;
    } else if (!has_l4_header(ip, ip_bytes)) {
        drop(packet, COUNTER_DROP_TRUNCATED);
        return;
    }
    if ((packet->flags & PBUF_FLAG_LLBCAST) != 0 && ip[IPV4_PROTOCOL_OFFSET] == IPV4_PROTOCOL_TCP) {
        drop(packet, COUNTER_DROP_PROTOCOL); /* RFC 9293 3.9.2.3 */
        return;
    }
    if (ip[IPV4_SOURCE_OFFSET] == 0) {
        /* Of one that has no address yet (RFC 1122 3.2.1.3). lwIP lets it pass, for a server of
         * addresses that we are not, and would answer by way of the gateway. */
        drop(packet, COUNTER_DROP_PROTOCOL);
        return;
    }
    transport_timer_catch_up();
    interface_set_verified((flags & FRAME_IP_CHECKSUM_GOOD) != 0,
                           (flags & FRAME_L4_CHECKSUM_GOOD) != 0);
    if (is_plain_segment(packet, flags)) {
        receive_segment(packet, ip_bytes, assignment);
    } else {
        ASSERT_SLOW(beyond_ip == NULL); /* lwIP does not call itself */
        beyond_ip = assignment;
        (void)ip4_input(packet, interface_netif()); /* always ERR_OK; it has taken the packet */
        beyond_ip = NULL;
    }
}

static void receive_packet(struct pbuf *packet, uint16_t flags, struct demux_assignment *assignment)
{
    const uint8_t *ethernet = packet->payload;
    uint16_t type;

    if (packet->len < ETHERNET_HEADER_BYTES) {
        drop(packet, COUNTER_DROP_TRUNCATED);
        return;
    }
    if ((flags & FRAME_CHECKSUM_BAD) != 0) {
        drop(packet, COUNTER_DROP_CHECKSUM);
        return;
    }
    type = load_be16(ethernet + ETHERNET_TYPE_OFFSET);
    if (type == ETHTYPE_IP) {
        if ((ethernet[0] & 1) != 0) {
            packet->flags |= PBUF_FLAG_LLBCAST;
        }
        (void)pbuf_remove_header(packet, ETHERNET_HEADER_BYTES); /* the length was checked */
        receive_ipv4(packet, flags, assignment);
    } else if (type == ETHTYPE_ARP && is_first) {
        transport_address_receive_arp(packet);
    } else {
        drop(packet, COUNTER_DROP_PROTOCOL);
    }
}

/* --- Ways in --- */

/* A message lies in a page that its sender can change and we may only read, and lwIP turns a
 * header's bytes in place: so nothing is looked at before it is copied. NULL, and counted, when
 * there is no memory. */
static struct pbuf *copy_frame(struct message_payload frame)
{
    struct pbuf *packet = pbuf_alloc(PBUF_RAW, (u16_t)frame.length_bytes, PBUF_RAM);

    if (packet == NULL) {
        counter_increment(COUNTER_DROP_NO_MEMORY);
        return NULL;
    }
    memcpy(packet->payload, frame.bytes, frame.length_bytes);
    return packet;
}

static void release_frame(struct pbuf *packet)
{
    struct frame *frame = CONTAINER_OF(packet, struct frame, owner_data);

    ASSERT_SLOW(held_count > 0);
    held_count--;
    frame->release(frame);
}

static __attribute__((noinline)) void receive_copy(struct frame *frame)
{
    struct message_payload bytes = {frame->data, frame->length_bytes};
    struct pbuf *packet = copy_frame(bytes);
    uint16_t flags = frame->flags;

    frame->release(frame);
    if (packet != NULL) {
        receive_packet(packet, flags, NULL);
    }
}

void transport_server_receive(struct frame *frame)
{
    struct pbuf_custom *custom = (struct pbuf_custom *)frame->owner_data;

    ASSERT_SLOW(frame->release != NULL);
    if (UNLIKELY(held_count >= FRAMES_HELD_MAX)) {
        receive_copy(frame);
        return;
    }
    held_count++;
    custom->custom_free_function = release_frame;
    receive_packet(pbuf_alloced_custom(PBUF_RAW, frame->length_bytes, PBUF_REF, custom, frame->data,
                                       frame->length_bytes),
                   frame->flags, NULL);
}

uint32_t frames_held_count(void)
{
    return held_count;
}

void frames_receive_assigned(struct message_payload frame, uint16_t flags,
                             struct demux_assignment *assignment)
{
    struct pbuf *packet = copy_frame(frame);

    if (packet != NULL) {
        receive_packet(packet, flags, assignment);
    }
}

static void handle_forward_frame(node_id_t from, const struct message *message,
                                 struct message_payload frame)
{
    const struct forward_frame *forward = (const struct forward_frame *)message;
    struct pbuf *packet = copy_frame(frame);

    (void)from;
    if (packet != NULL) {
        packet->flags |= PACKET_FORWARDED;
        receive_packet(packet, forward->frame_flags, NULL);
    }
}

/* --- Ways on --- */

static int forward(struct pbuf *segment, node_id_t owner)
{
    static uint8_t frame[FORWARDED_MAX_BYTES];
    struct forward_frame message = {
        .header.type = FORWARD_FRAME,
        .frame_flags = FRAME_IP_CHECKSUM_GOOD, /* reassembly has checked each, and left none */
    };
    size_t headers_bytes = ETHERNET_HEADER_BYTES + IPV4_HEADER_MIN_BYTES;

    ASSERT(owner != platform_node());
    if (headers_bytes + segment->tot_len > sizeof(frame)) {
        return -EMSGSIZE;
    }
    memset(frame, 0, ETHERNET_HEADER_BYTES);
    frame[ETHERNET_TYPE_OFFSET] = ETHTYPE_IP >> 8;
    memcpy(frame + ETHERNET_HEADER_BYTES, ip4_current_header(), IPV4_HEADER_MIN_BYTES);
    (void)pbuf_copy_partial(segment, frame + headers_bytes, segment->tot_len, 0);
    return message_send_payload(owner, &message.header, sizeof(message), frame,
                                headers_bytes + segment->tot_len);
}

bool frames_pass_on(struct pbuf *segment, uint16_t remote_port)
{
    node_id_t owner = steering_owner(configuration, steering_group(swap16(remote_port)));

    if (owner == platform_node()) {
        return false;
    }
    /* Forward once: nodes that disagree must not loop a segment. */
    if ((segment->flags & PACKET_FORWARDED) != 0 || forward(segment, owner) != 0) {
        counter_increment(COUNTER_DROP_NOT_OURS);
    } else {
        counter_increment(COUNTER_STEER_FORWARDED);
    }
    return true;
}

void frames_count_drops(void)
{
    const struct stats_ *now = &lwip_stats;
    STAT_COUNTER all = now->ip.drop + now->tcp.drop + now->udp.drop + now->ip_frag.drop;
    STAT_COUNTER checksum, length, not_ours, fragments;

    if (LIKELY(all == counted.all)) {
        return;
    }
    checksum = now->ip.chkerr + now->tcp.chkerr + now->udp.chkerr;
    length = now->ip.lenerr + now->tcp.lenerr + now->udp.lenerr;
    not_ours = now->ip.drop - now->ip.chkerr - now->ip.lenerr - now->ip.proterr;
    fragments = now->ip_frag.drop - now->ip_frag.memerr;

    counter_add(COUNTER_DROP_CHECKSUM, checksum - counted.checksum);
    counter_add(COUNTER_DROP_TRUNCATED, length - counted.length);
    counter_add(COUNTER_DROP_PROTOCOL, now->ip.proterr - counted.protocol);
    counter_add(COUNTER_DROP_NOT_OURS, not_ours - counted.not_ours);
    counter_add(COUNTER_DROP_MALFORMED, fragments - counted.fragments);
    /* Where lwIP says "memory" its list of fragments is full, or there is none for an entry. */
    counter_add(COUNTER_DROP_BACKLOG_FULL, now->ip_frag.memerr - counted.crowded_out);
    counted.all = all;
    counted.checksum = checksum;
    counted.length = length;
    counted.protocol = now->ip.proterr;
    counted.not_ours = not_ours;
    counted.fragments = fragments;
    counted.crowded_out = now->ip_frag.memerr;
}

void frames_initialise(const struct configuration *new_configuration)
{
    ASSERT(new_configuration->ts_count > 0);
    configuration = new_configuration;
    is_first = configuration->ts[0] == platform_node();
    held_initialise();
    dispatch_register_payload_message(FORWARD_FRAME, sizeof(struct forward_frame),
                                      handle_forward_frame);
}
