/* SPDX-License-Identifier: MIT */
/*
 * PCI configuration space: finding a device, its BARs, switching it on, MSI-X.
 *
 * Configuration space is reached through the ECAM window that ACPI's MCFG names (PCIe base
 * specification 7.2.2), or else through ports 0xCF8 and 0xCFC (PCI 3.0 3.2.2.3.2), which reach
 * only the first 256 bytes of each function. Only a node that drives a device may call this.
 */
#pragma once

#include "kernel/base.h"

struct pci_address {
    uint16_t segment;
    uint8_t bus;
    uint8_t device;   /* 0..31 */
    uint8_t function; /* 0..7 */
};

struct pci_id {
    uint16_t vendor;
    uint16_t device;
};

struct pci_device {
    struct pci_address address;
    struct pci_id id;
    uint8_t revision;
};

/*
 * The device number `index` (0, 1, ... in bus order, bridges followed) among those whose id is in
 * `ids`. Returns 0, or -ENODEV when there is none.
 */
MUST_CHECK int pci_find(const struct pci_id *ids, size_t id_count, unsigned index,
                        struct pci_device *device);

/* Configuration registers; `offset` is aligned to the width and below 4096 (below 256 without ECAM:
 * beyond, a read gives all ones and a write is lost, as of an absent register). */
uint8_t pci_read8(const struct pci_device *device, unsigned offset);
uint16_t pci_read16(const struct pci_device *device, unsigned offset);
uint32_t pci_read32(const struct pci_device *device, unsigned offset);
void pci_write16(const struct pci_device *device, unsigned offset, uint16_t value);
void pci_write32(const struct pci_device *device, unsigned offset, uint32_t value);

/* Offset of a capability (PCI 3.0 appendix H), or 0. */
unsigned pci_find_capability(const struct pci_device *device, uint8_t id);

struct pci_bar {
    paddr_t paddr;
    uint64_t bytes;
    bool is_64bit; /* takes the next index too */
    bool is_prefetchable;
};

/*
 * Memory BAR `index` (0..5). Decoding is off for a moment while its size is asked for, so call it
 * before the device works. Returns 0; -ENODEV when it is empty, an I/O BAR, or has no address.
 */
MUST_CHECK int pci_read_bar(const struct pci_device *device, unsigned index, struct pci_bar *bar);

/* Let the device decode memory and master the bus, with its INTx line off; or none of the three. */
void pci_enable(const struct pci_device *device);
void pci_disable(const struct pci_device *device);

/* --- MSI-X (PCI 3.0 6.8.2) --- */

struct pci_msix {
    void *table; /* mapped registers */
    unsigned entry_count;
};

/*
 * Switch MSI-X on, all entries masked. Maps the table. Returns 0; -ENODEV when the device has no
 * MSI-X, -ENOMEM when the table cannot be mapped.
 */
MUST_CHECK int pci_msix_enable(const struct pci_device *device, struct pci_msix *msix);
/* Entry `index` (below entry_count) interrupts that core with that vector from now on. The id and
 * vector of another node: interrupt_apic_id(node), and the same INTERRUPT_VECTOR_... */
void pci_msix_set_entry(const struct pci_msix *msix, unsigned index, uint32_t apic_id,
                        uint8_t vector);
void pci_msix_mask_entry(const struct pci_msix *msix, unsigned index);
