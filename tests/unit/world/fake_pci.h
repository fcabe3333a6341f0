/* SPDX-License-Identifier: MIT */
/*
 * A tree of PCI functions behind drivers/pci/pci.c's ECAM window, in segment 0 with all buses.
 * Bridges pass on what their bus numbers say, so a function whose bridge has none cannot be
 * reached.
 */
#pragma once

#include "kernel/base.h"

#define FAKE_ECAM_PADDR       0xE0000000u
#define FAKE_VENDOR           0x8086
#define FAKE_NIC              0x10F7
#define FAKE_OTHER            0x1234
#define FAKE_BAR_64BIT        0x4u
#define FAKE_BAR_PREFETCHABLE 0x8u

/* A parent that is not a bridge: root bus `number`. */
#define FAKE_ROOT(number) (-1 - (number))

/* Talus' own. */
extern const char *fake_pci_command_line;
/* Whether a line since the reset has held that text. */
bool fake_pci_has_logged(const char *text);

/* Maps what is not configuration space; NULL: nothing else is asked for. */
extern void *(*fake_pci_map_device)(paddr_t paddr, size_t bytes);

/* Forget everything; one hole for new addresses, memory up to 1 GiB; an empty command line. */
void fake_pci_reset(void);

/* Each returns the function's index, for the other calls and as a parent. */
int fake_pci_add(int parent, unsigned device, unsigned function, uint16_t device_id);
int fake_pci_add_bridge(int parent, unsigned device, unsigned secondary, unsigned subordinate);

/* A BAR as it would be read: size a power of two, flags as above, address (0: none). */
void fake_pci_set_bar(int fake, unsigned index, uint64_t bytes, uint32_t flags, uint64_t paddr);
uint64_t fake_pci_bar(int fake, unsigned index);
/* A bridge's memory window [start, end); the prefetchable one has 64 bits. */
void fake_pci_set_window(int fake, uint64_t start, uint64_t end);
void fake_pci_set_prefetch_window(int fake, uint64_t start, uint64_t end);

uint32_t fake_pci_get(int fake, unsigned offset, unsigned bytes);
void fake_pci_put(int fake, unsigned offset, unsigned bytes, uint32_t value);
/* Which bits of a register a write changes. */
void fake_pci_let_write(int fake, unsigned offset, unsigned bytes, uint32_t mask);

/* A capability for power management at 0x40, asleep; it loses its BARs when it wakes. */
void fake_pci_sleep(int fake);

/* Accesses so far, those that nobody answered included, and writes. */
unsigned fake_pci_access_count(void);
unsigned fake_pci_write_count(void);
