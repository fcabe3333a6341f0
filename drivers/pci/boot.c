/* SPDX-License-Identifier: MIT */
/*
 * What is done with PCI while one core runs: devices that firmware has left writing to memory are
 * stopped, and those that somebody here drives get addresses that all nodes know.
 */
#include "drivers/pci/bus.h"
#include "drivers/pci/option.h"
#include "drivers/pci/registers.h"
#include "kernel/component.h"
#include "kernel/log.h"
#include "kernel/node.h"
#include "libc/core/command_line.h"

/* Chosen: more ports than a machine has slots. */
#define PREPARED_MAX 32

/* --- Devices that nobody drives --- */

static unsigned stopped_count;

static bool is_of_class(const struct pci_device *device, uint16_t wanted)
{
    return pci_read16(device, PCI_CLASS) == wanted;
}

/*
 * Whether a function goes on mastering the bus although nobody here drives it: what passes on
 * others' accesses and interrupts (bridges, interrupt controllers, IOMMUs), what may fetch the
 * picture from memory, and what a BIOS may emulate a keyboard by, whose memory it keeps reserved.
 */
static bool is_spared(const struct pci_device *device)
{
    switch (FIELD_GET(CLASS_BASE, pci_read16(device, PCI_CLASS))) {
    case CLASS_BASE_BRIDGE:
    case CLASS_BASE_DISPLAY:
        return true;
    case CLASS_BASE_SYSTEM:
        return !is_of_class(device, CLASS_SD_HOST);
    default:
        return FIELD_GET(HEADER_TYPE, pci_read8(device, PCI_HEADER_TYPE)) != HEADER_DEVICE ||
               is_of_class(device, CLASS_OLD_VGA) ||
               (is_of_class(device, CLASS_USB) && !node_info.machine.has_no_i8042);
    }
}

static bool stop_mastering(void *context, const struct pci_device *device)
{
    unsigned *count = context;
    const struct pci_address *address = &device->address;
    uint16_t command = pci_read16(device, PCI_COMMAND);

    if ((command & COMMAND_BUS_MASTER) != 0 && !is_spared(device)) {
        log_debug("pci", "%04x:%02x:%02x.%u, %04x:%04x, may no longer write to memory",
                  address->segment, address->bus, address->device, address->function,
                  device->id.vendor, device->id.device);
        pci_write16(device, PCI_COMMAND, command & (uint16_t)~COMMAND_BUS_MASTER);
        (*count)++;
    }
    return false;
}

/*
 * A network card that firmware booted from still fills the buffers it was given with what comes
 * over the wire, and those lie in memory that is ours now. So as soon as configuration space can be
 * reached, no function masters the bus but those that must; a driver lets its own do so again. All
 * go on decoding their addresses.
 */
static void stop_devices(void)
{
    stopped_count = 0;
    pci_learn_roots();
    (void)pci_walk(stop_mastering, &stopped_count); /* no visit ends it */
}

/* The log's first lines are what is started. */
static void report(void)
{
    pci_report_unknown_option();
    pci_report_access();
    if (stopped_count > 0) {
        log_info("pci", "%u %s that firmware left writing to memory stopped", stopped_count,
                 stopped_count == 1 ? "device" : "devices");
    }
}

/* --- Devices that somebody drives --- */

static struct {
    struct pci_card list[PREPARED_MAX];
    unsigned count;
} prepared;

/* Nobody who lives drives them, and those who did have left them writing to memory. All that come
 * here at a time write the same. */
static void stop_prepared(void)
{
    for (unsigned i = 0; i < prepared.count; i++) {
        pci_stop(&prepared.list[i].device);
    }
}

void pci_stop_prepared(const struct pci_id *ids, size_t id_count)
{
    for (unsigned i = 0; i < prepared.count * id_count; i++) {
        const struct pci_device *device = &prepared.list[i / id_count].device;

        if (device->id.vendor == ids[i % id_count].vendor &&
            device->id.device == ids[i % id_count].device) {
            pci_stop(device);
        }
    }
}

unsigned pci_prepared(const struct pci_card **cards)
{
    *cards = prepared.list;
    return prepared.count;
}

void pci_prepare(const struct pci_id *ids, size_t id_count)
{
    struct pci_device devices[PREPARED_MAX];
    const char *choice;
    unsigned count = pci_find(ids, id_count, PCI_REACH_NUMBERED, devices, PREPARED_MAX);

    /* One that is asked for by name may be far away though others are near. */
    if (count == 0 || command_line_find(node_info.command_line, "nic", &choice) > 0) {
        count = pci_find(ids, id_count, PCI_REACH_ALL, devices, PREPARED_MAX);
    }
    for (unsigned i = 0; i < count && i < PREPARED_MAX && prepared.count < PREPARED_MAX; i++) {
        struct pci_card *card = &prepared.list[prepared.count];

        card->device = devices[i];
        if (pci_assign(&card->device, card->bars) != 0) {
            continue; /* it stays switched off, and the log says why */
        }
        prepared.count++;
        pci_write16(&card->device, PCI_COMMAND,
                    pci_read16(&card->device, PCI_COMMAND) |
                        (uint16_t)(COMMAND_MEMORY | COMMAND_INTX_OFF));
    }
}

static const struct component pci_component = {
    .steps = {[BOOT_TABLES] = stop_devices, [BOOT_DEVICES] = report, [NODE_GONE] = stop_prepared},
    .handed_over = &prepared,
    .handed_over_bytes = sizeof(prepared),
    .is_handed_to_all = true,
};
COMPONENT(pci_component);
