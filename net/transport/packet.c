/* SPDX-License-Identifier: MIT */
/*
 * From a frame that has come in to the protocol above IP. What lwIP would read before it checks
 * lengths is checked here, and so is what it does not check. A whole TCP segment for us goes past
 * its IP layer.
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
#include "net/transport/address.h"
#include "net/transport/demux.h"
#include "net/transport/lwip/interface.h"
#include "net/transport/path_mtu.h"
#include "net/transport/timer.h"

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

/* What is put in one piece of a reassembled segment: the longest header, and some of its bytes. */
#define FIRST_PIECE_BYTES 256u

#define NO_REASON UINT32_MAX

static const struct configuration *configuration;

/* What a CM has said of the packet that ip4_input() works on, which has no parameter for it: set
 * right before that call and NULL again after it. transport_tcp_input() gets it back from here. */
static struct demux_assignment *beyond_ip;

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

/* lwIP wants TCP's header in a packet's first piece, which a fragment may have cut (RFC 791 3.2: as
 * short as eight bytes). NULL, and counted, without memory. */
static struct pbuf *gather_header(struct pbuf *packet)
{
    u16_t bytes = packet->tot_len < FIRST_PIECE_BYTES ? packet->tot_len : FIRST_PIECE_BYTES;
    struct pbuf *first;

    if (packet->next == NULL || packet->len >= TCP_HEADER_MAX_BYTES) {
        return packet;
    }
    first = pbuf_alloc(PBUF_IP, bytes, PBUF_RAM);
    if (first == NULL) {
        drop(packet, COUNTER_DROP_NO_MEMORY);
        return NULL;
    }
    /* lwIP's pointer to the IP header leads into the old first piece. */
    ip_data.current_ip4_header = memcpy((uint8_t *)first->payload - IPV4_HEADER_MIN_BYTES,
                                        ip4_current_header(), IPV4_HEADER_MIN_BYTES);
    first->flags |= packet->flags & PACKET_FORWARDED;
    (void)pbuf_copy_partial(packet, first->payload, bytes, 0);
    packet = pbuf_free_header(packet, bytes);
    if (packet != NULL) {
        pbuf_cat(first, packet);
    }
    return first;
}

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

/* A segment, from its TCP header on. Nobody is told of it, here or elsewhere, before it is known to
 * be whole. */
void transport_tcp_input(struct pbuf *packet, struct netif *netif)
{
    unsigned header_bytes;

    if (packet->tot_len < TCP_HEADER_MIN_BYTES) {
        drop(packet, COUNTER_DROP_TRUNCATED);
        return;
    }
    if (is_for_many(netif)) {
        drop(packet, COUNTER_DROP_PROTOCOL); /* RFC 9293 3.9.2.3 */
        return;
    }
    packet = gather_header(packet);
    if (packet == NULL) {
        return;
    }
    header_bytes = tcp_header_bytes_of(packet->payload);
    if (header_bytes < TCP_HEADER_MIN_BYTES || header_bytes > packet->tot_len) {
        drop(packet, COUNTER_DROP_TRUNCATED);
        return;
    }
    if ((netif->chksum_flags & NETIF_CHECKSUM_CHECK_TCP) != 0) {
        if (!is_checksum_good(packet, IP_PROTO_TCP)) {
            drop(packet, COUNTER_DROP_CHECKSUM);
            return;
        }
        netif->chksum_flags &= (u16_t)~NETIF_CHECKSUM_CHECK_TCP;
    }
    demux_receive(packet, beyond_ip);
}

static bool is_port_bound(uint16_t port)
{
    for (const struct udp_pcb *pcb = udp_pcbs; pcb != NULL; pcb = pcb->next) {
        if (pcb->local_port == port) {
            return true;
        }
    }
    return false;
}

/* A datagram, from its UDP header on. */
void transport_udp_input(struct pbuf *packet, struct netif *netif)
{
    const uint8_t *udp = packet->payload;
    uint16_t udp_bytes;

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
    if (is_for_many(netif) && !is_port_bound(load_be16(udp + UDP_DESTINATION_PORT_OFFSET))) {
        drop(packet, COUNTER_DROP_NOT_OURS); /* no answer to it (RFC 1122 3.2.2) */
        return;
    }
    udp_input(packet, netif);
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
    } else if (icmp[0] == ICMP_DUR && icmp[1] == ICMP_DUR_FRAG) {
        path_mtu_receive(packet);
    } else {
        drop(packet, COUNTER_DROP_PROTOCOL);
    }
}

/* --- Into IP --- */

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
           is_other_host(ip->src.addr);
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

/* All else: what no host may send is refused here, the rest is lwIP's to sort. */
static __attribute__((noinline)) void receive_beyond_plain(struct pbuf *packet,
                                                           struct demux_assignment *assignment)
{
    const struct ip_hdr *ip = packet->payload;
    bool is_fragment;

    if (!is_other_host(ip->src.addr) || !is_destination(ip->dest.addr)) {
        drop(packet, COUNTER_DROP_PROTOCOL);
        return;
    }
    is_fragment = (IPH_OFFSET(ip) & PP_HTONS(IPV4_FRAGMENT_MASK)) != 0;
    if (is_fragment && !is_speaker()) {
        drop(packet, COUNTER_DROP_NOT_OURS);
        return;
    }
    if (is_speaker() && (is_fragment || IPH_PROTO(ip) != IPV4_PROTOCOL_TCP)) {
        /* If it was forwarded, then by a link server elsewhere, not by the owner of the flow that
         * it belongs to, or speaks of: it may have to go on to that one. */
        packet->flags &= (u8_t)~PACKET_FORWARDED;
    }
    ASSERT_SLOW(beyond_ip == NULL); /* lwIP does not call itself */
    beyond_ip = assignment;
    (void)ip4_input(packet, interface_netif()); /* always ERR_OK; it has taken the packet */
    beyond_ip = NULL;
}

static void receive_ipv4(struct pbuf *packet, uint16_t flags, struct demux_assignment *assignment)
{
    const uint8_t *ip = packet->payload;
    unsigned ip_bytes;

    if (packet->len < IPV4_HEADER_MIN_BYTES) {
        drop(packet, COUNTER_DROP_TRUNCATED);
        return;
    }
    if (UNLIKELY(ip[0] != (4 << 4 | IPV4_HEADER_MIN_BYTES / 4))) {
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
    transport_timer_catch_up();
    interface_set_verified((flags & FRAME_IP_CHECKSUM_GOOD) != 0,
                           (flags & FRAME_L4_CHECKSUM_GOOD) != 0);
    if (LIKELY(is_plain_segment(packet, flags) &&
               ip_bytes >= IPV4_HEADER_MIN_BYTES + TCP_HEADER_MIN_BYTES)) {
        receive_segment(packet, ip_bytes, assignment);
    } else {
        receive_beyond_plain(packet, assignment);
    }
}

void packet_receive(struct pbuf *packet, uint16_t flags, struct demux_assignment *assignment)
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
    } else if (type == ETHTYPE_ARP && transport_address_is_speaking()) {
        transport_address_receive_arp(packet);
    } else {
        drop(packet, COUNTER_DROP_PROTOCOL);
    }
}

void packet_initialise(const struct configuration *current)
{
    configuration = current;
}
