/* SPDX-License-Identifier: MIT */
/*
 * Input from outside, like the tables: a word that names memory would have a node write over
 * another node's.
 */
#include "boot/virtio_slots.h"

#include <errno.h>

#include "boot/acpi/holes.h"
#include "kernel/log.h"
#include "kernel/platform.h"
#include "libc/core/command_line.h"
#include "libc/core/numbers.h"

#define WORD_KEY "virtio_mmio.device"

/* Registers, and behind them the device's own configuration (VIRTIO 4.2.2). */
#define SLOT_MIN_BYTES 0x110u
#define SLOT_ALIGNMENT 4u /* and all of them in one page */

/* Interrupts as writes to memory, and the local APICs (SDM 3A 11.11.1). */
#define MESSAGES_PADDR 0xFEE00000u
#define MESSAGES_BYTES MIB

/* Chosen: above the lines of the largest machines. */
#define GSI_MAX 4095u

static bool overlaps(uint64_t start, uint64_t bytes, uint64_t other, uint64_t other_bytes)
{
    return start < other + other_bytes && other < start + bytes;
}

/* By the page, as it is mapped; not other slots, which may share one. */
static bool is_other_device(const struct machine *machine, const struct boot_info *info,
                            const struct virtio_slot *slot)
{
    const struct framebuffer_info *screen = &info->framebuffer;
    uint64_t start = ALIGN_DOWN(slot->paddr, (uint64_t)PAGE_BYTES);
    uint64_t bytes = ALIGN_UP(slot->paddr + slot->bytes, (uint64_t)PAGE_BYTES) - start;

    for (unsigned i = 0; i < machine->devices.count; i++) {
        const struct owned_range *range = &machine->devices.list[i];

        if (overlaps(start, bytes, range->start, range->bytes)) {
            return true;
        }
    }
    return overlaps(start, bytes, MESSAGES_PADDR, MESSAGES_BYTES) ||
           (screen->paddr != 0 &&
            overlaps(start, bytes, screen->paddr, (uint64_t)screen->pitch_bytes * screen->height));
}

/* Why there can be no such device among those before it; NULL: there may be. */
static const char *why_not(const struct machine *machine, const struct boot_info *info,
                           unsigned address_bits, const struct virtio_slot *slot)
{
    paddr_t end = UINT64_C(1) << address_bits;

    if (slot->bytes < SLOT_MIN_BYTES) {
        return "it is too short";
    }
    if (slot->paddr % SLOT_ALIGNMENT != 0 ||
        slot->paddr % PAGE_BYTES > PAGE_BYTES - SLOT_MIN_BYTES) {
        return "no registers begin there";
    }
    if (slot->paddr >= end || slot->bytes > end - slot->paddr) {
        return "the processor has no such address";
    }
    if (slot->paddr < MIB || boot_info_is_memory(info, slot->paddr, slot->bytes)) {
        return "memory is there";
    }
    for (unsigned i = 0; i < machine->virtio_slot_count; i++) {
        const struct virtio_slot *other = &machine->virtio_slots[i];

        if (overlaps(slot->paddr, slot->bytes, other->paddr, other->bytes)) {
            return "it overlaps another one";
        }
    }
    return is_other_device(machine, info, slot) ? "another device is there" : NULL;
}

/* The tables' own, each checked against those before it. */
static void check_listed(struct machine *machine, const struct boot_info *info,
                         unsigned address_bits)
{
    unsigned count = machine->virtio_slot_count;

    machine->virtio_slot_count = 0;
    for (unsigned i = 0; i < count; i++) {
        const struct virtio_slot slot = machine->virtio_slots[i];
        const char *reason = why_not(machine, info, address_bits, &slot);

        if (reason == NULL) {
            machine->virtio_slots[machine->virtio_slot_count++] = slot;
        } else {
            log_warning("boot", "ACPI: virtio device of %u bytes at %#llx: %s; ignored", slot.bytes,
                        (unsigned long long)slot.paddr, reason);
        }
    }
}

/* --- Words --- */

static int take_number(const char **text, const char *end, bool has_unit, uint64_t *number)
{
    bool is_hexadecimal = end - *text > 2 && (*text)[0] == '0' && ((*text)[1] | 0x20) == 'x';
    unsigned shift = 0;

    *text += is_hexadecimal ? 2 : 0;
    if (number_take(text, end, is_hexadecimal ? 16 : 10, UINT64_MAX, number) != 0) {
        return -EINVAL;
    }
    if (has_unit && *text < end && ((**text | 0x20) == 'k' || (**text | 0x20) == 'm')) {
        shift = (**text | 0x20) == 'k' ? 10 : 20;
        (*text)++;
    }
    if (*number > UINT64_MAX >> shift) {
        return -EINVAL;
    }
    *number <<= shift;
    return 0;
}

static bool take_character(const char **text, const char *end, char wanted)
{
    if (*text == end || **text != wanted) {
        return false;
    }
    (*text)++;
    return true;
}

/* What a word says, in so many characters. */
static int parse_word(const struct machine *machine, const char *text, size_t length,
                      struct virtio_slot *slot)
{
    const char *end = text + length;
    uint64_t bytes, paddr, irq, id;

    if (take_number(&text, end, true, &bytes) != 0 || !take_character(&text, end, '@') ||
        take_number(&text, end, true, &paddr) != 0 || !take_character(&text, end, ':') ||
        take_number(&text, end, false, &irq) != 0) {
        return -EINVAL;
    }
    if (text != end &&
        (!take_character(&text, end, ':') || take_number(&text, end, false, &id) != 0)) {
        return -EINVAL;
    }
    if (text != end || bytes > UINT32_MAX || irq > GSI_MAX) {
        return -EINVAL;
    }
    *slot = (struct virtio_slot){.paddr = paddr, .bytes = (uint32_t)bytes};
    /* A word does not say how the line speaks: as those of ISA do, unless a table knows better.
     * Acknowledged before it is looked for again, a level's rise is an edge, too. */
    slot->line =
        irq < ISA_IRQ_COUNT ? machine->isa_irqs[irq] : (struct irq_route){.gsi = (uint32_t)irq};
    return 0;
}

/* A table may have named the same device: its word on the line counts. */
static bool is_listed(const struct machine *machine, const struct virtio_slot *slot)
{
    for (unsigned i = 0; i < machine->virtio_slot_count; i++) {
        if (machine->virtio_slots[i].paddr == slot->paddr &&
            machine->virtio_slots[i].bytes == slot->bytes) {
            return true;
        }
    }
    return false;
}

static void read_words(struct machine *machine, const struct boot_info *info, unsigned address_bits)
{
    const char *line = info->command_line;
    const char *word;
    int length;

    while ((length = command_line_next(&line, WORD_KEY, &word)) >= 0) {
        struct virtio_slot slot;
        const char *reason = "write SIZE@BASE:IRQ";

        if (parse_word(machine, word, (size_t)length, &slot) == 0) {
            if (is_listed(machine, &slot)) {
                continue;
            }
            reason = machine->virtio_slot_count == VIRTIO_SLOT_MAX
                         ? "there are too many"
                         : why_not(machine, info, address_bits, &slot);
        }
        if (reason == NULL) {
            machine->virtio_slots[machine->virtio_slot_count++] = slot;
        } else {
            log_warning("boot", "command line: " WORD_KEY "=%.*s: %s; ignored", length, word,
                        reason);
        }
    }
}

void virtio_slots_read(struct machine *machine, const struct boot_info *info, unsigned address_bits)
{
    ASSERT(address_bits < 64);
    check_listed(machine, info, address_bits);
    read_words(machine, info, address_bits);
    for (unsigned i = 0; i < machine->virtio_slot_count; i++) {
        paddr_t start = ALIGN_DOWN(machine->virtio_slots[i].paddr, (paddr_t)PAGE_BYTES);
        paddr_t end = ALIGN_UP(machine->virtio_slots[i].paddr + machine->virtio_slots[i].bytes,
                               (paddr_t)PAGE_BYTES);

        ranges_add(&machine->devices, start, end - start, 0); /* several may share a page */
        acpi_take_from_holes(machine, start, end);
    }
}
