/* SPDX-License-Identifier: MIT */
/*
 * What stands between the wire and a TS's connections, played: TCP (net/transport/tcp/) and the
 * files of net/transport/ that know frames. A client is named by its port. Clients send a byte at
 * most, and acknowledge a FIN at once.
 */
#include <errno.h>
#include <string.h>

#include "kernel/message/dispatch.h"
#include "kernel/message/send.h"
#include "kernel/platform.h"
#include "libc/core/bytes.h"
#include "net/configuration.h"
#include "net/transport/active.h"
#include "net/transport/address.h"
#include "net/transport/admission.h"
#include "net/transport/card.h"
#include "net/transport/closed.h"
#include "net/transport/connection.h"
#include "net/transport/demux.h"
#include "net/transport/drops.h"
#include "net/transport/frames.h"
#include "net/transport/held.h"
#include "net/transport/kept.h"
#include "net/transport/lwip/interface.h"
#include "net/transport/lwip/output.h"
#include "net/transport/orphan.h"
#include "net/transport/overload.h"
#include "net/transport/readiness.h"
#include "net/transport/table.h"
#include "net/transport/tcp/events.h"
#include "net/transport/tcp/flood.h"
#include "net/transport/tcp/half_open.h"
#include "net/transport/tcp/handshake.h"
#include "net/transport/tcp/pinned.h"
#include "net/transport/tcp/queue.h"
#include "net/transport/tcp/receiver.h"
#include "net/transport/tcp/recovery.h"
#include "net/transport/tcp/segment.h"
#include "net/transport/tcp/segment_out.h"
#include "net/transport/tcp/sender.h"
#include "net/transport/tcp/soon.h"
#include "net/transport/tcp/timewait.h"
#include "net/transport/tcp/wheel.h"
#include "tests/proof/node.h"

#include "lwip/pbuf.h"

/* One for each client; NULL while it has none. */
static struct tcb *blocks[PROOF_CLIENT_MAX];
static uint8_t clients[PROOF_CLIENT_MAX]; /* enum client_state */
static bool is_closing[PROOF_CLIENT_MAX];
/* While half-open. */
static struct acceptor acceptors[PROOF_CLIENT_MAX];
static bool is_acceptor_due[PROOF_CLIENT_MAX];
static const struct acceptor nobody = {
    .node = NODE_NONE, .cm = NODE_NONE, .assigned_by = NODE_NONE};
/* The packet with the client's byte. */
static struct pbuf packets[PROOF_CLIENT_MAX];
static uint8_t bytes[PROOF_CLIENT_MAX];
static uint8_t sent; /* clients, a bit each: it has come */

static struct flow flow_of(unsigned client)
{
    return (struct flow){.remote_port = (uint16_t)client, .local_port = swap16(PROOF_PORT)};
}

static unsigned client_of(const struct tcb *tcb)
{
    unsigned client = tcb->flow.remote_port;

    ASSERT(client < PROOF_CLIENT_MAX && blocks[client] == tcb);
    return client;
}

/* --- From the wire --- */

/* As half_open.c and demux.c. */
static void begin_handshake(unsigned client)
{
    struct flow flow = flow_of(client);

    if (clients[client] != CLIENT_UNKNOWN) {
        return; /* its SYN has come a second time */
    }
    switch (admission_of_port(PROOF_PORT)) {
    case ADMISSION_SERVED:
        clients[client] = CLIENT_HALF_OPEN;
        acceptors[client] = nobody;
        acceptors[client].assigned_by = admission_ask(&flow);
        is_acceptor_due[client] = acceptors[client].assigned_by != NODE_NONE;
        break;
    case ADMISSION_REFUSED:
        clients[client] = CLIENT_REFUSED;
        break;
    case ADMISSION_UNKNOWN:
        break; /* it sends its SYN again */
    }
}

bool half_open_assign(const struct flow *flow, const struct acceptor *acceptor, bool is_refused)
{
    unsigned client = flow->remote_port;

    ASSERT(client < PROOF_CLIENT_MAX);
    if (clients[client] != CLIENT_HALF_OPEN || !is_acceptor_due[client]) {
        return false;
    }
    is_acceptor_due[client] = false;
    acceptors[client] = *acceptor;
    if (is_refused) {
        clients[client] = CLIENT_REFUSED; /* when its ACK comes */
    }
    return true;
}

void half_open_lose_node(node_id_t node)
{
    for (unsigned client = 0; client < PROOF_CLIENT_MAX; client++) {
        struct acceptor *acceptor = &acceptors[client];

        if (clients[client] != CLIENT_HALF_OPEN) {
            continue;
        }
        if (node == (acceptor->node == NODE_NONE ? acceptor->assigned_by : acceptor->cm)) {
            *acceptor = nobody;
            is_acceptor_due[client] = false;
        } else if (acceptor->node == node) {
            closed_report(acceptor, PROOF_PORT, 0);
            *acceptor = nobody;
        }
    }
}

static void complete_handshake(unsigned client)
{
    struct handshake handshake = {
        .flow = flow_of(client),
        .opened_ns = dispatch_now_ns(),
        .acceptor = acceptors[client],
        .is_acceptor_due = is_acceptor_due[client],
    };
    bool is_open;

    ASSERT(clients[client] == CLIENT_HALF_OPEN);
    clients[client] = CLIENT_OPEN;
    is_open = connection_open(&handshake, (struct handshake_completion){0}) != NULL;
    ASSERT(is_open);
}

/* The client's reset ends its handshake, or its connection. */
static void reset_by_client(unsigned client)
{
    if (clients[client] == CLIENT_HALF_OPEN) {
        clients[client] = CLIENT_GAVE_UP;
        if (acceptors[client].node != NODE_NONE) {
            closed_report(&acceptors[client], PROOF_PORT, 0);
        }
    } else {
        clients[client] = CLIENT_GAVE_UP;
        tcb_end(blocks[client], ECONNRESET);
    }
}

static void receive(unsigned client)
{
    struct packet packet = {.bytes = &bytes[client], .payload_bytes = 1};
    struct segment segment = {.packet = &packet, .buffer = &packets[client]};

    sent |= (uint8_t)(1u << client);
    packets[client] = (struct pbuf){.payload = &bytes[client], .len = 1, .tot_len = 1, .ref = 1};
    blocks[client]->rcv_unread_bytes = 1;
    if (!tcp_event_text(blocks[client], &segment)) {
        PANIC("segment_keep() has kept it");
    }
}

void tcp_act(const struct node_input *input)
{
    unsigned client = input->argument;

    if (input->kind == INPUT_SYN) {
        begin_handshake(client); /* nothing runs out */
        return;
    }
    kernel_set_time_of(client);
    if (input->kind == INPUT_ACK) {
        complete_handshake(client);
    } else if (input->kind == INPUT_DATA) {
        receive(client);
    } else {
        reset_by_client(client);
    }
}

bool tcp_finish(void)
{
    bool was_any = false;

    for (unsigned client = 0; client < PROOF_CLIENT_MAX; client++) {
        if (is_closing[client]) {
            clients[client] = CLIENT_CLOSED;
            tcb_end(blocks[client], 0);
            was_any = true;
        }
    }
    return was_any;
}

/* --- TCP, as the sources under test call it --- */

void tcb_open(struct tcb *tcb, const struct handshake *handshake,
              struct handshake_completion completion)
{
    unsigned client = handshake->flow.remote_port;

    (void)completion;
    ASSERT(blocks[client] == NULL);
    blocks[client] = tcb;
    tcb->flow = handshake->flow;
    tcb->state = TCB_ESTABLISHED;
}

void tcb_end(struct tcb *tcb, int error)
{
    unsigned client = client_of(tcb);

    blocks[client] = NULL;
    is_closing[client] = false;
    tcb->state = TCB_CLOSED;
    tcp_event_ended(tcb, error);
}

void tcb_abort(struct tcb *tcb, int error)
{
    clients[client_of(tcb)] = CLIENT_RESET;
    tcb_end(tcb, error);
}

/* What the client has sent is read, or goes unread without a reset: it does not matter here. */
void tcb_close(struct tcb *tcb)
{
    is_closing[client_of(tcb)] = true;
}

void tcb_close_send(struct tcb *tcb)
{
    (void)tcb;
}

void tcb_settle(struct tcb *tcb)
{
    (void)tcb;
}

void tcb_expire(struct tcb *tcb)
{
    (void)tcb;
    PANIC("no timer is set");
}

/* The client never acknowledges it. */
bool queue_append_copy(struct tcb *tcb, const uint8_t *bytes, uint32_t length_bytes)
{
    (void)tcb;
    (void)bytes;
    (void)length_bytes;
    return true;
}

bool queue_is_scarce(void)
{
    return false;
}

bool pinned_visit(struct tcb *tcb)
{
    (void)tcb;
    return true;
}

void pinned_initialise(void)
{
}

uint32_t queue_room_bytes(const struct tcb *tcb)
{
    (void)tcb;
    return 0;
}

bool queue_append_archive(struct tcb *tcb, const uint8_t *bytes, uint32_t length_bytes)
{
    return queue_append_copy(tcb, bytes, length_bytes);
}

void receiver_consumed(struct tcb *tcb, uint32_t bytes)
{
    (void)tcb;
    (void)bytes;
    PANIC("no application reads anything");
}

/* Nobody opens connections. */
void active_initialise(void)
{
}

uint32_t active_count(void)
{
    return 0;
}

void active_lose_node(node_id_t node)
{
    (void)node;
}

uint32_t half_open_count(void)
{
    return 0;
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

struct tcb *demux_find(const struct flow *flow)
{
    ASSERT(flow->remote_port < PROOF_CLIENT_MAX);
    return blocks[flow->remote_port];
}

void demux_add(struct tcb *tcb, struct flow_entry *half_open)
{
    (void)tcb;
    (void)half_open;
}

void demux_remove(struct tcb *tcb)
{
    (void)tcb;
}

void orphan_watch(struct connection *connection)
{
    (void)connection;
}

void orphan_forget(struct connection *connection)
{
    (void)connection;
}

void overload_note(enum overload overload, uint32_t limit)
{
    (void)overload;
    PANIC("the table of %u is not full", limit);
}

uint32_t frames_held_count(void)
{
    return 0;
}

static void release_packet(void *packet)
{
    (void)pbuf_free(packet);
}

bool frames_lend(const struct segment *segment, struct message_loan *loan)
{
    *loan = (struct message_loan){segment->packet->bytes, 1, release_packet, segment->buffer};
    return true;
}

void frames_note_lent(struct segment *segment)
{
    segment->is_kept = true;
}

struct pbuf *segment_keep(struct segment *segment)
{
    segment->is_kept = true;
    return segment->buffer;
}

struct pbuf *held_pack(uint32_t remote_address, struct pbuf *tail, struct pbuf *packets)
{
    (void)remote_address;
    (void)tail;
    return packets;
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

bool output_is_queueing(void)
{
    return false;
}

uint32_t blocked_count(void)
{
    return 0;
}

unsigned sender_poll_blocked(void)
{
    return 0;
}

void wheel_initialise(void (*expired)(struct wheel_entry *entry))
{
    (void)expired;
}

void queue_initialise(void)
{
}

void recovery_initialise(void)
{
}

void sender_initialise(void)
{
}

void segment_out_initialise(void)
{
}

void receiver_initialise(void)
{
}

void soon_initialise(void)
{
}

void half_open_initialise(void)
{
}

void flood_end_round(void)
{
}

void timewait_initialise(void)
{
}

void timewait_expire(uint64_t now_ns)
{
    (void)now_ns;
}

uint32_t timewait_count(void)
{
    return 0;
}

uint32_t timewait_fin_wait_count(void)
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

void transport_address_greet_node(node_id_t node)
{
    (void)node;
}

void kept_initialise(const struct configuration *configuration)
{
    (void)configuration;
}

void kept_lose_node(node_id_t node)
{
    (void)node;
}

bool kept_is_searching(void)
{
    return false;
}

unsigned kept_poll(void)
{
    return 0;
}

void readiness_check(void)
{
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
    for (unsigned client = 0; client < PROOF_CLIENT_MAX; client++) {
        if (clients[client] == CLIENT_HALF_OPEN) {
            ASSERT(view->connection_count < SEEN_MAX);
            view->connections[view->connection_count++] = (struct seen_connection){
                .client = (uint8_t)client,
                .state = SEEN_HALF_OPEN,
                .acceptor = acceptors[client],
            };
        }
    }
    for (uint32_t index = 0; index < connection_table_size(); index++) {
        const struct connection *connection = connection_at(index);

        if (connection == NULL) {
            continue;
        }
        ASSERT(view->connection_count < SEEN_MAX);
        view->connections[view->connection_count++] = (struct seen_connection){
            .client = (uint8_t)connection->tcb.flow.remote_port,
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

/* --- net/transport/card.c: frames need no link server here --- */

void card_choose_link_server(void)
{
}
