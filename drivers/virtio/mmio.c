/* SPDX-License-Identifier: MIT */
/*
 * Virtio devices on no bus (VIRTIO 4.2): registers at an address that firmware's tables or the
 * command line name, and a line that interrupts (node_info.machine.virtio_slots). All registers
 * have 32 bits; there are no vectors, and no reset of one queue: some devices offer that feature
 * and have no register for it.
 *
 * The slots are checked against memory and other tables' devices by boot. What answers in them is
 * not trusted: what has no magic number is no device, and is written to by nobody.
 */
#include <errno.h>

#include "drivers/acpi/ioapic.h"
#include "drivers/virtio/virtio.h"
#include "kernel/component.h"
#include "kernel/log.h"
#include "kernel/node.h"
#include "kernel/x86/interrupt.h"
#include "kernel/x86/paging.h"

/* What is mapped of a slot. */
#define SLOT_BYTES (MMIO_CONFIG + CONFIG_BYTES)

/* Chosen: far more than two causes take; the device may raise one again meanwhile. */
#define ACKNOWLEDGE_TRIES 16u

#define MMIO(name) [REGISTER_##name] = {MMIO_##name, 4}

static const struct virtio_transport mmio_transport = {
    .registers =
        {
            MMIO(DEVICE_FEATURE_SELECT),
            MMIO(DEVICE_FEATURE),
            MMIO(DRIVER_FEATURE_SELECT),
            MMIO(DRIVER_FEATURE),
            MMIO(STATUS),
            MMIO(GENERATION),
            MMIO(QUEUE_SELECT),
            MMIO(QUEUE_SIZE_MAX),
            MMIO(QUEUE_SIZE),
            [REGISTER_QUEUE_ENABLE] = {MMIO_QUEUE_READY, 4},
            MMIO(QUEUE_DESCRIPTORS),
            MMIO(QUEUE_DESCRIPTORS_HIGH),
            MMIO(QUEUE_AVAILABLE),
            MMIO(QUEUE_AVAILABLE_HIGH),
            MMIO(QUEUE_USED),
            MMIO(QUEUE_USED_HIGH),
        },
    .notifies_by_32_bits = true,
};

/* --- Slots --- */

/* A PCI function may have got an address there, that no table knew of. */
static bool is_of_pci(const struct virtio_slot *slot)
{
    const struct ranges *devices = &node_info.machine.devices;

    for (unsigned i = 0; i < devices->count; i++) {
        const struct owned_range *range = &devices->list[i];

        if (range->owner == DEVICE_OF_PCI && slot->paddr < range->start + range->bytes &&
            range->start < slot->paddr + slot->bytes) {
            return true;
        }
    }
    return false;
}

/* The registers of a slot; NULL when they cannot be reached, which is logged. */
static void *map(const struct virtio_slot *slot)
{
    if (is_of_pci(slot)) {
        log_error("virtio", "a PCI device is at %#llx: no virtio device is looked for there",
                  (unsigned long long)slot->paddr);
        return NULL;
    }
    return paging_map_device(slot->paddr, SLOT_BYTES);
}

/* Whether a device is there, whatever its kind. */
static bool is_device(const void *registers)
{
    return mmio_read32(registers, MMIO_MAGIC) == MMIO_MAGIC_VALUE &&
           mmio_read32(registers, MMIO_DEVICE) != MMIO_DEVICE_NONE;
}

static bool is_network_card(const struct virtio_slot *slot, const void *registers)
{
    uint32_t version;

    if (!is_device(registers) || mmio_read32(registers, MMIO_DEVICE) != MMIO_DEVICE_NETWORK) {
        return false;
    }
    version = mmio_read32(registers, MMIO_VERSION);
    if (version == MMIO_VERSION_LEGACY) {
        log_error("virtio",
                  "the card at %#llx is for old drivers only; with QEMU say "
                  "-global virtio-mmio.force-legacy=false",
                  (unsigned long long)slot->paddr);
    } else if (version != MMIO_VERSION_KNOWN) {
        log_error("virtio", "the card at %#llx is of version %u, which is not known",
                  (unsigned long long)slot->paddr, version);
    }
    return version == MMIO_VERSION_KNOWN;
}

unsigned virtio_mmio_find(const struct virtio_slot **slots, unsigned slot_max)
{
    const struct machine *machine = &node_info.machine;
    unsigned count = 0;

    for (unsigned i = 0; i < machine->virtio_slot_count; i++) {
        const struct virtio_slot *slot = &machine->virtio_slots[i];
        const void *registers = map(slot);

        if (registers != NULL && is_network_card(slot, registers)) {
            if (count < slot_max) {
                slots[count] = slot;
            }
            count++;
        }
    }
    return count;
}

int virtio_mmio_map(struct virtio_device *device, const struct virtio_slot *slot)
{
    uint8_t *registers = map(slot);

    if (registers == NULL) {
        return -ENOMEM;
    }
    if (!is_network_card(slot, registers)) {
        log_error("virtio", "the card at %#llx is gone", (unsigned long long)slot->paddr);
        return -ENODEV;
    }
    *device = (struct virtio_device){
        .transport = &mmio_transport,
        .common = registers,
        .config = registers + MMIO_CONFIG,
        .notify_bar_paddr = ALIGN_DOWN(slot->paddr, (paddr_t)PAGE_BYTES),
        .notify_bar_bytes = PAGE_BYTES,
        .notify_offset = (uint32_t)(slot->paddr % PAGE_BYTES) + MMIO_NOTIFY,
        .notify_bytes = sizeof(uint32_t),
    };
    return 0;
}

bool virtio_mmio_is_notified_at(paddr_t bar_paddr, uint64_t bar_bytes, uint32_t offset)
{
    const struct machine *machine = &node_info.machine;

    for (unsigned i = 0; i < machine->virtio_slot_count; i++) {
        paddr_t paddr = machine->virtio_slots[i].paddr;

        if (bar_bytes == PAGE_BYTES && bar_paddr == ALIGN_DOWN(paddr, (paddr_t)PAGE_BYTES) &&
            offset == paddr % PAGE_BYTES + MMIO_NOTIFY) {
            return true;
        }
    }
    return false;
}

/* Firmware, or a node that has died, may have left it with rings in memory. Nothing is waited for:
 * its next user does that. */
static void reset(void *registers)
{
    if (registers != NULL && is_device(registers)) {
        mmio_write32(registers, MMIO_STATUS, 0);
    }
}

void virtio_mmio_reset_all(void)
{
    for (unsigned i = 0; i < node_info.machine.virtio_slot_count; i++) {
        reset(map(&node_info.machine.virtio_slots[i]));
    }
}

/* As boot has mapped them: for a core whose node has failed, beside others. */
static void *boot_registers[VIRTIO_SLOT_MAX];

static void map_and_reset_all(void)
{
    for (unsigned i = 0; i < node_info.machine.virtio_slot_count; i++) {
        boot_registers[i] = map(&node_info.machine.virtio_slots[i]);
        reset(boot_registers[i]);
    }
}

static void reset_mapped(void)
{
    for (unsigned i = 0; i < VIRTIO_SLOT_MAX; i++) {
        reset(boot_registers[i]);
    }
}

static const struct component mmio_component = {
    .steps = {[BOOT_DEVICES] = map_and_reset_all, [NODE_GONE] = reset_mapped},
};
COMPONENT(mmio_component);

/* --- The line --- */

/*
 * As an edge, whatever firmware says of it: a device raises its line at the first cause, keeps it
 * up until all have been acknowledged, and raises it again at the next. A level would be sent again
 * as soon as it has been taken, for the processor has done with it before the driver acknowledges:
 * measured under QEMU, 40,000 interrupts for a request in place of 5. Each line is one device's:
 * the others are reset, and raise none.
 */
bool virtio_line_start(struct virtio_line *line, const struct virtio_slot *slot, uint8_t vector)
{
    const struct irq_route route = {.gsi = slot->line.gsi,
                                    .is_active_low = slot->line.is_active_low};

    *line = (struct virtio_line){.registers = map(slot)};
    if (line->registers == NULL ||
        !ioapic_route(&route, interrupt_apic_id(platform_node()), vector)) {
        log_warning("virtio", "line %u cannot be routed: frames are found by looking", route.gsi);
        line->registers = NULL;
    }
    return line->registers != NULL;
}

bool virtio_line_acknowledge(const struct virtio_line *line)
{
    for (unsigned i = 0; i < ACKNOWLEDGE_TRIES; i++) {
        uint32_t causes = mmio_read32(line->registers, MMIO_INTERRUPT_STATUS);

        if (causes == 0) {
            return true;
        }
        mmio_write32(line->registers, MMIO_INTERRUPT_ACKNOWLEDGE, causes);
    }
    log_error("virtio", "the card does not let go of its interrupt: frames are found by looking");
    return false;
}
