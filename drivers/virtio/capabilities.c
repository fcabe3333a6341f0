/* SPDX-License-Identifier: MIT */
/*
 * Where a virtio device's registers are: the vendor's capabilities in its configuration space
 * (VIRTIO 4.1.4). They are the device's word, and checked against its BARs.
 */
#include "drivers/virtio/virtio.h"

#include <errno.h>

#include "kernel/log.h"
#include "kernel/x86/paging.h"

#define COMMON(name, width) [REGISTER_##name] = {COMMON_##name, (width) / 8}
#define COMMON_64(name)                                                                            \
    [REGISTER_##name] = {COMMON_##name, 4}, [REGISTER_##name##_HIGH] = {COMMON_##name + 4, 4}

static const struct virtio_transport pci_transport = {
    .registers =
        {
            COMMON(DEVICE_FEATURE_SELECT, 32),
            COMMON(DEVICE_FEATURE, 32),
            COMMON(DRIVER_FEATURE_SELECT, 32),
            COMMON(DRIVER_FEATURE, 32),
            COMMON(CONFIG_VECTOR, 16),
            COMMON(STATUS, 8),
            COMMON(GENERATION, 8),
            COMMON(QUEUE_SELECT, 16),
            [REGISTER_QUEUE_SIZE_MAX] = {COMMON_QUEUE_SIZE, 2},
            COMMON(QUEUE_SIZE, 16),
            COMMON(QUEUE_VECTOR, 16),
            COMMON(QUEUE_ENABLE, 16),
            COMMON(QUEUE_NOTIFY_OFFSET, 16),
            COMMON_64(QUEUE_DESCRIPTORS),
            COMMON_64(QUEUE_AVAILABLE),
            COMMON_64(QUEUE_USED),
            COMMON(QUEUE_RESET, 16),
        },
};

/* As many as fit configuration space, each with its 16 bytes. */
#define CAPABILITIES_MAX 12

/* A part of a BAR. */
struct window {
    const struct pci_bar *bar;
    uint32_t offset, bytes;
    unsigned capability; /* 0: not found */
};

static bool read_window(const struct pci_device *pci, const struct pci_bar bars[PCI_BAR_COUNT],
                        unsigned capability, struct window *window)
{
    unsigned bar = pci_read8(pci, capability + CAPABILITY_BAR);

    if (bar >= PCI_BAR_COUNT || bars[bar].paddr == 0) {
        return false; /* reserved, or in ports */
    }
    *window = (struct window){
        .bar = &bars[bar],
        .offset = pci_read32(pci, capability + CAPABILITY_REGISTERS_OFFSET),
        .bytes = pci_read32(pci, capability + CAPABILITY_REGISTERS_BYTES),
        .capability = capability,
    };
    return (uint64_t)window->offset + window->bytes <= window->bar->bytes &&
           window->offset % sizeof(uint32_t) == 0;
}

/* The first of this type that can be used. */
static struct window find_window(const struct pci_device *pci,
                                 const struct pci_bar bars[PCI_BAR_COUNT], unsigned type,
                                 uint32_t bytes_min)
{
    unsigned at = pci_find_capability(pci, CAPABILITY_VENDOR);
    struct window window;

    /* The list may lead back to where it began. */
    for (unsigned i = 0; i < CAPABILITIES_MAX && at != 0; i++) {
        if (pci_read8(pci, at + CAPABILITY_TYPE) == type && read_window(pci, bars, at, &window) &&
            window.bytes >= bytes_min) {
            return window;
        }
        at = pci_find_next_capability(pci, at, CAPABILITY_VENDOR);
    }
    return (struct window){0};
}

static void *map(const struct window *window, uint32_t bytes)
{
    return paging_map_device(window->bar->paddr + window->offset, bytes);
}

int virtio_map_registers(struct virtio_device *device, const struct pci_device *pci,
                         const struct pci_bar bars[PCI_BAR_COUNT])
{
    struct window common = find_window(pci, bars, TYPE_COMMON, COMMON_BYTES);
    struct window notify = find_window(pci, bars, TYPE_NOTIFY, sizeof(uint16_t));
    struct window config = find_window(pci, bars, TYPE_CONFIG, CONFIG_BYTES);

    *device = (struct virtio_device){.transport = &pci_transport};
    if (common.capability == 0 || notify.capability == 0 || config.capability == 0) {
        log_error("virtio",
                  "the card is for old drivers only, or offers too little: version 1 is needed");
        return -ENODEV;
    }
    device->has_reset_register = common.bytes >= COMMON_BYTES_WITH_RESET;
    device->common = map(&common, COMMON_BYTES_WITH_RESET <= common.bytes ? COMMON_BYTES_WITH_RESET
                                                                          : COMMON_BYTES);
    device->has_rss_fields = config.bytes >= CONFIG_BYTES_WITH_RSS;
    device->config = map(&config, device->has_rss_fields ? CONFIG_BYTES_WITH_RSS : CONFIG_BYTES);
    device->notify_bar_paddr = notify.bar->paddr;
    device->notify_bar_bytes = notify.bar->bytes;
    device->notify_offset = notify.offset;
    device->notify_bytes = notify.bytes;
    device->notify_multiplier = pci_read32(pci, notify.capability + CAPABILITY_NOTIFY_MULTIPLIER);
    return device->common == NULL || device->config == NULL ? -ENOMEM : 0;
}
