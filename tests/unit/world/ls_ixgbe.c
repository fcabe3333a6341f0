/* SPDX-License-Identifier: MIT */
/* sources: drivers/ixgbe/driver.c drivers/ixgbe/devices.c drivers/pci/port.c */
/* sources: drivers/ixgbe/ixgbe.c drivers/ixgbe/fdir.c drivers/ixgbe/rss.c drivers/ixgbe/rx.c */
/* sources: drivers/nic/buffers.c */
/* sources: drivers/ixgbe/link.c drivers/ixgbe/stats.c drivers/ixgbe/tx.c */
/* sources: tests/unit/world/fake_nic.c */
/*
 * A link server over an 82599, for unit tests: see ls_ixgbe.h.
 */
#include "tests/unit/world/ls_ixgbe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drivers/ixgbe/ixgbe.h"
#include "drivers/pci/pci.h"
#include "kernel/message/dispatch.h"
#include "kernel/x86/interrupt.h"
#include "kernel/x86/paging.h"
#include "net/steering.h"
#include "tests/unit/world/fake_nic.h"

#define REGISTERS_PADDR 0xFEB00000

unsigned msix_entry_count;
struct msix_entry msix_entries[64];

unsigned pci_prepared(const struct pci_card **cards)
{
    static struct pci_card card;

    card.device.id = ixgbe_ids[0];
    card.bars[0] = (struct pci_bar){.paddr = REGISTERS_PADDR, .bytes = 0x20000, .is_64bit = true};
    *cards = &card;
    return 1;
}

void pci_prepare(const struct pci_id *ids, size_t id_count)
{
    (void)ids;
    (void)id_count;
    fail_msg("the machine has booted");
}

void pci_start(const struct pci_device *device)
{
    (void)device;
}

void pci_stop(const struct pci_device *device)
{
    (void)device;
    fail_msg("the device is switched off");
}

int pci_msix_enable(const struct pci_device *device, const struct pci_bar bars[PCI_BAR_COUNT],
                    struct pci_msix *msix)
{
    (void)device;
    assert_int_equal(bars[0].paddr, REGISTERS_PADDR);
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
    assert_in_range(paddr + bytes, REGISTERS_PADDR + 1, REGISTERS_PADDR + 0x20000);
    return (char *)fake_nic_registers() + (paddr - REGISTERS_PADDR);
}

uint32_t interrupt_apic_id(node_id_t node)
{
    return 100u + node;
}

int start_link_server(void **state)
{
    (void)state;
    fake_nic_reset();
    start_link_server_on(0, "pika=TS2LS2CM2 app=httpd:2");
    assert_int_equal(ready_count, 0); /* the node need not wait for the NIC */
    while (fake_nic_filter_count() < STEERING_GROUP_COUNT / 2) {
        (void)dispatch_round();
    }
    return 0;
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
