/* SPDX-License-Identifier: MIT */
/*
 * UDP of applications. The table of ports has a place for each, so it is never full; its memory is
 * taken with the first port.
 */
#include "net/transport/datagram.h"

#include <errno.h>
#include <string.h>

#include "kernel/message/dispatch.h"
#include "kernel/message/send.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/bytes.h"
#include "libc/core/memory.h"
#include "net/configuration.h"
#include "net/counters.h"
#include "net/handlers.h"
#include "net/headers.h"
#include "net/messages.h"
#include "net/returning.h"
#include "net/transport/groups.h"
#include "net/transport/lwip/interface.h"

#include "hooks.h"
#include "lwip/inet_chksum.h"
#include "lwip/ip.h"
#include "lwip/prot/udp.h"
#include "lwip/udp.h"

#define PORT_COUNT 65536u

_Static_assert(sizeof(struct datagram_arrived) + DATAGRAM_MAX_BYTES <= MESSAGE_MAX_BYTES,
               "a datagram fits a message");

MEMORY_KIND(ports_kind, "datagram_ports");

static node_id_t *owners; /* by port; NODE_NONE: nobody. NULL: of all */

static node_id_t owner_of(uint16_t port)
{
    return owners != NULL ? owners[port] : NODE_NONE;
}

bool datagram_is_applications(uint16_t port)
{
    return owner_of(port) != NODE_NONE;
}

bool datagram_is_lwips(uint16_t port)
{
    for (const struct udp_pcb *pcb = udp_pcbs; pcb != NULL; pcb = pcb->next) {
        if (pcb->local_port == port) {
            return true;
        }
    }
    return false;
}

bool datagram_is_silent(void)
{
    return returning_is_due(ROLE_TS);
}

static bool make_table(void)
{
    if (owners == NULL) {
        owners = memory_allocate(&ports_kind, PORT_COUNT * sizeof(*owners));
        if (owners == NULL) {
            return false;
        }
        for (unsigned port = 0; port < PORT_COUNT; port++) {
            owners[port] = NODE_NONE;
        }
    }
    return true;
}

void datagram_lose_node(node_id_t node)
{
    for (unsigned port = 0; owners != NULL && port < PORT_COUNT; port++) {
        if (owners[port] == node) {
            owners[port] = NODE_NONE;
        }
    }
}

/* --- Ports --- */

/* Returns 0 or errno. */
static unsigned bind_port(node_id_t from, const struct bind_port *request)
{
    node_id_t owner = owner_of(request->port);

    if (datagram_is_lwips(request->port) ||
        (request->kind == BIND_PORT_ASK && owner != NODE_NONE && owner != from)) {
        return EADDRINUSE;
    }
    if (!make_table()) {
        return ENOMEM;
    }
    owners[request->port] = from;
    return 0;
}

static void handle_bind_port(node_id_t from, const struct message *message)
{
    const struct bind_port *request = (const struct bind_port *)message;
    struct port_bound *answer;
    unsigned error;

    if (request->port == 0 || request->kind > BIND_PORT_FREE) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        return;
    }
    if (request->kind == BIND_PORT_FREE) {
        if (owner_of(request->port) == from) { /* else it has got another owner meanwhile */
            owners[request->port] = NODE_NONE;
        }
        return;
    }
    error = bind_port(from, request);
    answer = message_reserve_posted(from, PORT_BOUND, sizeof(*answer));
    answer->request_number = request->request_number;
    answer->error_number = error;
    message_publish();
}

/* --- In --- */

/* To the port's owner. NULL, and counted: it cannot be had now. */
static struct datagram_arrived *reserve_arrived(uint16_t port, unsigned bytes)
{
    struct datagram_arrived *message =
        message_reserve_payload(owner_of(port), DATAGRAM_ARRIVED, sizeof(*message), bytes);

    if (message == NULL) {
        counter_increment(COUNTER_DROP_CHANNEL_FULL);
    }
    return message;
}

void datagram_deliver(struct pbuf *packet)
{
    const uint8_t *udp = packet->payload;
    unsigned bytes = packet->tot_len - UDP_HEADER_BYTES;
    uint16_t port = load_be16(udp + UDP_DESTINATION_PORT_OFFSET);
    struct datagram_arrived *message = NULL;

    ASSERT(owner_of(port) != NODE_NONE && packet->tot_len >= UDP_HEADER_BYTES);
    if (bytes > DATAGRAM_MAX_BYTES) {
        counter_increment(COUNTER_DROP_TRUNCATED);
    } else {
        message = reserve_arrived(port, bytes);
    }
    if (message != NULL) {
        message->remote_address = ip4_current_src_addr()->addr;
        message->local_address = ip4_current_dest_addr()->addr;
        message->remote_port = load_be16(udp);
        message->local_port = port;
        (void)pbuf_copy_partial(packet, message + 1, (u16_t)bytes, UDP_HEADER_BYTES);
        message_publish();
        counter_increment(COUNTER_DATAGRAMS_RECEIVED);
    }
    pbuf_free(packet);
}

/* Any bytes will do. */
bool datagram_take_refusal(const struct pbuf *packet)
{
    const uint8_t *ip = (const uint8_t *)packet->payload + ICMP_HEADER_BYTES;
    struct datagram_refused *message;
    unsigned ip_bytes;
    const uint8_t *udp;
    uint32_t source;
    node_id_t owner;

    if (packet->len < ICMP_HEADER_BYTES + IPV4_HEADER_MIN_BYTES) {
        return false;
    }
    ip_bytes = ipv4_header_bytes(ip);
    if (ip_bytes < IPV4_HEADER_MIN_BYTES || ip[IPV4_PROTOCOL_OFFSET] != IPV4_PROTOCOL_UDP ||
        packet->len < ICMP_HEADER_BYTES + ip_bytes + ICMP_QUOTED_BYTES) {
        return false;
    }
    memcpy(&source, ip + IPV4_SOURCE_OFFSET, sizeof(source));
    udp = ip + ip_bytes;
    owner = owner_of(load_be16(udp));
    if (source != netif_ip4_addr(interface_netif())->addr || owner == NODE_NONE) {
        return false;
    }
    message = message_reserve(owner, DATAGRAM_REFUSED, sizeof(*message));
    if (message != NULL) { /* otherwise it is lost, as on any wire */
        memcpy(&message->remote_address, ip + IPV4_DESTINATION_OFFSET, 4);
        message->remote_port = load_be16(udp + UDP_DESTINATION_PORT_OFFSET);
        message->local_port = load_be16(udp);
        message_publish();
    }
    return true;
}

/* --- Out --- */

/* The NIC makes the checksum of a whole packet. That of one in fragments is made here. */
static void put_header(struct pbuf *packet, const struct send_datagram *message,
                       const ip4_addr_t *source, const ip4_addr_t *destination)
{
    struct udp_hdr *udp = packet->payload;

    udp->src = swap16(message->local_port);
    udp->dest = swap16(message->remote_port);
    udp->len = swap16(packet->tot_len);
    udp->chksum = 0;
    if (packet->tot_len + IPV4_HEADER_MIN_BYTES > INTERFACE_MTU) {
        udp->chksum =
            inet_chksum_pseudo(packet, IP_PROTO_UDP, packet->tot_len, source, destination);
        if (udp->chksum == 0) {
            udp->chksum = 0xFFFF; /* 0 is "none" (RFC 768) */
        }
    }
}

/* What is sent to a group comes back to those here who are in it, if its sender wants that. */
static void loop_back(const struct send_datagram *send, struct message_payload payload,
                      uint32_t source)
{
    struct datagram_arrived *message;

    if (send->is_looped == 0 || !groups_has(send->remote_address) ||
        owner_of(send->remote_port) == NODE_NONE) {
        return;
    }
    message = reserve_arrived(send->remote_port, payload.length_bytes);
    if (message == NULL) {
        return;
    }
    message->remote_address = source;
    message->local_address = send->remote_address;
    message->remote_port = send->local_port;
    message->local_port = send->remote_port;
    memcpy(message + 1, payload.bytes, payload.length_bytes);
    message_publish();
    counter_increment(COUNTER_DATAGRAMS_RECEIVED);
}

static void send_packet(const struct send_datagram *message, struct message_payload payload)
{
    struct netif *netif = interface_netif();
    const ip4_addr_t source = *netif_ip4_addr(netif);
    const ip4_addr_t destination = {.addr = message->remote_address};
    struct pbuf *packet =
        pbuf_alloc(PBUF_IP, (u16_t)(UDP_HEADER_BYTES + payload.length_bytes), PBUF_RAM);

    if (packet == NULL) {
        counter_increment(COUNTER_DROP_NO_MEMORY);
        return;
    }
    memcpy((uint8_t *)packet->payload + UDP_HEADER_BYTES, payload.bytes, payload.length_bytes);
    put_header(packet, message, &source, &destination);
    counter_increment(COUNTER_DATAGRAMS_SENT);
    /* What fails is counted where it does. */
    (void)ip4_output_if(packet, &source, &destination,
                        ip4_addr_ismulticast(&destination) ? message->group_ttl : UDP_TTL, 0,
                        IP_PROTO_UDP, netif);
    pbuf_free(packet);
}

static void handle_send_datagram(node_id_t from, const struct message *message,
                                 struct message_payload payload)
{
    const struct send_datagram *send = (const struct send_datagram *)message;

    if (send->remote_address == 0 || send->remote_port == 0 || send->local_port == 0 ||
        payload.length_bytes > DATAGRAM_MAX_BYTES) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
    } else if (owner_of(send->local_port) != from) {
        counter_increment(COUNTER_DROP_NOT_OURS); /* we do not know of it yet, or it is wrong */
    } else if (netif_ip4_addr(interface_netif())->addr == 0) {
        counter_increment(COUNTER_DROP_NO_DEVICE);
    } else if (group_is_address(send->remote_address)) {
        loop_back(send, payload, netif_ip4_addr(interface_netif())->addr);
        if (send->group_ttl != 0) {
            send_packet(send, payload);
        }
    } else {
        send_packet(send, payload);
    }
}

void datagram_initialise(void)
{
    net_register_message(BIND_PORT, handle_bind_port);
    net_register_payload_message(SEND_DATAGRAM, handle_send_datagram);
}
