/* SPDX-License-Identifier: MIT */
/*
 * The date: what the machine's battery-backed clock showed at boot, until the speaker (a transport
 * server, net/configuration.h) learns better. It tells all nodes by one word on its status page,
 * which whoever asks for the time reads.
 */
#pragma once

#include "kernel/base.h"

/* What a date may be: from 2000 to 2199, in nanoseconds since 1970. */
#define WALL_CLOCK_MIN_NS (UINT64_C(946684800) * NS_PER_S)
#define WALL_CLOCK_MAX_NS (UINT64_C(7258118400) * NS_PER_S)

/* The clock may be set back by so much, and stands still instead of going back. */
#define WALL_CLOCK_HOLD_NS (10 * NS_PER_MS)

/* Nanoseconds since 1970 (UTC) at a time of platform_now_ns(). Where nobody knows the date, boot
 * was in 1970. Goes back only when it is set back by more than WALL_CLOCK_HOLD_NS. */
uint64_t wall_clock_at(uint64_t now_ns);

/* On the speaker: it is so much later, or earlier. What is beyond the bounds above is left. */
void wall_clock_move(int64_t more_ns);
/* On a node that becomes the speaker: go on with what the one before it had told. */
void wall_clock_inherit(void);
