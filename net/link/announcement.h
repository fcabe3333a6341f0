/* SPDX-License-Identifier: MIT */
/*
 * A virtual machine that has moved to another host comes behind another port of some switch, which
 * learns of it by a frame from there: some NICs say when that is due (struct nic_link).
 */
#pragma once

#include "kernel/base.h"

struct nic;

/* Chosen: what does not keep a NIC that asks for several from any (QEMU leaves 50 ms between two),
 * and bounds what one that asks all the time gets. */
#define LINK_ANNOUNCEMENT_INTERVAL_NS (20 * NS_PER_MS)

/* Whether the address may be made known once more now. Counts it then. */
MUST_CHECK bool link_announcement_admit(uint64_t now_ns);

/* The NIC is told that it is done, in a thread: `*nic` becomes NULL if it is lost. Without memory
 * for one it will ask again. */
void link_announcement_acknowledge(struct nic **nic);
