/* SPDX-License-Identifier: MIT */
/*
 * The PCI bus of fuzz_virtio.c's card, and the machine's interrupts: a part of that file, whose
 * variables it uses.
 */
#pragma once

#include "drivers/pci/pci.h"
#include "kernel/x86/interrupt.h"
#include "kernel/x86/paging.h"

unsigned pci_prepared(const struct pci_card **cards)
{
    static struct pci_card prepared;

    prepared = (struct pci_card){
        .device = {.address = {.bus = 0x30}, .id = {0x1AF4, 0x1041}},
        .bars[4] = {.paddr = BAR_PADDR, .bytes = BAR_BYTES},
    };
    *cards = &prepared;
    return is_in_slot ? 0 : 1;
}

void pci_prepare(const struct pci_id *ids, size_t id_count)
{
    (void)ids;
    (void)id_count;
}

void pci_stop_prepared(const struct pci_id *ids, size_t id_count)
{
    (void)ids;
    (void)id_count;
}

void pci_start(const struct pci_device *device)
{
    (void)device;
}

void pci_stop(const struct pci_device *device)
{
    (void)device;
}

uint8_t pci_read8(const struct pci_device *device, unsigned offset)
{
    (void)device;
    FUZZ_CHECK(offset < sizeof(space));
    return space[offset];
}

uint32_t pci_read32(const struct pci_device *device, unsigned offset)
{
    uint32_t value;

    (void)device;
    FUZZ_CHECK(offset + sizeof(value) <= sizeof(space));
    memcpy(&value, &space[offset], sizeof(value));
    return value;
}

unsigned pci_find_capability(const struct pci_device *device, uint8_t id)
{
    (void)device;
    (void)id;
    return 0x40;
}

unsigned pci_find_next_capability(const struct pci_device *device, unsigned offset, uint8_t id)
{
    unsigned next = space[offset + 1] & 0xFCu;

    (void)device;
    (void)id;
    return next >= 0x40 && next <= 0xE0 ? next : 0;
}

int pci_msix_enable(const struct pci_device *device, const struct pci_bar bars[PCI_BAR_COUNT],
                    struct pci_msix *msix)
{
    (void)device;
    (void)bars;
    *msix = (struct pci_msix){.entry_count = 1 + fuzz_take8(&input) % 4u};
    return is_honest || msix->entry_count > 1 ? 0 : -ENODEV;
}

void pci_msix_set_entry(const struct pci_msix *msix, unsigned index, uint32_t apic_id,
                        uint8_t vector)
{
    (void)apic_id;
    (void)vector;
    FUZZ_CHECK(index < msix->entry_count);
}

void *paging_map_device(paddr_t paddr, size_t bytes)
{
    FUZZ_CHECK(paddr >= BAR_PADDR && paddr + bytes <= BAR_PADDR + BAR_BYTES);
    return registers + (paddr - BAR_PADDR);
}

uint32_t interrupt_apic_id(node_id_t node)
{
    return node;
}

uint64_t interrupt_count(uint8_t vector)
{
    return vector;
}

bool ioapic_route(const struct irq_route *route, uint32_t apic_id, uint8_t vector)
{
    (void)route;
    (void)apic_id;
    (void)vector;
    return fuzz_take8(&input) % 8u != 0;
}
