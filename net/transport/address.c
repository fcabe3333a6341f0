/* SPDX-License-Identifier: MIT */
/*
 * Addresses. On the first transport server lwIP's DHCP finds the address (or the command line
 * gives it) and lwIP's ARP finds neighbours; each change is sent to all other transport servers,
 * the address to the applications too. lwIP's periodic timers run there, once a second.
 */
#include "net/transport/address.h"

#include <errno.h>
#include <string.h>

#include "kernel/log.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "kernel/thread/timer.h"
#include "libc/core/address.h"
#include "libc/core/format.h"
#include "net/address.h"
#include "net/configuration.h"
#include "net/counters.h"
#include "net/headers.h"
#include "net/messages.h"
#include "net/status_text.h"
#include "net/transport/connection.h"
#include "net/transport/lwip/interface.h"
#include "net/transport/neighbor.h"
#include "net/transport/network_options.h"
#include "net/transport/table.h"

#include "libc/core/bytes.h"
#include "lwip/dhcp.h"
#include "lwip/etharp.h"
#include "lwip/ip4_frag.h"
#include "lwip/prot/dhcp.h"

/* lwIP's entries live for five minutes. Ask again before, so that packets need not wait then. */
#define NEIGHBOR_REFRESH_NS (240 * NS_PER_S)
#define NEIGHBOR_EXPIRY_NS  (300 * NS_PER_S)

#define HOUSEKEEPING_NS NS_PER_S
#define DHCP_FINE_NS    (DHCP_FINE_TIMER_MSECS * NS_PER_MS)

static const struct configuration *configuration;
static bool is_first;
static struct network_options options;
static struct address_set announced;
static struct timer housekeeping_timer, dhcp_timer;
static unsigned seconds;

/* --- The address --- */

/* 0..32; the mask's ones are together. */
static unsigned prefix_length(uint32_t netmask)
{
    return netmask == 0 ? 0 : 32 - (unsigned)__builtin_ctz(swap32(netmask));
}

static void show_address(const struct address_set *address)
{
    char own[ADDRESS_IPV4_TEXT_BYTES], gateway[ADDRESS_IPV4_TEXT_BYTES];
    char text[STATUS_TEXT_BYTES];

    address_print_ipv4(address->address, own);
    address_print_ipv4(address->gateway, gateway);
    log_info("ts", "address %s/%u gateway %s (%s)", own, prefix_length(address->netmask),
             address->gateway == 0 ? "none" : gateway, options.is_dhcp ? "dhcp" : "static");
    (void)format_text(text, sizeof(text), "%s/%u", own, prefix_length(address->netmask));
    status_set_text(STATUS_TEXT_ADDRESS, text);
    status_set_text(STATUS_TEXT_GATEWAY, address->gateway == 0 ? "none" : gateway);
}

static void announce(const struct address_set *address)
{
    ASSERT(is_first && address->header.type == ADDRESS_SET);
    for (unsigned node = 0; node < configuration->node_count; node++) {
        if ((configuration->roles[node] & (ROLE_TS | ROLE_APPLICATION)) != 0) {
            message_post((node_id_t)node, &address->header);
        }
    }
}

/* lwIP's interface on the first transport server has changed. */
static void publish_address(struct netif *netif)
{
    struct address_set address = {
        .header = {.type = ADDRESS_SET, .length_bytes = sizeof(address)},
        .address = netif_ip4_addr(netif)->addr,
        .netmask = netif_ip4_netmask(netif)->addr,
        .gateway = netif_ip4_gw(netif)->addr,
    };

    if (memcmp(&address, &announced, sizeof(address)) == 0) {
        return;
    }
    announced = address;
    if (address.address != 0) {
        show_address(&address);
    } else {
        log_warning("ts", "the address is lost");
        status_set_text(STATUS_TEXT_ADDRESS, "");
        status_set_text(STATUS_TEXT_GATEWAY, "");
    }
    announce(&address);
    if (address.gateway != 0 && neighbor_find(address.gateway) == NULL) {
        ip4_addr_t gateway = {.addr = address.gateway};

        (void)etharp_query(netif, &gateway, NULL); /* so that the first answer need not wait */
    }
}

/* Connections of an address that is no longer ours cannot go on. */
static void abort_connections(uint32_t old_address)
{
    for (uint32_t i = 0; i < connection_table_size(); i++) {
        struct connection *connection = connection_at(i);

        if (connection != NULL && connection->pcb != NULL &&
            connection->flow.local_address == old_address) {
            connection_abort(connection, ENETDOWN);
        }
    }
}

static void take_address(const struct address_set *address)
{
    struct netif *netif = interface_netif();
    uint32_t old_address = netif_ip4_addr(netif)->addr;
    ip4_addr_t own = {.addr = address->address};
    ip4_addr_t netmask = {.addr = address->netmask};
    ip4_addr_t gateway = {.addr = address->gateway};

    if (is_first) {
        return; /* it came from here */
    }
    if (old_address != 0 && old_address != address->address) {
        abort_connections(old_address);
    }
    netif_set_addr(netif, &own, &netmask, &gateway);
}

/* --- The interface comes up --- */

static void start_dhcp_timer(void)
{
    if (timer_start(&dhcp_timer, platform_now_ns() + DHCP_FINE_NS) != 0) {
        PANIC("no memory for the timer of DHCP");
    }
}

static void start_addressing(void)
{
    struct netif *netif = interface_netif();
    ip4_addr_t address = {.addr = options.address};
    ip4_addr_t netmask = {.addr = options.netmask};
    ip4_addr_t gateway = {.addr = options.gateway};

    ASSERT(is_first && !timer_is_set(&housekeeping_timer));
    netif_set_status_callback(netif, publish_address);
    if (timer_start(&housekeeping_timer, platform_now_ns() + HOUSEKEEPING_NS) != 0) {
        PANIC("no memory for the transport server's timers");
    }
    if (options.is_dhcp) {
        log_info("ts", "asking for an address (dhcp)");
        if (dhcp_start(netif) != ERR_OK) {
            log_error("ts", "DHCP does not start");
        }
        start_dhcp_timer();
        return;
    }
    netif_set_addr(netif, &address, &netmask, &gateway);
}

static void handle_nic_ready(node_id_t from, const struct message *message)
{
    const struct nic_ready *ready = (const struct nic_ready *)message;
    struct netif *netif = interface_netif();
    bool is_new = !interface_has_mac();

    (void)from;
    if (ready->queue_count == 0 || ready->queue_count > configuration->ls_count) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        return;
    }
    if (is_new) {
        interface_set_nic(ready->mac, ready->queue_count, ready->can_segment_tcp != 0);
    }
    if (ready->is_link_up != 0) {
        netif_set_link_up(netif); /* DHCP asks again, and our address is made known */
    } else {
        netif_set_link_down(netif);
    }
    if (is_new && is_first) {
        start_addressing();
    }
}

/* --- Neighbours --- */

static void tell_neighbor(uint32_t address, const uint8_t mac[6], bool is_valid)
{
    struct neighbor_set message = {
        .header = {.type = NEIGHBOR_SET, .length_bytes = sizeof(message)},
        .address = address,
        .is_valid = is_valid,
    };

    ASSERT(is_first); /* the others are told */
    memcpy(message.mac, mac, sizeof(message.mac));
    for (unsigned i = 1; i < configuration->ts_count; i++) {
        message_post(configuration->ts[i], &message.header);
    }
}

void transport_address_receive_arp(struct pbuf *packet)
{
    const struct etharp_hdr *arp;
    const ip4_addr_t *found_address;
    struct eth_addr *found_mac;
    ip4_addr_t sender;

    ASSERT_SLOW(is_first);
    /* lwIP does not look how long it is. */
    if (packet->len < SIZEOF_ETH_HDR + SIZEOF_ETHARP_HDR) {
        counter_increment(COUNTER_DROP_TRUNCATED);
        pbuf_free(packet);
        return;
    }
    (void)pbuf_remove_header(packet, SIZEOF_ETH_HDR); /* the length was checked */
    arp = packet->payload;
    IPADDR_WORDALIGNED_COPY_TO_IP4_ADDR_T(&sender, &arp->sipaddr);
    etharp_input(packet, interface_netif());

    /* lwIP has no hook here: whether it has learned the sender shows in its table. */
    if (etharp_find_addr(interface_netif(), &sender, &found_mac, &found_address) >= 0 &&
        neighbor_set(sender.addr, found_mac->addr)) {
        tell_neighbor(sender.addr, found_mac->addr, true);
    }
}

static void handle_neighbor_request(node_id_t from, const struct message *message)
{
    const struct neighbor_request *request = (const struct neighbor_request *)message;
    const uint8_t *mac = neighbor_find(request->address);
    ip4_addr_t address = {.addr = request->address};
    struct neighbor_set answer = {
        .header = {.type = NEIGHBOR_SET, .length_bytes = sizeof(answer)},
        .address = request->address,
        .is_valid = 1,
    };

    if (mac == NULL) {
        (void)etharp_query(interface_netif(), &address, NULL); /* the answer goes to all */
        return;
    }
    memcpy(answer.mac, mac, sizeof(answer.mac));
    message_post(from, &answer.header);
}

static void handle_neighbor_set(node_id_t from, const struct message *message)
{
    const struct neighbor_set *set = (const struct neighbor_set *)message;

    (void)from;
    if (set->is_valid != 0) {
        (void)neighbor_set(set->address, set->mac); /* news or not */
    } else {
        neighbor_forget(set->address);
    }
}

static void refresh_neighbor(uint32_t address, const uint8_t mac[6], uint64_t confirmed_ns)
{
    uint64_t age_ns = dispatch_now_ns() - confirmed_ns;
    ip4_addr_t neighbor = {.addr = address};

    ASSERT(confirmed_ns <= dispatch_now_ns());
    if (age_ns >= NEIGHBOR_EXPIRY_NS) {
        tell_neighbor(address, mac, false);
        neighbor_forget(address);
    } else if (age_ns >= NEIGHBOR_REFRESH_NS) {
        (void)etharp_request(interface_netif(), &neighbor); /* again in a second if it is lost */
    }
}

/* --- Periodic work of the first transport server --- */

static bool is_dhcp_asking(void)
{
    const struct dhcp *dhcp = netif_dhcp_data(interface_netif());

    return dhcp != NULL && dhcp->state != DHCP_STATE_OFF && dhcp->state != DHCP_STATE_BOUND;
}

/* Runs while DHCP waits for answers. When it asks again, because the lease nears its end or the
 * link was down, keep_house() starts it again. */
static void run_dhcp(struct timer *timer)
{
    (void)timer;
    dhcp_fine_tmr();
    if (is_dhcp_asking()) {
        start_dhcp_timer();
    }
}

static void keep_house(struct timer *timer)
{
    ASSERT(is_first);
    seconds++;
    etharp_tmr();
    ip_reass_tmr();
    if (seconds % DHCP_COARSE_TIMER_SECS == 0) {
        dhcp_coarse_tmr();
    }
    neighbor_visit(refresh_neighbor);
    if (is_dhcp_asking() && !timer_is_set(&dhcp_timer)) {
        start_dhcp_timer();
    }
    if (timer_start(timer, dispatch_now_ns() + HOUSEKEEPING_NS) != 0) {
        PANIC("no memory for the transport server's timers");
    }
}

void transport_address_initialise(const struct configuration *new_configuration)
{
    char reason[192];

    ASSERT(new_configuration->ts_count > 0);
    configuration = new_configuration;
    is_first = configuration->ts[0] == platform_node();
    timer_initialise(&housekeeping_timer, keep_house);
    timer_initialise(&dhcp_timer, run_dhcp);
    if (network_options_parse(&options, platform_command_line(), reason, sizeof(reason)) != 0 &&
        is_first) {
        log_warning("ts", "%s; using dhcp", reason);
    }
    address_observe(take_address);
    dispatch_register_message(NIC_READY, sizeof(struct nic_ready), handle_nic_ready);
    dispatch_register_message(NEIGHBOR_SET, sizeof(struct neighbor_set), handle_neighbor_set);
    if (is_first) {
        dispatch_register_message(NEIGHBOR_REQUEST, sizeof(struct neighbor_request),
                                  handle_neighbor_request);
    }
}
