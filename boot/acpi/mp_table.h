/* SPDX-License-Identifier: MIT */
/*
 * The MP table, ACPI's forerunner ("MultiProcessor Specification", version 1.4; below: MP): what
 * there is of cores, I/O APICs and lines on a machine without ACPI, as small hypervisors make them.
 */
#pragma once

#include "boot/acpi/acpi.h"

/*
 * Look for the table in low memory (MP 4), and add what it says to *acpi, which acpi_parse() has
 * left without cores. Returns 0, or -ENOENT without a sound table that names a core: nothing was
 * added.
 */
MUST_CHECK int mp_table_parse(struct acpi *acpi, acpi_read read, void *context);
