/* SPDX-License-Identifier: MIT */
/*
 * MSI-X (PCI 3.0 6.8.2): interrupts that are writes to a core's local APIC, a table of them.
 */
#include <errno.h>

#include "drivers/pci/pci.h"
#include "drivers/pci/registers.h"
#include "kernel/platform.h"
#include "kernel/x86/interrupt.h"
#include "kernel/x86/paging.h"
#include "libc/core/mmio.h"

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
    uint64_t table_bytes = (uint64_t)msix->entry_count * MSIX_ENTRY_BYTES;

    if (bar_index >= PCI_BAR_COUNT || offset + table_bytes > bars[bar_index].bytes) {
        return -ENODEV;
    }
    msix->table = paging_map_device(bars[bar_index].paddr + offset, table_bytes);
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
    if (apic_id > INTERRUPT_DEVICE_APIC_ID_MAX) {
        return; /* no message reaches that core: nobody there may wait for one */
    }
    mmio_write32(msix->table, entry + MSIX_ENTRY_ADDRESS_LOW,
                 MESSAGE_ADDRESS | (uint32_t)FIELD_PREP(MESSAGE_DESTINATION, apic_id));
    mmio_write32(msix->table, entry + MSIX_ENTRY_ADDRESS_HIGH, 0);
    mmio_write32(msix->table, entry + MSIX_ENTRY_DATA, vector);
    mmio_write32(msix->table, entry + MSIX_ENTRY_CONTROL, 0);
}

void pci_msix_mask_entry(const struct pci_msix *msix, unsigned index)
{
    ASSERT(index < msix->entry_count);
    mmio_write32(msix->table, index * (size_t)MSIX_ENTRY_BYTES + MSIX_ENTRY_CONTROL,
                 (uint32_t)MSIX_ENTRY_MASKED);
}
