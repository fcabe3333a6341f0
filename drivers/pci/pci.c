/* SPDX-License-Identifier: MIT */
/*
 * Access to PCI configuration space (PCI 3.0 chapter 6, PCI Express 7.2), and what is in every
 * function's: capabilities, BARs, switching on. What devices answer is input from outside.
 */
#include "drivers/pci/pci.h"

#include <errno.h>

#include "drivers/pci/bus.h"
#include "drivers/pci/configuration.h"
#include "drivers/pci/registers.h"
#include "kernel/component.h"
#include "kernel/node.h"
#include "kernel/platform.h"
#include "kernel/x86/paging.h"
#include "libc/core/cpu.h"
#include "libc/core/port.h"

/* The device may be slow to answer for so long (PCI power management 1.2, 5.4). */
#define WAKE_NS (10 * NS_PER_MS)

/* --- Access --- */

/* Windows that pci_ignore_ecam() has named, at boot for all nodes, and where those that are used
 * are mapped. */
static bool is_ignored[ECAM_MAX];
static uint8_t *windows[ECAM_MAX];

static const struct component pci_access_component = {
    .handed_over = is_ignored, .handed_over_bytes = sizeof(is_ignored), .is_handed_to_all = true};
COMPONENT(pci_access_component);

void pci_ignore_ecam(unsigned index)
{
    ASSERT(index < node_info.machine.ecam_count);
    is_ignored[index] = true;
}

bool pci_is_ecam_ignored(unsigned index)
{
    return is_ignored[index];
}

/* Where a window's first bus is mapped. One that cannot be is used no more, and has been logged. */
static uint8_t *map_window(unsigned index)
{
    const struct ecam *ecam = &node_info.machine.ecams[index];

    if (windows[index] == NULL) {
        windows[index] = paging_map_device(ecam->paddr + ecam->first_bus * MIB,
                                           (ecam->last_bus - ecam->first_bus + 1ull) * MIB);
        is_ignored[index] = windows[index] == NULL;
    }
    return windows[index];
}

/* The function's registers, or NULL when no ECAM window holds its bus. */
static void *ecam_window(const struct pci_address *address)
{
    for (unsigned i = 0; i < node_info.machine.ecam_count; i++) {
        const struct ecam *ecam = &node_info.machine.ecams[i];

        if (!is_ignored[i] && ecam->segment == address->segment &&
            address->bus >= ecam->first_bus && address->bus <= ecam->last_bus) {
            uint64_t offset = FIELD_PREP(ECAM_BUS, address->bus - ecam->first_bus) |
                              FIELD_PREP(ECAM_DEVICE, address->device) |
                              FIELD_PREP(ECAM_FUNCTION, address->function);
            uint8_t *window = map_window(i);

            return window != NULL ? window + offset : NULL;
        }
    }
    return NULL;
}

/* Select a register for the data port; false when it cannot be reached that way. */
static bool select_register(const struct pci_address *address, unsigned offset)
{
    if (address->segment != 0 || offset >= PCI_PORT_SPACE_BYTES) {
        return false;
    }
    port_write32(PCI_ADDRESS_PORT,
                 (uint32_t)(PORT_ENABLE | FIELD_PREP(PORT_BUS, address->bus) |
                            FIELD_PREP(PORT_DEVICE, address->device) |
                            FIELD_PREP(PORT_FUNCTION, address->function) |
                            FIELD_PREP(PORT_REGISTER, offset / sizeof(uint32_t))));
    return true;
}

#define CONFIGURATION_ACCESS(bits)                                                                 \
    uint##bits##_t pci_read##bits(const struct pci_device *device, unsigned offset)                \
    {                                                                                              \
        void *window = ecam_window(&device->address);                                              \
                                                                                                   \
        ASSERT(offset < PCI_ECAM_SPACE_BYTES && offset % (bits / 8) == 0);                         \
        if (window != NULL) {                                                                      \
            return configuration_read##bits(window, offset);                                       \
        }                                                                                          \
        if (!select_register(&device->address, offset)) {                                          \
            return (uint##bits##_t) ~0u;                                                           \
        }                                                                                          \
        return port_read##bits((uint16_t)(PCI_DATA_PORT + offset % sizeof(uint32_t)));             \
    }                                                                                              \
                                                                                                   \
    void pci_write##bits(const struct pci_device *device, unsigned offset, uint##bits##_t value)   \
    {                                                                                              \
        void *window = ecam_window(&device->address);                                              \
                                                                                                   \
        ASSERT(offset < PCI_ECAM_SPACE_BYTES && offset % (bits / 8) == 0);                         \
        if (window != NULL) {                                                                      \
            configuration_write##bits(window, offset, value);                                      \
        } else if (select_register(&device->address, offset)) {                                    \
            port_write##bits((uint16_t)(PCI_DATA_PORT + offset % sizeof(uint32_t)), value);        \
        }                                                                                          \
    }

CONFIGURATION_ACCESS(8)
CONFIGURATION_ACCESS(16)
CONFIGURATION_ACCESS(32)

#undef CONFIGURATION_ACCESS

/* --- What is in every function's --- */

static unsigned find_from(const struct pci_device *device, unsigned offset, uint8_t id)
{
    offset &= (unsigned)CAPABILITY_OFFSET;
    for (unsigned i = 0; i < CAPABILITY_MAX && offset >= CAPABILITY_FIRST; i++) {
        if (pci_read8(device, offset + CAPABILITY_ID) == id) {
            return offset;
        }
        offset = pci_read8(device, offset + CAPABILITY_NEXT) & (unsigned)CAPABILITY_OFFSET;
    }
    return 0;
}

unsigned pci_find_capability(const struct pci_device *device, uint8_t id)
{
    if ((pci_read16(device, PCI_STATUS) & STATUS_CAPABILITIES) == 0) {
        return 0;
    }
    return find_from(device, pci_read8(device, PCI_CAPABILITIES), id);
}

unsigned pci_find_next_capability(const struct pci_device *device, unsigned offset, uint8_t id)
{
    return find_from(device, pci_read8(device, offset + CAPABILITY_NEXT), id);
}

bool pci_is_asleep(const struct pci_device *device)
{
    unsigned capability = pci_find_capability(device, CAPABILITY_POWER);

    return capability != 0 &&
           FIELD_GET(POWER_STATE, pci_read16(device, capability + POWER_CONTROL)) != 0;
}

void pci_wake(const struct pci_device *device)
{
    uint64_t end_ns;

    if (!pci_is_asleep(device)) {
        return;
    }
    unsigned control = pci_find_capability(device, CAPABILITY_POWER) + POWER_CONTROL;

    pci_write16(device, control, pci_read16(device, control) & (uint16_t)~POWER_STATE);
    end_ns = platform_now_ns() + WAKE_NS;
    while (platform_now_ns() < end_ns) {
        cpu_pause();
    }
}

/* What the register keeps of all ones: the bits of the address that can be set. Meanwhile it shows
 * another address, which nobody must decode. */
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
    if (index >= PCI_BAR_COUNT) {
        return -ENODEV;
    }
    uint32_t low = pci_read32(device, PCI_BAR(index));

    if (low & BAR_IO) {
        return -ENODEV;
    }
    bar->is_64bit = FIELD_GET(BAR_TYPE, low) == BAR_TYPE_64BIT;
    bar->is_prefetchable = (low & BAR_PREFETCHABLE) != 0;
    bar->paddr = low & BAR_ADDRESS;
    if (bar->is_64bit && index + 1 == PCI_BAR_COUNT) {
        return -ENODEV; /* its upper half would be no BAR */
    }
    uint64_t mask = probe_bar(device, index) & BAR_ADDRESS;

    if (bar->is_64bit) {
        bar->paddr |= (uint64_t)pci_read32(device, PCI_BAR(index + 1)) << 32;
        mask |= (uint64_t)probe_bar(device, index + 1) << 32;
    } else if (mask != 0) {
        mask |= BITS(63, 32);
    }
    bar->bytes = mask & -mask; /* the lowest bit that can be set: a power of two, or 0 */
    return bar->bytes != 0 ? 0 : -ENODEV;
}

void pci_write_bar(const struct pci_device *device, unsigned index, const struct pci_bar *bar)
{
    ASSERT(index + (bar->is_64bit ? 1 : 0) < PCI_BAR_COUNT);
    ASSERT(bar->paddr % bar->bytes == 0);
    ASSERT(bar->is_64bit || bar->paddr + bar->bytes - 1 <= UINT32_MAX);
    pci_write32(device, PCI_BAR(index), (uint32_t)(bar->paddr & BAR_ADDRESS));
    if (bar->is_64bit) {
        pci_write32(device, PCI_BAR(index + 1), (uint32_t)(bar->paddr >> 32));
    }
}

void pci_start(const struct pci_device *device)
{
    uint16_t command = pci_read16(device, PCI_COMMAND);

    pci_write16(device, PCI_COMMAND,
                command | (uint16_t)(COMMAND_MEMORY | COMMAND_BUS_MASTER | COMMAND_INTX_OFF));
}

void pci_stop(const struct pci_device *device)
{
    uint16_t command = pci_read16(device, PCI_COMMAND);

    pci_write16(device, PCI_COMMAND, command & (uint16_t)~COMMAND_BUS_MASTER);
}
