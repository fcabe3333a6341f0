/* SPDX-License-Identifier: MIT */
/*
 * Which addresses PCI functions have, and bridges let through: what a new address must keep clear
 * of. For the files of drivers/pci/.
 */
#pragma once

#include "drivers/pci/pci.h"

/* Covers what machines have; a machine with more gets no new addresses. */
#define PCI_SURVEY_BRIDGE_MAX 128
#define PCI_SURVEY_BAR_MAX    512

#define FOUR_GIB ((paddr_t)4 * GIB)

struct pci_span {
    paddr_t start;
    paddr_t end; /* exclusive; no higher than start: nothing */
};

struct pci_bridge {
    struct pci_device device;
    uint8_t secondary;
    uint8_t subordinate;
    struct pci_span memory;   /* below 4 GiB */
    struct pci_span prefetch; /* anywhere, if is_prefetch_64bit */
    bool is_prefetch_64bit;
};

/* A memory BAR that has an address. */
struct pci_used {
    struct pci_device device;
    unsigned index;
    struct pci_span span;
    bool is_exact; /* else it ends as late as its alignment allows */
};

struct pci_survey {
    struct pci_bridge bridges[PCI_SURVEY_BRIDGE_MAX];
    unsigned bridge_count;
    struct pci_used used[PCI_SURVEY_BAR_MAX];
    unsigned used_count;
    unsigned left_out; /* bridges and BARs for which there was no place */
};

/* Look at all functions but `except`. Only reads configuration space. The result stays as it is
 * until the next call. */
struct pci_survey *pci_survey_make(const struct pci_device *except);

/* Count in a BAR of that function whose address stays. */
void pci_survey_add(struct pci_survey *survey, const struct pci_device *device, unsigned index,
                    const struct pci_bar *bar);

/* Whether the BAR and that span overlap. Where its alignment leaves that open it is asked for its
 * size, for which it decodes nothing for a moment: only for a span that is to be given away. */
bool pci_measure_overlap(struct pci_used *used, const struct pci_span *span);
/* Whether they certainly overlap, as far as it can be told without asking. */
bool pci_overlaps_surely(const struct pci_used *used, const struct pci_span *span);

/* Whether memory lies in the span, or the chipset's own addresses below 4 GiB do because it crosses
 * that border. */
bool pci_is_memory(const struct pci_span *span);

/* Whether the bridge forwards configuration accesses for that address. */
static inline bool pci_is_behind(const struct pci_bridge *bridge, const struct pci_address *address)
{
    return address->segment == bridge->device.address.segment &&
           address->bus >= bridge->secondary && address->bus <= bridge->subordinate;
}

static inline bool pci_span_is_empty(const struct pci_span *span)
{
    return span->end <= span->start;
}

static inline bool pci_span_overlaps(const struct pci_span *a, const struct pci_span *b)
{
    return !pci_span_is_empty(a) && !pci_span_is_empty(b) && a->start < b->end && b->start < a->end;
}

static inline bool pci_span_contains(const struct pci_span *outer, const struct pci_span *inner)
{
    return inner->start >= outer->start && inner->end <= outer->end;
}

/* The smallest span that holds both. */
static inline struct pci_span pci_span_join(const struct pci_span *a, const struct pci_span *b)
{
    if (pci_span_is_empty(a)) {
        return *b;
    }
    return (struct pci_span){a->start < b->start ? a->start : b->start,
                             a->end > b->end ? a->end : b->end};
}
