/* SPDX-License-Identifier: MIT */
/*
 * Frames to the link server. The NIC computes the checksums: the pseudo-header's sum is put in
 * their place here. Data is sent from where it lies; the reference on a packet's first pbuf, given
 * back when the NIC has read it, keeps TCP from touching or freeing it before.
 */
#include "net/transport/lwip/output.h"

#include <errno.h>
#include <string.h>

#include "drivers/nic/frame.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "net/configuration.h"
#include "net/counters.h"
#include "net/link/server.h"
#include "net/transport/lwip/remote.h"

#include "hooks.h"
#include "libc/core/bytes.h"
#include "lwip/ip.h"
#include "lwip/prot/ethernet.h"
#include "lwip/prot/tcp.h"
#include "lwip/prot/udp.h"

/* Frames that wait for room in the transmit ring; power of two. A whole send window's. */
#define QUEUE_FRAMES 256u

/* Long segments: with its headers one must be shorter than 64 KiB. */
#define SEGMENT_MAX_BYTES 65000u

_Static_assert(IS_POWER_OF_TWO(QUEUE_FRAMES), "positions are masked");

static node_id_t self, link_server;
static struct node_set queues; /* NIC_READY's: numbers of LSs that have one */

u16_t transport_segment_max;

static struct pbuf *queue[QUEUE_FRAMES];
static uint32_t queue_head, queue_tail; /* free-running */
/* Of the payload of the one at the head: went to the link server in messages before the channel was
 * full. */
static uint32_t first_sent_bytes;

static void release_sent(void *context)
{
    pbuf_free(context);
}

/* What the NIC shall do with a packet; the headers are in its first pbuf. */
struct offload {
    uint16_t flags; /* FRAME_INSERT_..., FRAME_SEGMENT_TCP */
    uint16_t l4_checksum_offset;
};

/* Whether a segment is longer than the peer, or the path to it, takes. A reset without connection
 * says nothing of that, and has no data. */
static uint16_t segmentation_of(const struct pbuf *packet)
{
    const struct tcp_hdr *tcp =
        (const struct tcp_hdr *)((const uint8_t *)packet->payload + SIZEOF_ETH_HDR + IP_HLEN);
    uint32_t headers_bytes = SIZEOF_ETH_HDR + IP_HLEN + (uint32_t)TCPH_HDRLEN_BYTES(tcp);

    return packet->tot_len > headers_bytes + packet->segment_bytes && transport_segment_max != 0
               ? FRAME_SEGMENT_TCP
               : 0;
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
            return (struct offload){segmentation_of(packet) | FRAME_INSERT_IP_CHECKSUM |
                                        FRAME_INSERT_TCP_CHECKSUM,
                                    offsetof(struct tcp_hdr, chksum)};
        }
        if (IPH_PROTO(ip) == IP_PROTO_UDP) {
            return (struct offload){FRAME_INSERT_IP_CHECKSUM | FRAME_INSERT_UDP_CHECKSUM,
                                    offsetof(struct udp_hdr, chksum)};
        }
    }
    return (struct offload){FRAME_INSERT_IP_CHECKSUM, 0};
}

void output_put_pseudo_sum(uint8_t *ip_bytes, uint16_t l4_checksum_offset, uint32_t length_bytes)
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
    output_put_pseudo_sum((uint8_t *)packet->payload + SIZEOF_ETH_HDR, offload.l4_checksum_offset,
                          (offload.flags & FRAME_SEGMENT_TCP) != 0 ? 0 : length_bytes);
}

/* In pieces no longer than a descriptor can name. Returns how many there are now. */
static uint16_t add_fragments(struct frame_to_send *frame, uint16_t count,
                              const struct pbuf *packet)
{
    const uint8_t *bytes = packet->payload;
    uint32_t left = packet->len;

    while (left != 0) {
        ASSERT_SLOW(count < FRAME_FRAGMENT_MAX); /* gather() has seen to it */
        uint32_t piece = left < FRAME_FRAGMENT_MAX_BYTES ? left : FRAME_FRAGMENT_MAX_BYTES;

        frame->fragments[count].data = bytes;
        frame->fragments[count].length_bytes = piece;
        count++;
        bytes += piece;
        left -= piece;
    }
    return count;
}

/* The caller has taken a reference for the link server, which release_sent() gives back. */
static int transmit_here(struct pbuf *packet, uint16_t offload)
{
    struct frame_to_send frame;
    uint16_t count = 0;

    for (const struct pbuf *piece = packet; piece != NULL; piece = piece->next) {
        count = add_fragments(&frame, count, piece);
    }
    frame.fragment_count = count;
    frame.offload = offload;
    frame.ip_header_offset = SIZEOF_ETH_HDR;
    frame.ip_header_bytes = IP_HLEN;
    frame.length_bytes = packet->tot_len;
    if ((offload & FRAME_SEGMENT_TCP) != 0) {
        const uint8_t *tcp = (const uint8_t *)packet->payload + SIZEOF_ETH_HDR + IP_HLEN;

        ASSERT_SLOW(packet->segment_bytes > 0 && packet->segment_bytes <= TCP_MSS);
        frame.segment_bytes = packet->segment_bytes;
        frame.tcp_header_bytes = TCPH_HDRLEN_BYTES((const struct tcp_hdr *)tcp);
    }
    frame.done = release_sent;
    frame.context = packet;
    return link_server_transmit(&frame);
}

static int transmit(struct pbuf *packet, uint16_t offload)
{
    int error;

    if (link_server == self) {
        return transmit_here(packet, offload);
    }
    error = remote_transmit(link_server, packet, offload, &first_sent_bytes);
    if (error == 0) {
        release_sent(packet);
    }
    if (error != -EAGAIN) {
        first_sent_bytes = 0; /* the next packet is the first one now */
    }
    return error;
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

/* A frame in so many pieces that the NIC takes it; the headers, which are written to, in the first.
 * lwIP writes them in one pbuf, and most frames have no more than two. */
static struct pbuf *gather(struct pbuf *packet)
{
    struct pbuf *copy;

    if (packet->next == NULL ||
        (pbuf_clen(packet) + packet->tot_len / FRAME_FRAGMENT_MAX_BYTES <= FRAME_FRAGMENT_MAX &&
         packet->len >= SIZEOF_ETH_HDR + IP_HLEN + TCP_HLEN)) {
        pbuf_ref(packet);
        return packet;
    }
    copy = pbuf_clone(PBUF_RAW, PBUF_RAM, packet);
    if (copy != NULL) {
        copy->segment_bytes = packet->segment_bytes;
    }
    return copy;
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

/* --- Which link server --- */

void output_choose_link_server(void)
{
    const struct configuration *configuration = configuration_current();
    node_id_t own = configuration_own_ls(configuration, self);
    unsigned first = 0;

    while (first < configuration->ls_count && configuration->ls[first] != own) {
        first++;
    }
    link_server = own;
    for (unsigned i = 0; i < configuration->ls_count; i++) {
        unsigned index = (first + i) % configuration->ls_count;
        node_id_t node = configuration->ls[index];

        if (node_set_has(&queues, index) && !configuration_is_dead(configuration, node)) {
            link_server = node;
            return;
        }
    }
}

void output_set_nic(struct node_set new_queues, bool can_segment_tcp)
{
    queues = new_queues;
    output_choose_link_server();
    transport_segment_max = can_segment_tcp ? SEGMENT_MAX_BYTES : 0;
}

void output_initialise(const struct configuration *configuration)
{
    self = platform_node();
    link_server = configuration_own_ls(configuration, self);
}
