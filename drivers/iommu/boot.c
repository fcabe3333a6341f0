/* SPDX-License-Identifier: MIT */
/*
 * The tables that all units of a segment share (VT-d specification 3.4), and switching them on. A
 * function that has no entry reaches nothing.
 */
#include <errno.h>
#include <string.h>

#include "drivers/iommu/iommu.h"
#include "drivers/iommu/regs.h"
#include "drivers/iommu/space.h"
#include "drivers/iommu/unit.h"
#include "drivers/nic/user.h"
#include "drivers/pci/pci.h"
#include "kernel/component.h"
#include "kernel/limits.h"
#include "kernel/log.h"
#include "kernel/platform.h"
#include "libc/core/command_line.h"

/* What of a node's memory devices may write to at most: all buffers and rings of two queues. */
#define WRITABLE_MAX_BYTES (9 * MIB)

/* Units have 16 domains at least, and may keep number 0 for themselves (11.4.2). */
#define CARD_DOMAIN     1u
#define FIRMWARE_DOMAIN 2u
_Static_assert(FIRMWARE_DOMAIN + RESERVED_DMA_MAX <= 16, "each device of firmware's has its own");

static const char unconfined[] = "devices can reach all memory, the network card too";

static struct iommu_unit units[IOMMU_MAX];
static unsigned unit_count;
static struct {
    uint16_t segment;
    uint64_t *table;
} roots[IOMMU_MAX];
static unsigned root_count;
static struct iommu_space empty; /* as spaces begin */

/* What firmware's own devices reach. */
static struct {
    struct pci_device device;
    struct iommu_space space;
} firmware[RESERVED_DMA_MAX];
static unsigned firmware_count;

/* --- What the units can --- */

static int open_units(void)
{
    const struct machine *machine = &node_info.machine;

    for (unit_count = 0; unit_count < machine->iommu_count; unit_count++) {
        int error = iommu_unit_open(&units[unit_count], &machine->iommus[unit_count]);

        if (error != 0) {
            return error;
        }
    }
    return 0;
}

/* Tables that all can walk, and that reach all memory. */
static int choose_tables(void)
{
    uint64_t depths = CAP_SAGAW, sizes = CAP_SLLPS;
    unsigned address_bits = 64;

    empty = (struct iommu_space){.is_coherent = true};
    for (unsigned i = 0; i < unit_count; i++) {
        unsigned bits = (unsigned)FIELD_GET(CAP_MGAW, units[i].capability) + 1;

        depths &= units[i].capability;
        sizes &= units[i].capability;
        address_bits = bits < address_bits ? bits : address_bits;
        empty.is_coherent &= (units[i].extended & ECAP_C) != 0;
    }
    sizes = FIELD_GET(CAP_SLLPS, sizes);
    empty.map_level = (sizes & 1) == 0 ? 1 : (sizes & 2) == 0 ? 2 : 3;
    empty.levels = (FIELD_GET(CAP_SAGAW, depths) & BIT(2)) != 0 ? 4 : 3;
    if (address_bits > SPACE_ADDRESS_BITS(empty.levels)) {
        address_bits = SPACE_ADDRESS_BITS(empty.levels);
    }
    if ((FIELD_GET(CAP_SAGAW, depths) & (BIT(1) | BIT(2))) == 0 ||
        node_info.machine.high_memory_end > UINT64_C(1) << address_bits) {
        log_warning("iommu", "its tables are of another kind, or do not reach all memory");
        return -ENOTSUP;
    }
    return 0;
}

/* --- Tables by device --- */

static uint64_t *root_of(uint16_t segment)
{
    for (unsigned i = 0; i < root_count; i++) {
        if (roots[i].segment == segment) {
            return roots[i].table;
        }
    }
    return NULL;
}

static int make_roots(void)
{
    root_count = 0;
    for (unsigned i = 0; i < unit_count; i++) {
        if (root_of(units[i].segment) != NULL) {
            continue;
        }
        uint64_t *table = iommu_new_table(empty.is_coherent);

        if (table == NULL) {
            return -ENOMEM;
        }
        roots[root_count].segment = units[i].segment;
        roots[root_count++].table = table;
    }
    return 0;
}

/* The function's entry. A segment without units has none. */
static int set_context(const struct pci_address *address, const struct iommu_space *space,
                       unsigned domain)
{
    uint64_t *root = root_of(address->segment);
    unsigned index = 2u * (address->device * 8u + address->function);

    if (root == NULL) {
        return -ENODEV;
    }
    uint64_t *entry = &root[2 * address->bus];

    if (*entry == 0) {
        const uint64_t *made = iommu_new_table(empty.is_coherent);

        if (made == NULL) {
            return -ENOMEM;
        }
        *entry = platform_bus_addr(made) | ENTRY_PRESENT;
        iommu_write_back(entry, sizeof(*entry), empty.is_coherent);
    }
    uintptr_t distance = (uintptr_t)root - (uintptr_t)platform_bus_addr(root);
    uint64_t *context = (uint64_t *)(distance + (*entry & ENTRY_ADDRESS)) + index;

    context[1] = FIELD_PREP(CONTEXT_AW, space->levels - 2) | FIELD_PREP(CONTEXT_DID, domain);
    context[0] = platform_bus_addr(space->root) | ENTRY_PRESENT;
    iommu_write_back(context, 2 * sizeof(*context), empty.is_coherent);
    return 0;
}

/* --- Firmware's devices --- */

/* Follow the bridges on the way. False when one of them leads nowhere. */
static bool find_device(const struct reserved_dma *reserved, struct pci_device *device)
{
    uint8_t bus = reserved->start_bus;

    for (unsigned i = 0;; i++) {
        *device = (struct pci_device){.address = {reserved->segment, bus, reserved->steps[i].device,
                                                  reserved->steps[i].function}};
        if (i + 1 == reserved->step_count) {
            return true;
        }
        bus = pci_secondary_bus(device);
        if (bus == 0) {
            return false;
        }
    }
}

static bool is_same(const struct pci_device *one, const struct pci_device *other)
{
    return memcmp(&one->address, &other->address, sizeof(one->address)) == 0;
}

static int allow_reserved(const struct reserved_dma *reserved)
{
    struct pci_device device;
    unsigned index = 0;

    if (!find_device(reserved, &device)) {
        return 0;
    }
    while (index < firmware_count && !is_same(&firmware[index].device, &device)) {
        index++;
    }
    if (index == firmware_count) {
        firmware[firmware_count++].space = empty;
        firmware[index].device = device;
    }
    int error = iommu_space_map(&firmware[index].space, reserved->range.paddr,
                                reserved->range.bytes, IOMMU_READ | IOMMU_WRITE);

    return error != 0
               ? error
               : set_context(&device.address, &firmware[index].space, FIRMWARE_DOMAIN + index);
}

static int allow_firmware(void)
{
    const struct machine *machine = &node_info.machine;
    int error = 0;

    firmware_count = 0;
    for (unsigned i = 0; i < machine->reserved_dma_count && error != -ENOMEM; i++) {
        error = allow_reserved(&machine->reserved_dmas[i]);
        if (error != 0) {
            log_warning("iommu", "a device of firmware's does not get its memory: error %d",
                        -error);
        }
    }
    return error == -ENOMEM ? error : 0;
}

/* --- On and off --- */

static void turn_off(void)
{
    node_info.machine.dma_bytes = 0;
    for (unsigned i = 0; i < unit_count; i++) {
        iommu_unit_turn_off(&units[i]);
    }
    log_warning("iommu", "switched off: %s", unconfined);
}

static int turn_on(void)
{
    for (unsigned i = 0; i < unit_count; i++) {
        int error = iommu_unit_turn_on(&units[i], platform_bus_addr(root_of(units[i].segment)));

        if (error != 0) {
            turn_off();
            return error;
        }
    }
    return 0;
}

static bool is_unwanted(void)
{
    const char *value;
    int length = command_line_find(node_info.command_line, "iommu", &value);
    bool is_no = length == 2 && memcmp(value, "no", 2) == 0;

    if (length >= 0 && !is_no) {
        log_warning("iommu", "iommu=%.*s is not iommu=no: ignored", length, value);
    }
    return is_no;
}

static void start(void)
{
    node_info.machine.dma_bytes = 0;
    node_info.machine.dma_nodes = (struct node_set){{0}};
    if (node_info.machine.iommu_count == 0) {
        log_info("iommu", "no IOMMU: %s", unconfined);
        return;
    }
    if (is_unwanted()) {
        log_info("iommu", "iommu=no: %s", unconfined);
        return;
    }
    if (open_units() != 0 || choose_tables() != 0 || make_roots() != 0 || allow_firmware() != 0) {
        log_warning("iommu", "not used: %s", unconfined);
        return;
    }
    if (turn_on() == 0) {
        node_info.machine.dma_bytes = WRITABLE_MAX_BYTES;
        log_info("iommu",
                 "on, %u VT-d %s: %u %s of firmware's reach memory that is reserved for them",
                 unit_count, unit_count == 1 ? "unit" : "units", firmware_count,
                 firmware_count == 1 ? "device" : "devices");
    }
}

/* --- What the card reaches --- */

/* -ENOMEM also when the node has too little memory to set any aside: it shall have its queue all
 * the same, so the card is not confined then. */
static int map_node(struct iommu_space *space, const struct node_place *place, uint64_t *bytes)
{
    struct memory_range writable = iommu_writable_range(place);

    if (writable.bytes == 0) {
        return -ENOMEM;
    }
    /* First what has more rights: large pages are not split. */
    int error = iommu_space_map(space, writable.paddr, writable.bytes, IOMMU_READ | IOMMU_WRITE);

    for (unsigned i = 0; i < place->range_count && error == 0; i++) {
        error = iommu_space_map(space, place->ranges[i].paddr, place->ranges[i].bytes, IOMMU_READ);
    }
    *bytes += writable.bytes;
    return error;
}

static int map_archive(struct iommu_space *space)
{
    int error = 0;

    for (unsigned i = 0; i < node_info.module_count && error == 0; i++) {
        const struct module *module = &node_info.modules[i];

        error = iommu_space_map(space, module->paddr,
                                ALIGN_UP(module->shown.bytes, (uint64_t)PAGE_BYTES), IOMMU_READ);
    }
    return error;
}

/* Memory that firmware has reserved for one of the cards. */
static int map_reserved(struct iommu_space *space, const struct pci_device *card)
{
    int error = 0;

    for (unsigned i = 0; i < node_info.machine.reserved_dma_count && error == 0; i++) {
        const struct reserved_dma *reserved = &node_info.machine.reserved_dmas[i];
        struct pci_device device;

        if (find_device(reserved, &device) && is_same(&device, card)) {
            error = iommu_space_map(space, reserved->range.paddr, reserved->range.bytes,
                                    IOMMU_READ | IOMMU_WRITE);
        }
    }
    return error;
}

static int let_reach(const struct pci_device *device, struct iommu_space *space)
{
    struct pci_address aliases[PCI_ALIAS_MAX];
    unsigned alias_count = pci_list_aliases(device, aliases);
    int error = map_reserved(space, device);

    for (unsigned i = 0; i < alias_count && error == 0; i++) {
        error = set_context(&aliases[i], space, CARD_DOMAIN);
    }
    return error;
}

static int allow(const struct pci_card *cards, unsigned card_count, const node_id_t *nodes,
                 unsigned node_count)
{
    struct iommu_space space = empty;
    uint64_t writable_bytes = 0;
    int error = 0;

    for (unsigned i = 0; i < node_count && error == 0; i++) {
        ASSERT(nodes[i] < node_info.machine.node_count);
        node_set_add(&node_info.machine.dma_nodes, nodes[i]);
        error = map_node(&space, &node_info.places[nodes[i]], &writable_bytes);
    }
    if (error == 0) {
        error = map_archive(&space);
    }
    for (unsigned i = 0; i < card_count && error == 0; i++) {
        error = let_reach(&cards[i].device, &space);
    }
    for (unsigned i = 0; i < unit_count && error == 0; i++) {
        error = iommu_unit_invalidate(&units[i]);
    }
    if (error == 0) {
        log_info("iommu",
                 "network cards read the archive and the memory of %u %s, and write to %lu KiB of "
                 "it; other devices reach nothing",
                 node_count, node_count == 1 ? "node" : "nodes", writable_bytes / KIB);
    }
    return error;
}

static unsigned list_users(node_id_t nodes[NODE_MAX])
{
    unsigned count = 0;

    LINKER_SET_EACH(nic_users, struct nic_user, user)
    {
        count = (*user)->list_nodes(node_info.machine.node_count, nodes);
    }
    return count;
}

/* All that somebody here drives are network cards. */
static void allow_cards(void)
{
    const struct pci_card *cards;
    unsigned card_count = pci_prepared(&cards);
    node_id_t nodes[NODE_MAX];
    unsigned node_count = list_users(nodes);
    int error = 0;

    if (node_info.machine.dma_bytes != 0 && card_count > 0 && node_count > 0) {
        error = allow(cards, card_count, nodes, node_count);
    }
    if (error != 0) {
        log_warning("iommu", "no tables for the network card: error %d", -error);
        turn_off();
    }
}

static const struct component iommu_component = {
    .steps = {[BOOT_DEVICES] = start, [BOOT_SHARED] = allow_cards},
};
COMPONENT(iommu_component);
