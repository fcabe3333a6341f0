/* SPDX-License-Identifier: MIT */
/* Ports of network cards on the PCI bus: named by the function's address. */
#include "drivers/pci/port.h"

#include <string.h>

#include "libc/core/format.h"

_Static_assert(sizeof(struct pci_card *) <= NIC_PORT_DRIVER_BYTES, "a port remembers its card");

static bool has_id(const struct pci_card *card, const struct pci_id *ids, size_t id_count)
{
    for (size_t i = 0; i < id_count; i++) {
        if (card->device.id.vendor == ids[i].vendor && card->device.id.device == ids[i].device) {
            return true;
        }
    }
    return false;
}

static void describe(struct nic_port *port, const struct pci_card *card)
{
    const struct pci_address *address = &card->device.address;

    *port = (struct nic_port){0};
    memcpy(port->driver_data, &card, sizeof(card));
    (void)format_text(port->name, sizeof(port->name), "%04x:%02x:%02x.%u", address->segment,
                      address->bus, address->device, address->function);
    (void)format_text(port->model, sizeof(port->model), "%04x:%04x", card->device.id.vendor,
                      card->device.id.device);
}

unsigned pci_list_ports(const struct pci_id *ids, size_t id_count, struct nic_port *ports,
                        unsigned port_max)
{
    const struct pci_card *cards;
    unsigned card_count = pci_prepared(&cards);
    unsigned count = 0;

    for (unsigned i = 0; i < card_count; i++) {
        if (has_id(&cards[i], ids, id_count)) {
            if (count < port_max) {
                describe(&ports[count], &cards[i]);
            }
            count++;
        }
    }
    return count;
}

const struct pci_card *pci_card_at(const struct pci_id *ids, size_t id_count, paddr_t paddr,
                                   uint64_t bytes)
{
    const struct pci_card *cards;
    unsigned card_count = pci_prepared(&cards);

    for (unsigned i = 0; i < card_count * PCI_BAR_COUNT; i++) {
        const struct pci_card *card = &cards[i / PCI_BAR_COUNT];
        const struct pci_bar *bar = &card->bars[i % PCI_BAR_COUNT];

        if (bar->bytes > 0 && bar->bytes >= bytes && bar->paddr == paddr &&
            has_id(card, ids, id_count)) {
            return card;
        }
    }
    return NULL;
}

const struct pci_card *pci_card_of(const struct nic_port *port)
{
    const struct pci_card *card;

    memcpy(&card, port->driver_data, sizeof(card));
    return card;
}
