/* SPDX-License-Identifier: MIT */
/*
 * Where a node's life starts after boot/ has given it memory, page tables and a stack.
 */
#pragma once

/* Bring this node up and run its event loop for ever (kernel/main.c). */
_Noreturn void node_main(void);
