/* SPDX-License-Identifier: MIT */
/*
 * What stands between the wire and a TS's connections, played: lwIP and the files of net/transport/
 * that know frames. A client's SYN is a frame of one byte, its number. Clients send a byte at most,
 * and acknowledge a FIN at once.
 */
#include <string.h>

#include "kernel/message/dispatch.h"
#include "kernel/platform.h"
#include "libc/core/bytes.h"
#include "net/configuration.h"
#include "net/transport/address.h"
#include "net/transport/availability.h"
#include "net/transport/connection.h"
#include "net/transport/demux.h"
#include "net/transport/drops.h"
#include "net/transport/frames.h"
#include "net/transport/held.h"
#include "net/transport/lwip/interface.h"
#include "net/transport/lwip/output.h"
#include "net/transport/orphan.h"
#include "net/transport/overload.h"
#include "net/transport/pcb.h"
#include "net/transport/table.h"
#include "net/transport/timer.h"
#include "net/transport/timewait.h"
#include "tests/proof/node.h"

#include "net/transport/lwip/tcp.h"

/* One for each client; zero while it has none. */
static struct tcp_pcb pcbs[PROOF_CLIENT_MAX];
static struct connection *connections[PROOF_CLIENT_MAX];
static uint8_t clients[PROOF_CLIENT_MAX]; /* enum client_state */
static bool is_closing[PROOF_CLIENT_MAX];
/* The packet with the client's byte. */
static struct pbuf packets[PROOF_CLIENT_MAX];
static uint8_t bytes[PROOF_CLIENT_MAX];
static uint8_t sent; /* clients, a bit each: it has come */

static unsigned client_of(const struct tcp_pcb *pcb)
{
    ASSERT(pcb >= pcbs && pcb < pcbs + PROOF_CLIENT_MAX);
    return (unsigned)(pcb - pcbs);
}

/* As forget_pcb() of pcb.c. */
static void forget(unsigned client, enum client_state state)
{
    struct connection *connection = connections[client];

    ASSERT(connection != NULL && connection->pcb == &pcbs[client]);
    clients[client] = state;
    connections[client] = NULL;
    is_closing[client] = false;
    memset(&pcbs[client], 0, sizeof(pcbs[client]));
    connection->pcb = NULL;
    connection_mark_dirty(connection);
}

/* --- From the wire --- */

void frames_receive_assigned(struct message_payload frame, uint16_t flags,
                             struct demux_assignment *assignment)
{
    unsigned client = frame.bytes[0];
    struct connection *connection;

    (void)flags;
    ASSERT(frame.length_bytes == 1 && client < PROOF_CLIENT_MAX);
    if (clients[client] != CLIENT_UNKNOWN) {
        return; /* its SYN has come a second time */
    }
    if (assignment->is_refused) {
        clients[client] = CLIENT_REFUSED;
        return;
    }
    connection = connection_allocate();
    ASSERT(connection != NULL);
    clients[client] = CLIENT_HALF_OPEN;
    connections[client] = connection;
    pcbs[client].state = SYN_RCVD;
    pcbs[client].mss = 1460;
    connection->pcb = &pcbs[client];
    connection->opened_ns = dispatch_now_ns();
    connection->flow =
        (struct flow){.remote_port = (uint16_t)client, .local_port = swap16(PROOF_PORT)};
    availability_assign(connection, &assignment->acceptor);
    assignment->was_taken = true;
    connection_mark_dirty(connection);
}

static void receive(unsigned client)
{
    sent |= (uint8_t)(1u << client);
    packets[client] = (struct pbuf){.payload = &bytes[client], .len = 1, .tot_len = 1, .ref = 1};
    (void)lwip_tcp_event(connections[client], &pcbs[client], LWIP_EVENT_RECV, &packets[client], 1,
                         ERR_OK);
}

void tcp_act(const struct node_input *input)
{
    unsigned client = input->argument;
    struct connection *connection = connections[client];

    ASSERT(connection != NULL);
    kernel_set_time_of(client);
    if (input->kind == INPUT_ACK) {
        clients[client] = CLIENT_OPEN;
        pcbs[client].state = ESTABLISHED;
        (void)lwip_tcp_event(connection, &pcbs[client], LWIP_EVENT_ACCEPT, NULL, 0, ERR_OK);
    } else if (input->kind == INPUT_DATA) {
        receive(client);
    } else {
        (void)lwip_tcp_event(connection, NULL, LWIP_EVENT_ERR, NULL, 0, ERR_RST);
        forget(client, CLIENT_GAVE_UP);
    }
}

bool tcp_finish(void)
{
    bool was_any = false;

    for (unsigned client = 0; client < PROOF_CLIENT_MAX; client++) {
        if (is_closing[client]) {
            forget(client, CLIENT_CLOSED);
            was_any = true;
        }
    }
    return was_any;
}

/* --- lwIP, as the sources under test call it --- */

void tcp_abort(struct tcp_pcb *pcb)
{
    unsigned client = client_of(pcb);
    struct connection *connection = connections[client];

    forget(client, CLIENT_RESET);
    (void)lwip_tcp_event(connection, NULL, LWIP_EVENT_ERR, NULL, 0, ERR_ABRT);
}

err_t tcp_close(struct tcp_pcb *pcb)
{
    is_closing[client_of(pcb)] = true;
    return ERR_OK;
}

err_t tcp_shutdown(struct tcp_pcb *pcb, int is_receive_shut, int is_send_shut)
{
    (void)pcb;
    (void)is_receive_shut;
    (void)is_send_shut;
    return ERR_OK;
}

err_t tcp_output(struct tcp_pcb *pcb)
{
    (void)pcb;
    return ERR_OK;
}

err_t tcp_write(struct tcp_pcb *pcb, const void *bytes, u16_t length, u8_t flags)
{
    (void)pcb;
    (void)bytes;
    (void)length;
    (void)flags;
    return ERR_OK; /* the client never acknowledges it */
}

void tcp_recved(struct tcp_pcb *pcb, u16_t length)
{
    (void)pcb;
    (void)length;
    PANIC("no application reads anything");
}

u8_t pbuf_free(struct pbuf *packet)
{
    ASSERT(packet->ref > 0);
    packet->ref--;
    return packet->ref == 0;
}

void pbuf_ref(struct pbuf *packet)
{
    ASSERT(packet->ref > 0);
    packet->ref++;
}

/* --- The other parts of a transport server, which have nothing to do here --- */

uint32_t frames_held_count(void)
{
    return 0;
}

struct pbuf *held_pack(struct pbuf *tail, struct pbuf *packets)
{
    (void)tail;
    return packets;
}

void pcb_park(struct connection *connection)
{
    (void)connection;
}

void transport_timer_initialise(void)
{
}

void transport_timer_catch_up(void)
{
}

void transport_timer_watch(struct connection *connection)
{
    (void)connection;
}

void transport_timer_forget(struct connection *connection)
{
    (void)connection;
}

void interface_initialise(const struct configuration *configuration)
{
    (void)configuration;
}

bool interface_has_loopback(void)
{
    return false;
}

unsigned interface_poll_loopback(void)
{
    return 0;
}

unsigned output_send_queued(void)
{
    return 0;
}

void demux_initialise(void)
{
}

void frames_initialise(const struct configuration *configuration)
{
    (void)configuration;
}

void orphan_initialise(void)
{
}

void overload_initialise(void)
{
}

void transport_address_initialise(const struct configuration *configuration)
{
    (void)configuration;
}

void transport_address_lose_node(void)
{
}

uint32_t timewait_expire(uint64_t now_ns)
{
    (void)now_ns;
    return 0;
}

void drops_count(void)
{
}

/* --- What can be seen --- */

void tcp_look(struct node_view *view)
{
    memcpy(view->clients, clients, sizeof(clients));
    view->sent = sent;
    view->is_gathering = closed_is_gathering();
    for (uint32_t index = 0; index < connection_table_size(); index++) {
        const struct connection *connection = connection_at(index);

        if (connection == NULL) {
            continue;
        }
        ASSERT(view->connection_count < SEEN_MAX);
        view->connections[view->connection_count++] = (struct seen_connection){
            .client = (uint8_t)connection->flow.remote_port,
            .state = connection->state,
            .has_deadline = connection_link_is_queued(&connection->claim_link),
            .is_blocked = connection_link_is_queued(&connection->blocked_link),
            .is_awaiting_data = connection->is_awaiting_data,
            .availability_number = connection->availability_number,
            .index = index,
            .generation = connection->generation,
            .acceptor = connection->acceptor,
        };
    }
}
