/* SPDX-License-Identifier: MIT */
/*
 * What lwIP is linked with, for tests of TCP without a transport server around it: none of it is
 * called.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/base.h"

#include "lwip/dhcp.h"
#include "lwip/dns.h"
#include "lwip/pbuf.h"
#include "lwip/timeouts.h"

#include "hooks.h"

void transport_tcp_input(struct pbuf *packet, struct netif *netif)
{
    (void)packet, (void)netif;
    fail();
}

void transport_udp_input(struct pbuf *packet, struct netif *netif)
{
    transport_tcp_input(packet, netif);
}

void transport_icmp_input(struct pbuf *packet, struct netif *netif)
{
    transport_tcp_input(packet, netif);
}

void dhcp_set_ntp_servers(u8_t count, const ip4_addr_t *servers)
{
    (void)count, (void)servers;
    fail();
}

bool transport_has_address(uint32_t address)
{
    (void)address;
    fail();
    return false;
}

void dns_setserver(u8_t number, const ip_addr_t *server)
{
    (void)number, (void)server;
    fail();
}

void dns_init(void)
{
    fail();
}

void sys_timeouts_init(void)
{
    fail();
}

void transport_igmp_input(struct pbuf *packet, struct netif *netif, const ip4_addr_t *destination)
{
    (void)destination;
    transport_tcp_input(packet, netif);
}
