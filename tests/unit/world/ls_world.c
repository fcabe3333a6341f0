/* SPDX-License-Identifier: MIT */
/* sources: net/handlers.c net/messages.c net/status_text.c net/link/server.c net/link/transmit.c net/link/attach.c net/link/steer.c net/link/device.c net/link/port.c net/link/syns.c net/link/announcement.c net/link/misses.c net/link/restart.c net/link/takeover.c net/link/nic_option.c net/link/capture.c net/link/capture_ring.c net/capture/filter.c net/link/groups.c */
/* sources: net/packet.c net/steering.c net/configuration.c net/current_configuration.c net/placement.c net/returning.c net/draining.c tests/unit/world/fake_park.c */
/* sources: drivers/nic/nic.c */
/* sources: kernel/message/channel.c kernel/message/status.c kernel/message/dispatch.c kernel/message/peers.c kernel/message/send.c kernel/message/receive.c kernel/message/poll.c kernel/message/opening.c kernel/message/watch.c kernel/thread/thread.c kernel/thread/switch.S */
/* sources: libc/core/timer.c libc/core/format.c libc/core/command_line.c */
/* sources: tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
/*
 * A link server's world for unit tests: see ls_world.h.
 */
#include "tests/unit/world/ls_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/nic/frame.h"
#include "drivers/nic/nic.h"
#include "kernel/log.h"
#include "kernel/message/dispatch.h"
#include "kernel/platform.h"
#include "kernel/x86/interrupt.h"
#include "net/link/server.h"
#include "net/packet.h"
#include "net/returning.h"
#include "net/steering.h"
#include "net/transport/server.h"
#include "tests/unit/world/fake_platform.h"

struct configuration configuration;
struct frame *received;
unsigned received_count;
unsigned last_merged_count;
struct frame *all_received[RECEIVED_MAX];
uint32_t last_byte_sent = 1000;
uint64_t interrupts[256];
struct nic_ready last_ready;
unsigned ready_count;

/* --- The parts of this node that the link server meets --- */

static void (*release_to_driver)(struct frame *frame);
static unsigned frames_held;

static void release_frame(struct frame *frame)
{
    assert_true(frames_held > 0);
    frames_held--;
    frame->release = release_to_driver;
    frame->release(frame);
}

int ls_tear_down(void **state)
{
    (void)state;
    if (frames_held != 0) {
        print_error("%u frames have not been given back\n", frames_held);
    }
    return frames_held == 0 ? 0 : -1;
}

void transport_server_receive(struct frame *frame, const struct packet *packet)
{
    assert_ptr_equal(packet->bytes, frame->data);
    assert_int_equal(packet->length_bytes, frame->length_bytes);
    assert_int_equal(packet->flags, frame->flags);
    last_merged_count = packet->merged_count;
    release_to_driver = frame->release;
    frame->release = release_frame;
    frames_held++;
    received = frame;
    if (received_count < RECEIVED_MAX) {
        all_received[received_count] = frame;
    }
    received_count++;
}

void transport_server_expect(struct frame *const *frames, unsigned count)
{
    assert_true(frames[0] != NULL && frames[count - 1] != NULL);
}

bool transport_server_expects_acknowledgment(const struct packet *packet)
{
    return packet->acknowledgment <= last_byte_sent;
}

static void handle_nic_ready(node_id_t from, const struct message *message)
{
    assert_int_equal(from, platform_node());
    memcpy(&last_ready, message, sizeof(last_ready));
    ready_count++;
}

uint64_t interrupt_count(uint8_t vector)
{
    return interrupts[vector];
}

/* The dispatcher prints the log; this node has none. */
bool log_is_console_owner(void)
{
    return false;
}

node_id_t log_console_owner(void)
{
    return NODE_NONE;
}

void log_flush_all(void)
{
}

bool log_take_unannounced(void)
{
    return false;
}

void log_defer_printing(bool is_wanted)
{
    (void)is_wanted;
}

void start_link_server_on(node_id_t node, const char *roles)
{
    start_link_server_among(4, node, roles);
}

void start_link_server_among(unsigned node_count, node_id_t node, const char *roles)
{
    char reason[128];

    fake_platform_reset(node, node_count);
    fake_set_command_line(roles);
    fake_set_clock_step_ns(NS_PER_US);
    dispatch_initialise();
    assert_int_equal(configuration_parse(&configuration, roles, node_count, reason, sizeof(reason)),
                     0);
    assert_int_equal(steering_parse(&configuration, roles, reason, sizeof(reason)), 0);
    if (nic_folds_ports()) {
        steering_fold(&configuration);
    }
    dispatch_register_message(NIC_READY, sizeof(struct nic_ready), handle_nic_ready);
    configuration_set_current(&configuration);
    returning_start();
    link_server_start(configuration_current());
}

/* --- Frames --- */

uint16_t port_owned_by(node_id_t ts)
{
    for (unsigned port = 40000; port < 40000 + STEERING_GROUP_COUNT; port++) {
        if (steering_owner(&configuration, steering_group(&configuration, (uint16_t)port, 80)) ==
            ts) {
            return (uint16_t)port;
        }
    }
    fail_msg("node %u owns no flow", ts);
    return 0;
}

struct test_frame tcp_frame(node_id_t owner, uint8_t flags)
{
    uint16_t port = port_owned_by(owner);
    struct test_frame frame = {.length_bytes = 60};
    uint8_t *ip = frame.bytes + 14;
    uint8_t *tcp = ip + 20;

    frame.bytes[12] = 0x08;
    ip[0] = 0x45;
    ip[3] = 40;
    ip[9] = 6;
    memcpy(ip + 12, (uint8_t[]){192, 0, 2, 1, 198, 51, 100, 2}, 8);
    tcp[0] = (uint8_t)(port >> 8);
    tcp[1] = (uint8_t)port;
    tcp[3] = 80;
    tcp[12] = 5 << 4;
    tcp[13] = flags;
    return frame;
}

void settle(void)
{
    while (dispatch_round() > 0) {
    }
}
