/* SPDX-License-Identifier: MIT */
/*
 * Frames to groups of stations: which of them the speaker wants (GROUP_WANTED). All others are
 * dropped here, whatever the NIC lets in, before they cost anybody a message.
 */
#pragma once

#include "drivers/nic/frame.h"
#include "kernel/base.h"
#include "net/group_messages.h"

/* With that of all systems. */
#define LINK_GROUP_MAX (GROUP_ADDRESS_MAX + 1)

void link_groups_initialise(void);

/* A frame that is no TCP segment: whether it has a whole Ethernet header and is not for a group
 * that nobody wants. Else it is counted and given back. */
bool link_groups_admit(struct frame *frame);

/* The Ethernet addresses of those that are wanted. Returns how many. */
unsigned link_groups_list(uint8_t macs[LINK_GROUP_MAX][6]);
