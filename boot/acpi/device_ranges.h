/* SPDX-License-Identifier: MIT */
/*
 * Which addresses the tables give to devices, checked against the memory map.
 */
#pragma once

#include "boot/acpi/acpi.h"
#include "boot/boot_info.h"

/*
 * Let all that the tables name, and machine uses, be mapped as a device: configuration space,
 * interrupt controllers, the HPET, registers for power-off and reset. What lies in usable memory,
 * or beyond the processor's address_bits, is no device: it is noted and taken out of *acpi, as if
 * the table had not named it.
 */
void acpi_allow_devices(struct acpi *acpi, const struct boot_info *info, unsigned address_bits);
