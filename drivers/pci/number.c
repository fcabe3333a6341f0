/* SPDX-License-Identifier: MIT */
/*
 * Numbers for buses that firmware left without: behind bridges whose secondary bus is 0. Numbers
 * that firmware gave stay; new ones are the next free ones below the same root. The depth is
 * bounded, and each bus is looked at once, whatever bridges claim.
 */
#include "drivers/pci/bus.h"
#include "drivers/pci/registers.h"
#include "kernel/log.h"
#include "kernel/node.h"

/* Buses below one another: several times what machines have. */
#define DEPTH_MAX 16

/* One bus while the bridges on it are looked at. */
struct numbering {
    struct pci_bus_set *seen;
    unsigned bus;
    unsigned limit;   /* numbers up to here may be used below this bus */
    unsigned highest; /* of those that are */
    unsigned last;    /* secondary bus of the bridge whose numbers are the highest */
    unsigned depth;
};

static unsigned number_below(uint16_t segment, const struct numbering *above, unsigned bus,
                             unsigned limit);

static void set_bus_numbers(const struct pci_device *bridge, unsigned secondary,
                            unsigned subordinate)
{
    uint32_t latency = pci_read32(bridge, PCI_BUS_NUMBERS) & (uint32_t)BUS_LATENCY;

    /* A number at or below its own bus would lead in a circle. */
    ASSERT(secondary > bridge->address.bus && subordinate >= secondary && subordinate < BUS_MAX);
    pci_write32(bridge, PCI_BUS_NUMBERS,
                latency | (uint32_t)(FIELD_PREP(BUS_PRIMARY, bridge->address.bus) |
                                     FIELD_PREP(BUS_SECONDARY, secondary) |
                                     FIELD_PREP(BUS_SUBORDINATE, subordinate)));
}

/* A bridge's bus numbers; false when it has none, or none that can be. */
static bool read_bus_numbers(const struct numbering *numbering, const struct pci_device *device,
                             unsigned *secondary, unsigned *subordinate)
{
    uint32_t numbers;

    if (!pci_is_bridge(device)) {
        return false;
    }
    numbers = pci_read32(device, PCI_BUS_NUMBERS);
    *secondary = (unsigned)FIELD_GET(BUS_SECONDARY, numbers);
    *subordinate = (unsigned)FIELD_GET(BUS_SUBORDINATE, numbers);
    return *secondary > numbering->bus && *subordinate >= *secondary &&
           *subordinate <= numbering->limit;
}

static bool note_numbers(void *context, const struct pci_device *device)
{
    struct numbering *numbering = context;
    unsigned secondary, subordinate;

    if (pci_is_bridge(device)) {
        pci_wake(device); /* asleep, it leads nowhere, and may wake without its numbers */
    }
    if (read_bus_numbers(numbering, device, &secondary, &subordinate) &&
        subordinate > numbering->highest) {
        numbering->highest = subordinate;
        numbering->last = secondary;
    }
    return false;
}

/* Go on below a bridge that has numbers. The range of the last one may grow: no other bridge on
 * this bus has the numbers behind it. */
static bool number_behind(void *context, const struct pci_device *device)
{
    struct numbering *numbering = context;
    unsigned secondary, subordinate, used;

    if (!read_bus_numbers(numbering, device, &secondary, &subordinate) ||
        pci_has_bus(numbering->seen, secondary)) {
        return false;
    }
    if (secondary != numbering->last) {
        (void)number_below(device->address.segment, numbering, secondary, subordinate);
        return false;
    }
    set_bus_numbers(device, secondary, numbering->limit);
    used = number_below(device->address.segment, numbering, secondary, numbering->limit);
    numbering->highest = used > subordinate ? used : subordinate;
    set_bus_numbers(device, secondary, numbering->highest);
    return false;
}

static bool number_bridge(void *context, const struct pci_device *device)
{
    struct numbering *numbering = context;
    const struct pci_address *address = &device->address;
    unsigned secondary = numbering->highest + 1;

    if (!pci_is_bridge(device) ||
        FIELD_GET(BUS_SECONDARY, pci_read32(device, PCI_BUS_NUMBERS)) != 0) {
        return false;
    }
    if (secondary > numbering->limit || numbering->depth == DEPTH_MAX) {
        log_warning("pci", "no bus number is left for bridge %04x:%02x:%02x.%u", address->segment,
                    address->bus, address->device, address->function);
        return false;
    }
    /* Open to all that are left, until it is known how many are needed. */
    set_bus_numbers(device, secondary, numbering->limit);
    numbering->highest = number_below(address->segment, numbering, secondary, numbering->limit);
    set_bus_numbers(device, secondary, numbering->highest);
    log_info("pci", "bridge %04x:%02x:%02x.%u leads to bus %02x now", address->segment,
             address->bus, address->device, address->function, secondary);
    return false;
}

/* Returns the highest number in use on this bus and below. */
static unsigned number_below(uint16_t segment, const struct numbering *above, unsigned bus,
                             unsigned limit)
{
    struct numbering numbering = {
        .seen = above->seen, .bus = bus, .limit = limit, .highest = bus, .depth = above->depth + 1};

    ASSERT(bus <= limit && limit < BUS_MAX);
    pci_add_bus(numbering.seen, bus);
    if (numbering.depth > DEPTH_MAX) {
        return bus;
    }
    (void)pci_walk_bus(segment, (uint8_t)bus, note_numbers, &numbering);
    (void)pci_walk_bus(segment, (uint8_t)bus, number_behind, &numbering);
    (void)pci_walk_bus(segment, (uint8_t)bus, number_bridge, &numbering);
    ASSERT(numbering.highest >= bus && numbering.highest <= limit);
    return numbering.highest;
}

static bool leads_nowhere(void *context, const struct pci_device *device)
{
    (void)context;
    return pci_is_bridge(device) &&
           (FIELD_GET(BUS_SECONDARY, pci_read32(device, PCI_BUS_NUMBERS)) == 0 ||
            pci_is_asleep(device));
}

bool pci_has_unnumbered_bus(void)
{
    return pci_walk(leads_nowhere, NULL);
}

/* The last number that may be used below a root: the next root has the one after it. */
static unsigned last_bus_below(const struct pci_root *root)
{
    const struct machine *machine = &node_info.machine;
    unsigned root_count;
    const struct pci_root *roots = pci_roots(&root_count);
    unsigned last = BUS_MAX - 1;

    for (unsigned i = 0; i < machine->ecam_count; i++) {
        const struct ecam *ecam = &machine->ecams[i];

        if (ecam->segment == root->segment && ecam->first_bus <= root->bus &&
            ecam->last_bus >= root->bus) {
            last = ecam->last_bus;
        }
    }
    for (unsigned i = 0; i < root_count; i++) {
        if (roots[i].segment == root->segment && roots[i].bus > root->bus && roots[i].bus <= last) {
            last = roots[i].bus - 1u;
        }
    }
    return last;
}

void pci_number_buses(void)
{
    unsigned root_count;
    const struct pci_root *roots = pci_roots(&root_count);

    for (unsigned i = 0; i < root_count; i++) {
        struct pci_bus_set seen = {{0}};
        struct numbering none = {.seen = &seen};

        (void)number_below(roots[i].segment, &none, roots[i].bus, last_bus_below(&roots[i]));
    }
}
