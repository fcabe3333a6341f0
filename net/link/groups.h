/* SPDX-License-Identifier: MIT */
/*
 * Frames to groups of stations: which of them the speaker wants (GROUP_WANTED). All others are
 * dropped here, whatever the NIC lets in, before they cost anybody a message.
 */
#pragma once

#include "drivers/nic/frame.h"
#include "kernel/base.h"
#include "net/group_messages.h"

struct nic;

/* With that of all systems. */
#define LINK_GROUP_MAX (GROUP_ADDRESS_MAX + 1)

void link_groups_initialise(void);

/* A frame that is no TCP segment: whether it has a whole Ethernet header and is not for a group
 * that nobody wants. Else it is counted and given back. */
bool link_groups_admit(struct frame *frame);

/* The NIC that this node drives, to know of those that are wanted, and of changes; or NULL, when
 * there is none any more. */
void link_groups_tell(struct nic *nic);
/* About once a second: what there was no memory for is tried again. */
void link_groups_check(void);
