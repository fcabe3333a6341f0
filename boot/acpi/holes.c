/* SPDX-License-Identifier: MIT */
/*
 * Holes: what lies between memory and the chipset's own addresses below 4 GiB, and above all
 * memory, less every range that the memory map or a table names.
 */
#include "boot/acpi/holes.h"

#include "kernel/log.h"
#include "kernel/platform.h"

/* Of all processors with 64 bits (SDM 3A 4.1.4). */
#define ADDRESS_BITS_MIN 36u
#define ADDRESS_BITS_MAX 52u

#define FOUR_GIB         (4 * GIB)
/* Interrupt controllers, firmware's flash and the like: from here to 4 GiB nothing is for PCI. */
#define LOW_HOLE_END     0xFEC00000ull
/* Bridges forward multiples of this (PCI-to-PCI bridge specification 3.2.5.8). */
#define WINDOW_MIN_BYTES MIB

static paddr_t range_end(const struct memory_range *range)
{
    return range->bytes <= UINT64_MAX - range->paddr ? range->paddr + range->bytes : UINT64_MAX;
}

/* --- The list of holes --- */

static void add_hole(struct machine *machine, paddr_t start, paddr_t end)
{
    if (start >= end) {
        return; /* before rounding up: that could lead past the last address, to 0 */
    }
    start = ALIGN_UP(start, (paddr_t)WINDOW_MIN_BYTES);
    end = ALIGN_DOWN(end, (paddr_t)WINDOW_MIN_BYTES);
    if (start < end && machine->hole_count < MEMORY_HOLE_MAX) {
        machine->holes[machine->hole_count++] = (struct memory_range){start, end - start};
    }
}

/* Take a range out of all holes. The pieces are looked at again, at the end of the list. */
void acpi_take_from_holes(struct machine *machine, paddr_t start, paddr_t end)
{
    for (unsigned i = 0; i < machine->hole_count;) {
        struct memory_range hole = machine->holes[i];
        paddr_t hole_end = range_end(&hole);

        if (start >= hole_end || end <= hole.paddr) {
            i++;
            continue;
        }
        machine->holes[i] = machine->holes[--machine->hole_count];
        if (start > hole.paddr) {
            add_hole(machine, hole.paddr, start);
        }
        if (end < hole_end) {
            add_hole(machine, end, hole_end);
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

static void take_away_used(struct machine *machine, const struct acpi *acpi,
                           const struct boot_info *info)
{
    for (unsigned i = 0; i < info->range_count; i++) {
        const struct memory_range *range = &info->ranges[i].range;

        acpi_take_from_holes(machine, range->paddr, range_end(range));
    }
    for (unsigned i = 0; i < machine->ecam_count; i++) {
        const struct ecam *ecam = &machine->ecams[i];

        acpi_take_from_holes(machine, ecam->paddr + ecam->first_bus * MIB,
                             ecam->paddr + (ecam->last_bus + 1ull) * MIB);
    }
    for (unsigned i = 0; i < machine->ioapic_count; i++) {
        acpi_take_from_holes(machine, machine->ioapics[i].paddr,
                             machine->ioapics[i].paddr + PAGE_BYTES);
    }
    acpi_take_from_holes(machine, acpi->hpet_paddr, acpi->hpet_paddr + PAGE_BYTES);
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

void acpi_find_holes(struct machine *machine, const struct acpi *acpi, const struct boot_info *info,
                     unsigned address_bits)
{
    bool is_possible = address_bits >= ADDRESS_BITS_MIN && address_bits <= ADDRESS_BITS_MAX;
    paddr_t end = UINT64_C(1) << (is_possible ? address_bits : ADDRESS_BITS_MIN);

    /* Beyond, no node can map it. */
    end = end < DEVICES_MAX_BYTES ? end : DEVICES_MAX_BYTES;
    find_memory_ends(machine, info);
    drop_ecams_in_memory(machine, info);
    if (machine->ecam_count == 0 && acpi->dsdt_ecam_paddr != 0) {
        machine->ecams[machine->ecam_count++] =
            (struct ecam){.paddr = acpi->dsdt_ecam_paddr, .last_bus = UINT8_MAX};
        drop_ecams_in_memory(machine, info);
    }
    machine->hole_count = 0;
    add_hole(machine, machine->low_memory_end, LOW_HOLE_END);
    add_hole(machine, machine->high_memory_end, end);
    take_away_used(machine, acpi, info);
    for (unsigned i = 0; i < machine->hole_count; i++) {
        const struct memory_range *hole = &machine->holes[i];

        ASSERT(hole->bytes != 0 && hole->paddr % WINDOW_MIN_BYTES == 0);
        ASSERT(hole->paddr >= machine->low_memory_end && range_end(hole) <= end);
    }
}
