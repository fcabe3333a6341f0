/* SPDX-License-Identifier: MIT */
/*
 * A node that has failed is built again, on its own core. The core leaves the node for the image as
 * it was loaded and for the first page tables, as it was before the node's first start. There it
 * waits until all nodes that live have let go of the dead one's memory, which they say on their
 * status pages (kernel/message/dispatch.h); builds the node anew, from what nobody but boot could
 * write, with another incarnation and another secret; and enters it. Nothing is reset.
 *
 * A node that fails more than a few times in a minute stays down longer each time, and says so.
 *
 * One that has left by its own will (NODE_PARKED) has its core sleep first, until another node says
 * that it is wanted (for_nodes[].wanted), and interrupts it.
 */
#pragma once

/* What rejoin.S reads: an entry for each node's core. */
#define REJOIN_CORE_APIC_ID 0
#define REJOIN_CORE_STACK   8
#define REJOIN_CORE_BYTES   16

#ifndef __ASSEMBLER__

#include "kernel/base.h"
#include "libc/core/rejoin_delay.h"

struct node_layout;
/* Have the nodes of this layout, which stays as it is, leave by here. `is_at_once`: never delayed.
 */
void rejoin_prepare(struct node_layout *layout, bool is_at_once);
/* In a node: out of it (gate.S). */
CALLED_FROM_OUTSIDE _Noreturn void rejoin_leave(void);
/* What follows, on the node's first stack. May be begun again at any moment. */
CALLED_FROM_OUTSIDE _Noreturn void rejoin_main(uint32_t node);

#endif
