/* SPDX-License-Identifier: MIT */
/*
 * Finding devices: the walk over the tree of buses, and roots that no table names. What bridges say
 * of themselves is input from outside: a walk visits each bus once.
 */
#include "drivers/pci/bus.h"
#include "drivers/pci/option.h"
#include "drivers/pci/registers.h"
#include "kernel/log.h"
#include "kernel/node.h"

#define ROOT_MAX    32
#define SEGMENT_MAX ECAM_MAX

struct walk {
    pci_visit visit;
    void *context;
    uint16_t segment;
    struct pci_bus_set pending;
    struct pci_bus_set seen;
};

static struct pci_root roots[ROOT_MAX];
static unsigned root_count;

/* --- Roots and segments --- */

static bool is_present(struct pci_device *device)
{
    device->id.vendor = pci_read16(device, PCI_VENDOR);
    /* Where nothing is at all, some machines read 0. */
    return device->id.vendor != VENDOR_NONE && device->id.vendor != 0;
}

static bool has_device(uint16_t segment, uint8_t bus)
{
    for (uint8_t number = 0; number < DEVICE_MAX; number++) {
        struct pci_device device = {.address = {segment, bus, number, 0}};

        if (is_present(&device)) {
            return true;
        }
    }
    return false;
}

static void add_root(uint16_t segment, uint8_t bus)
{
    for (unsigned i = 0; i < root_count; i++) {
        if (roots[i].segment == segment && roots[i].bus == bus) {
            return;
        }
    }
    if (root_count == ROOT_MAX) {
        return;
    }
    roots[root_count++] = (struct pci_root){segment, bus};
}

/* Each window of configuration space starts at a root bus. By ports there is one, to begin with.
 * One in which nothing answers is not where the MCFG says, and is not used. */
void pci_learn_roots(void)
{
    const struct machine *machine = &node_info.machine;

    root_count = 0;
    if (machine->ecam_count == 0) {
        add_root(0, 0);
    }
    for (unsigned i = 0; i < machine->ecam_count; i++) {
        const struct ecam *ecam = &machine->ecams[i];

        if (!pci_is_ecam_ignored(i) && !has_device(ecam->segment, ecam->first_bus)) {
            log_warning("pci", "configuration space of %04x:%02x to %02x does not answer",
                        ecam->segment, ecam->first_bus, ecam->last_bus);
            pci_ignore_ecam(i);
        }
        add_root(ecam->segment, ecam->first_bus);
    }
}

void pci_report_access(void)
{
    const struct machine *machine = &node_info.machine;
    unsigned used_count = 0;

    for (unsigned i = 0; i < machine->ecam_count; i++) {
        const struct ecam *ecam = &machine->ecams[i];

        if (!pci_is_ecam_ignored(i)) {
            log_info("pci", "configuration space of %04x:%02x to %02x at %#llx", ecam->segment,
                     ecam->first_bus, ecam->last_bus,
                     (unsigned long long)ecam->paddr + ecam->first_bus * MIB);
            used_count++;
        }
    }
    if (used_count == 0) {
        log_info("pci", "configuration space by ports");
    }
}

/* The segments that have roots, each once. */
static unsigned list_segments(uint16_t segments[SEGMENT_MAX])
{
    unsigned count = 0;

    for (unsigned i = 0; i < root_count; i++) {
        unsigned at = 0;

        while (at < count && segments[at] != roots[i].segment) {
            at++;
        }
        if (at == count && count < SEGMENT_MAX) {
            segments[count++] = roots[i].segment;
        }
    }
    return count;
}

const struct pci_root *pci_roots(unsigned *count)
{
    *count = root_count;
    return roots;
}

uint8_t pci_root_of(uint16_t segment, uint8_t bus)
{
    uint8_t root = 0;

    for (unsigned i = 0; i < root_count; i++) {
        if (roots[i].segment == segment && roots[i].bus <= bus && roots[i].bus > root) {
            root = roots[i].bus;
        }
    }
    return root;
}

/* --- The walk --- */

bool pci_is_bridge(const struct pci_device *device)
{
    return FIELD_GET(HEADER_TYPE, pci_read8(device, PCI_HEADER_TYPE)) == HEADER_BRIDGE;
}

/* The functions of one bus, in order. True when a visit has ended the walk. */
bool pci_walk_bus(uint16_t segment, uint8_t bus, pci_visit visit, void *context)
{
    for (uint8_t number = 0; number < DEVICE_MAX; number++) {
        unsigned function_count = 1;

        for (uint8_t function = 0; function < function_count; function++) {
            struct pci_device device = {.address = {segment, bus, number, function}};

            if (!is_present(&device)) {
                continue;
            }
            if (function == 0 && (pci_read8(&device, PCI_HEADER_TYPE) & HEADER_MULTIFUNCTION)) {
                function_count = FUNCTION_MAX;
            }
            device.id.device = pci_read16(&device, PCI_DEVICE);
            device.revision = pci_read8(&device, PCI_REVISION);
            if (visit(context, &device)) {
                return true;
            }
        }
    }
    return false;
}

static bool visit_and_follow(void *context, const struct pci_device *device)
{
    struct walk *walk = context;

    if (pci_is_bridge(device)) {
        uint8_t secondary = (uint8_t)FIELD_GET(BUS_SECONDARY, pci_read32(device, PCI_BUS_NUMBERS));

        if (secondary != 0) {
            pci_add_bus(&walk->pending, secondary);
        }
    }
    return walk->visit != NULL && walk->visit(walk->context, device);
}

/* Walk the buses that are pending and those they lead to, always the lowest first. */
static bool walk_pending(struct walk *walk)
{
    for (unsigned bus = 0; bus < BUS_MAX;) {
        if (!pci_has_bus(&walk->pending, bus) || pci_has_bus(&walk->seen, bus)) {
            bus++;
            continue;
        }
        pci_add_bus(&walk->seen, bus);
        if (pci_walk_bus(walk->segment, (uint8_t)bus, visit_and_follow, walk)) {
            return true;
        }
        bus = 0; /* a bridge may lead to a lower one */
    }
    return false;
}

static void start_walk(struct walk *walk, uint16_t segment)
{
    walk->segment = segment;
    walk->pending = (struct pci_bus_set){{0}};
    walk->seen = (struct pci_bus_set){{0}};
    for (unsigned i = 0; i < root_count; i++) {
        if (roots[i].segment == segment) {
            pci_add_bus(&walk->pending, roots[i].bus);
        }
    }
}

bool pci_walk(pci_visit visit, void *context)
{
    struct walk walk = {.visit = visit, .context = context};
    uint16_t segments[SEGMENT_MAX];
    unsigned segment_count = list_segments(segments);

    for (unsigned i = 0; i < segment_count; i++) {
        start_walk(&walk, segments[i]);
        if (walk_pending(&walk)) {
            return true;
        }
    }
    return false;
}

/* --- Roots that no table names --- */

/* A bus where something answers though no bridge leads there is a root, or else below one. */
static void find_further_roots(uint16_t segment)
{
    struct walk walk = {.visit = NULL};

    start_walk(&walk, segment);
    (void)walk_pending(&walk); /* nothing ends it */
    for (unsigned bus = 0; bus < BUS_MAX; bus++) {
        if (!pci_has_bus(&walk.seen, bus) && has_device(segment, (uint8_t)bus)) {
            if (root_count == ROOT_MAX) {
                log_warning("pci", "more than %u root buses: not all are looked at", ROOT_MAX);
                return;
            }
            log_info("pci", "root bus %04x:%02x is in no table", segment, bus);
            add_root(segment, (uint8_t)bus);
            pci_add_bus(&walk.pending, bus);
            (void)walk_pending(&walk);
        }
    }
}

/* --- Finding --- */

static void find_all_roots(void)
{
    uint16_t segments[SEGMENT_MAX];
    unsigned segment_count = list_segments(segments);

    for (unsigned i = 0; i < segment_count; i++) {
        find_further_roots(segments[i]);
    }
}

struct search {
    const struct pci_id *ids;
    size_t id_count;
    struct pci_device *devices;
    unsigned device_max;
    unsigned found;
};

static bool match_device(void *context, const struct pci_device *device)
{
    struct search *search = context;

    for (size_t i = 0; i < search->id_count; i++) {
        if (search->ids[i].vendor == device->id.vendor &&
            search->ids[i].device == device->id.device) {
            if (search->found < search->device_max) {
                search->devices[search->found] = *device;
            }
            search->found++;
            break;
        }
    }
    return false;
}

/* Rewriting bridges is for who asks for it, or has nothing to lose. */
static bool may_number_buses(unsigned found, bool is_asked_for)
{
    if (is_asked_for) {
        log_info("pci", "pci=assign: bridges without a bus number are given one");
    } else if (found == 0) {
        log_warning("pci", "no such device so far: bridges without a bus number are given one");
    } else {
        log_info("pci", "bridges without a bus number stay as they are without pci=assign");
    }
    return is_asked_for || found == 0;
}

unsigned pci_find(const struct pci_id *ids, size_t id_count, enum pci_reach reach,
                  struct pci_device *devices, unsigned device_max)
{
    struct search search = {
        .ids = ids, .id_count = id_count, .devices = devices, .device_max = device_max};
    bool is_asked_for = pci_is_assign_asked_for();

    pci_learn_roots();
    if (reach == PCI_REACH_ALL || is_asked_for) {
        find_all_roots();
    }
    (void)pci_walk(match_device, &search); /* no match ends it */
    if ((reach == PCI_REACH_ALL || is_asked_for) && pci_has_unnumbered_bus() &&
        may_number_buses(search.found, is_asked_for)) {
        pci_number_buses();
        search.found = 0;
        (void)pci_walk(match_device, &search);
    }
    return search.found;
}
