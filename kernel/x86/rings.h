/* SPDX-License-Identifier: MIT */
/*
 * What a checker is told of the memory of channels; all else of rings.c is in kernel/platform.h.
 */
#pragma once

#include "kernel/base.h"

/* Called when pages of this node become a ring, and when it writes them again. Does nothing until
 * somebody sets it (boot/mark_shared.c). */
extern void (*rings_mark)(const void *ring, size_t bytes, bool is_shared);
