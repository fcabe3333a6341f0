/* SPDX-License-Identifier: MIT */
/*
 * Frames that a card has copied when it took them: all that is left is to tell their owners, which
 * must wait for nic_queue_reclaim(). One queue a node.
 */
#pragma once

#include "drivers/nic/frame.h"
#include "kernel/base.h"

/* Whether another one can be noted. */
bool sent_has_room(void);
void sent_note(const struct frame_to_send *frame);
/* Tell the owners of all; returns how many were told. */
unsigned sent_reclaim(void);
unsigned sent_in_flight(void);
