/* SPDX-License-Identifier: MIT */
/*
 * The registers of fake_virtio.h's card in a slot: all of 32 bits, but for the card's own
 * configuration behind them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/node.h"
#include "tests/unit/world/fake_virtio.h"

#define PLACE  0xE00u /* in the range that is mapped */
#define CONFIG 0x100u

static struct fake_virtio *const card = &fake_virtio;

void fake_virtio_reset_mmio(struct irq_route line)
{
    fake_virtio_reset();
    card->is_mmio = true;
    card->offered |= 1ull << 40; /* as some do, and have no register for it */
    card->magic = 0x74726976;
    card->version = 2;
    card->device = 1;
    memset(&node_info.machine, 0, sizeof(node_info.machine));
    node_info.machine.virtio_slot_count = 1;
    node_info.machine.virtio_slots[0] =
        (struct virtio_slot){.paddr = FAKE_VIRTIO_SLOT, .bytes = 512, .line = line};
}

uint64_t fake_virtio_read_mmio(uint32_t offset, unsigned bits)
{
    assert_in_range(offset, PLACE, PLACE + CONFIG + 15);
    offset -= PLACE;
    if (offset >= CONFIG) {
        return fake_virtio_read_config(offset - CONFIG);
    }
    assert_int_equal(bits, 32);
    switch (offset) {
    case 0x000:
        return card->magic;
    case 0x004:
        return card->version;
    case 0x008:
        return card->device;
    case 0x010:
        return (uint32_t)(card->offered >> (32 * card->feature_selects[0]));
    case 0x034:
        return fake_virtio_selected()->size_max;
    case 0x044:
        return fake_virtio_selected()->enable;
    case 0x060:
        return card->causes;
    case 0x070:
        return card->status;
    case 0x0FC:
        return 0;
    }
    fail_msg("read of 0x%x", offset);
    return 0;
}

static void write_address(uint32_t offset, uint32_t value)
{
    struct fake_virtio_queue *queue = fake_virtio_selected();

    fake_virtio_write_half(offset < 0x88   ? &queue->descriptors
                           : offset < 0x98 ? &queue->available
                                           : &queue->used,
                           offset, value);
}

void fake_virtio_write_mmio(uint32_t offset, uint64_t value, unsigned bits)
{
    assert_in_range(offset, PLACE, PLACE + CONFIG - 4);
    assert_int_equal(bits, 32);
    offset -= PLACE;
    card->write_count++;
    switch (offset) {
    case 0x014:
        card->feature_selects[0] = (uint32_t)value;
        return;
    case 0x024:
        card->feature_selects[1] = (uint32_t)value;
        return;
    case 0x020:
        assert_int_equal(card->status, 3);
        card->agreed &= ~((uint64_t)UINT32_MAX << (32 * card->feature_selects[1]));
        card->agreed |= value << (32 * card->feature_selects[1]);
        return;
    case 0x030:
        card->selected = (uint16_t)value;
        return;
    case 0x038:
        assert_true(IS_POWER_OF_TWO(value) && value <= fake_virtio_selected()->size_max);
        fake_virtio_selected()->size = (uint16_t)value;
        return;
    case 0x044:
        assert_int_equal(value, 1);
        fake_virtio_selected()->enable = 1;
        return;
    case 0x050:
        fake_virtio_notify(value);
        return;
    case 0x064:
        assert_int_equal(value & ~card->causes, 0); /* what it has said, and no more */
        card->acknowledge_count++;
        card->causes &= card->holds_its_line ? card->causes : ~(uint32_t)value;
        return;
    case 0x070:
        fake_virtio_write_status((uint8_t)value);
        return;
    }
    assert_true((offset >= 0x80 && offset < 0x88) || (offset >= 0x90 && offset < 0x98) ||
                (offset >= 0xA0 && offset < 0xA8));
    write_address(offset, (uint32_t)value);
}
