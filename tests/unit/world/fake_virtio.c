/* SPDX-License-Identifier: MIT */
/* sources: drivers/virtio/driver.c drivers/virtio/capabilities.c drivers/virtio/device.c */
/* sources: drivers/virtio/ring.c drivers/virtio/rx.c drivers/virtio/tx.c drivers/virtio/control.c */
/* sources: drivers/virtio/queue.c drivers/virtio/key.c drivers/virtio/pairs.c drivers/virtio/rss.c */
/* sources: drivers/virtio/split.c drivers/virtio/link.c drivers/nic/buffers.c drivers/pci/port.c */
/* sources: drivers/virtio/mmio.c tests/unit/world/fake_virtio_mmio.c */
/* sources: tests/unit/world/fake_virtio_rings.c */
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

/* What a node has of it beside what a test allocates for this node, which counts as node 0's. */
#define NODE_BYTES (256u * 1024)

struct node_info node_info;
static _Alignas(4096) uint8_t memories[FAKE_VIRTIO_NODES][NODE_BYTES];
static size_t memory_used[FAKE_VIRTIO_NODES];
static struct node_place places[FAKE_VIRTIO_NODES];

struct fake_virtio fake_virtio;
static struct fake_virtio *const card = &fake_virtio;
static uint8_t registers[BAR_BYTES]; /* only their addresses are used */
static uint32_t feature_select, driver_feature_select;
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

void fake_virtio_forget_memory(void)
{
    memset(memory_used, 0, sizeof(memory_used));
}

static void place_nodes(void)
{
    for (unsigned i = 0; i < FAKE_VIRTIO_NODES; i++) {
        places[i] =
            (struct node_place){.range_count = 1, .ranges = {{(uintptr_t)memories[i], NODE_BYTES}}};
    }
    fake_virtio_forget_memory();
    node_info.places = places;
    node_info.node_count = FAKE_VIRTIO_NODES;
}

void *fake_virtio_memory_of(node_id_t node, size_t bytes)
{
    uint8_t *memory = memories[node] + memory_used[node];

    memory_used[node] += ALIGN_UP(bytes, 4096);
    assert_true(memory_used[node] <= NODE_BYTES);
    memset(memory, 0, bytes);
    return memory;
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
    (void)vector;
    assert_true(index < msix->entry_count && index < FAKE_VIRTIO_ENTRIES);
    card->entries[index] = 0x100 | apic_id;
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

/* Of a node that takes none; a test's own world may know of more. */
__attribute__((weak)) uint64_t interrupt_count(uint8_t vector)
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
                                 .pairs = 1,
                                 .rss_key_bytes = 40,
                                 .rss_table_length = 128,
                                 .rss_hash_types = 0x1FF,
                                 .msix_entries = 4};
    place_nodes();
    for (unsigned i = 0; i < 3; i++) {
        card->queues[i].size_max = 64;
    }
}

void fake_virtio_reset_pairs(uint16_t pairs)
{
    fake_virtio_reset();
    card->offered |= FAKE_MQ | FAKE_RSS | FAKE_RING_RESET;
    card->pairs = pairs;
    card->msix_entries = 2u * pairs + 2;
    for (unsigned i = 0; i < 2u * pairs + 1; i++) {
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

static bool has_several_pairs(void)
{
    return (card->agreed & (FAKE_MQ | FAKE_RSS)) != 0;
}

uint64_t fake_virtio_read_config(uint32_t offset)
{
    switch (offset) {
    case 6:
        return card->link_status;
    case 8:
        assert_true(has_several_pairs()); /* chance values otherwise */
        return card->pairs;
    case 10:
        return card->mtu;
    case 12:
        return card->speed;
    case 17:
        return card->rss_key_bytes;
    case 18:
        return card->rss_table_length;
    case 20:
        return card->rss_hash_types;
    }
    assert_true(offset < 6);
    return card->mac[offset];
}

static void reset_queue(struct fake_virtio_queue *queue)
{
    assert_true((card->agreed & FAKE_RING_RESET) != 0);
    assert_int_equal(card->status & 0x0F, 0x0F);
    *queue = (struct fake_virtio_queue){.size_max = queue->size_max,
                                        .size = queue->size_max,
                                        .vector = 0xFFFF,
                                        .notify_count = queue->notify_count,
                                        .never_resets = queue->never_resets,
                                        .never_starts = queue->never_starts,
                                        .reset_count = queue->reset_count + 1};
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
    case 0x3A:
        return fake_virtio_selected()->never_resets;
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

    /* Addresses only before it runs, or of a queue that was reset alone. */
    assert_true(card->status == 0x0B ||
                (fake_virtio_selected()->reset_count > 0 && fake_virtio_selected()->enable == 0));
    *address = (*address & ~((uint64_t)UINT32_MAX << shift)) | (uint64_t)value << shift;
}

void fake_virtio_notify(uint64_t queue)
{
    assert_int_equal(card->status & 0x0F, 0x0F); /* not before it runs */
    assert_true(queue < FAKE_VIRTIO_QUEUES);
    card->queues[queue].notify_count++;
    if (queue == (has_several_pairs() ? 2u * card->pairs : 2)) {
        fake_virtio_run_command(&card->queues[queue]);
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
        fake_virtio_selected()->enable = !fake_virtio_selected()->never_starts;
        return;
    }
    if (offset == 0x3A) {
        assert_int_equal(value, 1);
        reset_queue(fake_virtio_selected());
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
