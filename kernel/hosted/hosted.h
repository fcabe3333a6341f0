/* SPDX-License-Identifier: MIT */
/*
 * What drivers of a hosted node ask of its kernel beyond platform.h.
 */
#pragma once

#include "kernel/base.h"
#include "kernel/hosted/linux.h"

/* Nobody could wake the node for more devices than this. */
#define HOSTED_VECTOR_MAX LINUX_WATCH_MAX

/* An interrupt vector whose interrupt comes while this file is readable and the node sleeps.
 * Returns 0, which is no vector, when there are too many. */
uint8_t hosted_watch(int file);
/* One that never comes: for a card that lives in this process, and so is quiet while that sleeps.
 */
#define HOSTED_VECTOR_QUIET 0xF0
