/* SPDX-License-Identifier: MIT */
/*
 * MSI-X (PCI 3.0 6.8.2): interrupts that are writes to a core's local APIC, a table of them.
 */
#include <errno.h>

#include "drivers/pci/pci.h"
#include "drivers/pci/registers.h"
#include "kernel/log.h"
#include "kernel/x86/mmio.h"
#include "kernel/x86/paging.h"

#define CAPABILITY_MSIX 0x11

#define MSIX_CONTROL            0x02
#define MSIX_TABLE_SIZE         BITS(10, 0)
#define MSIX_FUNCTION_MASK      BIT(14)
#define MSIX_ENABLE             BIT(15)
#define MSIX_TABLE              0x04
#define MSIX_TABLE_BAR          BITS(2, 0)
#define MSIX_TABLE_OFFSET       BITS(31, 3)
#define MSIX_ENTRY_BYTES        16
#define MSIX_ENTRY_ADDRESS_LOW  0
#define MSIX_ENTRY_ADDRESS_HIGH 4
#define MSIX_ENTRY_DATA         8
#define MSIX_ENTRY_CONTROL      12
#define MSIX_ENTRY_MASKED       BIT(0)

/* A message to a local APIC (SDM 3A 10.11): the destination in bits 19:12; the vector as data, edge
 * triggered, fixed delivery. */
#define MESSAGE_ADDRESS         0xFEE00000u
#define MESSAGE_DESTINATION     BITS(19, 12)
#define MESSAGE_DESTINATION_MAX 0xFEu

int pci_msix_enable(const struct pci_device *device, const struct pci_bar bars[PCI_BAR_COUNT],
                    struct pci_msix *msix)
{
    unsigned capability = pci_find_capability(device, CAPABILITY_MSIX);

    if (capability == 0) {
        return -ENODEV;
    }
    uint32_t table = pci_read32(device, capability + MSIX_TABLE);
    uint16_t control = pci_read16(device, capability + MSIX_CONTROL);
    uint64_t offset = table & MSIX_TABLE_OFFSET;
    unsigned bar_index = (unsigned)FIELD_GET(MSIX_TABLE_BAR, table);

    msix->entry_count = (unsigned)FIELD_GET(MSIX_TABLE_SIZE, control) + 1;
    if (bar_index >= PCI_BAR_COUNT ||
        offset + msix->entry_count * MSIX_ENTRY_BYTES > bars[bar_index].bytes) {
        return -ENODEV;
    }
    msix->table =
        paging_map_device(bars[bar_index].paddr + offset, msix->entry_count * MSIX_ENTRY_BYTES);
    if (msix->table == NULL) {
        return -ENOMEM;
    }
    /* Masked as a whole until every entry is: their content survives a reset of the machine. */
    control |= (uint16_t)(MSIX_ENABLE | MSIX_FUNCTION_MASK);
    pci_write16(device, capability + MSIX_CONTROL, control);
    for (unsigned i = 0; i < msix->entry_count; i++) {
        pci_msix_mask_entry(msix, i);
    }
    pci_write16(device, capability + MSIX_CONTROL, control & (uint16_t)~MSIX_FUNCTION_MASK);
    return 0;
}

void pci_msix_set_entry(const struct pci_msix *msix, unsigned index, uint32_t apic_id,
                        uint8_t vector)
{
    size_t entry = index * (size_t)MSIX_ENTRY_BYTES;

    pci_msix_mask_entry(msix, index);
    if (apic_id > MESSAGE_DESTINATION_MAX) {
        /* Needs interrupt remapping, which is not set up: such a node polls, but sleeps no deeper
         * than its timers. */
        log_warning("pci", "APIC id %u is out of MSI-X's reach", apic_id);
        return;
    }
    mmio_write32(msix->table, entry + MSIX_ENTRY_ADDRESS_LOW,
                 MESSAGE_ADDRESS | (uint32_t)FIELD_PREP(MESSAGE_DESTINATION, apic_id));
    mmio_write32(msix->table, entry + MSIX_ENTRY_ADDRESS_HIGH, 0);
    mmio_write32(msix->table, entry + MSIX_ENTRY_DATA, vector);
    mmio_write32(msix->table, entry + MSIX_ENTRY_CONTROL, 0);
}

void pci_msix_mask_entry(const struct pci_msix *msix, unsigned index)
{
    mmio_write32(msix->table, index * (size_t)MSIX_ENTRY_BYTES + MSIX_ENTRY_CONTROL,
                 (uint32_t)MSIX_ENTRY_MASKED);
}
