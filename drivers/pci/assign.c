/* SPDX-License-Identifier: MIT */
/*
 * Addresses for the BARs that firmware left without, and windows for the bridges above them: finds
 * out what lacks an address, has a place found (place.c), and writes it down. On a machine that
 * firmware has set up nothing is written but the device's own registers and the bits that open the
 * bridges on its way.
 */
#include <errno.h>

#include "drivers/pci/bus.h"
#include "drivers/pci/option.h"
#include "drivers/pci/place.h"
#include "drivers/pci/registers.h"
#include "kernel/log.h"
#include "kernel/node.h"
#include "kernel/platform.h"
#include "libc/core/format.h"

/* Above this a size is a register gone wrong. */
#define BAR_MAX_BYTES (64 * GIB)

#define ADDRESS_TEXT_BYTES 40

/* --- What is there --- */

/* The bridge on that bus which forwards to the device. */
static struct pci_bridge *bridge_on(const struct pci_request *request, uint8_t bus)
{
    struct pci_survey *survey = request->survey;

    for (unsigned i = 0; i < survey->bridge_count; i++) {
        struct pci_bridge *bridge = &survey->bridges[i];

        if (bridge->device.address.segment == request->device->address.segment &&
            bridge->device.address.bus == bus && pci_is_behind(bridge, &request->device->address)) {
            return bridge;
        }
    }
    return NULL;
}

/* From the root down, as an access goes. */
static void find_path(struct pci_request *request)
{
    const struct pci_address *address = &request->device->address;
    uint8_t bus = pci_root_of(address->segment, address->bus);

    while (bus != address->bus && request->path_count < PCI_PATH_MAX) {
        struct pci_bridge *bridge = bridge_on(request, bus);

        if (bridge == NULL) {
            return;
        }
        request->path[request->path_count++] = bridge;
        ASSERT(pci_is_behind(bridge, address));
        bus = bridge->secondary;
    }
}

/* Whether somebody else has that address. Only pci=assign has others asked for their sizes: they
 * may be in use, the screen above all. */
static bool is_taken(const struct pci_request *request, const struct pci_span *span)
{
    for (unsigned i = 0; i < request->survey->used_count; i++) {
        struct pci_used *used = &request->survey->used[i];

        if (request->is_asked_for ? pci_measure_overlap(used, span)
                                  : pci_overlaps_surely(used, span)) {
            return true;
        }
    }
    return false;
}

/* Whether firmware has given this address on purpose. A device that is decoding proves it, unless
 * pci=assign doubts that; one that is not may hold anything. */
static bool is_assigned(const struct pci_request *request, const struct pci_bar *bar,
                        uint16_t command)
{
    struct pci_span span = {bar->paddr, bar->paddr + bar->bytes};

    if (bar->paddr == 0 || span.end < span.start || !pci_is_forwarded(request, &span)) {
        return false;
    }
    if (request->is_asked_for) {
        /* By the same rule as places are found, so that one that was found is kept. */
        return (request->path_count > 0 || pci_is_in_windows(request->windows, &span)) &&
               !is_taken(request, &span);
    }
    return (command & COMMAND_MEMORY) != 0 || (!pci_is_memory(&span) && !is_taken(request, &span));
}

/* Keep the list in order of size. */
static void request_bar(struct pci_request *request, unsigned index, const struct pci_bar *bar)
{
    unsigned at = request->bar_count++;

    ASSERT(request->bar_count <= PCI_BAR_COUNT && IS_POWER_OF_TWO(bar->bytes));
    while (at > 0 && request->bars[at - 1].bytes < bar->bytes) {
        request->bars[at] = request->bars[at - 1];
        request->indices[at] = request->indices[at - 1];
        at--;
    }
    request->bars[at] = *bar;
    request->indices[at] = index;
}

/* `command` is what the device was allowed to do before. */
static void list_unassigned(struct pci_request *request, uint16_t command,
                            struct pci_bar bars[PCI_BAR_COUNT])
{
    for (unsigned i = 0; i < PCI_BAR_COUNT; i++) {
        struct pci_bar *bar = &bars[i];

        if (pci_read_bar(request->device, i, bar) != 0) {
            *bar = (struct pci_bar){.bytes = 0};
            continue;
        }
        if (is_assigned(request, bar, command)) {
            pci_survey_add(request->survey, request->device, i, bar);
        } else {
            request_bar(request, i, bar);
        }
        if (bar->is_64bit) {
            bars[++i] = (struct pci_bar){.bytes = 0};
        }
    }
}

/* The block's size and what it demands. -ENOSPC when no address can do. */
static int measure(struct pci_request *request)
{
    request->can_be_high = true;
    for (unsigned i = 0; i < request->bar_count; i++) {
        const struct pci_bar *bar = &request->bars[i];

        if (bar->bytes > BAR_MAX_BYTES) {
            return -ENOSPC;
        }
        request->bytes += bar->bytes;
        request->can_be_high &= bar->is_64bit && (bar->is_prefetchable || request->path_count == 0);
    }
    for (unsigned i = 0; i < request->path_count; i++) {
        request->can_be_high &= request->path[i]->is_prefetch_64bit;
    }
    /* A page of its own at least: what shares it could be reached through its mapping. */
    request->alignment = request->bars[0].bytes < PAGE_BYTES ? PAGE_BYTES : request->bars[0].bytes;
    return 0;
}

/* --- Writing it down --- */

static void write_window(const struct pci_bridge *bridge, enum pci_window_kind kind,
                         const struct pci_span *span)
{
    paddr_t last = span->end - 1;
    uint32_t value = (uint32_t)(FIELD_PREP(WINDOW_BASE, FIELD_GET(WINDOW_ADDRESS, span->start)) |
                                FIELD_PREP(WINDOW_LIMIT, FIELD_GET(WINDOW_ADDRESS, last)));

    ASSERT(!pci_span_is_empty(span) && span->start % PCI_WINDOW_BYTES == 0 &&
           span->end % PCI_WINDOW_BYTES == 0);
    ASSERT(kind == PCI_WINDOW_HIGH || last <= UINT32_MAX);
    if (kind == PCI_WINDOW_LOW) {
        pci_write32(&bridge->device, PCI_MEMORY_WINDOW, value);
        return;
    }
    /* Closed while its halves do not match. */
    pci_write32(&bridge->device, PCI_PREFETCH_WINDOW, (uint32_t)WINDOW_BASE);
    pci_write32(&bridge->device, PCI_PREFETCH_BASE_UPPER, (uint32_t)(span->start >> 32));
    pci_write32(&bridge->device, PCI_PREFETCH_LIMIT_UPPER, (uint32_t)(last >> 32));
    pci_write32(&bridge->device, PCI_PREFETCH_WINDOW, value);
}

/* From the root down, so that no window opens that the one above does not hold. */
static void widen_windows(const struct pci_request *request, enum pci_window_kind kind,
                          const struct pci_span *block)
{
    for (unsigned i = 0; i < request->path_count; i++) {
        struct pci_bridge *bridge = request->path[i];
        const struct pci_address *address = &bridge->device.address;
        struct pci_span *window = pci_window_of(bridge, kind);

        if (pci_span_contains(window, block)) {
            continue;
        }
        *window = pci_span_join(window, block);
        write_window(bridge, kind, window);
        log_info("pci", "bridge %04x:%02x:%02x.%u lets through %#llx to %#llx now",
                 address->segment, address->bus, address->device, address->function,
                 (unsigned long long)window->start, (unsigned long long)window->end - 1);
    }
}

static void write_bars(const struct pci_request *request, paddr_t paddr,
                       struct pci_bar bars[PCI_BAR_COUNT])
{
    const struct pci_address *address = &request->device->address;

    for (unsigned i = 0; i < request->bar_count; i++) {
        struct pci_bar *bar = &bars[request->indices[i]];
        struct pci_span span = {paddr, paddr + bar->bytes};
        char before[ADDRESS_TEXT_BYTES] = "had no address";

        if (bar->paddr != 0) {
            (void)format_text(before, sizeof(before), "was at %#llx",
                              (unsigned long long)bar->paddr);
        }
        ASSERT(pci_is_forwarded(request, &span));
        bar->paddr = paddr;
        paddr += bar->bytes;
        pci_write_bar(request->device, request->indices[i], bar);
        log_info("pci", "BAR %u of %04x:%02x:%02x.%u, %llu KiB, %s: %#llx now", request->indices[i],
                 address->segment, address->bus, address->device, address->function,
                 (unsigned long long)(bar->bytes / KIB), before, (unsigned long long)bar->paddr);
    }
}

/* Memory accesses downwards, DMA upwards. */
static void open_path(const struct pci_request *request)
{
    const uint16_t bits = (uint16_t)(COMMAND_MEMORY | COMMAND_BUS_MASTER);

    for (unsigned i = 0; i < request->path_count; i++) {
        const struct pci_device *bridge = &request->path[i]->device;
        uint16_t command = pci_read16(bridge, PCI_COMMAND);

        if ((command & bits) != bits) {
            pci_write16(bridge, PCI_COMMAND, command | bits);
        }
    }
}

/* From now on they may be mapped. */
static void make_known(const struct pci_bar bars[PCI_BAR_COUNT])
{
    for (unsigned i = 0; i < PCI_BAR_COUNT; i++) {
        if (bars[i].bytes != 0) {
            ranges_add(&node_info.machine.devices, bars[i].paddr, bars[i].bytes, DEVICE_OF_PCI);
        }
    }
}

/* The one line that says that addresses are guessed and windows rewritten, and why. */
static void log_reason(const struct pci_request *request)
{
    const struct pci_address *address = &request->device->address;
    char device[ADDRESS_TEXT_BYTES];

    (void)format_text(device, sizeof(device), "%04x:%02x:%02x.%u", address->segment, address->bus,
                      address->device, address->function);
    if (request->bar_count == 0) {
        log_info("pci", "pci=assign: %s keeps its addresses, host bridges seem to have them",
                 device);
    } else if (request->is_asked_for) {
        log_info("pci", "pci=assign: %u BARs of %s get addresses that host bridges seem to have",
                 request->bar_count, device);
    } else {
        log_warning("pci",
                    "%u BARs of %s lack an address, and get one that a host bridge seems to "
                    "have",
                    request->bar_count, device);
    }
}

/* A place for all that is requested. */
static int place_bars(struct pci_request *request, struct pci_bar bars[PCI_BAR_COUNT])
{
    const struct pci_address *address = &request->device->address;
    struct pci_span block;
    enum pci_window_kind kind;

    if (request->survey->left_out > 0 || measure(request) != 0 ||
        !pci_place(request, &kind, &block)) {
        log_warning("pci", "%u BARs of %04x:%02x:%02x.%u lack an address, and no room is left",
                    request->bar_count, address->segment, address->bus, address->device,
                    address->function);
        return -ENOSPC;
    }
    ASSERT(block.start % request->alignment == 0);
    ASSERT(block.end - block.start >= request->bytes);
    ASSERT(!pci_is_memory(&block));
    ASSERT(request->path_count > 0 || pci_is_in_windows(request->windows, &block));
    widen_windows(request, kind, &block);
    ASSERT(pci_is_forwarded(request, &block));
    write_bars(request, block.start, bars);
    return 0;
}

static void switch_off(const struct pci_device *device, uint16_t command)
{
    pci_write16(device, PCI_COMMAND, command & (uint16_t) ~(COMMAND_MEMORY | COMMAND_BUS_MASTER));
}

int pci_assign(const struct pci_device *device, struct pci_bar bars[PCI_BAR_COUNT])
{
    struct pci_windows windows;
    struct pci_request request = {.device = device,
                                  .survey = pci_survey_make(device),
                                  .windows = &windows,
                                  .is_asked_for = pci_is_assign_asked_for()};
    uint16_t command = pci_read16(device, PCI_COMMAND);

    windows.count = 0;
    if (request.is_asked_for) {
        pci_guess_windows(&windows);
    }
    find_path(&request);
    switch_off(device, command);
    pci_wake(device);
    list_unassigned(&request, command, bars);
    if (request.bar_count > 0 || request.is_asked_for) {
        log_reason(&request);
    }
    if (request.bar_count > 0) {
        pci_guess_windows(&windows);
        if (place_bars(&request, bars) != 0) {
            return -ENOSPC;
        }
    }
    open_path(&request);
    make_known(bars);
    return 0;
}
