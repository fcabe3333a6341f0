/* SPDX-License-Identifier: MIT */
/*
 * Frames of lwIP to a link server: all but TCP's, of which only what has waited for a neighbour
 * comes this way (interface_send_later()). The NIC computes the checksums: the pseudo-header's sum
 * is put in their place here. On this node a frame is sent from where it lies; the reference on its
 * first pbuf is given back when the NIC has read it.
 */
#include "net/transport/lwip/output.h"

#include <errno.h>
#include <string.h>

#include "drivers/nic/frame.h"
#include "kernel/message/send.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "net/counters.h"
#include "net/link/server.h"
#include "net/messages.h"
#include "net/transport/card.h"

#include "libc/core/bytes.h"
#include "lwip/ip.h"
#include "lwip/prot/ethernet.h"
#include "lwip/prot/tcp.h"
#include "lwip/prot/udp.h"

/* Frames that wait for room in the transmit ring; power of two. Chosen: four rounds' answers. */
#define QUEUE_FRAMES 256u

_Static_assert(IS_POWER_OF_TWO(QUEUE_FRAMES), "positions are masked");

static node_id_t self;

static struct pbuf *queue[QUEUE_FRAMES];
static uint32_t queue_head, queue_tail; /* free-running */

static void release_sent(void *context)
{
    pbuf_free(context);
}

/* What the NIC shall do with a packet; the headers are in its first pbuf. */
struct offload {
    uint16_t flags; /* FRAME_INSERT_... */
    uint16_t l4_checksum_offset;
};

/* IGMP's have an option (RFC 2236 2). */
static uint8_t ip_header_bytes(const struct pbuf *packet)
{
    const struct eth_hdr *ethernet = packet->payload;

    return packet->len >= SIZEOF_ETH_HDR + IP_HLEN && ethernet->type == PP_HTONS(ETHTYPE_IP)
               ? (uint8_t)IPH_HL_BYTES((const struct ip_hdr *)(ethernet + 1))
               : IP_HLEN;
}

static struct offload offload_of(const struct pbuf *packet)
{
    const struct eth_hdr *ethernet = packet->payload;
    const struct ip_hdr *ip = (const struct ip_hdr *)(ethernet + 1);

    if (packet->len < SIZEOF_ETH_HDR + IP_HLEN || ethernet->type != PP_HTONS(ETHTYPE_IP)) {
        return (struct offload){0};
    }
    if ((IPH_OFFSET(ip) & PP_HTONS(IP_OFFMASK | IP_MF)) == 0) {
        if (IPH_PROTO(ip) == IP_PROTO_TCP) {
            return (struct offload){FRAME_INSERT_IP_CHECKSUM | FRAME_INSERT_TCP_CHECKSUM,
                                    offsetof(struct tcp_hdr, chksum)};
        }
        if (IPH_PROTO(ip) == IP_PROTO_UDP) {
            return (struct offload){FRAME_INSERT_IP_CHECKSUM | FRAME_INSERT_UDP_CHECKSUM,
                                    offsetof(struct udp_hdr, chksum)};
        }
    }
    return (struct offload){FRAME_INSERT_IP_CHECKSUM, 0};
}

/* The pseudo-header's sum (RFC 9293 3.1, RFC 768), not complemented: the NIC adds the rest. */
static void put_pseudo_sum(uint8_t *ip_bytes, uint16_t l4_checksum_offset, uint32_t length_bytes)
{
    const struct ip_hdr *ip = (const struct ip_hdr *)ip_bytes;
    uint64_t sum;
    uint16_t folded;

    sum = (uint64_t)ip->src.addr + ip->dest.addr + swap16((uint16_t)(length_bytes + IPH_PROTO(ip)));
    sum = (sum & 0xFFFFFFFF) + (sum >> 32);
    sum = (sum & 0xFFFF) + (sum >> 16 & 0xFFFF) + (sum >> 32);
    sum = (sum & 0xFFFF) + (sum >> 16);
    sum = (sum & 0xFFFF) + (sum >> 16);
    folded = (uint16_t)sum;
    __builtin_memcpy(ip_bytes + IP_HLEN + l4_checksum_offset, &folded, sizeof(folded));
}

static void put_sum_of_packet(const struct pbuf *packet, struct offload offload)
{
    uint32_t length_bytes = (uint32_t)packet->tot_len - SIZEOF_ETH_HDR - IP_HLEN;

    ASSERT_SLOW(packet->len >= SIZEOF_ETH_HDR + IP_HLEN + offload.l4_checksum_offset + 2u);
    put_pseudo_sum((uint8_t *)packet->payload + SIZEOF_ETH_HDR, offload.l4_checksum_offset,
                   length_bytes);
}

/* The caller has taken a reference for the link server, which release_sent() gives back. */
static int transmit_here(struct pbuf *packet, uint16_t offload)
{
    struct frame_to_send frame;
    uint16_t count = 0;

    for (const struct pbuf *piece = packet; piece != NULL; piece = piece->next) {
        ASSERT_SLOW(count < FRAME_FRAGMENT_MAX); /* gather() has seen to it */
        frame.fragments[count].data = piece->payload;
        frame.fragments[count].length_bytes = piece->len;
        count++;
    }
    frame.fragment_count = count;
    frame.offload = offload;
    frame.ip_header_offset = SIZEOF_ETH_HDR;
    frame.ip_header_bytes = ip_header_bytes(packet);
    frame.length_bytes = packet->tot_len;
    frame.done = release_sent;
    frame.context = packet;
    return link_server_transmit(&frame);
}

/* Copied once, into the channel. */
static int transmit_elsewhere(node_id_t link_server, struct pbuf *packet, uint16_t offload)
{
    struct transmit_frame *message;

    ASSERT(packet->tot_len <= FRAME_MAX_BYTES); /* IP cuts to the MTU */
    message =
        message_reserve_payload(link_server, TRANSMIT_FRAME, sizeof(*message), packet->tot_len);
    if (message == NULL) {
        return message_refusal(link_server);
    }
    message->offload = offload;
    message->ip_header_offset = SIZEOF_ETH_HDR;
    message->ip_header_bytes = ip_header_bytes(packet);
    (void)pbuf_copy_partial(packet, message + 1, packet->tot_len, 0);
    message_publish();
    release_sent(packet);
    return 0;
}

static int transmit(struct pbuf *packet, uint16_t offload)
{
    node_id_t link_server = card_link_server();

    return link_server == self ? transmit_here(packet, offload)
                               : transmit_elsewhere(link_server, packet, offload);
}

/* `error`: -EAGAIN when there was no room, otherwise there is no link server that could send it. */
static void drop_unsent(struct pbuf *packet, int error)
{
    counter_increment(error == -EAGAIN ? COUNTER_DROP_TX_FULL : COUNTER_DROP_NO_DEVICE);
    pbuf_free(packet);
}

/* Sends in order: behind others that wait, a frame waits too. */
static void transmit_or_queue(struct pbuf *packet, uint16_t offload)
{
    int error = queue_head == queue_tail ? transmit(packet, offload) : -EAGAIN;

    ASSERT_SLOW(queue_tail - queue_head <= QUEUE_FRAMES);
    if (error == 0) {
        return;
    }
    if (error != -EAGAIN || queue_tail - queue_head == QUEUE_FRAMES) {
        drop_unsent(packet, error);
        return;
    }
    queue[queue_tail++ & (QUEUE_FRAMES - 1)] = packet;
}

unsigned output_send_queued(void)
{
    unsigned count = 0;

    while (queue_head != queue_tail) {
        struct pbuf *packet = queue[queue_head & (QUEUE_FRAMES - 1)];
        int error = transmit(packet, offload_of(packet).flags);

        ASSERT_SLOW(queue_tail - queue_head <= QUEUE_FRAMES);
        if (error == -EAGAIN) {
            break;
        }
        if (error != 0) {
            drop_unsent(packet, error);
        }
        queue_head++;
        count++;
    }
    return count;
}

bool output_is_queueing(void)
{
    return queue_head != queue_tail;
}

/* A frame in so many pieces that the NIC takes it; the headers, which are written to, in the first.
 * lwIP writes them in one pbuf, and most frames have no more than two. */
static struct pbuf *gather(struct pbuf *packet)
{
    if (packet->next == NULL || (pbuf_clen(packet) <= FRAME_FRAGMENT_MAX &&
                                 packet->len >= SIZEOF_ETH_HDR + IP_HLEN + TCP_HLEN)) {
        pbuf_ref(packet);
        return packet;
    }
    return pbuf_clone(PBUF_RAW, PBUF_RAM, packet);
}

err_t output_frame(struct pbuf *packet)
{
    struct offload offload;

    packet = gather(packet);
    if (packet == NULL) {
        counter_increment(COUNTER_DROP_NO_MEMORY);
        return ERR_MEM;
    }
    offload = offload_of(packet);
    if (offload.l4_checksum_offset != 0) {
        put_sum_of_packet(packet, offload);
    }
    transmit_or_queue(packet, offload.flags);
    return ERR_OK;
}

void output_initialise(void)
{
    self = platform_node();
}
