/* SPDX-License-Identifier: MIT */
/*
 * As whom a device's accesses to memory arrive above its bridges: those to a bus of PCI's, which
 * names nobody, put their own number in.
 */
#include "drivers/pci/bus.h"
#include "drivers/pci/registers.h"

struct alias_search {
    const struct pci_address *device;
    struct pci_address *aliases;
    unsigned count;
};

uint8_t pci_secondary_bus(const struct pci_device *device)
{
    return pci_is_bridge(device)
               ? (uint8_t)FIELD_GET(BUS_SECONDARY, pci_read32(device, PCI_BUS_NUMBERS))
               : 0;
}

static bool is_above(const struct pci_device *bridge, const struct pci_address *device)
{
    uint32_t buses = pci_read32(bridge, PCI_BUS_NUMBERS);

    return bridge->address.segment == device->segment && FIELD_GET(BUS_SECONDARY, buses) != 0 &&
           device->bus >= FIELD_GET(BUS_SECONDARY, buses) &&
           device->bus <= FIELD_GET(BUS_SUBORDINATE, buses);
}

static bool add_alias(void *context, const struct pci_device *device)
{
    struct alias_search *search = context;
    unsigned express = 0;

    if (!pci_is_bridge(device) || !is_above(device, search->device)) {
        return false;
    }
    express = pci_find_capability(device, CAPABILITY_EXPRESS);
    if (express == 0) {
        search->aliases[search->count++] = device->address;
    } else if (FIELD_GET(EXPRESS_TYPE, pci_read16(device, express + EXPRESS_FLAGS)) ==
               EXPRESS_TYPE_PCI_BRIDGE) {
        search->aliases[search->count++] =
            (struct pci_address){device->address.segment, pci_secondary_bus(device), 0, 0};
    }
    return search->count == PCI_ALIAS_MAX;
}

unsigned pci_list_aliases(const struct pci_device *device,
                          struct pci_address aliases[PCI_ALIAS_MAX])
{
    struct alias_search search = {&device->address, aliases, 1};

    aliases[0] = device->address;
    (void)pci_walk(add_alias, &search);
    return search.count;
}
