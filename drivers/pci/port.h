/* SPDX-License-Identifier: MIT */
/* Ports of network cards on the PCI bus, for those who drive such cards. */
#pragma once

#include "drivers/nic/nic.h"
#include "drivers/pci/pci.h"

/* `find` of a driver for cards with these ids: those that were prepared at boot. */
unsigned pci_list_ports(const struct pci_id *ids, size_t id_count, struct nic_port *ports,
                        unsigned port_max);

/* The one with such an id of which a memory BAR begins there, with so many bytes at least; or NULL.
 * What another node says of a card's registers is checked by it. */
const struct pci_card *pci_card_at(const struct pci_id *ids, size_t id_count, paddr_t paddr,
                                   uint64_t bytes);

/* The card of a port from that list: there as long as the node lives. */
const struct pci_card *pci_card_of(const struct nic_port *port);
