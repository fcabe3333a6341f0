/* SPDX-License-Identifier: MIT */
/*
 * From a frame that has come in to the protocol above IP. What lwIP would read before it checks
 * lengths is checked here, and so is what it does not check. A whole TCP segment for us goes past
 * its IP layer; one in fragments, or behind options of IP, comes out of it.
 */
#include "net/transport/packet.h"

#include <string.h>

#include "drivers/nic/counters.h"
#include "drivers/nic/frame.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/bytes.h"
#include "net/configuration.h"
#include "net/counters.h"
#include "net/headers.h"
#include "net/messages.h"
#include "net/packet.h"
#include "net/steering.h"
#include "net/transport/address.h"
#include "net/transport/datagram.h"
#include "net/transport/demux.h"
#include "net/transport/forward/quote.h"
#include "net/transport/frames.h"
#include "net/transport/groups.h"
#include "net/transport/lwip/interface.h"
#include "net/transport/path_mtu.h"
#include "net/transport/tcp/segment.h"
#include "net/transport/unreachable.h"
#include "net/transport/virtual_address.h"

#include "hooks.h"
#include "lwip/icmp.h"
#include "lwip/inet_chksum.h"
#include "lwip/ip.h"
#include "lwip/pbuf.h"
#include "lwip/prot/ethernet.h"
#include "lwip/prot/tcp.h"
#include "lwip/prot/udp.h"
#include "lwip/udp.h"

/* RFC 791 3.1. */
#define OPTION_END                 0
#define OPTION_NO_OPERATION        1
#define OPTION_LOOSE_SOURCE_ROUTE  131
#define OPTION_STRICT_SOURCE_ROUTE 137

#define NO_REASON UINT32_MAX

static const struct configuration *configuration;

/* The transport server of all that is not a whole TCP segment. */
static bool is_speaker(void)
{
    return configuration->speaker == platform_node();
}

static void drop(struct pbuf *packet, unsigned reason)
{
    counter_increment(reason);
    pbuf_free(packet);
}

/* --- Addresses (RFC 1122 3.2.1.3), in network byte order --- */

/* A host's other than ours, as a source must be: neither a group's, nor everybody's, nor one that
 * stands for the sender itself. Inline: for each segment. */
static inline __attribute__((always_inline)) bool is_other_host(uint32_t address)
{
    const struct netif *netif = interface_netif();
    uint32_t netmask = netif_ip4_netmask(netif)->addr;
    uint32_t difference = address ^ netif_ip4_addr(netif)->addr;
    uint8_t first_byte = (uint8_t)address;
    bool is_on_link = (difference & netmask) == 0;

    return first_byte != 0 && first_byte != 127 && first_byte < 224 && difference != 0 &&
           !(is_on_link && (address | netmask) == UINT32_MAX);
}

/* Whether a packet on a wire may be for it. Whether it is for us lwIP knows. */
static bool is_destination(uint32_t address)
{
    uint8_t first_byte = (uint8_t)address;

    return first_byte != 0 && first_byte != 127 && (first_byte < 240 || address == UINT32_MAX);
}

/* --- Options of IP --- */

/* Counter of the reason to refuse them, or NO_REASON. */
static unsigned check_options(const uint8_t *options, unsigned bytes)
{
    unsigned at = 0;

    while (at < bytes && options[at] != OPTION_END) {
        unsigned option_bytes = 1;

        if (options[at] != OPTION_NO_OPERATION) {
            option_bytes = at + 1 < bytes ? options[at + 1] : 0;
            if (option_bytes < 2 || option_bytes > bytes - at) {
                return COUNTER_DROP_MALFORMED;
            }
        }
        /* Who chooses the way a packet takes can pretend to be anybody (RFC 7126 4.3). */
        if (options[at] == OPTION_LOOSE_SOURCE_ROUTE || options[at] == OPTION_STRICT_SOURCE_ROUTE) {
            return COUNTER_DROP_PROTOCOL;
        }
        at += option_bytes;
    }
    return NO_REASON;
}

/* The same for the whole header, at the start of the packet and longer than its least. */
static unsigned check_long_header(const struct pbuf *packet, uint16_t flags)
{
    const uint8_t *ip = packet->payload;
    unsigned header_bytes = ipv4_header_bytes(ip);

    if (ip[0] >> 4 != 4 || header_bytes < IPV4_HEADER_MIN_BYTES) {
        return COUNTER_DROP_MALFORMED;
    }
    if (header_bytes > packet->len || header_bytes > load_be16(ip + IPV4_LENGTH_OFFSET)) {
        return COUNTER_DROP_TRUNCATED;
    }
    if ((flags & FRAME_IP_CHECKSUM_GOOD) == 0 && inet_chksum(ip, (u16_t)header_bytes) != 0) {
        return COUNTER_DROP_CHECKSUM;
    }
    return check_options(ip + IPV4_HEADER_MIN_BYTES, header_bytes - IPV4_HEADER_MIN_BYTES);
}

/*
 * Options are received and ignored (RFC 1122 3.2.1.8): the header moves up over them, so that all
 * that follows meets a header of the least length, fragments too. Returns whether the packet goes
 * on; its header's checksum is good then.
 */
static __attribute__((noinline)) bool take_off_options(struct pbuf *packet, uint16_t flags)
{
    unsigned reason = check_long_header(packet, flags);
    uint8_t *ip = packet->payload;
    unsigned option_bytes;
    uint16_t ip_bytes, checksum;

    if (reason != NO_REASON) {
        drop(packet, reason);
        return false;
    }
    option_bytes = ipv4_header_bytes(ip) - IPV4_HEADER_MIN_BYTES;
    ip_bytes = swap16((uint16_t)(load_be16(ip + IPV4_LENGTH_OFFSET) - option_bytes));
    ip = memmove(ip + option_bytes, ip, IPV4_HEADER_MIN_BYTES);
    (void)pbuf_remove_header(packet, option_bytes); /* the length was checked */
    ip[0] = 4 << 4 | IPV4_HEADER_MIN_BYTES / 4;
    memcpy(ip + IPV4_LENGTH_OFFSET, &ip_bytes, sizeof(ip_bytes));
    memset(ip + IPV4_CHECKSUM_OFFSET, 0, sizeof(checksum));
    checksum = inet_chksum(ip, IPV4_HEADER_MIN_BYTES);
    memcpy(ip + IPV4_CHECKSUM_OFFSET, &checksum, sizeof(checksum));
    return true;
}

/* --- What lwIP's IP layer hands up --- */

static bool is_for_many(const struct netif *netif)
{
    return ip4_addr_isbroadcast(ip4_current_dest_addr(), netif) ||
           ip4_addr_ismulticast(ip4_current_dest_addr());
}

static bool is_checksum_good(struct pbuf *packet, uint8_t protocol)
{
    return ip_chksum_pseudo(packet, protocol, packet->tot_len, ip_current_src_addr(),
                            ip_current_dest_addr()) == 0;
}

/*
 * A segment that lwIP hands up, from its TCP header on and perhaps in pieces, in one piece as a
 * frame of its own. NULL, and counted, without memory, or if it is longer than a frame can say.
 */
static struct pbuf *make_frame(const struct pbuf *pieces)
{
    unsigned ip_bytes = IPV4_HEADER_MIN_BYTES + pieces->tot_len;
    struct pbuf *packet;
    uint8_t *frame, *ip;

    if (ip_bytes > UINT16_MAX - ETHERNET_HEADER_BYTES) {
        counter_increment(COUNTER_DROP_PROTOCOL);
        return NULL;
    }
    packet = pbuf_alloc(PBUF_RAW, (u16_t)(ETHERNET_HEADER_BYTES + ip_bytes), PBUF_RAM);
    if (packet == NULL) {
        counter_increment(COUNTER_DROP_NO_MEMORY);
        return NULL;
    }
    frame = packet->payload;
    memset(frame, 0, ETHERNET_HEADER_BYTES);
    frame[ETHERNET_TYPE_OFFSET] = ETHERNET_TYPE_IPV4 >> 8;
    ip = memcpy(frame + ETHERNET_HEADER_BYTES, ip4_current_header(), IPV4_HEADER_MIN_BYTES);
    ip[IPV4_LENGTH_OFFSET] = (uint8_t)(ip_bytes >> 8);
    ip[IPV4_LENGTH_OFFSET + 1] = (uint8_t)ip_bytes;
    (void)pbuf_copy_partial(pieces, ip + IPV4_HEADER_MIN_BYTES, pieces->tot_len, 0);
    return packet;
}

/* In one piece to whom it is for. Nobody is told of a segment, here or elsewhere, before it is
 * known to be whole. */
static void receive_from_ip(const struct pbuf *pieces)
{
    const uint16_t good = FRAME_IP_CHECKSUM_GOOD | FRAME_L4_CHECKSUM_GOOD;
    struct pbuf *frame = make_frame(pieces);
    struct packet packet;
    struct segment segment = {.packet = &packet, .buffer = frame};

    if (frame == NULL) {
        return;
    }
    packet_parse(&packet, frame->payload, frame->len, good);
    if (packet.kind == PACKET_OTHER) {
        counter_increment(COUNTER_DROP_TRUNCATED);
    } else if (!frames_pass_on(pieces, &packet.flow)) {
        demux_receive(&segment);
    }
    if (!segment.is_kept) {
        pbuf_free(frame);
    }
}

/* A segment, from its TCP header on. */
void transport_tcp_input(struct pbuf *packet, struct netif *netif)
{
    if (is_for_many(netif)) {
        drop(packet, COUNTER_DROP_PROTOCOL); /* RFC 9293 3.9.2.3 */
        return;
    }
    if (packet->tot_len < TCP_HEADER_MIN_BYTES) {
        drop(packet, COUNTER_DROP_TRUNCATED);
        return;
    }
    if ((netif->chksum_flags & NETIF_CHECKSUM_CHECK_TCP) != 0 &&
        !is_checksum_good(packet, IP_PROTO_TCP)) {
        drop(packet, COUNTER_DROP_CHECKSUM);
        return;
    }
    receive_from_ip(packet);
    pbuf_free(packet);
}

/* A datagram, from its UDP header on. */
void transport_udp_input(struct pbuf *packet, struct netif *netif)
{
    const uint8_t *udp = packet->payload;
    uint16_t udp_bytes, port;

    if (packet->len < UDP_HEADER_BYTES) {
        drop(packet, COUNTER_DROP_TRUNCATED);
        return;
    }
    udp_bytes = load_be16(udp + UDP_LENGTH_OFFSET);
    if (udp_bytes < UDP_HEADER_BYTES || udp_bytes > packet->tot_len) {
        drop(packet, COUNTER_DROP_MALFORMED);
        return;
    }
    pbuf_realloc(packet, udp_bytes); /* what lies behind belongs to nothing (RFC 768) */
    port = load_be16(udp + UDP_DESTINATION_PORT_OFFSET);
    if (datagram_is_lwips(port)) {
        udp_input(packet, netif);
    } else if (datagram_is_applications(port)) {
        if (udp[UDP_CHECKSUM_OFFSET] + udp[UDP_CHECKSUM_OFFSET + 1] != 0 &&
            (netif->chksum_flags & NETIF_CHECKSUM_CHECK_UDP) != 0 &&
            !is_checksum_good(packet, IP_PROTO_UDP)) {
            drop(packet, COUNTER_DROP_CHECKSUM);
            return;
        }
        datagram_deliver(packet);
    } else if (is_for_many(netif) || datagram_is_silent()) {
        drop(packet, COUNTER_DROP_NOT_OURS); /* no answer to it (RFC 1122 3.2.2) */
    } else {
        udp_input(packet, netif); /* which says that nobody wants it */
    }
}

/* A message of ICMP: of these lwIP answers echo requests alone. */
void transport_icmp_input(struct pbuf *packet, struct netif *netif)
{
    const uint8_t *icmp = packet->payload;

    if (packet->len < ICMP_HEADER_BYTES) {
        drop(packet, COUNTER_DROP_TRUNCATED);
    } else if (inet_chksum_pbuf(packet) != 0) {
        drop(packet, COUNTER_DROP_CHECKSUM);
    } else if (icmp[0] == ICMP_ECHO && !is_for_many(netif)) {
        netif->chksum_flags &= (u16_t)~NETIF_CHECKSUM_CHECK_ICMP;
        icmp_input(packet, netif);
    } else if (quote_take_error(packet)) {
        pbuf_free(packet);
    } else if (icmp[0] == ICMP_DUR && icmp[1] == ICMP_DUR_FRAG) {
        path_mtu_receive(packet);
    } else if (icmp[0] == ICMP_DUR && icmp[1] == ICMP_DUR_PORT && datagram_take_refusal(packet)) {
        pbuf_free(packet);
    } else if (icmp[0] == ICMP_DUR) {
        unreachable_receive(packet);
    } else {
        drop(packet, COUNTER_DROP_PROTOCOL);
    }
}

/* A message of IGMP. */
void transport_igmp_input(struct pbuf *packet, struct netif *netif, const ip4_addr_t *destination)
{
    (void)netif;
    (void)destination;
    groups_receive(packet);
}

/* --- Into IP --- */

/* A switch that asks who is in which group need not have an address (RFC 4541 2.1.1). */
static bool is_query_of_switch(const struct ip_hdr *ip)
{
    return ip->src.addr == 0 && ip->_proto == IP_PROTO_IGMP && group_is_address(ip->dest.addr);
}

/* What no host may send is refused here, and what is for a group that nobody is in; the rest is
 * lwIP's to sort. */
static void give_to_ip(struct pbuf *packet)
{
    const struct ip_hdr *ip = packet->payload;

    if (group_is_address(ip->dest.addr) && !groups_has(ip->dest.addr)) {
        drop(packet, COUNTER_DROP_NO_GROUP);
        return;
    }
    if ((!is_other_host(ip->src.addr) && !is_query_of_switch(ip)) ||
        virtual_address_is_ours(ip->src.addr) || !is_destination(ip->dest.addr)) {
        drop(packet, COUNTER_DROP_PROTOCOL);
        return;
    }
    if ((IPH_OFFSET(ip) & PP_HTONS(IPV4_FRAGMENT_MASK)) != 0 && !is_speaker()) {
        drop(packet, COUNTER_DROP_NOT_OURS);
        return;
    }
    (void)ip4_input(packet, interface_netif()); /* always ERR_OK; it has taken the packet */
}

static void receive_ipv4(struct pbuf *packet, uint16_t flags)
{
    const uint8_t *ip = packet->payload;
    unsigned ip_bytes;

    if (packet->len < IPV4_HEADER_MIN_BYTES) {
        drop(packet, COUNTER_DROP_TRUNCATED);
        return;
    }
    if (ip[0] != (4 << 4 | IPV4_HEADER_MIN_BYTES / 4)) {
        if (!take_off_options(packet, flags)) {
            return;
        }
        ip = packet->payload;
        flags |= FRAME_IP_CHECKSUM_GOOD;
    }
    ip_bytes = load_be16(ip + IPV4_LENGTH_OFFSET);
    if (ip_bytes < IPV4_HEADER_MIN_BYTES) {
        drop(packet, COUNTER_DROP_MALFORMED);
        return;
    }
    if (ip_bytes > packet->len) {
        drop(packet, COUNTER_DROP_TRUNCATED);
        return;
    }
    if ((packet->flags & PBUF_FLAG_LLBCAST) != 0 && ip[IPV4_PROTOCOL_OFFSET] == IPV4_PROTOCOL_TCP) {
        drop(packet, COUNTER_DROP_PROTOCOL); /* RFC 9293 3.9.2.3 */
        return;
    }
    interface_set_verified((flags & FRAME_IP_CHECKSUM_GOOD) != 0,
                           (flags & FRAME_L4_CHECKSUM_GOOD) != 0);
    give_to_ip(packet);
}

/* All but the plain segments. */
static __attribute__((noinline)) void receive_other(struct segment *segment)
{
    struct pbuf *packet = segment_keep_frame(segment);
    uint16_t flags = segment->packet->flags;
    const uint8_t *ethernet;
    uint16_t type;

    if (packet == NULL) {
        return;
    }
    /* What the speaker alone understands was forwarded by a link server elsewhere, not by the owner
     * of the flow that it belongs to, or speaks of: it may have to go on to that one. */
    if (segment->is_forwarded && !(segment->packet->kind == PACKET_OTHER && is_speaker())) {
        packet->flags |= PACKET_FORWARDED;
    }
    ethernet = packet->payload;
    type = load_be16(ethernet + ETHERNET_TYPE_OFFSET);
    if (type == ETHERNET_TYPE_IPV4) {
        if ((ethernet[0] & 1) != 0) {
            packet->flags |= PBUF_FLAG_LLBCAST;
        }
        (void)pbuf_remove_header(packet, ETHERNET_HEADER_BYTES); /* the length was checked */
        receive_ipv4(packet, flags);
    } else if (type == ETHTYPE_ARP && transport_address_is_speaking()) {
        transport_address_receive_arp(packet);
    } else {
        drop(packet, COUNTER_DROP_PROTOCOL);
    }
}

/* --- Past it --- */

/* Ours alone, or ours as well as others'. */
static bool is_for_us(uint32_t address)
{
    return address == netif_ip4_addr(interface_netif())->addr || virtual_address_is_ours(address);
}

/* Whether nothing is left for lwIP's IP layer to decide: a whole TCP segment for an address of ours
 * from a host's. */
static inline bool is_plain_segment(const struct packet *packet)
{
    return packet->kind != PACKET_OTHER && (packet->bytes[0] & 1) == 0 &&
           packet->flow.local_address != 0 && is_for_us(packet->flow.local_address) &&
           is_other_host(packet->flow.remote_address) &&
           !virtual_address_is_ours(packet->flow.remote_address);
}

bool transport_has_address(uint32_t address)
{
    return is_for_us(address);
}

/* Of a plain segment, those that the NIC has not verified. */
static __attribute__((noinline)) bool are_checksums_good(const struct packet *packet)
{
    uint8_t *ip = (uint8_t *)packet->bytes + ETHERNET_HEADER_BYTES;
    uint16_t tcp_bytes =
        (uint16_t)(packet->payload_offset - PACKET_TCP_OFFSET + packet->payload_bytes);
    struct pbuf tcp = {
        .payload = ip + IPV4_HEADER_MIN_BYTES, .len = tcp_bytes, .tot_len = tcp_bytes};
    const ip4_addr_t source = {packet->flow.remote_address};
    const ip4_addr_t destination = {packet->flow.local_address};

    if ((packet->flags & FRAME_IP_CHECKSUM_GOOD) == 0 &&
        inet_chksum(ip, IPV4_HEADER_MIN_BYTES) != 0) {
        return false;
    }
    return (packet->flags & FRAME_L4_CHECKSUM_GOOD) != 0 ||
           inet_chksum_pseudo(&tcp, IP_PROTO_TCP, tcp_bytes, &source, &destination) == 0;
}

/* Nodes that disagree about whose it is must not loop a packet. */
static bool is_misdirected(const struct segment *segment)
{
    return UNLIKELY(segment->is_forwarded) && segment->others == NULL &&
           steering_packet_owner(configuration, segment->packet) != platform_node();
}

/* A verified segment of a flow that there is no connection of: plain, if it is from a host. */
static __attribute__((noinline)) void receive_unknown(struct segment *segment)
{
    const struct flow *flow = &segment->packet->flow;

    if (UNLIKELY(flow->local_address == 0 || !is_other_host(flow->remote_address) ||
                 virtual_address_is_ours(flow->remote_address)) &&
        !packet_is_looped(segment->packet)) {
        receive_other(segment);
    } else if (is_misdirected(segment)) {
        counter_increment(COUNTER_DROP_NOT_OURS);
    } else {
        demux_receive_stranger(segment);
    }
}

/* What the NIC does not vouch for, or is no segment to us at first sight. */
static __attribute__((noinline)) void receive_unverified(struct segment *segment)
{
    const struct packet *packet = segment->packet;

    if (UNLIKELY((packet->flags & FRAME_CHECKSUM_BAD) != 0)) {
        counter_increment(COUNTER_DROP_CHECKSUM);
    } else if (!is_plain_segment(packet)) {
        receive_other(segment);
    } else if (!are_checksums_good(packet)) {
        counter_increment(COUNTER_DROP_CHECKSUM);
    } else if (is_misdirected(segment)) {
        counter_increment(COUNTER_DROP_NOT_OURS);
    } else {
        demux_receive(segment);
    }
}

static inline bool is_verified_segment(const struct packet *packet)
{
    const unsigned good = FRAME_IP_CHECKSUM_GOOD | FRAME_L4_CHECKSUM_GOOD;

    return packet->kind != PACKET_OTHER && (packet->flags & (good | FRAME_CHECKSUM_BAD)) == good &&
           (packet->bytes[0] & 1) == 0 &&
           packet->flow.local_address == netif_ip4_addr(interface_netif())->addr;
}

/* Where a connection is from, and whose it is, was looked at when it began. */
void packet_receive(struct segment *segment)
{
    if (UNLIKELY(!is_verified_segment(segment->packet))) {
        receive_unverified(segment);
    } else if (UNLIKELY(!demux_receive_known(segment))) {
        receive_unknown(segment);
    }
}

void packet_initialise(const struct configuration *current)
{
    configuration = current;
}
