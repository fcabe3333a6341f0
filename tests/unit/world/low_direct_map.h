/* SPDX-License-Identifier: MIT */
/*
 * A direct map that starts at address 0, for unit tests of what follows physical addresses: they
 * are this program's own. By -include, so that it comes before all else.
 */
#pragma once

#include "kernel/x86/layout.h"

#undef DIRECT_MAP_BASE
#define DIRECT_MAP_BASE 0ull
