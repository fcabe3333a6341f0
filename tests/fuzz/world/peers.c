/* SPDX-License-Identifier: MIT */
/*
 * Faulty nodes: see peers.h. The channels' far ends to the node are kept here, not in the fake
 * platform, so that a line can be written by hand.
 */
#include "tests/fuzz/world/peers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/nic/nic.h"
#include "kernel/message/channel.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "net/closed.h"
#include "net/configuration.h"
#include "net/messages.h"
#include "net/status_text.h"
#include "tests/fuzz/world/clients.h"
#include "tests/fuzz/world/node.h"
#include "tests/fuzz/world/packet.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/memory_nic.h"

#define LISTENER_COUNT 4u
#define TAKEN_MAX      64u /* messages at a time */
#define HANG_LOOKS     20u

/* Longer than any message: whole lines are written by hand. */
union any_message {
    struct message_header header;
    struct acceptor acceptor;
    uint8_t bytes[MESSAGE_MAX_BYTES];
    uint32_t words[MESSAGE_MAX_BYTES / 4];
};

/* As others see it: a faulty node's own view of its channels. */
static struct {
    struct channel_sender sender;
    uint64_t ring; /* the word on the node's page by which it was opened; 0: it was not */
    bool is_slow;  /* it opens no channel that it is asked for */
    bool is_deaf;  /* it has named a ring of another length than it reads */
} far_ends[NODE_MAX];
/* The last of each type that any peer was sent: what an answer to it has to name. */
static union any_message told[MESSAGE_TYPE_MAX];

/* --- Channels --- */

/* That to it, unless there is one. */
static void open_ring(node_id_t peer)
{
    if (fake_status_page(peer)->for_nodes[platform_node()].channel_ring == 0 &&
        !fake_is_attached(peer)) {
        fake_open_ring(peer);
        far_ends[peer].is_deaf = false;
    }
}

/* As sound nodes do, when they are asked for one. */
static void open_rings(void)
{
    for (node_id_t peer = 0; peer < platform_node_count(); peer++) {
        if (fake_status_page(platform_node())->for_nodes[peer].is_channel_requested != 0 &&
            !far_ends[peer].is_slow) {
            open_ring(peer);
        }
    }
}

/* Ask for the channel from it, if there is none yet. Returns whether it has, or had, one: a dead
 * node goes on writing there. */
static bool open_channel(node_id_t peer)
{
    const uint64_t *word = &fake_status_page(platform_node())->for_nodes[peer].channel_ring;

    if (*word == 0) {
        far_ends[peer].ring = 0;
        fake_status_page(peer)->for_nodes[platform_node()].is_channel_requested = 1;
        fake_send_attention();
        node_run();
    }
    if (*word != far_ends[peer].ring) {
        far_ends[peer].ring = *word;
        channel_sender_initialise(
            &far_ends[peer].sender, (void *)(*word & ~(uint64_t)(PAGE_BYTES - 1)),
            (size_t)1 << *word % PAGE_BYTES,
            &platform_status_page(platform_node())->for_nodes[peer].acknowledged_lines,
            channel_first_line(peer, platform_node()));
    }
    return channel_sender_is_open(&far_ends[peer].sender);
}

/* Any word about channels to the node and from it. */
static void write_channel_words(node_id_t peer, struct fuzz_input *input)
{
    struct status_page *page = fake_status_page(peer);
    uint64_t *ring = &page->for_nodes[platform_node()].channel_ring;
    uint8_t what = fuzz_take8(input);
    uint32_t value = fuzz_take32(input);

    switch (what % 8) {
    case 0:
        page->for_nodes[platform_node()].is_channel_requested = value;
        break;
    case 1:
        *ring = (uint64_t)value << (what >> 3) | what;
        break;
    case 2: /* near a true one */
        open_ring(peer);
        *ring += (uint64_t)(value % 5) * PAGE_BYTES - 2 * PAGE_BYTES;
        break;
    case 3: /* another length */
        open_ring(peer);
        *ring = (*ring & ~(uint64_t)(PAGE_BYTES - 1)) | value % 64;
        far_ends[peer].is_deaf = true;
        break;
    case 4:
        *ring = 0;
        break;
    case 5:
        page->quiet[0] = value;
        break;
    case 6:
        page->for_nodes[platform_node()].acknowledged_lines = value;
        break;
    default:
        far_ends[peer].is_slow = (value & 1) != 0;
        break;
    }
    fake_send_attention();
}

static void take_messages(node_id_t peer)
{
    const struct message *message;

    if (far_ends[peer].is_deaf) {
        return;
    }
    for (unsigned i = 0; i < TAKEN_MAX && (message = fake_take_message(peer)) != NULL; i++) {
        if (message->header.type < MESSAGE_TYPE_MAX) {
            memcpy(&told[message->header.type], message, CHANNEL_LINE_BYTES);
        }
    }
}

/* --- What its roles would say --- */

/* Of a message's struct, without the header that any_message begins with. */
#define TOLD(name, type) ((const struct name *)(const void *)&told[type])

static struct acceptor acceptor_at(node_id_t peer, uint8_t choice)
{
    return (struct acceptor){
        .node = peer,
        .listener_index = choice % LISTENER_COUNT,
        .grant = choice >> 4 & 3,
        .cm = (choice & 0x40) != 0 ? peer : platform_node(),
        .assigned_by = (choice & 0x80) != 0 ? peer : platform_node(),
        .request_number = choice >> 2 & 3,
    };
}

/* Returns the payload's length. */
static size_t add_frame(union any_message *message, size_t fixed_bytes, struct fuzz_input *input,
                        bool is_syn)
{
    return clients_build_frame(message->bytes + fixed_bytes, input, is_syn);
}

static void add_flow(struct flow *flow, union any_message *message, size_t fixed_bytes,
                     struct fuzz_input *input)
{
    (void)add_frame(message, fixed_bytes, input, true);
    memcpy(flow, message->bytes + fixed_bytes + 14 + 12, sizeof(*flow)); /* that of a SYN */
}

static size_t add_bytes(union any_message *message, size_t fixed_bytes, struct fuzz_input *input)
{
    size_t count;
    const uint8_t *bytes = fuzz_take_bytes(input, fuzz_take8(input), &count);

    memcpy(message->bytes + fixed_bytes, bytes, count);
    return count;
}

/* Fill in what is known, and return the payload's length. The first two words behind the header
 * name the connection in most messages: they are those of what was told. */
static size_t fill_in(union any_message *message, uint16_t type, node_id_t peer,
                      struct fuzz_input *input)
{
    uint8_t choice = fuzz_take8(input);
    size_t fixed_bytes = net_message_bytes(type);
    void *body = message;
    size_t payload_bytes = 0;

    switch (type) {
    case LISTEN:
    case UNLISTEN: {
        struct listen *listen = body;

        listen->port = NODE_PORT + (choice >> 6);
        listen->listener_index = choice % LISTENER_COUNT;
        listen->backlog = type == LISTEN ? 1 + (choice >> 2 & 3) : 0;
        break;
    }
    case ACCEPT_CONNECTION: {
        struct accept_connection *request = body;

        request->port = NODE_PORT;
        request->listener_index = choice % LISTENER_COUNT;
        request->request_number = choice >> 2 & 3;
        request->is_renewal = choice >> 7;
        request->grant_count = choice >> 4 & 3;
        request->wants_data = choice & 1;
        break;
    }
    case PORTS_SERVED: {
        struct ports_served *list = body;
        list->ports[choice % PORTS_SERVED_MAX] = NODE_PORT + (choice >> 6);
        list->is_first = choice & 1;
        list->is_last = choice >> 1 & 1;
        break;
    }
    case SYN_ARRIVED:
        add_flow(&((struct syn_arrived *)body)->flow, message, fixed_bytes, input);
        break;
    case ASSIGN_CONNECTION: {
        struct assign_connection *assign = body;

        add_flow(&assign->flow, message, fixed_bytes, input);
        assign->flow = (choice & 1) != 0 ? TOLD(syn_arrived, SYN_ARRIVED)->flow : assign->flow;
        assign->acceptor = acceptor_at((choice & 0x20) != 0 ? peer : platform_node(), choice);
        assign->is_refused = (choice & 0x1F) == 0x1F;
        break;
    }
    case CONNECTION_AVAILABLE: {
        struct connection_available *available = body;

        available->connection_index = choice >> 4;
        available->generation = 1;
        available->flow = (struct flow){.remote_address = 0x0201A8C0, .remote_port = choice};
        available->listener_index = choice % LISTENER_COUNT;
        available->availability_number = 1;
        available->send_window_bytes = (choice & 8) != 0 ? choice * 256u : 0; /* granted or not */
        payload_bytes = add_bytes(message, fixed_bytes, input);
        break;
    }
    case CLAIM_CONNECTION: {
        struct claim_connection *claim = body;

        memcpy(message->words + 2, told[CONNECTION_AVAILABLE].words + 2, 8);
        claim->stream_index = choice;
        claim->availability_number =
            TOLD(connection_available, CONNECTION_AVAILABLE)->availability_number;
        break;
    }
    case DECLINE_CONNECTION: {
        struct decline_connection *decline = body;

        memcpy(message->words + 2, told[CONNECTION_AVAILABLE].words + 2, 8);
        decline->availability_number =
            TOLD(connection_available, CONNECTION_AVAILABLE)->availability_number;
        break;
    }
    case RECALL_CONNECTION: { /* of what CONNECTION_AVAILABLE above told of */
        struct recall_connection *recall = body;

        recall->connection_index = choice >> 4;
        recall->generation = 1;
        recall->listener_index = choice % LISTENER_COUNT;
        recall->availability_number = 1;
        break;
    }
    case CLAIM_CONFIRMED:
    case CLAIM_REJECTED: /* as the claim says: connection and stream */
        memcpy(message->words + 2, told[CLAIM_CONNECTION].words + 2, 12);
        if (type == CLAIM_CONFIRMED) {
            message->words[5] = choice * 256u;
            payload_bytes = add_bytes(message, fixed_bytes, input);
        }
        break;
    case DATA:
    case PEER_CLOSED:
    case CONNECTION_FAILED:
    case SEND_CREDIT:
        message->words[2] = TOLD(claim_connection, CLAIM_CONNECTION)->stream_index;
        message->words[3] = TOLD(claim_connection, CLAIM_CONNECTION)->generation;
        if (type == DATA) {
            payload_bytes = add_bytes(message, fixed_bytes, input);
        } else if (type != PEER_CLOSED) {
            message->words[4] = choice;
        }
        break;
    case ACCEPT_TIMEOUT: {
        struct accept_timeout *timeout = body;

        timeout->connection_index = choice >> 4;
        timeout->generation = 1;
        timeout->acceptor = TOLD(assign_connection, ASSIGN_CONNECTION)->acceptor;
        timeout->port = NODE_PORT;
        break;
    }
    case REASSIGN_CONNECTION: {
        struct reassign_connection *reassign = body;

        memcpy(message->words + 2, told[ACCEPT_TIMEOUT].words + 2, 8);
        reassign->acceptor = acceptor_at((choice & 0x20) != 0 ? peer : platform_node(), choice);
        reassign->port = NODE_PORT;
        reassign->is_refused = (choice & 0x10) != 0;
        break;
    }
    case CONNECTION_CLOSED: {
        struct connection_closed *closed = body;

        for (unsigned i = 0; i <= choice % CLOSED_MAX; i++) {
            closed->closed[i] =
                closed_connection_of(&TOLD(assign_connection, ASSIGN_CONNECTION)->acceptor,
                                     NODE_PORT, choice * NS_PER_MS);
        }
        break;
    }
    case OFFER: {
        struct offer *offer = body;

        offer->acceptor = acceptor_at(peer, choice);
        offer->port = NODE_PORT;
        offer->service_ns = choice == 0 ? 0 : UINT64_MAX >> choice % 64;
        break;
    }
    case SEND:
    case CONSUMED:
    case CLOSE:
        /* Of a claim that was confirmed, or of one that was granted. */
        memcpy(message->words + 2,
               told[(choice & 0x40) != 0 ? CONNECTION_AVAILABLE : CLAIM_CONFIRMED].words + 2, 8);
        if (type == SEND) {
            struct send *send = body;

            send->archive_bytes = (choice & 0x7F) * 64u;
            send->close_kind = choice >> 6 & 3; /* or the FIN along, or all of it */
            payload_bytes = add_bytes(message, fixed_bytes, input);
        } else if (type == CLOSE) {
            message->words[4] = (choice & 0x80) != 0 ? UINT32_MAX : 0;
            message->words[5] = choice & 3;
        } else {
            message->words[4] = choice;
        }
        break;
    case FORWARD_FRAME: {
        struct forward_frame *forward = body;

        forward->frame_flags = choice & 7;
        payload_bytes = add_frame(message, fixed_bytes, input, (choice & 8) != 0);
        break;
    }
    case TRANSMIT_FRAME: {
        struct transmit_frame *transmit = body;

        transmit->offload = choice & 0xF;
        transmit->ip_header_offset = 14;
        transmit->ip_header_bytes = 20;
        payload_bytes = add_frame(message, fixed_bytes, input, (choice & 0x10) != 0);
        break;
    }
    case TRANSMIT_SEGMENT: {
        struct transmit_segment *segment = body;

        payload_bytes = add_frame(message, fixed_bytes, input, (choice & 2) != 0);
        segment->segment_bytes = (choice & 1) != 0 ? 1460 : 0;
        segment->ip_header_bytes = segment->tcp_header_bytes = 20;
        segment->runs[0].copied_bytes = (uint16_t)payload_bytes;
        segment->runs[choice & 1].archive_bytes = choice * 64u;
        break;
    }
    case NIC_READY: {
        struct nic_ready *ready = body;

        memcpy(ready->mac, packet_node_mac, 6);
        ready->queues.words[0] = choice & 7;
        ready->is_link_up = choice >> 3 & 1;
        ready->can_segment_tcp = ready->is_announcement_wanted = choice >> 4 & 1;
        break;
    }
    case ATTACH_QUEUE: {
        struct attach_queue *attach = body;
        struct nic_queue_key key = {
            .driver_number = choice >> 6,
            .queue_index = choice & 3,
            .words = {(choice & 0x20) != 0 ? choice : MEMORY_NIC_KEY, choice >> 2 & 7},
        };

        memcpy(attach->key, &key, sizeof(attach->key));
        break;
    }
    case QUEUE_ATTACHED: {
        struct queue_attached *attached = body;

        attached->queue_index = choice & 7;
        attached->error_number = choice >> 4;
        break;
    }
    case ADDRESS_SET: {
        struct address_set *address = body;

        address->address = (choice & 1) != 0 ? 0x0F01A8C0 : choice;
        address->netmask = 0x00FFFFFF;
        address->gateway = 0x0201A8C0;
        break;
    }
    case NEIGHBOR_REQUEST:
    case NEIGHBOR_SET: {
        struct neighbor_set *neighbor = body;

        neighbor->address = 0x0001A8C0 | (uint32_t)choice << 24;
        if (type == NEIGHBOR_SET) {
            neighbor->is_valid = choice & 1;
        }
        break;
    }
    default:
        payload_bytes = 0; /* nothing is known of it: what its bytes are, the input says */
        break;
    }
    return payload_bytes;
}

static void send_message(node_id_t peer, struct fuzz_input *input)
{
    union any_message message = {0};
    uint8_t how = fuzz_take8(input);
    uint16_t type = fuzz_take8(input);
    size_t bytes = sizeof(struct message_header);

    if (type < 0xE0) {
        type = (uint16_t)(MESSAGE_TYPE_FIRST_FREE +
                          type % (MESSAGE_TYPE_AFTER_NET - MESSAGE_TYPE_FIRST_FREE));
        bytes = net_message_bytes(type) + fill_in(&message, type, peer, input);
    } else {
        type %= MESSAGE_TYPE_MAX;
        bytes += add_bytes(&message, bytes, input);
    }
    /* Some words say another thing than a sound node would. */
    for (unsigned i = 0; i < how % 4u; i++) {
        message.words[2 + fuzz_take8(input) % 16u] = fuzz_take32(input);
    }
    if ((how & 0x10) != 0) {
        bytes = sizeof(struct message_header) + fuzz_take16(input) % 1600u;
    }
    message.header = (struct message_header){.type = type, .length_bytes = (uint16_t)bytes};
    if (open_channel(peer)) {
        (void)channel_send(&far_ends[peer].sender, (const struct message *)&message.header);
    }
}

/* --- What no node would do --- */

/* Any header in the line where the next message is looked for. */
static void write_line(node_id_t peer, struct fuzz_input *input)
{
    struct channel_sender *sender = &far_ends[peer].sender;
    struct message_header header = {
        .type = fuzz_take8(input),
        .length_bytes = fuzz_take16(input),
    };
    bool is_late = fuzz_take8(input) == 1;

    if (open_channel(peer) && channel_make_room(sender, CHANNEL_LINE_BYTES)) {
        uint32_t index = sender->sent_lines & (sender->line_count - 1);

        header.sequence = channel_sequence(sender->sent_lines) + is_late;
        memcpy(sender->ring + (size_t)index * CHANNEL_LINE_BYTES, &header, sizeof(header));
        sender->sent_lines++;
    }
}

/* Whether it may say that this node is dead. One at most: what more than half of the others say is
 * honoured (kernel/message/watch.h). */
static bool may_accuse(node_id_t peer)
{
    return peer == (platform_node() == 0 ? 1 : 0);
}

/* Words of its status page. */
static void write_status(node_id_t peer, struct fuzz_input *input)
{
    struct status_page *page = fake_status_page(peer);
    uint8_t what = fuzz_take8(input);
    uint32_t value = fuzz_take32(input);

    switch (what % 8) {
    case 0:
        page->sleep = value;
        break;
    case 1:
        page->state = value;
        break;
    case 2:
        page->declared_dead.words[0] =
            may_accuse(peer) ? value : value & ~(1ull << platform_node());
        break;
    case 3:
        page->for_nodes[platform_node()].acknowledged_lines += value;
        break;
    case 4:
        page->log_written = value;
        break;
    case 5:
        page->for_nodes[platform_node()].log_printed = value;
        break;
    case 6:
        page->counters[value % COUNTER_MAX] = UINT64_MAX - value;
        break;
    default:
        memset(page->texts, (int)value, sizeof(page->texts));
        break;
    }
}

/* What is shown of a node is text and numbers, whatever its page says. */
static void look_at_status(void)
{
    char text[STATUS_TEXT_BYTES];

    for (node_id_t node = 0; node < platform_node_count(); node++) {
        for (unsigned i = 0; i < STATUS_TEXT_COUNT; i++) {
            status_copy_text(node, i, text);
            FUZZ_CHECK(memchr(text, '\0', sizeof(text)) != NULL);
            for (const char *at = text; *at != '\0'; at++) {
                FUZZ_CHECK(*at >= ' ' && *at <= '~');
            }
        }
        (void)counter_read(node, COUNTER_IDLE_NS);
        (void)status_memory_bytes(node);
    }
}

/* For long enough that who takes no message is given up, and is deaf to that. */
static void let_peers_hang(void)
{
    for (unsigned i = 0; i < HANG_LOOKS; i++) {
        node_advance_ns(2 * NS_PER_S);
    }
}

/* --- Actions --- */

void peers_act(struct fuzz_input *input)
{
    uint8_t action = fuzz_take8(input);
    node_id_t peer = (node_id_t)((action >> 5) % platform_node_count());

    if (peer == platform_node()) {
        peer = (node_id_t)((peer + 1) % platform_node_count());
    }
    switch (action & 0x1F) {
    case 0:
        write_line(peer, input);
        break;
    case 1:
        write_status(peer, input);
        node_run();
        look_at_status();
        break;
    case 2:
        fake_set_node_state(peer, NODE_DEAD);
        break;
    case 3:
        take_messages(peer);
        break;
    case 5:
        let_peers_hang();
        break;
    case 6:
    case 7:
        write_channel_words(peer, input);
        break;
    default:
        take_messages(peer);
        send_message(peer, input);
        break;
    }
    open_rings();
    if ((action & 0x1F) != 4) { /* several messages before the node looks */
        node_run();
    }
}

void peers_die(void)
{
    for (node_id_t peer = 0; peer < platform_node_count(); peer++) {
        if (peer != platform_node()) {
            fake_set_node_state(peer, NODE_DEAD);
        }
    }
    node_run();
}
