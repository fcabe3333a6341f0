/* SPDX-License-Identifier: MIT */
/*
 * Names of functions, for backtraces. The table is made from the linked image itself (boot/boot.mk
 * links twice) and lies in its read-only data.
 */
#pragma once

#include "kernel/base.h"

/* The function that holds this address, and how far in; NULL when it is none of ours. */
const char *symbol_find(uintptr_t vaddr, uintptr_t *offset);
