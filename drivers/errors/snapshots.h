/* SPDX-License-Identifier: MIT */
/*
 * Page faults that are no error: writes to pages that a snapshot holds (libc/core/snapshot.h).
 */
#pragma once

#include "kernel/x86/trap.h"
#include "libc/core/bits.h"

/* Bits of a page fault's error code (SDM 3A 4.7). */
#define FAULT_IS_OF_RIGHTS BIT(0)
#define FAULT_IS_WRITE     BIT(1)
#define FAULT_IS_EXECUTION BIT(4)

/* Whether the instruction can be tried again. */
bool snapshots_resolve(const struct trap_frame *frame);
