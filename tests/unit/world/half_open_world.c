/* SPDX-License-Identifier: MIT */
/* sources: net/transport/tcp/half_open.c net/transport/tcp/half_open_table.c net/transport/tcp/flood.c net/transport/tcp/cookie.c net/transport/tcp/options.c net/transport/flows.c */
/* sources: net/transport/hash.c libc/core/timer.c kernel/message/channel.c kernel/message/status.c */
/* sources: tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
#include "tests/unit/world/half_open_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "libc/core/bytes.h"
#include "libc/core/timer.h"
#include "net/transport/admission.h"
#include "net/transport/closed.h"
#include "net/transport/connection.h"
#include "net/transport/flows.h"
#include "net/transport/hash.h"
#include "net/transport/table.h"
#include "net/transport/tcp/flood.h"
#include "net/transport/tcp/half_open.h"
#include "net/transport/tcp/half_open_table.h"
#include "tests/unit/world/fake_platform.h"

struct half_open_world world;

static const uint8_t usual_options[] = {2, 4, 5, 0xB4, 4, 2, 1, 3, 3, 7, 0, 0};

/* --- What the module calls --- */

uint64_t dispatch_now_ns(void)
{
    return platform_now_ns();
}

void segment_out_send_bare(const struct bare_segment *segment)
{
    assert_true(segment->option_bytes <= sizeof(segment->options));
    world.sent = *segment;
    world.sent_count++;
}

void segment_out_refuse(const struct packet *packet)
{
    assert_int_equal(packet->tcp_flags & TCP_FLAG_RST, 0);
    world.refused_count++;
}

void closed_report(const struct acceptor *acceptor, uint16_t port, uint64_t service_ns)
{
    assert_int_equal(port, WORLD_PORT);
    assert_int_equal(service_ns, 0);
    assert_int_not_equal(acceptor->node, NODE_NONE);
    world.closed = *acceptor;
    world.closed_count++;
}

node_id_t admission_ask(const struct flow *flow)
{
    assert_int_not_equal(world.sent_count, 0); /* the SYN-ACK does not wait for it */
    assert_int_equal(flow->remote_address, world.sent.flow.remote_address);
    if (world.is_manager_full) {
        return NODE_NONE;
    }
    world.asked_count++;
    return WORLD_CM;
}

struct tcb *connection_open(struct handshake *handshake, struct handshake_completion completion)
{
    static struct tcb opened;

    if (world.is_table_full || world.has_no_memory) {
        return NULL; /* and counted */
    }
    world.opened = *handshake;
    world.completion = completion;
    world.opened_count++;
    if (handshake->state == FLOW_HALF_OPEN) {
        flows_remove(&handshake->entry); /* it takes its place, and is forgotten */
    }
    return &opened;
}

void segment_out_send_bare_inline(const struct bare_segment *segment)
{
    segment_out_send_bare(segment);
}

bool connection_admit(uint32_t remote_address)
{
    world.asked_admission_of = remote_address;
    return !world.is_table_full;
}

void overload_note(enum overload overload, uint32_t limit)
{
    (void)limit;
    world.overload_counts[overload]++;
}

/* --- The test's side --- */

uint64_t half_open_world_now_ns(void)
{
    return platform_now_ns();
}

void half_open_world_clear(void)
{
    world.sent_count = world.refused_count = world.closed_count = 0;
}

static void run_timers(void)
{
    while (timer_next_deadline_ns() <= platform_now_ns()) {
        timer_run_expired(platform_now_ns());
        flood_end_round();
    }
}

void half_open_world_pass(uint64_t ns)
{
    uint64_t end_ns = platform_now_ns() + ns;

    while (platform_now_ns() < end_ns) {
        uint64_t next_ns = platform_now_ns() + NS_PER_MS;
        uint64_t deadline_ns = timer_next_deadline_ns();

        next_ns = deadline_ns < next_ns ? deadline_ns : next_ns;
        fake_set_now_ns(next_ns < end_ns ? next_ns : end_ns);
        flood_end_round();
        run_timers();
    }
}

void world_forget(void)
{
    flows_initialise(HALF_OPEN_MAX);
    half_open_initialise();
}

int half_open_world_set_up(void **state)
{
    (void)state;
    fake_platform_reset(1, 8);
    fake_set_now_ns(NS_PER_S);
    memset(&world, 0, sizeof(world));
    world.flow = world_flow(1);
    world.acceptor = world_acceptor(WORLD_NODE);
    world_forget();
    return 0;
}

int half_open_world_tear_down(void **state)
{
    (void)state;
    half_open_world_pass(12 * NS_PER_S);
    assert_int_equal(half_open_count(), 0);
    assert_int_equal(timer_next_deadline_ns(), UINT64_MAX);
    return 0;
}

struct flow world_flow(unsigned number)
{
    /* 10.1.0.0 on, at most 2^20 of them. */
    return (struct flow){
        .remote_address = swap32(0x0A010000u + number),
        .local_address = WORLD_ADDRESS,
        .remote_port = swap16((uint16_t)(1024 + number % 60000)),
        .local_port = swap16(WORLD_PORT),
    };
}

struct packet world_packet(const struct flow *flow, uint8_t tcp_flags, uint32_t sequence,
                           uint32_t acknowledgment)
{
    return (struct packet){
        .flow = *flow,
        .kind = PACKET_SEGMENT,
        .tcp_flags = tcp_flags,
        .sequence = sequence,
        .acknowledgment = acknowledgment,
        .window = 1000,
    };
}

struct segment world_segment_of(const struct packet *packet)
{
    return (struct segment){.packet = packet, .flow_hash = flow_hash(&packet->flow)};
}

void world_syn_segment(struct segment *segment, uint32_t least_iss, bool has_least_iss)
{
    struct half_open *entry = half_open_table_find(&segment->packet->flow);

    if (entry != NULL) {
        half_open_syn_again(entry, segment);
    } else {
        half_open_syn(segment, least_iss, has_least_iss);
    }
}

void world_syn_with(const struct flow *flow, uint32_t irs, const uint8_t *options,
                    unsigned option_bytes)
{
    uint8_t frame[PACKET_TCP_OFFSET + TCP_HEADER_MAX_BYTES] = {0};
    struct packet packet = world_packet(flow, TCP_FLAG_SYN, irs, 0);
    struct segment segment = world_segment_of(&packet);

    packet.kind = PACKET_SYN;
    packet.bytes = frame;
    packet.option_bytes = (uint8_t)option_bytes;
    memcpy(frame + PACKET_TCP_OFFSET + TCP_HEADER_MIN_BYTES, options, option_bytes);
    world_syn_segment(&segment, 0, false);
}

bool world_syn(const struct flow *flow, uint32_t irs, const struct acceptor *acceptor)
{
    world_syn_with(flow, irs, usual_options, sizeof(usual_options));
    return acceptor != NULL && half_open_assign(flow, acceptor, false);
}

bool world_segment(const struct packet *packet, bool *is_known)
{
    struct segment segment = world_segment_of(packet);
    struct half_open *entry = half_open_table_find(&packet->flow);
    struct tcb *opened = NULL;

    *is_known = entry != NULL;
    if (entry != NULL) {
        opened = half_open_segment(entry, &segment);
    } else {
        *is_known = half_open_cookie(&segment, &opened);
    }
    assert_true(*is_known || opened == NULL);
    return opened != NULL;
}

bool world_acknowledge(const struct flow *flow)
{
    struct packet packet =
        world_packet(flow, TCP_FLAG_ACK, world.sent.acknowledgment, world.sent.sequence + 1);
    bool is_known;

    assert_int_equal(world.sent.tcp_flags, TCP_FLAG_SYN | TCP_FLAG_ACK);
    return world_segment(&packet, &is_known);
}

struct acceptor world_acceptor(node_id_t node)
{
    return (struct acceptor){
        .node = node,
        .listener_index = 3,
        .grant = GRANT_AT_ONCE,
        .cm = WORLD_CM,
        .assigned_by = WORLD_CM,
        .request_number = 7,
    };
}

uint64_t world_counted(unsigned counter)
{
    return counter_read(1, counter);
}

uint32_t world_begin(void)
{
    assert_true(world_syn(&world.flow, WORLD_IRS, &world.acceptor));
    return world.sent.sequence;
}

bool world_answer(uint8_t tcp_flags, uint32_t sequence, uint32_t acknowledgment)
{
    struct packet packet =
        world_packet(&world.flow, tcp_flags, WORLD_IRS + 1 + sequence, acknowledgment);
    bool is_known;
    bool is_completed = world_segment(&packet, &is_known);

    assert_true(is_known);
    return is_completed;
}

bool world_is_known(const struct packet *packet)
{
    bool is_known;

    assert_false(world_segment(packet, &is_known));
    return is_known;
}
