/* SPDX-License-Identifier: MIT */
/*
 * What the firmware knows of the machine, into a struct boot_info.
 */
#pragma once

#include "boot/boot_info.h"

/* The RSDP and the screen, while boot services are there. Says so when there is no screen. */
void machine_describe(struct boot_info *info);

/* The memory map as ExitBootServices() has left it. */
void machine_add_memory(struct boot_info *info, const void *map, size_t bytes, size_t entry_bytes);

/* Is memory of this EFI_MEMORY_TYPE free once boot services are left (UEFI 2.10, table 7.10)? */
bool machine_is_free_later(uint32_t type);
