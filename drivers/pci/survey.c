/* SPDX-License-Identifier: MIT */
/*
 * The survey. Sizes of BARs are not asked for before somebody must know them: other nodes may be
 * using those devices, the screen above all.
 */
#include "drivers/pci/survey.h"

#include "drivers/pci/bus.h"
#include "drivers/pci/registers.h"
#include "kernel/node.h"
#include "kernel/platform.h"

static struct pci_survey survey;
static struct pci_address excepted;

static bool is_same_function(const struct pci_address *a, const struct pci_address *b)
{
    return a->segment == b->segment && a->bus == b->bus && a->device == b->device &&
           a->function == b->function;
}

/* --- Bridges --- */

bool pci_is_memory(const struct pci_span *span)
{
    return span->start < node_info.machine.low_memory_end ||
           (span->end > FOUR_GIB && span->start < node_info.machine.high_memory_end);
}

/* Registers that hold base and limit, both of them address bits 31:20. */
static struct pci_span read_window(const struct pci_device *bridge, unsigned offset)
{
    uint32_t value = pci_read32(bridge, offset);
    struct pci_span span = {
        .start = FIELD_GET(WINDOW_BASE, value) * PCI_WINDOW_BYTES,
        .end = (FIELD_GET(WINDOW_LIMIT, value) + 1) * PCI_WINDOW_BYTES,
    };

    if (offset == PCI_PREFETCH_WINDOW && FIELD_GET(WINDOW_TYPE, value) == WINDOW_TYPE_64BIT) {
        span.start |= (paddr_t)pci_read32(bridge, PCI_PREFETCH_BASE_UPPER) << 32;
        span.end += (paddr_t)pci_read32(bridge, PCI_PREFETCH_LIMIT_UPPER) << 32;
    }
    /* A window over memory is one that nobody has set. */
    if (pci_span_is_empty(&span) || pci_is_memory(&span)) {
        return (struct pci_span){0, 0};
    }
    return span;
}

static void add_bridge(const struct pci_device *device)
{
    uint32_t numbers = pci_read32(device, PCI_BUS_NUMBERS);

    if (FIELD_GET(BUS_SECONDARY, numbers) == 0) {
        return;
    }
    if (survey.bridge_count == PCI_SURVEY_BRIDGE_MAX) {
        survey.left_out++;
        return;
    }
    survey.bridges[survey.bridge_count++] = (struct pci_bridge){
        .device = *device,
        .secondary = (uint8_t)FIELD_GET(BUS_SECONDARY, numbers),
        .subordinate = (uint8_t)FIELD_GET(BUS_SUBORDINATE, numbers),
        .memory = read_window(device, PCI_MEMORY_WINDOW),
        .prefetch = read_window(device, PCI_PREFETCH_WINDOW),
        .is_prefetch_64bit =
            FIELD_GET(WINDOW_TYPE, pci_read32(device, PCI_PREFETCH_WINDOW)) == WINDOW_TYPE_64BIT,
    };
}

/* --- BARs --- */

/* The BARs of a host bridge are not what they seem: they may show memory. */
static unsigned count_bars(const struct pci_device *device)
{
    if (pci_read16(device, PCI_CLASS) == CLASS_HOST_BRIDGE) {
        return 0;
    }
    switch (FIELD_GET(HEADER_TYPE, pci_read8(device, PCI_HEADER_TYPE))) {
    case HEADER_DEVICE:
        return PCI_BAR_COUNT;
    case HEADER_BRIDGE:
        return BRIDGE_BARS;
    default:
        return 0;
    }
}

static void add_bars(const struct pci_device *device)
{
    unsigned bar_count = count_bars(device);

    for (unsigned i = 0; i < bar_count; i++) {
        uint32_t low = pci_read32(device, PCI_BAR(i));
        struct pci_used used = {.device = *device, .index = i};

        if (low & BAR_IO) {
            continue;
        }
        used.span.start = low & BAR_ADDRESS;
        if (FIELD_GET(BAR_TYPE, low) == BAR_TYPE_64BIT && i + 1 < bar_count) {
            used.span.start |= (paddr_t)pci_read32(device, PCI_BAR(++i)) << 32;
        }
        if (used.span.start == 0) {
            continue;
        }
        if (survey.used_count == PCI_SURVEY_BAR_MAX) {
            survey.left_out++;
            continue;
        }
        /* A BAR is aligned to its size (PCI 3.0 6.2.5.1). */
        used.span.end = used.span.start + (used.span.start & -used.span.start);
        survey.used[survey.used_count++] = used;
    }
}

void pci_survey_add(struct pci_survey *made, const struct pci_device *device, unsigned index,
                    const struct pci_bar *bar)
{
    if (made->used_count == PCI_SURVEY_BAR_MAX) {
        made->left_out++;
        return;
    }
    made->used[made->used_count++] = (struct pci_used){
        .device = *device,
        .index = index,
        .span = {bar->paddr, bar->paddr + bar->bytes},
        .is_exact = true,
    };
}

/* Ask the BAR for its size. */
static void measure(struct pci_used *used)
{
    uint16_t command = pci_read16(&used->device, PCI_COMMAND);
    struct pci_bar bar;

    ASSERT(!used->is_exact);
    pci_write16(&used->device, PCI_COMMAND, command & (uint16_t)~COMMAND_MEMORY);
    if (pci_read_bar(&used->device, used->index, &bar) == 0 &&
        bar.bytes < used->span.end - used->span.start) {
        used->span.end = used->span.start + bar.bytes;
    }
    pci_write16(&used->device, PCI_COMMAND, command);
    used->is_exact = true;
}

bool pci_measure_overlap(struct pci_used *used, const struct pci_span *span)
{
    if (!used->is_exact && pci_span_overlaps(&used->span, span)) {
        measure(used);
    }
    return pci_span_overlaps(&used->span, span);
}

bool pci_overlaps_surely(const struct pci_used *used, const struct pci_span *span)
{
    return used->is_exact ? pci_span_overlaps(&used->span, span)
                          : used->span.start >= span->start && used->span.start < span->end;
}

/* --- All of it --- */

static bool visit(void *context, const struct pci_device *device)
{
    (void)context;
    if (!is_same_function(&device->address, &excepted)) {
        if (pci_is_bridge(device)) {
            add_bridge(device);
        }
        add_bars(device);
    }
    return false;
}

struct pci_survey *pci_survey_make(const struct pci_device *except)
{
    survey.bridge_count = 0;
    survey.used_count = 0;
    survey.left_out = 0;
    excepted = except->address;
    (void)pci_walk(visit, NULL); /* no visit ends it */
    ASSERT(survey.bridge_count <= PCI_SURVEY_BRIDGE_MAX);
    ASSERT(survey.used_count <= PCI_SURVEY_BAR_MAX);
    return &survey;
}
