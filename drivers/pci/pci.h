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

/* How far to look. */
enum pci_reach {
    PCI_REACH_NUMBERED, /* from the roots that are known, over the buses that firmware numbered */
    /* Also over roots that only AML tells of. Every bus number is tried, 32 reads of configuration
     * space each: some 10 ms where a read that nobody answers takes 1 us, as it does on PCs; and
     * half a MiB of page tables for each segment that is not reached by ports. And if there is
     * still no such function, bridges that have no numbers are given some, which is logged. */
    PCI_REACH_ALL,
};

/*
 * The functions whose id is in `ids`, bridges followed, by bus, device and function. Returns how
 * many there are; the first device_max of them are in `devices`. With pci=assign on the command
 * line bridges without numbers are given some whatever the reach, before anything is looked for.
 */
unsigned pci_find(const struct pci_id *ids, size_t id_count, enum pci_reach reach,
                  struct pci_device *devices, unsigned device_max);

/* Configuration registers; `offset` is aligned to the width and below 4096 (below 256 without ECAM:
 * beyond, a read gives all ones and a write is lost, as of an absent register). */
uint8_t pci_read8(const struct pci_device *device, unsigned offset);
uint16_t pci_read16(const struct pci_device *device, unsigned offset);
uint32_t pci_read32(const struct pci_device *device, unsigned offset);
void pci_write16(const struct pci_device *device, unsigned offset, uint16_t value);
void pci_write32(const struct pci_device *device, unsigned offset, uint32_t value);

/* Offset of a capability (PCI 3.0 appendix H), or 0. */
unsigned pci_find_capability(const struct pci_device *device, uint8_t id);
/* Of the next one with this id behind the one at `offset`, or 0. Whoever goes on and on stops by
 * himself: the list may be a ring, of which each call sees a part. */
unsigned pci_find_next_capability(const struct pci_device *device, unsigned offset, uint8_t id);

/* Whether firmware has left the device in a power-saving state. */
bool pci_is_asleep(const struct pci_device *device);
/* End that state; takes 10 ms if there was one (PCI
 * power management 1.2, 5.4). Its BARs may be empty afterwards. */
void pci_wake(const struct pci_device *device);

#define PCI_BAR_COUNT 6

struct pci_bar {
    paddr_t paddr; /* 0: it has none */
    uint64_t bytes;
    bool is_64bit; /* takes the next index too */
    bool is_prefetchable;
};

/*
 * Memory BAR `index`, size included. The device must not decode memory meanwhile. Returns 0;
 * -ENODEV when it is empty or no memory BAR.
 */
MUST_CHECK int pci_read_bar(const struct pci_device *device, unsigned index, struct pci_bar *bar);
/* Set its address. The device must not decode memory. */
void pci_write_bar(const struct pci_device *device, unsigned index, const struct pci_bar *bar);

/*
 * Switch the device off and wake it, and see that accesses will reach its memory BARs once it is
 * switched on, and its DMA memory: open the bridges on the way. Call it after a pci_find() that
 * found the device, while one core runs.
 *
 * Where firmware gave a BAR no address, or one that cannot be, a place is guessed (windows.h), the
 * BAR moved there, and the windows of bridges on the way widened where they must be; nothing else
 * is moved. With pci=assign on the command line an address of firmware's is replaced, too, that
 * another function has, or that the guess contradicts and no bridge on the way confirms. A line in
 * the log says that a guess is used, and why.
 *
 * Returns 0, and the BARs by their index in `bars` (of no bytes: none is there); or -ENOSPC when
 * there is no room for a BAR, which is logged: the device must stay switched off.
 */
MUST_CHECK int pci_assign(const struct pci_device *device, struct pci_bar bars[PCI_BAR_COUNT]);

/* A function that pci_prepare() has found. */
struct pci_card {
    struct pci_device device;
    struct pci_bar bars[PCI_BAR_COUNT]; /* by their index; of no bytes: none is there */
};

/*
 * At BOOT_DEVICES: find the functions with these ids as far as the machine must be searched for
 * them, and pci_assign() each, so that all nodes know their BARs. Nobody uses other devices yet, so
 * their sizes may be asked for.
 *
 * From then on they decode their addresses, whoever drives them or dies: while several cores run
 * the map of addresses does not change. (QEMU before 8.1 lets one core's access go astray while
 * another changes it.)
 */
void pci_prepare(const struct pci_id *ids, size_t id_count);

/* Those of them that have one of these ids master the bus no more. On any node, at any time. */
void pci_stop_prepared(const struct pci_id *ids, size_t id_count);

/* The functions that pci_prepare() has assigned, all calls together, as all nodes know them.
 * Returns how many. */
unsigned pci_prepared(const struct pci_card **cards);

/* The bus behind a bridge; 0 when it is none, or has no number. */
uint8_t pci_secondary_bus(const struct pci_device *device);

/*
 * The functions as which a device's accesses to memory may arrive: itself first, and where a bridge
 * on its way speaks in its own name (PCI Express to PCI bridge 1.0, 2.3), as that does. Returns how
 * many.
 */
#define PCI_ALIAS_MAX 4
unsigned pci_list_aliases(const struct pci_device *device,
                          struct pci_address aliases[PCI_ALIAS_MAX]);

/* Let the device master the bus, with its INTx line off; it decodes memory. */
void pci_start(const struct pci_device *device);
/* It masters the bus no more, and goes on decoding. */
void pci_stop(const struct pci_device *device);

/* --- MSI-X (PCI 3.0 6.8.2) --- */

struct pci_msix {
    void *table; /* mapped registers */
    unsigned entry_count;
};

/*
 * Switch MSI-X on, all entries masked. Maps the table, which is in one of the device's BARs.
 * Returns 0; -ENODEV when the device has no MSI-X, -ENOMEM when the table cannot be mapped.
 */
MUST_CHECK int pci_msix_enable(const struct pci_device *device,
                               const struct pci_bar bars[PCI_BAR_COUNT], struct pci_msix *msix);
/* Entry `index` (below entry_count) interrupts the core with that APIC id, with that vector, from
 * now on; it stays masked for one above INTERRUPT_DEVICE_APIC_ID_MAX. */
void pci_msix_set_entry(const struct pci_msix *msix, unsigned index, uint32_t apic_id,
                        uint8_t vector);
void pci_msix_mask_entry(const struct pci_msix *msix, unsigned index);
