/* SPDX-License-Identifier: MIT */
/*
 * What a node needs of addresses, and which ones it has: from boot/addresses.h, by the node's
 * secret.
 */
#pragma once

#include "boot/addresses.h"
#include "boot/node_image.h"

/* Choose them, unlike those of the nodes before it. */
void node_addresses_choose(const struct node_layout *layout, unsigned node);
/* Other ones, but for the image, for one that is built again: text that moves an emulator would
 * translate anew. */
void node_addresses_move(const struct node_layout *layout, unsigned node);

uintptr_t node_addresses_start(const struct node_layout *layout, unsigned node, enum window window);
/* How much higher the node's image lies than the loaded one was linked. */
uint64_t node_addresses_slide(const struct node_layout *layout, unsigned node);
/* The end of its first stack, which has no page below. */
uintptr_t node_addresses_stack_top(const struct node_layout *layout, unsigned node);
/* What the node is told. */
struct node_map node_addresses_map(const struct node_layout *layout, unsigned node);
