/* SPDX-License-Identifier: MIT */
/*
 * A virtio device as a whole: its status, its features, its configuration, and its queues' places
 * (VIRTIO 2.1, 3.1, 4.1.4.3, 4.2.2). Queues are set up through registers that all of them share, so
 * only one node calls this.
 */
#include "drivers/virtio/virtio.h"

#include <errno.h>

#include "kernel/log.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "kernel/thread/thread.h"
#include "libc/core/mmio.h"

/* Chosen: a device that empties its queues first may take so long; and with one of them. */
#define RESET_TIMEOUT_NS       (500 * NS_PER_MS)
#define QUEUE_RESET_TIMEOUT_NS (100 * NS_PER_MS)

/* Times that a field is read again because it has changed: then what was read last must do. */
#define CONFIG_TRIES 8

uint32_t virtio_register_read(const struct virtio_device *device, enum virtio_register reg)
{
    unsigned offset = device->transport->registers[reg].offset;

    switch (device->transport->registers[reg].bytes) {
    case 1:
        return mmio_read8(device->common, offset);
    case 2:
        return mmio_read16(device->common, offset);
    case 4:
        return mmio_read32(device->common, offset);
    default:
        return UINT32_MAX;
    }
}

void virtio_register_write(struct virtio_device *device, enum virtio_register reg, uint32_t value)
{
    unsigned offset = device->transport->registers[reg].offset;

    switch (device->transport->registers[reg].bytes) {
    case 1:
        mmio_write8(device->common, offset, (uint8_t)value);
        break;
    case 2:
        mmio_write16(device->common, offset, (uint16_t)value);
        break;
    case 4:
        mmio_write32(device->common, offset, value);
        break;
    default:
        break;
    }
}

static uint8_t read_status(const struct virtio_device *device)
{
    return (uint8_t)virtio_register_read(device, REGISTER_STATUS);
}

static void write_status(struct virtio_device *device, unsigned status)
{
    virtio_register_write(device, REGISTER_STATUS, status);
}

int virtio_reset(struct virtio_device *device)
{
    uint64_t end_ns = platform_now_ns() + RESET_TIMEOUT_NS;

    write_status(device, 0);
    for (;;) {
        /* The clock first: a core that was stopped for long still looks once more. */
        bool is_late = platform_now_ns() >= end_ns;
        uint8_t status = read_status(device);

        if (status == 0) {
            return 0;
        }
        if (is_late) {
            log_error("virtio", "the device status is 0x%02x: it does not reset", status);
            return -ETIMEDOUT;
        }
        status_note_progress(); /* the wait has an end */
        if (thread_self() != NULL) {
            thread_yield();
        } else {
            __builtin_ia32_pause();
        }
    }
}

/* --- Features --- */

uint64_t virtio_read_offered(struct virtio_device *device)
{
    uint64_t offered = 0;

    for (uint32_t half = 0; half < 2; half++) {
        virtio_register_write(device, REGISTER_DEVICE_FEATURE_SELECT, half);
        offered |= (uint64_t)virtio_register_read(device, REGISTER_DEVICE_FEATURE) << (32 * half);
    }
    return offered;
}

/* Features that need another one (5.1.3.1). */
static uint64_t without_baseless(uint64_t features)
{
    static const struct {
        uint64_t base, features;
    } needs[] = {
        {VIRTIO_NET_F_CSUM, VIRTIO_NET_F_HOST_TSO4},
        {VIRTIO_NET_F_GUEST_CSUM, VIRTIO_NET_F_GUEST_TSO4},
        /* Not by the specification: without it each buffer would have to take a frame of 64 KiB. */
        {VIRTIO_NET_F_MRG_RXBUF, VIRTIO_NET_F_GUEST_TSO4},
        {VIRTIO_NET_F_CTRL_VQ,
         VIRTIO_NET_F_CTRL_RX | VIRTIO_NET_F_MQ | VIRTIO_NET_F_RSS | VIRTIO_NET_F_ANNOUNCE},
        /* It is said in the same word as the link's state. */
        {VIRTIO_NET_F_STATUS, VIRTIO_NET_F_ANNOUNCE},
    };

    for (size_t i = 0; i < ARRAY_COUNT(needs); i++) {
        if ((features & needs[i].base) == 0) {
            features &= ~needs[i].features;
        }
    }
    return features;
}

int virtio_negotiate(struct virtio_device *device, uint64_t wanted)
{
    uint64_t features;
    int result = virtio_reset(device);

    if (result != 0) {
        return result;
    }
    /* One bit after the other: some devices take no other steps. */
    write_status(device, STATUS_ACKNOWLEDGE);
    write_status(device, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
    features = without_baseless(virtio_read_offered(device) & wanted);
    if (!device->has_reset_register) {
        features &= ~VIRTIO_F_RING_RESET;
    }
    if ((features & VIRTIO_F_VERSION_1) == 0) {
        log_error("virtio", "the card is of no version that is known: version 1 is needed");
        return -ENOTSUP;
    }
    for (uint32_t half = 0; half < 2; half++) {
        virtio_register_write(device, REGISTER_DRIVER_FEATURE_SELECT, half);
        virtio_register_write(device, REGISTER_DRIVER_FEATURE, (uint32_t)(features >> (32 * half)));
    }
    write_status(device, STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK);
    if ((read_status(device) & STATUS_FEATURES_OK) == 0) {
        log_error("virtio", "the card refuses the features 0x%llx, which it has offered",
                  (unsigned long long)features);
        return -ENOTSUP;
    }
    device->features = features;
    return 0;
}

/* --- Configuration --- */

uint8_t virtio_config_read8(const struct virtio_device *device, unsigned offset)
{
    return mmio_read8(device->config, offset);
}

uint16_t virtio_config_read16(const struct virtio_device *device, unsigned offset)
{
    return mmio_read16(device->config, offset); /* one access: it is whole */
}

uint32_t virtio_config_read32(const struct virtio_device *device, unsigned offset)
{
    return mmio_read32(device->config, offset);
}

void virtio_config_read_mac(const struct virtio_device *device, uint8_t mac[6])
{
    for (unsigned i = 0; i < CONFIG_TRIES; i++) {
        uint32_t generation = virtio_register_read(device, REGISTER_GENERATION);

        for (unsigned at = 0; at < 6; at++) {
            mac[at] = mmio_read8(device->config, CONFIG_MAC + at);
        }
        if (virtio_register_read(device, REGISTER_GENERATION) == generation) {
            return;
        }
    }
}

bool virtio_set_config_vector(struct virtio_device *device, unsigned entry)
{
    virtio_register_write(device, REGISTER_CONFIG_VECTOR, entry);
    return virtio_register_read(device, REGISTER_CONFIG_VECTOR) == entry;
}

/* --- Queues --- */

static void select_queue(struct virtio_device *device, unsigned index)
{
    virtio_register_write(device, REGISTER_QUEUE_SELECT, index);
}

int virtio_queue_describe(struct virtio_device *device, unsigned index, unsigned size_max,
                          struct virtio_queue_place *place)
{
    uint32_t size;
    uint64_t offset;

    ASSERT(IS_POWER_OF_TWO(size_max) && size_max <= VIRTIO_RING_SIZE_MAX);
    select_queue(device, index);
    size = virtio_register_read(device, REGISTER_QUEUE_SIZE_MAX);
    if (size == 0 || virtio_register_read(device, REGISTER_QUEUE_ENABLE) != 0) {
        log_error("virtio", "the card has no queue %u, or it is in use", index);
        return -ENODEV;
    }
    while (size_max > size) {
        size_max /= 2;
    }
    offset = (uint64_t)virtio_register_read(device, REGISTER_QUEUE_NOTIFY_OFFSET) *
             device->notify_multiplier;
    if (offset + sizeof(uint16_t) > device->notify_bytes) {
        log_error("virtio", "queue %u would be notified outside its registers", index);
        return -ENODEV;
    }
    *place = (struct virtio_queue_place){.index = (uint16_t)index,
                                         .size = (uint16_t)size_max,
                                         .notify_offset = device->notify_offset + (uint32_t)offset};
    return 0;
}

/* Both halves: the upper one's register is the next. */
static void write_address(struct virtio_device *device, enum virtio_register reg,
                          bus_addr_t bus_addr)
{
    virtio_register_write(device, reg, (uint32_t)bus_addr);
    virtio_register_write(device, reg + 1, (uint32_t)(bus_addr >> 32));
}

int virtio_queue_start(struct virtio_device *device, const struct virtio_queue_place *place,
                       bus_addr_t ring_bus_addr, unsigned entry)
{
    select_queue(device, place->index);
    virtio_register_write(device, REGISTER_QUEUE_SIZE, place->size);
    virtio_register_write(device, REGISTER_QUEUE_VECTOR, entry);
    if ((virtio_register_read(device, REGISTER_QUEUE_VECTOR) & VECTOR_NONE) != entry) {
        log_error("virtio", "queue %u gets no interrupt", place->index);
        return -ENODEV;
    }
    write_address(device, REGISTER_QUEUE_DESCRIPTORS, ring_bus_addr);
    write_address(device, REGISTER_QUEUE_AVAILABLE,
                  ring_bus_addr + virtio_ring_available_offset(place->size));
    write_address(device, REGISTER_QUEUE_USED,
                  ring_bus_addr + virtio_ring_used_offset(place->size));
    virtio_register_write(device, REGISTER_QUEUE_ENABLE, 1);
    if (virtio_register_read(device, REGISTER_QUEUE_ENABLE) != 1) {
        log_error("virtio", "queue %u does not start", place->index);
        return -ENODEV;
    }
    return 0;
}

int virtio_queue_reset(struct virtio_device *device, unsigned index)
{
    uint64_t end_ns = platform_now_ns() + QUEUE_RESET_TIMEOUT_NS;

    ASSERT(virtio_has(device, VIRTIO_F_RING_RESET));
    select_queue(device, index);
    virtio_register_write(device, REGISTER_QUEUE_RESET, 1);
    for (;;) {
        bool is_late = platform_now_ns() >= end_ns;

        if (virtio_register_read(device, REGISTER_QUEUE_RESET) == 0) {
            break;
        }
        if (is_late) {
            log_error("virtio", "queue %u does not stop", index);
            return -ETIMEDOUT;
        }
        status_note_progress(); /* the wait has an end; nobody else may select a queue meanwhile */
        __builtin_ia32_pause();
    }
    if (virtio_register_read(device, REGISTER_QUEUE_ENABLE) != 0) {
        log_error("virtio", "queue %u is in use after its reset", index);
        return -ETIMEDOUT;
    }
    return 0;
}

int virtio_run(struct virtio_device *device)
{
    uint8_t status = read_status(device) | STATUS_DRIVER_OK;

    write_status(device, status);
    status = read_status(device);
    if ((status & STATUS_DRIVER_OK) == 0 || virtio_is_broken(device)) {
        log_error("virtio", "the device status is 0x%02x: it does not start", status);
        return -ENODEV;
    }
    return 0;
}

bool virtio_is_broken(const struct virtio_device *device)
{
    uint8_t status = read_status(device);

    /* One that is gone reads as all ones; one that was reset behind our back, 0. */
    return (status & (STATUS_NEEDS_RESET | STATUS_FAILED)) != 0 || status == 0;
}
