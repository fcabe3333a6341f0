/* SPDX-License-Identifier: MIT */
/*
 * Where in the physical address space PCI devices can be put, should firmware have left some
 * without an address; and configuration space that only the DSDT tells of.
 *
 * Which addresses a host bridge forwards stands in AML, in its _CRS, and for want of an interpreter
 * is read only as far as it is written down as data: address space descriptors (ACPI 6.4.3.5) that
 * are complete and make sense. Without them the hole below 4 GiB is taken, and what lies above all
 * memory.
 */
#pragma once

#include "boot/acpi/acpi.h"
#include "boot/boot_info.h"

/*
 * Fill in machine->pci_windows and the ends of memory; and a window of configuration space from the
 * DSDT's _CBA (PCI firmware specification 4.1.3) when the MCFG has named none. `address_bits` is
 * the width of physical addresses. Configuration space that would lie in memory is dropped, and
 * logged.
 */
void pci_windows_find(struct machine *machine, const struct acpi *acpi,
                      const struct boot_info *info, unsigned address_bits, acpi_read read,
                      void *context);
