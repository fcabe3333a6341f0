/* SPDX-License-Identifier: MIT */
/*
 * lwIP's interface. A packet's next hop is looked up in our own cache of neighbours, since only
 * the speaker (net/configuration.h) speaks ARP. The NIC computes the checksums: the pseudo-header's
 * sum is put in their place here. Data is sent from where it lies; the reference on a packet's
 * first pbuf, given back when the NIC has read it, keeps TCP from touching or freeing it before.
 */
#include "net/transport/lwip/interface.h"

#include <errno.h>
#include <string.h>

#include "drivers/nic/frame.h"
#include "kernel/message/send.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "net/configuration.h"
#include "net/counters.h"
#include "net/link/server.h"
#include "net/messages.h"
#include "net/transport/neighbor.h"

#include "hooks.h"
#include "libc/core/bytes.h"
#include "lwip/etharp.h"
#include "lwip/init.h"
#include "lwip/ip.h"
#include "lwip/prot/tcp.h"
#include "lwip/prot/udp.h"

/* Frames that wait for room in the transmit ring; power of two. A whole send window's. */
#define QUEUE_FRAMES 256u

/* Long segments: with its headers one must be shorter than 64 KiB. A frame for a link server on
 * another node travels in a message, and so stays as short as the wire has it. */
#define SEGMENT_MAX_BYTES 65000u

_Static_assert(IS_POWER_OF_TWO(QUEUE_FRAMES), "positions are masked");
_Static_assert(FRAME_MAX_BYTES == SIZEOF_ETH_HDR + INTERFACE_MTU, "what the wire takes");
_Static_assert(TCP_MSS == INTERFACE_MTU - IP_HLEN - TCP_HLEN, "lwIP takes its own word for it");

static struct netif interface;
static node_id_t self, link_server;
static bool has_mac;
static struct node_set queues; /* NIC_READY's: numbers of LSs that have one */

u16_t transport_segment_max;

static struct pbuf *queue[QUEUE_FRAMES];
static uint32_t queue_head, queue_tail; /* free-running */

/* --- Frames to the link server --- */

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

/* The pseudo-header's sum (RFC 9293 3.1), not complemented: the NIC adds the rest. Where it cuts
 * segments it adds their lengths, too. */
static void put_pseudo_sum(const struct pbuf *packet, struct offload offload)
{
    uint8_t *ip_bytes = (uint8_t *)packet->payload + SIZEOF_ETH_HDR;
    const struct ip_hdr *ip = (const struct ip_hdr *)ip_bytes;
    uint32_t length = 0;
    uint64_t sum;
    uint16_t folded;

    if ((offload.flags & FRAME_SEGMENT_TCP) == 0) {
        length = (uint32_t)packet->tot_len - SIZEOF_ETH_HDR - IP_HLEN;
    }
    ASSERT_SLOW(packet->len >= SIZEOF_ETH_HDR + IP_HLEN + offload.l4_checksum_offset + 2u);
    sum = (uint64_t)ip->src.addr + ip->dest.addr + swap16((uint16_t)(length + IPH_PROTO(ip)));
    sum = (sum & 0xFFFFFFFF) + (sum >> 32);
    sum = (sum & 0xFFFF) + (sum >> 16 & 0xFFFF) + (sum >> 32);
    sum = (sum & 0xFFFF) + (sum >> 16);
    sum = (sum & 0xFFFF) + (sum >> 16);
    folded = (uint16_t)sum;
    __builtin_memcpy(ip_bytes + IP_HLEN + offload.l4_checksum_offset, &folded, sizeof(folded));
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

static int transmit_by_message(struct pbuf *packet, uint16_t offload)
{
    struct transmit_frame *message;

    if (packet->tot_len > FRAME_MAX_BYTES) {
        return -EMSGSIZE; /* made while our own link server was to send it */
    }
    message =
        message_reserve_payload(link_server, TRANSMIT_FRAME, sizeof(*message), packet->tot_len);
    if (message == NULL) {
        return message_refusal(link_server);
    }
    message->offload = offload;
    message->ip_header_offset = SIZEOF_ETH_HDR;
    message->ip_header_bytes = IP_HLEN;
    (void)pbuf_copy_partial(packet, message + 1, packet->tot_len, 0);
    message_publish();
    release_sent(packet);
    return 0;
}

static int transmit(struct pbuf *packet, uint16_t offload)
{
    return link_server == self ? transmit_here(packet, offload)
                               : transmit_by_message(packet, offload);
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

unsigned interface_send_queued(void)
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

/* lwIP's linkoutput: a whole frame. What cannot be sent is lost, as on any wire. */
static err_t output_frame(struct netif *netif, struct pbuf *packet)
{
    struct offload offload;

    (void)netif;
    packet = gather(packet);
    if (packet == NULL) {
        counter_increment(COUNTER_DROP_NO_MEMORY);
        return ERR_MEM;
    }
    offload = offload_of(packet);
    if (offload.l4_checksum_offset != 0) {
        put_pseudo_sum(packet, offload);
    }
    transmit_or_queue(packet, offload.flags);
    return ERR_OK;
}

/* --- IP packets to neighbours --- */

static err_t output_to(struct pbuf *packet, const uint8_t mac[6])
{
    struct eth_hdr *ethernet;

    if (pbuf_add_header(packet, SIZEOF_ETH_HDR) != 0) {
        return ERR_BUF;
    }
    ethernet = packet->payload;
    __builtin_memcpy(&ethernet->dest, mac, sizeof(ethernet->dest));
    __builtin_memcpy(&ethernet->src, interface.hwaddr, sizeof(ethernet->src));
    ethernet->type = PP_HTONS(ETHTYPE_IP);
    return output_frame(&interface, packet);
}

static void send_waiting(void *packet, const uint8_t mac[6])
{
    (void)output_to(packet, mac); /* lost, as on the wire */
    pbuf_free(packet);
}

static void drop_waiting(void *packet, enum neighbor_loss loss)
{
    counter_increment(loss == NEIGHBOR_CROWDED_OUT ? COUNTER_DROP_BACKLOG_FULL
                                                   : COUNTER_DROP_NO_NEIGHBOR);
    pbuf_free(packet);
}

/* The speaker asks the network, the others ask it. */
static void resolve(uint32_t address)
{
    node_id_t speaker = configuration_current()->speaker;

    if (speaker == self) {
        ip4_addr_t neighbor = {.addr = address};

        (void)etharp_query(&interface, &neighbor, NULL); /* asked again with the next packet */
    } else {
        struct neighbor_request *message =
            message_reserve_posted(speaker, NEIGHBOR_REQUEST, sizeof(*message));

        message->address = address;
        message_publish();
    }
}

/* The Ethernet address of a packet for everybody, or for a group (RFC 1112 6.4). Returns whether it
 * is one. */
static bool put_group_mac(const ip4_addr_t *destination, uint8_t mac[6])
{
    if (ip4_addr_isbroadcast(destination, &interface)) {
        memset(mac, 0xFF, 6);
        return true;
    }
    if (ip4_addr_ismulticast(destination)) {
        mac[0] = 0x01;
        mac[1] = 0x00;
        mac[2] = 0x5E;
        mac[3] = ip4_addr2(destination) & 0x7F;
        mac[4] = ip4_addr3(destination);
        mac[5] = ip4_addr4(destination);
        return true;
    }
    return false;
}

/* lwIP's output: an IP packet and where it shall go. */
static err_t output_packet(struct netif *netif, struct pbuf *packet, const ip4_addr_t *destination)
{
    struct ip_hdr *ip = packet->payload;
    uint32_t next_hop = destination->addr;
    const uint8_t *mac;
    uint8_t group[6];

    if (!ip4_addr_netcmp(destination, netif_ip4_addr(netif), netif_ip4_netmask(netif)) &&
        !ip4_addr_isany(netif_ip4_gw(netif))) {
        next_hop = netif_ip4_gw(netif)->addr;
    }
    if (IPH_PROTO(ip) == IP_PROTO_TCP) {
        IPH_OFFSET_SET(ip, PP_HTONS(IP_DF)); /* segments fit the MTU; ids need not be unique then */
    }
    mac = neighbor_find(next_hop);
    if (mac != NULL) {
        return output_to(packet, mac);
    }
    if (put_group_mac(destination, group)) {
        return output_to(packet, group);
    }
    pbuf_ref(packet);
    neighbor_wait(next_hop, packet);
    return ERR_OK;
}

/* --- Set-up --- */

static err_t initialise_netif(struct netif *netif)
{
    netif->name[0] = 't';
    netif->name[1] = 's';
    netif->mtu = INTERFACE_MTU;
    netif->hwaddr_len = sizeof(netif->hwaddr);
    netif->output = output_packet;
    netif->linkoutput = output_frame;
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHERNET;
    interface_set_verified(false, false);
    return ERR_OK;
}

void interface_initialise(const struct configuration *configuration)
{
    const struct neighbor_functions functions = {send_waiting, drop_waiting, resolve};

    ASSERT(configuration->ts_count > 0);
    self = platform_node();
    link_server = configuration_own_ls(configuration, self);
    neighbor_initialise(&functions);
    lwip_init();
    if (netif_add_noaddr(&interface, NULL, initialise_netif, ip4_input) == NULL) {
        PANIC("lwIP refuses the interface");
    }
    netif_set_default(&interface);
}

struct netif *interface_netif(void)
{
    return &interface;
}

bool interface_has_mac(void)
{
    return has_mac;
}

/* The node's own link server if it has a queue, else one of those that have and live. */
void interface_choose_link_server(void)
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

void interface_set_nic(const uint8_t mac[6], struct node_set new_queues, bool can_segment_tcp)
{
    queues = new_queues;
    interface_choose_link_server();
    transport_segment_max = link_server == self && can_segment_tcp ? SEGMENT_MAX_BYTES : 0;
    memcpy(interface.hwaddr, mac, sizeof(interface.hwaddr));
    has_mac = true;
    netif_set_up(&interface);
}

void interface_start_speaking(void)
{
    interface.flags |= NETIF_FLAG_ETHARP;
}

void interface_set_verified(bool is_ip_verified, bool is_l4_verified)
{
    /* Software makes and checks those of ICMP; the NIC makes those of IP, TCP and UDP. */
    uint16_t flags = NETIF_CHECKSUM_GEN_ICMP | NETIF_CHECKSUM_CHECK_ICMP;

    if (!is_ip_verified) {
        flags |= NETIF_CHECKSUM_CHECK_IP;
    }
    if (!is_l4_verified) {
        flags |= NETIF_CHECKSUM_CHECK_TCP | NETIF_CHECKSUM_CHECK_UDP;
    }
    interface.chksum_flags = flags;
}

bool interface_has_loopback(void)
{
    return interface.loop_first != NULL;
}

unsigned interface_poll_loopback(void)
{
    if (!interface_has_loopback()) {
        return 0;
    }
    interface_set_verified(true, true);
    netif_poll(&interface);
    return 1;
}
