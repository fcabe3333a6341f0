/* SPDX-License-Identifier: MIT */
/*
 * A direct map for fuzz targets: physical memory is what boot_physical_memory points to, all
 * that boot has mapped, of which most is never touched. By -include, so that it comes first.
 */
#pragma once

#include <stdint.h>

#include "kernel/x86/layout.h"

#undef DIRECT_MAP_BASE
#define DIRECT_MAP_BASE ((uintptr_t)boot_physical_memory)
extern uint8_t *boot_physical_memory;
