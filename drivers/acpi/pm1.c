/* SPDX-License-Identifier: MIT */
/*
 * PM1 registers, wherever they lie.
 */
#include "drivers/acpi/pm1.h"

#include "kernel/x86/paging.h"
#include "libc/core/mmio.h"
#include "libc/core/port.h"

bool pm1_is_there(const struct power_register *block)
{
    return block->space == REGISTER_PORT || block->space == REGISTER_MEMORY;
}

uint16_t pm1_read(const struct power_register *block, unsigned offset)
{
    void *mapped;

    if (block->space == REGISTER_PORT) {
        return port_read16((uint16_t)(block->address + offset));
    }
    mapped = paging_map_device(block->address + offset, sizeof(uint16_t));
    return mapped != NULL ? mmio_read16(mapped, 0) : 0;
}

void pm1_write(const struct power_register *block, unsigned offset, uint16_t value)
{
    void *mapped;

    if (block->space == REGISTER_PORT) {
        port_write16((uint16_t)(block->address + offset), value);
        return;
    }
    mapped = paging_map_device(block->address + offset, sizeof(value));
    if (mapped != NULL) {
        mmio_write16(mapped, 0, value);
    }
}
