/* SPDX-License-Identifier: MIT */
/*
 * A card for fuzz targets: takes and gives frames in memory, as drivers/nic/nic.h has it, and
 * checks each that it is given to send.
 */
#pragma once

#include "kernel/base.h"

/* Before the node starts. */
void card_start(bool can_segment_tcp);

/* A frame comes, and is taken in the next round. `flags` as in drivers/nic/frame.h. Lost when the
 * ring is full or nothing takes frames yet. */
void card_receive(const uint8_t *bytes, size_t length, uint16_t flags);
/* Frames that nobody has released. */
unsigned card_frames_held(void);

/* Let the card send no frame it was given, or all. What it holds, it has not read. */
void card_hold(bool is_held);
/* Let it take no more frames to send. */
void card_block(bool is_blocked);

/* What is done with each frame that is sent, in one piece and with room behind it: longer than
 * FRAME_MAX_BYTES when the card was asked to cut it. */
extern void (*card_on_sent)(uint8_t *bytes, size_t length, bool is_cut);
