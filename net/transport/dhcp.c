/* SPDX-License-Identifier: MIT */
/*
 * lwIP's DHCP client, its clocks, and the copy of its lease on every other transport server.
 *
 * lwIP counts the lease in ticks, which patches/0007-dhcp-seconds.patch makes seconds: a lease of
 * half a minute is renewed in time. It has no event for a renewal, so its state is looked at each
 * second.
 */
#include "net/transport/dhcp.h"

#include <string.h>

#include "kernel/log.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/send.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/timer.h"
#include "net/configuration.h"
#include "net/handlers.h"
#include "net/messages.h"
#include "net/transport/dns/resolver.h"
#include "net/transport/lwip/interface.h"
#include "net/transport/sntp.h"

#include "lwip/dhcp.h"
#include "lwip/dns.h"
#include "lwip/netif.h"
#include "lwip/prot/dhcp.h"

#define DHCP_FINE_NS (DHCP_FINE_TIMER_MSECS * NS_PER_MS)

/* Seconds are made up for one by one when the machine has stood still: a week of them takes
 * milliseconds, and hardly a lease is longer. */
#define CATCH_UP_MAX_S (7 * 24 * 3600u)

_Static_assert(DHCP_COARSE_TIMER_SECS == 1, "lwIP counts seconds");

static struct timer fine_timer;

/* The lease, as its speaker told it. */
static struct {
    struct dhcp_lease message;
    uint64_t received_ns;
    bool is_known;
} heard;

static uint32_t ntp_server; /* as the lease names it; 0: none */
static uint32_t name_servers[NAME_SERVER_MAX];

/* What the others have been told of our own. */
static struct {
    bool is_told;
    uint32_t age_s;
} told;

static struct dhcp *client(void)
{
    return netif_dhcp_data(interface_netif());
}

/* lwIP has a lease, with or without a server of this kind; those for names come next, one by one.
 */
void dhcp_set_ntp_servers(u8_t count, const ip4_addr_t *servers)
{
    memset(name_servers, 0, sizeof(name_servers));
    ntp_server = count > 0 ? servers[0].addr : 0;
    transport_sntp_offer(ntp_server);
}

/* lwIP's dns.c would have this (LWIP_DNS in lwipopts.h). */
void dns_setserver(u8_t number, const ip_addr_t *server)
{
    ASSERT(number < NAME_SERVER_MAX);
    name_servers[number] = ip_2_ip4(server)->addr;
}

void dns_init(void)
{
}

/* --- To the other transport servers --- */

static void post_lease(node_id_t ts, const struct dhcp *dhcp)
{
    struct dhcp_lease *message = message_reserve_posted(ts, DHCP_LEASE, sizeof(*message));

    message->address = dhcp->offered_ip_addr.addr;
    message->netmask = netif_ip4_netmask(interface_netif())->addr;
    message->gateway = dhcp->offered_gw_addr.addr;
    message->server = ip_2_ip4(&dhcp->server_ip_addr)->addr;
    message->ntp_server = ntp_server;
    message->lease_s = dhcp->offered_t0_lease;
    message->renew_s = dhcp->offered_t1_renew;
    message->rebind_s = dhcp->offered_t2_rebind;
    message->age_s = dhcp->lease_used;
    memcpy(message->name_servers, name_servers, sizeof(name_servers));
    message_publish();
}

static void tell_others(const struct dhcp *dhcp)
{
    const struct configuration *configuration = configuration_current();

    for (unsigned i = 0; i < configuration->ts_count; i++) {
        if (configuration->ts[i] != platform_node()) {
            post_lease(configuration->ts[i], dhcp);
        }
    }
}

void transport_dhcp_tell(void)
{
    const struct dhcp *dhcp = client();

    if (dhcp == NULL || dhcp->state != DHCP_STATE_BOUND) {
        told.is_told = false;
        return;
    }
    if (!told.is_told || dhcp->lease_used < told.age_s) {
        told.is_told = true;
        tell_others(dhcp);
    }
    told.age_s = dhcp->lease_used;
}

void transport_dhcp_greet_node(node_id_t ts)
{
    const struct dhcp *dhcp = client();

    if (dhcp != NULL && dhcp->state == DHCP_STATE_BOUND) {
        post_lease(ts, dhcp);
    }
}

static void handle_dhcp_lease(node_id_t from, const struct message *message)
{
    const struct dhcp_lease *lease = (const struct dhcp_lease *)message;

    if (!configuration_may_speak(from) || lease->address == 0 || lease->age_s > lease->lease_s) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        return;
    }
    heard.message = *lease;
    heard.received_ns = dispatch_now_ns();
    heard.is_known = true;
}

/* --- Clocks --- */

/* Some seconds after the lease at most: until then questions wait for its servers. */
static void tell_name_servers(void)
{
    const struct dhcp *dhcp = client();

    dns_resolver_set_servers(name_servers);
    dns_resolver_expect_servers(dhcp->state != DHCP_STATE_BOUND);
}

static bool is_asking(void)
{
    const struct dhcp *dhcp = client();

    return dhcp != NULL && dhcp->state != DHCP_STATE_OFF && dhcp->state != DHCP_STATE_BOUND;
}

static void start_fine_timer(void)
{
    if (timer_start(&fine_timer, platform_now_ns() + DHCP_FINE_NS) != 0) {
        PANIC("no memory for the timer of DHCP");
    }
}

/* Runs while DHCP waits for answers. When it asks again, because the lease nears its end or the
 * link was down, transport_dhcp_pass() starts it again. */
static void run_fine_timer(struct timer *timer)
{
    (void)timer;
    dhcp_fine_tmr();
    if (is_asking()) {
        start_fine_timer();
    }
}

void transport_dhcp_pass(uint64_t seconds)
{
    if (client() == NULL) {
        return; /* the address is from the command line */
    }
    if (seconds > CATCH_UP_MAX_S) {
        seconds = CATCH_UP_MAX_S;
    }
    transport_dhcp_tell();
    tell_name_servers();
    for (; seconds != 0; seconds--) {
        dhcp_coarse_tmr();
    }
    if (is_asking() && !timer_is_set(&fine_timer)) {
        start_fine_timer();
    }
}

/* --- Start --- */

static uint32_t left_of(uint32_t seconds, uint64_t age_s)
{
    return seconds > age_s ? seconds - (uint32_t)age_s : 1;
}

/* As lwIP would be, had it got this lease itself. */
static void resume(struct dhcp *dhcp, const struct dhcp_lease *lease, uint64_t age_s)
{
    dhcp->state = DHCP_STATE_BOUND;
    dhcp->offered_ip_addr.addr = lease->address;
    dhcp->offered_sn_mask.addr = lease->netmask;
    dhcp->offered_gw_addr.addr = lease->gateway;
    dhcp->subnet_mask_given = 1;
    ip_addr_set_ip4_u32(&dhcp->server_ip_addr, lease->server);
    dhcp->offered_t0_lease = lease->lease_s;
    dhcp->offered_t1_renew = lease->renew_s;
    dhcp->offered_t2_rebind = lease->rebind_s;
    if (lease->lease_s == UINT32_MAX) {
        return; /* for ever (RFC 2131 3.3) */
    }
    dhcp->t0_timeout = lease->lease_s;
    dhcp->t1_timeout = lease->renew_s;
    dhcp->t2_timeout = lease->rebind_s;
    dhcp->t1_renew_time = left_of(lease->renew_s, age_s);
    dhcp->t2_rebind_time = left_of(lease->rebind_s, age_s);
    dhcp->lease_used = (uint32_t)age_s;
}

/* lwIP's client, which asks for nothing yet: it waits for a link. */
static err_t start_silently(struct netif *netif)
{
    u8_t link = netif->flags & NETIF_FLAG_LINK_UP;
    err_t error;

    netif->flags &= (u8_t)~NETIF_FLAG_LINK_UP;
    error = dhcp_start(netif);
    netif->flags |= link;
    return error;
}

void transport_dhcp_start(void)
{
    struct netif *netif = interface_netif();
    uint64_t age_s = heard.message.age_s + (dispatch_now_ns() - heard.received_ns) / NS_PER_S;
    bool is_held = heard.is_known && heard.message.address == netif_ip4_addr(netif)->addr &&
                   age_s < heard.message.lease_s;

    if (is_held) {
        log_info("ts", "going on with the address's lease");
    } else {
        log_info("ts", "asking for an address (dhcp)");
    }
    if ((is_held ? start_silently(netif) : dhcp_start(netif)) != ERR_OK) {
        log_error("ts", "DHCP does not start");
        return;
    }
    if (is_held) {
        resume(client(), &heard.message, age_s);
        ntp_server = heard.message.ntp_server;
        transport_sntp_offer(ntp_server);
        memcpy(name_servers, heard.message.name_servers, sizeof(name_servers));
    }
    tell_name_servers();
    if (is_asking()) {
        start_fine_timer();
    }
}

void transport_dhcp_initialise(void)
{
    timer_initialise(&fine_timer, run_fine_timer);
    net_register_message(DHCP_LEASE, handle_dhcp_lease);
}
