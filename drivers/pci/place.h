/* SPDX-License-Identifier: MIT */
/*
 * A place in the physical address space for the BARs of one device, as one block, and for the
 * windows on its way.
 *
 * The block goes where the bridges' windows already lead, if there is room; else into a window that
 * a host bridge is guessed to have, and the bridges' grow to hold it. Below 4 GiB first, where
 * every BAR and bridge can be; above only what 64 bits and, behind a bridge, prefetchable memory
 * allow (PCI-to-PCI bridge 1.2, 3.2.5.9). Which host bridge has which of the guessed windows is not
 * known: those are tried first in which something below the same root already is, beside it, then
 * those in which nothing is.
 */
#pragma once

#include "drivers/pci/registers.h"
#include "drivers/pci/survey.h"
#include "drivers/pci/windows.h"

/* Bridges between a device and its root: several times what machines have. */
#define PCI_PATH_MAX 16

/* A bridge has one of each. */
enum pci_window_kind {
    PCI_WINDOW_LOW,  /* memory, below 4 GiB */
    PCI_WINDOW_HIGH, /* prefetchable memory; here, above 4 GiB */
};

struct pci_request {
    const struct pci_device *device;
    struct pci_survey *survey;
    const struct pci_windows *windows;     /* of host bridges, guessed */
    struct pci_bridge *path[PCI_PATH_MAX]; /* from the root down */
    unsigned path_count;
    bool is_asked_for; /* by pci=assign */

    /* The largest first, so that all are aligned if the block is. */
    struct pci_bar bars[PCI_BAR_COUNT];
    unsigned indices[PCI_BAR_COUNT];
    unsigned bar_count;
    uint64_t bytes;     /* of the block */
    uint64_t alignment; /* a power of two */
    bool can_be_high;
};

struct pci_span *pci_window_of(struct pci_bridge *bridge, enum pci_window_kind kind);

/* Whether all bridges on the way let the span through. */
bool pci_is_forwarded(const struct pci_request *request, const struct pci_span *span);

/* Find a place for the block, and the windows that shall lead there. False when there is none. */
MUST_CHECK bool pci_place(const struct pci_request *request, enum pci_window_kind *kind,
                          struct pci_span *block);
