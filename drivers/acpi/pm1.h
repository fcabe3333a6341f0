/* SPDX-License-Identifier: MIT */
/*
 * ACPI's PM1 registers, of 16 bits each, in a port or in memory (ACPI 4.8.3). For drivers/acpi/.
 */
#pragma once

#include "kernel/node.h"

bool pm1_is_there(const struct power_register *block);
/* The register so many bytes into the block, which is there; one that cannot be mapped reads 0. */
uint16_t pm1_read(const struct power_register *block, unsigned offset);
void pm1_write(const struct power_register *block, unsigned offset, uint16_t value);
