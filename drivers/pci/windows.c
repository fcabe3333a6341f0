/* SPDX-License-Identifier: MIT */
/*
 * Windows are what the DSDT seems to give a bridge within holes of the memory map, else the holes.
 */
#include "drivers/pci/windows.h"

#include "drivers/pci/registers.h"
#include "kernel/platform.h"

/* The end saturates: nothing lies at the very end of the address space. */
static struct pci_span span_of(const struct memory_range *range)
{
    return (struct pci_span){range->paddr, range->bytes <= UINT64_MAX - range->paddr
                                               ? range->paddr + range->bytes
                                               : UINT64_MAX};
}

/* By whole units of a bridge's window; what is already there is not added again. */
static void add_window(struct pci_windows *windows, const struct pci_span *span)
{
    struct pci_span window = {ALIGN_UP(span->start, (paddr_t)PCI_WINDOW_BYTES),
                              ALIGN_DOWN(span->end, (paddr_t)PCI_WINDOW_BYTES)};

    if (window.start >= span->start && !pci_span_is_empty(&window) &&
        !pci_is_in_windows(windows, &window) && windows->count < PCI_WINDOW_MAX) {
        windows->list[windows->count++] = window;
    }
}

static bool is_low(const struct pci_span *span)
{
    return span->start < FOUR_GIB;
}

static bool has_window(const struct pci_windows *windows, bool is_wanted_low)
{
    for (unsigned i = 0; i < windows->count; i++) {
        if (is_low(&windows->list[i]) == is_wanted_low) {
            return true;
        }
    }
    return false;
}

static void add_holes(struct pci_windows *windows, bool is_wanted_low)
{
    for (unsigned i = 0; i < node_info.machine.hole_count; i++) {
        struct pci_span hole = span_of(&node_info.machine.holes[i]);

        if (is_low(&hole) == is_wanted_low) {
            add_window(windows, &hole);
        }
    }
}

bool pci_is_in_windows(const struct pci_windows *windows, const struct pci_span *span)
{
    for (unsigned i = 0; i < windows->count; i++) {
        if (pci_span_contains(&windows->list[i], span)) {
            return true;
        }
    }
    return false;
}

void pci_guess_windows(struct pci_windows *windows)
{
    const struct machine *machine = &node_info.machine;

    ASSERT(machine->hole_count <= MEMORY_HOLE_MAX);
    ASSERT(machine->bridge_range_count <= BRIDGE_RANGE_MAX);
    windows->count = 0;
    for (unsigned i = 0; i < machine->bridge_range_count; i++) {
        struct pci_span range = span_of(&machine->bridge_ranges[i]);

        for (unsigned j = 0; j < machine->hole_count; j++) {
            struct pci_span hole = span_of(&machine->holes[j]);

            hole.start = hole.start > range.start ? hole.start : range.start;
            hole.end = hole.end < range.end ? hole.end : range.end;
            add_window(windows, &hole);
        }
    }
    if (!has_window(windows, true)) {
        add_holes(windows, true);
    }
    if (!has_window(windows, false)) {
        add_holes(windows, false);
    }
    for (unsigned i = 0; i < windows->count; i++) {
        ASSERT(!pci_span_is_empty(&windows->list[i]));
        ASSERT(windows->list[i].start % PCI_WINDOW_BYTES == 0);
    }
}
