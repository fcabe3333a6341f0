/* SPDX-License-Identifier: MIT */
/* sources: net/status_text.c net/link/server.c net/link/transmit.c net/link/attach.c net/link/steer.c net/link/device.c net/link/port.c net/link/syns.c net/link/announcement.c net/link/misses.c net/link/restart.c net/link/takeover.c net/link/nic_option.c net/link/capture.c net/link/capture_ring.c net/capture/filter.c net/link/groups.c */
/* sources: net/manager/server.c net/manager/figures.c net/manager/manager.c net/manager/acceptors.c net/manager/offering.c net/manager/listeners.c net/manager/ports.c net/manager/waiting.c net/service_times.c */
/* sources: net/manager/options.c net/manager/service.c net/manager/balance/balance.c net/manager/balance/offers.c net/manager/balance/weights.c net/manager/balance/naive.c net/manager/balance/unfiltered.c net/manager/balance/filtered.c net/manager/balance/tournament.c net/manager/balance/least.c */
/* sources: net/transport/server.c net/transport/frames.c net/transport/packet.c net/transport/path_mtu.c net/transport/unreachable.c net/transport/active.c net/transport/active_table.c net/transport/ephemeral.c net/transport/forward/flow.c net/transport/forward/maglev.c net/transport/forward/quote.c net/transport/forward/rules.c net/transport/forward/segment.c net/transport/loopback.c net/transport/held.c net/transport/share.c net/transport/drops.c net/transport/demux.c net/transport/flows.c net/transport/kept.c net/transport/readiness.c */
/* sources: net/transport/connection.c net/transport/table.c net/transport/state.c */
/* sources: net/transport/admission.c net/transport/availability.c net/transport/managers.c net/transport/claim_option.c net/transport/closed.c net/transport/splice.c net/transport/stream.c net/transport/orphan.c net/transport/overload.c */
/* sources: net/transport/tcp/blocked.c net/transport/tcp/congestion.c net/transport/tcp/cookie.c net/transport/tcp/cubic.c net/transport/tcp/episode.c net/transport/tcp/flood.c net/transport/tcp/half_open.c net/transport/tcp/half_open_table.c net/transport/tcp/hystart.c net/transport/tcp/lend.c net/transport/tcp/loss_timer.c net/transport/tcp/newreno.c net/transport/tcp/options.c */
/* sources: net/transport/tcp/persist.c net/transport/tcp/pinned.c net/transport/tcp/piece.c net/transport/tcp/probe.c net/transport/tcp/prr.c net/transport/tcp/queue.c net/transport/tcp/rack.c net/transport/tcp/receiver.c net/transport/tcp/recovery.c net/transport/tcp/recovery_block.c net/transport/tcp/round_trip.c net/transport/tcp/rto_option.c net/transport/tcp/scoreboard.c net/transport/tcp/segment.c */
/* sources: net/transport/tcp/segment_bare.c net/transport/tcp/segment_block.c net/transport/tcp/segment_out.c net/transport/tcp/segment_remote.c net/transport/tcp/send_buffer.c net/transport/tcp/sender.c net/transport/tcp/sender_output.c net/transport/tcp/tcb.c net/transport/tcp/soon.c net/transport/tcp/timewait.c net/transport/tcp/undo.c net/transport/tcp/wheel.c */
/* sources: net/transport/address.c net/transport/dhcp.c net/transport/dns/resolver.c net/transport/dns/cache.c net/transport/dns/packet.c net/domain_name.c net/transport/sntp.c net/transport/datagram.c net/transport/groups.c net/transport/ntp.c net/wall_clock.c net/transport/hash.c net/transport/card.c net/transport/lwip/interface.c net/transport/lwip/memory.c net/transport/lwip/output.c net/transport/neighbor.c net/transport/network_options.c net/transport/virtual_address.c */
/* sources: net/streams/listener.c net/streams/opening.c net/streams/received.c net/streams/requests.c net/streams/returns.c net/streams/grant_option.c net/streams/sending.c net/streams/splice_copy.c net/streams/splicing.c net/streams/stream.c net/streams/table.c net/streams/taken.c */
/* sources: net/packet.c net/expect.c net/handlers.c net/messages.c net/address.c net/steering.c net/configuration.c net/current_configuration.c net/placement.c net/returning.c net/draining.c tests/unit/world/fake_park.c net/streams/draining.c net/transport/draining.c */
/* sources: libc/posix/descriptor.c libc/posix/socket.c libc/posix/socket_connect.c libc/posix/socket_bind.c libc/posix/socket_options.c libc/posix/socket_splice.c libc/posix/socket_timeout.c libc/posix/socket_transfer.c libc/posix/poll.c libc/posix/epoll.c */
/* sources: libc/posix/other_socket.c libc/posix/datagram_socket.c libc/posix/datagram_groups.c libc/posix/datagram_options.c libc/posix/datagram_transfer.c net/datagrams/group.c net/datagrams/port.c net/names/question.c */
/* sources: kernel/message/dispatch.c kernel/message/peers.c kernel/message/send.c kernel/message/receive.c kernel/message/poll.c kernel/message/opening.c kernel/message/watch.c kernel/message/channel.c kernel/message/status.c kernel/log.c */
/* sources: libc/core/timer.c kernel/thread/thread.c kernel/thread/switch.S */
/* sources: tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c tests/fuzz/world/card.c drivers/console/log_printer.c */
/*
 * A whole node: see node.h.
 */
#include "tests/fuzz/world/node.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "drivers/console/log_printer.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "kernel/x86/interrupt.h"
#include "libc/posix/log_stream.h"
#include "libc/posix/socket.h"
#include "net/configuration.h"
#include "net/link/server.h"
#include "net/manager/server.h"
#include "net/streams/table.h"
#include "net/transport/connection.h"
#include "net/transport/frames.h"
#include "net/transport/held.h"
#include "net/transport/server.h"
#include "net/transport/table.h"
#include "net/transport/tcp/half_open.h"
#include "net/transport/tcp/queue.h"
#include "tests/fuzz/world/card.h"
#include "tests/unit/world/fake_memory.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/memory_nic.h"

#define NETWORK       "net=192.168.1.15/24,gw=192.168.1.2 "
#define ROUND_MAX     2000u /* a node that finds work for ever does not sleep */
#define FD_MAX        64u   /* more than an application of application.h has open */
#define SETTLE_MINUTE (60 * NS_PER_S)

static struct configuration configuration;
static FUZZ_KEPT uint8_t archive[ARCHIVE_BYTES] = {1}; /* until it has been made */
static char line[512];

/* --- What the node meets beside the fakes of the unit tests --- */

uint64_t interrupt_count(uint8_t vector)
{
    (void)vector;
    return 0;
}

ssize_t log_stream_write(int fd, const void *text, size_t bytes)
{
    (void)fd;
    (void)text;
    return (ssize_t)bytes;
}

void log_streams_end_lines(void)
{
}

/* --- Start --- */

static void start_roles(void)
{
    unsigned roles = configuration.roles[platform_node()];

    if ((roles & ROLE_LS) != 0) {
        link_server_start(configuration_current());
    }
    if ((roles & ROLE_CM) != 0) {
        connection_manager_start(configuration_current());
    }
    if ((roles & ROLE_TS) != 0) {
        transport_server_start(configuration_current());
    }
    if ((roles & ROLE_APPLICATION) != 0) {
        sockets_start();
    }
}

void node_start(struct fuzz_input *input, const char *words, uint8_t node, unsigned node_count)
{
    static const struct platform_console printer = {
        .print = log_printer_print,
        .write = fake_console_write,
    };
    char reason[128];

    for (size_t i = 0; i < ARCHIVE_BYTES && archive[0] != stream_byte(0); i++) {
        archive[ARCHIVE_BYTES - 1 - i] = stream_byte(ARCHIVE_BYTES - 1 - i);
    }
    snprintf(line, sizeof(line), "%s%s", strstr(words, "net=") == NULL ? NETWORK : "", words);
    fake_memory_total_bytes = 16 * MIB;
    fake_platform_reset(node, node_count);
    fake_status_page(node)->memory_bytes = 16 * MIB;
    fake_set_command_line(line);
    fake_set_archive(archive, sizeof(archive));
    platform_console = &printer;
    log_printer_start();
    for (unsigned peer = 0; peer < node_count; peer++) {
        fake_close_ring((node_id_t)peer); /* until it is asked for one */
    }
    card_start(fuzz_take8(input));
    dispatch_initialise();
    FUZZ_CHECK(configuration_parse(&configuration, line, node_count, reason, sizeof(reason)) == 0);
    configuration_set_current(&configuration);
    start_roles();
    node_run();
}

/* --- Time --- */

static void run_rounds(void)
{
    unsigned round = 0;

    while (dispatch_round() != 0) {
        FUZZ_CHECK(++round < ROUND_MAX);
    }
}

/* The attention interrupt ends the sleep before it has begun, so that no time passes; and the node
 * looks at all others, which it does only then. */
void node_run(void)
{
    run_rounds();
    fake_send_attention();
    dispatch_sleep();
    run_rounds();
}

void node_advance_ns(uint64_t ns)
{
    fake_advance_ns(ns);
    node_run();
}

/* --- The input's actions --- */

static const uint64_t steps_ns[] = {
    0,        100 * NS_PER_US, 10 * NS_PER_MS, 250 * NS_PER_MS,
    NS_PER_S, 5 * NS_PER_S,    60 * NS_PER_S,  600 * NS_PER_S,
};

void node_act(struct fuzz_input *input)
{
    uint8_t action = fuzz_take8(input);

    switch (action >> 4) {
    case 0:
        card_hold((action & 1) != 0);
        card_block((action & 2) != 0);
        break;
    case 1:
        fake_fail_allocations_after(action & 0xF);
        break;
    case 2:
        fake_fail_allocations_after(-1);
        break;
    case 3:
        fake_set_free_memory_bytes((action & 1) != 0 ? 0 : UINT64_MAX);
        break;
    default:
        fake_advance_ns(steps_ns[action % ARRAY_COUNT(steps_ns)]);
        break;
    }
    node_run();
}

/* --- The end --- */

static unsigned connection_count(void)
{
    unsigned count = 0;

    for (uint32_t i = 0; i < connection_table_size(); i++) {
        count += connection_at(i) != NULL;
    }
    return count;
}

static void count_stream(struct stream *stream, void *count)
{
    (void)stream;
    ++*(unsigned *)count;
}

void node_finish(void)
{
    unsigned stream_count = 0;

    fake_fail_allocations_after(-1);
    fake_set_free_memory_bytes(UINT64_MAX);
    card_hold(false);
    card_block(false);
    node_run();
    for (unsigned fd = DESCRIPTOR_FIRST; fd < FD_MAX; fd++) {
        if (descriptor_get((int)fd) != NULL) {
            (void)close((int)fd);
        }
    }
    node_run();
    for (unsigned i = 0; i < 60 && (connection_count() != 0 || half_open_count() != 0); i++) {
        node_advance_ns(i < 10 ? NS_PER_S : SETTLE_MINUTE);
    }
    stream_for_each(count_stream, &stream_count);
    FUZZ_CHECK(connection_count() == 0);
    FUZZ_CHECK(half_open_count() == 0);
    FUZZ_CHECK(queue_memory_bytes() == 0);
    FUZZ_CHECK(stream_count == 0);
    /* Fragments of packets that never came whole are held until then (IP_REASS_MAXAGE). */
    for (unsigned i = 0; i < 20 && memory_nic_frames_held() != 0; i++) {
        node_advance_ns(NS_PER_S);
    }
    FUZZ_CHECK(memory_nic_frames_held() == 0);
    FUZZ_CHECK(frames_held_count() == 0);
    FUZZ_CHECK(held_bytes() == 0);
}
