/* SPDX-License-Identifier: MIT */
/*
 * What the memory map and the tables together say of the physical address space: where memory ends,
 * where configuration space is, and the holes in which nothing is known to lie. drivers/pci/ puts
 * devices there, should firmware have left some without an address.
 */
#pragma once

#include "boot/acpi/acpi.h"
#include "boot/boot_info.h"

/*
 * Fill in machine->holes and the ends of memory, and check its configuration space: what would lie
 * in memory is dropped, and logged. When none is left, and only then, the place that the DSDT's
 * _CBA names is taken (PCI firmware specification 4.1.3). `address_bits` is the width of physical
 * addresses.
 */
void acpi_find_holes(struct machine *machine, const struct acpi *acpi, const struct boot_info *info,
                     unsigned address_bits);

/* Something is there of which no table tells: what is left of the holes does not contain it. */
void acpi_take_from_holes(struct machine *machine, paddr_t start, paddr_t end);
