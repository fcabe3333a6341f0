/* SPDX-License-Identifier: MIT */
/*
 * Which NIC port the link server drives, of those that are there (nic= on the command line).
 */
#pragma once

#include "drivers/pci/pci.h"

/*
 * Find the port. Says what others there are, and why it is not the one that was asked for if it is
 * not. Returns 0, or -ENODEV (logged) when there is no NIC of ours.
 */
MUST_CHECK int link_port_find(struct pci_device *port);

/*
 * Make the port's registers reachable: addresses assigned, decoding on, mapped. They are in
 * bars[0]. Returns 0; -ENODEV, -ENOSPC or -ENOMEM (logged) when they are not.
 */
MUST_CHECK int link_port_map(const struct pci_device *port, struct pci_bar bars[PCI_BAR_COUNT],
                             void **registers);
