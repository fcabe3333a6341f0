/* SPDX-License-Identifier: MIT */
/*
 * The card of fuzz targets: that of the unit tests (tests/unit/world/memory_nic.h), with its other
 * side.
 */
#pragma once

#include "kernel/base.h"

/* Before the node starts. What it can is chosen by bits: whether it cuts segments, how many queues
 * it has, whether it tells groups of flows apart, and whether another node can adopt it. */
void card_start(uint8_t choice);

/* A frame comes, and is taken in the next round. `flags` as in drivers/nic/frame.h. Lost when the
 * ring is full or nothing takes frames yet. */
void card_receive(const uint8_t *bytes, size_t length, uint16_t flags);

/* Let the card send no frame it was given, or all. What it holds, it has not read. */
void card_hold(bool is_wanted);
/* Let it take no more frames to send. */
void card_block(bool is_blocked);

/* What is done with each frame that is sent, in one piece and with room behind it: longer than
 * FRAME_MAX_BYTES when the card was asked to cut it. */
extern void (*card_on_sent)(uint8_t *bytes, size_t length, bool is_cut);
