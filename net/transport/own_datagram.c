/* SPDX-License-Identifier: MIT */
/*
 * By a PCB of lwIP's, which is made with the first datagram and kept. Nothing is given to lwIP that
 * would wait for a neighbour: of what waits there, a later packet pushes an earlier one out.
 */
#include "net/transport/own_datagram.h"

#include <errno.h>
#include <string.h>

#include "net/transport/lwip/interface.h"
#include "net/transport/neighbor.h"

#include "lwip/udp.h"

static struct udp_pcb *pcb;

static int find_way(uint32_t address)
{
    struct netif *netif = interface_netif();
    uint32_t next_hop;

    if (!interface_has_mac() || !netif_is_link_up(netif) || netif_ip4_addr(netif)->addr == 0) {
        return -ENETDOWN;
    }
    if (netif_ip4_addr(netif)->addr == address) {
        return 0;
    }
    if (!interface_has_way(address)) {
        return -ENETUNREACH;
    }
    next_hop = interface_next_hop(address);
    if (neighbor_find(next_hop) == NULL) {
        neighbor_ask(next_hop);
        return -EHOSTUNREACH;
    }
    return 0;
}

int transport_send_own_datagram(uint32_t address, uint16_t port, const void *bytes, size_t count)
{
    const ip_addr_t destination = IPADDR4_INIT(address);
    struct pbuf *packet;
    int result = find_way(address);

    if (result != 0) {
        return result;
    }
    if (pcb == NULL) {
        pcb = udp_new();
    }
    packet = pcb != NULL ? pbuf_alloc(PBUF_TRANSPORT, (u16_t)count, PBUF_RAM) : NULL;
    if (packet == NULL) {
        return -ENOMEM;
    }
    memcpy(packet->payload, bytes, count);
    result = udp_sendto(pcb, packet, &destination, port) == ERR_MEM ? -ENOMEM : 0;
    pbuf_free(packet);
    return result;
}
