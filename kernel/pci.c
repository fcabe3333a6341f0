/* SPDX-License-Identifier: MIT */
/*
 * PCI configuration space (PCI 3.0 chapter 6, PCI Express 7.2). What devices answer is input from
 * outside: lists of capabilities and trees of bridges are walked with a bound.
 */
#include "kernel/pci.h"

#include <errno.h>

#include "kernel/bits.h"
#include "kernel/cpu.h"
#include "kernel/log.h"
#include "kernel/mmio.h"
#include "kernel/node.h"
#include "kernel/paging.h"

#define ADDRESS_PORT     0xCF8
#define ADDRESS_ENABLE   BIT(31)
#define DATA_PORT        0xCFC
#define PORT_SPACE_BYTES 256u
#define ECAM_SPACE_BYTES 4096u

#define PCI_VENDOR           0x00
#define VENDOR_NONE          0xFFFF
#define PCI_DEVICE           0x02
#define PCI_COMMAND          0x04
#define COMMAND_MEMORY       BIT(1)
#define COMMAND_BUS_MASTER   BIT(2)
#define COMMAND_INTX_OFF     BIT(10)
#define PCI_STATUS           0x06
#define STATUS_CAPABILITIES  BIT(4)
#define PCI_REVISION         0x08
#define PCI_HEADER_TYPE      0x0E
#define HEADER_TYPE          BITS(6, 0)
#define HEADER_BRIDGE        1
#define HEADER_MULTIFUNCTION BIT(7)
#define PCI_BAR(n)           (0x10 + 4 * (n))
#define BAR_IO               BIT(0)
#define BAR_TYPE             BITS(2, 1)
#define BAR_TYPE_64BIT       2
#define BAR_PREFETCHABLE     BIT(3)
#define BAR_ADDRESS          BITS(31, 4)
#define PCI_SECONDARY_BUS    0x19
#define PCI_CAPABILITIES     0x34

#define CAPABILITY_MSIX 0x11
#define CAPABILITY_MAX  48 /* as many as fit 256 bytes */

#define MSIX_CONTROL            0x02
#define MSIX_TABLE_SIZE         BITS(10, 0)
#define MSIX_FUNCTION_MASK      BIT(14)
#define MSIX_ENABLE             BIT(15)
#define MSIX_TABLE              0x04
#define MSIX_TABLE_BAR          BITS(2, 0)
#define MSIX_TABLE_OFFSET       BITS(31, 3)
#define MSIX_ENTRY_BYTES        16
#define MSIX_ENTRY_ADDRESS_LOW  0
#define MSIX_ENTRY_ADDRESS_HIGH 4
#define MSIX_ENTRY_DATA         8
#define MSIX_ENTRY_CONTROL      12
#define MSIX_ENTRY_MASKED       BIT(0)

/* A message to a local APIC (SDM 3A 10.11): the destination in bits 19:12; the vector as data, edge
 * triggered, fixed delivery. */
#define MESSAGE_ADDRESS         0xFEE00000u
#define MESSAGE_DESTINATION     BITS(19, 12)
#define MESSAGE_DESTINATION_MAX 0xFEu

#define BUS_MAX      256
#define DEVICE_MAX   32
#define FUNCTION_MAX 8
#define BAR_COUNT    6

/* --- Access --- */

/* The function's window, or NULL when no ECAM window holds its bus. */
static void *ecam_window(const struct pci_address *address)
{
    for (unsigned i = 0; i < node_info.machine.ecam_count; i++) {
        const struct ecam *ecam = &node_info.machine.ecams[i];

        if (ecam->segment == address->segment && address->bus >= ecam->first_bus &&
            address->bus <= ecam->last_bus) {
            uint64_t offset = (uint64_t)address->bus << 20 | (uint64_t)address->device << 15 |
                              (uint64_t)address->function << 12;

            return paging_map_device(ecam->paddr + offset, ECAM_SPACE_BYTES);
        }
    }
    return NULL;
}

/* Select a register for the data port; false when it cannot be reached that way. */
static bool select_register(const struct pci_address *address, unsigned offset)
{
    if (address->segment != 0 || offset >= PORT_SPACE_BYTES) {
        return false;
    }
    port_write32(ADDRESS_PORT, (uint32_t)(ADDRESS_ENABLE | (uint32_t)address->bus << 16 |
                                          (uint32_t)address->device << 11 |
                                          (uint32_t)address->function << 8 | (offset & 0xFC)));
    return true;
}

#define CONFIGURATION_ACCESS(bits)                                                                 \
    uint##bits##_t pci_read##bits(const struct pci_device *device, unsigned offset)                \
    {                                                                                              \
        void *window = ecam_window(&device->address);                                              \
                                                                                                   \
        if (window != NULL) {                                                                      \
            return mmio_read##bits(window, offset);                                                \
        }                                                                                          \
        if (!select_register(&device->address, offset)) {                                          \
            return (uint##bits##_t) ~0u;                                                           \
        }                                                                                          \
        return port_read##bits((uint16_t)(DATA_PORT + (offset & 3)));                              \
    }                                                                                              \
                                                                                                   \
    void pci_write##bits(const struct pci_device *device, unsigned offset, uint##bits##_t value)   \
    {                                                                                              \
        void *window = ecam_window(&device->address);                                              \
                                                                                                   \
        if (window != NULL) {                                                                      \
            mmio_write##bits(window, offset, value);                                               \
        } else if (select_register(&device->address, offset)) {                                    \
            port_write##bits((uint16_t)(DATA_PORT + (offset & 3)), value);                         \
        }                                                                                          \
    }

CONFIGURATION_ACCESS(8)
CONFIGURATION_ACCESS(16)
CONFIGURATION_ACCESS(32)

#undef CONFIGURATION_ACCESS

/* --- Finding --- */

struct search {
    const struct pci_id *ids;
    size_t id_count;
    unsigned left; /* matches to pass over */
    struct pci_device *found;
    uint16_t segment;
    uint8_t seen[BUS_MAX / 8]; /* buses walked: bridges that point back must not trap us */
};

static bool search_bus(struct search *search, uint8_t bus);

static bool is_match(const struct search *search, const struct pci_device *device)
{
    for (size_t i = 0; i < search->id_count; i++) {
        if (search->ids[i].vendor == device->id.vendor &&
            search->ids[i].device == device->id.device) {
            return true;
        }
    }
    return false;
}

/* True when the search has ended here. */
static bool visit_function(struct search *search, struct pci_device *device)
{
    device->id.device = pci_read16(device, PCI_DEVICE);
    device->revision = pci_read8(device, PCI_REVISION);
    if (is_match(search, device)) {
        if (search->left == 0) {
            *search->found = *device;
            return true;
        }
        search->left--;
    }
    if (FIELD_GET(HEADER_TYPE, pci_read8(device, PCI_HEADER_TYPE)) == HEADER_BRIDGE) {
        return search_bus(search, pci_read8(device, PCI_SECONDARY_BUS));
    }
    return false;
}

static bool search_bus(struct search *search, uint8_t bus)
{
    if (search->seen[bus / 8] & BIT(bus % 8)) {
        return false;
    }
    search->seen[bus / 8] |= (uint8_t)BIT(bus % 8);
    for (uint8_t number = 0; number < DEVICE_MAX; number++) {
        unsigned function_count = 1;

        for (uint8_t function = 0; function < function_count; function++) {
            struct pci_device device = {.address = {search->segment, bus, number, function}};

            device.id.vendor = pci_read16(&device, PCI_VENDOR);
            if (device.id.vendor == VENDOR_NONE) {
                continue;
            }
            if (function == 0 && (pci_read8(&device, PCI_HEADER_TYPE) & HEADER_MULTIFUNCTION)) {
                function_count = FUNCTION_MAX;
            }
            if (visit_function(search, &device)) {
                return true;
            }
        }
    }
    return false;
}

int pci_find(const struct pci_id *ids, size_t id_count, unsigned index, struct pci_device *device)
{
    struct search search = {.ids = ids, .id_count = id_count, .left = index, .found = device};
    const struct machine *machine = &node_info.machine;

    if (machine->ecam_count == 0) {
        return search_bus(&search, 0) ? 0 : -ENODEV;
    }
    /* Each window starts at a root bus. Further root buses that no bridge leads to show up nowhere
     * but in AML, which is not read: devices behind them are not found. */
    for (unsigned i = 0; i < machine->ecam_count; i++) {
        if (search.segment != machine->ecams[i].segment) {
            search.segment = machine->ecams[i].segment;
            __builtin_memset(search.seen, 0, sizeof(search.seen));
        }
        if (search_bus(&search, machine->ecams[i].first_bus)) {
            return 0;
        }
    }
    return -ENODEV;
}

unsigned pci_find_capability(const struct pci_device *device, uint8_t id)
{
    if ((pci_read16(device, PCI_STATUS) & STATUS_CAPABILITIES) == 0) {
        return 0;
    }
    unsigned offset = pci_read8(device, PCI_CAPABILITIES) & 0xFCu;

    for (unsigned i = 0; i < CAPABILITY_MAX && offset >= 0x40; i++) {
        if (pci_read8(device, offset) == id) {
            return offset;
        }
        offset = pci_read8(device, offset + 1) & 0xFCu;
    }
    return 0;
}

/* --- BARs and switching on --- */

/* What the register keeps of all ones: the bits of the address that can be set. */
static uint32_t probe_bar(const struct pci_device *device, unsigned index)
{
    uint32_t value = pci_read32(device, PCI_BAR(index));

    pci_write32(device, PCI_BAR(index), UINT32_MAX);
    uint32_t mask = pci_read32(device, PCI_BAR(index));

    pci_write32(device, PCI_BAR(index), value);
    return mask;
}

int pci_read_bar(const struct pci_device *device, unsigned index, struct pci_bar *bar)
{
    if (index >= BAR_COUNT) {
        return -ENODEV;
    }
    uint32_t low = pci_read32(device, PCI_BAR(index));

    if (low & BAR_IO) {
        return -ENODEV;
    }
    uint16_t command = pci_read16(device, PCI_COMMAND);

    bar->is_64bit = FIELD_GET(BAR_TYPE, low) == BAR_TYPE_64BIT && index + 1 < BAR_COUNT;
    bar->is_prefetchable = (low & BAR_PREFETCHABLE) != 0;
    bar->paddr = low & BAR_ADDRESS;
    /* While its size is probed the BAR shows another address: nobody must decode that. */
    pci_write16(device, PCI_COMMAND, command & (uint16_t)~COMMAND_MEMORY);
    uint64_t mask = probe_bar(device, index) & BAR_ADDRESS;

    if (bar->is_64bit) {
        bar->paddr |= (uint64_t)pci_read32(device, PCI_BAR(index + 1)) << 32;
        mask |= (uint64_t)probe_bar(device, index + 1) << 32;
    } else if (mask != 0) {
        mask |= BITS(63, 32);
    }
    pci_write16(device, PCI_COMMAND, command);
    bar->bytes = mask & -mask;
    return bar->paddr != 0 && bar->bytes != 0 ? 0 : -ENODEV;
}

void pci_enable(const struct pci_device *device)
{
    uint16_t command = pci_read16(device, PCI_COMMAND);

    pci_write16(device, PCI_COMMAND,
                command | (uint16_t)(COMMAND_MEMORY | COMMAND_BUS_MASTER | COMMAND_INTX_OFF));
}

void pci_disable(const struct pci_device *device)
{
    uint16_t command = pci_read16(device, PCI_COMMAND);

    pci_write16(device, PCI_COMMAND, command & (uint16_t) ~(COMMAND_MEMORY | COMMAND_BUS_MASTER));
}

/* --- MSI-X --- */

int pci_msix_enable(const struct pci_device *device, struct pci_msix *msix)
{
    unsigned capability = pci_find_capability(device, CAPABILITY_MSIX);
    struct pci_bar bar;

    if (capability == 0) {
        return -ENODEV;
    }
    uint32_t table = pci_read32(device, capability + MSIX_TABLE);
    uint16_t control = pci_read16(device, capability + MSIX_CONTROL);
    uint64_t offset = table & MSIX_TABLE_OFFSET;

    msix->entry_count = (unsigned)FIELD_GET(MSIX_TABLE_SIZE, control) + 1;
    if (pci_read_bar(device, (unsigned)FIELD_GET(MSIX_TABLE_BAR, table), &bar) != 0 ||
        offset + msix->entry_count * MSIX_ENTRY_BYTES > bar.bytes) {
        return -ENODEV;
    }
    msix->table = paging_map_device(bar.paddr + offset, msix->entry_count * MSIX_ENTRY_BYTES);
    if (msix->table == NULL) {
        return -ENOMEM;
    }
    /* Masked as a whole until every entry is: their content survives a reset of the machine. */
    control |= (uint16_t)(MSIX_ENABLE | MSIX_FUNCTION_MASK);
    pci_write16(device, capability + MSIX_CONTROL, control);
    for (unsigned i = 0; i < msix->entry_count; i++) {
        pci_msix_mask_entry(msix, i);
    }
    pci_write16(device, capability + MSIX_CONTROL, control & (uint16_t)~MSIX_FUNCTION_MASK);
    return 0;
}

void pci_msix_set_entry(const struct pci_msix *msix, unsigned index, uint32_t apic_id,
                        uint8_t vector)
{
    size_t entry = index * (size_t)MSIX_ENTRY_BYTES;

    pci_msix_mask_entry(msix, index);
    if (apic_id > MESSAGE_DESTINATION_MAX) {
        /* Needs interrupt remapping, which is not set up: such a node polls, but sleeps no deeper
         * than its timers. */
        log_warning("pci", "APIC id %u is out of MSI-X's reach", apic_id);
        return;
    }
    mmio_write32(msix->table, entry + MSIX_ENTRY_ADDRESS_LOW,
                 MESSAGE_ADDRESS | (uint32_t)FIELD_PREP(MESSAGE_DESTINATION, apic_id));
    mmio_write32(msix->table, entry + MSIX_ENTRY_ADDRESS_HIGH, 0);
    mmio_write32(msix->table, entry + MSIX_ENTRY_DATA, vector);
    mmio_write32(msix->table, entry + MSIX_ENTRY_CONTROL, 0);
}

void pci_msix_mask_entry(const struct pci_msix *msix, unsigned index)
{
    mmio_write32(msix->table, index * (size_t)MSIX_ENTRY_BYTES + MSIX_ENTRY_CONTROL,
                 (uint32_t)MSIX_ENTRY_MASKED);
}
