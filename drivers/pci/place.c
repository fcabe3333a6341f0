/* SPDX-License-Identifier: MIT */
/*
 * The search for a place. Windows that have to grow must not take addresses away from anybody
 * beside the device's way: a place is judged by all that they would then let through.
 */
#include "drivers/pci/place.h"

#include "drivers/pci/bus.h"
#include "kernel/platform.h"

/* Steps of the search in one hole. Each passes over something in use. */
#define STEP_MAX (PCI_SURVEY_BAR_MAX + PCI_SURVEY_BRIDGE_MAX)

/* Who uses a window already: something below the device's own root, nobody, or only other roots. */
enum claim { CLAIM_OWN, CLAIM_NONE, CLAIM_OTHERS, CLAIM_COUNT };

struct pci_span *pci_window_of(struct pci_bridge *bridge, enum pci_window_kind kind)
{
    return kind == PCI_WINDOW_LOW ? &bridge->memory : &bridge->prefetch;
}

static bool is_on_path(const struct pci_request *request, const struct pci_bridge *bridge)
{
    for (unsigned i = 0; i < request->path_count; i++) {
        if (request->path[i] == bridge) {
            return true;
        }
    }
    return false;
}

bool pci_is_forwarded(const struct pci_request *request, const struct pci_span *span)
{
    for (unsigned i = 0; i < request->path_count; i++) {
        if (!pci_span_contains(&request->path[i]->memory, span) &&
            !pci_span_contains(&request->path[i]->prefetch, span)) {
            return false;
        }
    }
    return true;
}

/* The end of the first thing that `span` must not touch, or 0 when there is none. What is behind
 * `within` (if any) may lie there, and so may the windows of bridges on the device's way. */
static paddr_t find_conflict(const struct pci_request *request, const struct pci_bridge *within,
                             const struct pci_span *span)
{
    struct pci_survey *survey = request->survey;

    for (unsigned i = 0; i < survey->used_count; i++) {
        struct pci_used *used = &survey->used[i];

        if ((within == NULL || !pci_is_behind(within, &used->device.address)) &&
            pci_measure_overlap(used, span)) {
            return used->span.end;
        }
    }
    for (unsigned i = 0; i < survey->bridge_count; i++) {
        const struct pci_bridge *bridge = &survey->bridges[i];

        if (is_on_path(request, bridge) ||
            (within != NULL && pci_is_behind(within, &bridge->device.address))) {
            continue;
        }
        if (pci_span_overlaps(&bridge->memory, span)) {
            return bridge->memory.end;
        }
        if (pci_span_overlaps(&bridge->prefetch, span)) {
            return bridge->prefetch.end;
        }
    }
    return 0;
}

/* The same for the block, and for all that the windows on its way would then let through. */
static paddr_t find_block_conflict(const struct pci_request *request, enum pci_window_kind kind,
                                   const struct pci_span *block)
{
    paddr_t end = find_conflict(request, NULL, block);

    for (unsigned i = 0; end == 0 && i < request->path_count; i++) {
        struct pci_bridge *bridge = request->path[i];
        struct pci_span joined = pci_span_join(pci_window_of(bridge, kind), block);
        const struct pci_span *other =
            pci_window_of(bridge, kind == PCI_WINDOW_LOW ? PCI_WINDOW_HIGH : PCI_WINDOW_LOW);

        /* A bridge takes what its window holds for what is behind it: with memory in the window, no
         * device behind it could reach that by DMA. */
        end = pci_is_memory(&joined)              ? joined.end
              : pci_span_overlaps(&joined, other) ? other->end
                                                  : find_conflict(request, bridge, &joined);
    }
    return end;
}

/* A place for the block in `hole`, the first that is free. */
static bool search_hole(const struct pci_request *request, enum pci_window_kind kind,
                        struct pci_span hole, struct pci_span *block)
{
    if (kind == PCI_WINDOW_LOW) {
        hole.end = hole.end < FOUR_GIB ? hole.end : FOUR_GIB;
    } else {
        hole.start = hole.start > FOUR_GIB ? hole.start : FOUR_GIB;
    }
    for (unsigned step = 0; step < STEP_MAX; step++) {
        paddr_t start = ALIGN_UP(hole.start, request->alignment);
        paddr_t end;

        if (start < hole.start || start >= hole.end || hole.end - start < request->bytes) {
            return false;
        }
        *block = (struct pci_span){start, start + request->bytes};
        end = find_block_conflict(request, kind, block);
        if (end == 0) {
            ASSERT(pci_span_contains(&hole, block));
            ASSERT(kind == PCI_WINDOW_LOW ? block->end <= FOUR_GIB : block->start >= FOUR_GIB);
            return true;
        }
        if (end <= start) {
            return false; /* it lies before the block, and always will */
        }
        hole.start = end;
    }
    return false;
}

static bool is_below_same_root(const struct pci_request *request, const struct pci_used *used)
{
    const struct pci_address *own = &request->device->address;
    const struct pci_address *other = &used->device.address;

    return own->segment == other->segment &&
           pci_root_of(own->segment, own->bus) == pci_root_of(other->segment, other->bus);
}

static bool starts_in(const struct pci_span *hole, const struct pci_used *used)
{
    return used->span.start >= hole->start && used->span.start < hole->end;
}

static enum claim claim_of(const struct pci_request *request, const struct pci_span *hole)
{
    enum claim claim = CLAIM_NONE;

    for (unsigned i = 0; i < request->survey->used_count; i++) {
        const struct pci_used *used = &request->survey->used[i];

        if (starts_in(hole, used)) {
            if (is_below_same_root(request, used)) {
                return CLAIM_OWN;
            }
            claim = CLAIM_OTHERS;
        }
    }
    return claim;
}

/* From something below the same root up to what is below another: where several roots share a hole,
 * each forwards a part of it, and these addresses are most likely in the right one. */
static bool search_beside_own(const struct pci_request *request, enum pci_window_kind kind,
                              const struct pci_span *hole, struct pci_span *block)
{
    const struct pci_survey *survey = request->survey;

    for (unsigned i = 0; i < survey->used_count; i++) {
        const struct pci_used *own = &survey->used[i];
        struct pci_span part = {own->span.start, hole->end};

        if (!starts_in(hole, own) || !is_below_same_root(request, own)) {
            continue;
        }
        for (unsigned j = 0; j < survey->used_count; j++) {
            const struct pci_used *other = &survey->used[j];

            if (starts_in(&part, other) && !is_below_same_root(request, other)) {
                part.end = other->span.start;
            }
        }
        if (search_hole(request, kind, part, block)) {
            return true;
        }
    }
    return false;
}

/* The one to the device's own bus, on which its window depends most. */
static struct pci_bridge *last_bridge(const struct pci_request *request)
{
    ASSERT(request->path_count > 0);
    return request->path[request->path_count - 1];
}

static bool search_holes(const struct pci_request *request, enum pci_window_kind kind,
                         enum claim claim, struct pci_span *block)
{
    for (unsigned i = 0; i < request->windows->count; i++) {
        struct pci_span hole = request->windows->list[i];
        struct pci_span near = {0, 0};

        if (claim_of(request, &hole) != claim) {
            continue;
        }
        /* Beside the window that there is, if it is in this hole: it then grows the least. */
        if (request->path_count > 0 &&
            pci_span_contains(&hole, pci_window_of(last_bridge(request), kind))) {
            near = (struct pci_span){pci_window_of(last_bridge(request), kind)->start, hole.end};
        }
        if (search_hole(request, kind, near, block) ||
            search_beside_own(request, kind, &hole, block) ||
            search_hole(request, kind, hole, block)) {
            return true;
        }
    }
    return false;
}

/* Where the windows on the way lead already. */
static bool search_path(const struct pci_request *request, enum pci_window_kind kind,
                        struct pci_span *block)
{
    return request->path_count > 0 &&
           search_hole(request, kind, *pci_window_of(last_bridge(request), kind), block) &&
           pci_is_forwarded(request, block);
}

bool pci_place(const struct pci_request *request, enum pci_window_kind *kind,
               struct pci_span *block)
{
    enum pci_window_kind last = request->can_be_high ? PCI_WINDOW_HIGH : PCI_WINDOW_LOW;
    struct pci_request grown = *request;

    ASSERT(request->bar_count > 0 && IS_POWER_OF_TWO(request->alignment));
    ASSERT(request->bytes >= request->bars[0].bytes);
    for (*kind = PCI_WINDOW_LOW; *kind <= last; (*kind)++) {
        if (search_path(request, *kind, block)) {
            return true;
        }
    }
    /* Windows that have to grow do it by whole units. */
    if (grown.path_count > 0) {
        grown.alignment = grown.alignment < PCI_WINDOW_BYTES ? PCI_WINDOW_BYTES : grown.alignment;
        grown.bytes = ALIGN_UP(grown.bytes, (uint64_t)PCI_WINDOW_BYTES);
    }
    for (enum claim claim = CLAIM_OWN; claim < CLAIM_COUNT; claim++) {
        for (*kind = PCI_WINDOW_LOW; *kind <= last; (*kind)++) {
            if (search_holes(&grown, *kind, claim, block)) {
                return true;
            }
        }
    }
    return false;
}
