/* SPDX-License-Identifier: MIT */
/*
 * The tree of buses, for the files of drivers/pci/: how it is reached, its roots, a walk over it,
 * and numbers for the buses that have none.
 */
#pragma once

#include "drivers/pci/pci.h"
#include "drivers/pci/registers.h"
#include "kernel/platform.h"

struct pci_bus_set {
    uint8_t bits[BUS_MAX / 8];
};

static inline bool pci_has_bus(const struct pci_bus_set *set, unsigned bus)
{
    ASSERT(bus < BUS_MAX);
    return (set->bits[bus / 8] & BIT(bus % 8)) != 0;
}

static inline void pci_add_bus(struct pci_bus_set *set, unsigned bus)
{
    ASSERT(bus < BUS_MAX);
    set->bits[bus / 8] |= (uint8_t)BIT(bus % 8);
}

/* Use this window of configuration space (node_info.machine.ecams) no more: where ports reach what
 * it holds, they are used instead. */
void pci_ignore_ecam(unsigned index);
bool pci_is_ecam_ignored(unsigned index);

/* Called for each function, its id and revision read. True ends the walk. */
typedef bool (*pci_visit)(void *context, const struct pci_device *device);

/* Visit the functions of one bus in their order. True when a visit has ended the walk. */
bool pci_walk_bus(uint16_t segment, uint8_t bus, pci_visit visit, void *context);

/*
 * Visit every function on the buses that the last pci_find() reached, by ascending bus, device and
 * function. Each bus is visited once, whatever bridges claim. True when a visit has ended the walk.
 */
bool pci_walk(pci_visit visit, void *context);

bool pci_is_bridge(const struct pci_device *device);

/* A bus that no bridge leads to. */
struct pci_root {
    uint16_t segment;
    uint8_t bus;
};

/* Start from those that tables name; pci_find() does, too. */
void pci_learn_roots(void);
/* A line in the log on how configuration space is reached, when they are learnt. */
void pci_report_access(void);
/* Those that the last pci_find() knew or found. */
const struct pci_root *pci_roots(unsigned *count);
/* The root above a bus: that of the nearest number which is not higher. */
uint8_t pci_root_of(uint16_t segment, uint8_t bus);

/* Whether a bridge that pci_walk() meets has no bus number, or sleeps, so that it leads nowhere. */
bool pci_has_unnumbered_bus(void);
/* Give numbers to the buses behind bridges that have none, below all known roots. Wakes bridges. */
void pci_number_buses(void);
