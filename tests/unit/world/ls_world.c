/* SPDX-License-Identifier: MIT */
/* sources: net/link/server.c net/link/device.c net/link/port.c net/link/nic_option.c */
/* sources: net/steering.c net/configuration.c net/placement.c */
/* sources: drivers/ixgbe/ixgbe.c drivers/ixgbe/fdir.c drivers/ixgbe/rss.c drivers/ixgbe/rx.c */
/* sources: drivers/ixgbe/link.c drivers/ixgbe/stats.c drivers/ixgbe/tx.c */
/* sources: kernel/message/channel.c kernel/message/status.c kernel/message/dispatch.c kernel/message/peers.c kernel/thread/thread.c kernel/thread/switch.S */
/* sources: kernel/thread/timer.c libc/core/format.c libc/core/command_line.c */
/* sources: tests/unit/world/fake_nic.c tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
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
#include "drivers/pci/pci.h"
#include "kernel/log.h"
#include "kernel/message/dispatch.h"
#include "kernel/platform.h"
#include "kernel/x86/interrupt.h"
#include "kernel/x86/paging.h"
#include "net/link/server.h"
#include "net/steering.h"
#include "net/transport/server.h"
#include "tests/unit/world/fake_nic.h"
#include "tests/unit/world/fake_platform.h"

struct configuration configuration;
struct frame *received;
unsigned received_count;
unsigned syn_count;
struct syn_arrived last_syn;
uint64_t interrupts[256];
unsigned msix_entry_count;
struct msix_entry msix_entries[64];
struct nic_ready last_ready;
unsigned ready_count;

/* --- The parts of this node that the link server meets --- */

void transport_server_receive(struct frame *frame)
{
    received = frame;
    received_count++;
}

static void syn_arrived_here(node_id_t from, const struct message *message)
{
    assert_int_equal(from, 0);
    memcpy(&last_syn, message, sizeof(last_syn));
    syn_count++;
}

static void nic_ready_here(node_id_t from, const struct message *message)
{
    assert_int_equal(from, 0);
    memcpy(&last_ready, message, sizeof(last_ready));
    ready_count++;
}

unsigned pci_find(const struct pci_id *ids, size_t id_count, enum pci_reach reach,
                  struct pci_device *devices, unsigned device_max)
{
    assert_true(id_count > 0);
    assert_int_equal(reach, PCI_REACH_NUMBERED);
    assert_true(device_max > 0);
    devices[0] = (struct pci_device){.id = ids[0]};
    return 1;
}

int pci_assign(const struct pci_device *device, struct pci_bar bars[PCI_BAR_COUNT])
{
    (void)device;
    bars[0] = (struct pci_bar){.paddr = 0xFEB00000, .bytes = 0x20000, .is_64bit = true};
    return 0;
}

void pci_enable(const struct pci_device *device)
{
    (void)device;
}

void pci_disable(const struct pci_device *device)
{
    (void)device;
    fail_msg("the device is switched off");
}

int pci_msix_enable(const struct pci_device *device, const struct pci_bar bars[PCI_BAR_COUNT],
                    struct pci_msix *msix)
{
    (void)device;
    assert_int_equal(bars[0].paddr, 0xFEB00000);
    *msix = (struct pci_msix){.entry_count = 64};
    return 0;
}

void pci_msix_set_entry(const struct pci_msix *msix, unsigned index, uint32_t apic_id,
                        uint8_t vector)
{
    (void)msix;
    assert_true(index < ARRAY_COUNT(msix_entries));
    msix_entries[index].apic_id = apic_id;
    msix_entries[index].vector = vector;
    msix_entry_count++;
}

void *paging_map_device(paddr_t paddr, size_t bytes)
{
    assert_int_equal(paddr, 0xFEB00000);
    assert_int_equal(bytes, 0x20000);
    return fake_nic_registers();
}

uint64_t interrupt_count(uint8_t vector)
{
    return interrupts[vector];
}

uint32_t interrupt_apic_id(node_id_t node)
{
    return 100u + node;
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

int start_link_server(void **state)
{
    char reason[128];

    (void)state;
    fake_platform_reset(0, 4);
    fake_set_clock_step_ns(NS_PER_US);
    fake_nic_reset();
    dispatch_initialise();
    assert_int_equal(configuration_parse(&configuration, "pika=TS2LS2CM2 app=httpd:2", 4, reason,
                                         sizeof(reason)),
                     0);
    dispatch_register_message(SYN_ARRIVED, sizeof(struct syn_arrived), syn_arrived_here);
    dispatch_register_message(NIC_READY, sizeof(struct nic_ready), nic_ready_here);
    link_server_start(&configuration);
    assert_int_equal(ready_count, 0); /* the node need not wait for the NIC */
    while (fake_nic_filter_count() < STEERING_GROUP_COUNT / 2) {
        (void)dispatch_round();
    }
    return 0;
}

/* --- Frames --- */

uint16_t port_owned_by(node_id_t ts)
{
    for (unsigned port = 40000;; port++) {
        if (steering_owner(&configuration, steering_group((uint16_t)port)) == ts) {
            return (uint16_t)port;
        }
    }
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

void receive(const struct test_frame *frame, uint32_t status)
{
    assert_true(fake_nic_receive(0, frame->bytes, frame->length_bytes, EOP | status, 0x110));
    assert_true(dispatch_round() > 0);
}

void arrive(const struct test_frame *frame)
{
    assert_true(fake_nic_receive(0, frame->bytes, frame->length_bytes, EOP | TCP_GOOD, 0x110));
}

void settle(void)
{
    while (dispatch_round() > 0) {
    }
}
