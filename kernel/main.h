/* SPDX-License-Identifier: MIT */
/*
 * Where a node's life starts after boot/ has given it memory, page tables and a stack.
 */
#pragma once

#include "kernel/base.h"

/* Bring this node up and run its event loop for ever (kernel/main.c). */
_Noreturn void node_main(void);

/*
 * What the node runs. Supplied by the layer above (apps/start.c), called once by node_main() when
 * the kernel's services work and before the first dispatch round.
 */
void node_start_roles(void);
