/* SPDX-License-Identifier: MIT */
/*
 * Path MTU discovery (RFC 1191). All our segments forbid fragmentation, so where a path is narrower
 * than the peer's MSS says, a router tells us so by ICMP. The connection then sends shorter
 * segments, the NIC cuts to that length, and what is under way is sent again.
 *
 * Anybody can send such a message. It must quote a byte that is under way (RFC 5927 4.1), and its
 * least effect is bounded.
 */
#include "net/transport/path_mtu.h"

#include <string.h>

#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/bytes.h"
#include "net/counters.h"
#include "net/headers.h"
#include "net/transport/demux.h"
#include "net/transport/lwip/interface.h"
#include "net/transport/tcp/sequence.h"
#include "net/transport/tcp/tcb.h"
#include "net/transport/unreachable.h"
#include "net/transport/virtual_address.h"

#include "lwip/ip.h"
#include "lwip/netif.h"

#define HEADERS_BYTES (IPV4_HEADER_MIN_BYTES + TCP_HEADER_MIN_BYTES)

_Static_assert(PATH_MTU_MIN_BYTES > HEADERS_BYTES, "a segment has bytes");

/* Routers of before RFC 1191 do not say which length they take: the next lower one that is usual
 * somewhere (RFC 1191 7.1). */
static unsigned guess_mtu(unsigned packet_bytes)
{
    static const uint16_t usual[] = {1492, 1006, 508, PATH_MTU_MIN_BYTES};

    for (unsigned i = 0; i < ARRAY_COUNT(usual); i++) {
        if (usual[i] < packet_bytes) {
            return usual[i];
        }
    }
    return PATH_MTU_MIN_BYTES;
}

bool path_mtu_read_quote(const struct pbuf *packet, struct path_mtu_quote *quote)
{
    const uint8_t *icmp = packet->payload;
    const uint8_t *ip = icmp + ICMP_HEADER_BYTES;
    const uint8_t *tcp;

    if (packet->len < ICMP_HEADER_BYTES + IPV4_HEADER_MIN_BYTES + ICMP_QUOTED_BYTES) {
        return false;
    }
    /* We send no options, and no fragments of TCP. */
    if (ip[0] != (4 << 4 | IPV4_HEADER_MIN_BYTES / 4) ||
        ip[IPV4_PROTOCOL_OFFSET] != IPV4_PROTOCOL_TCP ||
        (load_be16(ip + IPV4_FRAGMENT_OFFSET) & IPV4_FRAGMENT_MASK) != 0) {
        return false;
    }
    tcp = ip + IPV4_HEADER_MIN_BYTES;
    memcpy(&quote->flow.local_address, ip + IPV4_SOURCE_OFFSET, 4);
    memcpy(&quote->flow.remote_address, ip + IPV4_DESTINATION_OFFSET, 4);
    memcpy(&quote->flow.local_port, tcp + TCP_SOURCE_PORT_OFFSET, 2);
    memcpy(&quote->flow.remote_port, tcp + TCP_DESTINATION_PORT_OFFSET, 2);
    quote->sequence = load_be32(tcp + TCP_SEQUENCE_OFFSET);
    quote->mtu_bytes = load_be16(icmp + ICMP_MTU_OFFSET);
    if (quote->mtu_bytes == 0) {
        quote->mtu_bytes = guess_mtu(load_be16(ip + IPV4_LENGTH_OFFSET));
    }
    return quote->flow.local_address == netif_ip4_addr(interface_netif())->addr ||
           virtual_address_is_ours(quote->flow.local_address);
}

static bool is_under_way(const struct tcb *tcb, uint32_t sequence)
{
    return sequence_is_within(sequence, tcb->snd_una, tcb->snd_max - tcb->snd_una);
}

/* The MSS only falls: a connection does not live long enough to look for more (RFC 1191 6.3: ten
 * minutes). */
static void lower_mss(struct tcb *tcb, unsigned mtu_bytes)
{
    if (mtu_bytes < PATH_MTU_MIN_BYTES) {
        mtu_bytes = PATH_MTU_MIN_BYTES;
    }
    if (mtu_bytes - HEADERS_BYTES >= tcb->mss) {
        return; /* another segment's message has said it */
    }
    counter_increment(COUNTER_TCP_PATH_MTU);
    tcb_lower_mss(tcb, (uint16_t)(mtu_bytes - HEADERS_BYTES));
}

void path_mtu_receive(struct pbuf *packet)
{
    struct path_mtu_quote segment;
    struct tcb *tcb;

    if (!path_mtu_read_quote(packet, &segment)) {
        counter_increment(COUNTER_DROP_PROTOCOL);
    } else if (!unreachable_pass_on(packet, &segment.flow)) {
        tcb = demux_find(&segment.flow);
        if (tcb != NULL && is_under_way(tcb, segment.sequence)) {
            lower_mss(tcb, segment.mtu_bytes);
        } else {
            counter_increment(COUNTER_DROP_PROTOCOL);
        }
    }
    pbuf_free(packet);
}
