/* SPDX-License-Identifier: MIT */
/*
 * Virtio devices that are on no bus (VIRTIO 4.2): in the DSDT or an SSDT, found without an AML
 * interpreter. Such a device has the identifier "LNRO0005", and behind it, before the next one's, a
 * range of memory and an interrupt in a resource template, which is data. Any bytes can look like
 * it: whether a device answers there its driver sees, and device_ranges.c whether one can be there.
 */
#include "boot/acpi/table.h"

#define IDENTIFIER       "LNRO0005"
#define IDENTIFIER_BYTES sizeof(IDENTIFIER) /* with the zero that ends it */
/* Chosen: a device without methods of its own takes some 70 bytes. */
#define DEVICE_BYTES     256u
#define CHUNK_BYTES      512u

/* Behind a tag: that the descriptor is all there, and as long as it says. */
static bool take(const uint8_t *at, size_t left, uint8_t tag, void *descriptor, size_t bytes)
{
    if (left < bytes || at[0] != tag || at[1] != bytes - 3 || at[2] != 0) {
        return false;
    }
    memcpy(descriptor, at, bytes);
    return true;
}

static void add_slot(struct acpi *acpi, const char *signature, const struct virtio_slot *slot)
{
    struct machine *machine = &acpi->machine;

    for (unsigned i = 0; i < machine->virtio_slot_count; i++) {
        if (machine->virtio_slots[i].paddr == slot->paddr) {
            return; /* named twice */
        }
    }
    if (machine->virtio_slot_count == VIRTIO_SLOT_MAX) {
        acpi_note_problem(acpi, signature, "more virtio devices than can be listed");
        return;
    }
    machine->virtio_slots[machine->virtio_slot_count++] = *slot;
}

/* What follows an identifier, up to the next one. */
static void read_device(const struct acpi_table *table, uint32_t offset)
{
    uint32_t left = table->bytes - offset;
    uint32_t bytes = left < DEVICE_BYTES ? left : DEVICE_BYTES;
    struct virtio_slot slot = {.bytes = 0};
    uint8_t device[DEVICE_BYTES];

    if (!acpi_read_table(table, offset, device, bytes)) {
        return;
    }
    for (uint32_t i = 0; i < bytes; i++) {
        struct aml_fixed_memory memory;
        struct aml_interrupt interrupt;

        if (bytes - i >= IDENTIFIER_BYTES &&
            memcmp(device + i, IDENTIFIER, IDENTIFIER_BYTES) == 0) {
            break;
        }
        if (slot.bytes == 0 &&
            take(device + i, bytes - i, FIXED_MEMORY_TAG, &memory, sizeof(memory))) {
            slot.paddr = memory.paddr;
            slot.bytes = memory.range_bytes;
            i += (uint32_t)sizeof(memory) - 1;
        } else if (slot.bytes != 0 &&
                   take(device + i, bytes - i, INTERRUPT_TAG, &interrupt, sizeof(interrupt)) &&
                   interrupt.count == 1) {
            slot.line = (struct irq_route){
                .gsi = interrupt.gsi,
                .is_active_low = (interrupt.flags & INTERRUPT_ACTIVE_LOW) != 0,
                .is_level = (interrupt.flags & INTERRUPT_EDGE) == 0,
            };
            add_slot(table->reader->acpi, table->signature, &slot);
            return;
        }
    }
    acpi_note_problem(table->reader->acpi, table->signature,
                      "a virtio device without an address or an interrupt: ignored");
}

void acpi_scan_virtio(const struct acpi_table *table)
{
    uint8_t chunk[CHUNK_BYTES];
    uint32_t offset = sizeof(struct acpi_header);

    /* Chunks overlap, so that no identifier is cut; it begins in one of them alone. */
    while (offset < table->bytes) {
        uint32_t left = table->bytes - offset;
        uint32_t bytes = left < CHUNK_BYTES ? left : CHUNK_BYTES;

        if (!acpi_read_table(table, offset, chunk, bytes)) {
            return;
        }
        for (uint32_t i = 0; i + IDENTIFIER_BYTES <= bytes; i++) {
            if (memcmp(chunk + i, IDENTIFIER, IDENTIFIER_BYTES) == 0) {
                read_device(table, offset + i + (uint32_t)IDENTIFIER_BYTES);
            }
        }
        if (bytes == left) {
            return;
        }
        offset += CHUNK_BYTES - (uint32_t)(IDENTIFIER_BYTES - 1);
    }
}
