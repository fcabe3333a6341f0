/* SPDX-License-Identifier: MIT */
/*
 * A guess at the windows of host bridges: where in the physical address space a device can be put.
 * What they forward stands in AML, which nobody here runs. The guess is not used for a device that
 * firmware has set up, unless pci=assign asks for it.
 */
#pragma once

#include "drivers/pci/survey.h"
#include "kernel/node.h"

#define PCI_WINDOW_MAX 32

struct pci_windows {
    struct pci_span list[PCI_WINDOW_MAX];
    unsigned count;
};

/*
 * From node_info.machine: what the DSDT seems to give to host bridges, as far as it lies in a hole
 * of the memory map. Where it gives nothing below 4 GiB, all holes there; the same above.
 */
void pci_guess_windows(struct pci_windows *windows);

/* Whether one of the windows holds all of the span. */
bool pci_is_in_windows(const struct pci_windows *windows, const struct pci_span *span);
