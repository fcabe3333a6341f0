/* SPDX-License-Identifier: MIT */
/*
 * A message that goes on comes from us, from the address that its receiver has sent to: who wrote
 * it may be on the other side of a router that would not let it pass from here. The receiver looks
 * at what is quoted.
 */
#include "net/transport/forward/quote.h"

#include <string.h>

#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/bytes.h"
#include "net/counters.h"
#include "net/headers.h"
#include "net/packet.h"
#include "net/transport/counters.h"
#include "net/transport/forward/flow.h"
#include "net/transport/forward/sum.h"
#include "net/transport/hash.h"
#include "net/transport/lwip/interface.h"
#include "net/transport/path_mtu.h"
#include "net/transport/tcp/segment_block.h"

#include "lwip/icmp.h"
#include "lwip/inet_chksum.h"
#include "lwip/ip.h"
#include "lwip/pbuf.h"

/* RFC 1812 4.3.2.3: with its headers no longer than 576 bytes. */
#define QUOTE_MAX_BYTES 548u

static bool is_error(uint8_t type)
{
    return type == ICMP_DUR || type == ICMP_TE || type == ICMP_PP;
}

/* The message: type, code, and the rest of its header; then so much of a packet. NULL: no memory,
 * and counted. */
static struct pbuf *make(const uint8_t *header, const uint8_t *quoted, unsigned quoted_bytes)
{
    struct pbuf *message = pbuf_alloc(PBUF_IP, (u16_t)(ICMP_HEADER_BYTES + quoted_bytes), PBUF_RAM);

    if (message == NULL) {
        counter_increment(COUNTER_DROP_NO_MEMORY);
        return NULL;
    }
    memcpy(message->payload, header, ICMP_HEADER_BYTES);
    memcpy((uint8_t *)message->payload + ICMP_HEADER_BYTES, quoted, quoted_bytes);
    return message;
}

static void send(struct pbuf *message, uint32_t from, uint32_t to)
{
    const ip4_addr_t source = {from}, destination = {to};
    uint8_t *icmp = message->payload;
    uint16_t checksum;

    memset(icmp + 2, 0, sizeof(checksum));
    checksum = inet_chksum(icmp, message->len);
    memcpy(icmp + 2, &checksum, sizeof(checksum));
    (void)ip4_output_if(message, &source, &destination, SEGMENT_TIME_TO_LIVE, 0, IP_PROTO_ICMP,
                        interface_netif()); /* lost, as on the wire */
    pbuf_free(message);
}

/* The headers of what we have sent, as they were when it came. TCP's may not be there as far as the
 * checksum. */
static void put_back(uint8_t *ip, unsigned bytes, const struct forward_side *side)
{
    const struct flow *flow = &side->entry.flow;
    uint8_t *tcp = ip + IPV4_HEADER_MIN_BYTES;

    memcpy(ip + IPV4_SOURCE_OFFSET, &flow->remote_address, 4);
    memcpy(ip + IPV4_DESTINATION_OFFSET, &flow->local_address, 4);
    memcpy(tcp + TCP_SOURCE_PORT_OFFSET, &flow->remote_port, 2);
    memcpy(tcp + TCP_DESTINATION_PORT_OFFSET, &flow->local_port, 2);
    sum_make(ip);
    if (bytes >= IPV4_HEADER_MIN_BYTES + TCP_CHECKSUM_OFFSET + 2) {
        sum_change(tcp + TCP_CHECKSUM_OFFSET, (uint16_t)~side->tcp_delta);
    }
}

bool quote_take_error(const struct pbuf *packet)
{
    const uint8_t *icmp = packet->payload;
    unsigned quoted_bytes = packet->len - ICMP_HEADER_BYTES;
    struct path_mtu_quote quote;
    struct flow_entry *entry;
    const struct forward_side *sender;
    struct pbuf *message;

    if (forward_flow_count() == 0 || !is_error(icmp[0]) || !path_mtu_read_quote(packet, &quote)) {
        return false;
    }
    entry = flows_find(&quote.flow, flow_hash(&quote.flow));
    if (entry == NULL || !forward_is_entry(entry)) {
        return false;
    }
    /* The flow of the segment's receiver, as what that one sends would name it. */
    sender = &forward_flow_of(entry)->sides[!forward_end_of(entry)];
    quoted_bytes = quoted_bytes < QUOTE_MAX_BYTES ? quoted_bytes : QUOTE_MAX_BYTES;
    message = make(icmp, icmp + ICMP_HEADER_BYTES, quoted_bytes);
    if (message != NULL) {
        put_back((uint8_t *)message->payload + ICMP_HEADER_BYTES, quoted_bytes, sender);
        counter_increment(COUNTER_FORWARD_ERRORS);
        send(message, sender->entry.flow.local_address, sender->entry.flow.remote_address);
    }
    return true;
}

void quote_report_unreachable(const struct packet *packet)
{
    static const uint8_t header[ICMP_HEADER_BYTES] = {ICMP_DUR, ICMP_DUR_HOST};
    struct pbuf *message = make(header, packet->bytes + ETHERNET_HEADER_BYTES,
                                IPV4_HEADER_MIN_BYTES + TCP_HEADER_MIN_BYTES);

    if (message != NULL) {
        send(message, packet->flow.local_address, packet->flow.remote_address);
    }
}
