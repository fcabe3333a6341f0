/* SPDX-License-Identifier: MIT */
/*
 * Where a node's life starts after boot/ has given it memory, page tables and a stack.
 */
#pragma once

#include "libc/core/base.h"

/* Bring this node up and run its event loop for ever (kernel/main.c). */
CALLED_FROM_OUTSIDE _Noreturn void node_main(void);
