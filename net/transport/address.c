/* SPDX-License-Identifier: MIT */
/*
 * Addresses. On the speaker, the first living transport server, lwIP's DHCP finds the address (or
 * the command line gives it) and lwIP's ARP finds neighbours; each change is sent to all other
 * transport servers, the address to the applications too. lwIP's periodic timers run there, once a
 * second. When the speaker dies the next one goes on with what it has been told.
 */
#include "net/transport/address.h"

#include <errno.h>
#include <string.h>

#include "kernel/log.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/send.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/address.h"
#include "libc/core/format.h"
#include "libc/core/timer.h"
#include "net/address.h"
#include "net/configuration.h"
#include "net/counters.h"
#include "net/handlers.h"
#include "net/headers.h"
#include "net/messages.h"
#include "net/status_text.h"
#include "net/transport/card.h"
#include "net/transport/connection.h"
#include "net/transport/dhcp.h"
#include "net/transport/dns/resolver.h"
#include "net/transport/groups.h"
#include "net/transport/lwip/interface.h"
#include "net/transport/neighbor.h"
#include "net/transport/network_options.h"
#include "net/transport/readiness.h"
#include "net/transport/sntp.h"
#include "net/transport/table.h"

#include "libc/core/bytes.h"
#include "lwip/etharp.h"
#include "lwip/ip4_frag.h"

/* lwIP's entries live for five minutes. Ask again before, so that packets need not wait then. */
#define NEIGHBOR_REFRESH_NS (240 * NS_PER_S)
#define NEIGHBOR_EXPIRY_NS  (300 * NS_PER_S)

static const struct configuration *configuration;
static bool is_speaker; /* configuration->speaker is this node, and it has begun */
static struct network_options options;
static struct address_set announced;
static struct timer housekeeping_timer;
static uint64_t kept_until_ns; /* whole seconds, for which the house was kept */

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

static void post_address(node_id_t node, const struct address_set *address)
{
    struct address_set *message = message_reserve_posted(node, ADDRESS_SET, sizeof(*message));

    message->address = address->address;
    message->netmask = address->netmask;
    message->gateway = address->gateway;
    message_publish();
}

static void announce(const struct address_set *address)
{
    ASSERT(is_speaker);
    for (unsigned node = 0; node < configuration->node_count; node++) {
        if ((configuration->roles[node] & (ROLE_TS | ROLE_APPLICATION)) != 0) {
            post_address((node_id_t)node, address);
        }
    }
}

/* Connections of an address that is no longer ours cannot go on, and nothing more is to be said
 * from there. */
static void end_one_of(struct connection *connection, void *old_address)
{
    if (connection_has_tcp(connection) &&
        connection->tcb.flow.local_address == *(const uint32_t *)old_address) {
        connection_end(connection, ENETDOWN);
    }
}

static struct address_set address_of(struct netif *netif)
{
    return (struct address_set){
        .address = netif_ip4_addr(netif)->addr,
        .netmask = netif_ip4_netmask(netif)->addr,
        .gateway = netif_ip4_gw(netif)->addr,
    };
}

static void ask_for_gateway(const struct address_set *address)
{
    if (address->gateway != 0 && neighbor_find(address->gateway) == NULL) {
        ip4_addr_t gateway = {.addr = address->gateway};

        /* So that the first answer need not wait. */
        (void)etharp_query(interface_netif(), &gateway, NULL);
    }
}

/* lwIP's interface on the speaker has changed, or may have: lwIP tells of another address only, not
 * of another netmask or gateway. */
static void publish_address(struct netif *netif)
{
    struct address_set address = address_of(netif);
    uint32_t old_address = announced.address;

    if (memcmp(&address, &announced, sizeof(address)) == 0) {
        return;
    }
    announced = address;
    if (old_address != 0 && old_address != address.address) {
        connection_for_each(end_one_of, &old_address);
    }
    if (address.address != 0) {
        show_address(&address);
    } else {
        log_warning("ts", "the address is lost");
        status_set_text(STATUS_TEXT_ADDRESS, "");
        status_set_text(STATUS_TEXT_GATEWAY, "");
    }
    announce(&address);
    transport_dhcp_tell();
    ask_for_gateway(&address);
}

static void take_address(const struct address_set *address)
{
    struct netif *netif = interface_netif();
    uint32_t old_address = netif_ip4_addr(netif)->addr;
    ip4_addr_t own = {.addr = address->address};
    ip4_addr_t netmask = {.addr = address->netmask};
    ip4_addr_t gateway = {.addr = address->gateway};

    if (is_speaker) {
        readiness_check();
        return; /* it came from here */
    }
    if (old_address != 0 && old_address != address->address) {
        connection_for_each(end_one_of, &old_address);
    }
    netif_set_addr(netif, &own, &netmask, &gateway);
    readiness_check();
}

/* --- The speaker begins: at the NIC's start, or after the death of the one before --- */

static void confirm_neighbor(uint32_t address, const uint8_t mac[6], uint64_t confirmed_ns,
                             void *context)
{
    (void)context;
    (void)confirmed_ns; /* of the news; the speaker before has seen it since, and told nobody */
    (void)neighbor_set(address, mac);
}

static void start_housekeeping(void)
{
    kept_until_ns = dispatch_now_ns();
    if (timer_start(&housekeeping_timer, kept_until_ns + NS_PER_S) != 0) {
        PANIC("no memory for the transport server's timers");
    }
}

static void start_speaking(void)
{
    struct netif *netif = interface_netif();
    ip4_addr_t address = {.addr = options.address};
    ip4_addr_t netmask = {.addr = options.netmask};
    ip4_addr_t gateway = {.addr = options.gateway};

    ASSERT(!is_speaker && interface_has_mac());
    is_speaker = true;
    interface_start_speaking();
    netif_set_status_callback(netif, publish_address);
    start_housekeeping();
    if (netif_ip4_addr(netif)->addr != 0) {
        /* It was another's. Some may not have been told of it any more. */
        log_info("ts", "speaking for the machine from now on");
        announced = address_of(netif);
        show_address(&announced);
        announce(&announced);
        neighbor_visit(confirm_neighbor, NULL);
        (void)etharp_gratuitous(netif); /* lost, as on any wire */
        ask_for_gateway(&announced);
    }
    groups_start_speaking();
    transport_sntp_start();
    if (options.is_dhcp) {
        transport_dhcp_start();
    } else {
        dns_resolver_set_servers(options.name_servers);
        netif_set_addr(netif, &address, &netmask, &gateway);
    }
}

static void speak_if_first(void)
{
    if (configuration->speaker == platform_node() && !is_speaker && interface_has_mac()) {
        start_speaking();
    }
}

void transport_address_lose_node(void)
{
    card_choose_link_server();
    speak_if_first();
}

/* One station's: not a group's, and not one that nobody has set. */
static bool is_station(const uint8_t mac[6])
{
    static const uint8_t nobody[6];

    return (mac[0] & 1) == 0 && memcmp(mac, nobody, sizeof(nobody)) != 0;
}

static void handle_nic_ready(node_id_t from, const struct message *message)
{
    const struct nic_ready *ready = (const struct nic_ready *)message;
    struct netif *netif = interface_netif();

    if (!configuration_may_drive_device(from) || !is_station(ready->mac) ||
        node_set_next(&ready->queues, configuration->ls_count) != NODE_SET_LIMIT) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        return;
    }
    interface_set_nic(ready->mac, ready->queues, ready->can_segment_tcp != 0);
    if (ready->is_link_up != 0) {
        netif_set_link_up(netif); /* DHCP asks again, and our address is made known */
    } else {
        netif_set_link_down(netif);
    }
    if (ready->is_announcement_wanted != 0 && is_speaker && netif_ip4_addr(netif)->addr != 0) {
        (void)etharp_gratuitous(netif); /* lost, as on any wire */
    }
    speak_if_first();
    readiness_check();
}

/* --- Neighbours --- */

static void post_neighbor(node_id_t ts, uint32_t address, const uint8_t mac[6], bool is_valid)
{
    struct neighbor_set *message = message_reserve_posted(ts, NEIGHBOR_SET, sizeof(*message));

    message->address = address;
    memcpy(message->mac, mac, sizeof(message->mac));
    message->is_valid = is_valid;
    message_publish();
}

static void tell_neighbor(uint32_t address, const uint8_t mac[6], bool is_valid)
{
    ASSERT(is_speaker); /* the others are told */
    for (unsigned i = 0; i < configuration->ts_count; i++) {
        if (configuration->ts[i] != platform_node()) {
            post_neighbor(configuration->ts[i], address, mac, is_valid);
        }
    }
}

static void greet_with_neighbor(uint32_t address, const uint8_t mac[6], uint64_t confirmed_ns,
                                void *node)
{
    (void)confirmed_ns;
    post_neighbor(*(const node_id_t *)node, address, mac, true);
}

void transport_address_greet_node(node_id_t node)
{
    if (!is_speaker) {
        return;
    }
    if (configuration_has_role(configuration, node, ROLE_TS)) {
        neighbor_visit(greet_with_neighbor, &node);
        transport_dhcp_greet_node(node);
    }
    if ((configuration->roles[node] & (ROLE_TS | ROLE_APPLICATION)) != 0) {
        post_address(node, &announced);
    }
    groups_greet_node(node);
}

bool transport_address_is_speaking(void)
{
    return is_speaker;
}

void transport_address_receive_arp(struct pbuf *packet)
{
    const struct etharp_hdr *arp;
    const ip4_addr_t *found_address;
    struct eth_addr *found_mac;
    ip4_addr_t sender;

    ASSERT(is_speaker);
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

    if (!configuration_may_speak(platform_node())) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        return;
    }
    if (mac == NULL) {
        (void)etharp_query(interface_netif(), &address, NULL); /* the answer goes to all */
        return;
    }
    post_neighbor(from, request->address, mac, true);
}

static void handle_neighbor_set(node_id_t from, const struct message *message)
{
    const struct neighbor_set *set = (const struct neighbor_set *)message;

    if (!configuration_may_speak(from)) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        return;
    }
    if (set->is_valid != 0) {
        (void)neighbor_set(set->address, set->mac); /* news or not */
    } else {
        neighbor_forget(set->address);
    }
}

static void refresh_neighbor(uint32_t address, const uint8_t mac[6], uint64_t confirmed_ns,
                             void *context)
{
    uint64_t age_ns = dispatch_now_ns() - confirmed_ns;
    ip4_addr_t neighbor = {.addr = address};

    (void)context;
    ASSERT(confirmed_ns <= dispatch_now_ns());
    if (age_ns >= NEIGHBOR_EXPIRY_NS) {
        tell_neighbor(address, mac, false);
        neighbor_forget(address);
    } else if (age_ns >= NEIGHBOR_REFRESH_NS) {
        (void)etharp_request(interface_netif(), &neighbor); /* again in a second if it is lost */
    }
}

/* --- Periodic work of the speaker --- */

static void keep_house(struct timer *timer)
{
    uint64_t seconds = (dispatch_now_ns() - kept_until_ns) / NS_PER_S;

    ASSERT(is_speaker);
    kept_until_ns += seconds * NS_PER_S;
    etharp_tmr();
    ip_reass_tmr();
    transport_dhcp_pass(seconds);
    publish_address(interface_netif());
    transport_sntp_pass(seconds);
    dns_resolver_pass();
    groups_pass();
    neighbor_visit(refresh_neighbor, NULL);
    if (timer_start(timer, kept_until_ns + NS_PER_S) != 0) {
        PANIC("no memory for the transport server's timers");
    }
}

void transport_address_initialise(const struct configuration *new_configuration)
{
    char reason[192];

    ASSERT(new_configuration->ts_count > 0);
    configuration = new_configuration;
    timer_initialise(&housekeeping_timer, keep_house);
    transport_dhcp_initialise();
    transport_sntp_initialise();
    dns_resolver_initialise();
    if (network_options_parse(&options, platform_command_line(), reason, sizeof(reason)) != 0 &&
        configuration->speaker == platform_node()) {
        log_warning("ts", "%s; using dhcp", reason);
    }
    address_observe(take_address);
    net_register_message(NIC_READY, handle_nic_ready);
    net_register_message(NEIGHBOR_SET, handle_neighbor_set);
    net_register_message(NEIGHBOR_REQUEST, handle_neighbor_request);
}
