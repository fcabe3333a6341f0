/* SPDX-License-Identifier: MIT */
/*
 * The DSDT is searched for byte patterns; what looks like one but is not is rendered harmless by
 * taking away all that the memory map and other tables say is used.
 */
#include "boot/acpi/windows.h"

#include <string.h>

#include "kernel/log.h"

#define CHUNK_BYTES   512u
/* The longest pattern: chunks overlap by so much that none is cut. */
#define PATTERN_BYTES 46u

#define AML_NAME   0x08
#define AML_WORD   0x0B
#define AML_DWORD  0x0C
#define AML_QWORD  0x0E
#define AML_RETURN 0xA4

/* Large resource items (ACPI 6.4.3.5.1, 6.4.3.5.2): tag and length, then type and flags, then
 * granularity, minimum, maximum, translation and length, each of four or eight bytes. */
#define DWORD_SPACE_TAG             0x87
#define QWORD_SPACE_TAG             0x8A
#define SPACE_FIELDS                6u
#define SPACE_FIELD_COUNT           5u
#define SPACE_TYPE_MEMORY           0
#define SPACE_FLAG_CONSUMER         0x01
#define SPACE_FLAGS_FIXED           0x0C /* both ends are fixed */
#define DESCRIPTOR_MIN_BYTES(width) (SPACE_FIELDS + SPACE_FIELD_COUNT * (width))

/* Of all processors with 64 bits (SDM 3A 4.1.4). */
#define ADDRESS_BITS_MIN 36u
#define ADDRESS_BITS_MAX 52u

#define FOUR_GIB         (4 * GIB)
/* Interrupt controllers, firmware's flash and the like: from here to 4 GiB nothing is for PCI. */
#define LOW_HOLE_END     0xFEC00000ull
#define CHIPSET_BYTES    (FOUR_GIB - LOW_HOLE_END)
/* Bridges forward multiples of this (PCI-to-PCI bridge specification 3.2.5.8). */
#define WINDOW_MIN_BYTES MIB

static uint64_t get_number(const uint8_t *bytes, unsigned width)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < width; i++) {
        value |= (uint64_t)bytes[i] << (8 * i);
    }
    return value;
}

static paddr_t range_end(const struct memory_range *range)
{
    return range->bytes <= UINT64_MAX - range->paddr ? range->paddr + range->bytes : UINT64_MAX;
}

/* --- The list of windows --- */

static void add_window(struct machine *machine, paddr_t start, paddr_t end)
{
    start = ALIGN_UP(start, (paddr_t)WINDOW_MIN_BYTES);
    end = ALIGN_DOWN(end, (paddr_t)WINDOW_MIN_BYTES);
    if (start >= end || machine->pci_window_count == PCI_WINDOW_MAX) {
        return;
    }
    for (unsigned i = 0; i < machine->pci_window_count; i++) {
        const struct memory_range *window = &machine->pci_windows[i];

        if (start >= window->paddr && end <= range_end(window)) {
            return;
        }
    }
    machine->pci_windows[machine->pci_window_count++] = (struct memory_range){start, end - start};
}

/* Take a range out of all windows. The pieces are looked at again, at the end of the list. */
static void take_away(struct machine *machine, paddr_t start, paddr_t end)
{
    for (unsigned i = 0; i < machine->pci_window_count;) {
        struct memory_range window = machine->pci_windows[i];
        paddr_t window_end = range_end(&window);

        if (start >= window_end || end <= window.paddr) {
            i++;
            continue;
        }
        machine->pci_windows[i] = machine->pci_windows[--machine->pci_window_count];
        if (start > window.paddr) {
            add_window(machine, window.paddr, start);
        }
        if (end < window_end) {
            add_window(machine, end, window_end);
        }
    }
}

/* --- The DSDT --- */

/* A complete descriptor of memory that something passes on, not uses: a host bridge's window. */
static void read_descriptor(struct machine *machine, const uint8_t *bytes, size_t length)
{
    unsigned width = bytes[0] == DWORD_SPACE_TAG ? 4 : 8;
    uint64_t fields[SPACE_FIELD_COUNT];

    if (length < DESCRIPTOR_MIN_BYTES(width) || bytes[3] != SPACE_TYPE_MEMORY ||
        get_number(bytes + 1, 2) < DESCRIPTOR_MIN_BYTES(width) - 3 ||
        (bytes[4] & (SPACE_FLAG_CONSUMER | SPACE_FLAGS_FIXED)) != SPACE_FLAGS_FIXED) {
        return;
    }
    for (unsigned i = 0; i < SPACE_FIELD_COUNT; i++) {
        fields[i] = get_number(bytes + SPACE_FIELDS + i * width, width);
    }
    const uint64_t granularity = fields[0], first = fields[1], last = fields[2];
    const uint64_t translation = fields[3], size = fields[4];

    if (granularity == 0 && translation == 0 && first >= MIB && last > first &&
        last != UINT64_MAX && size == last - first + 1) {
        add_window(machine, first, last + 1);
    }
}

/* What follows the name _CBA: the address itself, or the body of a method that returns it. */
static void read_cba(struct machine *machine, const uint8_t *bytes, size_t length, bool is_name)
{
    unsigned width;

    if (!is_name) {
        const uint8_t argument_count = 0x07;

        if (length < 2 || (bytes[0] & argument_count) != 0 || bytes[1] != AML_RETURN) {
            return;
        }
        bytes += 2;
        length -= 2;
    }
    if (length == 0) {
        return;
    }
    width = bytes[0] == AML_DWORD ? 4 : bytes[0] == AML_QWORD ? 8 : 0;
    if (width == 0 || length < 1 + width) {
        return;
    }
    paddr_t paddr = get_number(bytes + 1, width);

    if (paddr >= MIB && paddr % MIB == 0 && machine->ecam_count == 0) {
        machine->ecams[machine->ecam_count++] =
            (struct ecam){.paddr = paddr, .last_bus = UINT8_MAX};
    }
}

static void read_patterns(struct machine *machine, const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        const uint8_t *at = bytes + i;
        size_t left = length - i;

        if (*at == DWORD_SPACE_TAG || *at == QWORD_SPACE_TAG) {
            read_descriptor(machine, at, left);
        } else if (i > 0 && left > 4 && memcmp(at, "_CBA", 4) == 0) {
            read_cba(machine, at + 4, left - 4, at[-1] == AML_NAME);
        }
    }
}

static void read_dsdt(struct machine *machine, const struct memory_range *dsdt, acpi_read read,
                      void *context)
{
    uint8_t chunk[CHUNK_BYTES];

    for (uint64_t offset = 0; offset < dsdt->bytes; offset += CHUNK_BYTES - PATTERN_BYTES) {
        uint64_t left = dsdt->bytes - offset;
        size_t bytes = left < CHUNK_BYTES ? (size_t)left : CHUNK_BYTES;

        if (!read(context, dsdt->paddr + offset, chunk, bytes)) {
            return;
        }
        read_patterns(machine, chunk, bytes);
        if (bytes == left) {
            return;
        }
    }
}

/* --- All of it --- */

static void find_memory_ends(struct machine *machine, const struct boot_info *info)
{
    machine->low_memory_end = MIB;
    machine->high_memory_end = FOUR_GIB;
    for (unsigned i = 0; i < info->range_count; i++) {
        paddr_t end = range_end(&info->ranges[i].range);

        if (!info->ranges[i].is_usable) {
            continue;
        }
        if (end <= FOUR_GIB && end > machine->low_memory_end) {
            machine->low_memory_end = end;
        } else if (end > machine->high_memory_end) {
            machine->high_memory_end = end;
        }
    }
}

static bool has_window(const struct machine *machine, paddr_t start, paddr_t end)
{
    for (unsigned i = 0; i < machine->pci_window_count; i++) {
        const struct memory_range *window = &machine->pci_windows[i];

        if (window->paddr >= start && window->paddr < end) {
            return true;
        }
    }
    return false;
}

static void take_away_used(struct machine *machine, const struct acpi *acpi,
                           const struct boot_info *info)
{
    for (unsigned i = 0; i < info->range_count; i++) {
        const struct memory_range *range = &info->ranges[i].range;

        take_away(machine, range->paddr, range_end(range));
    }
    for (unsigned i = 0; i < machine->ecam_count; i++) {
        const struct ecam *ecam = &machine->ecams[i];

        take_away(machine, ecam->paddr + ecam->first_bus * MIB,
                  ecam->paddr + (ecam->last_bus + 1ull) * MIB);
    }
    for (unsigned i = 0; i < machine->ioapic_count; i++) {
        take_away(machine, machine->ioapics[i].paddr, machine->ioapics[i].paddr + PAGE_BYTES);
    }
    take_away(machine, acpi->hpet_paddr, acpi->hpet_paddr + PAGE_BYTES);
    take_away(machine, LOW_HOLE_END, LOW_HOLE_END + CHIPSET_BYTES);
    take_away(machine, 0, machine->low_memory_end);
    take_away(machine, FOUR_GIB, machine->high_memory_end);
}

/* What is said to be configuration space and is memory must not be written to. */
static void drop_ecams_in_memory(struct machine *machine, const struct boot_info *info)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < machine->ecam_count; i++) {
        struct ecam ecam = machine->ecams[i];
        paddr_t start = ecam.paddr + ecam.first_bus * MIB;
        paddr_t end = ecam.paddr + (ecam.last_bus + 1ull) * MIB;
        bool is_memory = end < start;

        for (unsigned j = 0; j < info->range_count; j++) {
            const struct memory_range *range = &info->ranges[j].range;

            is_memory |=
                info->ranges[j].is_usable && range->paddr < end && start < range_end(range);
        }
        if (is_memory) {
            log_warning("boot", "ACPI: no configuration space can be at %#llx, ignored",
                        (unsigned long long)start);
        } else {
            machine->ecams[kept++] = ecam;
        }
    }
    machine->ecam_count = kept;
}

void pci_windows_find(struct machine *machine, const struct acpi *acpi,
                      const struct boot_info *info, unsigned address_bits, acpi_read read,
                      void *context)
{
    bool is_possible = address_bits >= ADDRESS_BITS_MIN && address_bits <= ADDRESS_BITS_MAX;
    paddr_t end = UINT64_C(1) << (is_possible ? address_bits : ADDRESS_BITS_MIN);

    /* Beyond, no node can map it. */
    end = end < DEVICES_MAX_BYTES ? end : DEVICES_MAX_BYTES;
    find_memory_ends(machine, info);
    drop_ecams_in_memory(machine, info); /* first: the DSDT may know better */
    read_dsdt(machine, &acpi->dsdt, read, context);
    drop_ecams_in_memory(machine, info);
    take_away_used(machine, acpi, info);
    take_away(machine, end, UINT64_MAX);
    if (!has_window(machine, 0, FOUR_GIB)) {
        add_window(machine, machine->low_memory_end, LOW_HOLE_END);
    }
    if (!has_window(machine, FOUR_GIB, UINT64_MAX)) {
        add_window(machine, machine->high_memory_end, end);
    }
    take_away_used(machine, acpi, info);
}
