/* SPDX-License-Identifier: MIT */
/*
 * lwIP's interface. A packet's next hop is looked up in our own cache of neighbours, since only
 * the speaker (net/configuration.h) speaks ARP.
 */
#include "net/transport/lwip/interface.h"

#include <string.h>

#include "drivers/nic/frame.h"
#include "kernel/message/send.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "net/configuration.h"
#include "net/counters.h"
#include "net/messages.h"
#include "net/transport/card.h"
#include "net/transport/lwip/output.h"
#include "net/transport/neighbor.h"

#include "hooks.h"
#include "lwip/etharp.h"
#include "lwip/init.h"
#include "lwip/ip.h"
#include "lwip/prot/tcp.h"
#include "lwip/timeouts.h"

_Static_assert(FRAME_MAX_BYTES == SIZEOF_ETH_HDR + INTERFACE_MTU, "what the wire takes");
_Static_assert(TCP_MSS == INTERFACE_MTU - IP_HLEN - TCP_HLEN, "lwIP takes its own word for it");

static struct netif interface;
static node_id_t self;
static bool has_mac;

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
    return output_frame(packet);
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

bool interface_has_way(uint32_t address)
{
    ip4_addr_t destination = {.addr = address};
    uint8_t group[6];

    return (ip4_addr_netcmp(&destination, netif_ip4_addr(&interface),
                            netif_ip4_netmask(&interface)) ||
            !ip4_addr_isany(netif_ip4_gw(&interface))) &&
           (uint8_t)address < 240 && !put_group_mac(&destination, group);
}

uint32_t interface_next_hop(uint32_t address)
{
    ip4_addr_t destination = {.addr = address};

    if (!ip4_addr_netcmp(&destination, netif_ip4_addr(&interface), netif_ip4_netmask(&interface)) &&
        !ip4_addr_isany(netif_ip4_gw(&interface))) {
        return netif_ip4_gw(&interface)->addr;
    }
    return address;
}

void interface_send_later(uint32_t next_hop, const uint8_t *packet, uint16_t length_bytes)
{
    struct pbuf *copy = pbuf_alloc(PBUF_LINK, length_bytes, PBUF_RAM);

    if (copy == NULL) {
        counter_increment(COUNTER_DROP_NO_MEMORY);
        return;
    }
    memcpy(copy->payload, packet, length_bytes);
    neighbor_wait(next_hop, copy);
}

/* lwIP's output: an IP packet and where it shall go. */
static err_t output_packet(struct netif *netif, struct pbuf *packet, const ip4_addr_t *destination)
{
    struct ip_hdr *ip = packet->payload;
    uint32_t next_hop = interface_next_hop(destination->addr);
    const uint8_t *mac;
    uint8_t group[6];

    (void)netif;
    if (IPH_PROTO(ip) == IP_PROTO_TCP) {
        IPH_OFFSET_SET(ip, PP_HTONS(IP_DF)); /* segments fit the MTU; ids need not be unique then */
    }
    if (put_group_mac(destination, group)) {
        return output_to(packet, group);
    }
    mac = neighbor_find(next_hop);
    if (mac != NULL) {
        return output_to(packet, mac);
    }
    pbuf_ref(packet);
    neighbor_wait(next_hop, packet);
    return ERR_OK;
}

/* lwIP's linkoutput: a whole frame. */
static err_t output_made_frame(struct netif *netif, struct pbuf *packet)
{
    (void)netif;
    return output_frame(packet);
}

/* --- Set-up --- */

static err_t initialise_netif(struct netif *netif)
{
    netif->name[0] = 't';
    netif->name[1] = 's';
    netif->mtu = INTERFACE_MTU;
    netif->hwaddr_len = sizeof(netif->hwaddr);
    netif->output = output_packet;
    netif->linkoutput = output_made_frame;
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHERNET;
    interface_set_verified(false, false);
    return ERR_OK;
}

/* lwIP's own time-outs are not used (LWIP_TIMERS_CUSTOM; net/transport/address.c calls what needs
 * its turn), but it starts them. */
void sys_timeouts_init(void)
{
}

void interface_initialise(const struct configuration *configuration)
{
    const struct neighbor_functions functions = {send_waiting, drop_waiting, resolve};

    ASSERT(configuration->ts_count > 0);
    self = platform_node();
    card_initialise(configuration);
    output_initialise();
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

const uint8_t *interface_mac(void)
{
    return interface.hwaddr;
}

void interface_set_nic(const uint8_t mac[6], struct node_set queues, bool can_segment_tcp)
{
    card_set(queues, can_segment_tcp);
    memcpy(interface.hwaddr, mac, sizeof(interface.hwaddr));
    neighbor_set_own(mac);
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
