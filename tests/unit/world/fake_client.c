/* SPDX-License-Identifier: MIT */
/* sources: net/transport/server.c net/transport/frames.c net/transport/packet.c net/transport/path_mtu.c net/transport/unreachable.c net/transport/active.c net/transport/active_table.c net/transport/ephemeral.c net/transport/forward/flow.c net/transport/forward/maglev.c net/transport/forward/quote.c net/transport/forward/rules.c net/transport/forward/segment.c net/transport/loopback.c net/transport/held.c net/transport/share.c net/transport/drops.c net/transport/demux.c net/transport/flows.c net/transport/kept.c net/transport/readiness.c */
/* sources: net/transport/connection.c net/transport/table.c net/transport/state.c */
/* sources: net/transport/admission.c net/transport/availability.c net/transport/managers.c net/transport/claim_option.c net/transport/closed.c net/transport/splice.c net/transport/stream.c net/transport/orphan.c net/transport/overload.c */
/* sources: net/transport/tcp/blocked.c net/transport/tcp/congestion.c net/transport/tcp/cookie.c net/transport/tcp/cubic.c net/transport/tcp/episode.c net/transport/tcp/flood.c net/transport/tcp/half_open.c net/transport/tcp/half_open_table.c net/transport/tcp/hystart.c net/transport/tcp/lend.c net/transport/tcp/loss_timer.c net/transport/tcp/newreno.c net/transport/tcp/options.c */
/* sources: net/transport/tcp/persist.c net/transport/tcp/pinned.c net/transport/tcp/piece.c net/transport/tcp/probe.c net/transport/tcp/prr.c net/transport/tcp/queue.c net/transport/tcp/rack.c net/transport/tcp/receiver.c net/transport/tcp/recovery.c net/transport/tcp/recovery_block.c net/transport/tcp/round_trip.c net/transport/tcp/rto_option.c net/transport/tcp/scoreboard.c net/transport/tcp/segment.c */
/* sources: net/transport/tcp/segment_bare.c net/transport/tcp/segment_block.c net/transport/tcp/segment_out.c net/transport/tcp/segment_remote.c net/transport/tcp/send_buffer.c net/transport/tcp/sender.c net/transport/tcp/sender_output.c net/transport/tcp/tcb.c net/transport/tcp/soon.c net/transport/tcp/timewait.c net/transport/tcp/undo.c net/transport/tcp/wheel.c */
/* sources: net/status_text.c net/transport/address.c net/transport/dhcp.c net/transport/dns/resolver.c net/transport/dns/cache.c net/transport/dns/packet.c net/domain_name.c net/transport/sntp.c net/transport/datagram.c net/transport/groups.c net/transport/ntp.c net/wall_clock.c net/transport/hash.c net/transport/card.c net/transport/lwip/interface.c net/transport/lwip/memory.c net/transport/lwip/output.c net/transport/neighbor.c */
/* sources: net/transport/network_options.c net/transport/virtual_address.c net/packet.c libc/core/address.c net/expect.c net/handlers.c net/messages.c net/address.c net/configuration.c net/current_configuration.c net/placement.c net/returning.c net/draining.c tests/unit/world/fake_park.c net/transport/draining.c net/steering.c */
/* sources: kernel/message/dispatch.c kernel/message/peers.c kernel/message/send.c kernel/message/receive.c kernel/message/poll.c kernel/message/opening.c kernel/message/watch.c kernel/message/channel.c kernel/message/status.c kernel/log.c libc/core/format.c */
/* sources: libc/core/timer.c kernel/thread/thread.c kernel/thread/switch.S libc/core/command_line.c */
/* sources: tests/unit/world/fake_wire.c tests/unit/world/fake_relay.c tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
/*
 * TCP clients of a transport server, and the application they talk to: see fake_client.h.
 */
#include "tests/unit/world/fake_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/nic/frame.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/peers.h"
#include "libc/core/memory.h"
#include "net/transport/connection.h"
#include "net/transport/frames.h"
#include "net/transport/held.h"
#include "net/transport/table.h"
#include "net/transport/tcp/half_open.h"
#include "net/transport/tcp/queue.h"
#include "net/transport/tcp/soon.h"
#include "net/transport/tcp/timewait.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/fake_wire.h"

enum acceptor_grant wire_grant;

/* Other messages to the CM are left out. */
static const struct syn_arrived *take_question(void)
{
    const struct message *message;

    do {
        message = fake_take_message(NODE_CM);
    } while (message != NULL && message->header.type != SYN_ARRIVED);
    return (const struct syn_arrived *)message;
}

bool wire_answer_syn(node_id_t acceptor_node, bool is_refused)
{
    const struct syn_arrived *question = take_question();
    struct assign_connection message = {
        .header = {.type = ASSIGN_CONNECTION, .length_bytes = sizeof(message)},
        .acceptor = {.node = acceptor_node,
                     .listener_index = 3,
                     .grant = (uint8_t)wire_grant,
                     .cm = NODE_CM,
                     .assigned_by = NODE_CM},
        .is_refused = is_refused,
    };

    if (question == NULL) {
        return false;
    }
    message.flow = question->flow;
    fake_deliver(NODE_CM, &message.header);
    wire_run();
    return true;
}

void wire_assign_frame(const uint8_t *bytes, size_t length, node_id_t acceptor_node,
                       bool is_refused)
{
    if (is_refused) {
        wire_serve(false);
    }
    wire_receive_frame(bytes, length, FRAME_IP_CHECKSUM_GOOD | FRAME_L4_CHECKSUM_GOOD);
    wire_run();
    if (is_refused) {
        wire_serve(true);
    } else {
        (void)wire_answer_syn(acceptor_node, false);
    }
}

static size_t build_syn(uint8_t *bytes, const struct client *client)
{
    struct segment syn = {
        .client_port = client->port,
        .flags = WIRE_SYN,
        .sequence = client->send_next - 1,
        .window = 65535,
    };

    return wire_build(bytes, &syn);
}

void wire_send_syn(const struct client *client)
{
    uint8_t bytes[FRAME_MAX_BYTES];

    wire_receive_frame(bytes, build_syn(bytes, client),
                       FRAME_IP_CHECKSUM_GOOD | FRAME_L4_CHECKSUM_GOOD);
    wire_run();
}

void wire_assign(const struct client *client, node_id_t acceptor_node, bool is_refused)
{
    uint8_t bytes[FRAME_MAX_BYTES];

    wire_assign_frame(bytes, build_syn(bytes, client), acceptor_node, is_refused);
}

void wire_open(struct client *client, uint16_t port, const char *data)
{
    struct segment answer;

    *client = (struct client){.port = port, .send_next = 1000u + port};
    wire_assign(client, NODE_APPLICATION, false);
    answer = wire_expect(client);
    assert_int_equal(answer.flags, WIRE_SYN | WIRE_ACK);
    assert_int_equal(answer.acknowledgement, client->send_next);
    client->receive_next = answer.sequence + 1;
    wire_send(client, WIRE_ACK, NULL, 0);
    if (data != NULL) {
        wire_send(client, WIRE_ACK | WIRE_PSH, data, (uint32_t)strlen(data));
        client->send_next += (uint32_t)strlen(data);
    }
    wire_run();
}

void wire_claim(const struct client *client)
{
    struct claim_connection claim = {
        .header = {.type = CLAIM_CONNECTION, .length_bytes = sizeof(claim)},
        .connection_index = client->connection_index,
        .generation = client->generation,
        .stream_index = client->port,
        .availability_number = client->availability_number,
    };

    fake_deliver(NODE_APPLICATION, &claim.header);
    wire_run();
}

const struct claim_confirmed *wire_accept(struct client *client, uint16_t port)
{
    const struct connection_available *available;
    const struct claim_confirmed *confirmed;

    wire_open(client, port, NULL);
    available = fake_expect_message(NODE_APPLICATION, CONNECTION_AVAILABLE);
    client->connection_index = available->connection_index;
    client->generation = available->generation;
    client->availability_number = available->availability_number;
    wire_claim(client);
    confirmed = fake_expect_message(NODE_APPLICATION, CLAIM_CONFIRMED);
    assert_int_equal(confirmed->stream_index, port);
    wire_tcb_of(client)->soon |= SOON_OVER; /* as if it had been there for a while */
    return confirmed;
}

void wire_application_send(const struct client *client, const void *bytes, uint32_t length)
{
    struct send message = {
        .header.type = SEND,
        .connection_index = client->connection_index,
        .generation = client->generation,
        .stream_index = client->port,
    };

    fake_deliver_payload(NODE_APPLICATION, &message.header, sizeof(message), bytes, length);
}

void wire_application_send_archive(const struct client *client, uint64_t offset, uint32_t length)
{
    struct send message = {
        .header = {.type = SEND, .length_bytes = sizeof(message)},
        .connection_index = client->connection_index,
        .generation = client->generation,
        .stream_index = client->port,
        .archive_offset = offset,
        .archive_bytes = length,
    };

    fake_deliver(NODE_APPLICATION, &message.header);
}

void wire_application_respond(const struct client *client, const void *head, uint32_t head_bytes,
                              uint32_t archive_bytes, uint32_t close_kind)
{
    struct send message = {
        .header.type = SEND,
        .connection_index = client->connection_index,
        .generation = client->generation,
        .stream_index = client->port,
        .archive_bytes = archive_bytes,
        .close_kind = close_kind,
    };

    fake_deliver_payload(NODE_APPLICATION, &message.header, sizeof(message), head, head_bytes);
}

void wire_application_consumed(const struct client *client, uint32_t bytes)
{
    struct consumed message = {
        .header = {.type = CONSUMED, .length_bytes = sizeof(message)},
        .connection_index = client->connection_index,
        .generation = client->generation,
        .stream_index = client->port,
        .consumed_bytes = bytes,
    };

    fake_deliver(NODE_APPLICATION, &message.header);
}

void wire_application_close(const struct client *client, uint32_t consumed, enum close_kind kind)
{
    struct close message = {
        .header = {.type = CLOSE, .length_bytes = sizeof(message)},
        .connection_index = client->connection_index,
        .generation = client->generation,
        .stream_index = client->port,
        .consumed_bytes = consumed,
        .kind = kind,
    };

    fake_deliver(NODE_APPLICATION, &message.header);
}

static void put16(uint8_t *bytes, unsigned value)
{
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
}

size_t wire_build_too_long(uint8_t *frame, const struct client *client, uint32_t sequence,
                           unsigned mtu)
{
    struct segment segment = {.client_port = client->port, .length = 0};
    uint8_t *icmp = frame + 14 + 20;
    uint8_t *quoted = icmp + 8;

    (void)wire_build(frame, &segment);
    memcpy(quoted, frame + 14, 20);
    memcpy(quoted + 12, &wire_server_address, 4);
    memcpy(quoted + 16, &(uint32_t){WIRE_CLIENT_ADDRESS}, 4);
    put16(quoted + 2, 1500);
    put16(quoted + 20, WIRE_SERVER_PORT);
    put16(quoted + 20 + 2, client->port);
    put16(quoted + 20 + 4, sequence >> 16);
    put16(quoted + 20 + 6, sequence);
    memset(icmp, 0, 8);
    icmp[0] = 3;
    icmp[1] = 4;
    put16(icmp + 6, mtu);
    frame[14 + 9] = 1;
    put16(frame + 14 + 2, 20 + 8 + 20 + 8);
    wire_seal(frame);
    return 14 + 20 + 8 + 20 + 8;
}

void wire_tell_mtu(const struct client *client, uint32_t sequence, unsigned mtu)
{
    uint8_t frame[FRAME_MAX_BYTES];
    size_t length = wire_build_too_long(frame, client, sequence, mtu);

    wire_receive_frame(frame, length, FRAME_IP_CHECKSUM_GOOD);
    wire_run();
}

unsigned wire_connection_count(void)
{
    unsigned count = half_open_count();

    for (uint32_t i = 0; i < connection_table_size(); i++) {
        count += connection_at(i) != NULL;
    }
    return count;
}

struct tcb *wire_tcb_of(const struct client *client)
{
    struct connection *connection = connection_find(client->connection_index, client->generation);

    assert_non_null(connection);
    assert_int_not_equal(connection->tcb.state, TCB_CLOSED);
    return &connection->tcb;
}

uint16_t wire_new_port(void)
{
    static uint16_t next_port = 20000;

    return next_port++;
}

uint64_t wire_counted(unsigned counter)
{
    return counter_read(0, counter);
}

/* What is in use of each kind of memory while there is no connection. Pools keep what they have
 * taken, and count what is used of it; their lists of chunks, TIME_WAIT's table and channels stay.
 */
#define KINDS_MAX 64u

static uint64_t idle_objects[KINDS_MAX];

static bool stays(const struct memory_kind *kind)
{
    return strcmp(kind->name, "pool_list") == 0 || strcmp(kind->name, "tcp_timewait") == 0 ||
           strcmp(kind->name, "channel_ring") == 0;
}

static void note_idle_objects(void)
{
    unsigned i = 0;

    LINKER_SET_EACH(memory_kinds, struct memory_kind, kind)
    {
        assert_true(i < KINDS_MAX);
        idle_objects[i++] = (*kind)->counts->objects;
    }
}

int wire_set_up(void **state)
{
    (void)state;
    wire_start();
    note_idle_objects();
    return 0;
}

static bool is_conserved(const char *what, uint64_t now, uint64_t before)
{
    if (now != before) {
        print_error("%s: %llu, not %llu\n", what, (unsigned long long)now,
                    (unsigned long long)before);
    }
    return now == before;
}

int wire_tear_down(void **state)
{
    bool is_all_back = true;

    (void)state;
    wire_hold_sent(false);
    wire_block_transmit(false);
    wire_unplug(false);
    wire_advance_ns(60 * NS_PER_S);
    wire_clear();
    for (unsigned i = 0; i < 60 && wire_connection_count() != 0; i++) {
        wire_advance_ns(NS_PER_S);
        wire_clear();
    }
    is_all_back &= is_conserved("connections", wire_connection_count(), 0);
    is_all_back &= is_conserved("handshakes", half_open_count(), 0);
    is_all_back &= is_conserved("frames of the link server", wire_frames_held(), 0);
    is_all_back &= is_conserved("frames that the server counts", frames_held_count(), 0);
    is_all_back &= is_conserved("messages to this node", peers_is_own_waiting(), 0);
    is_all_back &= is_conserved("bytes that wait", held_bytes(), 0);
    is_all_back &= is_conserved("bytes to be sent", queue_memory_bytes(), 0);
    uint32_t flow_count;

    wire_advance_ns(TIMEWAIT_LIFETIME_NS);
    wire_clear();
    do {
        flow_count = timewait_count();
        timewait_expire(dispatch_now_ns());
    } while (timewait_count() != flow_count);
    is_all_back &= is_conserved("flows in TIME_WAIT", flow_count, 0);
    /* Packets, what is to be sent, messages that were posted. */
    const uint64_t *before = idle_objects;

    LINKER_SET_EACH(memory_kinds, struct memory_kind, kind)
    {
        uint64_t now = (*kind)->counts->objects;

        is_all_back &= stays(*kind) || is_conserved((*kind)->name, now, *before);
        before++;
    }
    note_idle_objects();
    return is_all_back ? 0 : -1;
}

void wire_finish(struct client *client)
{
    wire_application_close(client, UINT32_MAX, CLOSE_BOTH);
    wire_run();
    wire_send(client, WIRE_RST, NULL, 0);
    wire_run();
    wire_clear();
}
