/* SPDX-License-Identifier: MIT */
/* sources: drivers/virtio/driver.c drivers/virtio/capabilities.c drivers/virtio/device.c */
/* sources: drivers/virtio/ring.c drivers/virtio/rx.c drivers/virtio/tx.c drivers/virtio/control.c */
/* sources: drivers/virtio/queue.c */
/* sources: drivers/virtio/split.c drivers/nic/buffers.c drivers/pci/port.c */
/* sources: drivers/virtio/mmio.c tests/unit/world/fake_virtio_mmio.c */
/* sources: drivers/nic/nic.c drivers/nic/checksum.c libc/core/format.c kernel/message/channel.c */
/* sources: kernel/message/status.c kernel/thread/thread.c kernel/thread/switch.S libc/core/timer.c */
/* sources: tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
/*
 * A virtio card for unit tests: see fake_virtio.h.
 */
#include "tests/unit/world/fake_virtio.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/acpi/ioapic.h"
#include "drivers/iommu/iommu.h"
#include "drivers/pci/pci.h"
#include "kernel/log.h"
#include "kernel/node.h"
#include "kernel/x86/interrupt.h"
#include "kernel/x86/paging.h"
#include "libc/core/mmio.h"

#define BAR_PADDR 0xFEB00000u
#define BAR_BYTES 0x4000u
#define CONFIG    0x2000u
#define NOTIFY    0x3000u

struct fake_virtio fake_virtio;
static struct fake_virtio *const card = &fake_virtio;
static uint8_t registers[BAR_BYTES]; /* only their addresses are used */
static uint32_t feature_select, driver_feature_select;
struct node_info node_info;
static uint8_t space[256];

/* --- A machine without an IOMMU --- */

/* What a card had is never given back: it may still write there. For the sanitizer's leaks, where
 * it is is remembered. */
static void *kept[4096];
static unsigned kept_count;

void fake_virtio_keep(void *memory)
{
    assert_true(kept_count < ARRAY_COUNT(kept));
    kept[kept_count++] = memory;
}

void *iommu_allocate_pages(const struct memory_kind *kind, size_t page_count)
{
    void *pages = memory_allocate_pages(kind, page_count);

    fake_virtio_keep(pages);
    return pages;
}

void iommu_watch_faults(void)
{
}

void log_write(enum log_level level, const char *subsystem, const char *format, ...)
{
    va_list arguments;

    (void)subsystem;
    card->log_count += level <= LOG_WARNING;
    va_start(arguments, format);
    vsnprintf(card->last_log, sizeof(card->last_log), format, arguments);
    va_end(arguments);
}

/* --- PCI --- */

/* A capability of the vendor's: at `at`, in front of the one at `next`. */
static void put_capability(unsigned at, unsigned next, uint8_t type, uint8_t bar, uint32_t offset,
                           uint32_t bytes)
{
    space[at] = 0x09;
    space[at + 1] = (uint8_t)next;
    space[at + 2] = 20;
    space[at + 3] = type;
    space[at + 4] = bar;
    memcpy(&space[at + 8], &offset, 4);
    memcpy(&space[at + 12], &bytes, 4);
}

static void put_capabilities(void)
{
    const uint32_t multiplier = 4;

    memset(space, 0, sizeof(space));
    put_capability(0x40, 0x54, 1, 7, 0, 0x1000);      /* in a BAR that there is not */
    put_capability(0x54, 0x68, 1, 4, 0x3FF0, 0x1000); /* beyond its BAR */
    put_capability(0x68, 0x7C, card->has_no_common ? 5 : 1, 4, 0, 0x1000);
    put_capability(0x7C, 0x90, 4, 4, CONFIG, 0x1000);
    put_capability(0x90, 0x40, 2, 4, NOTIFY, 0x1000); /* and back to the first */
    memcpy(&space[0x90 + 16], &multiplier, 4);
}

unsigned pci_prepared(const struct pci_card **cards)
{
    static struct pci_card prepared;

    prepared = (struct pci_card){
        .device = {.address = {.bus = 0x30}, .id = {0x1AF4, 0x1041}},
        .bars[4] = {.paddr = BAR_PADDR, .bytes = BAR_BYTES},
    };
    *cards = &prepared;
    return card->is_mmio ? 0 : 1;
}

void pci_prepare(const struct pci_id *ids, size_t id_count)
{
    (void)ids;
    (void)id_count;
}

void pci_start(const struct pci_device *device)
{
    (void)device;
    card->is_mastering = true;
}

void pci_stop_prepared(const struct pci_id *ids, size_t id_count)
{
    (void)ids;
    (void)id_count;
    card->is_mastering = false;
}

void pci_stop(const struct pci_device *device)
{
    (void)device;
    card->is_mastering = false;
}

uint8_t pci_read8(const struct pci_device *device, unsigned offset)
{
    (void)device;
    return space[offset];
}

uint32_t pci_read32(const struct pci_device *device, unsigned offset)
{
    uint32_t value;

    (void)device;
    memcpy(&value, &space[offset], 4);
    return value;
}

unsigned pci_find_capability(const struct pci_device *device, uint8_t id)
{
    (void)device;
    assert_int_equal(id, 0x09);
    put_capabilities();
    return 0x40;
}

unsigned pci_find_next_capability(const struct pci_device *device, unsigned offset, uint8_t id)
{
    (void)device;
    assert_int_equal(id, 0x09);
    return space[offset + 1];
}

int pci_msix_enable(const struct pci_device *device, const struct pci_bar bars[PCI_BAR_COUNT],
                    struct pci_msix *msix)
{
    (void)device;
    (void)bars;
    *msix = (struct pci_msix){.entry_count = card->msix_entries};
    return card->msix_entries == 0 ? -ENODEV : 0;
}

void pci_msix_set_entry(const struct pci_msix *msix, unsigned index, uint32_t apic_id,
                        uint8_t vector)
{
    (void)apic_id;
    (void)vector;
    assert_true(index < msix->entry_count);
}

void *paging_map_device(paddr_t paddr, size_t bytes)
{
    assert_in_range(paddr, BAR_PADDR, BAR_PADDR + BAR_BYTES - bytes);
    return registers + (paddr - BAR_PADDR);
}

uint32_t interrupt_apic_id(node_id_t node)
{
    return node;
}

uint64_t interrupt_count(uint8_t vector)
{
    return vector;
}

bool ioapic_route(const struct irq_route *route, uint32_t apic_id, uint8_t vector)
{
    (void)apic_id;
    card->routed = *route;
    card->routed_vector = vector;
    return !card->has_no_line;
}

/* --- Registers --- */

void fake_virtio_reset(void)
{
    *card = (struct fake_virtio){.offered = FAKE_ALL,
                                 .mac = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56},
                                 .link_status = 1,
                                 .mtu = 1500,
                                 .speed = UINT32_MAX,
                                 .msix_entries = 4};
    for (unsigned i = 0; i < 3; i++) {
        card->queues[i].size_max = 64;
    }
}

static void reset_device(void)
{
    card->config_vector = 0xFFFF;
    for (unsigned i = 0; i < FAKE_VIRTIO_QUEUES; i++) {
        card->queues[i] = (struct fake_virtio_queue){.size_max = card->queues[i].size_max,
                                                     .size = card->queues[i].size_max,
                                                     .vector = 0xFFFF};
    }
}

void fake_virtio_write_status(uint8_t value)
{
    if (value == 0) {
        if (!card->is_stuck) {
            card->was_mastering_at_reset |= card->status == 0x0F && card->is_mastering;
            card->status = 0;
            reset_device();
        }
        return;
    }
    assert_int_equal(value & card->status, card->status); /* bits are only added, one at a time */
    assert_true(IS_POWER_OF_TWO(value ^ card->status));
    card->status = value;
    if ((value ^ 0x08) == 3 && card->refuses) {
        card->status = 3;
    }
    if (value == 0x0F && card->breaks_at_once) {
        card->status |= 0x40;
    }
}

struct fake_virtio_queue *fake_virtio_selected(void)
{
    static struct fake_virtio_queue none;

    return card->selected < FAKE_VIRTIO_QUEUES ? &card->queues[card->selected] : &none;
}

static void run_command(struct fake_virtio_queue *queue);

uint64_t fake_virtio_read_config(uint32_t offset)
{
    switch (offset) {
    case 6:
        return card->link_status;
    case 10:
        return card->mtu;
    case 12:
        return card->speed;
    }
    assert_true(offset < 6);
    return card->mac[offset];
}

static uint64_t read_register(uint32_t offset, unsigned bits)
{
    if (card->is_mmio) {
        return fake_virtio_read_mmio(offset, bits);
    }
    if (offset >= CONFIG && offset < NOTIFY) {
        return fake_virtio_read_config(offset - CONFIG);
    }
    switch (offset) {
    case 0x04:
        assert_int_equal(bits, 32);
        return card->offered >> (32 * feature_select);
    case 0x10:
        return card->config_vector;
    case 0x14:
        assert_int_equal(bits, 8);
        return card->status;
    case 0x15:
        return 0;
    case 0x18:
        assert_int_equal(bits, 16);
        return fake_virtio_selected()->size;
    case 0x1A:
        return fake_virtio_selected()->vector;
    case 0x1C:
        return fake_virtio_selected()->enable;
    case 0x1E:
        return card->selected; /* with the multiplier each has a register of its own */
    }
    fail_msg("read of 0x%x", offset);
    return 0;
}

void fake_virtio_write_half(uint64_t *address, uint32_t offset, uint32_t value)
{
    unsigned shift = offset % 8 == 4 ? 32 : 0;

    assert_int_equal(card->status, 0x0B); /* addresses only before it runs */
    *address = (*address & ~((uint64_t)UINT32_MAX << shift)) | (uint64_t)value << shift;
}

void fake_virtio_notify(uint64_t queue)
{
    assert_int_equal(card->status & 0x0F, 0x0F); /* not before it runs */
    assert_true(queue < FAKE_VIRTIO_QUEUES);
    card->queues[queue].notify_count++;
    if (queue == 2) {
        run_command(&card->queues[2]);
    }
}

static void write_register(uint32_t offset, uint64_t value, unsigned bits)
{
    if (card->is_mmio) {
        fake_virtio_write_mmio(offset, value, bits);
        return;
    }
    if (offset >= NOTIFY) {
        assert_int_equal(bits, 16);
        assert_int_equal(offset, NOTIFY + 4 * value);
        fake_virtio_notify(value);
        return;
    }
    switch (offset) {
    case 0x00:
        feature_select = (uint32_t)value;
        return;
    case 0x08:
        driver_feature_select = (uint32_t)value;
        return;
    case 0x0C:
        assert_int_equal(card->status, 3);
        card->agreed &= ~((uint64_t)UINT32_MAX << (32 * driver_feature_select));
        card->agreed |= value << (32 * driver_feature_select);
        return;
    case 0x10:
        card->config_vector = (uint16_t)value;
        return;
    case 0x14:
        assert_int_equal(bits, 8);
        fake_virtio_write_status((uint8_t)value);
        return;
    case 0x16:
        card->selected = (uint16_t)value;
        return;
    case 0x18:
        assert_true(IS_POWER_OF_TWO(value) && value <= fake_virtio_selected()->size_max);
        fake_virtio_selected()->size = (uint16_t)value;
        return;
    case 0x1A:
        fake_virtio_selected()->vector =
            value < card->msix_entries || value == 0xFFFF ? (uint16_t)value : 0xFFFF;
        return;
    case 0x1C:
        assert_int_equal(value, 1);
        fake_virtio_selected()->enable = 1;
        return;
    }
    if (offset >= 0x20 && offset < 0x38) {
        assert_int_equal(bits, 32);
        fake_virtio_write_half(offset < 0x28   ? &fake_virtio_selected()->descriptors
                               : offset < 0x30 ? &fake_virtio_selected()->available
                                               : &fake_virtio_selected()->used,
                               offset, (uint32_t)value);
        return;
    }
    fail_msg("write of 0x%x", offset);
}

static bool is_register(const void *base, size_t offset)
{
    const uint8_t *at = (const uint8_t *)base + offset;

    return at >= registers && at < registers + sizeof(registers);
}

/* Rings and headers lie in ordinary memory. */
#define FAKE_ACCESS(bits)                                                                          \
    uint##bits##_t mmio_read##bits(const void *base, size_t offset)                                \
    {                                                                                              \
        const uint8_t *at = (const uint8_t *)base + offset;                                        \
        uint##bits##_t value;                                                                      \
                                                                                                   \
        if (is_register(base, offset)) {                                                           \
            return (uint##bits##_t)read_register((uint32_t)(at - registers), bits);                \
        }                                                                                          \
        memcpy(&value, at, sizeof(value));                                                         \
        return value;                                                                              \
    }                                                                                              \
    void mmio_write##bits(void *base, size_t offset, uint##bits##_t value)                         \
    {                                                                                              \
        uint8_t *at = (uint8_t *)base + offset;                                                    \
                                                                                                   \
        if (is_register(base, offset)) {                                                           \
            write_register((uint32_t)(at - registers), value, bits);                               \
        } else {                                                                                   \
            memcpy(at, &value, sizeof(value));                                                     \
        }                                                                                          \
    }

FAKE_ACCESS(8)
FAKE_ACCESS(16)
FAKE_ACCESS(32)
FAKE_ACCESS(64)

/* --- Rings --- */

struct descriptor {
    uint64_t address;
    uint32_t length;
    uint16_t flags, next;
};

static uint16_t *words_at(uint64_t address)
{
    return (uint16_t *)address;
}

unsigned fake_virtio_available(unsigned queue)
{
    return (uint16_t)(words_at(card->queues[queue].available)[1] - card->queues[queue].taken);
}

/* The head of the next chain. */
static uint16_t take_head(struct fake_virtio_queue *queue)
{
    uint16_t head = words_at(queue->available)[2 + queue->taken++ % queue->size];

    assert_true(head < queue->size);
    return head;
}

static void put_used(struct fake_virtio_queue *queue, uint32_t id, uint32_t length)
{
    uint32_t entry[2] = {id, length};

    memcpy((uint8_t *)queue->used + 4 + 8 * (queue->returned++ % queue->size), entry, 8);
    words_at(queue->used)[1] = queue->returned;
}

void fake_virtio_return(unsigned queue, uint32_t id, uint32_t length_bytes)
{
    put_used(&card->queues[queue], id, length_bytes);
}

void fake_virtio_skip(unsigned queue, uint16_t count)
{
    card->queues[queue].returned += count;
    words_at(card->queues[queue].used)[1] = card->queues[queue].returned;
}

uint32_t fake_virtio_fill(unsigned index, const void *bytes, uint32_t count, uint16_t *id)
{
    struct fake_virtio_queue *queue = &card->queues[index];
    const struct descriptor *descriptor;

    assert_true(queue->enable == 1 && fake_virtio_available(index) > 0);
    *id = take_head(queue);
    descriptor = (const struct descriptor *)queue->descriptors + *id;
    assert_int_equal(descriptor->flags, 2);
    count = count < descriptor->length ? count : descriptor->length;
    memcpy((void *)descriptor->address, bytes, count);
    return count;
}

uint8_t *fake_virtio_buffer(unsigned index, uint16_t id)
{
    return (uint8_t *)((const struct descriptor *)card->queues[index].descriptors)[id].address;
}

void fake_virtio_receive(unsigned queue, const void *data, uint32_t length_bytes, uint8_t flags,
                         uint16_t buffer_count)
{
    uint8_t bytes[12 + 2048] = {[0] = flags, [10] = (uint8_t)buffer_count};
    uint16_t id;

    memcpy(bytes + 12, data, length_bytes);
    assert_int_equal(fake_virtio_fill(queue, bytes, length_bytes + 12, &id), length_bytes + 12);
    put_used(&card->queues[queue], id, length_bytes + 12);
}

bool fake_virtio_take(unsigned index, struct fake_virtio_sent *sent)
{
    struct fake_virtio_queue *queue = &card->queues[index];
    const struct descriptor *all = (const struct descriptor *)queue->descriptors;
    const struct descriptor *descriptor;
    uint32_t length = 0;

    if (fake_virtio_available(index) == 0) {
        return false;
    }
    sent->id = take_head(queue);
    sent->descriptor_count = 0;
    for (uint16_t at = sent->id;; at = descriptor->next) {
        descriptor = &all[at];
        assert_true(++sent->descriptor_count <= queue->size && descriptor->length > 0);
        assert_int_equal(descriptor->flags & ~1, 0);
        for (uint32_t i = 0; i < descriptor->length; i++, length++) {
            uint8_t byte = ((const uint8_t *)descriptor->address)[i];

            if (length < 12) {
                sent->header[length] = byte;
            } else {
                sent->data[length - 12] = byte;
            }
        }
        if ((descriptor->flags & 1) == 0) {
            break;
        }
    }
    sent->length_bytes = length - 12;
    return true;
}

static void run_command(struct fake_virtio_queue *queue)
{
    const struct descriptor *chain = (const struct descriptor *)queue->descriptors;

    while ((uint16_t)(words_at(queue->available)[1] - queue->taken) > 0) {
        assert_int_equal(take_head(queue), 0);
        assert_int_equal(chain[0].length, 2);
        assert_int_equal(chain[2].length, 1);
        assert_int_equal(chain[2].flags, 2);
        memcpy(card->command, (void *)chain[0].address, 2);
        memcpy(card->command_data, (void *)chain[1].address,
               chain[1].length < 8 ? chain[1].length : 8);
        card->command_count++;
        if (card->command[0] == 1) {
            assert_in_range(chain[1].length, 8, sizeof(card->table));
            memcpy(card->table, (void *)chain[1].address, chain[1].length);
            card->table_bytes = chain[1].length;
        }
        if (!card->is_silent) {
            *(uint8_t *)chain[2].address = card->answer;
            put_used(queue, 0, 1);
        }
    }
}

uint16_t fake_virtio_used_event(unsigned queue)
{
    return words_at(card->queues[queue].available)[2 + card->queues[queue].size];
}

uint16_t fake_virtio_available_flags(unsigned queue)
{
    return words_at(card->queues[queue].available)[0];
}

void fake_virtio_set_available_event(unsigned queue, uint16_t event)
{
    words_at(card->queues[queue].used)[2 + 4 * card->queues[queue].size] = event;
}

void fake_virtio_set_used_flags(unsigned queue, uint16_t flags)
{
    words_at(card->queues[queue].used)[0] = flags;
}
